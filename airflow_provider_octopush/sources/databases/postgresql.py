"""PostgreSQL and what speaks its protocol: psycopg, psycopg2."""

from __future__ import annotations

import importlib
from typing import Any

from airflow_provider_octopush.sources.databases.codes import Code, is_quotable
from airflow_provider_octopush.sources.databases.driver import Cursor, Driver, Opening, ask, by_type, narrow

READ_ONLY_TRANSACTION = "SET TRANSACTION READ ONLY"

# The numbers of types, from PostgreSQL's catalogue.
FLOATS = {700: narrow}  # float4
_DATES_AND_TIMES = (1082, 1083, 1114, 1184, 1186, 1266)  # date, time, timestamp, timestamptz, interval, timetz


def begin(conn: Any, opening: Opening) -> None:
    # A server-side cursor lives as long as its transaction, which with autocommit ends right after its declaration.
    if conn.autocommit:
        conn.autocommit = False
    if opening.read_only:
        ask(conn, READ_ONLY_TRANSACTION)


# Dates and times stay text: Python cannot represent infinity, 24:00 or the year 10000, and psycopg2 changes them.


def _psycopg_cursor(conn: Any, opening: Opening) -> Cursor:
    begin(conn, opening)
    cursor: Any = conn.cursor(name="rows", row_factory=importlib.import_module("psycopg.rows").tuple_row)
    for oid in _DATES_AND_TIMES:
        cursor.adapters.register_loader(oid, importlib.import_module("psycopg.types.string").TextLoader)
    opened: Cursor = cursor
    return opened


def _psycopg2_cursor(conn: Any, opening: Opening) -> Cursor:
    begin(conn, opening)
    extensions = importlib.import_module("psycopg2.extensions")
    cursor: Cursor = conn.cursor(name="rows", cursor_factory=extensions.cursor)
    text = extensions.new_type(_DATES_AND_TIMES, "DATES_AND_TIMES", lambda value, _: value)
    extensions.register_type(text, cursor)
    return cursor


def _is_quotable(error: Exception, code: Code | None) -> bool:
    # PostgreSQL may call a function while it plans the query, and says so in the error: its words are then the
    # function's.
    return is_quotable(error, code) and not getattr(getattr(error, "diag", None), "context", None)


PSYCOPG = Driver(open_cursor=_psycopg_cursor, converters=by_type(FLOATS), is_quotable=_is_quotable)
PSYCOPG2 = Driver(open_cursor=_psycopg2_cursor, converters=by_type(FLOATS), is_quotable=_is_quotable)
