"""CSV, JSON lines and Parquet files → their rows, as DataFrames, in bounded memory."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from airflow_provider_octopush.sources.arrow import frames_of_batches, import_pyarrow
from airflow_provider_octopush.sources.contents import GZIP, PARQUET, check_begins, check_text
from airflow_provider_octopush.sources.csv_options import CSV_SUFFIXES
from airflow_provider_octopush.sources.csv_reader import read_csv
from airflow_provider_octopush.sources.errors import FilesError, RowsNotReadError, UnusableSourceError
from airflow_provider_octopush.sources.text_lines import lines_of
from airflow_provider_octopush.sources.upstream import read_upstream
from airflow_provider_octopush.text import NAMED_BY_FIRST_LINE, RoundedFloat

if TYPE_CHECKING:
    import pandas as pd

Options = Mapping[str, Any]

#: The most digits that a float of 4 bytes is written with (FLT_DECIMAL_DIG in C).
_SINGLE_DIGITS = 9


class File(NamedTuple):
    """
    A file, in whatever store.

    :param name: its path or URI, whose suffix tells its format.
    :param open: opens it for reading bytes.
    """

    name: str
    open: Callable[[], BinaryIO]


def read_files(
    files: Iterable[File],
    options: Options | None = None,
    *,
    columns: Sequence[str] | None = None,
    batch_size: int = 1_000,
) -> Generator[pd.DataFrame, None, None]:
    """
    Give the rows of files, one file after the other.

    Cells of a CSV are the text in the file. Values of JSON and Parquet are read by Python and pyarrow: an integer
    beside a null stays an int, and a JSON number with a point is a float. What a file's path says, such as
    ``country=FR``, is no column.

    :param files: CSV (``.csv``), JSON lines (``.jsonl``, ``.ndjson``, ``.json``; one object on a line) or Parquet
        (``.parquet``, which needs pyarrow). CSV and JSON lines may be compressed (``.gz``).
    :param options: options for the reader: those of :func:`csv.reader`, with ``encoding`` and ``null``; those of
        :class:`io.TextIOWrapper` (such as ``encoding``) for JSON lines; those of
        ``pyarrow.parquet.ParquetFile.iter_batches`` (such as ``columns``).
    :param columns: names of the columns, for CSV files whose first row does not have them.
    :param batch_size: how many rows a frame has at most. While one is read and checked, answers wait: the default takes
        some milliseconds.
    :return: frames of dtype object, with the columns of their file. A file without rows gives one frame with its
        columns, and an empty file gives nothing.
    :raises FilesError: when a file is not what its suffix and the options say; the message quotes nothing of its rows.
    :raises RowsNotReadError: when a file ends in the middle, which may be because it is still being written.
    """
    options = {} if options is None else options
    if not isinstance(options, Mapping):
        raise FilesError(f"data_options is a {type(options).__name__}: write a dict, such as {{'encoding': 'cp1252'}}")
    for file in files:
        reader = _reader(file.name)
        if columns is None:
            yield from reader(file, options, batch_size)
        elif reader is _csv:
            yield from _csv(file, options, batch_size, columns)
        else:
            raise FilesError(f"{file.name} is not a CSV, so its columns have names: leave data_columns out")


def _reader(name: str) -> _Reader:
    suffix = name.lower()
    for end, reader in _READERS.items():
        if suffix.endswith(end):
            return reader
    raise FilesError(
        f"{name} has none of the suffixes {', '.join(_READERS)}: rename it, or exclude it with a glob, such as "
        "data_path='folder/*.csv'"
    )


def _found(file: File, stack: ExitStack) -> BinaryIO:
    try:
        return stack.enter_context(file.open())
    except FileNotFoundError:
        pass
    raise RowsNotReadError(f"{file.name} has gone since the files were listed, or is a link that leads nowhere")


def _opened(file: File, stack: ExitStack) -> BinaryIO:
    opened = _found(file, stack)
    if not file.name.lower().endswith(".gz"):
        check_text(opened, file.name)
        return opened
    # Python's gzip takes a file of no bytes for an empty one, but every writer begins with a header.
    check_begins(opened, file.name, GZIP)
    return cast(BinaryIO, stack.enter_context(gzip.open(opened)))


def _whole(frames: Iterable[pd.DataFrame], name: str) -> Iterator[pd.DataFrame]:
    """Give frames; turn a reader's exceptions into ones that hold nothing of a row."""
    frames = iter(frames)
    while True:
        failure: Exception | None = None
        try:
            frame = next(frames, None)
        except (UnusableSourceError, RowsNotReadError):
            raise
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            failure = RowsNotReadError(
                f"{name} ends in the middle ({type(error).__name__}): is it still being written?"
            )
        except OSError as error:
            if not _is_damage(error):
                raise
            failure = RowsNotReadError(f"{name} is damaged or still being written: its content cannot be unpacked")
        except (TypeError, LookupError) as error:
            # These name options and encodings; about a value, a reader raises a ValueError.
            failure = FilesError(f"{name} cannot be read with these data_options: {error}")
        except (ValueError, ArithmeticError, AttributeError, AssertionError) as error:
            failure = FilesError(
                f"{name} cannot be read with these data_options: {type(error).__name__}; its words are left out, "
                "because they may quote a row"
            )
        if failure is not None:
            raise failure
        if frame is None:
            return
        yield frame


