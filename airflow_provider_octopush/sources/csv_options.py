"""
How a CSV is written, as a Dag says it: options of Python's csv module, the encoding, and what means NULL.

Source: https://docs.python.org/3/library/csv.html#dialects-and-formatting-parameters
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from airflow_provider_octopush.sources.errors import FilesError

#: How the name of a CSV ends.
CSV_SUFFIXES = (".csv", ".csv.gz")


_USUAL: Mapping[str, Any] = {
    "delimiter": ",",
    "quotechar": '"',
    "escapechar": None,
    "skipinitialspace": False,
    "quoting": csv.QUOTE_MINIMAL,
}


class CsvOptions(NamedTuple):
    """How a CSV is written: options for :func:`csv.reader`, the encoding, and the text of cells without a value."""

    dialect: Mapping[str, Any]
    encoding: str
    null: str | None


def check_csv_option_names(names: Iterable[object]) -> None:
    """
    Check that there are such options.

    :raises FilesError: when there is no option of one of these names; lists those that there are.
    """
    for name in names:
        if name == "sep":
            raise FilesError("data_options has 'sep': write 'delimiter', which is what Python's csv module calls it")
        if name not in _VALUES:
            there = ", ".join(map(repr, _VALUES))
            raise FilesError(f"data_options has {name!r}, which is no option of a CSV: there are {there}")


def read_csv_options(options: Mapping[str, Any]) -> CsvOptions:
    """
    Take options from a Dag, and fill in the usual ones.

    :raises FilesError: when there is no such option, or its value cannot be meant.
    """
    check_csv_option_names(options)
    for name, value in options.items():
        is_meant, what = _VALUES[name]
        if not is_meant(value):
            raise FilesError(f"data_options has {value!r:.30} for {name!r}: write {what}")
    dialect = {name: options.get(name, usual) for name, usual in _USUAL.items()}
    if dialect["quoting"] == csv.QUOTE_NONE:
        dialect["quotechar"] = None
    signs = [sign for sign in map(dialect.get, ("delimiter", "quotechar", "escapechar")) if sign is not None]
    if len(set(signs)) < len(signs):
        raise FilesError(
            "data_options has the same character for two of 'delimiter', 'quotechar' and 'escapechar': each is another "
            "one, and quotes that are doubled need no 'escapechar'"
        )
    null = options.get("null")
    if null is not None and dialect["escapechar"] is not None and dialect["escapechar"] in null:
        raise FilesError(
            f"data_options has {null!r} for 'null', with the escapechar in it, which is taken away before cells are "
            "looked at: have NULL written as other text, or as nothing"
        )
    return CsvOptions(dialect, options.get("encoding", "utf-8"), null)


def _is_character(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 1 and value not in "\r\n"


def _is_encoding(value: Any) -> bool:
    try:
        "".encode(value)
    except (TypeError, ValueError, LookupError):
        return False
    return True


#: Name of an option → whether a value can be meant, and what to write.
_VALUES: Mapping[object, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("delimiter", "quotechar", "escapechar"), (_is_character, "one character")),
    "skipinitialspace": (lambda value: isinstance(value, bool), "True or False"),
    # The other ways would make numbers of cells, or are for writing.
    "quoting": (
        lambda value: type(value) is int and value in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE),
        f"csv.QUOTE_NONE ({csv.QUOTE_NONE}) where quotes are text, or leave it out",
    ),
    "encoding": (_is_encoding, "the name of an encoding that Python has, such as 'cp1252'"),
    "null": (lambda value: isinstance(value, str), "the text that stands for NULL"),
}
