"""DuckDB, ClickHouse, and PostgreSQL by ODBC and JDBC."""

from __future__ import annotations

import datetime as dt
import json
import time
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from airflow_provider_octopush.sources.errors import (
    NotAQueryError,
    ParametersError,
    QueryRefusedError,
    RowsNotReadError,
)
from airflow_provider_octopush.sources.sql import read_sql
from airflow_provider_octopush.text import to_text
from tests.databases import (
    CLICKHOUSE,
    CLICKHOUSE_ARGUMENTS,
    JDBC_JAR,
    ODBC_DRIVER,
    POSTGRES,
    connect_clickhouse,
    connect_postgres,
    require_clickhouse,
    require_jdbc,
    require_odbc,
    require_package,
)
from tests.sources.reading import (
    MOBILE,
    AirflowHook,
    DriverHook,
    everything_in,
    growth_of_memory,
    read,
    statement,
)

JDBC_URL = f"jdbc:postgresql://{POSTGRES['host']}:{POSTGRES['port']}/{POSTGRES['schema']}"
JDBC_ARGUMENTS = ("org.postgresql.Driver", JDBC_URL, [POSTGRES["login"], POSTGRES["password"]], str(JDBC_JAR))
ODBC_STRING = (
    f"DRIVER={{{ODBC_DRIVER}}};Server={POSTGRES['host']};Port={POSTGRES['port']};Database={POSTGRES['schema']};"
    f"Uid={POSTGRES['login']};Pwd={POSTGRES['password']};UseDeclareFetch=1;Fetch=1000"
)
CHANGES = [
    "UPDATE t SET i = 2",
    "DELETE FROM t",
    "INSERT INTO t VALUES (2)",
    "DROP TABLE t",
    "SELECT i FROM t; DELETE FROM t",
]


@pytest.fixture
def duckdb_hook(tmp_path: Path) -> DriverHook:
    duckdb = require_package("duckdb")
    hook = DriverHook(lambda: duckdb.connect(str(tmp_path / "warehouse.duckdb")))
    statement(hook.connect, "CREATE TABLE t AS SELECT 1 AS i")
    return hook


@pytest.fixture
def clickhouse(monkeypatch: pytest.MonkeyPatch) -> Any:
    require_clickhouse()
    from airflow_clickhouse_plugin.hooks.clickhouse_dbapi import ClickHouseDbApiHook

    monkeypatch.setenv("AIRFLOW_CONN_CLICKHOUSE_TEST", json.dumps(CLICKHOUSE))
    return ClickHouseDbApiHook(clickhouse_conn_id="clickhouse_test")


@pytest.fixture
def odbc(airflow_hook: AirflowHook) -> Any:
    require_odbc()
    return airflow_hook({**POSTGRES, "conn_type": "odbc"}, hook_params={"driver": ODBC_DRIVER})


@pytest.fixture
def jdbc() -> Any:
    jaydebeapi = require_jdbc()
    return DriverHook(lambda: jaydebeapi.connect(*JDBC_ARGUMENTS))


# DuckDB


def test_duckdb_gives_its_values(duckdb_hook: Any) -> None:
    sql = f"""SELECT {MOBILE} AS phone, 'Zoé' AS name, 1.10::DECIMAL(4, 2) AS d, DATE '2026-01-02' AS day,
        '"x"'::JSON AS j, 'null'::JSON AS n, '{{"a": 1}}'::JSON AS o
        UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL"""
    names, rows = read(duckdb_hook, sql, batch_size=1)
    assert names == ["phone", "name", "d", "day", "j", "n", "o"]
    assert rows == [[MOBILE, "Zoé", Decimal("1.10"), dt.date(2026, 1, 2), "x", None, '{"a": 1}'], [None] * 7]


def test_duckdbs_floats_of_4_bytes_do_not_seem_to_have_more_digits(duckdb_hook: Any) -> None:
    (row,) = read(
        duckdb_hook, "SELECT CAST(612345678 AS real) AS a, CAST(612345678 AS double) AS b, CAST(NULL AS real) AS c"
    )[1]
    assert row == [np.float32(612345678), 612345678.0, None]
    assert [type(value) for value in row[:2]] == [np.float32, float]


