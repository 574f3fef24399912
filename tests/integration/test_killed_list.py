from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from airflow_provider_octopush.simulator import Behaviour, Simulator
from airflow_provider_octopush.sync.summary import ListSummary
from tests import databases
from tests.integration.airflow_processes import processes_that_talk_to, wait_for
from tests.integration.standalone import Standalone, standalone

pytestmark = pytest.mark.integration

CONTACTS, CHUNK, LATENCY = 350, 10, 1.0
#: What a killed process may send once more, with what a loaded machine takes on top.
FORGOTTEN_SECONDS = 15.0
TABLE = "killed_list_customers"

DAG = f"""
import datetime as dt
from airflow.providers.common.compat.sdk import DAG
from airflow_provider_octopush.operators.sync_list import SyncListOperator

with DAG("killed", schedule="@once", start_date=dt.datetime(2026, 1, 1), catchup=False, max_active_runs=1):
    SyncListOperator(
        task_id="sync",
        sql="SELECT * FROM {TABLE} ORDER BY phone_number",
        sql_conn_id="warehouse",
        list_name="Customers",
        snapshot_path="SNAPSHOT",
        chunk_size={CHUNK},
        max_rejected=1,
        retries=2,
        retry_delay=dt.timedelta(seconds=1),
    )
"""


def test_a_killed_run_is_gone_on_with_from_what_was_noted(simulator: Simulator, tmp_path: Path) -> None:
    databases.require_postgres()
    numbers = [f"+3361234{n:04}" for n in range(CONTACTS)]
    connection = databases.connect_postgres()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")
        cursor.execute(f"CREATE TABLE {TABLE} (phone_number TEXT, first_name TEXT)")
        cursor.executemany(
            f"INSERT INTO {TABLE} VALUES (%s, 'Zoé')", [*((n,) for n in numbers), ("n/a",), (numbers[0],)]
        )
    simulator.reset(Behaviour(latency=LATENCY))
    variables = {
        "AIRFLOW_CONN_WAREHOUSE": json.dumps(databases.POSTGRES),
        "AIRFLOW_CONN_OCTOPUSH_DEFAULT": simulator.connection,
    }
    dag = DAG.replace("SNAPSHOT", str(tmp_path / "snapshots" / "customers.snapshot"))
    try:
        with standalone(tmp_path / "airflow", {"killed.py": dag}, variables) as running:
            killed_at = kill_late(simulator, running)
            simulator.behaviour = Behaviour()
            wait_for(lambda: running.state("sync") == "success", "the retry's success")
            summary = running.result("sync")
            ((tries,),) = running.query("SELECT try_number FROM task_instance WHERE task_id = 'sync'")
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {TABLE}")
        connection.close()

    # On a busy machine Airflow may take a retry for dead as well, and try once more.
    assert tries >= 2
    assert simulator.lists["Customers"] == set(numbers)
    assert summary["read"] == CONTACTS + 2 == sum(summary[name] for name in ListSummary.outcomes)
    assert (summary["invalid"], summary["duplicates"], summary["unchanged"]) == (1, 1, 0)
    assert summary["added"] + summary["updated"] == CONTACTS, "the summary does not speak of the whole run"
    assert (summary["snapshot_before"], summary["snapshot_after"], summary["first_run"]) == (0, CONTACTS, True)
    sent = Counter(number for request in simulator.requests for number in request.contacts)
    assert max(sent.values()) <= 2
    noted = {
        number
        for request in simulator.requests
        if request.ended is not None and request.ended < killed_at - FORGOTTEN_SECONDS
        for number in request.contacts
    }
    assert noted, "the process was killed too soon to tell"
    assert not [number for number in noted if sent[number] > 1], "what was noted was sent again"


def kill_late(simulator: Simulator, running: Standalone) -> float:
    def is_late() -> bool:
        assert running.process.poll() is None, running.output()[-3000:]
        requests = simulator.requests
        return bool(requests) and time.monotonic() - requests[0].arrived > FORGOTTEN_SECONDS + 5

    wait_for(is_late, "the middle of the run")
    (process,) = processes_that_talk_to(simulator.port, running.process.pid)
    process.kill()
    assert len(simulator.lists["Customers"]) < CONTACTS
    return time.monotonic()
