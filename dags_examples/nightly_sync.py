"""
### Send what changed in a table

Each night, customers that changed the day before are added to the list *Customers*, or updated there.

Needs the connections `warehouse` (any database) and `octopush_default`. `:start` and `:end` in the query are in the
style of SQLite; PostgreSQL and MySQL write `%(start)s` and `%(end)s`.
"""

from __future__ import annotations

import datetime as dt

from airflow.providers.common.compat.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator

with DAG(
    dag_id="nightly_sync",
    doc_md=__doc__,
    start_date=dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
    # On Airflow 3, the data intervals of a cron string are empty. Here, each run covers a day, and starts when the day
    # is over.
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    # Runs that were missed while Airflow was down are caught up, or their changes would never reach the list.
    catchup=True,
    # One run at a time: a customer's newest change has to be the last one sent.
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": dt.timedelta(minutes=5)},
) as dag:
    CreateContactsOperator(
        task_id="sync_customers",
        sql="customers_changed.sql",
        sql_conn_id="warehouse",
        parameters={"start": "{{ data_interval_start }}", "end": "{{ data_interval_end }}"},
        columns={"phone_number": "mobile", "region": "country", "param1": "loyalty_tier"},
        list_name="Customers",
        # Some rows never have a usable number. If there are many, the task fails.
        max_rejected="10%",
        rejects_path="{{ var.value.get('octopush_rejects', '/tmp') }}/customers-{{ ds }}.csv",
    )
