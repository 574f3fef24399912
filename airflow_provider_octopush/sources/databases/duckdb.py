"""DuckDB, through its own client."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from airflow_provider_octopush.sources.databases.codes import quotable
from airflow_provider_octopush.sources.databases.driver import USUAL_CONVERTERS, Cursor, Driver, Opening

_ABOUT_STATEMENTS = ("BinderException", "CatalogException", "ParserException", "PermissionException", "SyntaxException")


def _code(error: Exception) -> str:
    return type(error).__name__


def _cursor(conn: Any, opening: Opening) -> Cursor:
    cursor: Cursor = conn.cursor()  # it has its own connection
    # DuckDB works ahead while no rows are taken, and buffers up to this; its default shows at 16 MB.
    with suppress(Exception):
        cursor.execute("SET streaming_buffer_size = '100KB'")
    if opening.read_only:
        with suppress(Exception):
            cursor.execute("BEGIN TRANSACTION READ ONLY")
    return cursor


DUCKDB = Driver(
    open_cursor=_cursor,
    converters=USUAL_CONVERTERS,
    code=_code,
    is_quotable=quotable(*_ABOUT_STATEMENTS, "TransactionException"),
)
