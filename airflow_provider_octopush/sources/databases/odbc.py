"""Any database with an ODBC driver, through pyodbc."""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import Any

from airflow_provider_octopush.sources.databases import mysql, oracle, postgresql
from airflow_provider_octopush.sources.databases.driver import Converter, Converters, Driver, Opening, ask, narrow

_READ_ONLY = {
    "PostgreSQL": postgresql.READ_ONLY_TRANSACTION,
    "Oracle": oracle.READ_ONLY_TRANSACTION,
    "MySQL": mysql.READ_ONLY_SESSION,
    "MariaDB": mysql.READ_ONLY_SESSION,
}

# The precision that drivers tell of a float of 4 bytes: in digits, or in SQL Server's in bits. Of 8 bytes it is 15, 17,
# 22 or 53.
_REAL = (7, 9, 12, 24)


def _cursor(conn: Any, opening: Opening) -> Any:
    if opening.read_only:
        pyodbc = importlib.import_module("pyodbc")
        # With autocommit there is no transaction that could be read-only.
        with suppress(Exception):
            conn.autocommit = False
        with suppress(Exception):
            conn.set_attr(pyodbc.SQL_ATTR_ACCESS_MODE, pyodbc.SQL_MODE_READ_ONLY)
        # Few drivers do anything about the attribute.
        with suppress(Exception):
            ask(conn, _READ_ONLY[conn.getinfo(pyodbc.SQL_DBMS_NAME)])
    return conn.cursor()


def _converters(cursor: Any) -> Converters:
    # pyodbc does not tell CHAR from VARCHAR: what is padded is as long as its column is wide.
    texts = {
        position: _unpadded_to(column[3])
        for position, column in enumerate(cursor.description)
        if column[1] is str and column[3]
    }
    return texts | {
        position: narrow
        for position, column in enumerate(cursor.description)
        if column[1] is float and column[4] in _REAL
    }


def _unpadded_to(width: int) -> Converter:
    return lambda value: value.rstrip(" ") if isinstance(value, str) and len(value) == width else value


ODBC = Driver(parameters=("?",), open_cursor=_cursor, converters=_converters)
