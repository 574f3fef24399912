// The history of one task: a bar for each run with its numbers, the size of the list, and why rows were rejected.

import { readRuns, stateOf } from "./airflow.js";
import { drawn, duration, element, fit, label, link, linkToAll, linkToRun, moment, notice, number, timezone } from "./elements.js";
import { PLANNED, badgeOf, linkToLog, warningsOf, withoutCounts } from "./runs.js";
import { LEFT, addUp, columnsOf, outcomesOf, scaleOf } from "./summary.js";

const RUNS = 30;
const REASONS = 50;

function bar(summary, scale, hidden) {
  const left = element("div", { class: "left" });
  const right = element("div", { class: "right" });
  const fill = (side, names, whole) => {
    for (const name of names) {
      if (hidden.has(name) || !summary[name]) continue;
      const segment = element("div", { class: `segment ${name}`, title: `${label(name)} ${number(summary[name])}` });
      segment.style.width = `${(100 * summary[name]) / whole}%`;
      side.append(segment);
    }
  };
  const whole = scale.left + scale.right || 1;
  left.style.width = `${(100 * scale.left) / whole}%`;
  right.style.width = `${(100 * scale.right) / whole}%`;
  fill(left, [LEFT], scale.left || 1);
  fill(right, outcomesOf(summary), scale.right || 1);
  return element("div", { class: "bar" }, scale.left ? left : null, right);
}

function headOf(dagId, taskId, run) {
  const state = stateOf(run.instances);
  const parts = run.instances.length;
  const head = element("th", { scope: "row", rowspan: 2 }, linkToRun(dagId, run.id, moment(run.at)), element("br"));
  const isBad = state === "failed" || state === "upstream_failed";
  const inState = run.instances.filter((instance) => instance.state === state).length;
  const words = state === null ? (parts ? "not started" : "did not run") : label(state);
  head.append(element("span", { class: isBad ? "bad" : "quiet" }, parts > 1 ? `${words}: ${inState} of ${parts}` : words));
  if (state === "failed") head.append(" · ", linkToLog(dagId, taskId, run));
  const badges = [];
  const { summary } = run;
  if (summary?.hasPlan) badges.push(PLANNED);
  if (summary?.first_run) badges.push("first run");
  if (summary && run.parts.length < parts) badges.push(`${run.parts.length} of ${parts} parts counted`);
  for (const badge of badges) head.append(element("br"), badgeOf(badge));
  return head;
}

function numbersOf(summary, columns) {
  const cell = (name, text) => element("td", { class: "number", "data-label": name }, text);
  const count = (name) => cell(label(name), name in summary ? number(summary[name]) : "–");
  const requests = "requests" in summary ? number(summary.requests) : "–";
  const repeated = summary.retries ? ` (${number(summary.retries)} retries)` : "";
  return element(
    "tr",
    { class: "numbers" },
    count("read"),
    columns.counts.map(count),
    columns.size ? cell("list", "snapshot_after" in summary ? number(summary.snapshot_after) : "–") : null,
    cell("requests", requests + repeated),
    cell("duration", "duration_seconds" in summary ? duration(summary.duration_seconds) : "–"),
  );
}

function bodyOf(dagId, taskId, run, columns, scale, hidden) {
  const width = columns.counts.length + 3 + (columns.size ? 1 : 0);
  const { summary } = run;
  const first = element("tr", {}, headOf(dagId, taskId, run));
  const wide = element("td", { class: "bars", colspan: width });
  first.append(wide);
  if (run.unread.length) {
    wide.append(element("div", { class: "bad" }, `${run.unread[0].message}: not all counts of this run could be read.`));
  }
  if (!summary) {
    wide.append(withoutCounts(run));
    return element("tbody", { class: "run" }, first, element("tr"));
  }
  // For the mouse only: the link stands beside it, and each number stands below it, as text.
  const shown = linkToRun(dagId, run.id, bar(summary, scale, hidden));
  shown.setAttribute("aria-hidden", "true");
  shown.setAttribute("tabindex", "-1");
  wide.append(shown, ...warningsOf(summary));
  return element("tbody", { class: "run" }, first, numbersOf(summary, columns));
}

function tableOf(dagId, taskId, runs, columns, hidden) {
  const scale = scaleOf(runs.filter((run) => run.summary).map((run) => run.summary), hidden);
  const head = ["read", ...columns.counts, ...(columns.size ? ["list"] : []), "requests", "duration"];
  const left = scale.left ? " To the left of the line, the contacts that were removed from the list." : "";
  return element(
    "table",
    { class: "runs" },
    element("caption", {}, `A bar for each run, the newest first: what became of the rows that it read.${left}`),
    element(
      "thead",
      {},
      element("tr", {}, element("th", { scope: "col" }, "run"), head.map((name) => element("th", { scope: "col", class: "number" }, label(name)))),
    ),
    runs.map((run) => bodyOf(dagId, taskId, run, columns, scale, hidden)),
  );
}

function legendOf(columns, hidden, changed) {
  return element(
    "ul",
    { class: "legend", "aria-label": "What the bars show; press a name to leave it out of them" },
    columns.counts.map((name) => {
      const button = element(
        "button",
        { type: "button", "aria-pressed": String(!hidden.has(name)), title: "In the bars, or not" },
        element("span", { class: `sample ${name}` }),
        label(name),
      );
      button.addEventListener("click", () => {
        if (!hidden.delete(name)) hidden.add(name);
        changed(name);
      });
      return element("li", {}, button);
    }),
  );
}

