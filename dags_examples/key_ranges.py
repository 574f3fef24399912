"""
### A table in parts, side by side

Cuts a table into ranges of a key, sends each range in a task of its own, and merges their summaries into one.

The key is the last two digits of the phone number, in whatever form it is written. So `06 12 34 56 78` and
`+33612345678` are in one part, where the second one counts as a duplicate. With ranges of `id`, the two could be in
different parts, and both would be sent.

Needs the connections `warehouse` (SQLite, PostgreSQL, MariaDB) and `octopush_default`, and a pool with a slot for each
request that may be under way at a time: `airflow pools set octopush 4 "requests to Octopush"`.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from airflow.providers.common.compat.sdk import DAG, get_current_context, task

from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from airflow_provider_octopush.sync.merge import merge_summaries
from airflow_provider_octopush.sync.summary import Summary

#: At most 100, one for each value of the key.
PARTS = 4
CONCURRENCY = 2


def key(column: str) -> str:
    """Write the SQL for the last two digits of a phone number, without what people write between digits."""
    for separator in " .-/()\u00a0\u202f":
        column = f"REPLACE({column}, '{separator}', '')"
    return f"SUBSTR({column}, LENGTH({column}) - 1, 2)"


def part(number: int) -> str:
    """
    Write the query of a part; parts are numbered from 0.

    The first and the last range are open, and the first takes NULL, so each row is in exactly one part, whatever its
    key is.
    """
    digits = key("mobile")
    first, end = 100 * number // PARTS, 100 * (number + 1) // PARTS
    conditions = [f"{digits} >= '{first:02}'"] if number > 0 else []
    conditions += [f"{digits} < '{end:02}'"] if number < PARTS - 1 else []
    where = " AND ".join(conditions) or "1 = 1"
    if number == 0:
        where += f" OR {digits} IS NULL"
    # In an order, so that of two rows with the same number the same one is sent each time.
    return f"SELECT * FROM customers WHERE {where} ORDER BY id"  # noqa: S608 - made of constants of this file


with DAG(
    dag_id="key_ranges",
    doc_md=__doc__,
    start_date=dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
    schedule=None,
    catchup=False,
    # Two runs at a time would send the same contacts.
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": dt.timedelta(minutes=5)},
) as dag:
    parts = CreateContactsOperator.partial(
        task_id="sync",
        sql_conn_id="warehouse",
        columns={"phone_number": "mobile", "region": "country", "param1": "loyalty_tier"},
        list_name="Customers",
        concurrency=CONCURRENCY,
        # One slot for each request that the task may have under way.
        pool="octopush",
        pool_slots=CONCURRENCY,
        # The limit is checked for the whole table, below. A part fails only if it has no summary.
        max_rejected="100%",
        # One file for each part, in a place that all workers share.
        rejects_path="{{ var.value.get('octopush_rejects', '/tmp') }}/customers-{{ ds }}/{{ ti.map_index }}.csv",
    ).expand(sql=[part(number) for number in range(PARTS)])

    # Also runs after a part has failed, and then fails too: the Dag run's state is that of its last task.
    # Without multiple_outputs=False, Airflow writes one more XCom for each count.
    @task(trigger_rule="all_done", retries=0, multiple_outputs=False)
    def merge(summaries: Any) -> dict[str, Any]:
        """Make one summary of all parts; fail if one is missing, or if too many rows were rejected in all."""
        whole = merge_summaries(summaries, parts=PARTS)
        # Pushed before the task may fail, so that a failed task shows it too.
        get_current_context()["ti"].xcom_push(key="return_value", value=whole)
        Summary.from_xcom(whole).check_rejected("10%")
        return whole

    merge(parts.output)
