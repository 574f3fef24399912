from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow import __version__ as version

from airflow_provider_octopush.simulator import Simulator
from tests.documentation import PROJECT
from tests.integration.airflow_processes import wait_for
from tests.integration.standalone import Standalone

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        tuple(map(int, version.split(".")[:2])) < (3, 3),
        reason="before Airflow 3.1 nobody can be asked, and before 3.3 it takes a triggerer",
    ),
]

ENDINGS = ("approved", "rejected", "unanswered", "changed")
PEOPLE = 100
JOINED = "+33612349999"


def test_a_person_decides(simulator: Simulator, airflow: Standalone, tmp_path: Path) -> None:
    source = (PROJECT / "dags_examples" / "reviewed_sync.py").read_text()
    source = source.replace("schedule=None", 'schedule="@once"')
    dags = {}
    for ending in ENDINGS:
        make_warehouse(tmp_path / f"{ending}.sqlite")
        dag = source.replace("reviewed_sync", ending).replace('"warehouse"', f'"{ending}"')
        dag = dag.replace('"Newsletter"', f'"{ending}"').replace("reviewed.snapshot", f"{ending}.snapshot")
        dag = dag.replace("/var/lib/octopush", str(tmp_path / "snapshots"))
        if ending == "unanswered":
            dag = dag.replace("dt.timedelta(days=1)", "dt.timedelta(seconds=5)")
        dags[f"{ending}.py"] = dag
    connections = {
        ending: json.dumps({"conn_type": "sqlite", "host": str(tmp_path / f"{ending}.sqlite")}) for ending in ENDINGS
    }
    with airflow.guest(dags, {"octopush_default": simulator.connection, **connections}):
        # The first night of each list is approved, so that there is a snapshot that people can leave.
        for ending in ENDINGS:
            if ending != "unanswered":
                answer(airflow, ending, "Approve" if ending != "rejected" else "Reject")
        wait_for(
            states(airflow, approved="success", rejected="failed", unanswered="failed", changed="success"),
            "the ends",
        )
        assert {name for name, numbers in simulator.lists.items() if numbers} == {"approved", "changed"}
        assert len(simulator.lists["approved"]) == PEOPLE - 1, "somebody who opted out is on the list"

        # One table changes a little between the plan and the run, and the other by more than a tenth and ten.
        for ending, planned in (("approved", 12), ("changed", 5)):
            leave(tmp_path / f"{ending}.sqlite", planned)
            trigger(airflow, ending)
        bodies = {ending: answer(airflow, ending, None)["body"] for ending in ("approved", "changed")}
        assert "12 would be removed" in bodies["approved"]
        assert "More than usual: 12 of 99 contacts (12.1%) are missing from the rows" in bodies["approved"]
        assert "5 would be removed" in bodies["changed"]
        assert "More than usual" not in bodies["changed"]
        words = " ".join(bodies.values()).split()
        assert not any(character.isdigit() and len(word) > 8 for word in words for character in word)
        leave(tmp_path / "approved.sqlite", 22)
        leave(tmp_path / "changed.sqlite", 16)
        join(tmp_path / "changed.sqlite")
        for ending in ("approved", "changed"):
            answer(airflow, ending, "Approve")
        wait_for(states(airflow, approved="success", changed="failed"), "the ends of the runs whose tables changed")
        assert len(simulator.lists["approved"]) == PEOPLE - 1 - 22
        assert len(simulator.lists["changed"]) == PEOPLE - 1, "more left than were approved, so nothing is sent"
        assert JOINED not in simulator.contacts


def make_warehouse(path: Path) -> None:
    with sqlite3.connect(path) as warehouse:
        warehouse.execute(
            "CREATE TABLE customers (id INTEGER, mobile TEXT, country TEXT, first_name TEXT, last_name TEXT, "
            "loyalty_tier TEXT)"
        )
        warehouse.execute("CREATE TABLE sms_stops (number TEXT)")
        people = [(n, f"061234{n:04}", "FR", "Zoé", "Martin", "gold") for n in range(PEOPLE)]
        warehouse.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?)", people)
        warehouse.execute("INSERT INTO sms_stops VALUES ('+33612340099')")
    warehouse.close()


def leave(path: Path, number: int) -> None:
    with sqlite3.connect(path) as warehouse:
        warehouse.execute("DELETE FROM customers WHERE id < ?", (number,))
    warehouse.close()


def join(path: Path) -> None:
    with sqlite3.connect(path) as warehouse:
        warehouse.execute("INSERT INTO customers (id, mobile) VALUES (1000, ?)", (JOINED,))
    warehouse.close()


def states(running: Standalone, **wanted: str) -> Callable[[], bool]:
    def are_reached() -> bool:
        rows = running.query("SELECT dag_id, state FROM dag_run ORDER BY id")
        newest = dict(rows)
        return all(newest.get(dag_id) == state for dag_id, state in wanted.items())

    return are_reached


def trigger(running: Standalone, dag_id: str) -> None:
    running.api("POST", f"dags/{dag_id}/dagRuns", logical_date=None)


def is_put_aside(running: Standalone, dag_id: str, run_id: str) -> bool:
    """
    Return whether the scheduler knows that the task waits for a person.

    Whoever answers before, within a second, meets a race in Airflow 3.3: the task is queued again, the scheduler then
    hears that it has ended its first part, takes that for its end, and sets it to failed.
    """
    log = (running.home / "output.log").read_text(errors="replace")
    return any(
        all(part in line for part in ("Received executor event", f"'{dag_id}'", "'approve'", run_id))
        for line in log.splitlines()
    )


def answer(running: Standalone, dag_id: str, choice: str | None) -> dict[str, Any]:
    """Answer the question of a Dag's newest run, as Airflow's UI does; or only read it."""
    sql = "SELECT run_id FROM dag_run WHERE dag_id = :dag_id ORDER BY id DESC LIMIT 1"

    def question() -> Any:
        assert running.process.poll() is None, running.output()[-3000:]
        rows = running.query(sql, dag_id=dag_id)
        if not rows or not running.is_open():
            return None
        details = running.api("GET", f"dags/{dag_id}/dagRuns/~/hitlDetails")["hitl_details"]
        open_ones = [one for one in details if one["task_instance"]["dag_run_id"] == rows[0][0]]
        return open_ones[0] if open_ones and is_put_aside(running, dag_id, rows[0][0]) else None

    asked: dict[str, Any] = wait_for(question, f"the question of {dag_id}")
    if choice is not None:
        run_id = asked["task_instance"]["dag_run_id"]
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails"
        running.api("PATCH", path, chosen_options=[choice], params_input={})
    return asked
