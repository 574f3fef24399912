"""The databases and drivers that tests read from, and how each of them writes what a test says."""

from __future__ import annotations

import datetime as dt
import importlib
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.databases import (
    CLICKHOUSE,
    JDBC_JAR,
    MARIADB,
    MARIADB_ARGUMENTS,
    ODBC_DRIVER,
    POSTGRES,
    connect_clickhouse,
    connect_mariadb,
    connect_postgres,
    require_clickhouse,
    require_jdbc,
    require_mariadb,
    require_odbc,
    require_package,
    require_postgres,
)
from tests.sources.reading import MOBILE, AirflowHook, DriverHook, postgres_by_driver, statement

#: A float of 4 bytes does not have all of these digits.
FLOAT = np.float32(612345678)


@dataclass(frozen=True)
class Dialect:
    """
    How a database writes.

    :param values: expression → the value that is read of it.
    :param parameter: a query with a parameter, which finds a row if that is 1.
    :param other: the same in a style that the driver does not take.
    :param make: what makes a table ``{}`` with a row.
    :param write: what would change that table, if the database let it.
    :param refusal: what the database says then.
    :param value_error: a query that fails because of the value "Zoé Martin".
    :param endless: a query with more rows than anybody wants.
    :param hidden: queries of a table ``{}`` that hide a change from whoever does not know the database.
    """

    values: Mapping[str, Any]
    parameter: tuple[str, Any]
    other: tuple[str, Any]
    make: tuple[str, ...]
    write: str
    refusal: str
    value_error: str
    endless: str | None
    hidden: tuple[str, ...] = ()
    connect: Callable[[], Any] | None = None
    clean: tuple[str, ...] = field(default=("DROP TABLE {}",))


_OF_ALL = {str(MOBILE): MOBILE, "'Zoé'": "Zoé", "NULL": None}
_QMARK: dict[str, Any] = {
    "parameter": ("SELECT 1 WHERE 1 = ?", [1]),
    "other": ("SELECT 1 WHERE 'a' = %s", ["Zoé Martin"]),
}
_FORMAT: dict[str, Any] = {
    "parameter": ("SELECT 1 WHERE 1 = %(a)s", {"a": 1}),
    "other": ("SELECT 1 WHERE 'a' = ?", ["Zoé Martin"]),
}
_POSTGRES_VALUES = {
    f"{MOBILE}::bigint": MOBILE,
    "'Zoé'::text": "Zoé",
    "NULL::bigint": None,
    "1.10::numeric(10, 2)": Decimal("1.10"),
    "'ab'::char(5)": "ab   ",
    "'ab '::varchar(5)": "ab ",
    "CAST(612345678 AS real)": FLOAT,
    "CAST(612345678 AS float8)": 612345678.0,
}
_POSTGRES: dict[str, Any] = {
    "make": (
        "CREATE TABLE {} (id integer)",
        "INSERT INTO {} VALUES (1)",
        "CREATE FUNCTION {}_write() RETURNS int LANGUAGE sql AS 'INSERT INTO {} VALUES (2) RETURNING id'",
    ),
    "write": "SELECT {}_write()",
    "refusal": r"SQLSTATE 25006\)",
    "value_error": "SELECT (name || '!')::int FROM (SELECT 'Zoé Martin'::text AS name) x",
    "connect": connect_postgres,
    "clean": ("DROP FUNCTION {}_write", "DROP TABLE {}"),
}
#: In the list of what is selected, a series is made row by row; in FROM, all of it would be made first.
_POSTGRES_SERIES = "SELECT generate_series(1, 1000000000) AS i"

