"""Any database with a JDBC driver, through JayDeBeApi."""

from __future__ import annotations

import decimal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from airflow_provider_octopush.sources.drivers.driver import Converters, Driver, Opening, narrow, unpadded, unquoted

#: How a value is read: of a ResultSet and a column, from 1 on.
_Read = Callable[[Any, int], Any]


class JdbcCursor:
    """
    A cursor on the JDBC connection that JayDeBeApi opened.

    Its own has no aliases, makes a float of a DECIMAL and another number of a large one, misplaces the fraction of a
    second, breaks off at a date that Python does not have, and leaves no moment to say how many rows to fetch.

    :param jconn: the JDBC connection.
    :param batch_size: rows that are fetched at a time.
    """

    def __init__(self, jconn: Any, batch_size: int) -> None:
        self._jconn = jconn
        self._batch_size = batch_size
        self._statement: Any = None
        self._rows: Any = None
        self._reads: list[tuple[int, _Read]] = []
        #: As PEP 249 has it, with the columns' labels, and the names of their types.
        self.description: list[tuple[str, str]] | None = None

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement, with parameters that are written as ``?``."""
        self._statement = self._jconn.prepareStatement(sql)
        with suppress(Exception):  # a driver may know no such thing
            self._statement.setFetchSize(self._batch_size)
        for position, parameter in enumerate(parameters, 1):
            self._statement.setObject(position, parameter)
        if not self._statement.execute():
            return
        self._rows = self._statement.getResultSet()
        columns = self._rows.getMetaData()
        positions = range(1, columns.getColumnCount() + 1)
        names = [str(columns.getColumnTypeName(position)).lower() for position in positions]
        self.description = [
            (str(columns.getColumnLabel(position)), "char" if columns.getColumnType(position) in _CHARS else name)
            for position, name in zip(positions, names, strict=True)
        ]
        self._reads = [
            (position, _text if name in _JSONS else _READS.get(int(columns.getColumnType(position)), _object))
            for position, name in zip(positions, names, strict=True)
        ]

    def fetchmany(self, size: int) -> list[tuple[Any, ...]]:
        """Read the next rows."""
        rows: list[tuple[Any, ...]] = []
        while len(rows) < size and self._rows.next():
            rows.append(tuple([read(self._rows, position) for position, read in self._reads]))
        return rows

    def close(self) -> None:
        """Close the statement, and what it gave with it."""
        if self._statement is not None:
            self._statement.close()


def _object(rows: Any, column: int) -> Any:
    return rows.getObject(column)


def _text(rows: Any, column: int) -> Any:
    value = rows.getString(column)
    return None if value is None else str(value)


def _decimal(rows: Any, column: int) -> Any:
    value = rows.getString(column)
    return None if value is None else decimal.Decimal(str(value))


def _integer(rows: Any, column: int) -> Any:
    value = rows.getLong(column)
    return None if rows.wasNull() else int(value)


def _float(rows: Any, column: int) -> Any:
    value = rows.getDouble(column)
    return None if rows.wasNull() else float(value)


def _real(rows: Any, column: int) -> Any:
    return narrow(_float(rows, column))


def _boolean(rows: Any, column: int) -> Any:
    value = rows.getObject(column)
    return bool(value) if isinstance(value, int) else value


def _bytes(rows: Any, column: int) -> Any:
    value = rows.getBytes(column)
    return None if value is None else bytes(value)


# Numbers of java.sql.Types. Dates and times are text, as the database writes them.
_CHARS = (1, -15)
_READS: dict[int, _Read] = {
    **dict.fromkeys((*_CHARS, 12, -1, -9, -16, 91, 92, 93, 2013, 2014), _text),
    **dict.fromkeys((2, 3), _decimal),
    **dict.fromkeys((-6, 5, 4, -5), _integer),
    **dict.fromkeys((6, 8), _float),
    7: _real,
    **dict.fromkeys((-7, 16), _boolean),
    **dict.fromkeys((-4, -3, -2), _bytes),
}
_JSONS = ("json", "jsonb", "variant")


def _cursor(conn: Any, opening: Opening) -> Any:
    # A driver without transactions may refuse either. PostgreSQL's streams in a transaction only.
    with suppress(Exception):
        conn.jconn.setAutoCommit(False)
    with suppress(Exception):
        conn.jconn.setReadOnly(opening.read_only)
    return JdbcCursor(conn.jconn, opening.batch_size)


def _converters(cursor: Any) -> Converters:
    types = {"char": unpadded, **dict.fromkeys(_JSONS, unquoted)}
    return {position: types[kind] for position, (_, kind) in enumerate(cursor.description) if kind in types}


JDBC = Driver(parameters=("?",), open_cursor=_cursor, converters=_converters)
