"""MySQL and MariaDB: mysqlclient, PyMySQL, MySQL Connector."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from airflow_provider_octopush.sources import statements
from airflow_provider_octopush.sources.drivers.driver import Driver, Opening, by_type, narrow, unquoted

#: A session, since TRUNCATE and DROP leave a read-only transaction, and are carried out.
READ_ONLY_SESSION = "SET SESSION TRANSACTION READ ONLY"

#: Seconds that the server waits for a client to take the next row.
NET_WRITE_TIMEOUT = 86_400

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
    open_cursor=_opens("MySQLdb.cursors.SSCursor"),
    converters=_CONVERTERS,
    reads_on_when_closed=True,
)
PYMYSQL = Driver(
    parameters=_PARAMETERS,
    lexes=statements.MYSQL,
    open_cursor=_opens("pymysql.cursors.SSCursor"),
    converters=_CONVERTERS,
    reads_on_when_closed=True,
    forget_unread_rows=_forget_unread_rows,
)
CONNECTOR = Driver(
    parameters=_PARAMETERS,
    lexes=statements.MYSQL,
    open_cursor=_opens(None),
    converters=_CONVERTERS,
    reads_on_when_closed=True,
)
