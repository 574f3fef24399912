"""
The journal of a snapshot: what each try of a run puts beside it.

The first entry of a try is the sign that it has begun; then come what it is about to do, and what was confirmed. One
entry more, the head, says what has to be remembered although the snapshot stays as it is.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from airflow_provider_octopush.snapshot.records import Array
from airflow_provider_octopush.snapshot.sealing import Keys
from airflow_provider_octopush.snapshot.snapshot_file import Header, read_header, write
from airflow_provider_octopush.snapshot.snapshot_store import BEGINNING, HEAD, SnapshotStore

#: The name of an entry: that of its try, which rises with time, and its number in the try; the sign's is 0.
_ENTRY = re.compile(r"([0-9a-f]{24}x?)-([0-9]+)")


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


@dataclass(eq=False)
class Try:
    """
    One try of a run, by what it puts beside a snapshot.

    :param store: where it puts that.
    :param keys: that it is written with.
    :param name: tells it from all others; these names rise with time.
    :param writes: False: nothing is put.
    """

    store: SnapshotStore
    keys: Keys
    name: str
    writes: bool
    #: The names of what was put, the sign first.
    entries: list[str] = field(default_factory=list, init=False)

    def put(self, header: Header, records: Iterable[Array] = ()) -> None:
        """Put the next entry."""
        number = len(self.entries)
        name = f"{self.name}-{number:06}"
        if self.writes:
            self._put(name, msgspec.structs.replace(header, sequence=number), records)
            self.entries.append(name)

    def put_head(self, header: Header) -> None:
        """Put the head in the place of the one before."""
        if self.writes:
            self._put(HEAD, header, ())

    def _put(self, name: str, header: Header, records: Iterable[Array]) -> None:
        file, _ = write(header, self.keys, records)
        with file:
            self.store.put_entry(name, file)

    def close(self) -> None:
        """Take back the sign, where it is all that was put."""
        if self.writes and len(self.entries) == 1:
            with suppress(Exception):
                self.store.remove_entries(self.entries)


def begin_try(store: SnapshotStore, keys: Keys, *, erases: bool, writes: bool) -> Try:
    """Begin a try, by a name that rises above all that are there, though the clocks of workers should differ."""
    others = [*entries_of(store.entries()), writer_of_snapshot(store), writer_of_head(store)] if writes else []
    stamp = max([time.time_ns(), *(stamp_of(other) + 1 for other in others if other)])
    return Try(store, keys, f"{stamp:016x}{secrets.token_hex(4)}{'x' * erases}", writes)


def entries_of(names: Iterable[str]) -> dict[str, dict[int, str]]:
    """Return of entries, without the head: try → number → name."""
    found: dict[str, dict[int, str]] = {}
    for name in names:
        if match := _ENTRY.fullmatch(name):
            found.setdefault(match[1], {})[int(match[2])] = name
    return found


def writer_of_snapshot(store: SnapshotStore) -> str:
    """Return which try has written the snapshot that is there now; empty where there is none."""
    content = store.fetch_beginning()
    return "" if content is None else read_header(content, store.name).try_name


def writer_of_head(store: SnapshotStore) -> str:
    """Return which try has written the head that is there now; empty where there is none."""
    head = store.fetch_entry(HEAD)
    if head is None:
        return ""
    with head:
        return read_header(os.pread(head.fileno(), BEGINNING, 0), store.name).try_name


def stamp_of(name: str) -> int:
    """Tell of a try by its name when it began, in nanoseconds since 1970."""
    return int(name[:16], 16)


def erases(name: str) -> bool:
    """Tell of a try by its name whether it erases people."""
    return name.endswith("x")


def began(name: str) -> dt.datetime:
    """Tell of a try by its name when it began."""
    return dt.datetime.fromtimestamp(stamp_of(name) // 10**9, dt.UTC)
