"""
Folders of partitions, such as ``country=FR`` → columns of the rows of the files in them.

Source: Hive's layout, which Spark, Athena, BigQuery and DuckDB write, https://arrow.apache.org/docs/python/dataset.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pandas as pd

from airflow_provider_octopush.sources.errors import FilesError
from airflow_provider_octopush.text import fold_name

if TYPE_CHECKING:
    Cells = Mapping[str, str | None]

_NULL = "__HIVE_DEFAULT_PARTITION__"


def cells_of_path(path: str) -> Cells:
    """
    Read the values of partitions in a file's path.

    :param path: the file's path or URI.
    :return: column → its value in all rows of the file: text as it is, or None.
    :raises FilesError: when a folder's name is not in UTF-8, or two name the same column.
    """
    cells: dict[str, str | None] = {}
    for folder in path.rpartition("://")[2].split("/")[:-1]:
        name, is_column, value = (_decoded(part, path) for part in folder.partition("="))
        if is_column and name:
            if name in cells:
                raise FilesError(f"{path} is in two partition folders named {name!r}: give each its own name")
            cells[name] = None if value == _NULL else value
    return cells


def _decoded(part: str, path: str) -> str:
    with suppress(UnicodeDecodeError):
        return unquote(part, errors="strict")
    raise FilesError(f"{path} is in a partition folder whose name is not in UTF-8: rename it")


def with_cells(frames: Iterable[pd.DataFrame], cells: Cells) -> Iterator[pd.DataFrame]:
    """
    Give frames with the columns of their file's path after their own.

    :param frames: frames of dtype object.
    :param cells: as :func:`cells_of_path` gives them. If the file has such a column itself, its own counts.
    """
    for frame in frames:
        for name, value in _missing_in(map(str, frame.columns), cells).items():
            frame[name] = pd.Series([value] * len(frame), index=frame.index, dtype=object)
        yield frame


def row_with_cells(row: dict[str, Any], cells: Cells) -> dict[str, Any]:
    """Give a row with the values of its file's path after its own; if it has such a field itself, its own counts."""
    return {**row, **_missing_in(row, cells)} if cells else row


def _missing_in(names: Iterable[str], cells: Cells) -> Cells:
    own = set(map(fold_name, names))
    return {name: value for name, value in cells.items() if fold_name(name) not in own}
