"""
Folders of partitions, such as ``country=FR`` → columns of the rows of the files in them.

Source: Hive's layout, which Spark, Athena, BigQuery and DuckDB write, https://arrow.apache.org/docs/python/dataset.html
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pandas as pd

from airflow_provider_octopush.sources.errors import FilesError
from airflow_provider_octopush.sources.upstream import by_name
from airflow_provider_octopush.text import fold_name

if TYPE_CHECKING:
    Cells = Mapping[Hashable, str | None]

_NULL = "__HIVE_DEFAULT_PARTITION__"


def cells_of_path(path: str) -> Cells:
    """
    Read what the folders of a file's path say of its rows.

    :param path: of the file, or its URI.
    :return: column → its value in all rows of the file: text as it is, or None. A column that two folders name is there
        twice.
    :raises FilesError: when a folder's name is not in UTF-8.
    """
    folders = path.rpartition("://")[2].split("/")[:-1]
    pairs = [(name, value) for name, is_column, value in (folder.partition("=") for folder in folders) if is_column]
    try:
        cells = [(unquote(name, errors="strict"), unquote(value, errors="strict")) for name, value in pairs if name]
    except UnicodeDecodeError:
        cells = None
    if cells is None:
        raise FilesError(f"{path} is in a folder of a partition, the name of which is not in UTF-8: rename it")
    return by_name([(name, None if value == _NULL else value) for name, value in cells])


def with_cells(frames: Iterable[pd.DataFrame], cells: Cells) -> Iterator[pd.DataFrame]:
    """
    Give frames with the columns of their file's path behind their own.

    :param frames: of dtype object.
    :param cells: as :func:`cells_of_path` gives them. A column that the file has itself stays the file's.
    """
    for frame in frames:
        for name, value in _missing_in(map(str, frame.columns), cells):
            column = pd.Series([value] * len(frame), index=frame.index, dtype=object)
            frame.insert(len(frame.columns), str(name), column, allow_duplicates=True)
        yield frame


def row_with_cells(row: dict[Hashable, Any], cells: Cells) -> dict[Hashable, Any]:
    """Give a row with the values of its file's path behind its own; what it has itself stays its own."""
    return {**row, **dict(_missing_in(map(str, row), cells))} if cells else row


def _missing_in(names: Iterable[str], cells: Cells) -> list[tuple[Hashable, str | None]]:
    own = set(map(fold_name, names))
    return [(name, value) for name, value in cells.items() if fold_name(str(name)) not in own]
