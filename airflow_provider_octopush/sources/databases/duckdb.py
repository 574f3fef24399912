"""DuckDB, by its own client."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from airflow_provider_octopush.sources.databases.codes import Code, states
from airflow_provider_octopush.sources.databases.driver import USUAL_CONVERTERS, Driver, Opening

_STATES = {
    "08006": {"ConnectionException"},
    "25006": {"TransactionException"},
    "42000": {"BinderException", "CatalogException", "ParserException", "PermissionException", "SyntaxException"},
    "53000": {"OutOfMemoryException"},
    "57014": {"InterruptException"},
    "58030": {"IOException"},
}


def _code(error: Exception) -> Code | None:
    return type(error).__name__


def _cursor(conn: Any, opening: Opening) -> Any:
    cursor = conn.cursor()  # which is a connection of its own
    # DuckDB goes on working while nobody takes rows, and keeps what it has up to this; its default shows at 16 MB.
    with suppress(Exception):
        cursor.execute("SET streaming_buffer_size = '100KB'")
    if opening.read_only:
        with suppress(Exception):
            cursor.execute("BEGIN TRANSACTION READ ONLY")
    return cursor


def _has_several(cursor: Any, sql: str) -> bool:
    with suppress(Exception):  # what is wrong with it shows when it runs
        return len(cursor.extract_statements(sql)) > 1
    return False


DUCKDB = Driver(
    parameters=("?", "$name", "$1"),
    open_cursor=_cursor,
    converters=USUAL_CONVERTERS,
    has_several=_has_several,
    code=_code,
    state=states(_STATES),
)
