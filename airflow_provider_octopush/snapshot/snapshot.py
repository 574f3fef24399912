"""
What a list holds, as far as it is known: read before a run, written down before anything is done, replaced at its end.

A snapshot is one file (:mod:`~airflow_provider_octopush.snapshot.snapshot_file`), whose generation rises each time that
it is replaced. Beside it are the sign of each run, the journal of what it is about to send and remove, what was
confirmed since, and a small head with what has to be remembered although the snapshot stays as it is. Whoever the
server may hold through this task is in one of these at every moment. A run that ends well puts all of it into the next
generation. What a run leaves that was killed stays where it is, and the next run goes on from there.

Object stores have no compare-and-swap, so two runs at a time cannot be kept apart; but the newer one wins. Each looks
for a newer one after it has put its journal, every few seconds while it is at work, before a request if the last look
is longer ago, before it removes, before it replaces and afterwards. The newer one waits until an older one that is
alive has looked. And as a slow older one may replace the snapshot last, a run's journal stays beside it for
a day. So nothing that was noted is lost (see :mod:`~airflow_provider_octopush.snapshot.opening`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from msgspec.structs import replace

from airflow_provider_octopush.exceptions import SnapshotConflictError, SnapshotError, SupersededError
from airflow_provider_octopush.snapshot.held import Held
from airflow_provider_octopush.snapshot.marks import KEPT, MAY_BE_GONE, STATUSES, Mark, are
from airflow_provider_octopush.snapshot.records import Array, Records, Spool, merged
from airflow_provider_octopush.snapshot.snapshot_file import Header, Identity, Noted, write
from airflow_provider_octopush.snapshot.store import ONE_AT_A_TIME, Store
from airflow_provider_octopush.snapshot.tries import (
    Run,
    Try,
    additions_of,
    erases,
    stamp_of,
    writer_of_head,
    writer_of_snapshot,
)

log = logging.getLogger(__name__)

#: Seconds between two looks whether a newer run has begun; and so many more until no request is begun without one.
LOOKED_AFTER = 5.0
LATE = 3.0

#: Nanoseconds that the journal of a run stays beside the snapshot. An older run that puts its own snapshot later than
#: that, because its machine stood still, is too late to be protected from.
_JOURNALS_STAY = 24 * 3600 * 10**9

#: Then, what was confirmed is noted when it is by this part more than what was noted: dozens of times in the longest
#: run. It only saves work: what may be on the list is in the journal.
GROWN_BY = 0.1


@dataclass(eq=False, kw_only=True)
class Snapshot(Held):
    """
    A snapshot that :func:`~airflow_provider_octopush.snapshot.opening.open_snapshot` has opened, and what a run notes
    on top of it.

    :param store: where it is kept.
    :param run: that goes on.
    :param own: its try, which writes.
    :param identity: what it is about.
    :param base_run: the try that wrote the snapshot; empty when there is none.
    :param header: what stands in all that is written from here on: what is remembered for the next run, too.
    :param others: the additions of other tries that were there.
    :param unfinished: try → the last of its additions, of those that are not in the snapshot.
    :param noted: what was noted until now, by this try and by those before it.
    :param is_blank: whether there is no snapshot, and nothing was noted beside it.
    :param is_outdated: whether what the snapshot holds is no longer all that is known.
    :param reads_otherwise: whether phone numbers are read otherwise than when it, or what was noted beside it, was
        written. Where no reading is known, as in one that was adopted, nothing speaks against tonight's.
    :param generation_before: the generation that the run found, in the first of its tries; 0 where there was none.
    :param size_for_limits: how many contacts the list held before all tries of the run. What runs have added that did
        not come to their end does not count: their rows may not have been right.
    :param spool: what was noted by this try.
    :param resources: what gives back the files.
    """

    store: Store
    run: Run
    own: Try
    identity: Identity
    base_run: str
    header: Header
    others: Mapping[str, Mapping[int, str]]
    unfinished: Mapping[str, int]
    noted: Noted
    is_blank: bool
    is_outdated: bool
    reads_otherwise: bool
    generation_before: int
    size_for_limits: int
    spool: Spool
    resources: ExitStack
    #: Of what is noted: a run that a limit holds leaves it to an older one to do the same.
    _date: str | None = field(default=None, init=False)
    _looked_at: float = field(default_factory=lambda: time.monotonic(), init=False)
    _flushing: threading.Lock = field(default_factory=threading.Lock, init=False)
    _flushed: Noted = field(default=Noted(), init=False)
    #: How many of its own additions there are up to the end of its journal; what comes later only saves work.
    _journal_end: int = field(default=0, init=False)

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back all files; what was noted but not replaced stays among the additions."""
        self.resources.close()

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.store.name

    @property
    def first_run(self) -> bool:
        """Whether there was no snapshot."""
        return not self.base_run

    @property
    def opted_out(self) -> int:
        """How many people had opted out, the last time that this was found to be right."""
        return self.header.opted_out

    @property
    def countries(self) -> frozenset[int]:
        """Country codes of the numbers that were ever held."""
        return frozenset(self.header.countries)

    # What is noted.

    def note_journal(self, to_send: Records, newly: int, to_remove: Array, *, is_whole: bool = True) -> None:
        """
        Note, before anything is sent and so that it outlives this process, all that is about to be sent and removed.

        :param to_send: records of contacts.
        :param newly: how many of them the snapshot does not hold.
        :param to_remove: positions.
        :param is_whole: whether this is all that the run does, so that an older run has nothing left to do.
        :raises Exception: what the store raises; nothing may be sent or removed then.
        """
        before = self.noted
        if is_whole:
            self._date = self.run.date
        sending = (_marked(block, Mark.UNKNOWN) for block in to_send.blocks())
        removing = (_marked(records, Mark.REMOVING) for records in self.records_at(to_remove))
        self._note(chain(sending, removing), noted=before.noted + newly)
        if self.noted is not before:
            self.flush()
            self._journal_end = len(self.own.additions)

    def note_about_to_send(self, records: Array, newly: int) -> None:
        """
        Note that contacts are about to be sent: the list may have them from now on, nobody knows how.

        :param newly: how many of them the snapshot does not hold.
        """
        self._note([_marked(records, Mark.UNKNOWN)], noted=self.noted.noted + newly)

    def note(self, found: Array, digests: Array, statuses: Sequence[str]) -> None:
        """
        Note contacts that Octopush confirmed.

        :param found: their records.
        :param digests: of what was sent.
        :param statuses: for each ``added``, ``updated`` or ``skipped``.
        """
        # A removal that had no answer may still arrive, and take away what was sent: that is sent once more.
        marks = np.where(are(found, MAY_BE_GONE), Mark.UNKNOWN, [STATUSES[status] for status in statuses])
        records = _marked(found, marks)
        records["digest"] = digests
        self._note([records])

    def note_as_before(self, records: Array, is_there: Array) -> None:
        """
        Note that contacts are as they were: nothing that was sent of them, or to remove them, had an effect.

        :param records: as they were.
        :param is_there: whether the snapshot holds each.
        """
        as_before = _marked(records, np.where(is_there, records["mark"], Mark.REMOVED))
        self._note([as_before], noted=self.noted.noted - int((~is_there).sum()))

    def note_kept(self, records: Array) -> None:
        """Note that contacts are as they were: a request to remove them was refused."""
        self._note([_marked(records, np.where(records["mark"] == Mark.KNOWN, Mark.REFUSED, records["mark"]))])

    def note_removing(self, records: Array) -> None:
        """
        Note, before it is done and so that it outlives this process, that contacts are removed.

        :raises Exception: what the store raises; nothing may be removed then.
        """
        self._note([_marked(records, Mark.REMOVING)])
        self.flush()

    def note_removed(self, records: Array, **counts: float) -> None:
        """
        Note that contacts were removed.

        :param counts: what else is counted from here on.
        """
        # Who another process may still send is removed again by a later run.
        is_gone = records["mark"] != Mark.TAKEN_OVER
        self._note(
            [_marked(records, np.where(is_gone, Mark.REMOVED, Mark.UNKNOWN))],
            removed=self.noted.removed + int(is_gone.sum()),
            counts={**self.noted.counts, **counts},
        )

    def note_counts(self, **counts: float) -> None:
        """Note what else is counted, for the summary of the next try."""
        self.noted = replace(self.noted, counts={**self.noted.counts, **counts})

    def note_countries(self, codes: Iterable[int]) -> None:
        """Note country codes of numbers that are about to be sent."""
        self.header = replace(self.header, countries=sorted(self.countries.union(codes)))

    def note_opted_out(self, number: int) -> None:
        """
        Note, so that it outlives this process, how many people have opted out.

        :raises Exception: what the store raises; nothing may be sent then.
        """
        self.header = replace(self.header, opted_out=number)
        self.put_head()

    def _note(self, blocks: Iterable[Array], **changes: Any) -> None:
        end = self.noted.records
        for records in blocks:
            end = self.spool.write(records, end)
        if end > self.noted.records:
            self.noted = replace(self.noted, records=end, **changes)

    # What outlives this process.

    def flush_quietly(self) -> None:
        """
        Put what was noted where it outlives this process; a store that fails is told of in the log.

        That costs a repetition at most if the process dies as well, so it does not end the run.
        """
        try:
            self.flush()
        except Exception as error:  # noqa: BLE001 - whatever the store raises
            log.warning("what was confirmed could not be noted beside %s: %s", self.name, type(error).__name__)

    def flush(self) -> None:
        """Put what was noted where it outlives this process; may be called in any thread."""
        with self._flushing:
            noted = self.noted
            if noted.records and noted is not self._flushed:
                records = self.spool.records(self._flushed.records, noted.records)
                self.own.put(replace(self.header, date=self._date, noted=noted), records.blocks())
            self._flushed = noted

    def put_head(self) -> None:
        """Put what has to be remembered beside the snapshot, which stays as it is, with its date."""
        self.own.put_head(self.header)

    def replace(self, *, opted_out: int | None = None, forgets: bool = False) -> int:
        """
        Put the next generation in the snapshot's place. Nothing may be flushed meanwhile.

        Where nothing has changed, only what has to be remembered is put beside it.

        :param opted_out: how many people have opted out; None: as many as is known.
        :param forgets: True: leave nothing behind of who was removed, even if another run might have wanted it.
        :return: how many contacts it holds.
        :raises SnapshotError: one of its subclasses, when another run works with the snapshot.
        :raises RuntimeError: when the counts do not add up, which is a bug of this provider.
        """
        try:
            self.check_alone()
        except SnapshotError:
            self.flush_quietly()
            raise
        self.header = replace(
            self.header,
            opted_out=self.opted_out if opted_out is None else opted_out,
            date=max(filter(None, [self.header.date, self.run.date]), default=None),
        )
        number = self.size
        if self.noted.records or self.is_outdated or forgets:
            number = self._put()
        self.put_head()
        names = self._superfluous(forgets=forgets)
        try:
            self.store.remove_additions(names)
        except Exception as error:
            if forgets:
                raise
            log.warning("additions to %s were not removed: %s", self.name, type(error).__name__)
        return number

    def _superfluous(self, *, forgets: bool) -> list[str]:
        """
        Return the names of additions that may go: but for the journals of runs that have ended in the last day.

        A slow older run may still put its snapshot in the place of this one, and then nothing else knows what is in it.
        """
        stays = 0 if forgets else self._journal_end
        stay, go = self.own.additions[:stays], self.own.additions[stays:]
        self.own.additions = stay
        old = stamp_of(self.own.name) - _JOURNALS_STAY
        for one, of_try in self.others.items():
            if forgets or one in self.unfinished or stamp_of(one) < old:
                go += of_try.values()
        return go

    def _put(self) -> int:
        noted = self.noted
        included = {name: max(of_try) for name, of_try in self.others.items()}
        header = replace(
            self.header,
            generation=self.header.generation + 1,
            beside=self.own.name,
            included={**included, self.own.name: len(self.own.additions) - 1},
            noted=noted,
        )
        blocks = merged(self.records, self.spool.records(0, noted.records))
        file, number = write(header, self.keys[0], (_marked(block, KEPT[block["mark"]]) for block in blocks))
        with file:
            if number != noted.after:
                raise RuntimeError(
                    f"the counts of the snapshot do not add up: {noted.before} before, {noted.noted} newly noted and "
                    f"{noted.removed} removed, but {number} after. This is a bug of airflow-provider-octopush: please "
                    "report it with this message"
                )
            self.store.put(file)
        if writer_of_snapshot(self.store) != self.own.name:
            raise self._replaced()
        # One that came to its end while this file was on its way: what it did is in its journal.
        if (newer := self._newer_run()) is not None:
            raise newer
        self.header = header
        return number

    # Who else writes.

    def check_alone(self) -> None:
        """
        Check that this run is the newest that works with the snapshot, and that nobody has replaced it.

        :raises SupersededError: when a newer run has begun; to an erasure that is a SnapshotConflictError.
        :raises SnapshotConflictError: when the snapshot is another one.
        """
        if not self.own.writes:
            return
        if (newer := self._newer_run()) is not None:
            raise newer
        now = writer_of_snapshot(self.store)
        if now != self.base_run:
            raise self._superseded() if self.run.erases or self._is_newer(now) else self._replaced()

    def look_if_due(self) -> SnapshotError | None:
        """
        Now and then, put what was confirmed where it outlives this process, and look whether a newer run has begun.

        :return: what says that one has. A store that fails is asked again later.
        """
        if time.monotonic() - self._looked_at < LOOKED_AFTER:
            return None
        if self.noted.records > (1 + GROWN_BY) * self._flushed.records:
            self.flush_quietly()
        return self._look()

    def check_newest(self) -> None:
        """
        Look whether a newer run has begun, if the last look is long ago: the process may have been stopped since.

        A store that fails is asked again by the next look.

        :raises SnapshotError: when one has.
        """
        is_late = time.monotonic() - self._looked_at >= LOOKED_AFTER + LATE
        if is_late and (newer := self._look()) is not None:
            raise newer

    def _look(self) -> SnapshotError | None:
        self._looked_at = time.monotonic()
        try:
            return self._newer_run() if self.own.writes else None
        except Exception as error:  # noqa: BLE001 - whatever the store raises
            log.warning("whether another run writes %s is not known: %s", self.name, type(error).__name__)
            return None

    def _newer_run(self) -> SnapshotError | None:
        if not self.run.erases and (head := writer_of_head(self.store)) > self.own.name:
            # It has come to its end, and its sign is gone.
            return self._replaced() if erases(head) else self._superseded()
        now = additions_of(self.store.additions()).keys() - {self.own.name}
        # To an erasure: whatever has come since, a sign that took long to be put included.
        is_newer = now - self.others.keys() if self.run.erases else any(map(self._is_newer, now))
        return self._superseded() if is_newer else None

    def _is_newer(self, other: str) -> bool:
        return other > self.own.name and not erases(other)

    def _superseded(self) -> SnapshotError:
        if self.run.erases:
            return SnapshotConflictError(
                f"a run that writes {self.name} has begun while people were erased, and may bring them back: run this "
                "task again once it has ended"
            )
        return SupersededError(
            f"a newer run of the task took over {self.name}, and reads the whole audience: this one has ended for "
            "good. Let one run at a time write it (max_active_runs=1)"
        )

    def _replaced(self) -> SnapshotError:
        return SnapshotConflictError(
            f"another run has replaced {self.name} meanwhile: what this run did is noted. {ONE_AT_A_TIME}"
        )


def _marked(records: Array, mark: Any) -> Array:
    marked = records.copy()
    marked["mark"] = mark
    return marked
