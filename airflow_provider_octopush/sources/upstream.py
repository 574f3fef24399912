"""What an upstream task returned, in any shape → its rows, as DataFrames."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd

from airflow_provider_octopush.sources.arrow import frames_of_batches, import_pyarrow, is_narrow
from airflow_provider_octopush.sources.errors import NotRowsError, RowsNotReadError
from airflow_provider_octopush.sources.frames import frame_of, python_values

EXPECTED = (
    "expected a DataFrame, a list of dicts (or of other rows with named fields), or what a mapped task returned (lists "
    "of rows, or DataFrames)"
)
_UNNAMED = (
    "its values have no names: make each row a dict, or name them with data_columns=['phone_number', …] beside data=…"
)

_Row = Mapping[Hashable, Any]
_TEXT = (str, bytes, bytearray, memoryview)


def read_upstream(
    data: Any,
    *,
    columns: Sequence[str] | None = None,
    origin: str = "upstream",
    batch_size: int = 1_000,
) -> Generator[pd.DataFrame, None, None]:
    """
    Give the rows of an upstream task as frames of bounded size.

    Values stay what they are: an integer beside a missing value stays an int, whatever the column's dtype. Column
    labels become text. The caller's data is never changed. A lazy sequence or an iterator is asked for one element at a
    time.

    Rows with named fields need not have the same fields: a frame has all columns seen so far, in the order in which
    they appeared, and None where a row lacks a field.

    :param data: a DataFrame, or anything that speaks Arrow (has ``__arrow_c_stream__``: polars, pyarrow, DuckDB), which
        needs pyarrow; rows in a list, a sequence or an iterator; or a sequence or an iterator of DataFrames or of lists
        of rows, such as Airflow makes of a mapped task. A row is a dict, or has named fields: a dataclass, a named
        tuple, a row of SQLAlchemy or sqlite3.
    :param columns: names for rows that are tuples or lists.
    :param origin: the task that returned it, for error messages.
    :param batch_size: how many rows a frame has at most. While one is read and checked, answers wait: the default takes
        some milliseconds.
    :return: frames of dtype object. A DataFrame without rows gives one frame with its columns; a list without rows
        gives nothing.
    :raises NotRowsError: when ``data`` is not rows, or a row has two fields of one name; the message says what came and
        where, by type, never by content.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: write 1 or more")
    seen: dict[Hashable, None] = {}
    rows: list[_Row] = []
    for piece in _Pieces(columns, origin, batch_size).of(data):
        if isinstance(piece, pd.DataFrame):
            if rows:
                yield _frame_of_dicts(seen, rows)
                rows = []
            yield from _slices(piece, batch_size, origin)
            continue
        seen.update(dict.fromkeys(piece))
        rows.append(piece)
        if len(rows) == batch_size:
            yield _frame_of_dicts(seen, rows)
            rows = []
    if rows:
        yield _frame_of_dicts(seen, rows)


class _Pieces:
    """Takes data apart into frames and rows."""

    def __init__(self, columns: Sequence[str] | None, origin: str, batch_size: int) -> None:
        self._columns = columns
        self._origin = origin
        self._batch_size = batch_size

    def of(self, data: Any) -> Iterator[pd.DataFrame | _Row]:
        where = f"{self._origin} returned a {_kind(data)}"
        if data is None:
            raise NotRowsError(f"{self._origin} returned None; return [] for no rows")
        if isinstance(data, _TEXT):
            raise NotRowsError(f"{where}, {EXPECTED}: turn it into rows, such as by json.loads(…) or csv.DictReader(…)")
        if _named(data) is not None:
            raise NotRowsError(f"{where}, {EXPECTED}: write [row] for one row, DataFrame(columns) for columns")
        yield from self._within(data, where, depth=0)

    def _within(self, data: Any, where: str, depth: int) -> Iterator[pd.DataFrame | _Row]:
        """Give the frames and rows in data itself, in its items, or in their items."""
        if _is_frame(data):
            yield from self._frames(data, where)
        elif depth and (row := self._row(data, where, is_inside=depth > 1)) is not None:
            yield row
        elif depth > 1 or not isinstance(data, Iterable) or isinstance(data, _TEXT):
            raise NotRowsError(f"{where}, {EXPECTED}")
        else:
            for position, item in enumerate(_one_by_one(data), 1):
                of = f"{where} whose item {position}" if depth else f"item {position} of what {self._origin} returned"
                yield from self._within(item, f"{of} is a {_kind(item)}", depth + 1)

    def _frames(self, data: Any, where: str) -> Iterator[pd.DataFrame]:
        if self._columns is not None:
            raise NotRowsError(f"{where}, whose columns have names: leave data_columns out")
        if isinstance(data, pd.DataFrame):
            yield data
        else:
            pyarrow = import_pyarrow("pyarrow", f"{where}, which", NotRowsError)
            stream, failure = None, None
            try:
                stream = pyarrow.RecordBatchReader.from_stream(data)
            except (TypeError, ValueError):
                pass
            except Exception as error:  # noqa: BLE001 - the makers of rows share no base class
                failure = self._not_read(error)
            if failure is not None:
                raise failure
            if stream is None:
                raise NotRowsError(f"{where}, which is not a table, {EXPECTED}")
            yield from frames_of_batches(self._batches(stream), self._batch_size, f"what {self._origin} returned")

    def _batches(self, stream: Iterator[Any]) -> Iterator[Any]:
        """Give record batches; a lazy query may fail when they are asked for, and quote a row."""
        while True:
            batch, failure = None, None
            try:
                batch = next(stream, None)
            except Exception as error:  # noqa: BLE001 - the makers of rows share no base class
                failure = self._not_read(error)
            if failure is not None:
                raise failure
            if batch is None:
                return
            yield batch

    def _not_read(self, error: Exception) -> RowsNotReadError:
        return RowsNotReadError(
            f"what {self._origin} returned failed while rows were read: {type(error).__name__}; its words are left "
            "out, because they may quote a row"
        )

    def _row(self, item: Any, where: str, *, is_inside: bool = False) -> _Row | None:
        """
        Return an item as a row; None if it is not one.

        A list within a list may be a row without names, or hold rows: it holds rows if each of its items may be a row.
        """
        named = _named(item)
        if named is not None:
            if self._columns is not None:
                raise NotRowsError(f"{where} whose fields have names: leave data_columns out")
            return named
        if not isinstance(item, Sequence | np.ndarray) or isinstance(item, _TEXT):
            return None
        is_empty_row = self._columns is not None and isinstance(item, tuple) and not item
        if not is_inside and not is_empty_row and all(map(_may_be_row, item)):
            return None
        if self._columns is None:
            raise NotRowsError(f"{where}: {_UNNAMED}")
        if len(item) != len(self._columns):
            raise NotRowsError(f"{where} of {len(item)} values, but data_columns names {len(self._columns)}")
        return dict(zip(self._columns, item, strict=True))


