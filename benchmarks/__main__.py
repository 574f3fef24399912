"""``make benchmark``: measures what docs/performance.md says, and writes the table there."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.customers import PEER_QUERY, drop, fill, make_sqlite
from benchmarks.processes import FOLDER, PROJECT, counts, run, server
from tests import databases

CHUNK_SIZE = 200
LATENCY = 0.1
MANY, FEW = 1_000_000, 100_000
LARGE = 10_000_000
#: Concurrency → rows; as many as take ten seconds at least.
ROWS = {1: 20_000, 4: 80_000, 16: MANY}
PEER_ROWS = 20_000
OVERHEAD_ROWS = 200_000
ROUNDS = 3
IMPORT_ROUNDS = 9
OPERATOR = "airflow_provider_octopush.operators.create_contacts"
#: The community's operator that is most like ours: rows of a query go to an API.
PEER_OPERATOR = "airflow.providers.slack.transfers.sql_to_slack"
OVERHEAD_ROUNDS = 7
#: Environment → what is installed there. The loop needs what our own environment has.
PEERS = {
    "drt-core 1.2.1, REST destination in batches": ("drt_batch", "drt-core==1.2.1"),
    "dlt 1.31.0, `@dlt.destination` in batches": ("dlt_destination", "dlt==1.31.0"),
    "a loop with `requests.post`": ("requests_loop", None),
}
PEERS_AS_OF = "2026-11-20"

CPU = Path("/proc/cpuinfo")
PAGE = PROJECT / "docs" / "performance.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


class Line(NamedTuple):
    """A line of the table."""

    what: str
    measured: str
    bar: str
    is_met: bool


def main() -> None:
    """Measure everything, and write the page."""
    # As on the smallest machine that this is promised for, wherever it runs.
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:2]))
    FOLDER.mkdir(exist_ok=True)
    database = FOLDER / "customers.sqlite"
    make_sqlite(database, MANY)
    lines = []
    parts: list[Callable[[Path], Iterator[Line]]] = [
        dag_files,
        throughput_and_peers,
        overhead,
        memory,
        phone_numbers,
        lists,
    ]
    for part in parts:
        for line in part(database):
            sys.stdout.write(f"{'   ' if line.is_met else '!! '}{line.what}: {line.measured} (bar: {line.bar})\n")
            sys.stdout.flush()
            lines.append(line)
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{page(lines)}\n{END}{rest.partition(END)[2]}")


def page(lines: list[Line]) -> str:
    """Write the table in Markdown."""
    table = ["| what | measured | bar | met |", "|---|---|---|---|"]
    table += [
        f"| {line.what} | {line.measured} | {line.bar} | {'yes' if line.is_met else '**no**'} |" for line in lines
    ]
    cpu = next(row.partition(":")[2].strip() for row in CPU.read_text().splitlines() if row.startswith("model name"))
    packages = ", ".join(f"{name} {version(name)}" for name in ("apache-airflow", "pandas", "phonenumbers", "requests"))
    where = (
        f"Measured on {dt.datetime.now(dt.UTC):%Y-%m-%d} by `make benchmark`, program and server on the same two cores "
        f"of an {cpu}, with Python {platform.python_version()}, {packages}; medians of {ROUNDS} rounds, of "
        f"{OVERHEAD_ROUNDS} without latency."
    )
    return "\n".join([where, "", *table])


def dag_files(_: Path) -> Iterator[Line]:
    """Measure what a Dag file pays for the import of an operator, ours and another's, in turns."""
    command = [sys.executable, "-m", "benchmarks.imports"]
    rounds = [[run([*command, module]) for module in (OPERATOR, PEER_OPERATOR)] for _ in range(IMPORT_ROUNDS)]
    for name, unit, scale in (("cpu_seconds", "ms of CPU time", 1000), ("megabytes", "MB", 1)):
        ours, theirs = (scale * statistics.median(pair[i][name] for pair in rounds) for i in range(2))
        yield Line(
            f"importing `CreateContactsOperator` on top of Airflow, {unit}",
            f"{ours:.1f}, {ours / theirs:.2f} × the {theirs:.1f} of `{PEER_OPERATOR}`",
            "≤ 1 ×",
            ours <= theirs,
        )


