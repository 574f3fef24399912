"""
### Keep a list in step: send what changed, remove what is missing, never add a number that opted out

Each night, the list *Newsletter* becomes what the query says: new and changed contacts are sent, contacts that are
missing from the query are removed, and a number that has sent STOP is never added. A night without changes costs no
request.

Needs the connections `warehouse` (any database) and `octopush_default`, with the extra `snapshot_secret`.
"""

from __future__ import annotations

import datetime as dt

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_octopush.operators.lists import SyncListOperator

with DAG(
    dag_id="synced_list",
    doc_md=__doc__,
    start_date=dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
    schedule="0 2 * * *",
    # The query is the whole audience: the newest run makes up for all that were missed.
    catchup=False,
    # Of two runs at a time, the older one would end for nothing.
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": dt.timedelta(minutes=5)},
) as dag:
    SyncListOperator(
        task_id="sync_newsletter",
        # Of two rows with the same number the first one counts, so the order has to be the same each night.
        sql="SELECT mobile, country, first_name, last_name, loyalty_tier FROM customers ORDER BY id",
        sql_conn_id="warehouse",
        columns={"phone_number": "mobile", "region": "country", "param1": "loyalty_tier"},
        list_name="Newsletter",
        # The same path each night. In production a bucket: s3://aws_default@crm/octopush/newsletter.snapshot
        snapshot_path="{{ var.value.get('octopush_snapshots', '/var/lib/octopush') }}/newsletter.snapshot",
        opted_out_sql="SELECT number FROM sms_stops",
        # With more missing contacts than this, nothing is sent, and somebody should look at the query.
        max_removed="10%",
        max_rejected=0.1,
    )
