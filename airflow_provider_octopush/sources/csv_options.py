"""
How a CSV is written: options of Python's csv module, the encoding, and the text that means NULL.

Source: https://docs.python.org/3/library/csv.html#dialects-and-formatting-parameters
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from airflow_provider_octopush.sources.errors import FilesError

#: The suffixes of CSV files.
CSV_SUFFIXES = (".csv", ".csv.gz")

_USUAL: Mapping[str, Any] = {
    "delimiter": ",",
    "quotechar": '"',
    "escapechar": None,
    "skipinitialspace": False,
    "quoting": csv.QUOTE_MINIMAL,
}
_NAMES = (*_USUAL, "encoding", "null")


class CsvOptions(NamedTuple):
    """How a CSV is written: options for :func:`csv.reader`, the encoding, and the text that means NULL."""

    dialect: Mapping[str, Any]
    encoding: str
    null: str | None


def check_csv_option_names(names: Iterable[object]) -> None:
    """
    Check the names of options.

    :raises FilesError: when an option does not exist; the message lists those that do.
    """
    for name in names:
        if name == "sep":
            raise FilesError("data_options has 'sep': write 'delimiter', as Python's csv module calls it")
        if name not in _NAMES:
            there = ", ".join(map(repr, _NAMES))
            raise FilesError(f"data_options has {name!r}, which is not an option of a CSV: the options are {there}")


def read_csv_options(options: Mapping[str, Any]) -> CsvOptions:
    """
    Check a Dag's options, and fill in the defaults.

    :raises FilesError: when an option does not exist, or has an impossible value.
    """
    check_csv_option_names(options)
    dialect = {name: options.get(name, usual) for name, usual in _USUAL.items()}
    # The other values turn cells into numbers, or are for writing.
    if dialect["quoting"] not in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
        raise FilesError(
            "data_options has a 'quoting' that is not csv.QUOTE_NONE (3), where quotes are text: leave it out"
        )
    if dialect["quoting"] == csv.QUOTE_NONE:
        dialect["quotechar"] = None
    signs = [sign for sign in map(dialect.get, ("delimiter", "quotechar", "escapechar")) if sign is not None]
    if len(set(signs)) < len(signs):
        raise FilesError("data_options has the same character for two of 'delimiter', 'quotechar' and 'escapechar'")
    encoding, null = options.get("encoding", "utf-8"), options.get("null", "")
    reason = None
    try:
        csv.reader((), strict=True, **dialect)
        codecs.lookup(encoding)
        "".encode(encoding)
        null.encode()
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        reason = str(error)
    if reason is not None:
        raise FilesError(f"data_options has an impossible value: {reason}")
    return CsvOptions(dialect, encoding, options.get("null"))
