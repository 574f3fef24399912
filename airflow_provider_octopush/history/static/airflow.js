// What Airflow's API knows, asked with the session of the person who looks.

import { asSummary } from "./summary.js";

/** Airflow's own address, which may have a path: the page is one folder below. */
export const ROOT = new URL("../", location.href);
/** With many mapped instances fewer runs are read at a time, so that Airflow is not asked for thousands of results. */
const INSTANCES = 600;
export const AT_ONCE = 6;
export const LINK_KEY = "_link_SyncHistoryLink";
const SUMMARY_KEY = "return_value";

/** Of the states of mapped instances, the run shows the first of these. */
const STATES = [
  "failed", "upstream_failed", "up_for_retry", "running", "restarting", "deferred", "up_for_reschedule", "queued",
  "scheduled", "awaiting_input", "skipped", "removed", "success",
];

export class ApiError extends Error {
  constructor(status) {
    super(status ? `Airflow answered HTTP ${status}` : "Airflow did not answer");
    this.status = status;
  }
}

export async function ask(path, parameters = {}) {
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
export async function each(items, work) {
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
export const isFinal = (error) => !(error instanceof ApiError) || error.status === 0 || error.status === 401;

/** The newest runs of a Dag from an offset on, each with what a task counted in it. */
export async function readRuns(dagId, taskId, offset, limit, progress = () => {}) {
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

export function stateOf(instances) {
  const states = new Set(instances.map((instance) => instance.state));
  return STATES.find((state) => states.has(state)) ?? [...states].find(Boolean) ?? null;
}

/** Our operators, and what people have made of them, have this template field; no other operator has. */
export const isOurs = (task) =>
  (task.template_fields ?? []).includes("octopush_conn_id") ||
  (task.class_ref?.module_path ?? "").startsWith("airflow_provider_octopush.");
