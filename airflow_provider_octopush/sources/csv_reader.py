"""Lines of a CSV → its rows, as DataFrames: each cell is the text in the file."""

from __future__ import annotations

import csv
import re
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from airflow_provider_octopush.sources.csv_options import read_csv_options
from airflow_provider_octopush.sources.errors import FilesError, RowsNotReadError
from airflow_provider_octopush.sources.frames import frame_of
from airflow_provider_octopush.sources.text_lines import lines_of

if TYPE_CHECKING:
    import pandas as pd

_LIMIT = threading.Lock()


def read_csv(
    opened: BinaryIO, name: str, options: Mapping[str, Any], columns: Sequence[str] | None, batch_size: int
) -> Iterator[pd.DataFrame]:
    """
    Give the rows of a CSV.

    A blank line is not a row, except in a file of one column, where it is a row without a value.

    :param opened: the file, at its beginning. It is closed at the end.
    :param name: name of the file, for error messages.
    :param options: as :func:`~airflow_provider_octopush.sources.csv_options.read_csv_options` takes them.
    :param columns: names of the columns; None when the first row has them.
    :param batch_size: how many rows a frame has at most. No more of the file than this and one row, however long, is in
        memory.
    :return: frames of dtype object, with text in them, and None for NULL. Without rows, one frame with the columns, or
        nothing if there are no columns either.
    :raises FilesError: when a row has more or fewer cells than the first one or than ``columns``, a quote is misplaced,
        or the encoding is wrong. The message says where, and quotes nothing.
    :raises RowsNotReadError: when the file ends within a row.
    """
    chosen = read_csv_options(options)
    lines = lines_of(opened, name, encoding=chosen.encoding, newline="")
    rows = _rows(lines, chosen.dialect, name, None if columns is None else len(columns))
    names = columns
    if names is None:
        with _cells_of_any_size():
            names = next(rows, None)
        if names is None:
            return
    batch: list[list[Any]] | None = None
    while batch is None or len(batch) == batch_size:
        is_first = batch is None
        with _cells_of_any_size():
            batch = list(islice(rows, batch_size))
        if batch or is_first:
            if (null := chosen.null) is not None:
                batch = [[None if cell == null else cell for cell in row] for row in batch]
            yield frame_of(names, batch)


@contextmanager
def _cells_of_any_size() -> Iterator[None]:
    """Lift the csv module's limit on the size of a cell, and restore it: it applies to the whole process."""
    with _LIMIT:
        limit = csv.field_size_limit(sys.maxsize)
        try:
            yield
        finally:
            csv.field_size_limit(limit)


def _rows(lines: Iterable[str], dialect: Mapping[str, Any], name: str, width: int | None) -> Iterator[list[str]]:
    """Give rows, each of them checked: csv accepts rows of any number of cells, and most stray quotes."""
    quote, regular = dialect["quotechar"], _regular_row(dialect)
    of_others = "the first row has" if width is None else "data_columns names"
    of_row: list[str] = []
    reader = csv.reader(_noted(lines, of_row), strict=True, **dialect)
    line, failure = 0, None

    def where() -> str:
        return f"{name}, line {line + 1}"

    try:
        for cells in reader:
            if cells:
                width = width or len(cells)
                if len(cells) < width and not of_row[-1].endswith(("\n", "\r")):
                    raise RowsNotReadError(f"{where()}: the file ends within this row: {_STILL_WRITTEN}")
                if len(cells) != width:
                    raise FilesError(f"{where()}: a row of {len(cells)} cells, but {of_others} {width}")
                if quote is not None and quote in "".join(cells) and not regular.fullmatch("".join(of_row)):
                    # It may be the end of a cell whose quotes are escaped in a way that the options do not name.
                    raise FilesError(f"{where()}: there is a quote inside an unquoted cell: {_ADVICE}")
                yield cells
            elif width == 1:
                yield [""]
            of_row.clear()
            line = reader.line_num
    except csv.Error as error:
        said = str(error)  # about characters of the syntax, never about a cell's content
        failure = (
            RowsNotReadError(f"{where()}: the file ends within the quotes of this row: {_STILL_WRITTEN}")
            if said == "unexpected end of data"
            else FilesError(f"{where()}: {said}: {_ADVICE}")
        )
    if failure is not None:
        raise failure


def _noted(lines: Iterable[str], of_row: list[str]) -> Iterator[str]:
    for line in lines:
        of_row.append(line)
        yield line


_STILL_WRITTEN = "is it still being written?"
_ADVICE = (
    "put a cell that has a quote in it into quotes, and write the quote twice or after an 'escapechar'; if quotes "
    "are text, write data_options={'quoting': 3}"
)


def _regular_row(dialect: Mapping[str, Any]) -> re.Pattern[str]:
    """Make a pattern of rows whose quotes enclose cells, or are doubled or escaped inside them."""
    signs = (dialect["quotechar"] or '"', dialect["delimiter"], dialect["escapechar"] or "")
    quote, delimiter, escape = map(re.escape, signs)
    escaped = f"|{escape}." if escape else ""
    quoted = f"{quote}(?:[^{quote}{escape}]|{quote}{quote}{escaped})*+{quote}"
    plain = f"(?:[^{quote}{delimiter}{escape}]{escaped})*+"
    cell = f"{' *+' if dialect['skipinitialspace'] else ''}(?:{quoted}|{plain})"
    return re.compile(f"{cell}(?:{delimiter}{cell})*+(?:\r\n?|\n)?", re.DOTALL)