SQLITE = Dialect(
    values={**_OF_ALL, "0.5": 0.5, "x'5a6fc3a9'": "Zoé".encode()},
    **_QMARK,
    make=("CREATE TABLE {} (id integer)", "INSERT INTO {} VALUES (1)"),
    write="WITH x AS (SELECT 2) DELETE FROM {}",
    refusal="SQLITE_READONLY",
    value_error="SELECT json_extract('{}', name) FROM (SELECT 'Zoé Martin' AS name)",
    endless="WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
)
POSTGRESQL = Dialect(
    values={
        **_POSTGRES_VALUES,
        "true": True,
        "ARRAY[1, 2]": [1, 2],
        "'\"x\"'::jsonb": "x",
        "DATE '2026-01-02'": "2026-01-02",
        "'infinity'::timestamptz": "infinity",
        "'24:00'::time": "24:00:00",
        "'10000-01-01 10:00'::timestamp": "10000-01-01 10:00:00",
        "'3000000 years'::interval": "3000000 years",
        "NULL::date": None,
    },
    **_FORMAT,
    **_POSTGRES,
    endless=_POSTGRES_SERIES,
    hidden=(
        "WITH x AS (DELETE FROM {} RETURNING id) SELECT id FROM x",
        "WITH x AS (WITH y AS (INSERT INTO {} VALUES (9) RETURNING id) SELECT id FROM y) SELECT id FROM x",
        "SELECT 'a\\'; DELETE FROM {}; --'",
        "SELECT 1 /* /* */ ' */ ; DELETE FROM {}; -- '",
        "SELECT $a$ ' $a$; DELETE FROM {}; SELECT '",
        "SELECT id INTO {}_copy FROM {}",
    ),
)
ODBC = Dialect(
    values={**_POSTGRES_VALUES, "DATE '2026-01-02'": dt.date(2026, 1, 2)}, **_QMARK, **_POSTGRES, endless=None
)
JDBC = Dialect(
    values={
        **_POSTGRES_VALUES,
        "12345678901234567890123::numeric": Decimal(12345678901234567890123),
        "7::smallint": 7,
        "true": True,
        "timestamp '2026-01-02 03:04:05.005'": "2026-01-02 03:04:05.005",
        "timestamp 'infinity'": "infinity",
        "date '2026-01-02'": "2026-01-02",
        r"'\x5a6fc3a9'::bytea": "Zoé".encode(),
    },
    **_QMARK,
    **_POSTGRES,
    endless=_POSTGRES_SERIES,
)
MARIA = Dialect(
    values={
        **_OF_ALL,
        "1.10": Decimal("1.10"),
        "DATE '2026-01-02'": dt.date(2026, 1, 2),
        "CAST('Zoé' AS CHAR(9))": "Zoé",
        "'Zoé' COLLATE utf8mb4_bin": "Zoé",
        "CAST(612346000 AS FLOAT)": np.float32(612346000),  # of which the server itself shows six digits
        "CAST(612345678 AS DOUBLE)": 612345678.0,
    },
    **_FORMAT,
    make=(
        "CREATE TABLE {} (id integer) ENGINE=InnoDB",
        "INSERT INTO {} VALUES (1)",
        "CREATE FUNCTION {}_write() RETURNS int BEGIN INSERT INTO {} VALUES (2); RETURN 1; END",
    ),
    write="SELECT {}_write()",
    refusal="READ ONLY transaction",
    value_error="SELECT 9223372036854775807 + CAST(33612345678 AS SIGNED) AS `Zoé Martin` FROM DUAL",
    endless="SELECT seq FROM seq_1_to_100000000",
    hidden=(
        "SELECT 5--1; DELETE FROM {}\n",
        "SELECT 1 #'\n; DELETE FROM {} #'",
        "SELECT 'it\\'s'; DELETE FROM {} WHERE '1' = '1'",
        "SELECT 1 AS $$; DELETE FROM {}; SELECT 1 AS $$",
        "SELECT 1 /*! ; DELETE FROM {} */",
        "SELECT 1 /*M!100000 ; DELETE FROM {} */",
    ),
    connect=connect_mariadb,
    clean=("DROP FUNCTION {}_write", "DROP TABLE {}"),
)
DUCKDB = Dialect(
    values={
        **_OF_ALL,
        "1.10::DECIMAL(4, 2)": Decimal("1.10"),
        "DATE '2026-01-02'": dt.date(2026, 1, 2),
        "'\"x\"'::JSON": '"x"',
        "CAST(612345678 AS real)": FLOAT,
        "CAST(612345678 AS double)": 612345678.0,
    },
    **_QMARK,
    make=("CREATE TABLE {} AS SELECT 1 AS id",),
    write="DELETE FROM {}",
    refusal="read-only",
    value_error="SELECT name::INT FROM (SELECT 'Zoé Martin' AS name)",
    endless="SELECT range FROM range(1000000000)",
)
HOUSE = Dialect(
    values={
        f"toInt64({MOBILE})": MOBILE,
        "'Zoé'": "Zoé",
        "toDate('2026-01-02')": dt.date(2026, 1, 2),
        "CAST(NULL AS Nullable(String))": None,
        "toFixedString('ab', 5)": "ab",
        "toFloat32(612345678)": FLOAT,
        "toFloat64(612345678)": 612345678.0,
    },
    parameter=("SELECT 1 AS a WHERE 1 = %(a)s", {"a": 1}),
    other=("SELECT 1 AS a WHERE 'a' = ?", ["Zoé Martin"]),
    make=("CREATE TABLE {} (id Int32) ENGINE = Memory", "INSERT INTO {} SELECT 1"),
    write="INSERT INTO {} SELECT 1",
    refusal=r"\(164\): .*readonly",
    value_error="SELECT toInt32(name) FROM (SELECT 'Zoé Martin' AS name)",
    endless="SELECT number FROM system.numbers",
    connect=connect_clickhouse,
)


