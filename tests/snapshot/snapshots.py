"""Snapshots in tests: a store in memory that can fail, and the least it takes to record and to look up."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import IO, Any, BinaryIO

import numpy as np

from airflow_provider_octopush.payloads import ContactPayload
from airflow_provider_octopush.snapshot import opening
from airflow_provider_octopush.snapshot.journal import Run
from airflow_provider_octopush.snapshot.records import Spool
from airflow_provider_octopush.snapshot.sealing import Keys
from airflow_provider_octopush.snapshot.snapshot import Snapshot
from airflow_provider_octopush.snapshot.snapshot_file import Identity

SECRET = "a secret of more than 32 characters"
KEYS = [Keys(SECRET)]
IDENTITY = Identity("account", "Customers", "dag.task")
READING = {"default_region": ["FR"]}


class MemoryStore:
    """A snapshot in memory; ``before`` is called with the name of each operation, and may raise."""

    name = "memory://customers.snapshot"

    def __init__(self) -> None:
        self.snapshot: bytes | None = None
        self.parts: dict[str, bytes] = {}
        self.before: Callable[[str], None] = lambda _: None

    def fetch(self) -> BinaryIO | None:
        self.before("fetch")
        return None if self.snapshot is None else _file(self.snapshot)

    def fetch_beginning(self) -> bytes | None:
        self.before("fetch_beginning")
        return None if self.snapshot is None else self.snapshot[:65536]

    def put(self, file: IO[bytes]) -> None:
        self.before("put")
        self.snapshot = _content(file)

    def entries(self) -> list[str]:
        self.before("entries")
        return sorted(self.parts)

    def fetch_entry(self, name: str) -> BinaryIO | None:
        self.before("fetch_entry")
        return _file(self.parts[name]) if name in self.parts else None

    def put_entry(self, name: str, file: IO[bytes]) -> None:
        self.before("put_entry")
        self.parts[name] = _content(file)

    def remove_entries(self, names: Iterable[str]) -> None:
        self.before("remove_entries")
        for name in names:
            self.parts.pop(name, None)


def open_snapshot(store: Any, run: str = "run 1", *, keys: Sequence[Keys] = KEYS, **options: Any) -> Snapshot:
    """Open a snapshot as the task ``dag.task`` does."""
    identity = options.pop("identity", IDENTITY)
    writes = options.pop("writes", True)
    reading = options.pop("reading", READING)
    return opening.open_snapshot(store, keys, identity, Run(run, reading=reading, **options), writes=writes)


def payloads(people: dict[int, str]) -> list[ContactPayload]:
    """Return what would be sent of people: number → first name."""
    return [ContactPayload(f"+{number}", name) for number, name in people.items()]


def journal(snapshot: Snapshot, numbers: Iterable[int] = (), to_remove: Iterable[int] = ()) -> None:
    """Write down people who are about to be sent, and others who are about to be removed."""
    positions, found = snapshot.find(list(numbers))
    places, _ = snapshot.find(list(to_remove))
    with closing(Spool()) as spool:
        spool.append(found)
        snapshot.write_journal(spool.records().blocks(), int((positions < 0).sum()), np.sort(places[places >= 0]))


def record(snapshot: Snapshot, people: dict[int, str], status: str = "added") -> None:
    """Record people as about to be sent, and then as confirmed."""
    _, found = snapshot.find(list(people))
    _, found["digest"] = snapshot.compare(payloads(people), found)
    snapshot.record_sending(found)
    snapshot.record_confirmed(found, [status] * len(people))


def forget(snapshot: Snapshot, numbers: Sequence[int]) -> None:
    """Record people as removed."""
    _, found = snapshot.find(numbers)
    snapshot.record_removed(found)


def held(snapshot: Snapshot) -> set[int]:
    """Return all numbers that a snapshot held when it was opened."""
    records = snapshot.records_at(np.arange(snapshot.size))
    return {number for part in records for number in snapshot.numbers(part)}


def same(snapshot: Snapshot, people: dict[int, str]) -> list[bool]:
    """Tell of each person whether the snapshot holds just that."""
    positions, found = snapshot.find(list(people))
    is_same, _ = snapshot.compare(payloads(people), found)
    return list(map(bool, is_same & (positions >= 0)))


def kill(snapshot: Snapshot) -> None:
    """Let a process end without a word: its files go, what it has put in the store stays."""
    snapshot.own.writes = False
    snapshot.close()


def _file(content: bytes) -> BinaryIO:
    file: Any = tempfile.TemporaryFile()  # noqa: SIM115 - the snapshot closes it
    file.write(content)
    file.flush()
    return file  # type: ignore[no-any-return]


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    target = io.BytesIO()
    target.write(file.read())
    return target.getvalue()
