"""What can be told of a driver, beyond PEP 249."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from airflow_provider_octopush.sources.databases.codes import Code, code_of, is_quotable

#: Makes of a driver's value what the database means by it.
Converter = Callable[[Any], Any]
#: Position of a column → what its values need.
Converters = Mapping[int, Converter]


class Cursor(Protocol):
    """A cursor, as far as it is needed."""

    @property
    def description(self) -> Sequence[Sequence[Any]] | None:
        """Columns, as PEP 249 describes them."""

    def execute(self, sql: str, parameters: Any = ..., /) -> object:
        """Run a statement."""

    def fetchmany(self, size: int, /) -> Sequence[Any]:
        """Return the next rows."""

    def close(self) -> object:
        """Let it go."""


@dataclass(frozen=True)
class Opening:
    """
    What a cursor is opened for.

    :param batch_size: rows that are fetched at a time.
    :param read_only: whether the database is asked to change nothing: a query needs no more, a procedure may.
    """

    batch_size: int
    read_only: bool


def _plain_cursor(conn: Any, _: Opening) -> Cursor:
    cursor: Cursor = conn.cursor()
    return cursor


def _no_converters(_: Cursor) -> Converters:
    return {}


@dataclass(frozen=True)
class Driver:
    """
    What a driver needs.

    :param open_cursor: of a connection: opens a cursor that streams, if there is one, where nothing can be changed, if
        there is such a thing.
    :param converters: of a cursor with rows: what the values of its columns need.
    :param compiles: what in front of a statement makes the database look at it, and at no row.
    :param reads_on_when_closed: closing the cursor reads all rows that are left, so the connection is closed alone.
    :param code: of what it raised: the SQLSTATE, or the database's own code.
    :param is_quotable: of what it raised before the first row, and its code: whether it can be about no row.
    """

    open_cursor: Callable[[Any, Opening], Cursor] = _plain_cursor
    converters: Callable[[Cursor], Converters] = _no_converters
    compiles: str | None = None
    reads_on_when_closed: bool = False
    code: Callable[[Exception], Code | None] = code_of
    is_quotable: Callable[[Exception, Code | None], bool] = is_quotable


def ask(conn: Any, statement: str) -> None:
    """Run what a database may not know; where it does not, the connection is as it was before."""
    cursor = conn.cursor()
    try:
        cursor.execute(statement)
    except Exception:  # noqa: BLE001 - drivers share no base class
        with suppress(Exception):
            conn.rollback()
    with suppress(Exception):
        cursor.close()


def narrow(value: Any) -> Any:
    """Make a float of 32 bits of what a driver has widened to Python's, in which it seems to have all of its digits."""
    return np.float32(value) if isinstance(value, float) else value


def _itself(code: Any) -> Any:
    return code


def by_type(types: Mapping[Any, Converter], name: Callable[[Any], Any] = _itself) -> Callable[[Cursor], Converters]:
    """
    Choose converters by the columns' types.

    :param types: type → converter.
    :param name: what the type is, of the description's ``type_code``.
    """

    def converters(cursor: Cursor) -> Converters:
        kinds = [name(column[1]) for column in cursor.description or ()]
        return {position: types[kind] for position, kind in enumerate(kinds) if kind in types}

    return converters


def type_name(code: Any) -> str:
    """Return the name of a type that drivers write in words: ``char`` of Trino's ``char(5)``."""
    return str(code).partition("(")[0].lower()


#: What DuckDB and Databricks call FLOAT is Trino's REAL.
USUAL_CONVERTERS = by_type({"float": narrow, "real": narrow}, type_name)
