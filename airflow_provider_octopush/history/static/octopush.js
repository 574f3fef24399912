// The history of a sync. The page holds nothing: all that it shows, it asks Airflow's own API for, with the session of
// the person who looks, so that Airflow decides what may be seen. What comes from a run is put into text nodes only.

import { showAll } from "./all.js";
import { ROOT, ask } from "./airflow.js";
import { fit, isFramed } from "./elements.js";
import { showHistory } from "./history.js";

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
