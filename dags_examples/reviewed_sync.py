"""
### A plan, a person, then the sync (Airflow 3.1 and newer)

The first task counts what a sync would do, and sends nothing. A person approves the counts in Airflow's UI. Then the
list is synced.

The run is bound to the plan's numbers: contacts that are new, missing from the table, or opted out. Tables change
meanwhile, so each number may be exceeded by a tenth, or by 10 if that is more. Beyond that, nothing is sent, and the
task fails. It also fails if another run has changed the list since the plan was made.

If the plan is rejected, or not answered within a day, nothing is sent, and the run is not green. Airflow keeps the
question in its database and shows it to everyone who may see the Dag, so it holds counts only.

Needs the connections `warehouse` (any database) and `octopush_default`, with the extra `snapshot_secret`, and the
standard provider 1.12 or newer.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from airflow.providers.common.compat.sdk import DAG
from airflow.providers.standard.operators.hitl import ApprovalOperator

from airflow_provider_octopush.operators.sync_list import SyncListOperator

AUDIENCE: dict[str, Any] = {
    "sql": "SELECT mobile, country, first_name, last_name, loyalty_tier FROM customers ORDER BY id",
    "sql_conn_id": "warehouse",
    "columns": {"phone_number": "mobile", "region": "country", "param1": "loyalty_tier"},
    "list_name": "Newsletter",
    "snapshot_path": "{{ var.value.get('octopush_snapshots', '/var/lib/octopush') }}/reviewed.snapshot",
    "opted_out_sql": "SELECT number FROM sms_stops",
}


def a_little_more_than(number: str) -> str:
    """Return a template: a number of the plan plus a tenth, or plus 10 if that is more."""
    return (
        "{% set plan = ti.xcom_pull(task_ids='plan') %}{% set number = " + number + " %}"
        "{{ number + [number // 10, 10] | max }}"
    )


with DAG(
    dag_id="reviewed_sync",
    doc_md=__doc__,
    start_date=dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
    schedule=None,
    catchup=False,
    max_active_runs=1,
) as dag:
    plan = SyncListOperator(task_id="plan", dry_run=True, max_rejected="10%", **AUDIENCE)
    approve = ApprovalOperator(
        task_id="approve",
        subject="Bring the list Newsletter in step?",
        body="""
{%- set plan = ti.xcom_pull(task_ids="plan") -%}
{{ plan.added }} new, {{ plan.updated }} changed, {{ plan.unchanged }} unchanged, {{ plan.opted_out }} opted out.

{{ plan.removed }} would be removed, {{ plan.removed_opted_out }} of them because they opted out, of
{{ plan.snapshot_before }} on the list.
{% for exceeded in plan.exceeded %}
More than usual: {{ exceeded.split(". ")[0] }}.
{% endfor %}
""",
        # A rejection fails the task: a run in which nothing was sent should not be green.
        fail_on_reject=True,
        response_timeout=dt.timedelta(days=1),
    )
    sync = SyncListOperator(
        task_id="sync",
        max_added=a_little_more_than("plan.added"),
        max_removed=a_little_more_than("plan.removed - plan.removed_opted_out"),
        max_opted_out=a_little_more_than("plan.removed_opted_out"),
        # The invalid rows that were approved, and a tenth of all rows for what Octopush may refuse.
        max_rejected=a_little_more_than("plan.invalid + plan.read // 10"),
        plan_generation="{{ ti.xcom_pull(task_ids='plan').generation }}",
        **AUDIENCE,
    )
    plan >> approve >> sync
