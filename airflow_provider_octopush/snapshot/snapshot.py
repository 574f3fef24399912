"""
What is known of a list's contacts: read before a run, written down before anything is done, replaced at its end.

A snapshot is one file (:mod:`~airflow_provider_octopush.snapshot.snapshot_file`), whose generation rises each time that
it is replaced. Beside it are the sign of each run, its journal of what it is about to send and remove and of what was
confirmed since, and a small head for what has to be remembered while the snapshot itself stays as it is. At every
moment, each contact that the server may hold through this task is in one of these. A run that ends well puts everything
into the next generation. What a killed run leaves stays there, and the next run goes on from it.

A newer run waits until an older one that is alive has looked (:mod:`~airflow_provider_octopush.snapshot.other_runs`). A
slow older run may still be the last to replace the snapshot, so a run's journal stays beside it for a day. If it does
so within that day, nothing that was recorded is lost (:mod:`~airflow_provider_octopush.snapshot.opening`).
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
from airflow_provider_octopush.snapshot.snapshot_file import Header, Identity, Progress, write
from airflow_provider_octopush.snapshot.snapshot_store import SnapshotStore

if TYPE_CHECKING:
    from airflow_provider_octopush.payloads import ContactPayload

log = logging.getLogger(__name__)

#: Nanoseconds that the journal of a run stays beside the snapshot. There is no protection from an older run that writes
#: its own snapshot later than that, because its machine stood still.
_JOURNALS_STAY = 24 * 3600 * 10**9

#: Confirmed contacts are written beside the snapshot each time they have grown by this part: dozens of times in the
#: longest run. This only saves work: the journal has everything that may be on the list.
GROWN_BY = 0.1


@dataclass(eq=False, kw_only=True)
class Snapshot:
    """
    A snapshot that :func:`~airflow_provider_octopush.snapshot.opening.open_snapshot` has opened, and the records that a
    run adds to it.

    :param store: the store that keeps it.
    :param keys: the keys of all secrets; those of the first one write.
    :param run: the current run.
    :param own: the current try of the run, which writes.
    :param other_runs: looks for other runs.
    :param identity: the account, list and task that it belongs to.
    :param first_run: whether there was no snapshot.
    :param records: records of the contacts that the list held before this try, indexed.
    :param header: the header of everything that is written from here on; it also holds what the next run has to know.
    :param others: the entries of other tries that were there at the beginning.
    :param unfinished: try → the last of its entries that is not in the snapshot.
    :param progress: what this try and those before it have recorded so far.
    :param is_blank: whether there is neither a snapshot nor anything recorded beside it.
    :param is_outdated: whether more is known than the snapshot holds.
    :param reads_differently: whether phone numbers are read differently than when the snapshot, or what was recorded
        beside it, was written. False if the old reading is not known, as after ``adopt``.
    :param generation_before: the generation that the run found, in the first of its tries; 0 where there was none.
    :param size_for_limits: how many contacts the list held before all tries of the run. Contacts added by unfinished
        runs do not count: their rows may have been wrong.
    :param spool: the records of this try.
    :param resources: closes the files.
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
    #: The date of the journal. A run that a limit holds has none there, so that an older run may still do its work.
    _date: str | None = field(default=None, init=False)
    _flushing: threading.Lock = field(default_factory=threading.Lock, init=False)
    _flushed: Progress = field(default=Progress(), init=False)
    #: How many entries the try has up to the end of its journal; later ones only save work.
    _journal_end: int = field(default=0, init=False)

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all files; what was recorded but is not in the snapshot stays in the journal."""
        self.resources.close()

    @property
    def name(self) -> str:
        """The snapshot's name in messages."""
        return self.store.name

    @property
    def opted_out(self) -> int:
        """How many opt-outs there were the last time that their number was found to be right."""
        return self.header.opted_out

    @property
    def countries(self) -> frozenset[int]:
        """The country codes of all numbers that it ever held."""
        return frozenset(self.header.countries)

    @property
    def size(self) -> int:
        """How many contacts there are to look up: those that the list held before this try."""
        return self.records.count

    def find(self, numbers: Sequence[int]) -> tuple[Array, Array]:
        """
        Look up numbers.

        :return: the position of each, or -1 if it is not there; and its record, marked as removed if it is not there.
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
        Compare the payloads of contacts with those that were sent before.

        :param found: the contacts' records.
        :return: for each, whether it is the same, and its digest.
        """
        digests = self.keys[0].digests(payloads, self.run.meaning)
        return are(found, CONFIRMED) & (found["digest"] == digests), digests

    def records_at(self, positions: Array) -> Iterator[Array]:
        """
        Give the records at positions.

        :param positions: positions in ascending order.
        """
        for start in range(0, len(positions), 10_000):
            yield self.records.at(positions[start : start + 10_000])

    def numbers(self, records: Array) -> list[int]:
        """
        Open the numbers of records.

        :raises SnapshotUnreadableError: when one cannot be opened.
        """
        return self.keys[0].open(records)

    # Recording.

    def write_journal(self, to_send: Iterable[Array], newly: int, to_remove: Array, *, is_whole: bool = True) -> None:
        """
        Record durably, before anything is done, everything that is about to be sent and removed.

        :param to_send: blocks of the records of the contacts to send.
        :param newly: how many of them the snapshot does not hold.
        :param to_remove: positions of the contacts to remove.
        :param is_whole: whether the run does nothing else, so that an older run has nothing left to do.
        :raises Exception: whatever the store raises; then nothing may be sent or removed.
        """
        before = self.progress
        if is_whole:
            self._date = self.run.date
        journal = chain(map(about_to_send, to_send), map(about_to_remove, self.records_at(to_remove)))
        self._record(journal, recorded=before.recorded + newly)
        if self.progress is not before:
            self.flush()
            self._journal_end = len(self.own.entries)

    def record_sending(self, records: Array) -> None:
        """Record that contacts may be on the list from now on, with any fields."""
        newly = int((records["mark"] == Mark.REMOVED).sum())
        self._record([about_to_send(records)], recorded=self.progress.recorded + newly)

    def record_confirmed(self, records: Array, statuses: Sequence[str]) -> None:
        """
        Record contacts that Octopush confirmed.

        :param records: the contacts' old records, with digests of what was sent.
        :param statuses: the status of each: ``added``, ``updated`` or ``skipped``.
        """
        # A removal that had no answer may still arrive, and remove what was sent: a later run sends it again.
        sending = about_to_send(records)
        confirmed = np.array([STATUSES[status] for status in statuses], np.uint8) | beside(records, ADDED_LATE)
        self._record([marked(records, np.where(beside(sending, REMOVED_LATE), sending["mark"], confirmed))])

    def record_as_before(self, records: Array) -> None:
        """Record that contacts are as they were: no request about them had an effect."""
        newly = int((records["mark"] == Mark.REMOVED).sum())
        self._record([records], recorded=self.progress.recorded - newly)

    def record_kept(self, records: Array) -> None:
        """Record that contacts are as they were: a request to remove them was refused."""
        self._record([marked(records, np.where(are(records, [Mark.KNOWN]), Mark.REFUSED, records["mark"]))])

    def record_removing(self, records: Array) -> None:
        """
        Record durably that contacts are removed, before it is done.

        :raises Exception: whatever the store raises; then nothing may be removed.
        """
        self._record([about_to_remove(records)])
        self.flush()

    def record_removed(self, records: Array, *, opted_out: int = 0) -> None:
        """
        Record that contacts were removed.

        :param opted_out: how many of them because they opted out.
        """
        # What another process may still send is removed again by a later run. An erasure leaves nothing behind.
        is_gone = (beside(records, MAY_BE_ADDED) == 0) | self.run.erases
        self._record(
            [marked(records, np.where(is_gone, Mark.REMOVED, Mark.UNKNOWN))],
            removed=self.progress.removed + int(is_gone.sum()),
            removed_opted_out=self.progress.removed_opted_out + opted_out,
        )

    def add_countries(self, codes: Iterable[int]) -> None:
        """Remember country codes of numbers that are about to be sent."""
        self.header = replace(self.header, countries=sorted(self.countries.union(codes)))

    def record_opted_out(self, number: int) -> None:
        """
        Record durably how many opt-outs there are.

        :raises Exception: whatever the store raises; then nothing may be sent.
        """
        self.header = replace(self.header, opted_out=number)
        self.put_head()

    def _record(self, blocks: Iterable[Array], **changes: Any) -> None:
        end = self.progress.records
        for records in blocks:
            end = self.spool.write(records, end)
        if end > self.progress.records:
            self.progress = replace(self.progress, records=end, **changes)

    # Writing durably.

    def flush_quietly(self) -> None:
        """
        Write durably what was recorded; if the store fails, only the log says so.

        If the process dies as well, this costs a repetition at most, so it does not end the run.
        """
        try:
            self.flush()
        except Exception as error:  # noqa: BLE001 - whatever the store raises
            log.warning("confirmed contacts could not be recorded beside %s: %s", self.name, type(error).__name__)

    def flush(self) -> None:
        """Write durably what was recorded; may be called in any thread."""
        with self._flushing:
            progress = self.progress
            if progress.records and progress is not self._flushed:
                records = self.spool.records(self._flushed.records, progress.records)
                self.own.put(replace(self.header, date=self._date, progress=progress), records.blocks())
            self._flushed = progress

    def look_if_due(self) -> SnapshotError | None:
        """
        From time to time, write durably what was confirmed, and look whether a newer run has begun.

        :return: the error to raise if one has. A store that fails is asked again later.
        """
        if not self.other_runs.is_look_due:
            return None
        if self.progress.records > (1 + GROWN_BY) * self._flushed.records:
            self.flush_quietly()
        return self.other_runs.look()

    def put_head(self) -> None:
        """Write beside the snapshot what has to be remembered; the snapshot and its date stay as they are."""
        self.own.put_head(self.header)

    def replace(self, *, opted_out: int | None = None, forgets: bool = False) -> int:
        """
        Replace the snapshot by its next generation. Nothing may be flushed meanwhile.

        If nothing has changed, only what has to be remembered is written beside it.

        :param opted_out: how many opt-outs there are; None keeps the known number.
        :param forgets: True: leave nothing behind of removed contacts, even if another run might need it.
        :return: how many contacts it holds.
        :raises SnapshotError: one of its subclasses, when another run uses the snapshot.
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
            log.warning("entries that %s now includes could not be removed: %s", self.name, type(error).__name__)
        return number

    def _superfluous(self, *, forgets: bool) -> list[str]:
        """
        Return the names of entries that may go: all except the journals of runs that ended in the last day.

        A slow older run may still replace this snapshot by its own, and then only the journals know what this one held.
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
            raise self.other_runs.conflict()
        # Another run finished while this file was being written: its journal has what it did.
        self.other_runs.check_none_newer()
        self.header = header
        return number
