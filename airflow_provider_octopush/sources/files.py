"""CSV, JSON lines and Parquet files → their rows, as DataFrames, in bounded memory."""

from __future__ import annotations

import codecs
import gzip
import io
import itertools
import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from typing import Any, BinaryIO, NamedTuple, cast

import pandas as pd

from airflow_provider_octopush.sources.arrow import frames_of_batches, import_pyarrow
from airflow_provider_octopush.sources.cells import separator_line, to_the_end, whole_rows
from airflow_provider_octopush.sources.contents import check_gzip, check_parquet, check_text
from airflow_provider_octopush.sources.errors import FilesError, RowsNotReadError, UnusableSourceError
from airflow_provider_octopush.sources.partitions import cells_of_path, row_with_cells, with_cells
from airflow_provider_octopush.sources.upstream import by_name, read_upstream

Options = Mapping[str, Any]


class File(NamedTuple):
    """
    A file, wherever it is.

    :param name: its path or URI: its suffix tells what is in it.
    :param open: opens it, to read bytes.
    """

    name: str
    open: Callable[[], BinaryIO]


#: Options that are not the caller's, and why.
_NOT_OPTIONS = {
    **dict.fromkeys(("chunksize", "iterator", "batch_size"), "files are read in batches in any case"),
    "filepath_or_buffer": "it is data_path that names files",
    "compression": "a file that is compressed is a .gz",
    "dialect": "say one by one what differs, such as 'sep' and 'quotechar'",
    "index_col": "each column stays one",
}


def read_files(
    files: Iterable[File], options: Options | None = None, *, batch_size: int = 1_000
) -> Generator[pd.DataFrame, None, None]:
    """
    Give the rows of files, one file after the other.

    Cells of a CSV are text, never numbers, and nothing is guessed: it is in UTF-8, with or without a byte order mark,
    its cells are separated by commas, and its first row has the columns' names. Values of JSON and Parquet are what
    Python and pyarrow make of them: an integer beside a null stays an int, and a JSON number with a point is a float.
    What folders of partitions in a file's path say (``country=FR``) are columns of its rows, as text, unless the file
    has a column of that name.

    :param files: CSV (``.csv``), JSON lines (``.jsonl``, ``.ndjson``, ``.json``; one object on a line) or Parquet
        (``.parquet``, which needs pyarrow). CSV and JSON lines may be compressed (``.gz``).
    :param options: for the reader: of :func:`pandas.read_csv`; of :class:`io.TextIOWrapper` (such as ``encoding``) for
        JSON lines; of ``pyarrow.parquet.ParquetFile.iter_batches`` (such as ``columns``).
    :param batch_size: rows in a frame, at most. While one is read and checked, no answer is looked at: the default
        takes some milliseconds.
    :return: frames of dtype object, with the columns that their file has. A file without rows gives a frame with its
        columns, and nothing when it is empty.
    :raises FilesError: when a file is not what its suffix and the options say; the message has nothing of its rows.
    :raises RowsNotReadError: when a file ends in the middle, which may be because it is still being written.
    """
    options = {} if options is None else options
    if not isinstance(options, Mapping):
        raise FilesError(f"data_options is a {type(options).__name__}: write a dict, such as {{'sep': ';'}}")
    for name, why in _NOT_OPTIONS.items():
        if name in options:
            raise FilesError(f"data_options has {name!r}: leave it out, {why}")
    for file in files:
        yield from _reader(file.name)(file, options, batch_size)


def _reader(name: str) -> Callable[[File, Options, int], Iterator[pd.DataFrame]]:
    suffix = name.lower()
    for end, reader in _READERS.items():
        if suffix.endswith(end):
            return reader
    raise FilesError(
        f"{name} has none of the suffixes {', '.join(_READERS)}: rename it, or leave it out by a glob such as "
        "data_path='folder/*.csv'"
    )


def _found(file: File, stack: ExitStack) -> BinaryIO:
    try:
        return stack.enter_context(file.open())
    except FileNotFoundError:
        pass
    raise RowsNotReadError(f"{file.name} is gone since the files were listed, or is a link that leads nowhere")


