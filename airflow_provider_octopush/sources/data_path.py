"""Finds the files that rows are read from, at any path that Airflow can read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import glob_translate

from airflow_provider_octopush.paths import local_path, object_path, open_beside
from airflow_provider_octopush.sources.errors import FilesError
from airflow_provider_octopush.sources.files import File
from airflow_provider_octopush.sources.table_formats import refuse_tables_above, refuse_tables_within


def find_files(path: str) -> list[File]:
    """
    Find files, in the order of their names, so that a retry reads the same rows in the same order.

    A folder stands for all files in it, at any depth, except those whose name, or whose folder's name, begins with a
    dot or an underscore: Spark and others leave such files beside the data, such as ``_SUCCESS``. A partition's folder
    counts even if the name of its column begins with an underscore: ``_country=FR``. A glob stands for all files that
    match, except those with such names below the glob's first sign.

    :param path: a file, a folder or a glob: a local path, or a URI of Airflow's object storage, such as
        ``s3://conn_id@bucket/folder/*.csv``.
    :raises FileNotFoundError: when there is no file yet.
    :raises OSError: when a folder in which there may be files cannot be listed.
    :raises FilesError: when a glob also matches a folder, of which it takes no file, or meets a link to a folder; when
        an object storage has two things of one name.
    :raises MissingProviderError: when the path needs a package that is not installed.
    :raises TableFormatError: when the files belong, or may belong, to a table that an engine keeps.
    """
    store, root, open_file = _store(path)
    # A cached listing may be out of date.
    store.invalidate_cache()
    place, found, listed = root, [root], {}
    if store.isfile(root) and _is_folder_too(store, root):
        raise _two_of_one_name(root)
    if not store.isfile(root):
        depth = None
        if not store.isdir(root) and (signs := re.search(r"[^/]*[*?[]", root)):
            place = root[: signs.start()].rstrip("/")
            # One level more: the log of a table, or its content, is there.
            depth = None if "**" in root else root.count("/", signs.start()) + 2
        is_data, matches, leads_there = _is_data_below(place), _matches(root), _leads_to(root)

        def is_chosen(file: str) -> bool:
            return is_data(file) and (place == root or matches(file))

        def may_hold_files(folder: str) -> bool:
            return is_data(f"{folder}/file") and (place == root or leads_there(folder))

        listed = _listed(store, place, depth, may_hold_files)
        # A link that leads nowhere is not a folder: it is not skipped.
        folders = [file for file, info in listed.items() if info["type"] == "directory"]
        found = [file for file in listed.keys() - folders if is_chosen(file)]
        if place != root:
            _refuse_links(path, (file for file, info in listed.items() if info.get("islink") and may_hold_files(file)))
        refuse_tables_within(path, place, listed, found)
        if place != root:
            others = [file for file in listed.keys() - folders if is_data(file)]
            _refuse_folders(path, filter(is_chosen, folders), found, others)
    # A link may lead into a table.
    real = map(os.path.realpath, found) if isinstance(store, LocalFileSystem) else ()
    refuse_tables_above(path, store, [place, *(set(real) - set(found))])
    if not found:
        raise FileNotFoundError(f"there is no file at data_path {path!r}")
    return [File(str(store.unstrip_protocol(file)), partial(open_file, file)) for file in sorted(found)]


def _store(path: str) -> tuple[Any, str, Callable[[str], BinaryIO]]:
    """Return a filesystem, the path on it, and a function that opens a file on it."""
    local = local_path(path)
    if local is not None:
        # Not through Airflow, which would take a # or a % in a local path for part of a URL.
        files: Any = fsspec.filesystem("file")
        return files, files._strip_protocol(str(local)), files.open
    found = object_path(path)
    return found.fs, str(found.path), partial(open_beside, found)


def _is_folder_too(store: Any, file: str) -> bool:
    try:
        return bool(store.isdir(file))
    except PermissionError:  # who may read an object need not be allowed to list
        return False


def _listed(
    store: Any, place: str, depth: int | None, may_hold_files: Callable[[str], bool]
) -> dict[str, dict[str, Any]]:
    """
    List what is below a folder, if it is there.

    A part that cannot be listed would look as if it had no files. (``find`` and ``walk`` of fsspec leave it out, the
    latter even with ``on_error="raise"``: seen in 2026.9.0.)
    """
    listed: dict[str, dict[str, Any]] = {}
    to_do = [(place, depth)]
    while to_do:
        folder, levels = to_do.pop()
        entries = []
        try:
            entries = store.ls(folder, detail=True)
        except OSError:
            if may_hold_files(folder) and (folder != place or store.exists(place)):
                raise
        for entry in entries:
            name, is_folder = entry["name"].rstrip("/"), entry["type"] == "directory"
            # An object without content may mark a folder.
            is_second = name in listed and (entry.get("size") or listed[name].get("size"))
            if is_second or (name == folder and is_folder and entry["name"] != folder):
                raise _two_of_one_name(name)
            if name == folder or (name in listed and not is_folder):
                continue
            listed[name] = entry
            if is_folder and levels != 1:
                to_do.append((name, levels and levels - 1))
    return listed


def _two_of_one_name(name: str) -> FilesError:
    return FilesError(
        f"{name} is the name of a folder and also of an object, or of a folder without a name within it ({name}//): "
        "only one of them can be read, so rename the other"
    )


def _refuse_links(path: str, links: Iterable[str]) -> None:
    for link in links:
        if os.path.isdir(link):  # noqa: PTH112 - a path of the store
            raise FilesError(
                f"data_path {path!r} leads through {PurePosixPath(link).name}, a link to a folder, and a glob does not "
                "follow links: write the path of that folder, or a glob within it"
            )


def _refuse_folders(path: str, folders: Iterable[str], found: Sequence[str], others: Sequence[str]) -> None:
    """Refuse folders with files of which none is read: Spark writes a folder where its caller names a file."""
    for folder in folders:
        inside = f"{folder}/"
        if any(file.startswith(inside) for file in others) and not any(file.startswith(inside) for file in found):
            raise FilesError(
                f"data_path {path!r} also matches the folder {PurePosixPath(folder).name}, of which it takes no file: "
                "write a glob that matches only files, or, for all files, the path of the folder above"
            )


def _is_data_below(root: str) -> Callable[[str], bool]:
    def is_data(file: str) -> bool:
        *folders, name = PurePosixPath(file.removeprefix(root)).parts
        return not name.startswith((".", "_")) and not any(
            folder.startswith(".") or (folder.startswith("_") and "=" not in folder) for folder in folders
        )

    return is_data


def _leads_to(pattern: str) -> Callable[[str], bool]:
    """Whether a folder may hold files that a glob matches, or matches it itself."""
    parts = PurePosixPath(pattern).parts
    if "**" in pattern:
        return lambda _: True

    def leads(folder: str) -> bool:
        above = PurePosixPath(*parts[: len(PurePosixPath(folder).parts)])
        return re.match(glob_translate(str(above)), folder) is not None

    return leads


def _matches(pattern: str) -> Callable[[str], bool]:
    matches = re.compile(glob_translate(pattern)).match
    return lambda file: matches(file) is not None
