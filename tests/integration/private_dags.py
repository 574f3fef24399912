"""
Whole Dags on every path that a run can take, for the search of what they leave behind.

``python -m tests.integration.private_dags`` runs each in real Airflow, in the surroundings that the environment names.
This file itself is kept in Airflow's database, as the source of the Dags, so what is searched for is in another one.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests
from airflow.providers.common.compat.sdk import DAG, AssetAlias, BaseHook, task

from airflow_provider_octopush.assets.lists import create_asset
from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from tests.airflow_runs import run_dag
from tests.integration.private_paths import PATHS, SQL


def yielded(table: str) -> Iterator[dict[str, Any]]:
    """Give the people one by one."""
    connection: Any = BaseHook.get_connection("warehouse")
    names = ("phone_number", "first_name", "last_name", "param1")
    # By a cursor, as hooks log the parameters of what they run.
    cursor = connection.get_hook().get_conn().cursor()
    for row in cursor.execute(f"SELECT * FROM {table}"):
        yield dict(zip(names, row, strict=True))


def returned(table: str) -> list[dict[str, Any]]:
    """Give all people at once."""
    return list(yielded(table))


def broken(table: str) -> Iterator[dict[str, Any]]:
    """Fail in the middle, with somebody at hand."""
    for row in yielded(table):
        yield row
        row.pop("first_name").no_such_method()


def not_rows(table: str) -> list[Any]:
    """Give what is no row."""
    return [list(row.values()) for row in yielded(table)]


#: Name of a path → the function that gives its rows; the others run the operator on a query.
FUNCTIONS: dict[str, Callable[[str], Any]] = {
    "function_yields": yielded,
    "function_returns": returned,
    "function_too_many_rejected": yielded,
    "function_is_broken": broken,
    "function_gives_no_rows": not_rows,
    "function_server_error": yielded,
}


def main() -> None:
    """Run all Dags, and print one JSON object with the state of each."""
    root = os.environ["SIMULATOR"]
    folder = Path(os.environ["REJECTS"])
    states = {}
    for name, (parameters, behaviour, faults) in PATHS.items():
        requests.post(f"{root}/reset", timeout=10).raise_for_status()
        requests.put(f"{root}/behaviour", json=behaviour, timeout=10).raise_for_status()
        requests.post(f"{root}/faults", json=faults, timeout=10).raise_for_status()
        with DAG(f"private_{name}", schedule=None, start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) as dag:
            for_all = {
                "list_name": "Private",
                "chunk_size": 5,
                "retries": 1,
                "retry_delay": dt.timedelta(0),
                "rejects_path": str(folder / f"{name}.csv"),
                "outlets": [create_asset(list_name="Private"), AssetAlias("octopush lists")],
            }
            if name in FUNCTIONS:
                task.octopush_contacts(**{**for_all, **parameters})(FUNCTIONS[name])("customers")
            else:
                of_query = {"task_id": "sync", "sql": SQL, "sql_conn_id": "warehouse"}
                CreateContactsOperator(**{**for_all, **of_query, **parameters})
        states[name] = run_dag(dag).state
    sys.stdout.write(f"\n{json.dumps({'result': states})}\n")


if __name__ == "__main__":
    main()
