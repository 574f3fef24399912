"""Drivers that need little: of SQLite, DuckDB, ClickHouse, Oracle, and of warehouses in the cloud."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from airflow_provider_octopush.sources.drivers.driver import (
    Driver,
    Opening,
    ask,
    by_type,
    narrow,
    type_name,
    unpadded,
    unquoted,
)
from airflow_provider_octopush.sources.drivers.postgresql import READ_ONLY_TRANSACTION

#: What DuckDB and Databricks call FLOAT is Trino's REAL.
_USUAL = by_type({"char": unpadded, "json": unquoted, "variant": unquoted, "float": narrow, "real": narrow}, type_name)


def _sqlite_cursor(conn: Any, opening: Opening) -> Any:
    if opening.read_only:
        ask(conn, "PRAGMA query_only = ON")
    return conn.cursor()


def _sqlite_column_in_error(_: Any, columns: Sequence[Any], error: Exception) -> int | None:
    said = "Could not decode to UTF-8 column '{}' with text '"
    return next((i for i, column in enumerate(columns) if str(error).startswith(said.format(column[0]))), None)


def _duckdb_cursor(conn: Any, opening: Opening) -> Any:
    cursor = conn.cursor()  # which is a connection of its own
    # DuckDB goes on working while nobody takes rows, and keeps what it has up to this; its default shows at 16 MB.
    with suppress(Exception):
        cursor.execute("SET streaming_buffer_size = '100KB'")
    if opening.read_only:
        with suppress(Exception):
            cursor.execute("BEGIN TRANSACTION READ ONLY")
    return cursor


def _clickhouse_cursor(conn: Any, opening: Opening) -> Any:
    cursor = conn.cursor()
    if opening.read_only:
        with suppress(Exception):
            cursor.execute("SET readonly = 2")  # with 1, the size of a block could not be set, which streaming needs
    cursor.set_stream_results(True, opening.batch_size)
    return cursor


def _oracle_cursor(conn: Any, opening: Opening) -> Any:
    if opening.read_only:
        ask(conn, READ_ONLY_TRANSACTION)
    cursor = conn.cursor()
    cursor.arraysize = opening.batch_size
    return cursor


def _bigquery_timestamp(value: Any) -> Any:
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(seconds=value) if isinstance(value, float) else value


def _bigquery_bytes(value: Any) -> Any:
    return base64.b64decode(value) if isinstance(value, str) else value


SQLITE = Driver(
    parameters=("?", ":name"),
    open_cursor=_sqlite_cursor,
    column_in_error=_sqlite_column_in_error,
    compiles="EXPLAIN ",
)
DUCKDB = Driver(parameters=("?", "$name", "$1"), open_cursor=_duckdb_cursor, converters=_USUAL)
CLICKHOUSE = Driver(
    parameters=("%(name)s",),
    open_cursor=_clickhouse_cursor,
    converters=by_type({"Float32": narrow, "Nullable(Float32)": narrow}),
)
ORACLE = Driver(
    parameters=(":name", ":1"),
    open_cursor=_oracle_cursor,
    converters=by_type(
        {"DB_TYPE_CHAR": unpadded, "DB_TYPE_NCHAR": unpadded, "DB_TYPE_BINARY_FLOAT": narrow},
        lambda code: getattr(code, "name", None),
    ),
)
SNOWFLAKE = Driver(parameters=("%(name)s", "%s"), converters=by_type({5: unquoted}))  # 5 is VARIANT
#: The driver in Airflow's hook, which leaves all but numbers and booleans as the API writes them.
BIGQUERY = Driver(
    parameters=("%(name)s",),
    converters=by_type({"timestamp": _bigquery_timestamp, "bytes": _bigquery_bytes, "json": unquoted}, type_name),
)
DATABRICKS = Driver(parameters=(":name", "?"), converters=_USUAL)
TRINO = Driver(parameters=("?",), converters=_USUAL)
SQL_SERVER = Driver(parameters=("%s", "%(name)s"))
