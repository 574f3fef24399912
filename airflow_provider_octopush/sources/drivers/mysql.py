"""MySQL and MariaDB: mysqlclient, PyMySQL, MySQL Connector."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from airflow_provider_octopush.sources import statements
from airflow_provider_octopush.sources.drivers.driver import Driver, Opening, by_type, narrow, unquoted
from airflow_provider_octopush.sources.statements import Lexis

#: A session, since TRUNCATE and DROP leave a read-only transaction, and are carried out.
READ_ONLY_SESSION = "SET SESSION TRANSACTION READ ONLY"

#: Seconds that the server waits for a client to take the next row.
NET_WRITE_TIMEOUT = 86_400

#: MYSQL_OPTION_MULTI_STATEMENTS_OFF of the C API.
_ONE_STATEMENT = 1

# As the protocol numbers them. In MariaDB, JSON is text like all other.
_FLOAT = 4
_JSON = 245


def _opens(cursor_class: str | None) -> Callable[[Any, Opening], Any]:
    """Open an unbuffered cursor, whatever cursor the connection asks for."""

    def open_cursor(conn: Any, opening: Opening) -> Any:
        if cursor_class is None:
            cursor = conn.cursor()
        else:
            module, _, name = cursor_class.rpartition(".")
            cursor = conn.cursor(getattr(importlib.import_module(module), name))
        # By default the server gives up on a client that takes no row for a minute (net_write_timeout, 60 seconds),
        # and posting one batch may take longer. A server that speaks MySQL without this has no such limit.
        with suppress(Exception):
            cursor.execute(f"SET SESSION net_write_timeout = {NET_WRITE_TIMEOUT}")
        if opening.read_only:
            with suppress(Exception):
                cursor.execute(READ_ONLY_SESSION)
        return cursor

    return open_cursor


def _session_lexes(conn: Any) -> tuple[Lexis, ...]:
    """Tell what backslashes and double quotes mean in this session, as the server says."""
    mode = None
    with suppress(Exception):
        cursor = conn.cursor()
        cursor.execute("SELECT @@SESSION.sql_mode")
        (row,) = cursor.fetchall()
        (mode,) = row.values() if isinstance(row, Mapping) else row
        cursor.close()
    modes = mode.split(",") if isinstance(mode, str) else ("NO_BACKSLASH_ESCAPES", "ANSI_QUOTES")
    without_escapes = statements.MYSQL_WITHOUT_ESCAPES if "NO_BACKSLASH_ESCAPES" in modes else ()
    return (*without_escapes, *(statements.MYSQL_WITH_QUOTED_NAMES if "ANSI_QUOTES" in modes else ()))


def _mysqlclient_cursor(conn: Any, opening: Opening) -> Any:
    # It takes several at once, unless it is told otherwise.
    with suppress(Exception):
        conn.set_server_option(_ONE_STATEMENT)
    return _opens("MySQLdb.cursors.SSCursor")(conn, opening)


def _forget_unread_rows(cursor: Any) -> None:
    # PyMySQL's finalizers would read on from the closed connection, and print that they cannot.
    with suppress(AttributeError):
        cursor._result.unbuffered_active = False
    cursor.connection = None


_PARAMETERS = ("%s", "%(name)s")
_CONVERTERS = by_type({_FLOAT: narrow, _JSON: unquoted})

MYSQLCLIENT = Driver(
    parameters=_PARAMETERS,
    lexes=statements.MYSQL,
    session_lexes=_session_lexes,
    open_cursor=_mysqlclient_cursor,
    converters=_CONVERTERS,
    reads_on_when_closed=True,
)
PYMYSQL = Driver(
    parameters=_PARAMETERS,
    lexes=statements.MYSQL,
    session_lexes=_session_lexes,
    open_cursor=_opens("pymysql.cursors.SSCursor"),
    converters=_CONVERTERS,
    reads_on_when_closed=True,
    forget_unread_rows=_forget_unread_rows,
)
CONNECTOR = Driver(
    parameters=_PARAMETERS,
    lexes=statements.MYSQL,
    session_lexes=_session_lexes,
    open_cursor=_opens(None),
    converters=_CONVERTERS,
    reads_on_when_closed=True,
)
