"""How the tests of sources read."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from airflow_provider_octopush.sources.files import File, read_files
from airflow_provider_octopush.sources.sql import read_sql
from tests.databases import POSTGRES_ARGUMENTS

AirflowHook = Callable[..., Any]

#: A French mobile that is a BIGINT.
MOBILE = 33612345678


class DriverHook:
    """A hook of somebody's own, on any driver."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self.connect = connect
        self.connections: list[Any] = []

    def get_conn(self) -> Any:
        self.connections.append(self.connect())
        return self.connections[-1]


def driver(name: str) -> Any:
    return pytest.importorskip(name, reason=f"the driver {name} is not installed")


def postgres_by_driver(name: str, **kwargs: Any) -> DriverHook:
    return DriverHook(lambda: driver(name).connect(**POSTGRES_ARGUMENTS, **kwargs))


def statement(connect: Callable[[], Any], sql: str) -> list[Any]:
    connection = connect()
    try:
        cursor = connection.cursor()
        cursor.execute(sql)
        return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def read(hook: Any, sql: str, parameters: Any = None, **kwargs: Any) -> tuple[list[str], list[list[Any]]]:
    """The columns, and the rows of all frames together."""
    names: list[str] = []
    rows: list[list[Any]] = []
    for frame in read_sql(hook, sql, parameters, **kwargs):
        assert set(frame.dtypes) <= {np.dtype(object)}
        names = list(frame.columns)
        rows.extend(frame.to_numpy().tolist())
    return names, rows


def read_file(
    name: str, content: bytes, batch_size: int = 1_000, data_columns: Sequence[str] | None = None, **options: Any
) -> tuple[list[str], list[list[Any]]]:
    """The columns, and the rows of all frames together, of a file."""
    names: list[str] = []
    rows: list[list[Any]] = []
    file = File(name, lambda: io.BytesIO(content))
    for frame in read_files([file], options, columns=data_columns, batch_size=batch_size):
        assert set(frame.dtypes) <= {np.dtype(object)}
        assert frame.index.tolist() == list(range(len(frame)))
        assert len(frame) <= batch_size
        names = list(frame.columns)
        rows.extend(frame.to_numpy().tolist())
    return names, rows


def everything_in(error: BaseException) -> str:
    """All that can be found in an exception: what it says, holds, and comes from."""
    found: list[str] = []
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is not None:
            found.append(f"{one!r} {one} {vars(one)}")
            todo += [one.__cause__, one.__context__]
    return " ".join(found)


_MEASURE = """
import json, os, sys

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

for _ in frames("small"):
    pass
base, peak, rows = resident(), 0, 0
for frame in frames("large"):
    rows += len(frame)
    peak = max(peak, resident())
print(json.dumps([rows, peak - base]))
"""

_READ_SQL = """
import importlib, json, sys

module, arguments, sql, how_many, setup = json.loads(sys.argv[1])
exec(setup)
from airflow_provider_octopush.sources.files import File, read_files
from airflow_provider_octopush.sources.sql import read_sql

class Hook:
    def get_conn(self):
        args, kwargs = arguments
        return importlib.import_module(module).connect(*args, **kwargs)

frames = lambda which: read_sql(Hook(), sql.format(20_000 if which == "small" else how_many))
"""

#: Rows that are read to see how memory grows: as many as make tens of megabytes where they are kept.
ROWS = int(os.environ.get("STREAMED_ROWS", "100000"))


def growth_of_memory(module: str, sql: str, *args: Any, setup: str = "", **kwargs: Any) -> int:
    """
    Read :data:`ROWS` rows of a query in a process of its own.

    :param module: the driver; ``args`` and ``kwargs`` are of its ``connect``.
    :param sql: a query with ``{}`` for the number of rows.
    :param setup: Python that runs first.
    :return: bytes of resident memory at the most, above what reading 20,000 rows has left behind.
    """
    return growth_of_memory_of(_READ_SQL, ROWS, json.dumps([module, [args, kwargs], sql, ROWS, setup]))


def growth_of_memory_of(frames: str, rows: int, argument: str = "") -> int:
    """
    Read rows in a process of its own.

    :param frames: Python that defines ``frames(which)``, of ``"small"``, which has 20,000 rows, and ``"large"``.
    :param rows: how many "large" has.
    :param argument: what ``frames`` finds in ``sys.argv[1]``.
    """
    if not Path("/proc/self/statm").exists():
        pytest.skip("resident memory is read from Linux's /proc")
    output = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", frames + _MEASURE, argument],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    read, grown = json.loads(output.splitlines()[-1])
    assert read == rows
    return int(grown)