def throughput_and_peers(database: Path) -> Iterator[Line]:
    """Measure contacts a second with the API's latency, ours and others'."""
    rates = {}
    with server(LATENCY) as root:
        for concurrency, rows in ROWS.items():
            seconds = [r["seconds"] for r in synced(root, sqlite(database), rows, concurrency, ROUNDS, "--warm-up")]
            rates[concurrency] = rows / statistics.median(seconds)
            ideal = concurrency * CHUNK_SIZE / LATENCY
            yield Line(
                f"{LATENCY * 1000:.0f} ms latency, concurrency {concurrency}, {rows:,} rows",
                f"{rates[concurrency]:,.0f} contacts/s, {rates[concurrency] / ideal:.3f} of the ideal {ideal:,.0f}",
                "≥ 0.95",
                rates[concurrency] >= 0.95 * ideal,
            )
        best = 0.0
        for name, (script, requirement) in PEERS.items():
            rate = PEER_ROWS / statistics.median(peer(root, database, script, requirement) for _ in range(ROUNDS))
            best = max(best, rate)
            yield Line(
                f"{name}, {PEER_ROWS:,} rows",
                f"{rate:,.0f} contacts/s, ours at concurrency 1 is {rates[1] / rate:.2f} ×",
                "ahead at concurrency 1",
                rates[1] > rate,
            )
        yield Line(
            "concurrency 16 against the best of these", f"{rates[16] / best:.1f} ×", "≥ 8 ×", rates[16] >= 8 * best
        )


