"""Text of a CSV → the same text, as long as each of its rows is whole."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO

from airflow_provider_octopush.sources.errors import FilesError, RowsNotReadError

#: Options of ``pandas.read_csv`` that say how cells are written, and what they are by default.
_DIALECT: Mapping[str, Any] = {
    "quotechar": '"',
    "doublequote": True,
    "escapechar": None,
    "skipinitialspace": False,
    "quoting": csv.QUOTE_MINIMAL,
}
#: Those that say which lines are rows: with them, rows are what pandas takes for such.
_ABOUT_ROWS = ("comment", "skiprows", "skipfooter", "lineterminator", "on_bad_lines", "index_col", "skip_blank_lines")


_END = "\x1a"
_AT_THE_END = f"{_END}\x00 \t\r\n"

#: Of ``"sep=;"`` and the end of its line.
_LONGEST_SEPARATOR_LINE = 12


def separator_line(text: TextIO, options: Mapping[str, Any], name: str) -> tuple[int, dict[str, Any]]:
    """
    Take off the line ``sep=;`` that a file for Excel may begin with.

    :param text: read with ``newline=""``; afterwards at its first row.
    :param options: of ``pandas.read_csv``. Who says which lines are rows gets the line as it is.
    :param name: of the file, for the message of an error.
    :return: how many lines were taken off, and the options that follow from it.
    :raises FilesError: when the options name another separator.
    """
    if set(_ABOUT_ROWS) & set(options) or options.get("header") not in (None, 0, "infer"):
        return 0, {}
    line = re.fullmatch(r'("?)sep=(.)\1(\r\n?|\n)?', text.readline(_LONGEST_SEPARATOR_LINE), re.IGNORECASE)
    if line is None:
        text.seek(0)
        return 0, {}
    given = options.get("sep", options.get("delimiter"))
    if given not in (None, line[2]):
        raise FilesError(
            f"{name} begins with a line for Excel, sep={line[2]}, and data_options say {given!r}: leave the separator "
            "out of data_options, or correct one of the two"
        )
    return 1, {"delimiter" if options.get("delimiter") is not None else "sep": line[2]}


def whole_rows(text: TextIO, options: Mapping[str, Any], name: str, line: int = 0) -> io.TextIOBase:
    """
    Give text whose rows are looked at before anybody reads them.

    pandas takes a quote at the beginning of a cell for one that goes on to the next quote, wherever that is, and fills
    up rows that are too short: a stray quote would swallow rows, and nobody would know.

    :param text: read with ``newline=""``.
    :param options: of ``pandas.read_csv``.
    :param name: of the file, for the message of an error.
    :param line: how many lines of the file come before the text.
    :return: the text as it is, up to a sign of its end; in a file of one column, with an empty cell in each line that
        is blank. Reading it raises :class:`FilesError` when a row has another number of cells than the first one, a
        quote is out of place, or the encoding is another one; and :class:`RowsNotReadError` when it ends within a row.
    """
    # To pandas, a delimiter that is None is none that was given.
    separator = options.get("sep", options.get("delimiter") or ",")
    is_plain = isinstance(separator, str) and len(separator) == 1
    lines = _without_nul(to_the_end(text), name)
    if is_plain and not set(_ABOUT_ROWS) & set(options):
        return _Text(_WholeRows(lines, separator, options, name, line).checked())
    return _Text(lines)


def to_the_end(lines: Iterable[str]) -> Iterator[str]:
    """Give lines up to Ctrl-Z, with which DOS ended a text, and what fills up the file behind it."""
    held: list[str] = []
    for line in lines:
        if held and not line.strip(_AT_THE_END):
            held.append(line)
            continue
        if held:
            yield from held
            held.clear()
        if _END in line and not line.partition(_END)[2].strip(_AT_THE_END):
            held.append(line)
        else:
            yield line
    if held and (rest := held[0].partition(_END)[0]):
        yield rest


def _without_nul(lines: Iterable[str], name: str) -> Iterator[str]:
    """Give lines in which another control character stands for NUL: at a NUL, pandas 2 cuts a cell."""
    for number, line in enumerate(lines):
        if number == 0 and "\x00" in line:
            # As UTF-16 has them, in all that is ASCII.
            raise FilesError(f"{name} is not in the encoding it is read in: write data_options={{'encoding': …}}")
        yield line.replace("\x00", "\x01")


class _Text(io.TextIOBase):
    """Text that is read from its lines, or rows."""

    def __init__(self, rows: Iterator[str]) -> None:
        self._rows = rows
        self._rest = ""

    def readable(self) -> bool:
        """Tell that this is to be read."""
        return True

    def read(self, size: int | None = -1, /) -> str:
        """Read as many characters, or all that are left."""
        wanted = None if size is None or size < 0 else size
        parts, length = [self._rest], len(self._rest)
        while (wanted is None or length < wanted) and (row := next(self._rows, None)) is not None:
            parts.append(row)
            length += len(row)
        found = "".join(parts)
        self._rest = "" if wanted is None else found[wanted:]
        return found if wanted is None else found[:wanted]

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override] # io's is of any text, and allows for None
        """Read a row."""
        line = self._rest or next(self._rows, "")
        self._rest = "" if size < 0 else line[size:]
        return line if size < 0 else line[:size]


class _WholeRows:
    """Rows, each of which is looked at."""

    def __init__(self, lines: Iterable[str], separator: str, options: Mapping[str, Any], name: str, line: int) -> None:
        self._name = name
        self._lines_before = line
        self._names = None if "usecols" in options else options.get("names")
        self._dialect = {option: options.get(option, usual) for option, usual in _DIALECT.items()}
        has_quotes = self._dialect["quoting"] != csv.QUOTE_NONE
        # Others would make numbers of cells.
        self._dialect["quoting"] = csv.QUOTE_MINIMAL if has_quotes else csv.QUOTE_NONE
        self._quote: str = self._dialect["quotechar"] if has_quotes else ""
        self._row = _row_of(separator, self._dialect) if has_quotes else None
        self._lines: list[str] = []
        self._reader = csv.reader(self._noted(lines), delimiter=separator, strict=True, **self._dialect)

    def _noted(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            self._lines.append(line)
            yield line

    def checked(self) -> Iterator[str]:
        """Give the rows, as text."""
        width = None
        while (cells := self._next()) is not None:
            row = "".join(self._lines)
            self._lines.clear()
            if width is None and cells:
                width = len(cells)
                self._check_names(width)
            if width == 1 and self._quote and not "".join(cells).strip():
                # pandas would pass over it; it is a row without a value.
                yield f"{self._quote * 2}\n"
                continue
            if cells and len(cells) != width:
                self._refuse_width(len(cells), width, row)
            if self._row is not None and self._quote in row and not self._row.fullmatch(row.rstrip("\r\n")):
                raise FilesError(f"{self._where()}: there is a quote inside a cell that is not quoted: {_ADVICE}")
            yield row

    def _next(self) -> list[str] | None:
        failure: Exception | None = None
        try:
            return next(self._reader, None)
        except csv.Error as error:
            said = str(error)  # which is about signs, never about what is in a cell
            failure = (
                RowsNotReadError(f"{self._name} ends in the middle (within quotes): is it still being written?")
                if "unexpected end of data" in said
                else FilesError(f"{self._where()}: {said}: {_ADVICE}")
            )
        raise failure

    def _refuse_width(self, cells: int, width: int | None, row: str) -> None:
        if width is not None and cells < width and not row.endswith(("\n", "\r")):
            raise RowsNotReadError(f"{self._name} ends in the middle of a row: is it still being written?")
        raise FilesError(f"{self._where()}: a row of {cells} cells, and the first row has {width}")

    def _check_names(self, width: int) -> None:
        # Of fewer names pandas would make those of the last cells, and take the first ones for an index.
        if isinstance(self._names, Sequence) and len(self._names) != width:
            raise FilesError(
                f"{self._where()}: the first row has {width} cells, and names in data_options are {len(self._names)}"
            )

    def _where(self) -> str:
        return f"{self._name} cannot be read with these data_options, line {self._lines_before + self._reader.line_num}"


_ADVICE = (
    "a quote within a cell is written twice, and the cell within quotes; where quotes are text, write "
    "data_options={'quoting': 3}"
)


def _row_of(separator: str, dialect: Mapping[str, Any]) -> re.Pattern[str] | None:
    """Make a pattern of rows in which quotes stand around cells, or are doubled; None where there is more to it."""
    if dialect["escapechar"] is not None or not dialect["doublequote"]:
        return None
    quote, between = re.escape(dialect["quotechar"]), re.escape(separator)
    blanks = " *" if dialect["skipinitialspace"] else ""
    cell = f"{blanks}(?:{quote}(?:[^{quote}]|{quote}{quote})*+{quote}|[^{quote}{between}]*+)"
    return re.compile(f"{cell}(?:{between}{cell})*+")
