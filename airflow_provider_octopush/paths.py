"""Local paths, and URIs of Airflow's object storage: tells them apart, and reads and writes objects."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from pathlib import Path
from typing import IO, Any, BinaryIO
from urllib.parse import unquote

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_octopush.exceptions import MissingProviderError

_PROVIDERS = {
    "s3": "apache-airflow-providers-amazon[s3fs]",
    **dict.fromkeys(("gs", "gcs"), "apache-airflow-providers-google"),
    **dict.fromkeys(("abfs", "abfss", "adl"), "apache-airflow-providers-microsoft-azure"),
}


ObjectPath = ObjectStoragePath


def local_path(path: str) -> Path | None:
    """
    Return a path on this machine; None for one on an object storage.

    :param path: a path, with ``~`` for the home folder of the task's user, or a URI. In a path, ``#`` and ``%`` are
        ordinary characters.
    """
    if path.startswith("file://"):
        return Path(unquote(path.removeprefix("file://")))
    return None if "://" in path else Path(path).expanduser()


def uri_of(path: str) -> str:
    """
    Return the URI of a path.

    :param path: a local path, or a URI, which stays as it is.
    """
    local = local_path(path)
    return path if local is None else local.absolute().as_uri()


def object_path(uri: str) -> ObjectPath:
    """
    Return Airflow's path of a URI, and check that the package that opens it is installed.

    :param uri: a URI such as ``s3://conn_id@bucket/name``.
    :raises MissingProviderError: when no installed package opens such a URI; the message names one that does.
    """
    try:
        path = ObjectStoragePath(uri)
        _ = path.fs
    except (ValueError, ImportError) as error:
        if isinstance(error, ValueError) and "filesystem" not in str(error):
            raise
    else:
        return path
    scheme = uri.partition("://")[0]
    package = _PROVIDERS.get(scheme, "the Airflow provider that does")
    raise MissingProviderError(f"no installed package opens {uri!r}: for {scheme}://, install {package}")


def open_beside(path: ObjectPath, name: str) -> BinaryIO:
    """
    Open an object to read it.

    :param path: path of any object in the store.
    :param name: name of the object, as its filesystem writes it.
    """
    # Through Airflow's own path, which notes for lineage what a task has read.
    conn_id = getattr(path, "conn_id", None) or path.storage_options.get("conn_id")  # Airflow 3, Airflow 2
    there: Any = type(path)(path.fs.unstrip_protocol(name), conn_id=conn_id)
    opened: BinaryIO = there.open("rb")
    return opened


def put_object(file: str | Path, path: ObjectPath) -> None:
    """Upload a local file as an object, which appears whole or not at all."""
    # Not through an open file of the store, which on an exception would leave there what it has so far.
    # A bucket needs no folders; to make one would make the bucket too, wherever its name is mistyped.
    if path.path.startswith("/"):
        path.fs.makedirs(path.parent.path, exist_ok=True)
    path.fs.put_file(str(file), path.path)


def put_file(file: IO[bytes], path: Path) -> None:
    """
    Replace a file by another one: a reader finds either of them whole, even after a crash.

    Only its owner can read it. Folders are made in the same way.
    """
    _make(path.parent)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.unfinished")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as target:
            file.seek(0)
            shutil.copyfileobj(file, target)
            target.flush()
            os.fsync(target.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    remove_unfinished(path.parent, path.name)
    _sync_folder(path.parent)


def remove_unfinished(folder: Path, name: str | None = None) -> None:
    """Remove what killed processes left behind while they wrote a file, or any file in the folder."""
    written = ".+" if name is None else re.escape(name)
    pattern = re.compile(rf"\.{written}\.[0-9a-f]{{16}}\.unfinished")
    for path in folder.iterdir() if folder.is_dir() else ():
        if pattern.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _make(folder: Path) -> None:
    """Make a folder and its parents; Python would make only the last one private."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
