"""
What more parts bring: one table in 1, 2 and 4 parts, measured into docs/scaling.md.

``python -m benchmarks.scaling`` runs the example Dag ``key_ranges`` on the same Airflow with Celery workers as the
tests. The API is the simulator, which waits 100 ms before each answer. Takes about five minutes, and needs PostgreSQL
and Redis.
"""

from __future__ import annotations

import datetime as dt
import itertools
import os
import platform
import statistics
import sys
import tempfile
import textwrap
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg2

from airflow_provider_octopush.simulator import Behaviour, Simulator
from tests import databases
from tests.integration.airflow_processes import wait_for
from tests.integration.celery_workers import CeleryAirflow, celery_airflow, connections, postgres_database

PROJECT = Path(__file__).resolve().parent.parent
GUIDE = PROJECT / "docs" / "scaling.md"
BEGIN, END = "<!-- measured by benchmarks/scaling.py -->", "<!-- end of what was measured -->"

CONTACTS = 60_000
LATENCY = 0.1
CHUNK = 200
PARTS = (1, 2, 4)
CONCURRENCIES = (1, 4)
WARM_UP = (4, 8)
WORKERS, SLOTS = 2, 2


@dataclass
class Measured:
    """
    A run.

    :param parts: tasks side by side.
    :param concurrency: requests under way at a time, of each.
    :param latency: seconds that a request took, as the API saw it, the median.
    :param requests: seconds from the first request to the last answer.
    :param run: seconds from the trigger to the end of the run.
    """

    parts: int
    concurrency: int
    latency: float
    requests: float
    run: float

    def row(self) -> str:
        """Write its row of the table."""
        possible = self.parts * self.concurrency * CHUNK / self.latency
        return (
            f"| {self.parts} | {self.concurrency} | {self.latency * 1000:.0f} ms | {possible:,.0f} "
            f"| {CONTACTS / self.requests:,.0f} | {self.requests:.1f} s | {self.run - self.requests:.1f} s |"
        )


def dag_id(parts: int, concurrency: int) -> str:
    """Name the Dag of a measurement."""
    return f"parts_{parts}_concurrency_{concurrency}"


def dag(parts: int, concurrency: int) -> str:
    """Write the example Dag with other numbers."""
    source = (PROJECT / "dags_examples" / "key_ranges.py").read_text(encoding="utf-8")
    for old, new in (
        ("PARTS = 4\n", f"PARTS = {parts}\n"),
        ("CONCURRENCY = 2\n", f"CONCURRENCY = {concurrency}\n"),
        ('dag_id="key_ranges"', f'dag_id="{dag_id(parts, concurrency)}"'),
    ):
        if source.count(old) != 1:
            raise ValueError(f"the example has no {old!r} to replace")
        source = source.replace(old, new)
    return source


def make_warehouse(database: Mapping[str, Any]) -> None:
    """Make the table."""
    with closing(psycopg2.connect(**database)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY, mobile TEXT, first_name TEXT, last_name TEXT, "
            "country TEXT, loyalty_tier TEXT)"
        )
        cursor.execute(
            "INSERT INTO customers SELECT n, '+3361' || lpad(n::text, 7, '0'), 'Zoé', 'Dupont', 'FR', 'gold' "
            "FROM generate_series(1, %s) n",
            [CONTACTS],
        )


def measure(running: CeleryAirflow, simulator: Simulator, parts: int, concurrency: int) -> Measured:
    """Run one Dag, and check that it has done all that there was to do."""
    simulator.reset()
    name = dag_id(parts, concurrency)
    running.trigger(name)
    wait_for(lambda: running.run_state(name) in ("success", "failed"), f"the end of {name}")
    ((state, seconds),) = running.query(
        "SELECT state, EXTRACT(EPOCH FROM end_date - queued_at) FROM dag_run WHERE dag_id = :name", name=name
    )
    sent = simulator.requests
    complete = len(simulator.lists["Customers"]) == CONTACTS
    if state != "success" or not complete or simulator.max_in_flight > parts * concurrency:
        raise RuntimeError(f"{name} ended as {state} with {len(sent)} requests")
    ended = [(request.arrived, request.ended) for request in sent if request.ended is not None]
    latency = statistics.median(end - begin for begin, end in ended)
    requests = max(end for _, end in ended) - min(begin for begin, _ in ended)
    return Measured(parts, concurrency, latency, requests, float(seconds))


def table(measured: list[Measured], load: float) -> str:
    """
    Write what was measured.

    :param load: the machine's load average before, of other work.
    """
    with closing(databases.connect_postgres()) as connection, closing(databases.connect_redis()) as redis:
        postgres, broker = connection.server_version // 10000, redis.info("server")["redis_version"]
    caption = (
        f"{CONTACTS:,} contacts in requests of {CHUNK}, against the simulator, which waits {LATENCY * 1000:.0f} ms "
        f"before it answers; {WORKERS} Celery workers with {SLOTS} slots each; everything, simulator and databases "
        f"too, on one machine with {os.cpu_count()} cores. Airflow {version('apache-airflow')}, Celery "
        f"{version('celery')}, Redis {broker}, PostgreSQL {postgres}, Python {platform.python_version()}, "
        f"{dt.datetime.now(dt.UTC):%-d %B %Y}, one run each; before it, the machine had a load of {load:.1f}."
    )
    lines = [
        "| parts | concurrency | latency | parts × concurrency × chunk_size / latency | contacts a second, measured "
        "| first request to last answer | the rest of the run |",
        "|---|---|---|---|---|---|---|",
        *(one.row() for one in measured),
        "",
        *textwrap.wrap(caption, 120),
    ]
    return "\n".join(lines)


def write(text: str, begin: str = BEGIN, end: str = END) -> None:
    """Put a table in its place in the guide."""
    guide = GUIDE.read_text(encoding="utf-8")
    before, _, rest = guide.partition(begin)
    _, _, after = rest.partition(end)
    if not after:
        raise ValueError(f"{GUIDE.name} has no place for the table: {begin} and {end}")
    GUIDE.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def main() -> int:
    """Measure, print and write the table; returns the exit code."""
    load = os.getloadavg()[1]
    runs = [WARM_UP, *itertools.product(PARTS, CONCURRENCIES)]
    dags = {f"{dag_id(*run)}.py": dag(*run) for run in runs}
    measured = []
    with (
        tempfile.TemporaryDirectory(prefix="octopush-scaling-") as folder,
        postgres_database() as database,
        Simulator(Behaviour(latency=LATENCY)) as simulator,
    ):
        make_warehouse(database)
        variables = {**connections(database, simulator), "AIRFLOW_VAR_OCTOPUSH_REJECTS": folder}
        pools = {"octopush": max(parts * concurrency for parts, concurrency in runs)}
        with celery_airflow(
            Path(folder) / "airflow", database, dags, variables, pools=pools, workers=WORKERS, slots=SLOTS
        ) as running:
            # Once more than is measured: the first run finds no cache filled.
            measure(running, simulator, *WARM_UP)
            for concurrency in CONCURRENCIES:
                for parts in PARTS:
                    measured.append(measure(running, simulator, parts, concurrency))
                    print(measured[-1].row(), flush=True)
    write(table(measured, load))
    return 0


if __name__ == "__main__":
    sys.exit(main())
