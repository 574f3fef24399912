"""MySQL and MariaDB: mysqlclient, PyMySQL, MySQL Connector."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from airflow_provider_octopush.sources.databases.codes import states
from airflow_provider_octopush.sources.databases.driver import (
    Converters,
    Driver,
    Opening,
    by_type,
    narrow,
    number_of_bits,
    unquoted,
)

#: A session, since TRUNCATE and DROP leave a read-only transaction, and are carried out.
READ_ONLY_SESSION = "SET SESSION TRANSACTION READ ONLY"

#: Seconds that the server waits for a client to take the next row.
NET_WRITE_TIMEOUT = 86_400

#: MYSQL_OPTION_MULTI_STATEMENTS_OFF of the C API.
_ONE_STATEMENT = 1

_STATES = {
    "08006": {1053, 1927, 2002, 2003, 2006, 2013, 2055, 4031},
    "25006": {1792},
    "28000": {1044, 1045, 1698},
    "3D000": {1046, 1049},
    "40001": {1205, 1213},
    "42000": {1052, 1054, 1055, 1056, 1060, 1064, 1066, 1109, 1111, 1140, 1142, 1143, 1146, 1149, 1221, 1222, 1227}
    | {1235, 1241, 1248, 1305, 1318, 1356, 1370, 1630},
    "53000": {1021, 1037, 1038, 1040, 1041, 1114, 1203, 1226},
    "57014": {1317, 1907, 1969, 3024},
}

# As the protocol numbers types.
_FLOAT = 4
_BIT = 16
_JSON = 245
_LONG_TEXTS = (251, 252)
#: A flag of the protocol: of text, that its collation is binary.
_BINARY = 128


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
_BY_TYPE = by_type({_FLOAT: narrow, _BIT: number_of_bits, _JSON: unquoted})


def _converters(cursor: Any) -> Converters:
    """Choose converters; what MariaDB has for JSON is a long text in a binary collation, and no driver tells more."""
    converters = dict(_BY_TYPE(cursor))
    if _is_mariadb(cursor):
        flags = _flags(cursor)
        for position, column in enumerate(cursor.description):
            if column[1] in _LONG_TEXTS and flags[position] & _BINARY:
                converters[position] = unquoted
    return converters


def _is_mariadb(cursor: Any) -> bool:
    with suppress(Exception):
        conn = getattr(cursor, "connection", None) or cursor._connection
        return "MariaDB" in str(conn.server_info if hasattr(conn, "server_info") else conn.get_server_info())
    return False


def _flags(cursor: Any) -> Sequence[int]:
    flags = getattr(cursor, "description_flags", None)  # mysqlclient
    if flags is not None:
        return tuple(flags)
    if hasattr(cursor, "_result"):  # PyMySQL
        return [field.flags for field in cursor._result.fields]
    return [column[7] for column in cursor.description]  # MySQL Connector


MYSQLCLIENT = Driver(
    parameters=_PARAMETERS,
    open_cursor=_mysqlclient_cursor,
    converters=_converters,
    reads_on_when_closed=True,
    state=states(_STATES),
)
PYMYSQL = Driver(
    parameters=_PARAMETERS,
    open_cursor=_opens("pymysql.cursors.SSCursor"),
    converters=_converters,
    reads_on_when_closed=True,
    state=states(_STATES),
    forget_unread_rows=_forget_unread_rows,
)
CONNECTOR = Driver(
    parameters=_PARAMETERS,
    halves_percents=False,
    open_cursor=_opens(None),
    converters=_converters,
    reads_on_when_closed=True,
    state=states(_STATES),
)
