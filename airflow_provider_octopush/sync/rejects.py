"""Where rejected rows are written: a CSV that a person opens, and that can be read in again as rows."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from airflow_provider_octopush.contacts.formulas import ABOUT_THE_ROW, defuse
from airflow_provider_octopush.contacts.rejection import Rejection
from airflow_provider_octopush.values import to_text


class RejectsFile:
    """
    A CSV file of rejected rows, that grows as rows are rejected and never holds half a line.

    Columns: ``row`` (number in the input, from 1), the contact's fields as they were read, ``stage`` (invalid,
    refused, unconfirmed or duplicate), ``reason``, and ``code`` and ``message`` of the API. UTF-8. A value
    that has no text form is an empty cell. A new file is readable by its owner only, because it holds personal data;
    one that is there already keeps its mode.

    :param path: the file; it is created anew.
    :param fields: names of the values of each rejection.
    :raises OSError: when the file cannot be written.
    """

    def __init__(self, path: Path, fields: Sequence[str]) -> None:
        self._header = (ABOUT_THE_ROW[0], *fields, *ABOUT_THE_ROW[1:])
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._end = 0
        self.start_over()

    def __enter__(self) -> RejectsFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._file)

    def start_over(self) -> None:
        """Forget all rejections, and begin again with the header."""
        os.ftruncate(self._file, 0)
        self._end = 0
        self._write([self._header])

    def write(self, rejections: Sequence[Rejection]) -> None:
        """
        Append rejections, all of them or none.

        :raises OSError: when there is no room; the file then ends where it ended before.
        """
        self._write([_cells(rejection) for rejection in rejections])

    def _write(self, rows: Sequence[Sequence[str]]) -> None:
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        rest = memoryview(text.getvalue().encode())
        position = self._end
        try:
            while rest:
                written = os.pwrite(self._file, rest, position)
                position += written
                rest = rest[written:]
        except OSError:
            os.ftruncate(self._file, self._end)
            raise
        self._end = position


def _cells(rejection: Rejection) -> list[str]:
    about = (
        rejection.stage.value,
        rejection.reason,
        "" if rejection.code is None else str(rejection.code),
        rejection.message or "",
    )
    return [str(rejection.row), *map(_cell, rejection.values), *map(defuse, about)]


def _cell(value: object) -> str:
    try:
        return defuse(to_text(value) or "")
    except ValueError:
        return ""
