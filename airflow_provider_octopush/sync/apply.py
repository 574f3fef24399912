"""Carries out a plan: removes contacts, and records what became of each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from airflow_provider_octopush.delivery.removal import Candidate, Removal
from airflow_provider_octopush.delivery.retry import Backoff, StoppedError
from airflow_provider_octopush.snapshot.marks import MAY_BE_ADDED, MAY_BE_GONE, MAY_BE_THERE, Mark, are, beside, mark_of
from airflow_provider_octopush.sync.changes import Change, Changes, ChangeState
from airflow_provider_octopush.sync.create import ContactSync, KilledError
from airflow_provider_octopush.sync.summary import ListSummary

if TYPE_CHECKING:
    from airflow_provider_octopush.snapshot.records import Array
    from airflow_provider_octopush.snapshot.snapshot import Snapshot

log = logging.getLogger(__name__)

Known = TypeVar("Known")

#: Removes 1 to 200 numbers; raises a subclass of OctopushError.
Delete = Callable[[Sequence[str]], None]

#: How many contacts are looked up at a time for removal.
_TOGETHER = 10_000


class _Held(NamedTuple):
    """A contact to remove: its record in the snapshot, the record's position, and the reason."""

    record: Array
    position: int
    change: Change


@dataclass
class Kept:
    """
    Contacts that are kept although they should be removed, the reasons, and whether that fails the run.

    Whether the unsettled ones are gone is not known. ``full_message`` is Octopush's own words about a removal that it
    refused.
    """

    number: int = 0
    reasons: list[str] = field(default_factory=list)
    fails: bool = False
    unsettled: int = 0
    full_message: str | None = None

    def add(self, number: int, reason: str, *, fails: bool = True) -> None:
        """Count contacts that are kept."""
        if number:
            self.number += number
            self.reasons.append(reason)
            self.fails |= fails


