"""Bytes of a file → the lines of its text."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from airflow_provider_octopush.sources.errors import FilesError

_BYTE_ORDER_MARK = "\ufeff"


def lines_of(opened: BinaryIO, name: str, /, **options: Any) -> Iterator[str]:
    """
    Give the lines of a text, without a byte order mark.

    :param opened: the file, at its beginning. It is closed at the end.
    :param name: name of the file, for error messages.
    :param options: options of :class:`io.TextIOWrapper`; the encoding is UTF-8 if they name none.
    :raises FilesError: when the file is in another encoding; the message quotes nothing.
    """
    with io.TextIOWrapper(opened, **{"encoding": "utf-8", **options}) as text:
        try:
            if first := text.readline().removeprefix(_BYTE_ORDER_MARK):
                yield first
            yield from text
        except UnicodeError:  # which holds what it could not decode
            pass
        else:
            return
    raise FilesError(
        f"{name} is not in {text.encoding}, the encoding it is read in: write data_options={{'encoding': …}}"
    )