def _opened(file: File, stack: ExitStack) -> BinaryIO:
    opened = _found(file, stack)
    if not file.name.lower().endswith(".gz"):
        check_text(opened, file.name)
        return opened
    # To gzip, a file without a byte is empty; what writes one begins with its header.
    if not opened.read(1):
        raise RowsNotReadError(f"{file.name} is empty: is it still being written?")
    opened.seek(0)
    check_gzip(opened, file.name)
    return cast(BinaryIO, stack.enter_context(gzip.open(opened)))


def _whole(frames: Iterable[pd.DataFrame], name: str, options: Options) -> Iterator[pd.DataFrame]:
    """Give frames; what a reader raises becomes an exception that holds nothing of a row."""
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
            failure = RowsNotReadError(f"{name} is damaged, or still being written: what is in it cannot be unpacked")
        except UnicodeError:
            failure = FilesError(f"{name} is not in the encoding it is read in: write data_options={{'encoding': …}}")
        except pd.errors.ParserError as error:
            # Which says the number of a line, and nothing of what is on it.
            said = " ".join(str(error).split())
            failure = (
                RowsNotReadError(f"{name} ends in the middle ({said}): is it still being written?")
                if "EOF inside string" in said
                else FilesError(f"{name} cannot be read with these data_options: {said}")
            )
        except (TypeError, LookupError) as error:
            # Of names of options and encodings; of a value, a reader says more in its ValueError.
            failure = _without_words(name, error) if _has_functions(options) else _with_words(name, error)
        except (ValueError, ArithmeticError, AttributeError, AssertionError) as error:
            failure = _without_words(name, error)
        if failure is not None:
            raise failure
        if frame is None:
            return
        yield frame


def _with_words(name: str, error: Exception) -> FilesError:
    return FilesError(f"{name} cannot be read with these data_options: {error}")


def _without_words(name: str, error: Exception) -> FilesError:
    return FilesError(
        f"{name} cannot be read with these data_options: {type(error).__name__}; its words are left out, since they "
        "may quote a row"
    )


def _has_functions(options: Options) -> bool:
    """Tell whether options hold functions, such as converters: what these raise may be about a cell."""
    return any(
        map(
            callable,
            itertools.chain.from_iterable(v.values() if isinstance(v, Mapping) else (v,) for v in options.values()),
        )
    )


# CSV

_ABOUT_NAMES = ("header", "names", "usecols", "dtype", "converters", "parse_dates")
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def _csv(file: File, options: Options, batch_size: int) -> Iterator[pd.DataFrame]:
    usual: dict[str, Any] = {"dtype": object, "keep_default_na": False, "encoding": "utf-8-sig"}
    # The first row is taken for the names here: pandas would rename columns of the same name, and take the first cell
    # of rows that are longer than the names for an index. Who says something about the names has it pandas' way.
    takes_names = not any(name in options for name in _ABOUT_NAMES)
    if "dtype" in options:
        options = {**options, "dtype": _types(options["dtype"])}
    if takes_names:
        usual["header"] = None
        if isinstance(rows := options.get("nrows"), int):
            options = {**options, "nrows": rows + 1}
    with ExitStack() as stack:
        chunks = _chunks(_opened(file, stack), {**usual, **options}, batch_size, file.name)
        stack.callback(chunks.close)
        names: list[str] | None = None
        for chunk in _whole(chunks, file.name, options):
            frame = chunk.astype(object)
            if takes_names:
                if names is None:
                    names = [name if isinstance(name, str) else "" for name in frame.iloc[0]]
                    _check_separator(names, file.name, options)
                    frame = frame.iloc[1:]
                frame.columns = pd.Index(names)
            yield from with_cells([frame.reset_index(drop=True)], cells_of_path(file.name))


def _types(given: Any) -> Any:
    """
    Take out of the option ``dtype`` what changes cells.

    With no type, with categories, and for columns that it does not name, pandas guesses. What is too large for an
    integer of fewer than 8 bytes, pandas 2 makes another number of.
    """
    if isinstance(given, Mapping):
        return defaultdict(lambda: object, {name: _types(given[name]) for name in given})
    if given is None:
        return object
    try:
        dtype = pd.api.types.pandas_dtype(given)
    except TypeError:
        return given  # which pandas has words for
    if isinstance(dtype, pd.CategoricalDtype):
        return object
    if pd.api.types.is_integer_dtype(dtype):
        wide = "UInt64" if pd.api.types.is_unsigned_integer_dtype(dtype) else "Int64"
        return wide if pd.api.types.is_extension_array_dtype(dtype) else wide.lower()
    return given


