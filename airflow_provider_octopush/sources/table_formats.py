"""
Recognizes tables that are folders of files with a log: only the log tells which of the files still count.

A file that the table no longer uses stays in its folder, so it still holds people whose rows were deleted.

Sources: https://github.com/delta-io/delta/blob/master/PROTOCOL.md, https://hudi.apache.org/tech-specs/,
https://iceberg.apache.org/spec/, https://paimon.apache.org/docs/master/concepts/spec/overview/
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple, NoReturn

from airflow_provider_octopush.exceptions import TableFormatError


class _TableFormat(NamedTuple):
    """
    The signs of a table.

    :param name: the format's name.
    :param folder: the folder within the table's own folder.
    :param file: pattern of a file's name in it, for a folder whose name others use too.
    """

    name: str
    folder: str
    file: re.Pattern[str] | None = None


_HUDI = _TableFormat("Hudi", ".hoodie")
_FORMATS = (
    _TableFormat("Delta Lake", "_delta_log"),
    _HUDI,
    _TableFormat("Iceberg", "metadata", re.compile(r".+\.metadata\.json(\.gz)?")),
    _TableFormat("Paimon", "schema", re.compile(r"schema-\d+")),
)
#: Hudi leaves this file in each folder of a partition.
_OF_HUDIS_PARTITION = ".hoodie_partition_metadata"
_UNAUTHORIZED, _FORBIDDEN = 401, 403


def refuse_tables_within(path: str, root: str, listed: Iterable[str], found: Collection[str]) -> None:
    """
    Refuse files in a folder that belong to a table.

    :param path: the path as the Dag writes it.
    :param root: the folder, as its store writes it.
    :param listed: all files and folders in it, as deep as a table may be.
    :param found: the files that would be read.
    :raises TableFormatError: when one of them belongs to a table.
    """
    folders = {str(folder) for file in found for folder in PurePosixPath(file).parents}
    for entry in listed:
        parts = PurePosixPath(entry.removeprefix(root).strip("/")).parts
        for i, part in enumerate(parts):
            kind = _kind_of(part, parts[i + 1 : i + 2])
            if kind is not None and (table := str(PurePosixPath(root, *parts[:i]))) in folders:
                _refuse(path, kind, table, part)


def _kind_of(name: str, after: Sequence[str]) -> _TableFormat | None:
    for kind in _FORMATS:
        if name == kind.folder and (kind.file is None or any(map(kind.file.fullmatch, after))):
            return kind
    return _HUDI if name.startswith(_OF_HUDIS_PARTITION) else None


def refuse_tables_above(path: str, store: Any, places: Iterable[str]) -> None:
    """
    Refuse files whose folders above belong to a table, as far up as this login may look.

    :param path: the path as the Dag writes it.
    :param places: files and folders, as the store writes them.
    :raises TableFormatError: when one of them belongs to a table.
    """
    # The name of a file on the web is not a path.
    for folder in {folder: None for place in places if "://" not in place for folder in _above(place)}:
        for kind in _FORMATS:
            if _is_there(store, kind, folder):
                _refuse(path, kind, folder, kind.folder)


def _above(place: str) -> Iterator[str]:
    for folder in (PurePosixPath(place), *PurePosixPath(place).parents):
        if str(folder) != ".":
            yield str(folder)


def _is_there(store: Any, kind: _TableFormat, table: str) -> bool:
    folder = str(PurePosixPath(table, kind.folder))
    try:
        names = store.ls(folder, detail=False)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except Exception as error:
        if _is_denied(error):
            return False
        raise
    return kind.file is None or any(kind.file.fullmatch(PurePosixPath(name).name) for name in names)


def _is_denied(error: Exception) -> bool:
    """Tell whether a store does not let this login look: S3's, Google's and Azure's each say so in their own way."""
    return (
        isinstance(error, PermissionError)
        or getattr(error, "status_code", getattr(error, "code", None)) in (_UNAUTHORIZED, _FORBIDDEN)
        or str(error).startswith("Forbidden: ")
    )


def _refuse(path: str, kind: _TableFormat, table: str, mark: str) -> NoReturn:
    raise TableFormatError(
        f"data_path {path!r} has files of a table that {kind.name} keeps ({mark} is in {table!r}), and such files "
        f"may hold rows that were deleted since: read the table with sql=…, through an engine that reads {kind.name}, "
        "or write its rows to a folder of their own"
    )
