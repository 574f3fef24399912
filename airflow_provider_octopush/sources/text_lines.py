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
    :raises FilesError: when the file is in another encoding. The message says at which byte this shows, and quotes
        nothing.
    """
    with io.TextIOWrapper(opened, **{"encoding": "utf-8", **options}) as text:
        place = ""
        try:
            if first := text.readline().removeprefix(_BYTE_ORDER_MARK):
                yield first
            yield from text
        except UnicodeError as error:
            if isinstance(error, UnicodeDecodeError):
                # The decoder's last input, with the bytes that it had kept, ends where the file was read to.
                place = f" (see byte {opened.tell() - len(error.object) + error.start + 1})"
        else:
            return
    raise FilesError(
        f"{name} is not in {text.encoding}, the encoding it is read in{place}: write data_options={{'encoding': …}}"
    )
