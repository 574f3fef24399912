"""A value of a warehouse's row → the text that a person would write for it; names of columns, as they are compared."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import numbers
import re
import unicodedata
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

#: Attribute of a frame whose names are the first line of a file: where that line is missing, they are somebody's data.
NAMED_BY_FIRST_LINE = "octopush: named by the first line"

#: A column's name with this many digits may be a phone number. Names with a year have four.
_DIGITS_OF_A_VALUE = 6

#: A decimal's exponent may stand for more digits than there is memory.
_MAX_EXPONENT = 400
_TOO_LONG = (
    f"a number of more than {_MAX_EXPONENT} digits has no text form: give it as text, in a query by CAST(… AS text)"
)
_WITHOUT_END = "an infinite number has no text form: give NULL instead, or text"
_CONTROLS = "text with control characters: give it without them"
#: 0x80 to 0x9f, where cp1252 has the euro, quotes and dashes.
_CONTROLS_OF_LATIN_1 = "text with control characters, as when cp1252 is read as latin-1: give it in its own encoding"


class RoundedFloat(float):
    """A float that was written with so few digits that others may be lost: ``3.36123453E10``, of a float of 4 bytes."""


def to_text(value: object) -> str | None:
    """
    Write a value as a person would: ``7.0`` as ``7``, a date in ISO 8601, never ``nan`` or ``None``.

    Text stays exactly as it is, and bytes that are UTF-8 are text. Control characters are not text, except tabs and the
    ends of lines.

    :param value: a value of a database or a DataFrame: text, a number, a boolean, a date or time, a UUID.
    :return: None when the value is missing: None, NaN, NaT, ``pandas.NA``, empty or blank text.
    :raises ValueError: when the value has no text form; the message says why, but never the value.
    """
    convert = _CONVERTERS.get(type(value))
    if convert is None:
        convert = next((convert for kind, convert in _CONVERTERS.items() if isinstance(value, kind)), None)
    if convert is None:
        raise ValueError(describe_foreign(value))
    return convert(value)


def is_missing(value: object) -> bool:
    """
    Tell whether a value stands for a missing one.

    :param value: anything that a row can hold.
    :return: True for None, NaN, NaT, ``pandas.NA``, empty or blank text; False for everything else.
    """
    try:
        return to_text(value) is None
    except ValueError:
        return False


def fold_name(name: str) -> str:
    """
    Return a column's name in the form in which names are compared: one case, and accents in one form (NFC and NFD).
    """
    if name.isascii():
        return name.casefold()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def may_be_a_value(name: str) -> bool:
    """Tell whether a column's name may be somebody's data: a number, an address. The row of names may be missing."""
    return sum(map(str.isdigit, name)) >= _DIGITS_OF_A_VALUE or "@" in name


_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|([\x80-\x9f])")


def _text(value: str) -> str | None:
    if not value.isprintable() and (found := _CONTROL.search(value)):
        raise ValueError(_CONTROLS if found[1] is None else _CONTROLS_OF_LATIN_1)
    if not value or value.isspace():
        return None
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(
                "text that is not valid Unicode (half of a surrogate pair): give it in UTF-8, or without it"
            ) from None
    return str.__str__(value)


def _integer(value: numbers.Integral) -> str:
    whole = int(value)
    if abs(whole) >= 10**_MAX_EXPONENT:
        raise ValueError(_TOO_LONG)
    return str(whole)


def _float(value: float) -> str | None:
    if math.isnan(value):
        return None
    if math.isinf(value):
        raise ValueError(_WITHOUT_END)
    # str is the shortest text that reads back as the same number; Decimal writes it without an exponent.
    return f"{decimal.Decimal(str(value)):f}".removesuffix(".0")


def _decimal(value: decimal.Decimal) -> str | None:
    if value.is_nan():
        return None
    if value.is_infinite():
        raise ValueError(_WITHOUT_END)
    if abs(value.adjusted()) > _MAX_EXPONENT:
        raise ValueError(_TOO_LONG)
    return f"{value:f}"


def decode(values: list[Any]) -> list[Any]:
    """
    Decode bytes in a column that are text.

    Drivers give text as bytes if the database has it in a binary column, or does not know its encoding.

    :return: the column, with text in place of bytes that are UTF-8.
    """
    if not any(issubclass(kind, _BYTES) for kind in set(map(type, values))):
        return values
    return [_decoded(value) if isinstance(value, _BYTES) else value for value in values]


_BYTES = (bytes, bytearray, memoryview)


def _decoded(value: bytes | bytearray | memoryview) -> object:
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        return value


def _bytes(value: bytes | bytearray | memoryview) -> str | None:
    text = _decoded(value)
    if not isinstance(text, str):
        # The type is right, the value is not.
        raise ValueError(  # noqa: TRY004
            "bytes that are not text in UTF-8: give them as text, in a query by decoding them, such as by "
            "convert_from(…, 'WIN1252')"
        )
    return _text(text)


def describe_foreign(value: object) -> str:
    """Say what to do about a value without a text form, such as a list, or a driver's object."""
    return f"a value of type {type(value).__name__} has no text form: give it as text, in a query by CAST(… AS text)"


def _no_text(value: object) -> str:
    raise ValueError(describe_foreign(value))


def _iso(value: dt.date | dt.time) -> str:
    return value.isoformat()


def _nothing(_: object) -> None:
    return None


# Looked up by the exact type first; the order matters to the subclasses only: bool is an int, a datetime a date,
# and NaT claims to be a datetime.
_CONVERTERS: dict[type, Callable[[Any], str | None]] = {
    str: _text,
    type(None): _nothing,
    type(pd.NA): _nothing,
    type(pd.NaT): _nothing,
    bool: lambda value: "true" if value else "false",
    np.bool_: lambda value: "true" if value else "false",
    np.timedelta64: _no_text,  # which numpy derives from its integers
    int: _integer,
    np.integer: _integer,
    float: _float,
    np.floating: _float,
    decimal.Decimal: _decimal,
    dt.datetime: _iso,
    dt.date: _iso,
    dt.time: _iso,
    np.datetime64: lambda value: to_text(pd.Timestamp(value)),
    uuid.UUID: str,
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: _bytes,
}
