"""The part of Airflow's API that the page asks, with whatever history a test wants, around the page as it is served."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse

from airflow_provider_octopush.history.app import create_app
from tests.integration.airflow_processes import free_port

START = dt.datetime(2026, 11, 25, 3, tzinfo=dt.UTC)

#: Airflow's own page around the one of a plugin, as 3.1 and 3.2 make it: the frame gets nothing of the page's query,
#: and may neither leave itself nor open another window.
FRAME = """<!DOCTYPE html><html class="{theme}"><head><base href="{root}/"></head>
<body><iframe sandbox="allow-scripts allow-same-origin allow-forms" src="octopush/" title="Octopush"
style="border: none; display: block; height: 100vh; width: 100%"></iframe></body></html>"""


@dataclass
class Instance:
    """
    A task instance.

    :param summary: its XCom ``return_value``; None when there is none.
    :param map_index: -1 where the task is not mapped.
    """

    summary: Any = None
    state: str | None = "success"
    map_index: int = -1


@dataclass
class Run:
    """A run of a Dag, with the instances of one task."""

    instances: list[Instance]
    run_id: str = ""
    run_after: dt.datetime = START


@dataclass
class FakeAirflow:
    """
    An Airflow with some Dags.

    :param dags: Dag → task → runs, the newest first.
    :param others: Dags without a task of ours.
    :param refuses: path below ``/api/v2`` → the status that it fails with; None lets it pass.
    :param seconds: that each answer takes.
    :param theme: of the page around ours: ``dark`` or ``light``.
    :param root: path of the base URL.
    :param asked: the paths that were asked for, with their queries.
    """

    dags: dict[str, dict[str, Sequence[Run]]] = field(default_factory=dict)
    others: Sequence[str] = ()
    refuses: Callable[[str], int | None] = lambda _: None
    seconds: float = 0
    theme: str = "light"
    root: str = ""
    url: str = ""
    asked: list[str] = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0

    def history_url(self, dag_id: str, task_id: str) -> str:
        """Where the link of a task leads."""
        return f"{self.url}/octopush/?{urlencode({'dag_id': dag_id, 'task_id': task_id})}"

    def run(self, dag_id: str, task_id: str, run_id: str) -> Run:
        return next(run for run in self.dags[dag_id][task_id] if run.run_id == run_id)


def history(*runs: Sequence[Instance] | dict[str, Any]) -> list[Run]:
    """Make runs, given from the newest to the oldest, a day apart; of instances, or of the one summary."""
    made = []
    for age, run in enumerate(runs):
        instances = [Instance(run)] if isinstance(run, dict) else list(run)
        at = START - dt.timedelta(days=age)
        made.append(Run(instances, f"scheduled__{at.isoformat()}", at))
    return made


def summary(**counts: Any) -> dict[str, Any]:
    """Make a summary as the operator returns it."""
    names = ("added", "updated", "skipped", "other", "unconfirmed", "refused", "invalid", "duplicates")
    values = {
        "list_name": "Customers", "tag_name": None, "chunks": 1, "requests": 1, "retries": 0, "duration_seconds": 1.5,
        "dry_run": False, "rejects_path": None, "reasons": {}, **dict.fromkeys(names, 0), **counts,
    }  # fmt: skip
    return {"read": sum(values.get(name, 0) for name in (*names, "unchanged", "opted_out", "unsent")), **values}


@contextmanager
def serving(airflow: FakeAirflow) -> Iterator[FakeAirflow]:
    """Serve it on a port of this machine."""
    port = free_port()
    app = FastAPI()
    app.mount("/octopush", create_app())
    _add_api(app, airflow)
    outer = FastAPI()
    outer.mount(airflow.root or "/", app)
    server = uvicorn.Server(uvicorn.Config(outer, port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    airflow.url = f"http://127.0.0.1:{port}{airflow.root}"
    try:
        yield airflow
    finally:
        server.should_exit = True
        thread.join()


def _add_api(app: FastAPI, airflow: FakeAirflow) -> None:
    @app.middleware("http")
    async def watch(request: Request, call_next: Any) -> Any:
        path = request.url.path.removeprefix(airflow.root)
        if not path.startswith("/api/"):
            return await call_next(request)
        asked = path.removeprefix("/api/v2/")
        airflow.asked.append(f"{asked}?{request.url.query}")
        airflow._at_once += 1
        airflow.most_at_once = max(airflow.most_at_once, airflow._at_once)
        try:
            await asyncio.sleep(airflow.seconds)
            if (status := airflow.refuses(asked)) is not None:
                return HTMLResponse("<h1>no</h1>", status)
            return await call_next(request)
        finally:
            airflow._at_once -= 1

    @app.get("/plugin/{rest:path}")
    def around(rest: str) -> HTMLResponse:
        del rest
        return HTMLResponse(FRAME.format(theme=airflow.theme, root=airflow.root))

    @app.get("/api/v2/plugins")
    def plugins() -> Any:
        return {"plugins": [], "total_entries": 0}

    @app.get("/api/v2/dags")
    def dags(request: Request) -> Any:
        names = sorted([*airflow.dags, *airflow.others])
        return _page(request, "dags", [{"dag_id": name} for name in names])

    @app.get("/api/v2/dags/{dag_id}/tasks")
    def tasks(dag_id: str) -> Any:
        ours = ["sql", "list_name", "octopush_conn_id"]
        found = [{"task_id": task, "template_fields": ours, "class_ref": None} for task in airflow.dags.get(dag_id, {})]
        return {
            "tasks": [*found, {"task_id": "extract", "template_fields": ["sql"], "class_ref": {"module_path": "x"}}]
        }

    @app.get("/api/v2/dags/{dag_id}/dagRuns")
    def runs(dag_id: str, request: Request) -> Any:
        if dag_id not in airflow.dags:
            raise HTTPException(404)
        found = {run.run_id: run for task in airflow.dags[dag_id].values() for run in task}
        newest = sorted(found.values(), key=lambda run: run.run_after, reverse=True)
        entries = [
            {"dag_run_id": run.run_id, "run_after": run.run_after.isoformat(), "run_type": "scheduled"}
            for run in newest
        ]
        return _page(request, "dag_runs", entries)

    @app.get("/api/v2/dags/{dag_id}/dagRuns/~/taskInstances")
    def instances(dag_id: str, task_id: str, request: Request) -> Any:
        entries = [
            {"dag_run_id": run.run_id, "task_id": task_id, "state": one.state, "map_index": one.map_index}
            for run in _between(airflow.dags[dag_id].get(task_id, []), request)
            for one in run.instances
        ]
        return _page(request, "task_instances", entries)

    @app.get("/api/v2/dags/{dag_id}/dagRuns/~/taskInstances/{task_id}/xcomEntries")
    def xcoms(dag_id: str, task_id: str, request: Request) -> Any:
        if dag_id == "~":
            pairs = [(dag, task) for dag, tasks in airflow.dags.items() for task, runs in tasks.items() if runs]
            return _page(request, "xcom_entries", [{"dag_id": dag, "task_id": task} for dag, task in pairs])
        entries = [
            {"run_id": run.run_id, "task_id": task_id, "map_index": one.map_index}
            for run in _between(airflow.dags[dag_id].get(task_id, []), request)
            for one in run.instances
            if one.summary is not None
        ]
        return _page(request, "xcom_entries", entries)

    @app.get("/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value")
    def xcom(dag_id: str, run_id: str, task_id: str, map_index: int) -> Any:
        for one in airflow.run(dag_id, task_id, run_id).instances:
            if one.map_index == map_index:
                return {"key": "return_value", "value": one.summary}
        raise HTTPException(404)


def _between(runs: Sequence[Run], request: Request) -> list[Run]:
    first, last = (dt.datetime.fromisoformat(request.query_params[f"run_after_{end}"]) for end in ("gte", "lte"))
    return [run for run in runs if first <= run.run_after <= last]


def _page(request: Request, key: str, entries: list[Any]) -> dict[str, Any]:
    # Airflow gives at most 100, whatever is asked for.
    limit = min(int(request.query_params.get("limit", 50)), 100)
    offset = int(request.query_params.get("offset", 0))
    return {key: entries[offset : offset + limit], "total_entries": len(entries)}
