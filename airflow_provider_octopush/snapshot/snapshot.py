"""
What a list holds, as far as it is known: read before a run, written down before anything is done, replaced at its end.

A snapshot is one file (:mod:`~airflow_provider_octopush.snapshot.snapshot_file`), whose generation rises each time that
it is replaced. Beside it are the sign of each run, the journal of what it is about to send and remove, what was
confirmed since, and a small head with what has to be remembered although the snapshot stays as it is. Every contact
that the server may hold through this task is in one of these at every moment. A run that ends well puts all of it into
the next generation. What a killed run leaves stays where it is, and the next run goes on from there.

A newer run waits until an older one that is alive has looked
(:mod:`~airflow_provider_octopush.snapshot.other_runs`). And as a slow older one may replace the snapshot last, a run's
journal stays beside it for a day. So nothing that was recorded is lost
(:mod:`~airflow_provider_octopush.snapshot.opening`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import replace

from airflow_provider_octopush.exceptions import SnapshotError
from airflow_provider_octopush.snapshot.journal import Run, Try, stamp_of, writer_of_snapshot
from airflow_provider_octopush.snapshot.marks import (
    ADDED_LATE,
    CONFIRMED,
    KEPT,
    MAY_BE_ADDED,
    REMOVED_LATE,
    STATUSES,
    Mark,
    about_to_remove,
    about_to_send,
    are,
    beside,
    marked,
)
from airflow_provider_octopush.snapshot.other_runs import OtherRuns
from airflow_provider_octopush.snapshot.records import Array, Records, Spool, merged
from airflow_provider_octopush.snapshot.sealing import Keys
from airflow_provider_octopush.snapshot.snapshot_file import Counts, Header, Identity, Progress, write
from airflow_provider_octopush.snapshot.snapshot_store import SnapshotStore

if TYPE_CHECKING:
    from airflow_provider_octopush.payloads import ContactPayload

log = logging.getLogger(__name__)

#: Nanoseconds that the journal of a run stays beside the snapshot. An older run that puts its own snapshot later than
#: that, because its machine stood still, is too late to be protected from.
_JOURNALS_STAY = 24 * 3600 * 10**9

#: What was confirmed is put beside the snapshot when it has grown by this part: dozens of times in the longest run. It
#: only saves work: what may be on the list is in the journal.
GROWN_BY = 0.1


@dataclass(eq=False, kw_only=True)
class Snapshot:
    """
    A snapshot that :func:`~airflow_provider_octopush.snapshot.opening.open_snapshot` has opened, and what a run records
    on top of it.

    :param store: where it is kept.
    :param keys: of all secrets; the first one writes.
    :param run: that goes on.
    :param own: its try, which writes.
    :param other_runs: looks for others.
    :param identity: what it is about.
    :param first_run: whether there was no snapshot.
    :param records: of the contacts that the list held before this try, indexed.
    :param header: what stands in all that is written from here on: what is remembered for the next run, too.
    :param others: the entries of other tries that were there.
    :param unfinished: try → the last of its entries, of those that are not in the snapshot.
    :param progress: what was recorded until now, by this try and by those before it.
    :param is_blank: whether there is no snapshot, and nothing was recorded beside it.
    :param is_outdated: whether what the snapshot holds is no longer all that is known.
    :param reads_differently: whether phone numbers are read differently than when it, or what was recorded beside it,
        was written. Where no reading is known, as in one that was adopted, nothing speaks against tonight's.
    :param generation_before: the generation that the run found, in the first of its tries; 0 where there was none.
    :param size_for_limits: how many contacts the list held before all tries of the run. What runs have added that did
        not come to their end does not count: their rows may not have been right.
    :param spool: what was recorded by this try.
    :param resources: what gives back the files.
    """

    store: SnapshotStore
    keys: Sequence[Keys]
    run: Run
    own: Try
    other_runs: OtherRuns
    identity: Identity
    first_run: bool
    records: Records
    header: Header
    others: Mapping[str, Mapping[int, str]]
    unfinished: Mapping[str, int]
    progress: Progress
    is_blank: bool
    is_outdated: bool
    reads_differently: bool
    generation_before: int
    size_for_limits: int
    spool: Spool
    resources: ExitStack
    #: Of what is recorded: a run that a limit holds leaves it to an older one to do the same.
    _date: str | None = field(default=None, init=False)
    _flushing: threading.Lock = field(default_factory=threading.Lock, init=False)
    _flushed: Progress = field(default=Progress(), init=False)
    #: How many of its own entries there are up to the end of its journal; what comes later only saves work.
    _journal_end: int = field(default=0, init=False)

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back all files; what was recorded but not replaced stays in the journal."""
        self.resources.close()

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.store.name

    @property
    def opted_out(self) -> int:
        """How many people had opted out, the last time that this was found to be right."""
        return self.header.opted_out

    @property
    def countries(self) -> frozenset[int]:
        """Country codes of the numbers that were ever held."""
        return frozenset(self.header.countries)

    @property
    def size(self) -> int:
        """How many contacts there are to look up: those that the list held before this try."""
        return self.records.count

    def find(self, numbers: Sequence[int]) -> tuple[Array, Array]:
        """
        Look up numbers.

        :return: the position of each, or -1 where it is not there; and its record, which is marked as removed there.
        """
        return self.find_sealed(self.keys[0].seal(numbers))

    def find_sealed(self, sealed: Array) -> tuple[Array, Array]:
        """Look up numbers as :meth:`find` does, by records of which only the sealed number matters."""
        positions, found = self.records.find(sealed)
        is_absent = positions < 0
        found[is_absent] = sealed[is_absent]
        found["mark"][is_absent] = Mark.REMOVED
        return positions, found

    def compare(self, payloads: Sequence[ContactPayload], found: Array) -> tuple[Array, Array]:
        """
        Compare what would be sent of contacts with what was sent.

        :param found: their records.
        :return: for each, whether it is the same; and its digest.
        """
        digests = self.keys[0].digests(payloads, self.run.meaning)
        return are(found, CONFIRMED) & (found["digest"] == digests), digests

    def records_at(self, positions: Array) -> Iterator[Array]:
        """
        Give the records at positions.

        :param positions: ascending.
        """
        for start in range(0, len(positions), 10_000):
            yield self.records.at(positions[start : start + 10_000])

    def numbers(self, records: Array) -> list[int]:
        """
        Open the numbers of records.

        :raises SnapshotUnreadableError: when one cannot be opened.
        """
        return self.keys[0].open(records)

    # What is recorded.

    def write_journal(self, to_send: Records, newly: int, to_remove: Array, *, is_whole: bool = True) -> None:
        """
        Record, before anything is sent and so that it outlives this process, all that is about to be sent and removed.

        :param to_send: records of contacts.
        :param newly: how many of them the snapshot does not hold.
        :param to_remove: positions.
        :param is_whole: whether this is all that the run does, so that an older run has nothing left to do.
        :raises Exception: what the store raises; nothing may be sent or removed then.
        """
        before = self.progress
        if is_whole:
            self._date = self.run.date
        journal = chain(map(about_to_send, to_send.blocks()), map(about_to_remove, self.records_at(to_remove)))
        self._record(journal, recorded=before.recorded + newly)
        if self.progress is not before:
            self.flush()
            self._journal_end = len(self.own.entries)

    def record_sending(self, records: Array) -> None:
        """Record that contacts may be on the list from now on, in whatever form."""
        newly = int((records["mark"] == Mark.REMOVED).sum())
        self._record([about_to_send(records)], recorded=self.progress.recorded + newly)

    def record_confirmed(self, records: Array, statuses: Sequence[str]) -> None:
        """
        Record contacts that Octopush confirmed.

        :param records: as they were, with digests of what was sent.
        :param statuses: for each ``added``, ``updated`` or ``skipped``.
        """
        # A removal that had no answer may still arrive, and take away what was sent: that is sent once more.
        sending = about_to_send(records)
        confirmed = np.array([STATUSES[status] for status in statuses], np.uint8) | beside(records, ADDED_LATE)
        self._record([marked(records, np.where(beside(sending, REMOVED_LATE), sending["mark"], confirmed))])

    def record_as_before(self, records: Array) -> None:
        """Record that contacts are as they were: nothing that was sent of them, or to remove them, had an effect."""
        newly = int((records["mark"] == Mark.REMOVED).sum())
        self._record([records], recorded=self.progress.recorded - newly)

    def record_kept(self, records: Array) -> None:
        """Record that contacts are as they were: a request to remove them was refused."""
        self._record([marked(records, np.where(are(records, [Mark.KNOWN]), Mark.REFUSED, records["mark"]))])

    def record_removing(self, records: Array) -> None:
        """
        Record, before it is done and so that it outlives this process, that contacts are removed.

        :raises Exception: what the store raises; nothing may be removed then.
        """
        self._record([about_to_remove(records)])
        self.flush()

    def record_removed(self, records: Array, counts: Counts | None = None) -> None:
        """
        Record that contacts were removed.

        :param counts: of the run until now; None leaves them as they were.
        """
        # What another process may still send is removed again by a later run. An erasure leaves nothing behind.
        is_gone = (beside(records, MAY_BE_ADDED) == 0) | self.run.erases
        self._record(
            [marked(records, np.where(is_gone, Mark.REMOVED, Mark.UNKNOWN))],
            removed=self.progress.removed + int(is_gone.sum()),
            counts=self.progress.counts if counts is None else counts,
        )

    def record_counts(self, counts: Counts) -> None:
        """Record what the run has counted, for the summary of the next try."""
        self.progress = replace(self.progress, counts=counts)

    def add_countries(self, codes: Iterable[int]) -> None:
        """Remember country codes of numbers that are about to be sent."""
        self.header = replace(self.header, countries=sorted(self.countries.union(codes)))

    def record_opted_out(self, number: int) -> None:
        """
        Record, so that it outlives this process, how many people have opted out.

        :raises Exception: what the store raises; nothing may be sent then.
        """
        self.header = replace(self.header, opted_out=number)
        self.put_head()

    def _record(self, blocks: Iterable[Array], **changes: Any) -> None:
        end = self.progress.records
        for records in blocks:
            end = self.spool.write(records, end)
        if end > self.progress.records:
            self.progress = replace(self.progress, records=end, **changes)

    # What outlives this process.

    def flush_quietly(self) -> None:
        """
        Put what was recorded where it outlives this process; a store that fails is told of in the log.

        That costs a repetition at most if the process dies as well, so it does not end the run.
        """
        try:
            self.flush()
        except Exception as error:  # noqa: BLE001 - whatever the store raises
            log.warning("what was confirmed could not be recorded beside %s: %s", self.name, type(error).__name__)

    def flush(self) -> None:
        """Put what was recorded where it outlives this process; may be called in any thread."""
        with self._flushing:
            progress = self.progress
            if progress.records and progress is not self._flushed:
                records = self.spool.records(self._flushed.records, progress.records)
                self.own.put(replace(self.header, date=self._date, progress=progress), records.blocks())
            self._flushed = progress

    def look_if_due(self) -> SnapshotError | None:
        """
        Now and then, put what was confirmed where it outlives this process, and look whether a newer run has begun.

        :return: what says that one has. A store that fails is asked again later.
        """
        if not self.other_runs.is_look_due:
            return None
        if self.progress.records > (1 + GROWN_BY) * self._flushed.records:
            self.flush_quietly()
        return self.other_runs.look()

    def put_head(self) -> None:
        """Put what has to be remembered beside the snapshot, which stays as it is, with its date."""
        self.own.put_head(self.header)

    def replace(self, *, opted_out: int | None = None, forgets: bool = False) -> int:
        """
        Put the next generation in the snapshot's place. Nothing may be flushed meanwhile.

        Where nothing has changed, only what has to be remembered is put beside it.

        :param opted_out: how many people have opted out; None: as many as is known.
        :param forgets: True: leave nothing behind of contacts that were removed, even if another run might want it.
        :return: how many contacts it holds.
        :raises SnapshotError: one of its subclasses, when another run works with the snapshot.
        :raises RuntimeError: when the counts do not add up, which is a bug of this provider.
        """
        try:
            self.other_runs.check_alone()
        except SnapshotError:
            self.flush_quietly()
            raise
        self.header = replace(
            self.header,
            opted_out=self.opted_out if opted_out is None else opted_out,
            date=max(filter(None, [self.header.date, self.run.date]), default=None),
        )
        number = self.size
        if self.progress.records or self.is_outdated or forgets:
            number = self._put()
        self.put_head()
        names = self._superfluous(forgets=forgets)
        try:
            self.store.remove_entries(names)
        except Exception as error:
            if forgets:
                raise
            log.warning("what is in %s now was not removed beside it: %s", self.name, type(error).__name__)
        return number

    def _superfluous(self, *, forgets: bool) -> list[str]:
        """
        Return the names of entries that may go: but for the journals of runs that have ended in the last day.

        A slow older run may still put its snapshot in the place of this one, and then nothing else knows what is in it.
        """
        stays = 0 if forgets else self._journal_end
        stay, go = self.own.entries[:stays], self.own.entries[stays:]
        self.own.entries = stay
        old = stamp_of(self.own.name) - _JOURNALS_STAY
        for one, of_try in self.others.items():
            if forgets or one in self.unfinished or stamp_of(one) < old:
                go += of_try.values()
        return go

    def _put(self) -> int:
        progress = self.progress
        included = {name: max(of_try) for name, of_try in self.others.items()}
        header = replace(
            self.header,
            generation=self.header.generation + 1,
            beside=self.own.name,
            included={**included, self.own.name: len(self.own.entries) - 1},
            progress=progress,
        )
        blocks = merged(self.records, self.spool.records(0, progress.records))
        file, number = write(header, self.keys[0], (marked(block, KEPT[block["mark"]]) for block in blocks))
        with file:
            if number != progress.after:
                raise RuntimeError(
                    f"the counts of the snapshot do not add up: {progress.before} before, {progress.recorded} newly "
                    f"recorded and {progress.removed} removed, but {number} after. This is a bug of "
                    "airflow-provider-octopush: please report it with this message"
                )
            self.store.put(file)
        if writer_of_snapshot(self.store) != self.own.name:
            raise self.other_runs.replaced()
        # One that came to its end while this file was on its way: what it did is in its journal.
        self.other_runs.check_none_newer()
        self.header = header
        return number