def test_duckdb_takes_parameters(duckdb_hook: Any) -> None:
    assert read(duckdb_hook, "SELECT ?", ["x"])[1] == [["x"]]
    assert read(duckdb_hook, "SELECT $a", {"a": "x"})[1] == [["x"]]
    with pytest.raises(ParametersError, match=r"takes \? or \$name or \$1"):
        next(read_sql(duckdb_hook, "SELECT %(a)s", {"a": "x"}))


@pytest.mark.parametrize("sql", [r"SELECT 'a\'; SELECT 'b'", r"SELECT 'a\' WHERE 'b' <> ?; SELECT 'b'"])
def test_a_second_query_that_nobody_saw_leaves_no_rows_of_duckdb_unread_in_silence(duckdb_hook: Any, sql: str) -> None:
    # To sqlparse a backslash hides the quote, and with it the semicolon.
    with pytest.raises(NotAQueryError, match="gives the rows of several queries"):
        read(duckdb_hook, sql, ["x"] if "?" in sql else None)


@pytest.mark.parametrize("sql", CHANGES)
def test_duckdb_changes_nothing(duckdb_hook: Any, sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotAQueryError):
        next(read_sql(duckdb_hook, sql))
    # And it is asked itself.
    monkeypatch.setattr("airflow_provider_octopush.sources.sql.check_query", lambda *_: "SELECT")
    with pytest.raises((QueryRefusedError, NotAQueryError), match=r"read-only|several queries"):
        read(duckdb_hook, sql)
    assert read(duckdb_hook, "SELECT i FROM t")[1] == [[1]]


def test_duckdbs_words_about_the_statement_are_shown_and_about_a_value_are_not(duckdb_hook: Any) -> None:
    with pytest.raises(QueryRefusedError, match=r"\(CatalogException\): .*customers"):
        next(read_sql(duckdb_hook, "SELECT * FROM customers"))
    for sql in ("SELECT name::INT FROM (SELECT 'Zoé Martin' AS name)", "SELECT strptime('Zoé Martin', '%Y')"):
        with pytest.raises(RowsNotReadError, match="its words are left out") as error:
            read(duckdb_hook, sql)
        assert "Martin" not in everything_in(error.value)


def test_duckdb_is_read_in_bounded_memory() -> None:
    require_package("duckdb")
    sql = "SELECT range AS i, repeat('x', 200) AS name FROM range({})"
    assert growth_of_memory("duckdb", sql, ":memory:") < 16 * 2**20


# ClickHouse


@pytest.fixture
def clickhouse_table() -> Iterator[str]:
    require_clickhouse()
    table = f"rows_{uuid.uuid4().hex}"
    statement(connect_clickhouse, f"CREATE TABLE {table} (i Int32) ENGINE = Memory")
    yield table
    statement(connect_clickhouse, f"DROP TABLE {table}")


def test_clickhouse_gives_its_values(clickhouse: Any) -> None:
    sql = f"""SELECT toInt64({MOBILE}) AS phone, 'Zoé' AS name, toDate('2026-01-02') AS day,
        CAST(NULL AS Nullable(String)) AS nothing, toFixedString('ab', 5) AS padded"""
    names, rows = read(clickhouse, sql)
    assert names == ["phone", "name", "day", "nothing", "padded"]
    assert rows == [[MOBILE, "Zoé", dt.date(2026, 1, 2), None, "ab"]]


def test_clickhouses_floats_of_4_bytes_do_not_seem_to_have_more_digits(clickhouse: Any) -> None:
    (row,) = read(
        clickhouse, "SELECT toFloat32(612345678) AS a, toFloat64(612345678) AS b, CAST(NULL AS Nullable(Float32)) AS c"
    )[1]
    assert row == [np.float32(612345678), 612345678.0, None]
    assert [type(value) for value in row[:2]] == [np.float32, float]


def test_clickhouse_takes_parameters(clickhouse: Any) -> None:
    assert read(clickhouse, "SELECT %(a)s AS a", {"a": "x"})[1] == [["x"]]
    with pytest.raises(ParametersError, match=r"clickhouse_driver takes %\(name\)s"):
        next(read_sql(clickhouse, "SELECT ? AS a", ["x"]))


