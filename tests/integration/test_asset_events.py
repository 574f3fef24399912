from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import airflow
import pytest

from airflow_provider_octopush.simulator import Simulator
from tests.integration.airflow_processes import wait_for
from tests.integration.standalone import standalone

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        airflow.__version__.startswith("2."), reason="the guide's Dags are written for assets, as Airflow 3 has them"
    ),
]

DOCS = Path(__file__).parent.parent.parent / "docs" / "observability.md"


def test_a_dag_that_is_scheduled_on_a_list_decides_on_what_the_sync_did(simulator: Simulator, tmp_path: Path) -> None:
    code = re.findall(r"^```python[^\n]*\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)[0]
    assert code.count('"@daily"') == 1
    with sqlite3.connect(tmp_path / "warehouse.sqlite") as warehouse:
        warehouse.execute("CREATE TABLE customers (phone_number TEXT, first_name TEXT)")
        warehouse.executemany("INSERT INTO customers VALUES (?, 'Zoé')", [(f"+3361234{n:04}",) for n in range(101)])
    warehouse.close()
    variables = {
        "AIRFLOW_CONN_WAREHOUSE": json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "warehouse.sqlite")}),
        "AIRFLOW_CONN_OCTOPUSH_DEFAULT": json.dumps(
            {"conn_type": "octopush", "host": simulator.url, "login": simulator.login, "password": simulator.key}
        ),
    }
    dags = {"guide.py": code.replace('"@daily"', '"@once"')}
    with standalone(tmp_path / "airflow", dags, variables) as running:
        wait_for(lambda: running.state("enough") in ("success", "failed"), "the campaign")
        assert running.state("enough") == "success"
        assert running.result("enough") is True
    assert len(simulator.lists["Customers"]) == 101
