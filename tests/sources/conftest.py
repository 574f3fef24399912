from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseHook

from tests.databases import connect_mariadb, connect_postgres, require_mariadb, require_postgres
from tests.sources.reading import AirflowHook, statement

CONN_ID = "rows_of_a_test"


@pytest.fixture
def airflow_hook(monkeypatch: pytest.MonkeyPatch) -> AirflowHook:
    """The hook that Airflow makes of a connection."""

    def airflow_hook(fields: dict[str, Any], hook_params: dict[str, Any] | None = None, **extra: Any) -> Any:
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps({**fields, "extra": extra}))
        connection: Any = BaseHook.get_connection(CONN_ID)
        return connection.get_hook(hook_params=hook_params)

    return airflow_hook


@pytest.fixture
def sqlite(airflow_hook: AirflowHook, tmp_path: Path) -> Any:
    return airflow_hook({"conn_type": "sqlite", "host": str(tmp_path / "warehouse.sqlite")})


@pytest.fixture
def postgres_table() -> Iterator[str]:
    require_postgres()
    table = f"rows_{uuid.uuid4().hex}"
    statement(connect_postgres, f"CREATE TABLE {table} (id integer)")
    yield table
    statement(connect_postgres, f"DROP TABLE {table}")


@pytest.fixture
def mariadb_table() -> Iterator[str]:
    require_mariadb()
    table = f"rows_{uuid.uuid4().hex}"
    statement(connect_mariadb, f"CREATE TABLE {table} (id integer) ENGINE=InnoDB")
    yield table
    statement(connect_mariadb, f"DROP TABLE {table}")
