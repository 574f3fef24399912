// What a run counted: one summary of those of its parts, and what of it is shown. A summary may be anything.

import { OUTCOMES } from "./outcomes.js";

/** In bars and columns these come first, the other outcomes after them in the order of the summary. */
const FIRST = ["added", "updated", "unchanged", "removed", "unsent"];
/** To the left of a bar's line. */
export const LEFT = "removed";
/** Shown where there are any. */
const RARE = new Set(["unsent", "skipped", "other"]);
/** Added up beside the outcomes. */
const COUNTS = ["read", LEFT, "kept", "snapshot_after", "requests", "retries"];
const isPlan = (part) => part.dry_run === true;
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isTime = (value) => typeof value === "number" && value >= 0 && value < 1e9;

/** A summary, whatever form Airflow gives it in; null when the value is something else. */
export function asSummary(value) {
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
export function addUp(run) {
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

const inOrder = (names) => [...new Set([...FIRST.filter((name) => names.includes(name)), ...names])];
export const outcomesOf = ({ operation }) => inOrder(OUTCOMES[operation]).filter((name) => name !== LEFT);

export function columnsOf(summaries) {
  const has = (name) => summaries.some((summary) => name in summary);
  const names = inOrder([LEFT, ...summaries.flatMap(outcomesOf)]);
  const counts = names.filter((name) => (RARE.has(name) ? summaries.some((summary) => summary[name] > 0) : has(name)));
  return { counts, size: has("snapshot_after") };
}

export function scaleOf(summaries, hidden) {
  const sum = (summary, names) =>
    names.reduce((total, name) => total + (hidden.has(name) ? 0 : summary[name] ?? 0), 0);
  return {
    left: Math.max(0, ...summaries.map((summary) => sum(summary, [LEFT]))),
    right: Math.max(0, ...summaries.map((summary) => sum(summary, outcomesOf(summary)))),
  };
}
