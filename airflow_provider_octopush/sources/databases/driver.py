"""What can be told of a driver, beyond PEP 249."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from airflow_provider_octopush.sources.databases import codes
from airflow_provider_octopush.sources.databases.codes import Code

#: Makes of a driver's value what the database means by it.
Converter = Callable[[Any], Any]
Converters = Mapping[int, Converter]


@dataclass(frozen=True)
class Opening:
    """
    What a cursor is opened for.

    :param batch_size: rows that are fetched at a time.
    :param read_only: whether the database is asked to change nothing: a query needs no more, a procedure may.
    """

    batch_size: int
    read_only: bool


def plain_cursor(conn: Any, _: Opening) -> Any:
    """Open a cursor as PEP 249 has it."""
    return conn.cursor()


def _nothing(*_: Any) -> None:
    return None


def _is_one(*_: Any) -> bool:
    return False


def no_converters(_: Any) -> Converters:
    """Leave all values as they are."""
    return {}


@dataclass(frozen=True)
class Driver:
    """
    What a driver needs.

    :param parameters: the styles in which it takes a query's parameters.
    :param halves_percents: beside parameters, ``%%`` is a ``%``.
    :param open_cursor: opens a cursor that streams, if there is one, where nothing can be changed, if there is such a
        thing.
    :param converters: of an executed cursor: position of a column → what its values need.
    :param column_in_error: of a cursor, its columns and its error: which column the driver could not read, from 0 on;
        None when nobody can tell, or it is another error.
    :param has_several: of a cursor and a statement: whether the database takes it for several, where it would run them
        and show the rows of one.
    :param compiles: what in front of a statement makes the database look at it, and at no row.
    :param declares: the cursor is declared in SQL, which takes fewer kinds of statements.
    :param columns_come_with_rows: the cursor knows its columns only once it has fetched rows.
    :param reads_on_when_closed: closing the cursor reads all rows that are left, so the connection is closed alone.
    :param forget_unread_rows: what has to happen to the cursor then.
    :param sqlstate: of what it raised: the SQLSTATE, where it tells one.
    :param code: of what it raised: the database's own code.
    :param state: such a code → the SQLSTATE that stands for it.
    """

    parameters: tuple[str, ...] = ()
    halves_percents: bool = True
    open_cursor: Callable[[Any, Opening], Any] = plain_cursor
    converters: Callable[[Any], Converters] = no_converters
    column_in_error: Callable[[Any, Sequence[Any], Exception], int | None] = _nothing
    has_several: Callable[[Any, str], bool] = _is_one
    compiles: str | None = None
    declares: bool = False
    columns_come_with_rows: bool = False
    reads_on_when_closed: bool = False
    forget_unread_rows: Callable[[Any], None] = _nothing
    sqlstate: Callable[[Exception], str | None] = codes.sqlstate
    code: Callable[[Exception], Code | None] = codes.code
    state: Callable[[Code], str | None] = codes.no_state


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


def unpadded(value: Any) -> Any:
    """Cut the blanks with which CHAR fills a value up."""
    return value.rstrip(" ") if isinstance(value, str) else value


def unquoted(value: Any) -> Any:
    """Take a single string out of its JSON, and nothing out of JSON's null; all else stays JSON."""
    if isinstance(value, str) and (value[:1] == '"' or value == "null"):
        with suppress(ValueError):
            return json.loads(value)
    return value


def number_of_bits(value: Any) -> Any:
    """Read bits that a driver gives as bytes for the number that they are."""
    return int.from_bytes(value, "big") if isinstance(value, bytes) else value


def narrow(value: Any) -> Any:
    """Make a float of 32 bits of what a driver has widened to Python's, in which it seems to have all of its digits."""
    return np.float32(value) if isinstance(value, float) else value


def by_type(
    types: Mapping[Any, Converter], name: Callable[[Any], Any] = lambda code: code
) -> Callable[[Any], Converters]:
    """
    Choose converters by the columns' types.

    :param types: type → converter.
    :param name: what the type is, of the description's ``type_code``.
    """

    def converters(cursor: Any) -> Converters:
        kinds = [name(column[1]) for column in cursor.description]
        return {position: types[kind] for position, kind in enumerate(kinds) if kind in types}

    return converters


def type_name(code: Any) -> str:
    """Return the name of a type that drivers write in words: ``char`` of Trino's ``char(5)``."""
    return str(code).partition("(")[0].lower()


#: What DuckDB and Databricks call FLOAT is Trino's REAL.
USUAL_CONVERTERS = by_type(
    {"char": unpadded, "json": unquoted, "variant": unquoted, "float": narrow, "real": narrow}, type_name
)
