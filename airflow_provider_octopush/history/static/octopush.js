// The history of a sync. The page holds nothing: all that it shows, it asks Airflow's own API for, with the session of
// the person who looks, so that Airflow decides what may be seen. What comes from a run is put into text nodes only.

import { OUTCOMES } from "./outcomes.js";

/** Airflow's own address, which may have a path: the page is one folder below. */
const ROOT = new URL("../", location.href);
const RUNS = 30;
/** With many mapped instances fewer runs are read at a time, so that Airflow is not asked for thousands of results. */
const INSTANCES = 600;
const DAGS = 100;
const AT_ONCE = 6;
const REASONS = 50;
const LIMITS = 5;
const LINK_KEY = "_link_SyncHistoryLink";
const SUMMARY_KEY = "return_value";

/** In bars and columns these come first, the other outcomes after them in the order of the summary. */
const FIRST = ["added", "updated", "unchanged", "removed", "unsent"];
/** To the left of a bar's line. */
const LEFT = "removed";
/** Shown where there are any. */
const RARE = new Set(["unsent", "skipped", "other"]);
/** Added up beside the outcomes. */
const COUNTS = ["read", LEFT, "kept", "snapshot_after", "requests", "retries"];
/** Of the states of mapped instances, the run shows the first of these. */
const STATES = [
  "failed", "upstream_failed", "up_for_retry", "running", "restarting", "deferred", "up_for_reschedule", "queued",
  "scheduled", "awaiting_input", "skipped", "removed", "success",
];

const label = (name) => name.replaceAll("_", " ");
const number = (value) => value.toLocaleString("en");
const isPlan = (part) => part.validate_only === true;
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isTime = (value) => typeof value === "number" && value >= 0 && value < 1e9;

class ApiError extends Error {
  constructor(status) {
    super(status ? `Airflow answered HTTP ${status}` : "Airflow did not answer");
    this.status = status;
  }
}

async function ask(path, parameters = {}) {
  // In a URL these are no names, however they are written.
  if (path.includes(".") || path.includes("..")) throw new ApiError(404);
  const url = new URL(`api/v2/${path.map(encodeURIComponent).join("/")}`, ROOT);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.append(name, value);
  let response;
  try {
    response = await fetch(url, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(60000) });
  } catch {
    throw new ApiError(0);
  }
  if (!response.ok) throw new ApiError(response.status);
  try {
    return await response.json();
  } catch {
    throw new ApiError(response.status);
  }
}

/** All items of a list of the API, page by page, until there are no more or `enough` of them. */
async function askAll(path, key, parameters, enough = () => false) {
  const items = [];
  for (;;) {
    const page = await ask(path, { ...parameters, limit: 100, offset: items.length });
    items.push(...page[key]);
    if (!page[key].length || items.length >= page.total_entries) return { items, isWhole: true };
    if (enough(items)) return { items, isWhole: false };
  }
}

