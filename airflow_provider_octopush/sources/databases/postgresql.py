"""PostgreSQL and what speaks its protocol: psycopg, psycopg2."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow_provider_octopush.sources.databases.driver import (
    Converter,
    Driver,
    Opening,
    ask,
    by_type,
    narrow,
    unpadded,
    unquoted,
)

READ_ONLY_TRANSACTION = "SET TRANSACTION READ ONLY"

# Numbers of types, from PostgreSQL's catalogue and Redshift's driver.
TYPES: Mapping[Any, Converter] = {700: narrow, 1042: unpadded, 4000: unquoted}  # float4, bpchar, Redshift's super
_TIMES = (1083, 1266)  # time, timetz
_DATES_AND_TIMES = (*_TIMES, 1082, 1114, 1184, 1186)  # date, timestamp, timestamptz, interval


def begin(conn: Any, opening: Opening) -> None:
    # A server-side cursor lives as long as its transaction; with autocommit that is no longer than its declaration.
    if conn.autocommit:
        conn.autocommit = False
    if opening.read_only:
        ask(conn, READ_ONLY_TRANSACTION)


def _psycopg_cursor(conn: Any, opening: Opening) -> Any:
    begin(conn, opening)
    cursor = conn.cursor(name="rows", row_factory=importlib.import_module("psycopg.rows").tuple_row)
    for oid in _DATES_AND_TIMES:
        cursor.adapters.register_loader(oid, _or_text(cursor.adapters, oid))
    return cursor


def _or_text(adapters: Any, oid: int) -> Any:
    """Make a loader that gives as text what Python has no date or time for: infinity, year 10000, 24:00."""
    psycopg = importlib.import_module("psycopg")
    base: Any = importlib.import_module("psycopg.adapt").Loader
    usual = adapters.get_loader(oid, psycopg.pq.Format.TEXT)

    def __init__(self: Any, oid: int, context: Any = None) -> None:  # noqa: N807 - of the class below
        base.__init__(self, oid, context)
        self.usual = usual(oid, context)

    def load(self: Any, data: Any) -> Any:
        try:
            return self.usual.load(data)
        except (psycopg.DataError, ValueError, OverflowError):
            return bytes(data).decode()

    return type("LoaderOrText", (base,), {"__init__": __init__, "load": load})


def _psycopg_column_in_error(cursor: Any, _: Sequence[Any], error: Exception) -> int | None:
    if getattr(error, "sqlstate", None) is not None or cursor.pgresult is None:
        return None
    transformer = importlib.import_module("psycopg.adapt").Transformer(cursor)
    result = cursor.pgresult
    for column in range(result.nfields):
        loader = transformer.get_loader(result.ftype(column), result.fformat(column))
        for row in range(result.ntuples):
            value = result.get_value(row, column)
            try:
                if value is not None:
                    loader.load(value)
            except Exception:  # noqa: BLE001 - whatever it is, it is this column's
                return column
    return None


def _psycopg2_cursor(conn: Any, opening: Opening) -> Any:
    begin(conn, opening)
    extensions = importlib.import_module("psycopg2.extensions")
    cursor = conn.cursor(name="rows", cursor_factory=extensions.cursor)
    for oid in _DATES_AND_TIMES:
        usual = extensions.string_types[oid]
        extensions.register_type(extensions.new_type((oid,), usual.name, _psycopg2_or_text(usual, oid)), cursor)
    return cursor


def _psycopg2_or_text(usual: Any, oid: int) -> Callable[[Any, Any], Any]:
    # Of infinity, psycopg2 makes the last day of the year 9999, and of 24:00 the beginning of the day.
    misread = ("infinity", "-infinity", *(("24:",) if oid in _TIMES else ()))
    errors = (ValueError, OverflowError, importlib.import_module("psycopg2").DataError)

    def cast(value: Any, cursor: Any) -> Any:
        if value is not None and value.startswith(misread):
            return value
        try:
            return usual(value, cursor)
        except errors:
            return value

    return cast


PSYCOPG = Driver(
    parameters=("%s", "%(name)s"),
    open_cursor=_psycopg_cursor,
    converters=by_type(TYPES),
    column_in_error=_psycopg_column_in_error,
    declares=True,
)
PSYCOPG2 = Driver(
    parameters=("%s", "%(name)s"),
    open_cursor=_psycopg2_cursor,
    converters=by_type(TYPES),
    declares=True,
    columns_come_with_rows=True,
)
