from __future__ import annotations

import datetime as dt
import gc
import importlib
import json
import logging
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_octopush.sources.sql import NotAQueryError, RowsNotReadError, read_sql
from tests.databases import (
    MARIADB,
    MARIADB_ARGUMENTS,
    POSTGRES,
    POSTGRES_ARGUMENTS,
    connect_mariadb,
    connect_postgres,
    require_mariadb,
    require_postgres,
)

MOBILE = 33612345678
CONN_ID = "rows_of_a_test"


class DriverHook:
    """A hook of somebody's own, on any driver."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self.connect = connect
        self.connections: list[Any] = []

    def get_conn(self) -> Any:
        self.connections.append(self.connect())
        return self.connections[-1]


AirflowHook = Callable[..., Any]


@pytest.fixture
def airflow_hook(monkeypatch: pytest.MonkeyPatch) -> AirflowHook:
    """The hook that Airflow makes of a connection."""

    def airflow_hook(fields: dict[str, Any], hook_params: dict[str, Any] | None = None, **extra: Any) -> Any:
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps({**fields, "extra": extra}))
        connection: Any = BaseHook.get_connection(CONN_ID)
        return connection.get_hook(hook_params=hook_params)

    return airflow_hook


@pytest.fixture
def sqlite(airflow_hook: AirflowHook, tmp_path: Path) -> Any:
    return airflow_hook({"conn_type": "sqlite", "host": str(tmp_path / "warehouse.sqlite")})


def driver(name: str) -> Any:
    return pytest.importorskip(name, reason=f"the driver {name} is not installed")


def postgres_by_driver(name: str, **kwargs: Any) -> DriverHook:
    return DriverHook(lambda: driver(name).connect(**POSTGRES_ARGUMENTS, **kwargs))


@pytest.fixture(params=["PostgresHook", "PostgresHook, dict rows", "psycopg2", "psycopg2, dict rows", "psycopg"])
def postgres(request: pytest.FixtureRequest, airflow_hook: AirflowHook) -> Any:
    require_postgres()
    kind, _, dict_rows = request.param.partition(", ")
    if kind == "PostgresHook":
        return airflow_hook(POSTGRES, **({"cursor": "dictcursor"} if dict_rows else {}))
    driver(kind)
    return postgres_by_driver(
        kind, **({"cursor_factory": importlib.import_module("psycopg2.extras").RealDictCursor} if dict_rows else {})
    )


MARIADB_DRIVERS = ["MySqlHook", "MySqlHook, dict rows", "MySqlHook, MySQL Connector", "PyMySQL, dict rows"]


def mariadb_by_kind(kind: str, airflow_hook: AirflowHook) -> Any:
    require_mariadb()
    if kind == "MySqlHook":
        return airflow_hook(MARIADB)
    if kind == "MySqlHook, dict rows":
        return airflow_hook(MARIADB, cursor="dictcursor")
    if kind == "MySqlHook, MySQL Connector":
        driver("mysql.connector")
        return airflow_hook(MARIADB, client="mysql-connector-python")
    pymysql = driver("pymysql")
    return DriverHook(lambda: pymysql.connect(**MARIADB_ARGUMENTS, cursorclass=pymysql.cursors.DictCursor))


@pytest.fixture(params=MARIADB_DRIVERS)
def mariadb(request: pytest.FixtureRequest, airflow_hook: AirflowHook) -> Any:
    return mariadb_by_kind(request.param, airflow_hook)


def statement(connect: Callable[[], Any], sql: str) -> list[Any]:
    connection = connect()
    try:
        cursor = connection.cursor()
        cursor.execute(sql)
        return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


@pytest.fixture
def postgres_table() -> Iterator[str]:
    require_postgres()
    table = f"rows_{uuid.uuid4().hex}"
    statement(connect_postgres, f"CREATE TABLE {table} (id integer)")
    yield table
    statement(connect_postgres, f"DROP TABLE {table}")


@pytest.fixture
def mariadb_table() -> Iterator[str]:
    require_mariadb()
    table = f"rows_{uuid.uuid4().hex}"
    statement(connect_mariadb, f"CREATE TABLE {table} (id integer) ENGINE=InnoDB")
    yield table
    statement(connect_mariadb, f"DROP TABLE {table}")


def read(hook: Any, sql: str, parameters: Any = None, **kwargs: Any) -> tuple[list[str], list[list[Any]]]:
    """The columns, and the rows of all frames together."""
    names: list[str] = []
    rows: list[list[Any]] = []
    for frame in read_sql(hook, sql, parameters, **kwargs):
        assert set(frame.dtypes) <= {np.dtype(object)}
        names = list(frame.columns)
        rows.extend(frame.to_numpy().tolist())
    return names, rows


# SQLite, the hook of which is always there: what holds for every driver.


def test_values_stay_what_the_driver_makes_of_them(sqlite: Any) -> None:
    names, rows = read(sqlite, f"SELECT {MOBILE} AS phone, 'Zoë' AS name UNION ALL SELECT NULL, NULL")
    assert names == ["phone", "name"]
    assert rows == [[MOBILE, "Zoë"], [None, None]]
    assert type(rows[0][0]) is int


def test_parameters_reach_the_query(sqlite: Any) -> None:
    assert read(sqlite, "SELECT ? AS a, '100%' AS b", ("x",))[1] == [["x", "100%"]]
    assert read(sqlite, "SELECT :a AS a", {"a": 7})[1] == [[7]]


COUNT_TO = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n"


def test_a_frame_holds_at_most_a_batch_of_rows(sqlite: Any) -> None:
    assert [len(frame) for frame in read_sql(sqlite, COUNT_TO.format(25), batch_size=10)] == [10, 10, 5]
    assert [len(frame) for frame in read_sql(sqlite, COUNT_TO.format(20), batch_size=10)] == [10, 10]


def test_a_batch_of_no_rows_is_refused(sqlite: Any) -> None:
    with pytest.raises(ValueError, match="batch_size is 0"):
        next(read_sql(sqlite, "SELECT 1", batch_size=0))


def test_rows_are_read_as_they_are_asked_for(sqlite: Any) -> None:
    started = time.monotonic()
    frames = read_sql(sqlite, COUNT_TO.format(10**12))
    assert next(frames)["i"].tolist()[-1] == 1_000
    frames.close()
    assert time.monotonic() - started < 5


def test_a_query_that_finds_nothing_gives_its_columns(sqlite: Any) -> None:
    (frame,) = read_sql(sqlite, "SELECT 1 AS phone, 2 AS name WHERE 1 = 0")
    assert list(frame.columns) == ["phone", "name"]
    assert frame.shape == (0, 2)
    assert set(frame.dtypes) == {np.dtype(object)}


def test_columns_of_the_same_name_stay(sqlite: Any) -> None:
    assert read(sqlite, "SELECT 1 AS phone, 2 AS phone") == (["phone", "phone"], [[1, 2]])


@pytest.mark.parametrize("sql", ["CREATE TABLE t (i)", "PRAGMA user_version = 1"])
def test_a_statement_without_rows_is_an_error_that_asks_for_a_select(sqlite: Any, sql: str) -> None:
    with pytest.raises(NotAQueryError, match="write one SELECT"):
        next(read_sql(sqlite, sql))


def test_nothing_is_committed(sqlite: Any) -> None:
    sqlite.run("CREATE TABLE t (i)")
    with pytest.raises(NotAQueryError):
        next(read_sql(sqlite, "INSERT INTO t VALUES (1)"))
    assert read(sqlite, "INSERT INTO t VALUES (1) RETURNING i")[1] == [[1]]
    assert read(sqlite, "SELECT * FROM t")[1] == []


def test_nothing_happens_before_the_first_frame_is_asked_for() -> None:
    hook = DriverHook(lambda: pytest.fail("connected"))
    read_sql(hook, "SELECT 1")
    assert hook.connections == []


def test_a_hook_without_a_database_is_named() -> None:
    with pytest.raises(TypeError, match="DriverHook is not one"):
        next(read_sql(DriverHook(object), "SELECT 1"))


class RecordingConnection:
    """A connection of a driver that nobody here knows."""

    description = (("phone", None), ("name", None))

    def __init__(self, batches: list[Any], fails: tuple[str, ...] = ()) -> None:
        self.batches = batches
        self.fails = fails
        self.calls: list[str] = []

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.fails:
            raise RuntimeError(f"{name} failed")

    def cursor(self) -> Any:
        connection = self

        class Cursor:
            description = connection.description

            def execute(self, *_: Any) -> None:
                connection._call("execute")

            def fetchmany(self, _: int) -> Any:
                connection._call("fetchmany")
                return connection.batches.pop(0)

            def close(self) -> None:
                connection._call("close cursor")

        return Cursor()

    def commit(self) -> None:
        self._call("commit")

    def rollback(self) -> None:
        self._call("rollback")

    def close(self) -> None:
        self._call("close")


CLOSING = ["close cursor", "rollback", "close"]


@pytest.mark.parametrize("fails", [(), ("close cursor", "rollback", "close")])
def test_an_unknown_driver_is_closed_after_the_last_row(fails: tuple[str, ...]) -> None:
    hook = DriverHook(lambda: RecordingConnection([[(1, "a")], []], fails))
    assert read(hook, "SELECT")[1] == [[1, "a"]]
    assert hook.connections[0].calls == ["execute", "fetchmany", "fetchmany", *CLOSING]


def test_an_unknown_driver_is_closed_when_the_consumer_stops_early() -> None:
    hook = DriverHook(lambda: RecordingConnection([[(1, "a")], [(2, "b")]]))
    frames = read_sql(hook, "SELECT")
    next(frames)
    frames.close()
    assert hook.connections[0].calls == ["execute", "fetchmany", *CLOSING]


@pytest.mark.parametrize(
    ("failing", "error", "message"),
    [
        ("execute", RuntimeError, "execute failed"),
        ("fetchmany", RowsNotReadError, "while rows were read: RuntimeError"),
    ],
)
def test_a_failure_of_the_database_arrives_even_when_closing_fails_too(
    failing: str, error: type[Exception], message: str
) -> None:
    hook = DriverHook(lambda: RecordingConnection([], (failing, "close")))
    with pytest.raises(error, match=message):
        next(read_sql(hook, "SELECT"))
    assert hook.connections[0].calls[-3:] == CLOSING


@pytest.mark.parametrize("row", [(1, "a"), [1, "a"], {"phone": 1, "name": "a"}], ids=["tuple", "list", "dict"])
def test_rows_of_any_form_are_read(row: Any) -> None:
    assert read(DriverHook(lambda: RecordingConnection([[row], []])), "SELECT")[1] == [[1, "a"]]


def test_neither_statement_nor_parameters_nor_rows_are_logged(sqlite: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        read(sqlite, "SELECT 'secret' || ? AS a", ("parameter",))
    assert "secret" not in caplog.text
    assert "parameter" not in caplog.text


# PostgreSQL


def test_postgresql_gives_its_values_whatever_cursor_the_connection_asks_for(postgres: Any) -> None:
    names, rows = read(
        postgres,
        f"SELECT {MOBILE}::bigint AS phone, 1.10 AS amount, DATE '2026-01-02' AS day, 'Zoë'::text AS name, "
        "true AS ok, ARRAY[1, 2] AS list UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL;",
        batch_size=1,
    )
    assert names == ["phone", "amount", "day", "name", "ok", "list"]
    assert rows == [[MOBILE, Decimal("1.10"), dt.date(2026, 1, 2), "Zoë", True, [1, 2]], [None] * 6]
    assert type(rows[0][0]) is int


def test_postgresql_keeps_columns_of_the_same_name(postgres: Any) -> None:
    assert read(postgres, "SELECT 1 AS phone, 2 AS phone") == (["phone", "phone"], [[1, 2]])


def test_postgresql_gives_the_columns_of_a_query_that_finds_nothing(postgres: Any) -> None:
    (frame,) = read_sql(postgres, "SELECT 1 AS phone, 2 AS name WHERE false")
    assert (list(frame.columns), frame.shape) == (["phone", "name"], (0, 2))


@pytest.mark.parametrize(
    "sql",
    [
        "  -- first\n/* second */ SELECT 1 AS a;",
        "WITH x AS (SELECT 1 AS a) SELECT a FROM x",
        "(SELECT 1 AS a)",
        "VALUES (1)",
    ],
)
def test_postgresql_reads_whatever_a_cursor_can_be_declared_for(postgres: Any, sql: str) -> None:
    assert read(postgres, sql)[1] == [[1]]


def test_postgresql_takes_parameters_by_place_and_by_name(postgres: Any) -> None:
    sql = "SELECT i FROM generate_series(1, 9) i WHERE i % 2 = 0"
    assert read(postgres, sql)[1] == [[2], [4], [6], [8]]
    sql = sql.replace("%", "%%")
    assert read(postgres, f"{sql} AND i > %s", [5])[1] == [[6], [8]]
    assert read(postgres, f"{sql} AND i > %(least)s", {"least": 5})[1] == [[6], [8]]


@pytest.mark.parametrize(
    "sql", ["INSERT INTO {} VALUES (1)", "INSERT INTO {} VALUES (1) RETURNING id", "SHOW work_mem"]
)
def test_postgresql_asks_for_a_select_and_runs_nothing_else(postgres: Any, postgres_table: str, sql: str) -> None:
    with pytest.raises(NotAQueryError, match="write one SELECT") as error:
        next(read_sql(postgres, sql.format(postgres_table)))
    assert "work_mem" not in str(error.value)
    assert statement(connect_postgres, f"SELECT * FROM {postgres_table}") == []


def test_postgresql_says_itself_what_is_wrong_with_a_select(postgres: Any) -> None:
    with pytest.raises(Exception, match="FORM"):
        next(read_sql(postgres, "SELECT 1 FORM x WHERE"))
    with pytest.raises(Exception, match="no_such_table"):
        next(read_sql(postgres, "SELECT * FROM no_such_table"))


@pytest.mark.parametrize("name", ["psycopg2", "psycopg"])
def test_postgresql_streams_from_a_connection_with_autocommit(name: str) -> None:
    require_postgres()
    plain = postgres_by_driver(name)

    def connect() -> Any:
        connection = plain.connect()
        connection.autocommit = True
        return connection

    frames = read_sql(DriverHook(connect), "SELECT generate_series(1, 25)", batch_size=10)
    assert [len(frame) for frame in frames] == [10, 10, 5]


def test_postgresql_is_let_go_when_the_consumer_stops_early(postgres: Any, postgres_table: str) -> None:
    # In the list of what is selected, a series is made row by row; in FROM, all of it would be made first.
    frames = read_sql(
        postgres, f"SELECT generate_series(1, 1000000000), (SELECT max(id) FROM {postgres_table})", batch_size=10
    )
    next(frames)
    locks = f"SELECT count(*) FROM pg_locks WHERE relation = '{postgres_table}'::regclass"
    assert statement(connect_postgres, locks) == [(1,)]
    started = time.monotonic()
    frames.close()
    assert time.monotonic() - started < 2
    assert statement(connect_postgres, locks) == [(0,)]


MEASURE = """
import importlib, json, os, sys
from airflow_provider_octopush.sources.sql import read_sql

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

