"""
Runs of :class:`CreateContactsOperator` on the benchmark's table; writes what they took as JSON.

The operator runs outside of Airflow's task runner, whose start is no part of what is measured, but with connections and
hooks of Airflow.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import sys
import time
from typing import Any

from benchmarks.customers import QUERY

os.environ.update(AIRFLOW__CORE__LOAD_EXAMPLES="False", AIRFLOW__LOGGING__LOGGING_LEVEL="ERROR")

import airflow_provider_octopush.hooks.octopush
import airflow_provider_octopush.operators.runs
import airflow_provider_octopush.phones.reader
import airflow_provider_octopush.sources.sql
import airflow_provider_octopush.sync.create  # noqa: F401 - what a task imports when it runs is no part of what is measured
from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator


class TaskInstance:
    """The part of Airflow's task instance that the operator uses."""

    try_number = 1
    max_tries = 0
    map_index = -1

    def xcom_push(self, key: str, value: Any) -> None:
        """Take the summary."""


def measure(rows: int, concurrency: int) -> dict[str, float]:
    """
    Sync so many rows of the table behind the connection ``warehouse``, every number fully checked.

    :return: seconds of wall time and of CPU time, and the process's peak memory (RSS) in MB before and after.
    :raises RuntimeError: when not every row was added.
    """
    operator = CreateContactsOperator(
        task_id="benchmark",
        sql=f"{QUERY} LIMIT {rows}",
        sql_conn_id="warehouse",
        columns={"phone_number": "mobile", "region": "country", "param1": "tier"},
        phone_check="mobile",
        list_name="Benchmark",
        concurrency=concurrency,
    )
    context: Any = {"ti": TaskInstance()}
    before, started, cpu_started = _peak_rss(), time.perf_counter(), time.process_time()
    summary = operator.execute(context)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    if summary["added"] != rows:
        raise RuntimeError(f"{rows} rows, but {summary}")
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "rss_before": before, "rss": _peak_rss()}


def _peak_rss() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--warm-up", action="store_true", help="a short run before, so that all modules are loaded")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if arguments.warm_up:
        measure(1000, arguments.concurrency)
    rounds = [measure(arguments.rows, arguments.concurrency) for _ in range(arguments.rounds)]
    sys.stdout.write(f"\n{json.dumps(rounds)}\n")