class Apply:
    """
    Carries out the plan, and records it in the snapshot's journal.

    :param sync: sends contacts.
    :param delete: removes contacts.
    :param backoff: how often and how late a removal that failed temporarily is repeated.
    :param snapshot: the opened snapshot.
    :param changes: records the outcome of each contact.
    """

    def __init__(
        self, sync: ContactSync[ListSummary], delete: Delete, backoff: Backoff, snapshot: Snapshot, changes: Changes
    ) -> None:
        self._sync = sync
        self._snapshot = snapshot
        self._changes = changes
        self._removal: Removal[_Held] = Removal(
            delete,
            backoff,
            begin=self._begin,
            note=self._record_removed,
            restore=self._record_kept,
            has_removed=snapshot.progress.removed > 0,
        )
        #: Contacts that the journal says are removed, but for which no request was sent.
        self._is_waiting = np.zeros(snapshot.size, bool)
        self.kept = Kept()

    def kill(self) -> None:
        """End the run, from another thread: nothing more is sent, and no answer is waited for."""
        self._removal.stop()
        self._sync.kill()

    @property
    def requests(self) -> int:
        """How many requests this try has sent, to remove contacts."""
        return self._removal.requests

    @property
    def retries(self) -> int:
        """How many of these repeated one that failed temporarily."""
        return self._removal.retries

    def write_journal(self, to_send: Iterable[Array], newly: int, to_remove: Array, *, is_whole: bool = True) -> None:
        """
        Record what is about to be sent and removed.

        :param to_send: blocks of the records of the contacts to send.
        :param newly: how many of them the snapshot does not hold.
        :param to_remove: positions of the contacts to remove.
        :param is_whole: whether the run does nothing else.
        """
        self._is_waiting[to_remove] = True
        self._snapshot.write_journal(to_send, newly, np.sort(to_remove), is_whole=is_whole)
        # Either this run sees a newer one, or the newer one has seen this run's journal.
        self._snapshot.other_runs.check_alone()

    def put_back_waiting(self) -> None:
        """Undo the journal's removals for which no request was sent."""
        positions = np.flatnonzero(self._is_waiting)
        self._is_waiting[positions] = False
        for records in self._snapshot.records_at(positions):
            self._snapshot.record_as_before(records)

    def remove(self, positions: Array, change: Change) -> None:
        """Remove contacts; those that stay are counted in :attr:`kept`."""
        if not len(positions):
            return
        self._snapshot.other_runs.check_alone()
        try:
            self._removal.remove(self._candidates(positions, change))
        except StoppedError:
            raise KilledError("asked to stop while contacts were removed: run the task again for the rest") from None
        finally:
            not_removed = self._removal.not_removed
            self._changes.write_removals([(one.number, Change.KEPT) for one in not_removed.kept], ChangeState.REFUSED)
            self._changes.write_removals(_removals(not_removed.unsettled), ChangeState.UNCONFIRMED)
        if not_removed.presumed:
            log.warning(
                "Octopush refused to remove %d contacts one by one, but removed others: they are taken to be gone "
                "already",
                not_removed.presumed,
            )
        self.kept.unsettled += len(not_removed.unsettled)
        self.kept.add(
            len(not_removed.kept),
            f"Octopush refused to remove {len(not_removed.kept):,} of them, and nothing shows that they are gone "
            f"already ({not_removed.said}): check that the list is still there, under this name",
        )
        if not_removed.kept:
            self.kept.full_message = self.kept.full_message or not_removed.full_message

    def _candidates(self, positions: Array, change: Change) -> Iterator[Candidate[_Held]]:
        # First those known to be on the list: if one of them is removed, the requests are right.
        for is_unsure in (False, True):
            for start in range(0, len(positions), _TOGETHER):
                part = positions[start : start + _TOGETHER]
                (records,) = self._snapshot.records_at(part)
                is_chosen = are(records, (*MAY_BE_GONE, *MAY_BE_THERE)) == is_unsure
                chosen = records[is_chosen]
                numbers = self._snapshot.numbers(chosen)
                for number, record, position in zip(numbers, chosen, part[is_chosen].tolist(), strict=True):
                    yield candidate_of(number, mark_of(record), _Held(record, position, change))

    def _begin(self, candidates: Sequence[Candidate[_Held]]) -> None:
        self._is_waiting[_positions(candidates)] = False

    def _record_kept(self, candidates: Sequence[Candidate[_Held]]) -> None:
        self._is_waiting[_positions(candidates)] = False
        self._snapshot.record_kept(_records(candidates))

    def _record_removed(self, candidates: Sequence[Candidate[_Held]]) -> None:
        # A contact that another process may still send may be there again.
        gone = [one for one in candidates if not beside(one.record.record, MAY_BE_ADDED)]
        unsettled = [one for one in candidates if beside(one.record.record, MAY_BE_ADDED)]
        self.kept.unsettled += len(unsettled)
        opted_out = sum(one.record.change is Change.OPTED_OUT for one in gone)
        self._snapshot.record_removed(_records(candidates), opted_out=opted_out)
        self._changes.write_removals(_removals(gone), ChangeState.DONE)
        self._changes.write_removals(_removals(unsettled), ChangeState.UNCONFIRMED)


def candidate_of(number: int, mark: int, known: Known) -> Candidate[Known]:
    """Return a candidate for removal, with its mark in the snapshot and the caller's own data about it."""
    return Candidate(
        f"+{number}",
        known,
        may_be_gone=mark in MAY_BE_GONE,
        is_unconfirmed=mark in MAY_BE_THERE,
        was_refused=mark == Mark.REFUSED,
        was_asked=mark == Mark.OWN_REMOVING,
    )


def _positions(candidates: Sequence[Candidate[_Held]]) -> list[int]:
    return [one.record.position for one in candidates]


def _records(candidates: Sequence[Candidate[_Held]]) -> Array:
    return np.array([one.record.record for one in candidates])


def _removals(candidates: Sequence[Candidate[_Held]]) -> list[tuple[str, Change]]:
    return [(one.number, one.record.change) for one in candidates]
