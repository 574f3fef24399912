"""
Works out what a list may hold when a run begins: from the snapshot, and from what unfinished runs recorded beside it.

Entries of the journal count in full only if they follow each other and the snapshot. Contacts that were added to
another generation, or by runs that did not know of each other, count as "may be there": they are sent again, or removed
if they are missing from the rows.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from typing import Any, BinaryIO

import msgspec

from airflow_provider_octopush.exceptions import (
    OlderRunError,
    SnapshotConflictError,
    SnapshotMismatchError,
    SnapshotUnreadableError,
)
from airflow_provider_octopush.snapshot.journal import Run, Try, begin_try, entries_of
from airflow_provider_octopush.snapshot.marks import (
    AS_THEY_ARE,
    OF_ANOTHER_RUN,
    OF_THIS_RUN,
    OUT_OF_ORDER,
    OUTDATED,
    OWN_SNAPSHOT,
)
from airflow_provider_octopush.snapshot.other_runs import OtherRuns
from airflow_provider_octopush.snapshot.records import Array, Records, Spool, merged
from airflow_provider_octopush.snapshot.sealing import Keys
from airflow_provider_octopush.snapshot.snapshot import Snapshot
from airflow_provider_octopush.snapshot.snapshot_file import Header, Identity, Opened, Progress, open_file, read_header
from airflow_provider_octopush.snapshot.snapshot_store import BEGIN_ANEW, HEAD, ONE_AT_A_TIME, RESTORE, SnapshotStore

log = logging.getLogger(__name__)

#: Seconds that a run waits if it finds that another one is at work or was killed. By then, a run that is alive has
#: looked, and has ended (:mod:`~airflow_provider_octopush.snapshot.other_runs`).
WAITED_FOR = 10.0


def open_snapshot(
    store: SnapshotStore, keys: Sequence[Keys], identity: Identity, run: Run, *, writes: bool = True
) -> Snapshot:
    """
    Open a snapshot with everything that runs have recorded beside it, and write a sign there that a run has begun.

    :param store: the store that keeps it.
    :param keys: the keys of all secrets; those of the first one write.
    :param identity: the account, list and task that it must belong to; a None is taken from the snapshot.
    :param run: the current run.
    :param writes: False leaves the store as it is.
    :raises SnapshotError: one of its subclasses, when it cannot be relied on.
    """
    names_of_run = run.names(keys)
    with ExitStack() as resources:
        own = begin_try(store, keys[0], erases=run.erases, writes=writes)
        resources.callback(own.close)
        header = Header(
            secret=keys[0].name,
            try_name=own.name,
            run=names_of_run[0],
            dag_run=keys[0].digest_text(run.dag_run.encode()) if run.dag_run else "",
            map_index=run.map_index,
        )
        if None not in identity:
            # First of all, so that at least one of two runs sees the other.
            header = _about(identity, header, keys[0])
            own.put(header)
            if not run.erases and _others_are_unfinished(store, own):
                log.info("another run is using %s, or was killed: waiting until it must have ended", store.name)
                time.sleep(WAITED_FOR if writes else 0)

        # The journal is read before the snapshot: entries that are tidied away meanwhile are in the snapshot.
        names = store.entries()
        reader = _Reader(store, keys, identity, run, resources)
        base = reader.snapshot()
        nothing = Header(secret="", try_name="")
        last = nothing if base is None else base.header
        head = reader.entry(HEAD).header if HEAD in names else nothing
        if head.try_name <= last.try_name:
            # The snapshot says everything that an older head says.
            head = nothing
        was_restored = head is not nothing and head.beside != last.try_name
        generation = max(head.generation, last.generation + was_restored)
        if was_restored:
            log.warning(
                "%s has generation %d, but the last one was %d: it was restored or is gone. What happened since is "
                "not known, so everything is sent again",
                store.name,
                last.generation,
                generation,
            )
        others = {name: of_try for name, of_try in entries_of(names).items() if name != own.name}
        unfinished = {name: max(of_try) for name, of_try in others.items() if max(of_try) > last.included.get(name, -1)}
        found = [reader.entries(others[name], last.included.get(name, 0), last) for name in sorted(unfinished)]
        if run.erases and any(one[-1].header.run not in names_of_run for one in found):
            raise SnapshotConflictError(
                f"a run that writes {store.name} is under way or was killed, and would bring back contacts that are "
                "erased now: let it end, or run it again, first. Nothing was removed"
            )
        # The tries that have written more than a sign, in the order of time.
        tries = [one for one in found if one[-1].header.sequence]
        headers = [last, *(part.header for one in tries for part in one)]
        date = max((one.date for one in (*headers, nothing if was_restored else head) if one.date), default=None)
        if date is not None and run.date is not None and date > run.date:
            raise OlderRunError(
                f"this run is of {run.date}, and the run of {date} has written {store.name} already, so there is "
                "nothing left to do. If that later date was a mistake, put back the snapshot from before it, or "
                f"{BEGIN_ANEW}"
            )

        is_in_order = not was_restored and _follow_each_other(tries, generation)
        of_this_run = _last_of_run(tries, names_of_run) if is_in_order else []
        is_replaced = last.run in names_of_run
        of_base = OUTDATED if was_restored else OWN_SNAPSHOT if is_replaced else AS_THEY_ARE
        layers = [] if base is None else [(base, of_base)]
        for one in tries:
            marks = OUT_OF_ORDER if not is_in_order else OF_THIS_RUN if one in of_this_run else OF_ANOTHER_RUN
            layers += [(part, marks) for part in one]
        records = reader.put_together(layers)
        records.index()

        # An earlier try of this run may have finished except for the last steps.
        progress = Progress(before=records.count)
        if of_this_run:
            progress = of_this_run[-1][-1].header.progress
            log.info("an earlier try of this run has recorded what it did: going on from there")
        elif is_replaced and not tries:
            progress = last.progress

        readings = [one.reading for one in headers if one.reading]
        reading = _reading_of_all(readings) if run.reading is None else dict(run.reading)
        reads_differently = any(one != reading for one in readings)
        headers.append(head)
        newest = max(headers, key=lambda one: (one.try_name, one.sequence))
        header = msgspec.structs.replace(
            header,
            generation=generation,
            date=date,
            opted_out=newest.opted_out if is_in_order else max(one.opted_out for one in headers),
            reading=reading,
            countries=sorted({code for one in headers for code in one.countries}),
            beside=last.try_name if head is nothing else head.beside,
            included={name: number for name, number in unfinished.items() if number},
        )
        if None in identity and None not in reader.identity:
            header = _about(reader.identity, header, keys[0])
            own.put(header)
        return Snapshot(
            store=store,
            keys=keys,
            run=run,
            own=own,
            identity=reader.identity,
            other_runs=OtherRuns(store, own, last.try_name, others, run.erases),
            first_run=base is None,
            header=header,
            others=others,
            unfinished=unfinished,
            records=records,
            progress=msgspec.structs.replace(progress, records=0),
            is_blank=base is None and head is nothing and not tries,
            is_outdated=base is None
            or bool(tries or was_restored or base.keys)
            or last.reading != reading
            or reads_differently,
            reads_differently=reads_differently,
            generation_before=generation - is_replaced,
            size_for_limits=progress.before
            if base is None or is_replaced
            else min(progress.before, base.records.count),
            spool=reader.spool(),
            resources=resources.pop_all(),
        )


def _others_are_unfinished(store: SnapshotStore, own: Try) -> bool:
    content = store.fetch_beginning()
    included = {} if content is None else read_header(content, store.name).included
    others = entries_of(store.entries())
    return any(max(of_try) > included.get(name, -1) for name, of_try in others.items() if name != own.name)


class _Reader:
    """Reads a snapshot and its journal: everything must belong to one account, list and task."""

    def __init__(
        self, store: SnapshotStore, keys: Sequence[Keys], identity: Identity, run: Run, resources: ExitStack
    ) -> None:
        self._store = store
        self._keys = keys
        self.identity = identity
        self._run = run
        self._resources = resources
        # No entry must stay open.
        self._copies = self.spool()

    def spool(self) -> Spool:
        return self._resources.enter_context(closing(Spool()))

    def snapshot(self) -> Opened | None:
        file = self._store.fetch()
        if file is None:
            return None
        self._resources.callback(file.close)
        return self._open(file, self._store.name)

    def entry(self, name: str) -> Opened:
        file = self._store.fetch_entry(name)
        if file is None:
            raise SnapshotConflictError(f"another run that writes {self._store.name} has just ended: {ONE_AT_A_TIME}")
        with file:
            opened = self._open(file, f"the journal of {self._store.name}")
            return opened._replace(records=self._copies.extend(opened.records.blocks()))

    def entries(self, names: Mapping[int, str], included: int, last: Header) -> list[Opened]:
        """Open the entries of a try that the last snapshot does not include, or its sign if that is all."""
        numbers = sorted(number for number in names if number > included) or [0]
        found = [self.entry(names[number]) for number in numbers]
        # Entries of a run that was taken over long ago are no more than a hint.
        is_late = all(part.header.generation < last.generation for part in found)
        if numbers not in ([0], [*range(included + 1, included + 1 + len(numbers))]) and not is_late:
            raise SnapshotUnreadableError(
                f"{self._store.name} is not whole, because an entry of its journal is missing: {RESTORE}"
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
                later.extend(self._of_today(block, opened.keys, marks) for block in opened.records.blocks())
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
                    f"{self._store.name} is the snapshot of {is_of}: give each list and each task a snapshot_path of "
                    "its own"
                )
        is_same_run = header.dag_run in [one.digest_text(self._run.dag_run.encode()) for one in self._keys]
        if self._run.dag_run and is_same_run and header.map_index != self._run.map_index:
            raise SnapshotMismatchError(
                f"{self._store.name} was written in this run of the Dag by the instance with map index "
                f"{header.map_index}, and each instance would remove the contacts of the others: give each instance "
                "its own list and snapshot_path"
            )
        self.identity = found
        return opened

    def _of_today(self, records: Array, keys: int, marks: Array) -> Array:
        """
        Return records as the newest secret seals them, with their marks changed.

        A digest made with an older secret cannot be compared. It becomes one that no contact has, so all are sent
        again.
        """
        today = self._keys[0].seal(self._keys[keys].open(records)) if keys else records.copy()
        today["mark"] = marks[records["mark"]]
        return today


def _about(identity: Identity, header: Header, keys: Keys) -> Header:
    return msgspec.structs.replace(header, identity=keys.seal_text(msgspec.json.encode(identity)))


def _follow_each_other(tries: Sequence[Sequence[Opened]], generation: int) -> bool:
    """Tell whether each try goes on from the snapshot and from all tries before it."""
    before: dict[str, int] = {}
    for one in tries:
        header = one[-1].header
        if header.generation != generation or header.included != before:
            return False
        before[header.try_name] = header.sequence
    return True


def _last_of_run(tries: Sequence[Sequence[Opened]], names: Sequence[str]) -> Sequence[Sequence[Opened]]:
    """Return the tries of a run, unless another run came after them."""
    others = [place for place, one in enumerate(tries, 1) if one[-1].header.run not in names]
    return tries[max(others, default=0) :]


def _reading_of_all(readings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how numbers were read; if that was not the same each time, a value that no run's reading equals."""
    different = [reading for place, reading in enumerate(readings) if reading not in readings[:place]]
    if len(different) > 1:
        return {"in several ways": different}
    return dict(different[0]) if different else {}
