"""
What many lists in one Dag cost: 100 lists, each kept in step by an instance of a mapped task, into docs/scaling.md.

``python -m benchmarks.many_lists`` runs them on the same Airflow with Celery workers as :mod:`benchmarks.scaling`, once
as a first night, and once as a night on which nothing has changed. Takes some minutes, and needs PostgreSQL and Redis.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import secrets
import sys
import tempfile
import textwrap
from importlib.metadata import version
from pathlib import Path

from airflow_provider_octopush.simulator import Behaviour, Simulator
from benchmarks.scaling import CONTACTS, LATENCY, SLOTS, WORKERS, make_warehouse, write
from tests.integration.airflow_processes import wait_for
from tests.integration.celery_workers import CeleryAirflow, celery_airflow, connections, postgres_database

BEGIN, END = "<!-- measured by benchmarks/many_lists.py -->", "<!-- end of what many_lists.py measured -->"

LISTS = 100
TIMEOUT = 1800.0

DAG_ID = "many_lists"
DAG = f'''
import datetime as dt

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_octopush.operators.sync_list import SyncListOperator

with DAG("{DAG_ID}", schedule=None, start_date=dt.datetime(2026, 11, 1), max_active_tasks={WORKERS * SLOTS}):
    SyncListOperator.partial(
        task_id="sync",
        sql="SELECT mobile, country FROM customers WHERE MOD(id, {LISTS}) = %(list)s ORDER BY id",
        sql_conn_id="warehouse",
        columns={{"phone_number": "mobile", "region": "country"}},
    ).expand_kwargs(
        [
            {{
                "list_name": f"List {{number}}",
                "snapshot_path": f"FOLDER/{{number}}.snapshot",
                "parameters": {{"list": number}},
            }}
            for number in range({LISTS})
        ]
    )
'''


def measure(running: CeleryAirflow, simulator: Simulator, night: str) -> str:
    """Run the Dag once, check what it did, and write its row of the table."""
    before = len(simulator.requests)
    ((runs,),) = running.query("SELECT count(*) FROM dag_run WHERE dag_id = :name", name=DAG_ID)
    running.trigger(DAG_ID)
    ended = "SELECT count(*) FROM dag_run WHERE dag_id = :name AND state IN ('success', 'failed')"
    wait_for(lambda: running.query(ended, name=DAG_ID) == [(runs + 1,)], f"the end of {night}", TIMEOUT)
    newest = "(SELECT run_id FROM dag_run WHERE dag_id = :name ORDER BY id DESC LIMIT 1)"
    took = "EXTRACT(EPOCH FROM end_date - start_date)"
    ((state, run),) = running.query(
        f"SELECT state, {took} FROM dag_run WHERE dag_id = :name AND run_id = {newest}", name=DAG_ID
    )
    ((task,),) = running.query(
        f"SELECT AVG({took}) FROM task_instance WHERE dag_id = :name AND run_id = {newest}", name=DAG_ID
    )
    if state != "success" or sum(map(len, simulator.lists.values())) != CONTACTS:
        raise RuntimeError(f"{night} ended as {state}")
    requests = len(simulator.requests) - before
    return f"| {night} | {requests} | {run:.0f} s | {run / LISTS:.1f} s | {task:.1f} s |"


def main() -> int:
    """Measure, print and write the table; returns the exit code."""
    load = os.getloadavg()[1]
    with (
        tempfile.TemporaryDirectory(prefix="octopush-lists-") as folder,
        postgres_database() as database,
        Simulator(Behaviour(latency=LATENCY)) as simulator,
    ):
        make_warehouse(database)
        dags = {f"{DAG_ID}.py": DAG.replace("FOLDER", f"{folder}/snapshots")}
        home, variables = Path(folder) / "airflow", connections(database, simulator)
        octopush = json.loads(variables["AIRFLOW_CONN_OCTOPUSH_DEFAULT"])
        octopush["extra"] = {"snapshot_secret": secrets.token_hex(32)}
        variables["AIRFLOW_CONN_OCTOPUSH_DEFAULT"] = json.dumps(octopush)
        with celery_airflow(home, database, dags, variables, pools={}, workers=WORKERS, slots=SLOTS) as running:
            rows = []
            for night in ("a first night", "a night on which nothing changed"):
                rows.append(measure(running, simulator, night))
                print(rows[-1], flush=True)
    caption = (
        f"{LISTS} lists of {CONTACTS // LISTS:,} contacts, the API's latency {LATENCY * 1000:.0f} ms, {WORKERS} Celery "
        f"workers with {SLOTS} slots each, everything on one machine with {os.cpu_count()} cores. Airflow "
        f"{version('apache-airflow')}, {dt.datetime.now(dt.UTC):%-d %B %Y}, one run each; before it, the machine had a "
        f"load of {load:.1f}."
    )
    header = "| run | requests | whole run | for each list | a task, begin to end |"
    text = "\n".join([header, "|---|---|---|---|---|", *rows, "", *textwrap.wrap(caption, 120)])
    write(text, BEGIN, END)
    return 0


if __name__ == "__main__":
    sys.exit(main())