def test_clickhouse_gives_the_columns_of_a_query_that_finds_nothing(clickhouse: Any) -> None:
    (frame,) = read_sql(clickhouse, "SELECT 1 AS phone, 'x' AS name WHERE 1 = 0")
    assert (list(frame.columns), frame.shape) == (["phone", "name"], (0, 2))


def test_clickhouse_changes_nothing(clickhouse: Any, clickhouse_table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = f"INSERT INTO {clickhouse_table} SELECT 1"
    with pytest.raises(NotAQueryError):
        next(read_sql(clickhouse, sql))
    monkeypatch.setattr("airflow_provider_octopush.sources.sql.check_query", lambda *_: "SELECT")
    for change in (sql, f"DROP TABLE {clickhouse_table}"):
        with pytest.raises(QueryRefusedError, match=r"\(164\): .*readonly"):
            next(read_sql(clickhouse, change))
    assert read(clickhouse, f"SELECT count() FROM {clickhouse_table}")[1] == [[0]]


def test_clickhouses_words_about_the_statement_are_shown_and_about_a_value_are_not(clickhouse: Any) -> None:
    with pytest.raises(QueryRefusedError, match=r"\(60\): .*customers") as refused:
        next(read_sql(clickhouse, "SELECT * FROM customers"))
    assert "libclickhouse" not in str(refused.value)
    with pytest.raises(RowsNotReadError, match="its words are left out") as error:
        read(clickhouse, "SELECT toInt32(name) FROM (SELECT 'Zoé Martin' AS name)")
    assert "Martin" not in everything_in(error.value)


def test_clickhouse_is_let_go_when_the_consumer_stops_early(clickhouse: Any) -> None:
    started = time.monotonic()
    frames = read_sql(clickhouse, "SELECT number FROM system.numbers")
    assert next(frames)["number"].tolist()[:2] == [0, 1]
    frames.close()
    assert time.monotonic() - started < 5


def test_clickhouse_is_read_in_bounded_memory() -> None:
    require_clickhouse()
    sql = f"SELECT number AS i, '{'x' * 200}' AS name FROM system.numbers LIMIT {{}}"
    assert growth_of_memory("clickhouse_driver", sql, **CLICKHOUSE_ARGUMENTS) < 16 * 2**20


# ODBC


def test_odbc_gives_its_values(odbc: Any) -> None:
    sql = f"""SELECT {MOBILE}::bigint AS phone, 'Zoé'::text AS name, 1.10 AS d, DATE '2026-01-02' AS day,
        'ab'::char(5) AS c, 'ab '::varchar(5) AS v, NULL::bigint AS nothing"""
    names, rows = read(odbc, sql)
    assert names == ["phone", "name", "d", "day", "c", "v", "nothing"]
    assert rows == [[MOBILE, "Zoé", Decimal("1.10"), dt.date(2026, 1, 2), "ab", "ab ", None]]


def test_odbcs_floats_of_4_bytes_do_not_seem_to_have_more_digits(odbc: Any) -> None:
    (row,) = read(odbc, "SELECT CAST(612345678 AS real) AS a, CAST(612345678 AS float8) AS b, CAST(NULL AS real) AS c")[
        1
    ]
    assert row == [np.float32(612345678), 612345678.0, None]
    assert [type(value) for value in row[:2]] == [np.float32, float]


def test_odbc_takes_parameters(odbc: Any) -> None:
    assert read(odbc, "SELECT 1 WHERE 1 = ?", [1])[1] == [[1]]
    with pytest.raises(ParametersError, match=r"pyodbc takes \?"):
        next(read_sql(odbc, "SELECT 1 WHERE 1 = %s", [1]))


def test_odbc_changes_nothing(odbc: Any, postgres_table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = f"INSERT INTO {postgres_table} VALUES (1) RETURNING id"
    with pytest.raises(NotAQueryError):
        next(read_sql(odbc, sql))
    monkeypatch.setattr("airflow_provider_octopush.sources.sql.check_query", lambda *_: "SELECT")
    with pytest.raises(QueryRefusedError, match=r"SQLSTATE 25006\): .*read-only transaction"):
        read(odbc, sql)
    assert statement(connect_postgres, f"SELECT * FROM {postgres_table}") == []


def test_odbc_does_not_leave_the_rows_of_a_second_query_unread_in_silence(
    odbc: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_octopush.sources.sql.check_query", lambda *_: "SELECT")
    with pytest.raises(NotAQueryError, match="gives the rows of several queries"):
        read(odbc, "SELECT 1 AS a; SELECT 2 AS a")


def test_odbc_is_read_only_also_where_it_commits_by_itself(postgres_table: str, airflow_hook: AirflowHook) -> None:
    require_odbc()
    hook = airflow_hook(
        {**POSTGRES, "conn_type": "odbc", "extra": {"connect_kwargs": {"autocommit": True}}},
        hook_params={"driver": ODBC_DRIVER},
    )
    function = f"{postgres_table}_fill"
    statement(
        connect_postgres,
        f"CREATE FUNCTION {function}() RETURNS int LANGUAGE sql AS $$ INSERT INTO {postgres_table} VALUES (1) "
        "RETURNING 1 $$",
    )
    with pytest.raises(QueryRefusedError, match="25006"):
        read(hook, f"SELECT {function}()")
    statement(connect_postgres, f"DROP FUNCTION {function}")
    assert statement(connect_postgres, f"SELECT * FROM {postgres_table}") == []


def test_a_databases_words_by_odbc_are_shown_or_not_by_their_sqlstate(odbc: Any) -> None:
    with pytest.raises(QueryRefusedError, match=r"SQLSTATE 42P01\): .*customers"):
        next(read_sql(odbc, "SELECT * FROM customers"))
    with pytest.raises(RowsNotReadError, match=r"SQLSTATE 22P02\); its words are left out") as error:
        read(odbc, "SELECT name::int FROM (SELECT 'Zoé Martin'::text AS name) x")
    assert "Martin" not in everything_in(error.value)


def test_odbc_is_read_in_bounded_memory() -> None:
    require_odbc()
    sql = "SELECT generate_series(1, {}) AS i, repeat('x', 200) AS name"
    assert growth_of_memory("pyodbc", sql, ODBC_STRING) < 16 * 2**20


# JDBC


def test_jdbc_gives_values_as_they_are(jdbc: Any) -> None:
    sql = f"""SELECT x.a AS phone, 'Zoé'::text AS name, 'ab'::char(5) AS c, 1.10::numeric(10, 2) AS d,
        12345678901234567890123::numeric AS large, 0.5::float8 AS f, 7::smallint AS s, true AS ok,
        timestamp '2026-01-02 03:04:05.005' AS t, timestamp 'infinity' AS i, date '2026-01-02' AS day,
        '\\x5a6fc3a9'::bytea AS b FROM (SELECT {MOBILE}::bigint AS a) x
        UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"""
    names, rows = read(jdbc, sql, batch_size=1)
    assert names == ["phone", "name", "c", "d", "large", "f", "s", "ok", "t", "i", "day", "b"]
    assert rows == [
        [
            *[MOBILE, "Zoé", "ab", Decimal("1.10"), Decimal(12345678901234567890123), 0.5, 7, True],
            *["2026-01-02 03:04:05.005", "infinity", "2026-01-02", "Zoé".encode()],
        ],
        [None] * 12,
    ]
    assert [type(value) for value in rows[0][:8]] == [int, str, str, Decimal, Decimal, float, int, bool]


def test_what_python_has_no_value_for_is_an_object_of_javas_that_asks_for_a_cast(jdbc: Any) -> None:
    sql = """SELECT '"x"'::jsonb, '5 days'::interval, ARRAY[1], gen_random_uuid(), '<a/>'::xml"""
    for value in read(jdbc, sql)[1][0]:
        with pytest.raises(ValueError, match=r"^a value of type [\w.]+ has no text form: .* CAST\(… AS text\)$"):
            to_text(value)


def test_jdbcs_columns_are_called_as_the_query_calls_them() -> None:
    # As MariaDB's driver, H2's and HSQLDB's tell of SELECT backup AS phone, phone AS backup; PostgreSQL's does not.
    columns = SimpleNamespace(
        getColumnCount=lambda: 2,
        getColumnName=lambda i: ["backup", "phone"][i - 1],
        getColumnLabel=lambda i: ["phone", "backup"][i - 1],
        getColumnType=lambda _: 12,
        getColumnTypeName=lambda _: "VARCHAR",
    )
    rows = [["+33612345678", "+33698765432"]]
    result = SimpleNamespace(
        getMetaData=lambda: columns,
        next=lambda: bool(rows),
        getObject=lambda i: rows[0][i - 1] if i == 1 else rows.pop()[i - 1],
        setFetchSize=lambda _: None,
        close=lambda: None,
    )
    statement = SimpleNamespace(
        execute=lambda: True, getResultSet=lambda: result, getMoreResults=lambda: False, close=lambda: None
    )
    jconn = SimpleNamespace(prepareStatement=lambda _: statement, close=lambda: None)
    jaydebeapi = require_package("jaydebeapi")
    hook = DriverHook(lambda: jaydebeapi.Connection(jconn, {}))
    assert read(hook, "SELECT backup AS phone, phone AS backup FROM t") == (
        ["phone", "backup"],
        [["+33612345678", "+33698765432"]],
    )


def test_jdbc_does_not_leave_the_rows_of_a_second_query_unread_in_silence(
    jdbc: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_octopush.sources.sql.check_query", lambda *_: "SELECT")
    with pytest.raises(NotAQueryError, match="gives the rows of several queries"):
        read(jdbc, "SELECT 1 AS a; SELECT 2 AS a")


def test_jdbcs_floats_of_4_bytes_do_not_seem_to_have_more_digits(jdbc: Any) -> None:
    (row,) = read(jdbc, "SELECT CAST(612345678 AS real) AS a, CAST(612345678 AS float8) AS b, CAST(NULL AS real) AS c")[
        1
    ]
    assert row == [np.float32(612345678), 612345678.0, None]
    assert [type(value) for value in row[:2]] == [np.float32, float]


def test_jdbc_takes_parameters(jdbc: Any) -> None:
    assert read(jdbc, "SELECT ?::text AS a, ?::int AS b", ["x", 1])[1] == [["x", 1]]
    with pytest.raises(ParametersError, match=r"jaydebeapi takes \?"):
        next(read_sql(jdbc, "SELECT %s", ["x"]))


def test_jdbc_changes_nothing(jdbc: Any, postgres_table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = f"INSERT INTO {postgres_table} VALUES (1) RETURNING id"
    with pytest.raises(NotAQueryError):
        next(read_sql(jdbc, sql))
    monkeypatch.setattr("airflow_provider_octopush.sources.sql.check_query", lambda *_: "SELECT")
    with pytest.raises(QueryRefusedError, match=r"SQLSTATE 25006\): .*read-only transaction"):
        read(jdbc, sql)
    assert statement(connect_postgres, f"SELECT * FROM {postgres_table}") == []


def test_a_databases_words_by_jdbc_are_shown_or_not_by_their_sqlstate(jdbc: Any) -> None:
    with pytest.raises(QueryRefusedError, match=r"SQLSTATE 42P01\): .*customers"):
        next(read_sql(jdbc, "SELECT * FROM customers"))
    with pytest.raises(RowsNotReadError, match=r"SQLSTATE 22P02\); its words are left out") as error:
        read(jdbc, "SELECT name::int FROM (SELECT 'Zoé Martin'::text AS name) x")
    assert "Martin" not in everything_in(error.value)


def test_jdbc_is_read_in_bounded_memory() -> None:
    require_jdbc()
    sql = "SELECT generate_series(1, {}) AS i, repeat('x', 200) AS name"
    # What Java holds is Java's: in 32 MB there is no room for the result.
    java = f"import jpype; jpype.startJVM('-Xmx32m', classpath={str(JDBC_JAR)!r}, convertStrings=True)"
    assert growth_of_memory("jaydebeapi", sql, *JDBC_ARGUMENTS, setup=java) < 16 * 2**20