def _postgres(kind: str) -> Callable[[AirflowHook, Path], Any]:
    def make(airflow_hook: AirflowHook, _: Path) -> Any:
        require_postgres()
        if kind == "PostgresHook":
            return airflow_hook(POSTGRES, cursor="dictcursor")
        if kind == "psycopg":
            return postgres_by_driver(kind)
        dicts = importlib.import_module("psycopg2.extras").RealDictCursor
        return postgres_by_driver("psycopg2", **({"cursor_factory": dicts} if "dict" in kind else {}))

    return make


def _mariadb(kind: str) -> Callable[[AirflowHook, Path], Any]:
    def make(airflow_hook: AirflowHook, _: Path) -> Any:
        require_mariadb()
        if kind == "mysqlclient":
            return airflow_hook(MARIADB, cursor="dictcursor")
        if kind == "MySQL Connector":
            require_package("mysql.connector")
            return airflow_hook(MARIADB, client="mysql-connector-python")
        pymysql = require_package("pymysql")
        return DriverHook(lambda: pymysql.connect(**MARIADB_ARGUMENTS, cursorclass=pymysql.cursors.DictCursor))

    return make


def _sqlite(airflow_hook: AirflowHook, folder: Path) -> Any:
    return airflow_hook({"conn_type": "sqlite", "host": str(folder / "warehouse.sqlite")})


def _duckdb(_: AirflowHook, folder: Path) -> Any:
    duckdb = require_package("duckdb")
    return DriverHook(lambda: duckdb.connect(str(folder / "warehouse.duckdb")))


def _clickhouse(airflow_hook: AirflowHook, _: Path) -> Any:
    require_clickhouse()
    from airflow_clickhouse_plugin.hooks.clickhouse_dbapi import ClickHouseDbApiHook

    return airflow_hook(CLICKHOUSE, hook=lambda conn_id: ClickHouseDbApiHook(clickhouse_conn_id=conn_id))


def _odbc(airflow_hook: AirflowHook, _: Path) -> Any:
    require_odbc()
    # With autocommit, which the database has to be talked out of.
    extra = {"connect_kwargs": {"autocommit": True}}
    return airflow_hook({**POSTGRES, "conn_type": "odbc"}, hook_params={"driver": ODBC_DRIVER}, **extra)


JDBC_URL = f"jdbc:postgresql://{POSTGRES['host']}:{POSTGRES['port']}/{POSTGRES['schema']}"
JDBC_ARGUMENTS = ("org.postgresql.Driver", JDBC_URL, [POSTGRES["login"], POSTGRES["password"]], str(JDBC_JAR))


def _jdbc(_: AirflowHook, __: Path) -> Any:
    jaydebeapi = require_jdbc()
    return DriverHook(lambda: jaydebeapi.connect(*JDBC_ARGUMENTS))


#: Name of a driver → how its database writes, and what makes a hook.
KINDS: dict[str, tuple[Dialect, Callable[[AirflowHook, Path], Any]]] = {
    "SQLite": (SQLITE, _sqlite),
    **{kind: (POSTGRESQL, _postgres(kind)) for kind in ("PostgresHook", "psycopg2", "psycopg2, dicts", "psycopg")},
    **{kind: (MARIA, _mariadb(kind)) for kind in ("mysqlclient", "PyMySQL", "MySQL Connector")},
    "DuckDB": (DUCKDB, _duckdb),
    "ClickHouse": (HOUSE, _clickhouse),
    "ODBC": (ODBC, _odbc),
    "JDBC": (JDBC, _jdbc),
}


@dataclass
class Engine:
    """A database by one of its drivers."""

    kind: str
    dialect: Dialect
    hook: Any

    def connect(self) -> Any:
        """Open a connection of the test's own, which commits by itself."""
        if self.dialect.connect is not None:
            return self.dialect.connect()
        connection = self.hook.get_conn()
        if isinstance(connection, sqlite3.Connection):
            connection.isolation_level = None
        return connection

    def run(self, sql: str) -> list[Any]:
        return statement(self.connect, sql)

    @contextmanager
    def table(self) -> Iterator[str]:
        """Make a table with a column ``id``, and a row in it."""
        name = f"rows_{uuid.uuid4().hex}"
        for sql in self.dialect.make:
            self.run(sql.replace("{}", name))
        try:
            yield name
        finally:
            for sql in self.dialect.clean:
                with suppress(Exception):
                    self.run(sql.replace("{}", name))


def engine_of(kind: str, airflow_hook: AirflowHook, folder: Path) -> Engine:
    dialect, make = KINDS[kind]
    return Engine(kind, dialect, make(airflow_hook, folder))


def of_kinds(*kinds: str) -> pytest.MarkDecorator:
    """Parametrise the fixture ``engine`` with some of its kinds."""
    return pytest.mark.parametrize("engine", kinds, indirect=True)
