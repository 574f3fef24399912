"""Bytes of a file → the lines of its text."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, BinaryIO

from airflow_provider_octopush.sources.errors import FilesError

_BYTE_ORDER_MARK = "\ufeff"
_END = "\x1a"
_AT_THE_END = f"{_END}\x00 \t\r\n"


def lines_of(opened: BinaryIO, name: str, /, **options: Any) -> Iterator[str]:
    """
    Give the lines of a text, without a byte order mark, up to Ctrl-Z, with which DOS ended a text, and what fills up
    the file behind it.

    :param opened: the file, at its beginning. It is closed in the end.
    :param name: of the file, for the message of an error.
    :param options: of :class:`io.TextIOWrapper`; UTF-8 where they name no encoding.
    :raises FilesError: when the file is in another encoding. The message says at which byte this shows, and nothing of
        what is there.
    """
    with io.TextIOWrapper(opened, **{"encoding": "utf-8", **options}) as text:
        lines = _decoded(text, opened, name)
        first = next(lines, "").removeprefix(_BYTE_ORDER_MARK)
        yield from _to_the_end(chain([first] if first else [], lines))


def _decoded(text: io.TextIOWrapper, opened: BinaryIO, name: str) -> Iterator[str]:
    failure: Exception | None = None
    try:
        yield from text
    except UnicodeError as error:
        place = ""
        if isinstance(error, UnicodeDecodeError):
            # What a decoder was given last, with what it had kept of before, ends where the file was read to.
            place = f" (see byte {opened.tell() - len(error.object) + error.start + 1})"
        failure = FilesError(
            f"{name} is not in {text.encoding}, the encoding it is read in{place}: write data_options={{'encoding': …}}"
        )
    if failure is not None:
        raise failure


def _to_the_end(lines: Iterable[str]) -> Iterator[str]:
    held: list[str] = []
    for line in lines:
        if held and not line.strip(_AT_THE_END):
            held.append(line)
            continue
        if held:
            yield from held
            held.clear()
        if _END in line[_end_of(line) :]:
            held.append(line)
        else:
            yield line
    if held:
        end = held[0].index(_END, _end_of(held[0]))
        if rest := held[0][:end]:
            yield rest


def _end_of(line: str) -> int:
    """Return where in a line only what fills up a file begins."""
    return len(line.rstrip(_AT_THE_END))
