"""MySQL and MariaDB: mysqlclient, PyMySQL, MySQL Connector."""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import Any

from airflow_provider_octopush.sources.databases.codes import quotable
from airflow_provider_octopush.sources.databases.driver import Cursor, Driver, Opening, by_type, narrow

#: The whole session, because TRUNCATE and DROP end a read-only transaction and are carried out.
READ_ONLY_SESSION = "SET SESSION TRANSACTION READ ONLY"

#: By default the server gives up on a client that takes no row for a minute, and sending one batch may take longer.
#: Servers that speak MySQL without this variable have no such limit.
_PATIENT_SESSION = "SET SESSION net_write_timeout = 86400"

_ABOUT_STATEMENTS = (
    *(1052, 1054, 1055, 1056, 1060, 1064, 1066, 1109, 1111, 1140, 1146, 1149, 1221, 1222, 1235, 1241, 1248, 1305, 1318),
    *(1356, 1370, 1630),
    *(1044, 1045, 1046, 1049, 1142, 1143, 1227, 1698),  # rights
    1792,  # a read-only session
)

# The protocol's numbers of types.
_FLOAT = 4
_BIT = 16


def _number_of_bits(value: Any) -> Any:
    return int.from_bytes(value, "big") if isinstance(value, bytes) else value


def _driver(cursor_class: str | None) -> Driver:
    """Make a driver with unbuffered cursors, whatever cursor the connection asks for."""

    def open_cursor(conn: Any, opening: Opening) -> Cursor:
        module, _, name = (cursor_class or "").rpartition(".")
        cursor: Cursor = conn.cursor(getattr(importlib.import_module(module), name)) if module else conn.cursor()
        for statement in (_PATIENT_SESSION, READ_ONLY_SESSION)[: 1 + opening.read_only]:
            with suppress(Exception):
                cursor.execute(statement)
        return cursor

    return Driver(
        open_cursor=open_cursor,
        converters=by_type({_FLOAT: narrow, _BIT: _number_of_bits}),
        reads_on_when_closed=True,
        is_quotable=quotable(*_ABOUT_STATEMENTS),
    )


MYSQLCLIENT = _driver("MySQLdb.cursors.SSCursor")
PYMYSQL = _driver("pymysql.cursors.SSCursor")
CONNECTOR = _driver(None)
