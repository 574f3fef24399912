"""What the provider knows about a driver, beyond PEP 249."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from airflow_provider_octopush.sources.databases.codes import Code, code_of, is_quotable

#: Turns a driver's value into what the database means.
Converter = Callable[[Any], Any]
#: Position of a column → the converter of its values.
Converters = Mapping[int, Converter]


class Cursor(Protocol):
    """The part of a cursor that is used."""

    @property
    def description(self) -> Sequence[Sequence[Any]] | None:
        """Columns, as PEP 249 describes them."""

    def execute(self, sql: str, parameters: Any = ..., /) -> object:
        """Run a statement."""

    def fetchmany(self, size: int, /) -> Sequence[Any]:
        """Return the next rows."""

    def close(self) -> object:
        """Close it."""


@dataclass(frozen=True)
class Opening:
    """
    How a cursor is to be opened.

    :param batch_size: how many rows are fetched at a time.
    :param read_only: whether the database is asked to change nothing: so for a query, but not for a procedure.
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
    What must be known about a driver.

    :param open_cursor: opens a cursor on a connection: one that streams, and in a read-only session or transaction, if
        the driver has them.
    :param converters: returns the converters of a cursor's columns.
    :param compiles: a prefix that makes the database check a statement without reading a row.
    :param reads_on_when_closed: whether closing the cursor reads all remaining rows, so that only the connection is
        closed.
    :param code: returns an exception's SQLSTATE, or the database's own code.
    :param is_quotable: tells by an exception before the first row, and its code, that it cannot be about a row.
    """

    open_cursor: Callable[[Any, Opening], Cursor] = _plain_cursor
    converters: Callable[[Cursor], Converters] = _no_converters
    compiles: str | None = None
    reads_on_when_closed: bool = False
    code: Callable[[Exception], Code | None] = code_of
    is_quotable: Callable[[Exception, Code | None], bool] = is_quotable


def ask(conn: Any, statement: str) -> None:
    """Run a statement that a database may not know; if it does not, the connection stays as it was."""
    cursor = conn.cursor()
    try:
        cursor.execute(statement)
    except Exception:  # noqa: BLE001 - drivers share no base class
        with suppress(Exception):
            conn.rollback()
    with suppress(Exception):
        cursor.close()


def narrow(value: Any) -> Any:
    """
    Narrow a Python float back to the 32 bits that a driver widened, so that it does not show digits that it never had.
    """
    return np.float32(value) if isinstance(value, float) else value


def _itself(code: Any) -> Any:
    return code


def by_type(types: Mapping[Any, Converter], name: Callable[[Any], Any] = _itself) -> Callable[[Cursor], Converters]:
    """
    Choose converters by the columns' types.

    :param types: type → converter.
    :param name: returns the type of the description's ``type_code``.
    """

    def converters(cursor: Cursor) -> Converters:
        kinds = [name(column[1]) for column in cursor.description or ()]
        return {position: types[kind] for position, kind in enumerate(kinds) if kind in types}

    return converters


def type_name(code: Any) -> str:
    """Return the bare name of a type that drivers write as text: ``char`` for Trino's ``char(5)``."""
    return str(code).partition("(")[0].lower()


#: What DuckDB and Databricks call FLOAT is Trino's REAL.
USUAL_CONVERTERS = by_type({"float": narrow, "real": narrow}, type_name)
