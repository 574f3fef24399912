"""SQLite, by Python's own driver."""

from __future__ import annotations

from typing import Any

from airflow_provider_octopush.sources.databases.driver import Cursor, Driver, Opening, ask


def _cursor(conn: Any, opening: Opening) -> Cursor:
    if opening.read_only:
        ask(conn, "PRAGMA query_only = ON")
    cursor: Cursor = conn.cursor()
    return cursor


# What is wrong with a statement has no code that tells it from what is wrong with a value.
SQLITE = Driver(open_cursor=_cursor, compiles="EXPLAIN ")
