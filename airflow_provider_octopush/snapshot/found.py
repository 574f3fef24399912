"""
What a run finds when it begins: the snapshot, and what unfinished runs recorded beside it.

Entries of the journal count in full only if they follow each other and the snapshot. Contacts that were added to
another generation, or by runs that did not know of each other, count as "may be there": they are sent again, or removed
if they are missing from the rows.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO

from msgspec.structs import replace

from airflow_provider_octopush.exceptions import (
    OlderRunError,
    SnapshotConflictError,
    SnapshotMismatchError,
    SnapshotUnreadableError,
)
from airflow_provider_octopush.snapshot.journal import Run, entries_of
from airflow_provider_octopush.snapshot.marks import (
    AS_THEY_ARE,
    OF_ANOTHER_RUN,
    OF_THIS_RUN,
    OUT_OF_ORDER,
    OUTDATED,
    OWN_SNAPSHOT,
)
from airflow_provider_octopush.snapshot.records import Array, Records, Spool, merged
from airflow_provider_octopush.snapshot.sealing import Keys
from airflow_provider_octopush.snapshot.snapshot_file import Header, Identity, Opened, Progress, open_file
from airflow_provider_octopush.snapshot.snapshot_store import BEGIN_ANEW, HEAD, ONE_AT_A_TIME, RESTORE, SnapshotStore

log = logging.getLogger(__name__)

_NOTHING = Header(secret="", try_name="")


class Reader:
    """Reads a snapshot and its journal: everything must belong to one account, list and task."""

    def __init__(
        self, store: SnapshotStore, keys: Sequence[Keys], identity: Identity, run: Run, resources: ExitStack
    ) -> None:
        self.store = store
        self._keys = keys
        self.identity = identity
        self._run = run
        self._resources = resources
        # No entry must stay open.
        self._copies = self.spool()

    def spool(self) -> Spool:
        return self._resources.enter_context(closing(Spool()))

    def snapshot(self) -> Opened | None:
        file = self.store.fetch()
        if file is None:
            return None
        self._resources.callback(file.close)
        return self._open(file, self.store.name)

    def entry(self, name: str) -> Opened:
        file = self.store.fetch_entry(name)
        if file is None:
            raise SnapshotConflictError(f"another run that writes {self.store.name} has just ended: {ONE_AT_A_TIME}")
        with file:
            opened = self._open(file, f"the journal of {self.store.name}")
            return opened._replace(records=self._copies.extend(opened.records.blocks()))

    def entries(self, names: Mapping[int, str], included: int, last: Header) -> list[Opened]:
        """Open the entries of a try that the last snapshot does not include, or its sign if that is all."""
        numbers = sorted(number for number in names if number > included) or [0]
        found = [self.entry(names[number]) for number in numbers]
        # Entries of a run that was taken over long ago are no more than a hint.
        is_late = all(part.header.generation < last.generation for part in found)
        if numbers not in ([0], [*range(included + 1, included + 1 + len(numbers))]) and not is_late:
            raise SnapshotUnreadableError(
                f"{self.store.name} is not whole, because an entry of its journal is missing: {RESTORE}"
            )
        return found

    def put_together(self, layers: Sequence[tuple[Opened, Array]]) -> Records:
        """
        Return the final records of layers that were written one after the other, each with a table of how its marks
        change.
        """
        old = self.spool().records()
        if layers and layers[0][1] is AS_THEY_ARE and not layers[0][0].keys:
            # This is the snapshot, which is sorted.
            (opened, _), *layers = layers
            old = opened.records
        if not layers:
            return old
        with closing(Spool()) as later:
            for opened, marks in layers:
                later.extend(self._resealed(block, opened.keys, marks) for block in opened.records.blocks())
            return self.spool().extend(merged(old, later.records()))

    def _open(self, file: BinaryIO, what: str) -> Opened:
        opened = open_file(file, self._keys, what)
        found, wanted, header = opened.identity, self.identity, opened.header
        for is_of, one, other in (
            ("another Octopush account", found.account, wanted.account),
            (f"the list {found.list_name!r}, not of {wanted.list_name!r}", found.list_name, wanted.list_name),
            (f"the task {found.writer}, not of {wanted.writer}", found.writer, wanted.writer),
        ):
            if one != other and other is not None:
                raise SnapshotMismatchError(
                    f"{self.store.name} is the snapshot of {is_of}: give each list and each task a snapshot_path of "
                    "its own"
                )
        is_same_run = header.dag_run in [one.digest_text(self._run.dag_run.encode()) for one in self._keys]
        if self._run.dag_run and is_same_run and header.map_index != self._run.map_index:
            raise SnapshotMismatchError(
                f"{self.store.name} was written in this run of the Dag by the instance with map index "
                f"{header.map_index}, and each instance would remove the contacts of the others: give each instance "
                "its own list and snapshot_path"
            )
        self.identity = found
        return opened

    def _resealed(self, records: Array, keys: int, marks: Array) -> Array:
        """
        Return records as the newest secret seals them, with their marks changed.

        A digest made with an older secret cannot be compared. It becomes one that no contact has, so all are sent
        again.
        """
        resealed = self._keys[0].seal(self._keys[keys].open(records)) if keys else records.copy()
        resealed["mark"] = marks[records["mark"]]
        return resealed


@dataclass(frozen=True)
class Found:
    """
    What was there when a run began.

    :param name: the snapshot's name in messages.
    :param names_of_run: the names that the tries of this run have in headers, one for each secret.
    :param base: the snapshot; None if there is none.
    :param head: the head; one of no try if it says no more than the snapshot.
    :param others: the entries of other tries.
    :param unfinished: try → the last of its entries that is not in the snapshot.
    :param entries: what these tries recorded, in the order of time; the sign of a try that recorded nothing.
    """

    name: str
    names_of_run: Sequence[str]
    base: Opened | None
    head: Header
    others: Mapping[str, Mapping[int, str]]
    unfinished: Mapping[str, int]
    entries: Sequence[Sequence[Opened]]

    @property
    def last(self) -> Header:
        """The snapshot's header."""
        return _NOTHING if self.base is None else self.base.header

    @property
    def was_restored(self) -> bool:
        """Whether the snapshot is not the last one that was written."""
        return self.head is not _NOTHING and self.head.beside != self.last.try_name

    @property
    def was_written_by_this_run(self) -> bool:
        """Whether an earlier try of this run has written the snapshot."""
        return self.last.run in self.names_of_run

    @property
    def is_blank(self) -> bool:
        """Whether nothing is known of the list."""
        return self.base is None and self.head is _NOTHING and not self.tries

    @property
    def generation(self) -> int:
        """How often the snapshot was replaced."""
        return max(self.head.generation, self.last.generation + self.was_restored)

    @cached_property
    def tries(self) -> Sequence[Sequence[Opened]]:
        """The tries that have recorded more than that they began."""
        return [one for one in self.entries if one[-1].header.sequence]

    @cached_property
    def headers(self) -> Sequence[Header]:
        """The headers of the snapshot and of all that these tries recorded."""
        return [self.last, *(part.header for one in self.tries for part in one)]

    @cached_property
    def is_in_order(self) -> bool:
        """Whether each try goes on from the snapshot and from all tries before it."""
        before: dict[str, int] = {}
        for one in self.tries:
            header = one[-1].header
            if header.generation != self.generation or header.included != before:
                return False
            before[header.try_name] = header.sequence
        return not self.was_restored

    @cached_property
    def of_this_run(self) -> Sequence[Sequence[Opened]]:
        """The tries of this run, unless another run came after them."""
        others = [place for place, one in enumerate(self.tries, 1) if one[-1].header.run not in self.names_of_run]
        return self.tries[max(others, default=0) :] if self.is_in_order else []

    @property
    def date(self) -> str | None:
        """The latest date of a run."""
        headers = self.headers if self.was_restored else [*self.headers, self.head]
        return max((one.date for one in headers if one.date), default=None)

    def with_what_is_known(self, header: Header, reading: dict[str, Any]) -> Header:
        """Return a header of this run with everything that the next run has to know."""
        headers = [*self.headers, self.head]
        newest = max(headers, key=lambda one: (one.try_name, one.sequence))
        return replace(
            header,
            generation=self.generation,
            date=self.date,
            opted_out=newest.opted_out if self.is_in_order else max(one.opted_out for one in headers),
            reading=reading,
            countries=sorted({code for one in headers for code in one.countries}),
            beside=self.last.try_name if self.head is _NOTHING else self.head.beside,
            included={name: number for name, number in self.unfinished.items() if number},
        )

    def check(self, run: Run) -> None:
        """
        Check that a run may begin.

        :raises SnapshotConflictError: when it erases contacts that a run which is under way would bring back.
        :raises OlderRunError: when a later run has written the snapshot.
        """
        if run.erases and any(one[-1].header.run not in self.names_of_run for one in self.entries):
            raise SnapshotConflictError(
                f"a run that writes {self.name} is under way or was killed, and would bring back contacts that are "
                "erased now: let it end, or run it again, first. Nothing was removed"
            )
        if self.date is not None and run.date is not None and self.date > run.date:
            raise OlderRunError(
                f"this run is of {run.date}, and the run of {self.date} has written {self.name} already, so there is "
                "nothing left to do. If that later date was a mistake, put back the snapshot from before it, or "
                f"{BEGIN_ANEW}"
            )

    def reading(self, run: Run) -> tuple[dict[str, Any], bool]:
        """Return how a run reads numbers, and whether they were read differently before."""
        before = [one.reading for one in self.headers if one.reading]
        reading = _reading_of_all(before) if run.reading is None else dict(run.reading)
        return reading, any(one != reading for one in before)

    def layers(self) -> list[tuple[Opened, Array]]:
        """Return everything recorded, in the order of time, each with a table of how its marks change."""
        of_base = OUTDATED if self.was_restored else OWN_SNAPSHOT if self.was_written_by_this_run else AS_THEY_ARE
        layers = [] if self.base is None else [(self.base, of_base)]
        for one in self.tries:
            marks = OUT_OF_ORDER if not self.is_in_order else OF_THIS_RUN if one in self.of_this_run else OF_ANOTHER_RUN
            layers += [(part, marks) for part in one]
        return layers

    def progress(self, size: int) -> Progress:
        """
        Return what earlier tries of this run have recorded; of a new run, nothing.

        :param size: how many contacts the list holds by now.
        """
        if self.of_this_run:
            log.info("an earlier try of this run has recorded what it did: going on from there")
            return self.of_this_run[-1][-1].header.progress
        # An earlier try may have finished except for the last steps.
        return self.last.progress if self.was_written_by_this_run and not self.tries else Progress(before=size)


