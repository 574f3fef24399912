"""A CSV file for a person, at any path that Airflow can write to."""

from __future__ import annotations

import logging
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from airflow_provider_octopush.paths import ObjectPath, local_path, object_path, put_object
from airflow_provider_octopush.sync.csv_file import CsvFile

log = logging.getLogger(__name__)

File = TypeVar("File", bound=CsvFile)


def of_instance(path: str, map_index: int) -> str:
    """
    Return the path for an instance of a mapped task: ``rejects.csv`` becomes ``rejects-3.csv`` at map index 3.

    The instances run side by side: at one path, only the file of the last one to end would be left.

    :param map_index: -1 for a task that is not mapped, whose path stays as it is.
    """
    return path if map_index < 0 else _with_suffix(path, map_index)


def of_opt_outs(path: str) -> str:
    """
    Return the path, beside the rejected rows, of opt-outs that cannot be read: ``rejects.csv`` gives
    ``rejects-opted-out.csv``.

    They have a file of their own, because corrected rejected rows are sent again, and opt-outs must not be.
    """
    return _with_suffix(path, "opted-out")


def of_refusal(path: str) -> str:
    """
    Return the path, beside the rejected rows, of Octopush's words about the refusal that ended a run: ``rejects.csv``
    gives ``rejects-refusal.csv``.
    """
    return _with_suffix(path, "refusal")


def _with_suffix(path: str, suffix: object) -> str:
    folder, slash, name = path.rpartition("/")
    # A name that begins with a dot has no suffix there.
    stem, dot, ending = name.rpartition(".")
    return f"{folder}{slash}{stem}-{suffix}{dot}{ending}" if stem else f"{path}-{suffix}"


@contextmanager
def open_csv(path: str, make: Callable[[Path], File]) -> Iterator[File]:
    """
    Write a file to a path. The whole file is there when the context ends, however it ends.

    :param path: a local path, or a URI of Airflow's object storage, such as ``s3://conn_id@bucket/rejects.csv``.
    :param make: makes the file at a local path.
    :raises OSError: or another error of the store, when the file cannot be written. A store is tested before the
        context begins, with an empty object beside the path, which is deleted again.
    """
    local = local_path(path)
    if local is not None:
        with make(local) as file:
            yield file
        return
    target = object_path(path)
    _try(target)
    with tempfile.TemporaryDirectory(prefix="octopush-csv-") as folder:
        here = Path(folder) / "file.csv"
        opened = make(here)
        try:
            with opened as file:
                yield file
        except BaseException:
            try:
                put_object(here, target)
            except Exception:
                # The failure that ended the run must stay the one that is raised.
                log.exception("the %s could not be written to %s", opened.holds, path)
            raise
        put_object(here, target)


def _try(target: ObjectPath) -> None:
    """Write a test object beside the file, so that a wrong bucket fails before anything is sent."""
    beside = target.parent / f".{target.name}-{uuid.uuid4().hex}.part"
    put_object(os.devnull, beside)
    # A login that may write need not be allowed to delete.
    with suppress(Exception):
        beside.unlink()
