"""Redshift, through its own driver; psycopg2 treats it as PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_octopush.sources.databases.driver import Cursor, Driver, Opening, by_type
from airflow_provider_octopush.sources.databases.postgresql import FLOATS, begin


class _DeclaredCursor:
    """
    A server-side cursor for a driver that has none, in SQL.

    :param cursor: the driver's cursor, in a transaction.
    """

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self.close = cursor.close

    @property
    def description(self) -> Any:
        return self._cursor.description

    def execute(self, sql: str, *parameters: Any) -> None:
        self._cursor.execute(f"DECLARE rows CURSOR FOR {sql}", *parameters)

    def fetchmany(self, size: int) -> Sequence[Any]:
        self._cursor.execute(f"FETCH FORWARD {int(size)} FROM rows")
        rows: Sequence[Any] = self._cursor.fetchall()
        return rows


def _cursor(conn: Any, opening: Opening) -> Cursor:
    begin(conn, opening)
    return _DeclaredCursor(conn.cursor())


REDSHIFT = Driver(open_cursor=_cursor, converters=by_type(FLOATS))