def overhead(database: Path) -> Iterator[Line]:
    """Measure what the operator does beside sending."""
    ratios = []
    with server(0) as root:
        for _ in range(OVERHEAD_ROUNDS):
            (ours,) = synced(root, sqlite(database), OVERHEAD_ROWS, 4, 1, "--warm-up")
            command = [sys.executable, "-m", "benchmarks.replay", "--root", root]
            (replayed,) = run([*command, "--rows", str(OVERHEAD_ROWS), "--concurrency", "4"])
            ratios.append((ours["seconds"] / replayed, ours["seconds"], replayed))
    ratio, seconds, replayed = sorted(ratios)[OVERHEAD_ROUNDS // 2]
    yield Line(
        f"no latency, concurrency 4, {OVERHEAD_ROWS:,} rows, against replaying their bodies",
        f"{ratio:.2f} × ({seconds:.2f} s against {replayed:.2f} s)",
        "≤ 2.0 ×",
        ratio <= 2.0,
    )


def memory(database: Path) -> Iterator[Line]:
    """Measure how much more memory more rows take."""
    for name, warehouse in warehouses(database):
        with warehouse as connection, server(0) as root:
            (few,) = synced(root, connection, FEW, 4, 1)
            (many,) = synced(root, connection, MANY, 4, 1)
        growth, above = many["rss"] - few["rss"], many["rss"] - many["rss_before"]
        yield Line(f"memory, {name}: {MANY:,} rows over {FEW:,} rows", f"{growth:+.1f} MB", "≤ 16 MB", growth <= 16)
        yield Line(
            f"memory, {name}: {MANY:,} rows over a process with all imports", f"{above:+.1f} MB", "≤ 64 MB", above <= 64
        )


def phone_numbers(_: Path) -> Iterator[Line]:
    """Measure how fast numbers are read."""
    for name, rates in run([sys.executable, "-m", "benchmarks.phone_numbers"]).items():
        ours, theirs = rates["ours"], rates["libphonenumber"]
        yield Line(
            f"numbers: {name}",
            f"{ours:,.0f}/s, {ours / theirs:.1f} × libphonenumber's {theirs:,.0f}/s",
            "≥ 8 ×",
            ours >= 8 * theirs,
        )


def lists(database: Path) -> Iterator[Line]:
    """Measure nights of a list that is kept in step."""
    snapshots = FOLDER / "snapshots"
    shutil.rmtree(snapshots, ignore_errors=True)
    with server(0) as root:
        path = str(snapshots / "table" / "customers.snapshot")
        kept(root, database, "--rows", str(MANY), "--snapshot", path, "--prepare")
        validated, unchanged = [], []
        for _ in range(ROUNDS):
            validated.append(kept(root, database, "--rows", str(MANY), "--validate")["seconds"])
            counts(root)
            unchanged.append(kept(root, database, "--rows", str(MANY), "--snapshot", path))
            unchanged[-1]["requests"] = counts(root)["requests"]
        ratio = statistics.median(one["seconds"] for one in unchanged) / statistics.median(validated)
        requests = sum(one["requests"] for one in unchanged)
        yield Line(
            f"a list kept in step: {MANY:,} rows, unchanged, against `dry_run`",
            f"{ratio:.2f} ×, {requests} requests",
            "≤ 2.0 ×, 0 requests",
            ratio <= 2.0 and not requests,
        )
        above = statistics.median(one["rss"] - one["rss_before"] for one in unchanged)
        yield Line("the same: memory over a process with all imports", f"{above:+.1f} MB", "≤ 100 MB", above <= 100)
        path = str(snapshots / "changes" / "customers.snapshot")
        kept(root, database, "--made", "--rows", str(MANY), "--snapshot", path, "--prepare")
        counts(root)
        days = ["--changed", "10000", "--left", "2000"]
        kept(root, database, "--made", "--rows", str(MANY), "--snapshot", path, *days)
        asked = counts(root)["requests"]
        yield Line(f"{MANY:,} rows, 10,000 changed, 2,000 left", f"{asked} requests", "60 requests", asked == 60)
        path, share = str(snapshots / "large" / "customers.snapshot"), str(LARGE // 100)
        kept(root, database, "--made", "--rows", str(LARGE), "--snapshot", path, "--prepare")
        days = ["--new", share, "--changed", share, "--left", share]
        large = {
            "1 % new, 1 % changed, 1 % left": kept(
                root, database, "--made", "--rows", str(LARGE), "--snapshot", path, *days
            ),
            "a first fill": kept(root, database, "--made", "--rows", str(LARGE)),
        }
    for what, one in large.items():
        above = one["rss"] - one["rss_before"]
        yield Line(
            f"{LARGE:,} contacts in the snapshot, {what}: memory over a process with all imports",
            f"{above:+.1f} MB",
            "≤ 150 MB",
            above <= 150,
        )
        disk = one["disk"]
        yield Line("the same: snapshot and journal", f"{disk:,.0f} MB", "≤ 600 MB", disk <= 600)
    size = kept("", database, "--plan-file", "--rows", str(FEW))["bytes"]
    yield Line("file of what is to be sent, for each contact", f"{size:.0f} bytes", "≤ 150 bytes", size <= 150)
    yield from first_fill(database, statistics.median(validated))
    shutil.rmtree(snapshots)


def first_fill(database: Path, validated: float) -> Iterator[Line]:
    """
    Measure a list that is filled for the first time.

    :param validated: seconds that reading and checking take.
    """
    nights = []
    with server(LATENCY) as root:
        for _ in range(ROUNDS):
            began = kept(root, database, "--rows", str(MANY), "--concurrency", "16")["began"]
            nights.append((began, counts(root)))
    planning = statistics.median(came_in["first"] - began for began, came_in in nights) / validated
    yield Line(
        f"a first fill of {MANY:,} rows: planning, against `dry_run`",
        f"{planning:.2f} ×",
        "≤ 2 ×",
        planning <= 2,
    )
    rate = statistics.median(MANY / (came_in["last"] - came_in["first"] + LATENCY) for _, came_in in nights)
    ideal = 16 * CHUNK_SIZE / LATENCY
    yield Line(
        f"the same: sending with {LATENCY * 1000:.0f} ms latency, concurrency 16",
        f"{rate:,.0f} contacts/s, {rate / ideal:.3f} of the ideal {ideal:,.0f}",
        "≥ 0.9",
        rate >= 0.9 * ideal,
    )


def kept(root: str, database: Path, *options: str) -> Any:
    """Run a night of a list that is kept in step, in a process of its own."""
    octopush = {
        "conn_type": "octopush",
        "host": root,
        "login": "benchmark",
        "password": "benchmark-key",
        "extra": {"snapshot_secret": "benchmarks have no secrets but characters"},
    }
    variables = {
        "AIRFLOW_HOME": str(FOLDER / "airflow"),
        "AIRFLOW_CONN_OCTOPUSH_DEFAULT": json.dumps(octopush),
        "AIRFLOW_CONN_WAREHOUSE": json.dumps(sqlite(database)),
    }
    return run([sys.executable, "-m", "benchmarks.lists", *options], variables)


def synced(root: str, warehouse: dict[str, Any], rows: int, concurrency: int, rounds: int, *options: str) -> Any:
    """Sync rows, and see that all of them came in."""
    octopush = {"conn_type": "octopush", "host": root, "login": "benchmark", "password": "benchmark-key"}
    counts(root)
    numbers = ["--rows", str(rows), "--concurrency", str(concurrency), "--rounds", str(rounds)]
    variables = {
        "AIRFLOW_HOME": str(FOLDER / "airflow"),
        "AIRFLOW_CONN_OCTOPUSH_DEFAULT": json.dumps(octopush),
        "AIRFLOW_CONN_WAREHOUSE": json.dumps(warehouse),
    }
    measured = run([sys.executable, "-m", "benchmarks.sync", *numbers, *options], variables)
    if (came_in := counts(root)["contacts"]) < rows * rounds:
        raise RuntimeError(f"{rows * rounds} contacts were reported, but {came_in} came in")
    return measured


def peer(root: str, database: Path, script: str, requirement: str | None) -> float:
    """Run a peer, and return its seconds."""
    python = Path(sys.executable)
    if requirement is not None:
        environment = FOLDER / script
        python = environment / "bin" / "python"
        if not python.exists():
            uv = os.environ.get("UV", "uv")
            subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
            install = [uv, "pip", "install", "--quiet", "--python", str(python), "--exclude-newer", PEERS_AS_OF]
            subprocess.run([*install, requirement], check=True)
    variables = {
        "DATABASE": str(database),
        "QUERY": f"{PEER_QUERY} LIMIT {PEER_ROWS}",
        "ENDPOINT": f"{root}/v1/public/contact/create",
    }
    counts(root)
    seconds: float = run([str(python), f"benchmarks/peers/{script}.py"], variables)
    if (came_in := counts(root)["contacts"]) != PEER_ROWS:
        raise RuntimeError(f"{script} sent {came_in} contacts instead of {PEER_ROWS}")
    return seconds


def sqlite(database: Path) -> dict[str, Any]:
    """Return the fields of an Airflow connection."""
    return {"conn_type": "sqlite", "host": str(database)}


def warehouses(database: Path) -> Iterator[tuple[str, Any]]:
    """Give each database that is to be measured, as a context that yields an Airflow connection."""
    yield "SQLite", _there(sqlite(database))
    yield "PostgreSQL", _filled(databases.connect_postgres, databases.POSTGRES)
    yield "MariaDB", _filled(databases.connect_mariadb, databases.MARIADB)


@contextmanager
def _there(connection: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield connection


@contextmanager
def _filled(connect: Callable[[], Any], connection: dict[str, Any]) -> Iterator[dict[str, Any]]:
    fill(connect(), MANY)
    try:
        yield connection
    finally:
        drop(connect())


if __name__ == "__main__":
    main()
