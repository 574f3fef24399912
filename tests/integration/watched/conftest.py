"""One Airflow for all tests that only watch what it does with their Dags."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.integration.airflow_processes import wait_for
from tests.integration.standalone import Standalone, standalone


@pytest.fixture(scope="package")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the SQLite behind the connection ``warehouse``; a test that needs one makes it."""
    return tmp_path_factory.mktemp("warehouse") / "warehouse.sqlite"


@pytest.fixture(autouse=True, scope="module")
def _no_warehouse_of_another(warehouse: Path) -> None:
    warehouse.unlink(missing_ok=True)


@pytest.fixture(scope="package")
def airflow(warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """An Airflow without Dags, and with no connection but ``warehouse``: a test adds its own with ``guest()``."""
    variables = {
        "AIRFLOW_CONN_WAREHOUSE": json.dumps({"conn_type": "sqlite", "host": str(warehouse)}),
        # A new file is found at once.
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "1",
    }
    with standalone(tmp_path_factory.mktemp("watched") / "airflow", {}, variables) as running:

        def is_ready() -> bool:
            assert running.process.poll() is None, running.output()
            try:
                health = requests.get(f"{running.url}/api/v2/monitor/health", timeout=60).json()
            except requests.ConnectionError:
                return False
            return all(health[part]["status"] == "healthy" for part in ("scheduler", "dag_processor"))

        wait_for(is_ready, "Airflow's start")
        yield running
