"""Any database with an ODBC driver, through pyodbc."""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import Any

from airflow_provider_octopush.sources.databases import mysql, oracle, postgresql
from airflow_provider_octopush.sources.databases.driver import Converters, Cursor, Driver, Opening, ask, narrow

_READ_ONLY = {
    "PostgreSQL": postgresql.READ_ONLY_TRANSACTION,
    "Oracle": oracle.READ_ONLY_TRANSACTION,
    "MySQL": mysql.READ_ONLY_SESSION,
    "MariaDB": mysql.READ_ONLY_SESSION,
}

# The precision that drivers report for a float of 4 bytes: in digits, or in bits for SQL Server's. For 8 bytes it is
# 15, 17, 22 or 53.
_REAL = (7, 9, 12, 24)


def _cursor(conn: Any, opening: Opening) -> Cursor:
    if opening.read_only:
        pyodbc = importlib.import_module("pyodbc")
        # With autocommit, there is no transaction to make read-only.
        with suppress(Exception):
            conn.autocommit = False
        with suppress(Exception):
            conn.set_attr(pyodbc.SQL_ATTR_ACCESS_MODE, pyodbc.SQL_MODE_READ_ONLY)
        # Few drivers heed the attribute.
        with suppress(Exception):
            ask(conn, _READ_ONLY[conn.getinfo(pyodbc.SQL_DBMS_NAME)])
    cursor: Cursor = conn.cursor()
    return cursor


def _converters(cursor: Cursor) -> Converters:
    columns = enumerate(cursor.description or ())
    return {position: narrow for position, column in columns if column[1] is float and column[4] in _REAL}


ODBC = Driver(open_cursor=_cursor, converters=_converters)
