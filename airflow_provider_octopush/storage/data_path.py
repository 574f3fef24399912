"""The files that rows are read of, at any path that Airflow can read from."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import unquote

import fsspec
from airflow.providers.common.compat.sdk import ObjectStoragePath
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_octopush.exceptions import MissingProviderError
from airflow_provider_octopush.storage.table_formats import (
    fixed_part,
    refuse_tables_above,
    refuse_tables_at,
    refuse_tables_within,
)


def find_files(path: str) -> list[tuple[str, Callable[[], BinaryIO]]]:
    """
    Find files, in the order of their names, so that a retry reads the same rows in the same order.

    Of a folder, all files at any depth are taken, but those with a name, or in a folder with a name, that begins with a
    dot or an underscore: these are what Spark and others leave beside the data, such as ``_SUCCESS``. A folder of a
    partition is taken also where the name of its column begins with an underscore: ``_country=FR``.

    :param path: of a file or a folder, or a glob: a local path, or a URI of Airflow's object storage, such as
        ``s3://conn_id@bucket/folder/*.csv``.
    :return: of each file, its name and what opens it.
    :raises FileNotFoundError: when there is no file; there may be one later.
    :raises MissingProviderError: when the path needs a package that is not installed.
    :raises TableFormatError: when the files are, or may be, of a table that an engine keeps.
    """
    store, root, opens = _store(path)
    place = root
    # What was listed before may have changed, and s3fs takes the part of a folder that a glob has listed for all of it.
    store.invalidate_cache()
    if store.isfile(root):
        found = [root]
    elif store.isdir(root):
        listed = store.find(root, withdirs=True, detail=True)
        found = [
            file
            for file, info in listed.items()
            if info["type"] != "directory" and not _is_hidden(file.removeprefix(root))
        ]
        refuse_tables_within(path, root, listed, found)
    else:
        matches = store.glob(root, detail=True) if any(sign in root for sign in "*?[") else {}
        found = [
            file
            for file, info in matches.items()
            if (info["type"] == "file" or info.get("islink"))
            and info["type"] != "directory"
            and not _is_hidden(PurePosixPath(file).name)
        ]
        refuse_tables_at(path, store, root, found)
        place = fixed_part(root)
    # A link may lead into a table.
    real = map(os.path.realpath, found) if isinstance(store, LocalFileSystem) else ()
    refuse_tables_above(path, store, [place, *(set(real) - set(found))])
    if not found:
        raise FileNotFoundError(f"there is no file at data_path {path!r}")
    return [(str(store.unstrip_protocol(file)), opens(file)) for file in sorted(found)]


def _store(path: str) -> tuple[Any, str, Callable[[str], Callable[[], BinaryIO]]]:
    """Return a filesystem, the path on it, and how a file on it is opened."""
    is_url = path.startswith("file://")
    if is_url or "://" not in path:
        # Not by Airflow, which would take a # or a % in a local path for a part of a URL.
        local: Any = fsspec.filesystem("file")
        return local, local._strip_protocol(unquote(path) if is_url else path), _opener(local.open)
    found, store = _found(path)
    conn_id = getattr(found, "conn_id", None) or found.storage_options.get("conn_id")  # Airflow 3, Airflow 2

    def open_by_airflow(file: str, mode: str) -> BinaryIO:
        # Airflow's own notes which files a task has read, for lineage.
        opened: BinaryIO = type(found)(found.fs.unstrip_protocol(file), conn_id=conn_id).open(mode)
        return opened

    return store, str(found.path), _opener(open_by_airflow)


_PROVIDERS = {
    "s3": "apache-airflow-providers-amazon[s3fs]",
    **dict.fromkeys(("gs", "gcs"), "apache-airflow-providers-google"),
    **dict.fromkeys(("abfs", "abfss", "adl"), "apache-airflow-providers-microsoft-azure"),
}


def _found(path: str) -> tuple[Any, Any]:
    """
    Return Airflow's path, and its filesystem.

    :raises MissingProviderError: when nothing that is installed reads such a path; names what does.
    """
    try:
        found: Any = ObjectStoragePath(path)
        store: Any = found.fs
    except (ValueError, ImportError) as error:
        if isinstance(error, ValueError) and "filesystem" not in str(error):
            raise
    else:
        return found, store
    scheme = path.partition("://")[0]
    package = _PROVIDERS.get(scheme, "the provider of Airflow that does")
    raise MissingProviderError(
        f"nothing that is installed reads data_path {path!r}: for {scheme}://, install {package}"
    )


def _opener(opens: Callable[[str, str], BinaryIO]) -> Callable[[str], Callable[[], BinaryIO]]:
    return lambda file: lambda: opens(file, "rb")


def _is_hidden(path: str) -> bool:
    *folders, name = PurePosixPath(path).parts
    return name.startswith((".", "_")) or any(
        folder.startswith(".") or (folder.startswith("_") and "=" not in folder) for folder in folders
    )
