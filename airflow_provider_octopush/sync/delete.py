"""One run that removes contacts: it reads the number of each row, and removes every number that this may stand for."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from airflow_provider_octopush.contacts.duplicates import SeenNumbers, duplicate
from airflow_provider_octopush.contacts.fields import REGION
from airflow_provider_octopush.contacts.rejection import Rejection
from airflow_provider_octopush.delivery.removal import Candidate, NotRemoved, Removal
from airflow_provider_octopush.delivery.retry import Backoff, StoppedError
from airflow_provider_octopush.exceptions import ContactsKeptError, SnapshotMissingError
from airflow_provider_octopush.outcomes import Outcome
from airflow_provider_octopush.phones.erasable import ErasableNumbers
from airflow_provider_octopush.phones.possible import line_forms
from airflow_provider_octopush.snapshot.marks import Mark, mark_of
from airflow_provider_octopush.sync.apply import Delete, candidate_of
from airflow_provider_octopush.sync.create import Frames, KilledError
from airflow_provider_octopush.sync.summary import DeletionSummary

if TYPE_CHECKING:
    from airflow_provider_octopush.contacts.mapping import RowReader
    from airflow_provider_octopush.limits import Limit
    from airflow_provider_octopush.snapshot.records import Array
    from airflow_provider_octopush.snapshot.snapshot import Snapshot
    from airflow_provider_octopush.sync.rejects import RejectsFile

log = logging.getLogger(__name__)

AMBIGUOUS = (
    "the number may stand for more than one contact, so none of them was removed: write the region, or the number with "
    "a plus"
)


class _Outcome(IntEnum):
    """What became of a row; if it stands for several numbers, the highest outcome counts, as the least certain one."""

    UNKNOWN = 0
    REMOVED = 1
    ABSENT = 2
    KEPT = 3


class _Asked(NamedTuple):
    """
    A number to remove.

    :param row: the position of its row.
    :param record: its record in the snapshot.
    :param is_other_form: whether the snapshot holds another form of its line instead.
    """

    row: int
    record: Array | None
    is_other_form: bool


class ContactDeletion:
    """
    Removes the numbers of rows.

    :param rows: reads the number and region of each row.
    :param possible: tells which numbers a row may stand for.
    :param delete: removes 1 to 200 numbers.
    :param backoff: how often and how late a removal that failed temporarily is repeated.
    :param summary: counts the outcomes; nothing is counted yet.
    :param snapshot: snapshot of the list, opened to erase contacts; None where there is none.
    :param rejects: the file for rejected rows; None writes none.
    """

    def __init__(
        self,
        rows: RowReader,
        possible: ErasableNumbers,
        delete: Delete,
        backoff: Backoff,
        summary: DeletionSummary,
        snapshot: Snapshot | None = None,
        rejects: RejectsFile | None = None,
    ) -> None:
        self._rows = rows
        self._possible = possible
        self._rejects = rejects
        self._snapshot = snapshot
        self._removal: Removal[_Asked] = Removal(
            delete,
            backoff,
            begin=self._begin,
            note=self._record_removed,
            restore=self._record_kept,
            has_removed=snapshot is not None and snapshot.progress.removed > 0,
            believes_refusals=True,
        )
        self._outcomes: list[_Outcome] = []
        self._refusal = NotRemoved[_Asked]()
        self.summary = summary

    def kill(self) -> None:
        """End the run, from another thread: nothing more is sent."""
        self._removal.stop()

    def run(self, open_frames: Callable[[], Frames]) -> DeletionSummary:
        """
        Remove the numbers, and erase them from the snapshot.

        :param open_frames: gives the rows.
        :return: the counts, which add up.
        :raises SnapshotMissingError: when contacts are to be erased from a snapshot, and there is none.
        :raises SnapshotConflictError: when a run that writes the snapshot has begun meanwhile.
        :raises OctopushError: when the run cannot go on; contacts that are gone are erased first.
        :raises KilledError: when it was asked to stop.
        """
        started = time.monotonic()
        if self._snapshot is not None and self._snapshot.is_blank:
            raise SnapshotMissingError(
                f"there is no snapshot at {self._snapshot.name} to erase contacts from: correct snapshot_path, or "
                "leave it out until SyncListOperator has run. Nothing was removed"
            )
        try:
            self._remove(open_frames)
        except KilledError:
            raise
        except Exception:
            try:
                self._forget()
            except Exception:
                # The failure that ended the run must stay the one that is raised.
                log.exception("contacts that are gone could not be erased from the snapshot: run the task again")
            raise
        if self._snapshot is not None:
            # Meanwhile a run may have added contacts that the snapshot did not hold.
            self._snapshot.other_runs.check_alone()
        self._forget()
        self.summary.duration_seconds = time.monotonic() - started
        self.summary.check()
        return self.summary

    def check(self, max_rejected: Limit) -> None:
        """
        Check that all numbers are gone.

        :raises TooManyRejectedError: when more rows could not be read than ``max_rejected`` allows.
        :raises ContactsKeptError: when Octopush refused to remove numbers, or rows are ambiguous.
        """
        self.summary.check_rejected(max_rejected)
        if self.summary.ambiguous:
            raise ContactsKeptError(
                f"{self.summary.ambiguous:,} of {self.summary.read:,} rows may each stand for more than one contact, "
                "so none of these was removed: write the region of each number, or each number with a plus, and run "
                "the task again"
            )
        if self.summary.kept:
            raise ContactsKeptError(
                f"Octopush refused to remove {self.summary.kept:,} of {self.summary.read:,} contacts, and nothing "
                f"shows that they are gone already ({self._refusal.said}): check that the list still has this name, "
                "or look for them on Octopush's own pages. All others are gone",
                full_message=self._refusal.full_message,
            )

    def _remove(self, open_frames: Callable[[], Frames]) -> None:
        summary = self.summary
        with closing(open_frames()) as frames:
            candidates = self._candidates(frames)
            if summary.dry_run:
                summary.numbers = sum(1 for _ in candidates)
                summary.removed = len(self._outcomes)
                return
            try:
                not_removed = self._removal.remove(candidates)
            except StoppedError:
                raise KilledError("asked to stop while contacts were removed: run the task again") from None
        for candidate in (*not_removed.kept, *not_removed.unsettled):
            self._count(candidate, _Outcome.KEPT)
        self._refusal = not_removed
        counts = Counter(self._outcomes)
        summary.removed, summary.absent, summary.kept = (
            counts[outcome] for outcome in (_Outcome.REMOVED, _Outcome.ABSENT, _Outcome.KEPT)
        )
        summary.requests, summary.retries = self._removal.requests, self._removal.retries

    def _candidates(self, frames: Frames) -> Iterator[Candidate[_Asked]]:
        seen = SeenNumbers()
        for frame in frames:
            rows = self._rows.read(frame)
            phones = rows["phone_number"]
            regions = rows.get(REGION, [None] * len(phones))
            rejections: list[Rejection] = []
            for phone, region in zip(phones, regions, strict=True):
                self.summary.read += 1
                values = (phone, region)[: len(self._rows.fields)]
                possible = self._possible.read(phone, region)
                numbers, records = self._chosen(sorted(possible.numbers), sorted(possible.unlikely))
                if possible.reason is not None and not any(record is not None for record in records):
                    rejections.append(Rejection(self.summary.read, Outcome.INVALID, possible.reason.value, values))
                    continue
                if not numbers:
                    rejections.append(Rejection(self.summary.read, Outcome.AMBIGUOUS, AMBIGUOUS, values))
                    continue
                is_new = seen.add_all(numbers)
                if not any(is_new):
                    rejections.append(duplicate(self.summary.read, values))
                    continue
                self._outcomes.append(_Outcome.UNKNOWN)
                is_held = any(record is not None for record in records)
                for number, record, new in zip(numbers, records, is_new, strict=True):
                    if new:
                        self.summary.numbers += not self.summary.dry_run
                        mark = Mark.KNOWN if record is None else mark_of(record)
                        asked = _Asked(len(self._outcomes) - 1, record, is_held and record is None)
                        # Of the forms of a line, only one need ever have been there.
                        is_guess = record is None and len(numbers) > 1
                        yield replace(candidate_of(number, mark, asked), is_guess=is_guess)
            for rejection in rejections:
                self.summary.count_rejection(rejection)
            if self._rejects is not None and rejections:
                self._rejects.write(rejections)

    def _chosen(self, numbers: Sequence[int], unlikely: Sequence[int]) -> tuple[Sequence[int], Sequence[Array | None]]:
        """
        Return all forms of the line that the snapshot holds, with their records, or else all numbers; of several lines,
        return none.
        """
        held: dict[int, Array] = {}
        if self._snapshot is not None:
            all_numbers = [*numbers, *unlikely]
            positions, found = self._snapshot.find(all_numbers)
            held = {all_numbers[place]: found[place] for place in np.flatnonzero(positions >= 0).tolist()}
        line = line_forms(next(iter(held or numbers), 0))
        if any(number not in line for number in held or numbers):
            return [], []
        # The account, or another list, may have another form than this list.
        chosen = [number for number in (*numbers, *unlikely) if number in line]
        return chosen, [held.get(number) for number in chosen]

    def _count(self, candidate: Candidate[_Asked], outcome: _Outcome) -> None:
        row = candidate.record.row
        self._outcomes[row] = max(self._outcomes[row], outcome)

    # What is recorded in the snapshot.

    def _begin(self, candidates: Sequence[Candidate[_Asked]]) -> None:
        if self._snapshot is None:
            return
        # A run that has begun meanwhile may add contacts that the snapshot did not hold.
        self._snapshot.other_runs.check_alone()
        if len(records := _held(candidates)):
            self._snapshot.record_removing(records)

    def _record_removed(self, candidates: Sequence[Candidate[_Asked]]) -> None:
        for candidate in candidates:
            # That the other form of a line is not there is what one expects.
            is_absent = candidate.is_presumed and not candidate.record.is_other_form
            self._count(candidate, _Outcome.ABSENT if is_absent else _Outcome.REMOVED)
        if self._snapshot is not None and len(records := _held(candidates)):
            self._snapshot.record_removed(records)

    def _record_kept(self, candidates: Sequence[Candidate[_Asked]]) -> None:
        if self._snapshot is not None and len(records := _held(candidates)):
            self._snapshot.record_kept(records)

    def _forget(self) -> None:
        if self._snapshot is None or self.summary.dry_run:
            return
        self.summary.forgotten = self._snapshot.progress.removed
        if not (self._snapshot.progress.records or self._snapshot.others):
            return
        self._snapshot.replace(forgets=True)


def _held(candidates: Sequence[Candidate[_Asked]]) -> Array:
    held: Array = np.array([candidate.record.record for candidate in candidates if candidate.record.record is not None])
    return held
