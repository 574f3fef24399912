"""What an upstream task returned, in every shape that takes → its rows, as DataFrames."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

EXPECTED = "expected a DataFrame, a list of dicts, or what a mapped task returned (lists of dicts, or DataFrames)"


def read_upstream(
    data: Any, *, origin: str = "upstream", batch_size: int = 1_000
) -> Generator[pd.DataFrame, None, None]:
    """
    Give the rows of an upstream task as frames of bounded size.

    Values stay what they are: an integer beside a missing value stays an int, whatever the column's dtype. Column
    labels become text. What the caller handed over is never changed. A lazy sequence or an iterator is asked for one
    element at a time.

    Rows given as dicts need not have the same keys: a frame has all columns seen so far, in the order they came up, and
    None where a row has no such key.

    :param data: a DataFrame; dicts, one for each row, in a list, a sequence or an iterator; or a sequence or an
        iterator of DataFrames or of lists of dicts, such as Airflow makes of a mapped task.
    :param origin: who returned it, for error messages.
    :param batch_size: rows in a frame, at most. While one is read and checked, no answer is looked at: the default
        takes some milliseconds.
    :return: frames of dtype object. A DataFrame without rows gives one frame with its columns; a list without rows
        gives nothing.
    :raises TypeError: when ``data`` is not rows; says what came and where, by type, never by content.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: write 1 or more")
    columns: dict[Hashable, None] = {}
    rows: list[Mapping[Hashable, Any]] = []
    for piece in _pieces(data, origin):
        if isinstance(piece, pd.DataFrame):
            if rows:
                yield _frame_of_dicts(columns, rows)
                rows = []
            yield from _slices(piece, batch_size)
            continue
        columns.update(dict.fromkeys(piece))
        rows.append(piece)
        if len(rows) == batch_size:
            yield _frame_of_dicts(columns, rows)
            rows = []
    if rows:
        yield _frame_of_dicts(columns, rows)


def _pieces(data: Any, origin: str) -> Iterator[pd.DataFrame | Mapping[Hashable, Any]]:
    if data is None:
        raise TypeError(f"{origin} returned None; return [] for no rows")
    if isinstance(data, pd.DataFrame):
        yield data
        return
    if isinstance(data, Mapping):
        kind = type(data).__name__
        raise TypeError(
            f"{origin} returned a {kind}, {EXPECTED}: write [row] for one row, DataFrame(columns) for columns"
        )
    if not _is_list_like(data):
        raise TypeError(f"{origin} returned a {type(data).__name__}, {EXPECTED}")
    for position, item in enumerate(_one_by_one(data), 1):
        if isinstance(item, pd.DataFrame | Mapping):
            yield item
            continue
        where = f"item {position} of what {origin} returned is a {type(item).__name__}"
        if not _is_list_like(item):
            raise TypeError(f"{where}, {EXPECTED}")
        for inner_position, inner in enumerate(_one_by_one(item), 1):
            if not isinstance(inner, pd.DataFrame | Mapping):
                raise TypeError(f"{where} whose item {inner_position} is a {type(inner).__name__}, {EXPECTED}")
            yield inner


def _is_list_like(data: Any) -> bool:
    return isinstance(data, Iterable) and not isinstance(data, str | bytes | bytearray | memoryview)


def _one_by_one(data: Iterable[Any]) -> Iterator[Any]:
    if not isinstance(data, Sequence):
        yield from data
        return
    # By index, not by iterating: Airflow 2's lazy sequence fetches all of its values to iterate over them, and
    # Airflow 3's takes any value that it cannot find for the end.
    for index in range(len(data)):
        yield data[index]


def _slices(frame: pd.DataFrame, batch_size: int) -> Iterator[pd.DataFrame]:
    if len(frame) == 0 and len(frame.columns) == 0:
        return
    names = [str(label) for label in frame.columns]
    for start in range(0, max(len(frame), 1), batch_size):
        part = frame.iloc[start : start + batch_size]
        values = [_values(part.iloc[:, column]) for column in range(len(names))]
        yield _frame(names, list(zip(*values, strict=True)) if values else [()] * len(part))


def _values(column: pd.Series[Any]) -> list[Any]:
    stored = getattr(column.dtype, "numpy_dtype", column.dtype)
    if stored in (np.float16, np.float32):
        # As Python's floats they would seem to have digits that they never had.
        return list(column.to_numpy(stored, na_value=np.nan))
    return column.astype(object).tolist()


def _frame_of_dicts(columns: Iterable[Hashable], rows: list[Mapping[Hashable, Any]]) -> pd.DataFrame:
    labels = list(columns)
    return _frame([str(label) for label in labels], [tuple([row.get(label) for label in labels]) for row in rows])


def _frame(names: list[str], rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=names, index=range(len(rows)), dtype=object)
