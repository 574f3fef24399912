"""A run of a task, and what each of its tries puts beside a snapshot: a sign that it has begun, then what it notes."""

from __future__ import annotations

import datetime as dt
import os
import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from airflow_provider_octopush.snapshot.records import Array
from airflow_provider_octopush.snapshot.sealing import Keys
from airflow_provider_octopush.snapshot.snapshot_file import Header, read_header, write
from airflow_provider_octopush.snapshot.store import BEGINNING, TIP, Store

#: The name of an addition: that of its try, which rises with time, and its number in the try; the sign's is 0.
_ADDITION = re.compile(r"([0-9a-f]{24}x?)-([0-9]+)")


@dataclass(frozen=True)
class Run:
    """
    A run, as far as the snapshot minds it.

    :param tries: the same for all tries of the run, and for no other.
    :param date: ISO 8601 in UTC; a snapshot of a later run is left alone. None: whatever the snapshot is of.
    :param reading: how phone numbers are read; JSON. None: as they were before.
    :param meaning: what, beside a contact's fields, decides what they mean to Octopush.
    :param dag_run: the same for all instances of a mapped task in one run of the Dag; empty where there is none.
    :param map_index: of the instance; -1 where the task is not mapped.
    :param erases: whether it erases people, so that nothing of them may be left anywhere.
    """

    tries: str
    date: str | None = None
    reading: Mapping[str, Any] | None = None
    meaning: bytes = b""
    dag_run: str = ""
    map_index: int = -1
    erases: bool = False

    def names(self, keys: Iterable[Keys]) -> Sequence[str]:
        """Return what may stand in a header for all tries of the run: what each secret makes of it."""
        return [one.digest_text(self.tries.encode()) for one in keys]


class Try:
    """
    One try of a run, by what it puts beside a snapshot.

    :param store: where it puts that.
    :param keys: that it is written with.
    :param erases: whether it erases people, and ends no run.
    :param writes: False: nothing is put.
    """

    def __init__(self, store: Store, keys: Keys, *, erases: bool, writes: bool) -> None:
        self._store = store
        self._keys = keys
        self.writes = writes
        # Later than all others, though the clocks of workers should differ.
        others = [*additions_of(store.additions()), writer_of_snapshot(store), writer_of_head(store)] if writes else []
        stamp = max([time.time_ns(), *(stamp_of(other) + 1 for other in others if other)])
        #: What tells it from all others; these names rise with time.
        self.name = f"{stamp:016x}{secrets.token_hex(4)}{'x' * erases}"
        #: The names of what was put, the sign first.
        self.additions: list[str] = []

    def put(self, header: Header, records: Iterable[Array] = ()) -> None:
        """Put the next addition."""
        number = len(self.additions)
        name = f"{self.name}-{number:06}"
        if self.writes:
            self._put(name, msgspec.structs.replace(header, sequence=number), records)
            self.additions.append(name)

    def put_head(self, header: Header) -> None:
        """Put the head in the place of the one before."""
        if self.writes:
            self._put(TIP, header, ())

    def _put(self, name: str, header: Header, records: Iterable[Array]) -> None:
        file, _ = write(header, self._keys, records)
        with file:
            self._store.put_addition(name, file)

    def close(self) -> None:
        """Take back the sign, where it is all that was put."""
        if self.writes and len(self.additions) == 1:
            with suppress(Exception):
                self._store.remove_additions(self.additions)


def additions_of(names: Iterable[str]) -> dict[str, dict[int, str]]:
    """Return of additions: try → number → name."""
    found: dict[str, dict[int, str]] = {}
    for name in names:
        if match := _ADDITION.fullmatch(name):
            found.setdefault(match[1], {})[int(match[2])] = name
    return found


def writer_of_snapshot(store: Store) -> str:
    """Return which try has written the snapshot that is there now; empty where there is none."""
    content = store.fetch_beginning()
    return "" if content is None else read_header(content, store.name).run


def writer_of_head(store: Store) -> str:
    """Return which try has written the head that is there now; empty where there is none."""
    head = store.fetch_addition(TIP)
    if head is None:
        return ""
    with head:
        return read_header(os.pread(head.fileno(), BEGINNING, 0), store.name).run


def stamp_of(name: str) -> int:
    """Tell of a try by its name when it began, in nanoseconds since 1970."""
    return int(name[:16], 16)


def erases(name: str) -> bool:
    """Tell of a try by its name whether it erases people."""
    return name.endswith("x")


def began(name: str) -> dt.datetime:
    """Tell of a try by its name when it began."""
    return dt.datetime.fromtimestamp(stamp_of(name) // 10**9, dt.UTC)