def _kind(data: Any) -> str:
    return type(data).__name__


def _is_frame(data: Any) -> bool:
    return _is_table(type(data))


def _is_table(kind: Any) -> bool:
    return (hasattr(kind, "__arrow_c_stream__") and not issubclass(kind, pd.Series)) or issubclass(kind, pd.DataFrame)


def _may_be_row(value: Any) -> bool:
    kind: Any = type(value)
    return (
        _fields_of(kind) is not None
        or _is_frame(value)
        or (isinstance(value, Iterable) and not isinstance(value, _TEXT))
    )


def _named(item: Any) -> _Row | None:
    """Return a row with named fields as a mapping; None if it is not such a row."""
    kind: Any = type(item)
    fields = _fields_of(kind)
    return None if fields is None else fields(item)


@lru_cache(maxsize=256)
def _fields_of(kind: Any) -> Callable[[Any], _Row] | None:
    """Return the function that gives the fields of a type's rows; None if they have no names."""
    if issubclass(kind, Mapping):
        return dict  # a generator may fill the same one again
    if _is_table(kind):
        return None
    if hasattr(kind, "_asdict"):  # named tuples, rows of SQLAlchemy
        return lambda row: _by_name(row, row._fields)
    if hasattr(kind, "keys") and hasattr(
        kind, "__getitem__"
    ):  # rows of sqlite3 and asyncpg, which iterate over their values
        return lambda row: _by_name(row, row.keys())
    if dataclasses.is_dataclass(kind):
        names = tuple(field.name for field in dataclasses.fields(kind))
        return lambda row: {name: getattr(row, name) for name in names}
    return None


def _by_name(values: Iterable[Any], names: Iterable[Hashable]) -> _Row:
    pairs = list(zip(names, values, strict=True))
    row = dict(pairs)
    if len(row) < len(pairs):
        raise NotRowsError("a row has two fields of the same name: give each its own name")
    return row


def _one_by_one(data: Iterable[Any]) -> Iterator[Any]:
    if not isinstance(data, Sequence):
        yield from data
        return
    # By index, not by iterating: Airflow 2's lazy sequence fetches all of its values to iterate over them, and
    # Airflow 3's takes any value that it cannot find for the end.
    for index in range(len(data)):
        yield data[index]


def _slices(frame: pd.DataFrame, batch_size: int, origin: str) -> Iterator[pd.DataFrame]:
    if len(frame) == 0 and len(frame.columns) == 0:
        return
    names = [str(label) for label in frame.columns]
    of = f"what {origin} returned"
    for start in range(0, max(len(frame), 1), batch_size):
        part = frame.iloc[start : start + batch_size]
        values = [
            python_values(partial(_values, part.iloc[:, i]), i, name, frame.dtypes.iloc[i], of)
            for i, name in enumerate(names)
        ]
        yield frame_of(names, list(zip(*values, strict=True)) if values else [()] * len(part))


def _values(column: pd.Series[Any]) -> list[Any]:
    stored: Any = column.dtype
    if isinstance(stored, pd.CategoricalDtype):
        stored = stored.categories.dtype
    elif isinstance(stored, pd.SparseDtype):
        stored = stored.subtype
    if str(stored).startswith("dictionary<"):
        stored = pd.ArrowDtype(stored.pyarrow_dtype.value_type)
    if is_narrow(getattr(stored, "pyarrow_dtype", None)):
        stored = pd.ArrowDtype(getattr(stored.pyarrow_dtype, "storage_type", stored.pyarrow_dtype))
    stored = getattr(stored, "numpy_dtype", stored)
    if stored in (np.float16, np.float32):
        # As Python floats, they would show digits that they never had.
        return list(column.to_numpy(stored, na_value=np.nan))
    return column.astype(object).tolist()


def _frame_of_dicts(columns: Iterable[Hashable], rows: list[_Row]) -> pd.DataFrame:
    labels = list(columns)
    return frame_of([str(label) for label in labels], [tuple([row.get(label) for label in labels]) for row in rows])
