// Elements of the page, and links to Airflow's own pages; text is never markup.

import { ApiError, ROOT } from "./airflow.js";

export const label = (name) => name.replaceAll("_", " ");
export const number = (value) => value.toLocaleString("en");

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

export function drawn(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export const isFramed = (() => {
  try {
    return window.parent !== window && Boolean(window.parent.document);
  } catch {
    return false;
  }
})();

/** A link to a page of Airflow. Airflow shows this page in a frame that may not leave itself: its own page is asked to. */
export function link(path, query, ...children) {
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
export const linkToHistory = (dagId, taskId, ...children) => link(HERE, { dag_id: dagId, task_id: taskId }, ...children);
export const linkToAll = (...children) => link(HERE, {}, ...children);
export const linkToRun = (dagId, runId, ...children) => link(["dags", dagId, "runs", runId], {}, ...children);

export const timezone = (() => {
  try {
    // What the person has chosen in Airflow.
    const chosen = JSON.parse(localStorage.getItem("timezone") ?? "null");
    new Intl.DateTimeFormat("en", { timeZone: chosen ?? undefined });
    return chosen ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  } catch {
    return Intl.DateTimeFormat().resolvedOptions().timeZone;
  }
})();

export function moment(text) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return "";
  const shown = date.toLocaleString("sv-SE", { timeZone: timezone, dateStyle: "short", timeStyle: "short" });
  return element("time", { datetime: text }, shown);
}

export function duration(seconds) {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function notice(error, retry) {
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
export function fit() {
  for (const table of document.querySelectorAll("table")) {
    table.classList.remove("stacked");
    const { right } = table.getBoundingClientRect();
    table.classList.toggle("stacked", right + scrollX > document.documentElement.clientWidth);
  }
}
