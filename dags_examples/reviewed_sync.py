"""
### A plan, a person, then the sync (Airflow 3.1 and newer)

What a sync would do is counted first, and nothing is sent. A person approves the counts in Airflow's UI. Then the list
is brought in step, with `max_removed` at the larger of the plan's two numbers: who left the table, and who opted
out. If the table has changed meanwhile so that more would leave, nothing is sent and the task fails.

Rejected, or not answered within a day, nothing is sent, and the run is not green. Subject and body of the question are
kept in Airflow's database and shown to everyone who may see the Dag, so they hold counts only.

Needs the connections `warehouse` (any database) and `octopush_default`, with the extra `snapshot_secret`; and the
standard provider from 1.12 on.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from airflow.providers.common.compat.sdk import DAG
from airflow.providers.standard.operators.hitl import ApprovalOperator

from airflow_provider_octopush.operators.lists import SyncListOperator

AUDIENCE: dict[str, Any] = {
    "sql": "SELECT mobile, country, first_name, last_name, loyalty_tier FROM customers ORDER BY id",
    "sql_conn_id": "warehouse",
    "columns": {"phone_number": "mobile", "region": "country", "param1": "loyalty_tier"},
    "list_name": "Newsletter",
    "snapshot_path": "{{ var.value.get('octopush_snapshots', '/var/lib/octopush') }}/reviewed.snapshot",
    "opted_out_sql": "SELECT number FROM sms_stops",
    "max_rejected": 0.1,
}

with DAG(
    dag_id="reviewed_sync",
    doc_md=__doc__,
    start_date=dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
    schedule=None,
    catchup=False,
    max_active_runs=1,
) as dag:
    plan = SyncListOperator(task_id="plan", validate_only=True, **AUDIENCE)
    approve = ApprovalOperator(
        task_id="approve",
        subject="Bring the list Newsletter in step?",
        body="""
{%- set plan = ti.xcom_pull(task_ids="plan") -%}
{{ plan.added }} new, {{ plan.updated }} changed, {{ plan.unchanged }} unchanged, {{ plan.opted_out }} opted out.

{{ plan.removed }} would be removed, {{ plan.removed_opted_out }} of them because they opted out, of
{{ plan.snapshot_before }} on the list. That takes {{ plan.requests }} requests.
""",
        # Rejected is a failure here: a run in which nothing was sent should not be green.
        fail_on_reject=True,
        response_timeout=dt.timedelta(days=1),
    )
    sync = SyncListOperator(
        task_id="sync",
        # It holds for those who left and for those who opted out apart.
        max_removed="{% set plan = ti.xcom_pull(task_ids='plan') %}"
        "{{ [plan.removed - plan.removed_opted_out, plan.removed_opted_out] | max }}",
        **AUDIENCE,
    )
    plan >> approve >> sync
