"""
### Several lists from one configuration

One task for each entry of `LISTS`: its own query, its own list, its own retries.

Needs the connections `warehouse` and `octopush_default`. To limit requests across tasks, create a pool with a slot for
each request that may be under way at a time, and pass `pool="octopush"` and `pool_slots=`, equal to `concurrency`.
"""

from __future__ import annotations

import datetime as dt

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator

QUERY = "SELECT mobile AS phone_number, first_name, last_name, country FROM customers WHERE loyalty_tier = :tier"

LISTS = {"Gold customers": "gold", "Silver customers": "silver", "Bronze customers": "bronze"}

with DAG(
    dag_id="mapped_lists",
    doc_md=__doc__,
    start_date=dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
    schedule=None,
    catchup=False,
    default_args={"retries": 3, "retry_delay": dt.timedelta(minutes=5)},
) as dag:
    CreateContactsOperator.partial(
        task_id="sync",
        sql=QUERY,
        sql_conn_id="warehouse",
        columns={"region": "country"},
        max_rejected="10%",
    ).expand_kwargs([{"list_name": name, "parameters": {"tier": tier}} for name, tier in LISTS.items()])
