"""
### Send the rows that a task has computed

A task returns rows as a list of dicts (or a DataFrame), and they become contacts.

Needs the connection `octopush_default`. The rows travel by XCom, and so through Airflow's database: fine for some
hundreds, and for data that may be there. For more, let the operator read them with `sql`.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_octopush.operators.contacts import CreateContactsOperator

with DAG(
    dag_id="taskflow_rows",
    doc_md=__doc__,
    start_date=dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
    schedule=None,
    catchup=False,
) as dag:

    @task
    def winners() -> list[dict[str, Any]]:
        """Compute who is to be told."""
        return [
            {"phone_number": "06 12 34 56 78", "first_name": "Zoé", "prize": "a bicycle"},
            {"phone_number": "+34 612 34 56 78", "first_name": "Íñigo", "prize": "a kite"},
        ]

    CreateContactsOperator(
        task_id="sync_winners",
        data=winners(),
        columns={"param1": "prize"},
        default_region="FR",
        list_name="Winners",
        tag_name="{{ ds }}",
    )