/** Work on items, some at a time; the first failure ends it, when what is under way is done. */
async function each(items, work) {
  const waiting = [...items];
  let failure = null;
  const worker = async () => {
    while (waiting.length && !failure) {
      try {
        await work(waiting.shift());
      } catch (error) {
        failure ??= error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  if (failure) throw failure;
}

/** With these, nothing else can be asked either. */
const isFinal = (error) => !(error instanceof ApiError) || error.status === 0 || error.status === 401;

// ---------------------------------------------------------------- what Airflow knows

/** The newest runs of a Dag from an offset on, each with what a task counted in it. */
async function readRuns(dagId, taskId, offset, limit, progress = () => {}) {
  const page = await ask(["dags", dagId, "dagRuns"], { order_by: "-run_after", limit, offset });
  let runs = page.dag_runs.map((run) => ({
    id: run.dag_run_id,
    at: run.run_after,
    type: run.run_type,
    instances: [],
    parts: [],
    unread: [],
    isHidden: false,
  }));
  const total = page.total_entries;
  if (!runs.length) return { runs, total, isXcomHidden: false };
  const range = () => ({ run_after_gte: runs.at(-1).at, run_after_lte: runs[0].at });
  const ofTask = ["dags", dagId, "dagRuns", "~", "taskInstances"];
  const read = await askAll(
    ofTask,
    "task_instances",
    { task_id: taskId, order_by: "-run_after", ...range() },
    (items) => items.length >= INSTANCES && items.at(-1).dag_run_id !== items[0].dag_run_id,
  );
  if (!read.isWhole) {
    // The last one may have more instances than were read.
    const end = runs.findIndex((run) => run.id === read.items.at(-1).dag_run_id);
    runs = runs.slice(0, Math.max(end, 1));
  }
  const byId = new Map(runs.map((run) => [run.id, run]));
  for (const instance of read.items) {
    if (instance.task_id === taskId) byId.get(instance.dag_run_id)?.instances.push(instance);
  }
  let isXcomHidden = false;
  try {
    await readSummaries(dagId, taskId, byId, range(), progress);
  } catch (error) {
    if (error.status !== 403) throw error;
    isXcomHidden = true;
    for (const run of runs) run.isHidden = true;
  }
  return { runs, total, isXcomHidden };
}

async function readSummaries(dagId, taskId, byId, range, progress) {
  const list = ["dags", dagId, "dagRuns", "~", "taskInstances", taskId, "xcomEntries"];
  const { items } = await askAll(list, "xcom_entries", { xcom_key: SUMMARY_KEY, ...range });
  const entries = items.filter((entry) => byId.has(entry.run_id) && entry.task_id === taskId);
  let done = 0;
  await each(entries, async (entry) => {
    const run = byId.get(entry.run_id);
    const path = ["dags", dagId, "dagRuns", entry.run_id, "taskInstances", taskId, "xcomEntries", SUMMARY_KEY];
    try {
      const { value } = await ask(path, { map_index: entry.map_index });
      const summary = asSummary(value);
      if (summary) run.parts.push(summary);
    } catch (error) {
      // Cleared in the meantime: there is none.
      if (error.status !== 404) run.unread.push(error);
    }
    progress((done += 1), entries.length);
  });
}

/** A summary, whatever form Airflow gives it in; null when the value is something else. */
function asSummary(value) {
  let read = value;
  for (let depth = 0; depth < 2 && typeof read === "string"; depth += 1) {
    try {
      read = JSON.parse(read);
    } catch {
      return null;
    }
  }
  return read !== null && typeof read === "object" && isCount(read.read) ? read : null;
}

/** The limits that held a run, or would hold what it planned, in the words of the task. */
const limitsOf = ({ exceeded }) =>
  Array.isArray(exceeded) ? exceeded.filter((sentence) => typeof sentence === "string") : [];

/** Why contacts were kept; the limits stand at the end of that, and are said anyway. */
function keptReasonOf(part) {
  const reason = typeof part.kept_reason === "string" ? part.kept_reason : "";
  const limits = limitsOf(part).join("; ");
  return reason.endsWith(limits) ? reason.slice(0, reason.length - limits.length).replace(/; $/, "") : reason;
}

/** What a summary is of; one that does not say, and has nothing that only a deletion counts, is taken for a sync. */
const operationOf = ({ operation, ...counts }) =>
  Object.hasOwn(OUTCOMES, operation) ? operation : "forgotten" in counts ? "delete" : "sync";

/** One summary of those of all mapped instances. What no part has stays away: it is not zero. */
function addUp(run) {
  if (!run.parts.length) return null;
  // Counts of different operations are not the same: where a task was changed between its parts, most of them count.
  const ofEach = Object.keys(OUTCOMES).map((name) => run.parts.filter((part) => operationOf(part) === name));
  const parts = (run.parts = ofEach.reduce((most, some) => (some.length > most.length ? some : most)));
  const whole = { operation: operationOf(parts[0]), reasons: new Map() };
  for (const name of new Set([...COUNTS, ...OUTCOMES[whole.operation]])) {
    // A part that is missing has a list, too: without its size, that of all is not known.
    if (name === "snapshot_after" && parts.length < run.instances.length) continue;
    const counts = parts.map((part) => part[name]).filter(isCount);
    if (counts.length) whole[name] = counts.reduce((sum, count) => sum + count, 0);
  }
  const shared = (name) => {
    const values = new Set(parts.map((part) => part[name] ?? null));
    const [value] = values;
    return values.size === 1 && typeof value === "string" ? value : null;
  };
  whole.list_name = shared("list_name");
  whole.lists = new Set(parts.map((part) => part.list_name).filter((name) => typeof name === "string"));
  whole.tag_name = shared("tag_name");
  whole.kept_reasons = new Set(parts.map(keptReasonOf).filter(Boolean));
  whole.held = parts.flatMap((part) => {
    const held = isPlan(part) ? "A run would be held by a limit" : "Held by a limit";
    const list = whole.lists.size > 1 && typeof part.list_name === "string" ? `, list ${part.list_name}` : "";
    return limitsOf(part).map((sentence) => `${held}${list}: ${sentence}`);
  });
  whole.first_run = parts.some((part) => part.first_run === true);
  whole.hasPlan = parts.some(isPlan);
  whole.isPlan = parts.every(isPlan);
  const durations = parts.map((part) => part.duration_seconds).filter(isTime);
  if (durations.length) whole.duration_seconds = Math.max(...durations);
  for (const { reasons } of parts) {
    if (reasons === null || typeof reasons !== "object") continue;
    for (const [reason, count] of Object.entries(reasons)) {
      if (isCount(count)) whole.reasons.set(reason, (whole.reasons.get(reason) ?? 0) + count);
    }
  }
  return whole;
}

function stateOf(instances) {
  const states = new Set(instances.map((instance) => instance.state));
  return STATES.find((state) => states.has(state)) ?? [...states].find(Boolean) ?? null;
}

/** Our operators, and what people have made of them, have this template field; no other operator has. */
const isOurs = (task) =>
  (task.template_fields ?? []).includes("octopush_conn_id") ||
  (task.class_ref?.module_path ?? "").startsWith("airflow_provider_octopush.");

// ---------------------------------------------------------------- elements; text is never markup

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

function drawn(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const isFramed = (() => {
  try {
    return window.parent !== window && Boolean(window.parent.document);
  } catch {
    return false;
  }
})();

/** A link to a page of Airflow. Airflow shows this page in a frame that may not leave itself: its own page is asked to. */
function link(path, query, ...children) {
  const url = new URL(path.map(encodeURIComponent).join("/"), ROOT);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const made = element("a", { href: url.href }, ...children);
  if (isFramed) {
    const follow = (event) => {
      if (event.button > 1) return;
      event.preventDefault();
      const inParent = window.parent.document.createElement("a");
      inParent.href = url.href;
      if (event.button === 1 || event.ctrlKey || event.metaKey || event.shiftKey) inParent.target = "_blank";
      inParent.rel = "noopener";
      window.parent.document.body.append(inParent);
      inParent.click();
      inParent.remove();
    };
    made.addEventListener("click", follow);
    made.addEventListener("auxclick", follow);
  }
  return made;
}

const HERE = isFramed ? ["plugin", "octopush"] : ["octopush", ""];
const linkToHistory = (dagId, taskId, ...children) => link(HERE, { dag_id: dagId, task_id: taskId }, ...children);
const linkToAll = (...children) => link(HERE, {}, ...children);
const linkToRun = (dagId, runId, ...children) => link(["dags", dagId, "runs", runId], {}, ...children);

const timezone = (() => {
  try {
    // What the person has chosen in Airflow.
    const chosen = JSON.parse(localStorage.getItem("timezone") ?? "null");
    new Intl.DateTimeFormat("en", { timeZone: chosen ?? undefined });
    return chosen ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  } catch {
    return Intl.DateTimeFormat().resolvedOptions().timeZone;
  }
})();

function moment(text) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return "";
  const shown = date.toLocaleString("sv-SE", { timeZone: timezone, dateStyle: "short", timeStyle: "short" });
  return element("time", { datetime: text }, shown);
}

function duration(seconds) {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function notice(error, retry) {
  const box = element("div", { class: "notice failed", role: "alert" });
  if (error.status === 401) {
    box.append("You are not logged in, or no longer. ", link(["api", "v2", "auth", "login"], { next: location.href }, "Log in"), ".");
  } else if (error.status === 403) {
    box.append("Airflow does not let you see this: your role may not read it.");
  } else if (error.status === 404) {
    box.append("Airflow knows no such Dag or task, or does not let you see it.");
  } else {
    box.append(error instanceof ApiError ? `${error.message}. ` : `This page failed: ${error.message}. `);
    const again = element("button", { type: "button" }, "Try again");
    again.addEventListener("click", retry);
    box.append(again);
  }
  return box;
}

/** A table that is wider than the screen is shown as a list: how wide it is, its numbers and names decide. */
function fit() {
  for (const table of document.querySelectorAll("table")) {
    table.classList.remove("stacked");
    const { right } = table.getBoundingClientRect();
    table.classList.toggle("stacked", right + scrollX > document.documentElement.clientWidth);
  }
}

// ---------------------------------------------------------------- the history of one task

const inOrder = (names) => [...new Set([...FIRST.filter((name) => names.includes(name)), ...names])];
const outcomesOf = ({ operation }) => inOrder(OUTCOMES[operation]).filter((name) => name !== LEFT);

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

function columnsOf(summaries) {
  const has = (name) => summaries.some((summary) => name in summary);
  const names = inOrder([LEFT, ...summaries.flatMap(outcomesOf)]);
  const counts = names.filter((name) => (RARE.has(name) ? summaries.some((summary) => summary[name] > 0) : has(name)));
  return { counts, size: has("snapshot_after") };
}

function scaleOf(summaries, hidden) {
  const sum = (summary, names) =>
    names.reduce((total, name) => total + (hidden.has(name) ? 0 : summary[name] ?? 0), 0);
  return {
    left: Math.max(0, ...summaries.map((summary) => sum(summary, [LEFT]))),
    right: Math.max(0, ...summaries.map((summary) => sum(summary, outcomesOf(summary)))),
  };
}

/** The log of the instance in which a run has failed. */
function linkToLog(dagId, taskId, run) {
  const failed = run.instances.find((instance) => instance.state === "failed");
  if (!failed) return null;
  const mapped = failed.map_index >= 0 ? ["mapped", failed.map_index] : [];
  return link(["dags", dagId, "runs", run.id, "tasks", taskId, ...mapped], {}, "log");
}

/** Why there are no counts of a run; nothing where it is said elsewhere. */
function withoutCounts(run) {
  if (run.unread.length || run.isHidden) return "";
  const words = stateOf(run.instances) === "failed" ? "failed without a summary" : "no summary";
  return element("span", { class: "quiet" }, words);
}

const badgeOf = (words) => element("span", { class: "badge" }, words);
const PLANNED = "validated only, nothing was sent";

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

/** What somebody has to look at: the limits that held the run, or would hold one, and contacts that were kept. */
function warningsOf({ held, kept, kept_reasons: reasons, isPlan }) {
  const words = held.slice(0, LIMITS);
  if (held.length > LIMITS) words.push(`and by ${number(held.length - LIMITS)} more`);
  if (kept) {
    const contacts = `${number(kept)} ${kept === 1 ? "contact" : "contacts"}`;
    const were = `should have been removed, and ${kept === 1 ? "was" : "were"} not`;
    const why = reasons.size ? `: ${[...reasons].join("; ")}` : "";
    words.push(`${contacts} ${isPlan ? "should be removed, and would be kept" : were}${why}`);
  }
  return words.map((one) => element("div", { class: isPlan ? "warning" : "warning bad" }, one));
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
  const left = scale.left ? " To the left of the line, who was removed from the list." : "";
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

async function showHistory(page, dagId, taskId) {
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

// ---------------------------------------------------------------- all tasks that a person may see

async function showAll(page) {
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

// ---------------------------------------------------------------- start

/** Light or dark, as Airflow is: as the page around this one, or else as it was chosen there. */
function followTheme() {
  const outer = isFramed ? window.parent.document.documentElement : null;
  const apply = () => {
    const chosen = localStorage.getItem("theme");
    const isDark = outer
      ? outer.classList.contains("dark")
      : chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.classList.toggle("dark", isDark);
    if (!outer) return;
    const { backgroundColor } = getComputedStyle(window.parent.document.body);
    if (!/, 0\)$|transparent/.test(backgroundColor)) {
      document.documentElement.style.setProperty("--background", backgroundColor);
    }
  };
  apply();
  if (outer) new MutationObserver(apply).observe(outer, { attributes: true, attributeFilter: ["class", "style"] });
}

/** Where the page belongs: in Airflow's own, for everybody who may see it there. */
async function settle() {
  if (isFramed) {
    // Airflow does not hand its own page's query on to the frame.
    const outer = new URLSearchParams(location.search ? "" : window.parent.location.search);
    if (!outer.has("dag_id")) return true;
    const named = new URLSearchParams({ dag_id: outer.get("dag_id"), task_id: outer.get("task_id") ?? "" });
    location.replace(`?${named}`);
    return false;
  }
  try {
    await ask(["plugins"], { limit: 1 });
  } catch {
    return true;
  }
  location.replace(new URL(`plugin/octopush${location.search}`, ROOT));
  return false;
}

async function start() {
  followTheme();
  addEventListener("resize", fit);
  if (!(await settle())) return;
  const page = document.getElementById("page");
  const named = new URLSearchParams(location.search);
  const [dagId, taskId] = [named.get("dag_id"), named.get("task_id")];
  if (dagId && taskId) showHistory(page, dagId, taskId);
  else showAll(page);
}

start();