def find(reader: Reader, own_name: str, names_of_run: Sequence[str]) -> Found:
    """
    Read the snapshot and everything beside it.

    :param own_name: the name of the try that has begun.
    :param names_of_run: the names of all tries of its run.
    """
    # The journal is listed before the snapshot is read: entries that are tidied away meanwhile are in the snapshot.
    names = reader.store.entries()
    base = reader.snapshot()
    last = _NOTHING if base is None else base.header
    head = reader.entry(HEAD).header if HEAD in names else _NOTHING
    if head.try_name <= last.try_name:
        # The snapshot says everything that an older head says.
        head = _NOTHING
    others = {name: of_try for name, of_try in entries_of(names).items() if name != own_name}
    unfinished = {name: max(of_try) for name, of_try in others.items() if max(of_try) > last.included.get(name, -1)}
    entries = [reader.entries(others[name], last.included.get(name, 0), last) for name in sorted(unfinished)]
    found = Found(reader.store.name, names_of_run, base, head, others, unfinished, entries)
    if found.was_restored:
        log.warning(
            "%s has generation %d, but the last one was %d: it was restored or is gone. What happened since is not "
            "known, so everything is sent again",
            found.name,
            last.generation,
            found.generation,
        )
    return found


def _reading_of_all(readings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how numbers were read; if that was not the same each time, a value that no run's reading equals."""
    different = [reading for place, reading in enumerate(readings) if reading not in readings[:place]]
    if len(different) > 1:
        return {"in several ways": different}
    return dict(different[0]) if different else {}
