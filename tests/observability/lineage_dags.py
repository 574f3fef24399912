"""
Dags whose runs are observed, for ``python -m tests.observability.lineage_dags`` in the surroundings of the test.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector
from airflow.providers.common.compat.sdk import DAG, BaseHook, task

from airflow_provider_octopush.assets.lists import create_asset
from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from tests.airflow_runs import run_dag


def main() -> None:
    """Run the Dag that observers are to see, and print what became of it as one JSON object."""
    start_metrics()
    with DAG("observed", schedule=None, start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) as dag:
        of_query: dict[str, Any] = {
            "sql": "SELECT mobile AS phone_number, name AS first_name FROM octopush_observed.customers ORDER BY 1",
            "sql_conn_id": "warehouse",
            "list_name": "Clients fidèles",
        }
        CreateContactsOperator(task_id="query", max_rejected=1, **of_query)
        CreateContactsOperator(task_id="too_many_rejected", **of_query)
        CreateContactsOperator(task_id="validated", dry_run=True, max_rejected=1, **of_query)

        @task.octopush_contacts(list_name="Winners", max_rejected=1, inlets=[create_asset(list_name="Prospects")])
        def function() -> Iterator[list[dict[str, Any]]]:
            connection: Any = BaseHook.get_connection("warehouse")
            hook = connection.get_hook()
            for name, mobile in hook.get_records("SELECT name, mobile FROM octopush_observed.customers"):
                yield [{"phone_number": mobile, "first_name": name}]

        function()
    states = run_dag(dag).states
    make_collector: Callable[[], Any] = get_hook_lineage_collector
    collected = make_collector().collected_assets
    seen = {
        "states": states,
        "outputs": sorted(output.asset.uri for output in collected.outputs),
        "extras": [extra.value for extra in collected.extra],
    }
    sys.stdout.write(f"\n{json.dumps({'result': seen})}\n")


def start_metrics() -> None:
    """Do what a worker of Airflow 3 does for a task, and ``dag.test()`` does not."""
    try:
        from airflow.sdk._shared.observability.metrics import stats
        from airflow.sdk.observability.metrics import stats_utils
    except ImportError:
        return
    stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)


if __name__ == "__main__":
    main()
