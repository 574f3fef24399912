"""
### Keep an Octopush list in step with a table

Each night, the customers that changed during the day before become contacts of the list *Customers*.

Needs the connections `warehouse` (any database) and `octopush_default`. `:start` and `:end` in the query are written in
the style of SQLite; PostgreSQL and MySQL write `%(start)s` and `%(end)s`.
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
    # Airflow 3 makes of a cron string a timetable whose data intervals are empty. This one says what is meant: a run
    # for each day, that starts when the day is over.
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    # A day on which Airflow was down is made up for, or its changes would never reach the list.
    catchup=True,
    # One after the other: the newest change of a customer has to be the last one sent.
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
        # Rows without a usable number are a fact of life; when they become many, somebody should look.
        max_rejected="10%",
        rejects_path="{{ var.value.get('octopush_rejects', '/tmp') }}/customers-{{ ds }}.csv",
    )
