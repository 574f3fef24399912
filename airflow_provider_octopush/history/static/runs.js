// What is said of one run, wherever it is shown.

import { stateOf } from "./airflow.js";
import { element, link, number } from "./elements.js";

const LIMITS = 5;
export const badgeOf = (words) => element("span", { class: "badge" }, words);
export const PLANNED = "dry run, nothing was sent";

/** The log of the instance in which a run has failed. */
export function linkToLog(dagId, taskId, run) {
  const failed = run.instances.find((instance) => instance.state === "failed");
  if (!failed) return null;
  const mapped = failed.map_index >= 0 ? ["mapped", failed.map_index] : [];
  return link(["dags", dagId, "runs", run.id, "tasks", taskId, ...mapped], {}, "log");
}

/** Why there are no counts of a run; nothing where it is said elsewhere. */
export function withoutCounts(run) {
  if (run.unread.length || run.isHidden) return "";
  const words = stateOf(run.instances) === "failed" ? "failed without a summary" : "no summary";
  return element("span", { class: "quiet" }, words);
}

/** What somebody has to look at: the limits that held the run, or would hold one, and contacts that were kept. */
export function warningsOf({ held, kept, kept_reasons: reasons, isPlan }) {
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
