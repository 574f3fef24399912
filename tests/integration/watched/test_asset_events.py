from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest
from airflow import __version__ as version

from airflow_provider_octopush.simulator import Simulator
from tests.documentation import PROJECT
from tests.integration.airflow_processes import wait_for
from tests.integration.standalone import Standalone

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        version.startswith("2."), reason="the guide's Dags are written for assets, as Airflow 3 has them"
    ),
]

DOCS = PROJECT / "docs" / "observability.md"


def test_a_dag_that_is_scheduled_on_a_list_decides_on_what_the_sync_did(
    simulator: Simulator, airflow: Standalone, warehouse: Path
) -> None:
    code = re.findall(r"^```python[^\n]*\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)[0]
    assert code.count('"@daily"') == 1
    with sqlite3.connect(warehouse) as connection:
        connection.execute("CREATE TABLE customers (phone_number TEXT, first_name TEXT)")
        connection.executemany("INSERT INTO customers VALUES (?, 'Zoé')", [(f"+3361234{n:04}",) for n in range(101)])
    connection.close()
    dags = {"guide.py": code.replace('"@daily"', '"@once"')}
    with airflow.guest(dags, {"octopush_default": simulator.connection}):
        wait_for(lambda: airflow.state("enough") in ("success", "failed"), "the campaign")
        assert airflow.state("enough") == "success"
        assert airflow.result("enough") is True
    assert len(simulator.lists["Customers"]) == 101
