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
from pathlib import Path

import requests
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_octopush.operators.contacts import CreateContactsOperator
from tests.airflow_runs import run_dag
from tests.integration.private_paths import PATHS, SQL


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
            CreateContactsOperator(
                **{
                    "task_id": "sync",
                    "sql": SQL,
                    "sql_conn_id": "warehouse",
                    "list_name": "Private",
                    "chunk_size": 5,
                    "retries": 1,
                    "retry_delay": dt.timedelta(0),
                    "rejects_path": str(folder / f"{name}.csv"),
                    **parameters,
                }
            )
        states[name] = run_dag(dag).state
    sys.stdout.write(f"\n{json.dumps(states)}\n")


if __name__ == "__main__":
    main()
