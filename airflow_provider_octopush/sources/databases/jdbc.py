"""Any database with a JDBC driver, through JayDeBeApi."""

from __future__ import annotations

import decimal
import importlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from airflow_provider_octopush.sources.databases.codes import as_sqlstate
from airflow_provider_octopush.sources.databases.driver import Converter, Converters, Cursor, Driver, Opening

# The numbers in java.sql.Types of dates and times.
_DATES_AND_TIMES = (91, 92, 93, 2013, 2014)


def _text(rows: Any, column: int) -> str | None:
    value = rows.getString(column)
    return None if value is None else str(value)


def _decimal(value: Any) -> decimal.Decimal:
    return decimal.Decimal(str(value))


#: The class of a Java object → the converter to Python. With any other class the row is invalid, and its reason says to
#: CAST.
_CONVERTERS: Mapping[str, Converter] = {
    "java.lang.String": str,
    "java.lang.Boolean": bool,
    **dict.fromkeys(("java.lang.Byte", "java.lang.Short", "java.lang.Integer", "java.lang.Long"), int),
    "java.lang.Float": np.float32,  # has no more digits, whatever the column's type is called
    "java.lang.Double": float,
    "java.math.BigDecimal": _decimal,
    "byte[]": bytes,
}


def _value(value: Any) -> Any:
    convert = _CONVERTERS.get(type(value).__name__)
    return value if convert is None else convert(value)


def _cursor(conn: Any, opening: Opening) -> Cursor:
    # A driver without transactions may refuse either. PostgreSQL's streams only in a transaction.
    with suppress(Exception):
        conn.jconn.setAutoCommit(False)
    with suppress(Exception):
        conn.jconn.setReadOnly(opening.read_only)
    base: Any = importlib.import_module("jaydebeapi").Cursor

    class JdbcCursor(base):  # type: ignore[misc] # from a package that may not be installed
        """
        JayDeBeApi's cursor, which would ask for all rows at once, and name columns by their table's names instead of
        the query's.
        """

        def _set_stmt_parms(self, statement: Any, parameters: Sequence[Any]) -> None:
            with suppress(Exception):  # a driver may not support it
                statement.setFetchSize(opening.batch_size)
            super()._set_stmt_parms(statement, parameters)

        @property
        def description(self) -> Sequence[tuple[str, str]] | None:
            columns = self._meta
            if columns is None:
                return None
            positions = range(1, columns.getColumnCount() + 1)
            return [(str(columns.getColumnLabel(i)), str(columns.getColumnTypeName(i))) for i in positions]

        def nextset(self) -> bool:
            return bool(self._prep.getMoreResults())

    # Its converters change large numbers, and misplace the fraction of a second.
    opened: Cursor = JdbcCursor(conn, dict.fromkeys(_DATES_AND_TIMES, _text))
    return opened


def _converters(cursor: Cursor) -> Converters:
    return dict.fromkeys(range(len(cursor.description or ())), _value)


def _code(error: Exception) -> str | None:
    # The exception is Java's own, or JayDeBeApi's around it.
    for java in (error, *error.args[:1]):
        if hasattr(java, "getSQLState"):
            return as_sqlstate(str(java.getSQLState()))
    return None


JDBC = Driver(open_cursor=_cursor, converters=_converters, code=_code)
