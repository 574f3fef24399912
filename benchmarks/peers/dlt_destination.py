"""A pipeline of dlt with a destination of its own, ``@dlt.destination``, in batches."""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

import dlt
from dlt.sources.helpers import requests


@dlt.resource  # type: ignore[untyped-decorator] # dlt is not installed where types are checked
def contacts() -> Iterator[list[dict[str, Any]]]:
    """Read the table in batches."""
    with sqlite3.connect(os.environ["DATABASE"]) as connection:
        cursor = connection.execute(os.environ["QUERY"])
        names = [column[0] for column in cursor.description]
        while rows := cursor.fetchmany(10_000):
            yield [dict(zip(names, row, strict=True)) for row in rows]


@dlt.destination(batch_size=200)  # type: ignore[untyped-decorator] # as above
def octopush(items: Any, table: Any) -> None:  # noqa: ARG001 - dlt calls it with both
    """Post one batch."""
    requests.post(
        os.environ["ENDPOINT"],
        json={"contacts": items, "list_name": "Benchmark"},
        headers={"api-login": "login", "api-key": "key"},
    ).raise_for_status()


with tempfile.TemporaryDirectory() as folder:
    started = time.perf_counter()
    dlt.pipeline("benchmark", destination=octopush, pipelines_dir=folder).run(contacts()).raise_on_failed_jobs()
    sys.stdout.write(f"\n{time.perf_counter() - started}\n")
