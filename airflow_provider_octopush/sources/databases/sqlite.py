"""SQLite, through Python's own driver."""

from __future__ import annotations

from typing import Any

from airflow_provider_octopush.sources.databases.driver import Cursor, Driver, Opening, ask


def _cursor(conn: Any, opening: Opening) -> Cursor:
    if opening.read_only:
        ask(conn, "PRAGMA query_only = ON")
    cursor: Cursor = conn.cursor()
    return cursor


# SQLite's codes do not tell an error in a statement from one about a value.
SQLITE = Driver(open_cursor=_cursor, compiles="EXPLAIN ")