# CSV


def _csv(file: File, options: Options, batch_size: int, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
    with ExitStack() as stack:
        frames = read_csv(_opened(file, stack), file.name, options, columns, batch_size)
        for frame in _whole(frames, file.name):
            frame.attrs[NAMED_BY_FIRST_LINE] = columns is None
            yield frame


# JSON lines


def _json_lines(file: File, options: Options, batch_size: int) -> Iterator[pd.DataFrame]:
    with ExitStack() as stack:
        rows = _objects(_opened(file, stack), options, file.name)
        yield from _whole(read_upstream(rows, origin=file.name, batch_size=batch_size), file.name)


def _objects(opened: BinaryIO, options: Options, name: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines_of(opened, name, **options), 1):
        if line.isspace():
            continue
        try:
            row = _parsed(line)
        except LookupError as error:
            raise FilesError(f"{name}, line {number}: {error}") from None
        if isinstance(row, dict):
            yield row
        elif row is None and not line.endswith("\n"):
            raise RowsNotReadError(f"{name} ends in the middle of line {number}: is it still being written?")
        else:
            raise FilesError(f"{name}, line {number}: this is not a JSON object; JSON lines have one in each line")


def _parsed(line: str) -> Any:
    with suppress(ValueError, RecursionError):
        return json.loads(line, object_pairs_hook=_object, parse_float=_number)
    return None


def _number(text: str) -> float:
    mantissa, exponent, _ = text.casefold().partition("e")
    digits = mantissa.replace(".", "").strip("-0")
    return RoundedFloat(text) if exponent and len(digits) <= _SINGLE_DIGITS else float(text)


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        raise LookupError("a name is there twice")
    return names


# Parquet


def _parquet(file: File, options: Options, batch_size: int) -> Iterator[pd.DataFrame]:
    parquet = import_pyarrow("pyarrow.parquet", file.name, FilesError)
    pyarrow = import_pyarrow("pyarrow", file.name, FilesError)
    with ExitStack() as stack:
        opened, failure = _found(file, stack), None
        check_begins(opened, file.name, PARQUET)
        try:
            table = stack.enter_context(parquet.ParquetFile(opened))
        except (pyarrow.ArrowInvalid, OSError) as error:
            if not _is_damage(error):
                raise
            failure = RowsNotReadError(f"{file.name} is not a whole Parquet file: is it still being written?")
        if failure is not None:
            raise failure
        batches = _batches(pyarrow, table, options, batch_size)
        yield from _whole(frames_of_batches(batches, batch_size, file.name), file.name)


def _is_damage(error: Exception) -> bool:
    # For damage within a file, Arrow raises an OSError without a number of the system's.
    return not isinstance(error, OSError) or (type(error) is OSError and error.errno is None)


def _batches(pyarrow: Any, table: Any, options: Options, batch_size: int) -> Iterator[Any]:
    if table.metadata.num_rows:
        yield from table.iter_batches(batch_size=batch_size, **options)
    else:
        yield pyarrow.RecordBatch.from_pylist([], schema=table.schema_arrow)


_Reader = Callable[[File, Options, int], Iterator["pd.DataFrame"]]
_READERS: dict[str, _Reader] = {
    **dict.fromkeys(CSV_SUFFIXES, _csv),
    **dict.fromkeys((f".{kind}{end}" for kind in ("jsonl", "ndjson", "json") for end in ("", ".gz")), _json_lines),
    ".parquet": _parquet,
}
