"""What a person can do with a snapshot: describe it, look up numbers, export it, and tidy up after a dead run."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import islice

import msgspec
import numpy as np

from airflow_provider_octopush.exceptions import SnapshotMissingError
from airflow_provider_octopush.phones.possible import PossibleNumbers
from airflow_provider_octopush.snapshot.journal import Run, began, erases
from airflow_provider_octopush.snapshot.marks import MAY_BE_GONE, MAY_BE_THERE, are
from airflow_provider_octopush.snapshot.opening import open_snapshot
from airflow_provider_octopush.snapshot.sealing import Keys
from airflow_provider_octopush.snapshot.snapshot import Snapshot
from airflow_provider_octopush.snapshot.snapshot_file import FORMAT, Identity
from airflow_provider_octopush.snapshot.snapshot_store import SnapshotStore

#: How many lines are looked up at a time, and how many characters of a line may hold a number.
_TOGETHER = 10_000
_LINE_MAX = 100


class Presence(StrEnum):
    """What a snapshot says about a number; if a line has several forms, the first of these counts."""

    HAS = "has"
    MAY_BE_THERE = "may be there"
    MAY_BE_GONE = "may be gone"
    NOT_THERE = "not there"


def _presence_of(mark: int) -> Presence:
    record = np.array((mark,), [("mark", np.uint8)])
    if are(record, MAY_BE_GONE):
        return Presence.MAY_BE_GONE
    # A contact whose removal was refused is still there.
    return Presence.MAY_BE_THERE if are(record, MAY_BE_THERE) else Presence.HAS


_PRESENCES = [_presence_of(mark) for mark in range(256)]


def look_into(store: SnapshotStore, keys: Sequence[Keys], account: str, run: Run | None = None) -> Snapshot:
    """
    Open a snapshot with everything that runs have recorded beside it.

    :param account: the account that it must belong to.
    :param run: the run that writes; None leaves everything as it is.
    :raises SnapshotMissingError: when there is none.
    :raises SnapshotError: another of its subclasses, when it cannot be relied on.
    """
    snapshot = open_snapshot(store, keys, Identity(account, None, None), run or Run(""), writes=run is not None)
    if snapshot.first_run and not snapshot.unfinished:
        snapshot.close()
        raise SnapshotMissingError(
            f"there is no snapshot at {store.name}, and no run has recorded anything beside it: check the path. "
            "SyncListOperator writes one at the end of its first run"
        )
    return snapshot


def recover(store: SnapshotStore, keys: Sequence[Keys], account: str) -> int | None:
    """
    Merge what dead runs have recorded into the snapshot, as the next run would; a run that is still under way ends.

    The next run may do the same as before: which runs are older, and whether numbers are read differently, stays as it
    was.

    :return: how many contacts it holds now; None when no run has left anything.
    :raises SnapshotError: when another run has begun meanwhile, or the snapshot cannot be relied on.
    """
    with look_into(store, keys, account, Run(f"recover {secrets.token_hex(8)}")) as snapshot:
        return snapshot.replace() if snapshot.unfinished and not snapshot.is_blank else None


def described(snapshot: Snapshot) -> Iterator[str]:
    """Give the lines that describe a snapshot, without any phone number."""
    header = snapshot.header
    marks = sum((np.bincount(block["mark"], minlength=256) for block in snapshot.records.blocks()), np.zeros(256, int))
    counts = dict.fromkeys([Presence.HAS, Presence.MAY_BE_THERE, Presence.MAY_BE_GONE], 0)
    for state, number in zip(_PRESENCES, marks.tolist(), strict=True):
        counts[state] += number
    yield f"snapshot: {snapshot.name}\n"
    yield f"format: {FORMAT}\n"
    yield f"generation: {header.generation}{' (no run has finished yet)' * snapshot.first_run}\n"
    yield f"date of the run: {header.date or 'none'}\n"
    yield f"list: {snapshot.identity.list_name}\n"
    yield f"task: {snapshot.identity.writer}\n"
    yield f"numbers were read: {msgspec.json.encode(header.reading).decode() if header.reading else 'not known'}\n"
    yield f"countries: {', '.join(f'+{code}' for code in header.countries) or 'none'}\n"
    yield f"opted out: {header.opted_out:,}\n"
    yield f"contacts: {snapshot.size:,}\n"
    for state, number in counts.items():
        yield f"  {state}: {number:,}\n"
    for name, last in sorted(snapshot.unfinished.items()):
        what = "an erasure" if erases(name) else "a run"
        recorded = "has recorded what it is doing" if last else "has recorded nothing yet"
        yield f"runs: {what} that began at {began(name).isoformat()} is under way, or was killed; it {recorded}\n"
    if not snapshot.unfinished:
        yield "runs: none is under way, and none was killed\n"


def exported(snapshot: Snapshot) -> Iterator[str]:
    """Give a CSV of all contacts, some ten thousand lines at a time: the number, and what is known about it."""
    yield "phone_number,mark\n"
    for block in snapshot.records.blocks():
        numbers = zip(snapshot.numbers(block), block["mark"].tolist(), strict=True)
        yield "".join([f"+{number},{_PRESENCES[mark]}\n" for number, mark in numbers])


def looked_up(snapshot: Snapshot, lines: Iterable[str]) -> Iterator[tuple[int, str, Presence | None]]:
    """
    Look up numbers.

    :param lines: lines with one number each, with a plus. Blank ones are left out.
    :return: for each line its number, from 1, its text, and what the snapshot says about it; None if it is not a number
        with a plus.
    """
    possible = PossibleNumbers()
    remaining = enumerate(lines, 1)
    while together := list(islice(remaining, _TOGETHER)):
        texts = [(number, " ".join(line.split())) for number, line in together if line.strip()]
        forms = [_forms(possible, text) for _, text in texts]
        wanted = sorted(set().union(*forms))
        positions, found = snapshot.find(wanted)
        states = {
            number: _PRESENCES[mark]
            for number, position, mark in zip(wanted, positions.tolist(), found["mark"].tolist(), strict=True)
            if position >= 0
        }
        for (line, text), numbers in zip(texts, forms, strict=True):
            of_each = [states.get(number, Presence.NOT_THERE) for number in numbers]
            yield line, text, min(of_each, key=list(Presence).index, default=None)


def _forms(possible: PossibleNumbers, text: str) -> frozenset[int]:
    if text[:1] != "+" or len(text) > _LINE_MAX:
        return frozenset()
    read = possible.read(text)
    return read.numbers if read.reason is None else frozenset()
