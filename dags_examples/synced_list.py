"""
### Keep a list in step: send what changed, remove what is missing, never add a number that opted out

Each night, the list *Newsletter* becomes what the query says: new and changed contacts are sent, contacts that are
missing from the query are removed, and a number that has sent STOP is never added. A night without changes costs no
request.

A run that would change far more than usual sends nothing, removes no missing contact, and fails. Check the query; if it
is right, trigger a run with the limit that the message names, such as `max_removed`: a number such as 1204, or a share
such as `5%`. Trigger a run with `full_refresh` to send everything again, or to start over when the snapshot is gone.

Needs the connections `warehouse` (any database) and `octopush_default`, with the extra `snapshot_secret`.
"""

from __future__ import annotations

import datetime as dt

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_octopush.operators.sync_list import SyncListOperator

PARAMS = {
    name: Param(None, type=["null", "integer", "string"], description="12 or 5%; empty for the default")
    for name in ("max_removed", "max_added", "max_opted_out", "min_opted_out")
} | {
    "max_rejected": Param("10%", type=["integer", "string"], description="12 or 5%"),
    "full_refresh": Param(False, type="boolean", description="send everything again"),
}

with DAG(
    dag_id="synced_list",
    doc_md=__doc__,
    start_date=dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
    schedule="0 2 * * *",
    # The query returns the whole audience, so the newest run makes up for all that were missed.
    catchup=False,
    # If two runs overlapped, the older one would end before its work is done.
    max_active_runs=1,
    params=PARAMS,
    default_args={"retries": 3, "retry_delay": dt.timedelta(minutes=5)},
) as dag:
    SyncListOperator(
        task_id="sync_newsletter",
        # Of two rows with the same number, the first one counts, so the order has to be the same each night.
        sql="SELECT mobile, country, first_name, last_name, loyalty_tier FROM customers ORDER BY id",
        sql_conn_id="warehouse",
        columns={"phone_number": "mobile", "region": "country", "param1": "loyalty_tier"},
        list_name="Newsletter",
        # The same path each night. In production a bucket: s3://aws_default@crm/octopush/newsletter.snapshot
        snapshot_path="{{ var.value.get('octopush_snapshots', '/var/lib/octopush') }}/newsletter.snapshot",
        # Numbers with a plus; without: SELECT number, region FROM …
        opted_out_sql="SELECT number FROM sms_stops",
        # A field that is left empty renders to "None": the default.
        max_removed="{{ params.max_removed }}",
        max_added="{{ params.max_added }}",
        max_opted_out="{{ params.max_opted_out }}",
        min_opted_out="{{ params.min_opted_out }}",
        full_refresh="{{ params.full_refresh }}",
        max_rejected="{{ params.max_rejected }}",
    )
