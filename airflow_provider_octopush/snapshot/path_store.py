"""A snapshot at any path that Airflow can write to: a local file, or an object in a store."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, BinaryIO

from airflow_provider_octopush.paths import local_path, object_path, put_file, put_object, remove_unfinished
from airflow_provider_octopush.snapshot.snapshot_store import BEGINNING, SnapshotStore

#: The suffix of the journal's folder, beside the snapshot.
JOURNAL = ".journal"


def open_store(path: str) -> SnapshotStore:
    """
    Return the store of a snapshot; nothing is read or written yet.

    :param path: a local path, or a URI of Airflow's object storage, such as ``s3://conn_id@bucket/customers.snapshot``.
    """
    local = local_path(path)
    return ObjectStore(path) if local is None else LocalStore(local)


class LocalStore:
    """
    A snapshot in a file that only its owner can read; folders are made in the same way.

    A new file is written beside the old one, flushed to disk, and moved into place: a reader finds either of them
    whole.

    :param path: path of the snapshot.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._journal = self._path.with_name(self._path.name + JOURNAL)

    @property
    def name(self) -> str:
        """The snapshot's name in messages."""
        return str(self._path)

    def fetch(self) -> BinaryIO | None:
        """Open the snapshot; None when there is none."""
        return _opened(self._path)

    def fetch_beginning(self) -> bytes | None:
        """Return the beginning of the current snapshot, with its header; None if there is none."""
        file = _opened(self._path)
        if file is None:
            return None
        with file:
            return file.read(BEGINNING)

    def put(self, file: IO[bytes]) -> None:
        """Put a named file in the snapshot's place."""
        put_file(file, self._path)

    def entries(self) -> list[str]:
        """Return the names of all entries of the journal."""
        try:
            return sorted(path.name for path in self._journal.iterdir() if not path.name.startswith("."))
        except FileNotFoundError:
            return []

    def fetch_entry(self, name: str) -> BinaryIO | None:
        """Open an entry; None if it has gone meanwhile."""
        return _opened(self._journal / name)

    def put_entry(self, name: str, file: IO[bytes]) -> None:
        """Put a named file in the journal."""
        put_file(file, self._journal / name)

    def remove_entries(self, names: Iterable[str]) -> None:
        """Remove entries, and what processes left behind; an entry that is gone already is not an error."""
        for name in names:
            (self._journal / name).unlink(missing_ok=True)
        remove_unfinished(self._journal)


class ObjectStore:
    """
    A snapshot in an object of a store; a written object appears only when it is whole.

    :param path: URI of the snapshot.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        self._path: Any = object_path(path)
        self._journal: Any = self._path.parent / (self._path.name + JOURNAL)

    def fetch(self) -> BinaryIO | None:
        """Copy the snapshot to a temporary file; None when there is none."""
        return self._copied(self._path)

    def fetch_beginning(self) -> bytes | None:
        """Return the beginning of the current snapshot, with its header; None if there is none."""
        self._path.fs.invalidate_cache()
        try:
            content: bytes = self._path.fs.cat_file(self._path.path, start=0, end=BEGINNING)
        except FileNotFoundError:
            return None
        return content

    def put(self, file: IO[bytes]) -> None:
        """Put a named file in the snapshot's place."""
        put_object(file.name, self._path)

    def entries(self) -> list[str]:
        """Return the names of all entries of the journal."""
        # A cached listing would hide what has changed since, which is what is asked for.
        self._path.fs.invalidate_cache()
        try:
            found = self._path.fs.ls(self._journal.path, detail=False)
        except FileNotFoundError:
            return []
        return sorted(name for path in found if (name := path.rstrip("/").rpartition("/")[2]) != self._journal.name)

    def fetch_entry(self, name: str) -> BinaryIO | None:
        """Copy an entry to a temporary file; None if it has gone meanwhile."""
        return self._copied(self._journal / name)

    def put_entry(self, name: str, file: IO[bytes]) -> None:
        """Put a named file in the journal."""
        put_object(file.name, self._journal / name)

    def remove_entries(self, names: Iterable[str]) -> None:
        """Remove entries; an entry that is gone already is not an error."""
        for name in names:
            with suppress(FileNotFoundError):
                self._path.fs.rm_file((self._journal / name).path)

    def _copied(self, path: Any) -> BinaryIO | None:
        path.fs.invalidate_cache()
        file = tempfile.TemporaryFile(prefix="octopush-")  # noqa: SIM115 - the caller closes it
        try:
            with path.fs.open(path.path, "rb") as source:
                shutil.copyfileobj(source, file)
            file.flush()
        except FileNotFoundError:
            file.close()
            return None
        except BaseException:
            file.close()
            raise
        return file


def _opened(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None