def _chunks(opened: BinaryIO, options: Options, batch_size: int, name: str) -> Generator[pd.DataFrame, None, None]:
    options = dict(options)
    encoding, errors = options.pop("encoding"), options.pop("encoding_errors", "strict")
    if codecs.lookup(encoding).name == "utf-8":
        encoding = "utf-8-sig"
    with io.TextIOWrapper(opened, encoding=encoding, errors=errors, newline="") as text:
        line, separator = separator_line(text, options, name)
        options.update(separator)
        try:
            reader: Any = pd.read_csv(whole_rows(text, options, name, line), chunksize=batch_size, **options)
        except pd.errors.EmptyDataError:
            return
        with reader as chunks:
            yield from chunks


def _check_separator(names: list[str], file: str, options: Options) -> None:
    if len(names) != 1 or "sep" in options or "delimiter" in options:
        return
    for separator, word in _SEPARATORS.items():
        if separator in names[0]:
            raise FilesError(
                f"{file} has one column, and {word} in its name: write data_options={{'sep': {separator!r}}}"
            )


# JSON lines


def _json_lines(file: File, options: Options, batch_size: int) -> Iterator[pd.DataFrame]:
    with ExitStack() as stack:
        rows = _objects(_opened(file, stack), options, file.name)
        yield from _whole(read_upstream(rows, origin=file.name, batch_size=batch_size), file.name, options)


def _objects(opened: BinaryIO, options: Options, name: str) -> Iterator[dict[Hashable, Any]]:
    cells = cells_of_path(name)
    with io.TextIOWrapper(opened, **{"encoding": "utf-8-sig", **options}) as lines:
        for number, line in enumerate(to_the_end(lines), 1):
            if line.isspace():
                continue
            row = _parsed(line)
            if isinstance(row, dict):
                yield row_with_cells(row, cells)
            elif row is None and not line.endswith("\n"):
                raise RowsNotReadError(f"{name} ends in the middle of line {number}: is it still being written?")
            else:
                raise FilesError(f"{name}, line {number}: this is not a JSON object; JSON lines have one on each line")


def _parsed(line: str) -> Any:
    with suppress(ValueError, RecursionError):
        return json.loads(line, object_pairs_hook=by_name)
    return None


# Parquet


def _parquet(file: File, options: Options, batch_size: int) -> Iterator[pd.DataFrame]:
    parquet = import_pyarrow("pyarrow.parquet", file.name, FilesError)
    pyarrow = import_pyarrow("pyarrow", file.name, FilesError)
    with ExitStack() as stack:
        opened, failure = _found(file, stack), None
        check_parquet(opened, file.name)
        try:
            table = stack.enter_context(parquet.ParquetFile(opened))
        except (pyarrow.ArrowInvalid, OSError) as error:
            if not _is_damage(error):
                raise
            failure = RowsNotReadError(f"{file.name} is no whole Parquet file: is it still being written?")
        if failure is not None:
            raise failure
        batches = _batches(pyarrow, table, options, batch_size)
        frames = _whole(frames_of_batches(batches, batch_size, file.name), file.name, options)
        yield from with_cells(frames, cells_of_path(file.name))


def _is_damage(error: Exception) -> bool:
    # Of what is within a file, Arrow raises an OSError that no system has given a number.
    return not isinstance(error, OSError) or (type(error) is OSError and error.errno is None)


def _batches(pyarrow: Any, table: Any, options: Options, batch_size: int) -> Iterator[Any]:
    if table.metadata.num_rows:
        yield from table.iter_batches(batch_size=batch_size, **options)
    else:
        yield pyarrow.RecordBatch.from_pylist([], schema=table.schema_arrow)


_READERS: dict[str, Callable[[File, Options, int], Iterator[pd.DataFrame]]] = {
    **dict.fromkeys((".csv", ".csv.gz"), _csv),
    **dict.fromkeys((f".{kind}{end}" for kind in ("jsonl", "ndjson", "json") for end in ("", ".gz")), _json_lines),
    ".parquet": _parquet,
}
