"""
The journal of a snapshot: the entries that each try of a run writes beside it.

The first entry of a try is the sign that it has begun. Then comes what it is about to do, and what was confirmed. One
more entry, the head, holds what has to be remembered while the snapshot itself stays as it is.
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

#: The name of an entry: the name of its try, which rises with time, and the entry's number in it; the sign has 0.
_ENTRY = re.compile(r"([0-9a-f]{24}x?)-([0-9]+)")


@dataclass(frozen=True)
class Run:
    """
    What a snapshot needs to know about a run.

    :param tries: text that all tries of the run share, and no other run has.
    :param date: date of the run, in ISO 8601 and UTC. A run that finds the snapshot of a later date does nothing; None
        is not compared.
    :param reading: how phone numbers are read; JSON. None: as they were before.
    :param meaning: what, besides a contact's fields, decides what Octopush makes of it.
    :param dag_run: text that all instances of a mapped task share in one run of the Dag; empty where there is none.
    :param map_index: map index of the instance; -1 if the task is not mapped.
    :param erases: whether it erases contacts, so that nothing of them may be left anywhere.
    """

    tries: str
    date: str | None = None
    reading: Mapping[str, Any] | None = None
    meaning: bytes = b""
    dag_run: str = ""
    map_index: int = -1
    erases: bool = False

    def names(self, keys: Iterable[Keys]) -> Sequence[str]:
        """Return the names that the run's tries have in headers, one for each secret."""
        return [one.digest_text(self.tries.encode()) for one in keys]


@dataclass(eq=False)
class Try:
    """
    One try of a run, which writes entries beside a snapshot.

    :param store: the store that it writes to.
    :param keys: the keys that it writes with.
    :param name: its unique name; these names rise with time.
    :param writes: False: nothing is written.
    """

    store: SnapshotStore
    keys: Keys
    name: str
    writes: bool
    #: The names of the entries written, the sign first.
    entries: list[str] = field(default_factory=list, init=False)

    def put(self, header: Header, records: Iterable[Array] = ()) -> None:
        """Write the next entry."""
        number = len(self.entries)
        name = f"{self.name}-{number:06}"
        if self.writes:
            self._put(name, msgspec.structs.replace(header, sequence=number), records)
            self.entries.append(name)

    def put_head(self, header: Header) -> None:
        """Write the head, in place of the one before."""
        if self.writes:
            self._put(HEAD, header, ())

    def _put(self, name: str, header: Header, records: Iterable[Array]) -> None:
        file, _ = write(header, self.keys, records)
        with file:
            self.store.put_entry(name, file)

    def close(self) -> None:
        """Delete the sign if it is the only entry."""
        if self.writes and len(self.entries) == 1:
            with suppress(Exception):
                self.store.remove_entries(self.entries)


def begin_try(store: SnapshotStore, keys: Keys, *, erases: bool, writes: bool) -> Try:
    """Begin a try whose name rises above all that are there, even if the clocks of workers differ."""
    others = [*entries_of(store.entries()), writer_of_snapshot(store), writer_of_head(store)] if writes else []
    stamp = max([time.time_ns(), *(stamp_of(other) + 1 for other in others if other)])
    return Try(store, keys, f"{stamp:016x}{secrets.token_hex(4)}{'x' * erases}", writes)


def entries_of(names: Iterable[str]) -> dict[str, dict[int, str]]:
    """Return the entries without the head: try → number → name."""
    found: dict[str, dict[int, str]] = {}
    for name in names:
        if match := _ENTRY.fullmatch(name):
            found.setdefault(match[1], {})[int(match[2])] = name
    return found


def writer_of_snapshot(store: SnapshotStore) -> str:
    """Return the name of the try that wrote the current snapshot; empty if there is none."""
    content = store.fetch_beginning()
    return "" if content is None else read_header(content, store.name).try_name


def writer_of_head(store: SnapshotStore) -> str:
    """Return the name of the try that wrote the current head; empty if there is none."""
    head = store.fetch_entry(HEAD)
    if head is None:
        return ""
    with head:
        return read_header(os.pread(head.fileno(), BEGINNING, 0), store.name).try_name


def stamp_of(name: str) -> int:
    """Return when a try began, by its name, in nanoseconds since 1970."""
    return int(name[:16], 16)


def erases(name: str) -> bool:
    """Tell by a try's name whether it erases contacts."""
    return name.endswith("x")


def began(name: str) -> dt.datetime:
    """Return when a try began, by its name."""
    return dt.datetime.fromtimestamp(stamp_of(name) // 10**9, dt.UTC)
