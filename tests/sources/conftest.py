from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseHook

from tests.sources.engines import KINDS, Engine, engine_of
from tests.sources.reading import AirflowHook

CONN_ID = "rows_of_a_test"


@pytest.fixture
def airflow_hook(monkeypatch: pytest.MonkeyPatch) -> AirflowHook:
    """The hook that Airflow makes of a connection, or that a function makes of its id."""

    def airflow_hook(
        fields: dict[str, Any],
        hook_params: dict[str, Any] | None = None,
        hook: Callable[[str], Any] | None = None,
        **extra: Any,
    ) -> Any:
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps({**fields, "extra": extra}))
        if hook is not None:
            return hook(CONN_ID)
        connection: Any = BaseHook.get_connection(CONN_ID)
        return connection.get_hook(hook_params=hook_params)

    return airflow_hook


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, airflow_hook: AirflowHook, tmp_path: Path) -> Engine:
    """Each database, by each of its drivers."""
    return engine_of(request.param, airflow_hook, tmp_path)


@pytest.fixture
def table(engine: Engine) -> Iterator[str]:
    """A table with a column ``id``, and a row in it."""
    with engine.table() as name:
        yield name


@pytest.fixture
def sqlite(airflow_hook: AirflowHook, tmp_path: Path) -> Any:
    return engine_of("SQLite", airflow_hook, tmp_path).hook
