"""A CSV file for a person: whole or not there, readable by its owner, and harmless to a spreadsheet."""

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
from typing import ClassVar, Self

log = logging.getLogger(__name__)


class CsvFile:
    """
    A CSV file. It is written beside its path, and moved there whole when the context ends, however it ends. So two runs
    that write to the same path never mix their lines, and the file of the last one to end stays.

    UTF-8. A new file is readable by its owner only, because it holds personal data; an existing one keeps its mode.

    :param path: path of the file; its folders are made. A killed process leaves what it had written beside it, under a
        name that begins with a dot and ends in ``.part``.
    :param header: names of the columns.
    :raises OSError: when the file cannot be written, or is not an ordinary file.
    """

    #: What the file holds, and the parameter that names it, for messages.
    holds: ClassVar[str]
    parameter: ClassVar[str]

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        # A link stays a link.
        self._path = path.resolve()
        if self._path.exists() and not self._path.is_file():
            raise OSError(
                f"{path} is not an ordinary file, so the {self.holds} cannot be written to it: name another "
                f"{self.parameter}"
            )
        self._path.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(self._path.stat().st_mode) if self._path.exists() else 0o600
        file, name = tempfile.mkstemp(".part", f".{self._path.name}-", self._path.parent)
        self._file, self._part = file, Path(name)
        self._end = 0
        try:
            os.fchmod(file, mode)
            self._append([header])
        except BaseException:
            self._part.unlink()
            os.close(file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._cut()
        finally:
            os.close(self._file)
        try:
            self._part.replace(self._path)
        except OSError:
            self._part.unlink()
            if error is None:
                raise
            # The failure that ended the run must stay the one that is raised.
            log.exception("the %s could not be written to %s", self.holds, self._path)

    def _append(self, rows: Sequence[Sequence[str]]) -> None:
        """
        Append rows, all of them or none.

        :raises OSError: when the disk is full; the file is then as it was before.
        """
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
            self._cut()
            raise
        self._end = position

    def _cut(self) -> None:
        """Cut off what follows the last whole row: a signal may have come while a row was being written."""
        os.ftruncate(self._file, self._end)
