"""
Nights of :class:`SyncListOperator`; writes what they took as JSON.

``--rows`` are in the snapshot already. ``--new``, ``--changed`` and ``--left`` say what a day has changed. Rows come
from the benchmark's table, or with ``--made`` from the process itself, where there are more than a table should hold.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.customers import QUERY

os.environ.update(AIRFLOW__CORE__LOAD_EXAMPLES="False", AIRFLOW__LOGGING__LOGGING_LEVEL="ERROR")

import msgspec
import numpy as np
import pandas as pd

from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from airflow_provider_octopush.operators.snapshots import account_of, keys_of
from airflow_provider_octopush.operators.sync_list import SyncListOperator
from airflow_provider_octopush.operators.sync_run import reading_of
from airflow_provider_octopush.payloads import ContactPayload
from airflow_provider_octopush.snapshot.journal import Run
from airflow_provider_octopush.snapshot.opening import open_snapshot
from airflow_provider_octopush.snapshot.path_store import open_store
from airflow_provider_octopush.snapshot.records import RECORD
from airflow_provider_octopush.snapshot.snapshot_file import Identity
from airflow_provider_octopush.sync.contact_file import ContactFile

LIST = "Benchmark"
FRAME = 1_000
COLUMNS = {"phone_number": "mobile", "region": "country", "param1": "tier"}
NAMES = np.array(["Zoé", "Anna", "Mohamed", "Sofia"], dtype=object)


class TaskInstance:
    """The part of Airflow's task instance that the operators use."""

    dag_id, task_id, map_index, try_number, max_tries = "benchmark", "benchmark", -1, 1, 0

    def xcom_push(self, key: str, value: Any) -> None:
        """Take the summary."""


def made(first: int, number: int, changed: int = 0) -> Iterator[pd.DataFrame]:
    """Make customers, the first ones of which have changed."""
    for start in range(first, first + number, FRAME):
        size = min(FRAME, first + number - start)
        rows = np.arange(start, start + size)
        names = np.where(rows < first + changed, "changed", NAMES[rows % len(NAMES)])
        numbers = [f"+336{row:08d}" for row in rows.tolist()]
        yield pd.DataFrame({"phone_number": numbers, "first_name": names}, dtype=object)


def remember(path: str, number: int, reading: dict[str, Any]) -> dict[str, float]:
    """Write the snapshot that a first run over made customers would have left."""
    settings = OctopushHook().settings
    meaning = msgspec.json.encode({"tag_name": None})
    identity = Identity(account_of(settings), LIST, "benchmark.benchmark")
    run = Run("first run", reading=reading, meaning=meaning)
    with open_snapshot(open_store(path), keys_of(settings, ""), identity, run) as snapshot:
        for frame in made(0, number):
            payloads = list(map(ContactPayload, frame["phone_number"], frame["first_name"]))
            _, found = snapshot.find([int(payload.phone_number) for payload in payloads])
            _, found["digest"] = snapshot.compare(payloads, found)
            snapshot.record_sending(found)
            snapshot.record_confirmed(found, ["added"] * len(payloads))
        return {"snapshot_after": snapshot.replace()}


def night(operator: Any, folder: Path | None = None) -> dict[str, float]:
    """
    Run an operator once, and measure it.

    :param folder: of its snapshot.
    """
    context: Any = {"ti": TaskInstance(), "run_id": f"night {time.time()}"}
    before, began, started = _peak_rss(), time.time(), time.perf_counter()
    summary = operator.execute(context)
    seconds = time.perf_counter() - started
    counts = {name: value for name, value in summary.items() if isinstance(value, int)}
    disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6 if folder else 0.0
    return {"seconds": seconds, "began": began, "rss_before": before, "rss": _peak_rss(), "disk": disk, **counts}


def plan_file(number: int) -> dict[str, float]:
    """Write contacts to the file of what is to be sent; return its bytes for each."""
    with closing(ContactFile(2)) as file:
        for frame in made(0, number):
            payloads = map(ContactPayload, frame["phone_number"], frame["first_name"], ["Fillon"] * FRAME)
            record = bytes(RECORD.itemsize)
            file.write([Contact(row, int(one.phone_number), one, (), record) for row, one in enumerate(payloads)])
        return {"bytes": os.fstat(file._file.fileno()).st_size / number + RECORD.itemsize}


def _peak_rss() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _table(rows: int, **options: Any) -> dict[str, Any]:
    return {"sql": f"{QUERY} LIMIT {rows}", "sql_conn_id": "warehouse", "columns": COLUMNS, **options}


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--changed", type=int, default=0)
    parser.add_argument("--new", type=int, default=0)
    parser.add_argument("--left", type=int, default=0)
    parser.add_argument("--made", action="store_true", help="make the rows in the process")
    parser.add_argument("--snapshot", help="a file that another process has prepared")
    parser.add_argument("--prepare", action="store_true", help="write the snapshot, and measure nothing")
    parser.add_argument("--validate", action="store_true", help="measure CreateContactsOperator(dry_run=True)")
    parser.add_argument("--plan-file", action="store_true", help="measure the file of what is to be sent")
    parser.add_argument("--concurrency", type=int, default=4)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="octopush-benchmark-") as folder:
        path = options.snapshot or f"{folder}/customers.snapshot"
        common: dict[str, Any] = {"task_id": "benchmark", "list_name": LIST, "phone_check": "mobile"}
        sync = {**common, "snapshot_path": path, "concurrency": options.concurrency, "max_removed": "100%"}
        if options.made:
            rows = made(options.left, options.rows - options.left + options.new, options.changed)
            source: dict[str, Any] = {"data": rows, "phone_check": "format"}
        else:
            source = _table(options.rows)
        if options.plan_file:
            measured = plan_file(options.rows)
        elif options.validate:
            measured = night(CreateContactsOperator(**{**common, **source}, dry_run=True))
        elif options.prepare and options.made:
            operator = SyncListOperator(**{**sync, **source})
            measured = remember(path, options.rows, reading_of(operator))
        else:
            # A snapshot of its own has a folder of its own.
            measured = night(SyncListOperator(**{**sync, **source}), Path(path).parent)
    sys.stdout.write(f"\n{msgspec.json.encode(measured).decode()}\n")


if __name__ == "__main__":
    main()
