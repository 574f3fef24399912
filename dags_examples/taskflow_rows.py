"""
### Send the rows that a function computes

`@task.octopush_contacts` sends what the function yields, from the same process. No row is kept in Airflow's database,
and the rows need not fit in memory.

Needs the connection `octopush_default`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

PRIZES = {
    "cycling": [{"phone_number": "06 12 34 56 78", "first_name": "Zoé", "prize": "a bicycle"}],
    "kites": [{"phone_number": "+34 612 34 56 78", "first_name": "Íñigo", "prize": "a kite"}],
}

with DAG(
    dag_id="taskflow_rows",
    doc_md=__doc__,
    start_date=dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
    schedule=None,
    catchup=False,
) as dag:

    @task
    def contests() -> list[str]:
        """List the contests that are over. Their names may travel by XCom."""
        return sorted(PRIZES)

    @task.octopush_contacts(
        columns={"param1": "prize"},
        default_region="FR",
        list_name="Winners",
        tag_name="{{ ds }}",
    )
    def winners(contest: str) -> Iterator[dict[str, Any]]:
        """Read the winners. Personal data does not travel by XCom."""
        yield from PRIZES[contest]

    winners.expand(contest=contests())
