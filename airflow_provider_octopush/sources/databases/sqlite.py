"""SQLite, by Python's own driver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_octopush.sources.databases.codes import Code, states
from airflow_provider_octopush.sources.databases.driver import Driver, Opening, ask

# Without SQLITE_ERROR, which is as likely to be about a value.
_STATE = states(
    {
        "25006": {"SQLITE_READONLY"},
        "28000": {"SQLITE_AUTH", "SQLITE_PERM"},
        "40001": {"SQLITE_BUSY", "SQLITE_LOCKED"},
        "53000": {"SQLITE_FULL", "SQLITE_NOMEM"},
        "57014": {"SQLITE_INTERRUPT"},
        "58030": {"SQLITE_CANTOPEN", "SQLITE_CORRUPT", "SQLITE_IOERR", "SQLITE_NOTADB"},
    }
)


def _state(code: Code) -> str | None:
    # Names may have a kind behind them: SQLITE_BUSY_SNAPSHOT.
    return _STATE("_".join(str(code).split("_")[:2]))


def _cursor(conn: Any, opening: Opening) -> Any:
    if opening.read_only:
        ask(conn, "PRAGMA query_only = ON")
    return conn.cursor()


def _column_in_error(_: Any, columns: Sequence[Any], error: Exception) -> int | None:
    said = "Could not decode to UTF-8 column '{}' with text '"
    return next((i for i, column in enumerate(columns) if str(error).startswith(said.format(column[0]))), None)


SQLITE = Driver(
    parameters=("?", ":name"),
    open_cursor=_cursor,
    column_in_error=_column_in_error,
    compiles="EXPLAIN ",
    state=_state,
)