/** The size of the list, from the oldest run to the newest. */
function sizeOf(runs, space) {
  const points = runs
    .filter(({ summary }) => summary && "snapshot_after" in summary && !summary.hasPlan)
    .reverse();
  if (!points.length) return null;
  const sizes = points.map((run) => run.summary.snapshot_after);
  const top = Math.max(...sizes, 1);
  // As wide as there is space, so that its text is never drawn smaller.
  const [width, height, indent, foot] = [Math.max(200, Math.min(800, space)), 140, 70, 20];
  const x = (index) => indent + (points.length > 1 ? (index * (width - indent - 10)) / (points.length - 1) : 0);
  const y = (size) => foot / 2 + (height - foot) * (1 - size / top);
  const line = sizes.map((size, index) => `${index ? "L" : "M"}${x(index).toFixed(1)},${y(size).toFixed(1)}`).join("");
  const words = `${number(sizes[0])} after the oldest of these runs, ${number(sizes.at(-1))} after the newest`;
  const grid = [0, top].flatMap((size) => [
    drawn("line", { x1: indent, x2: width, y1: y(size), y2: y(size) }),
    drawn("text", { x: indent - 6, y: y(size) + 4, "text-anchor": "end" }, number(size)),
  ]);
  const dots = sizes.map((size, index) =>
    drawn("circle", { cx: x(index), cy: y(size), r: 3 }, drawn("title", {}, `${points[index].at}: ${number(size)}`)),
  );
  return element(
    "section",
    { id: "size" },
    element("h2", {}, "Size of the list"),
    element("p", {}, `Contacts that are known to be on it: ${words}.`),
    drawn(
      "svg",
      { class: "size", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words },
      ...grid,
      drawn("path", { d: line }),
      ...dots,
    ),
  );
}

function reasonsOf(runs) {
  const counted = runs.filter((run) => run.summary);
  const totals = new Map();
  for (const { summary } of counted) {
    for (const [reason, count] of summary.reasons) totals.set(reason, (totals.get(reason) ?? 0) + count);
  }
  if (!totals.size) return null;
  const newest = counted[0].summary.reasons;
  const heads = ["newest run", "all shown", "reason"];
  const sorted = [...totals].sort((one, other) => other[1] - one[1]);
  const rows = sorted.slice(0, REASONS).map(([reason, count]) =>
    element(
      "tr",
      {},
      element("td", { class: "number", "data-label": heads[0] }, number(newest.get(reason) ?? 0)),
      element("td", { class: "number", "data-label": heads[1] }, number(count)),
      element("th", { scope: "row" }, reason),
    ),
  );
  return element(
    "section",
    { id: "reasons" },
    element("h2", {}, "Why rows were invalid or refused"),
    element(
      "table",
      { class: "lines" },
      element(
        "thead",
        {},
        element("tr", {}, heads.map((name) => element("th", { scope: "col", class: name === "reason" ? null : "number" }, name))),
      ),
      element("tbody", {}, rows),
    ),
    sorted.length > REASONS ? element("p", { class: "quiet" }, `and ${number(sorted.length - REASONS)} other reasons`) : null,
  );
}

export async function showHistory(page, dagId, taskId) {
  document.title = `${taskId} · Octopush`;
  const lists = element("span");
  const below = element("span");
  const body = element("div");
  const status = element("p", { class: "quiet", role: "status" });
  const more = element("button", { type: "button", hidden: "" }, "More runs");
  page.replaceChildren(
    element("p", {}, linkToAll("All syncs")),
    element("h1", {}, `${taskId} in ${dagId}`),
    element("p", {}, lists, link(["dags", dagId], {}, "The Dag"), below, element("span", { class: "quiet" }, ` · times in ${timezone}`)),
    body,
    status,
    more,
  );
  const runs = [];
  const hidden = new Set();
  let asked = 0;

  const draw = (pressed) => {
    const summaries = runs.filter((run) => run.summary).map((run) => run.summary);
    const columns = columnsOf(summaries);
    const names = new Set(summaries.flatMap((summary) => [...summary.lists]));
    lists.textContent = names.size ? `${names.size > 1 ? "Lists" : "List"} ${[...names].sort().join(", ")} · ` : "";
    const sections = [sizeOf(runs, body.clientWidth), reasonsOf(runs)].filter(Boolean);
    body.replaceChildren(legendOf(columns, hidden, draw), tableOf(dagId, taskId, runs, columns, hidden), ...sections);
    below.replaceChildren(
      ...sections.flatMap((section) => [
        " · ",
        element("a", { href: `#${section.id}` }, section.firstChild.textContent),
      ]),
    );
    fit();
    if (pressed) {
      const button = [...body.querySelectorAll(".legend button")].find((one) => one.textContent === label(pressed));
      button?.focus();
    }
  };

  const load = async () => {
    more.hidden = true;
    status.replaceChildren("Asking Airflow …");
    try {
      const found = await readRuns(dagId, taskId, asked, RUNS, (done, all) => {
        status.textContent = `Asking Airflow: ${number(done)} of ${number(all)} results …`;
      });
      asked += found.runs.length;
      const known = new Set(runs.map((run) => run.id));
      for (const run of found.runs) {
        if (known.has(run.id)) continue;
        run.summary = addUp(run);
        runs.push(run);
      }
      status.replaceChildren(
        found.isXcomHidden ? "You may see the runs, but not what they counted: your role may not read XComs." : "",
      );
      if (runs.length) draw();
      else status.replaceChildren("The Dag has not run yet.");
      more.hidden = asked >= found.total || !found.runs.length;
    } catch (error) {
      status.replaceChildren(notice(error, load));
    }
  };
  more.addEventListener("click", load);
  await load();
}
