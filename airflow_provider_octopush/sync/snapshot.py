"""
What a list holds, as far as Octopush confirmed it: read before a run, noted while it goes on, replaced at its end.

A snapshot is one file (:mod:`~airflow_provider_octopush.sync.snapshot_file`), whose generation rises each time that it
is replaced, and beside it some additions: what runs noted while they went on. A run that ends well puts its additions
into the next generation. Those of a run that was killed stay where they are, and the next run goes on from there.

Object stores have no compare-and-swap, so two runs at a time cannot be kept apart; but they are found out, before a
number is removed and before the snapshot is replaced. Nothing that was noted is lost by it (see
:mod:`~airflow_provider_octopush.sync.opening`).
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_provider_octopush.exceptions import SnapshotConflictError, SnapshotUnreadableError
from airflow_provider_octopush.sync.opening import Noted, Opening, Run, name_of
from airflow_provider_octopush.sync.records import CONFIRMED, Array, Mark, Spool, merged
from airflow_provider_octopush.sync.sealing import Keys, NotSealedError
from airflow_provider_octopush.sync.snapshot_file import (
    Header,
    Identity,
    read_header,
    read_identity,
    seal_identity,
    write,
)
from airflow_provider_octopush.sync.snapshot_store import ONE_AT_A_TIME, TIP, Store

if TYPE_CHECKING:
    from airflow_provider_octopush.payloads import ContactPayload

log = logging.getLogger(__name__)

#: Seconds after which what was confirmed is noted. A process that is killed forgets at most what came after.
NOTED_AFTER = 10.0

#: Records after which it is noted, whatever the time.
NOTED_TOGETHER = 100_000

_STATUS_MARKS = {"added": Mark.ADDED, "updated": Mark.UPDATED, "skipped": Mark.SKIPPED}
_STATUSES = {int(mark): status for status, mark in _STATUS_MARKS.items()}


class Snapshot:
    """
    An opened snapshot, and what a run notes on top of it.

    :param store: where it is kept.
    :param keys: of all secrets; the first one writes.
    :param identity: what it has to be about.
    :param run: that goes on.
    :param writes: False leaves the store as it is.
    :raises SnapshotError: one of its subclasses, when it cannot be relied on.
    """

    def __init__(
        self, store: Store, keys: Sequence[Keys], identity: Identity, run: Run, *, writes: bool = True
    ) -> None:
        self._store = store
        self._keys = keys
        self._identity = identity
        self._run = run
        self._writes = writes
        self._try = secrets.token_hex(8)
        self._part = 0
        self._flushing = threading.Lock()
        self._flushed = Noted()
        self._flushed_at = time.monotonic()
        self._digesters = [one.digester(run.meaning) for one in keys]
        self._resources = ExitStack()
        try:
            self._spool = self._resources.enter_context(closing(Spool()))
            if run.erases and (content := store.fetch_beginning()) is not None:
                self._identity = read_identity(content, keys, store.name)
            if writes and None not in self._identity:
                # First of all, so that of two runs at least one sees the other.
                self._put_addition(Noted(), [])
            opening = Opening(store, keys, identity, run, self._try, self._resources)
        except BaseException:
            self.close()
            raise
        self._opening = opening
        self._identity = opening.identity
        self._records = opening.records
        self._noted = opening.noted
        base = opening.base
        #: Whether there was no snapshot.
        self.first_run = base is None
        self._remembered = opening.remembered
        self._reading = dict(run.reading or ({} if base is None else base.reading))
        #: Whether phone numbers are read otherwise than when it, or what was noted beside it, was written.
        self.reads_otherwise = any(reading != self._reading for reading in opening.readings)

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back all files; what was noted but not replaced stays among the additions."""
        self._resources.close()
        if self._part == 1:
            with suppress(Exception):
                # Nothing but the sign that a run is under way.
                self._store.remove_additions([self._addition(0)])

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self._store.name

    @property
    def noted(self) -> Noted:
        """What was noted until now, by this try and by those before it."""
        return self._noted

    @property
    def size(self) -> int:
        """How many contacts there are to look up: those that the list held before this try."""
        return self._records.count

    @property
    def opted_out(self) -> int:
        """How many people had opted out, the last time that this was found to be right."""
        return self._remembered.opted_out

    @property
    def countries(self) -> frozenset[int]:
        """Country codes of the numbers that were ever held."""
        return self._remembered.countries

    @property
    def size_for_limits(self) -> int:
        """How many contacts the list held before all tries of the run, and before any run that a limit has held."""
        sizes = [self._noted.before, self._remembered.held_size]
        if self._opening.base is not None:
            sizes.append(self._opening.base.records)
        return min(size for size in sizes if size is not None)

    # What is asked of it.

    def find(self, numbers: Sequence[int]) -> tuple[Array, Array]:
        """
        Look up numbers.

        :return: the position of each, or -1 where it is not there; and its record, sealed in any case.
        """
        sealed = self._keys[0].seal(numbers)
        positions, found = self._records.find(sealed)
        missing = positions < 0
        found[missing] = sealed[missing]
        return positions, found

    def compare(self, payloads: Sequence[ContactPayload], found: Array) -> tuple[Array, Array]:
        """
        Compare what would be sent of contacts with what was sent.

        :param found: their records.
        :return: for each, whether it is the same; and its digest.
        """
        digests = self._digesters[0].digests(payloads)
        same = np.isin(found["mark"], CONFIRMED) & (found["digest"] == digests)
        for keys in range(1, len(self._keys)):
            older = np.flatnonzero(found["mark"] == Mark.OLDER_SECRET + keys)
            if len(older):
                then = self._digesters[keys].digests([payloads[position] for position in older.tolist()])
                same[older] = found["digest"][older] == then
        return same, digests

    def is_of_older_secret(self, found: Array) -> Array:
        """Tell of which records the digest is to be written anew."""
        older: Array = found["mark"] >= Mark.OLDER_SECRET
        return older

    def was_refused(self, found: Array) -> Array:
        """Tell of which records a request to remove them was refused."""
        refused: Array = found["mark"] == Mark.REFUSED
        return refused

    def is_doubtful(self, found: Array) -> Array:
        """Tell of which records nobody knows whether the list has them."""
        unknown: Array = found["mark"] == Mark.UNKNOWN
        return unknown

    def may_be_gone(self, found: Array) -> Array:
        """Tell of which records a removal was begun whose end nobody knows."""
        begun: Array = found["mark"] == Mark.REMOVING
        return begun

    def statuses(self, found: Array) -> list[str | None]:
        """Tell with which status records were confirmed by an earlier try of this run; None where they were not."""
        return [_STATUSES.get(mark) for mark in found["mark"].tolist()]

    def records_at(self, positions: Array) -> Iterator[Array]:
        """
        Give the records at positions.

        :param positions: ascending.
        """
        for start in range(0, len(positions), 10_000):
            yield self._records.at(positions[start : start + 10_000])

    def numbers(self, records: Array) -> list[int]:
        """
        Open the numbers of records.

        :raises SnapshotUnreadableError: when one cannot be opened.
        """
        try:
            return self._keys[0].open(records)
        except NotSealedError:
            raise SnapshotUnreadableError(f"{self._store.name} holds what cannot be opened") from None

    # What is noted.

    def note(self, found: Array, digests: Array, statuses: Sequence[str], newly: int) -> None:
        """
        Note contacts that Octopush confirmed.

        :param found: their records.
        :param digests: of what was sent.
        :param statuses: for each ``added``, ``updated`` or ``skipped``.
        :param newly: how many of them the snapshot does not hold.
        """
        records = found.copy()
        records["digest"] = digests
        records["mark"] = [_STATUS_MARKS[status] for status in statuses]
        self._note(records, noted=self._noted.noted + newly)

    def note_digests(self, found: Array, digests: Array) -> None:
        """Note digests under the newest secret, of contacts that are unchanged."""
        records = found.copy()
        records["digest"] = digests
        records["mark"] = Mark.REKEYED
        self._note(records)

    def note_opted_out(self, number: int) -> None:
        """
        Note, so that it outlives this process, how many people have opted out.

        :raises Exception: what the store raises; nothing may be sent then.
        """
        self._remembered = replace(self._remembered, opted_out=number)
        self.flush(forced=True)

    def note_countries(self, codes: Iterable[int]) -> None:
        """Note country codes of numbers that are about to be sent."""
        self._remembered = replace(self._remembered, countries=self._remembered.countries.union(codes))

    def note_kept(self, records: Array) -> None:
        """Note that contacts are as they were: a request to remove them was refused."""
        kept = records.copy()
        kept["mark"][records["mark"] == Mark.KNOWN] = Mark.REFUSED
        self._note(kept)

    def note_doubt(self, records: Array) -> None:
        """Note that the list may have contacts, and nobody knows how."""
        self._note(_marked(records, Mark.UNKNOWN))

    def note_removing(self, records: Array) -> None:
        """
        Note, before it is done and so that it outlives this process, that contacts are removed.

        :raises Exception: what the store raises; nothing may be removed then.
        """
        self._note(_marked(records, Mark.REMOVING))
        self.flush()

    def note_removed(self, records: Array, **counts: float) -> None:
        """
        Note that contacts were removed.

        :param counts: what else is counted from here on.
        """
        self._note(
            _marked(records, Mark.REMOVED),
            removed=self._noted.removed + len(records),
            counts={**self._noted.counts, **counts},
        )

    def note_counts(self, **counts: float) -> None:
        """Note what else is counted, for the summary of the next try."""
        self._noted = replace(self._noted, counts={**self._noted.counts, **counts})

    def _note(self, records: Array, **changes: Any) -> None:
        if len(records):
            end = self._spool.write(records, self._noted.records)
            self._noted = replace(self._noted, records=end, **changes)

    def flush_if_due(self) -> None:
        """
        Put what was noted where it outlives this process, when enough or long enough was noted since.

        A store that fails costs a repetition at most if the process dies as well, so it does not end the run.
        """
        is_much = self._noted.records - self._flushed.records >= NOTED_TOGETHER
        if not is_much and time.monotonic() - self._flushed_at < NOTED_AFTER:
            return
        self.flush_quietly()

    def flush_quietly(self) -> None:
        """Put what was noted where it outlives this process; a store that fails is told of in the log."""
        try:
            self.flush()
        except Exception as error:  # noqa: BLE001 - whatever the store raises
            self._flushed_at = time.monotonic()
            log.warning("what was confirmed could not be noted beside %s: %s", self._store.name, type(error).__name__)

    def flush(self, *, forced: bool = False) -> None:
        """
        Put what was noted where it outlives this process; may be called in any thread.

        :param forced: whether this is done although no contact was noted.
        """
        with self._flushing:
            noted = self._noted
            if self._writes and (forced or (noted.records and noted is not self._flushed)):
                self._put_addition(noted, self._spool.records(noted.records).blocks(self._flushed.records))
            self._flushed = noted
            self._flushed_at = time.monotonic()

    def check_alone(self) -> None:
        """
        Check that no other run works with the snapshot.

        :raises SnapshotConflictError: when one does.
        """
        others = self._others()
        content = self._store.fetch_beginning()
        now = None if content is None else read_header(content, self._store.name)[0]
        base = self._opening.base
        same = (None, None) if base is None else (base.generation, base.run)
        if others or same != ((None, None) if now is None else (now.generation, now.run)):
            raise SnapshotConflictError(
                f"another run works with {self._store.name}: nothing is removed, and what this run did is noted. "
                f"{ONE_AT_A_TIME}"
            )

    def _others(self) -> set[str]:
        """Return the additions of runs that have begun since this one was opened."""
        names = set(self._store.additions()) - self._opening.known
        return {name for name in names if not name.startswith(self._try)}

    def replace(self, *, is_held: bool | None = None, forgets: bool = False) -> int:
        """
        Put the next generation in the snapshot's place. Nothing may be flushed meanwhile.

        :param is_held: whether a limit has held the run; None: as it was.
        :param forgets: True: leave nothing behind of who was removed, even if another run might have wanted it.
        :return: how many contacts it holds.
        :raises SnapshotConflictError: when another run works with the snapshot.
        :raises RuntimeError: when the counts do not add up, which is a bug of this provider.
        """
        self.check_alone()
        if self._opening.others_were_there and not forgets:
            # They may still go on, and replace what this run is about to write: then this is all that is left of it.
            self.flush()
        noted = self._noted
        header = Header(
            secret=self._keys[0].name,
            identity=seal_identity(self._identity, self._keys[0]),
            generation=self._opening.generation + 1,
            run=self._try,
            date=max(filter(None, [self._opening.date, self._run.date]), default=None),
            opted_out=self.opted_out,
            reading=self._reading,
            countries=sorted(self.countries),
            held_size=self._held_size(is_held),
            **self._instance(),
            included={**self._still_there(), **self._opening.included, self._try: self._part - 1},
        )
        spool = self._spool.records(noted.records)
        file, number = write(header, self._keys[0], map(_as_kept, merged(self._records, spool)))
        with file:
            if number != noted.before + noted.noted - noted.removed:
                raise RuntimeError(
                    f"the counts of the snapshot do not add up: {noted.before} before, {noted.noted} newly noted and "
                    f"{noted.removed} removed, but {number} after. This is a bug of airflow-provider-octopush: please "
                    "report it with this message"
                )
            self._store.put(file)
        now = self._store.fetch_beginning()
        if now is None or read_header(now, self._store.name)[0].run != self._try:
            raise SnapshotConflictError(f"another run has replaced {self._store.name} meanwhile. {ONE_AT_A_TIME}")
        if forgets and self._others():
            raise SnapshotConflictError(
                f"a run that writes {self._store.name} has begun while people were erased, and may bring them back: "
                "run this task again once it has ended"
            )
        file, _ = write(header, self._keys[0], [])
        with file:
            self._store.put_addition(TIP, file)
        self._tidy_up(forgets=forgets)
        return number

    def _held_size(self, is_held: bool | None) -> int | None:
        if is_held is None:
            return self._remembered.held_size
        return self.size_for_limits if is_held else None

    def _instance(self) -> dict[str, Any]:
        return {
            "dag_run": self._keys[0].digest_text(self._run.dag_run.encode()) if self._run.dag_run else "",
            "map_index": self._run.map_index,
        }

    def _still_there(self) -> dict[str, int]:
        included = {} if self._opening.base is None else self._opening.base.included
        runs = {name.partition("-")[0] for name in self._opening.stale}
        return {run: number for run, number in included.items() if run in runs}

    def _tidy_up(self, *, forgets: bool) -> None:
        names = list(self._opening.stale)
        # Otherwise the next run removes them.
        if forgets or not self._opening.others_were_there:
            names += [self._addition(number) for number in range(self._part)]
            self._part = 0
        try:
            self._store.remove_additions(names)
        except Exception as error:
            if forgets:
                raise
            log.warning("additions to %s were not removed: %s", self._store.name, type(error).__name__)

    def _addition(self, number: int) -> str:
        return f"{self._try}-{number:06}"

    def _put_addition(self, noted: Noted, records: Iterable[Array]) -> None:
        is_sign = not self._part
        header = Header(
            secret=self._keys[0].name,
            identity=seal_identity(self._identity, self._keys[0]),
            generation=0 if is_sign else self._opening.generation,
            run=self._try,
            date=self._run.date,
            sequence=self._part,
            run_of_tries=name_of(self._run, self._keys),
            included={} if is_sign else self._opening.included,
            reading={} if is_sign or self._run.reading is None else self._reading,
            opted_out=0 if is_sign else self.opted_out,
            countries=[] if is_sign else sorted(self.countries),
            held_size=None if is_sign else self._remembered.held_size,
            **self._instance(),
            counts={**noted.counts, "before": noted.before, "noted": noted.noted, "removed": noted.removed},
        )
        file, _ = write(header, self._keys[0], records)
        with file:
            self._store.put_addition(self._addition(self._part), file)
        self._part += 1


#: What stays as it is from one night to the next.
_LASTING = (Mark.REMOVING, Mark.REFUSED)


def _as_kept(records: Array) -> Array:
    """Return records as they stand in a snapshot: known, or not."""
    marks = np.where(np.isin(records["mark"], CONFIRMED), Mark.KNOWN, Mark.UNKNOWN)
    return _marked(records, np.where(np.isin(records["mark"], _LASTING), records["mark"], marks))


def _marked(records: Array, mark: Any) -> Array:
    marked = records.copy()
    marked["mark"] = mark
    return marked
