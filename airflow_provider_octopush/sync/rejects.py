"""Where rejected rows are written: a CSV that a person opens, and that can be read in again as rows."""

from __future__ import annotations

import csv
import io
import logging
import os
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from airflow_provider_octopush.contacts.formulas import ABOUT_THE_ROW, defuse
from airflow_provider_octopush.contacts.rejection import Rejection
from airflow_provider_octopush.values import to_text

log = logging.getLogger(__name__)


class RejectsFile:
    """
    A CSV file of rejected rows. It is written beside its place, and put there whole when the context ends, however it
    ends: two runs that write to one place never mix their lines, and the last one that ends is what stays.

    Columns: ``row`` (number in the input, from 1), the contact's fields as they were read, ``stage`` (where the row's
    way ended), ``reason``, and ``code`` and ``message`` of the API. UTF-8. A value that has no text form is an empty
    cell. A new file is readable by its owner only, because it holds personal data; one that is there already keeps its
    mode.

    :param path: the file; its folders are made. A process that is killed leaves what it had written beside it, by a
        name that begins with a dot and ends in ``.part``.
    :param fields: names of the values of each rejection.
    :raises OSError: when the file cannot be written, or is no ordinary file.
    """

    def __init__(self, path: Path, fields: Sequence[str]) -> None:
        self._header = (ABOUT_THE_ROW[0], *fields, *ABOUT_THE_ROW[1:])
        # A link stays a link.
        self._path = path.resolve()
        if self._path.exists() and not self._path.is_file():
            raise OSError(f"{path} is not a file that rejected rows could be written to: name another rejects_path")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(self._path.stat().st_mode) if self._path.exists() else 0o600
        file, name = tempfile.mkstemp(".part", f".{self._path.name}-", self._path.parent)
        self._file, self._part = file, Path(name)
        self._end = 0
        try:
            os.fchmod(file, mode)
            self.start_over()
        except BaseException:
            self._part.unlink()
            os.close(file)
            raise

    def __enter__(self) -> RejectsFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._file)
        try:
            self._part.replace(self._path)
        except OSError:
            self._part.unlink()
            if error is None:
                raise
            # The failure that ended the run is the one to be seen.
            log.exception("the rejected rows could not be written to %s", self._path)

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
        rest = memoryview(text.getvalue().encode(errors="replace"))
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
        # Text that may not be sent is what a person has to correct.
        return defuse(value) if isinstance(value, str) else ""
