// All tasks of this provider that a person may see, each with its newest run.

import { AT_ONCE, LINK_KEY, ask, each, isFinal, isOurs, readRuns, stateOf } from "./airflow.js";
import { element, fit, label, linkToHistory, linkToRun, moment, notice, number, timezone } from "./elements.js";
import { PLANNED, badgeOf, linkToLog, warningsOf, withoutCounts } from "./runs.js";
import { LEFT, addUp, outcomesOf } from "./summary.js";

const DAGS = 100;

export async function showAll(page) {
  document.title = "Octopush";
  const rows = element("tbody");
  const heads = ["Dag", "task", "newest run", "state", "list", "what became of the rows"];
  const cellOf = (cell, index) => element("td", { "data-label": heads[index] }, cell);
  const table = element(
    "table",
    { class: "lines syncs", hidden: "" },
    element("caption", {}, "Tasks that bring contacts to Octopush, or remove them, and their newest run."),
    element(
      "thead",
      {},
      element("tr", {}, heads.map((name) => element("th", { scope: "col" }, name))),
    ),
    rows,
  );
  const status = element("p", { class: "quiet", role: "status" });
  const more = element("button", { type: "button", hidden: "" });
  page.replaceChildren(element("h1", {}, "Octopush"), table, status, more);

  const known = new Map();
  const lookedAt = new Set();
  const waiting = [];
  let reading = 0;
  let conclusion = null;
  // What has been found is only said when all that the person looks at has been read.
  const conclude = () => {
    if (conclusion === null) return;
    const isRead = lookedAt.size === known.size && !reading && !waiting.length;
    status.textContent = isRead ? conclusion : "Reading the newest runs …";
  };
  const readOn = () => {
    while (reading < AT_ONCE / 2 && waiting.length) {
      const { row, dagId, taskId } = waiting.shift();
      reading += 1;
      newestRun(dagId, taskId).then((cells) => {
        row.lastChild.replaceWith(...cells.map((cell, index) => cellOf(cell, index + 2)));
        fit();
        reading -= 1;
        readOn();
      });
    }
    conclude();
  };
  // Of a Dag with hundreds of such tasks, only the runs of those that are looked at are asked for.
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      lookedAt.add(target.id);
      if (!isIntersecting) continue;
      seen.unobserve(target);
      waiting.push({ row: target, ...known.get(target.id) });
    }
    readOn();
  });
  const add = (dagId, taskId) => {
    const key = JSON.stringify([dagId, taskId]);
    if (known.has(key)) return;
    const row = element(
      "tr",
      { id: key },
      element("th", { scope: "row" }, dagId),
      cellOf(linkToHistory(dagId, taskId, taskId), 1),
      element("td", { class: "quiet", colspan: heads.length - 2 }, "…"),
    );
    // Sorted, whenever it is found.
    const after = [...known.keys()].filter((other) => other > key).sort()[0];
    rows.insertBefore(row, after === undefined ? null : document.getElementById(after));
    known.set(key, { dagId, taskId });
    table.hidden = false;
    seen.observe(row);
  };

  try {
    // Who has the newest results, whatever number of Dags there is; the order is Airflow's own before 3.2.
    const recent = await ask(["dags", "~", "dagRuns", "~", "taskInstances", "~", "xcomEntries"], {
      xcom_key: LINK_KEY,
      order_by: "-timestamp",
      limit: 100,
    });
    for (const entry of recent.xcom_entries) add(entry.dag_id, entry.task_id);
  } catch (error) {
    // Who may not read XComs, may still read Dags.
    if (isFinal(error)) {
      status.replaceChildren(notice(error, () => showAll(page)));
      return;
    }
  }

  let offset = 0;
  const unread = [];
  const look = async () => {
    more.hidden = true;
    conclusion = null;
    try {
      const dags = await ask(["dags"], { limit: DAGS, offset, order_by: "dag_id" });
      const all = number(dags.total_entries);
      let done = 0;
      await each(dags.dags, async ({ dag_id: dagId }) => {
        try {
          const { tasks } = await ask(["dags", dagId, "tasks"]);
          for (const task of tasks.filter(isOurs)) add(dagId, task.task_id);
        } catch (error) {
          if (isFinal(error)) throw error;
          // Others are Dags whose tasks this person may not see, or that have just gone.
          if (error.status !== 403 && error.status !== 404) unread.push(`${dagId} (${error.message})`);
        }
        done += 1;
        status.textContent = `Looked through ${number(offset + done)} of ${all} Dags …`;
      });
      offset += dags.dags.length;
      const left = dags.dags.length ? dags.total_entries - offset : 0;
      let words = "None of the Dags that you may see has a task of this provider.";
      if (left > 0) {
        words =
          `Looked through ${number(offset)} of ${all} Dags, and through what ran last. ` +
          "In the others, tasks that have not run for long may be missing here.";
        more.textContent = `Look through ${number(Math.min(left, DAGS))} more`;
        more.hidden = false;
      } else if (known.size) {
        words = `These are all that you may see. Times are in ${timezone}.`;
      }
      if (unread.length) words += ` Not looked through: ${unread.join(", ")}.`;
      conclusion = words;
      conclude();
    } catch (error) {
      status.replaceChildren(notice(error, look));
    }
  };
  more.addEventListener("click", look);
  await look();
}

async function newestRun(dagId, taskId) {
  try {
    const { runs } = await readRuns(dagId, taskId, 0, 1);
    if (!runs.length) return ["", element("span", { class: "quiet" }, "has not run yet"), "", ""];
    const [run] = runs;
    const state = stateOf(run.instances);
    const summary = addUp(run);
    const counts = summary
      ? [...outcomesOf(summary), LEFT].filter((name) => summary[name]).map((name) => `${label(name)} ${number(summary[name])}`)
      : [];
    const words = summary ? counts.join(", ") || "no rows" : withoutCounts(run);
    return [
      linkToRun(dagId, run.id, moment(run.at)),
      [
        element("span", { class: state === "failed" ? "bad" : "" }, state ? label(state) : "not started"),
        ...(state === "failed" ? [" · ", linkToLog(dagId, taskId, run)] : []),
      ],
      summary?.list_name ?? "",
      [...(summary?.hasPlan ? [badgeOf(PLANNED), " "] : []), words, ...(summary ? warningsOf(summary) : [])],
    ];
  } catch (error) {
    return ["", element("span", { class: "bad" }, error.message), "", ""];
  }
}