class Hook:
    def get_conn(self):
        return importlib.import_module(sys.argv[1]).connect(**json.loads(sys.argv[2]))

for _ in read_sql(Hook(), sys.argv[3].format(20_000)):
    pass
base, peak, rows = resident(), 0, 0
for frame in read_sql(Hook(), sys.argv[3].format(200_000)):
    rows += len(frame)
    peak = max(peak, resident())
print(json.dumps([rows, peak - base]))
"""
SERIES = {
    "psycopg2": "SELECT generate_series(1, {}) AS i, repeat('x', 200) AS name",
    "psycopg": "SELECT generate_series(1, {}) AS i, repeat('x', 200) AS name",
    "MySQLdb": "SELECT seq, repeat('x', 200) AS name FROM seq_1_to_{}",
    "pymysql": "SELECT seq, repeat('x', 200) AS name FROM seq_1_to_{}",
    "mysql.connector": "SELECT seq, repeat('x', 200) AS name FROM seq_1_to_{}",
}


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from Linux's /proc")
@pytest.mark.parametrize("name", SERIES)
def test_a_large_result_is_read_in_bounded_memory(name: str) -> None:
    if name.startswith("psycopg"):
        require_postgres()
        arguments = POSTGRES_ARGUMENTS
    else:
        require_mariadb()
        arguments = MARIADB_ARGUMENTS
    driver(name)
    root = Path(__file__).parents[2]
    output = subprocess.run(
        [sys.executable, "-c", MEASURE, name, json.dumps(arguments), SERIES[name]],
        env={**os.environ, "PYTHONPATH": str(root)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    rows, grown = json.loads(output)
    assert rows == 200_000
    assert grown < 16 * 2**20


# MariaDB


def test_mariadb_gives_its_values_whatever_cursor_the_connection_asks_for(mariadb: Any) -> None:
    names, rows = read(
        mariadb,
        f"SELECT {MOBILE} AS phone, 1.10 AS amount, DATE '2026-01-02' AS day, 'Zoë' AS name "
        "UNION ALL SELECT NULL, NULL, NULL, NULL;",
        batch_size=1,
    )
    assert names == ["phone", "amount", "day", "name"]
    assert rows == [[MOBILE, Decimal("1.10"), dt.date(2026, 1, 2), "Zoë"], [None] * 4]


def test_mariadb_keeps_columns_of_the_same_name(mariadb: Any) -> None:
    assert read(mariadb, "SELECT 1 AS phone, 2 AS phone") == (["phone", "phone"], [[1, 2]])


def test_mariadb_gives_the_columns_of_a_query_that_finds_nothing(mariadb: Any) -> None:
    (frame,) = read_sql(mariadb, "SELECT 1 AS phone, 2 AS name FROM DUAL WHERE 1 = 0")
    assert (list(frame.columns), frame.shape) == (["phone", "name"], (0, 2))


def test_mariadb_takes_parameters_by_place_and_by_name(mariadb: Any) -> None:
    sql = "SELECT seq FROM seq_1_to_9 WHERE seq % 2 = 0"
    assert read(mariadb, sql)[1] == [[2], [4], [6], [8]]
    sql = sql.replace("%", "%%") if "connector" not in type(mariadb.get_conn()).__module__ else sql
    assert read(mariadb, f"{sql} AND seq > %s", [5])[1] == [[6], [8]]
    assert read(mariadb, f"{sql} AND seq > %(least)s", {"least": 5})[1] == [[6], [8]]


def test_mariadb_asks_for_a_select_and_commits_nothing(mariadb: Any, mariadb_table: str) -> None:
    with pytest.raises(NotAQueryError, match="write one SELECT"):
        next(read_sql(mariadb, f"INSERT INTO {mariadb_table} VALUES (1)"))
    assert statement(connect_mariadb, f"SELECT * FROM {mariadb_table}") == []


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["MySqlHook", "PyMySQL, dict rows"])
def test_mariadb_is_let_go_without_reading_the_rest(kind: str, airflow_hook: AirflowHook) -> None:
    hook = mariadb_by_kind(kind, airflow_hook)
    mark = uuid.uuid4().hex
    frames = read_sql(hook, f"SELECT seq, repeat('{mark}', 3) FROM seq_1_to_100000000", batch_size=10)
    next(frames)
    started = time.monotonic()
    frames.close()
    gc.collect()
    assert time.monotonic() - started < 2
    running = (
        f"SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%{mark}%' AND id <> connection_id()"
    )
    while statement(connect_mariadb, running) != [(0,)]:
        assert time.monotonic() - started < 10
        time.sleep(0.1)


def test_mariadb_waits_for_a_slow_consumer(airflow_hook: AirflowHook) -> None:
    require_mariadb()
    hook = airflow_hook(MARIADB, hook_params={"init_command": "SET SESSION net_write_timeout = 1"})
    rows = 0
    for frame in read_sql(hook, "SELECT seq, repeat('x', 1000) FROM seq_1_to_50000"):
        if not rows:
            time.sleep(2.5)
        rows += len(frame)
    assert rows == 50_000
