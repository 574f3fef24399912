from __future__ import annotations

import json
import sqlite3
from collections import Counter
from pathlib import Path

import airflow
import pytest

from airflow_provider_octopush.simulator import Behaviour, Simulator
from airflow_provider_octopush.sync.summary import OUTCOMES
from tests.integration.airflow_processes import processes_that_talk_to, wait_for
from tests.integration.standalone import Standalone, standalone

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        tuple(map(int, airflow.__version__.split(".")[:2])) < (3, 3),
        reason="Airflow keeps progress between tries from 3.3 on",
    ),
]

CONTACTS, CHUNK = 300, 10

DAG = f"""
import datetime as dt
from airflow.providers.common.compat.sdk import DAG
from airflow_provider_octopush.operators.contacts import CreateContactsOperator

with DAG("killed", schedule="@once", start_date=dt.datetime(2026, 1, 1), catchup=False):
    CreateContactsOperator(
        task_id="sync",
        sql="SELECT * FROM customers ORDER BY phone_number",
        sql_conn_id="warehouse",
        list_name="Customers",
        chunk_size={CHUNK},
        max_rejected=1,
        retries=2,
        retry_delay=dt.timedelta(seconds=1),
    )
"""


def test_a_task_whose_process_is_killed_sends_only_the_rest(simulator: Simulator, tmp_path: Path) -> None:
    numbers = [f"+3361234{n:04}" for n in range(CONTACTS)]
    with sqlite3.connect(tmp_path / "warehouse.sqlite") as warehouse:
        warehouse.execute("CREATE TABLE customers (phone_number TEXT, first_name TEXT)")
        warehouse.executemany(
            "INSERT INTO customers VALUES (?, 'Zoé')", [*((n,) for n in numbers), ("n/a",), (numbers[0],)]
        )
    warehouse.close()
    simulator.reset(Behaviour(latency=0.2))
    variables = {
        "AIRFLOW_CONN_WAREHOUSE": json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "warehouse.sqlite")}),
        "AIRFLOW_CONN_OCTOPUSH_DEFAULT": json.dumps(
            {"conn_type": "octopush", "host": simulator.url, "login": simulator.login, "password": simulator.key}
        ),
    }
    with standalone(tmp_path / "airflow", {"killed.py": DAG}, variables) as running:
        killed = kill_in_the_middle(simulator, running)
        wait_for(lambda: running.state("sync") == "success", "the retry's success")
        summary = running.result("sync")
        succeeded = try_number(running)

    assert succeeded == killed + 1
    assert simulator.lists["Customers"] == set(numbers)
    assert summary["read"] == CONTACTS + 2 == sum(summary[name] for name in OUTCOMES)
    assert (summary["invalid"], summary["duplicates"]) == (1, 1)
    assert summary["added"] + summary["updated"] == CONTACTS
    sent = Counter(number for request in simulator.requests for number in request.contacts)
    twice = [number for number, times in sent.items() if times > 1]
    assert sent.keys() == set(numbers)
    assert max(sent.values()) <= 2
    assert len(twice) <= CHUNK, "more was sent twice than the request in flight"


def try_number(running: Standalone) -> int:
    ((number,),) = running.query("SELECT try_number FROM task_instance WHERE task_id = 'sync'")
    return int(number)


def kill_in_the_middle(simulator: Simulator, running: Standalone) -> int:
    """Kill the process of the task when a third is sent; returns the number of the try."""

    def half_way() -> bool:
        assert running.process.poll() is None, running.output()[-3000:]
        return len(simulator.lists.get("Customers", ())) >= CONTACTS // 3

    wait_for(half_way, "the middle of the run")
    (process,) = processes_that_talk_to(simulator.port, running.process.pid)
    number = try_number(running)
    process.kill()
    assert len(simulator.lists["Customers"]) < CONTACTS
    return number
