"""One run that keeps a list in step: what changed is sent, who left and who opted out is removed, last of all."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from airflow_provider_octopush.contacts.rejection import Rejection, Stage
from airflow_provider_octopush.delivery.delivery import StoppedError
from airflow_provider_octopush.exceptions import (
    ContactsKeptError,
    OptOutsMissingError,
    TooManyRejectedError,
)
from airflow_provider_octopush.sync.diff import Diff
from airflow_provider_octopush.sync.limits import allowed
from airflow_provider_octopush.sync.pipeline import every, within
from airflow_provider_octopush.sync.removal import NUMBERS_MAX, Brake, Candidate, MaxRemoved, Removal
from airflow_provider_octopush.sync.summary import ListSummary
from airflow_provider_octopush.sync.sync import ContactSync, Frames, KilledError

if TYPE_CHECKING:
    from airflow_provider_octopush.contacts.mapping import ContactMapper
    from airflow_provider_octopush.sync.records import Array
    from airflow_provider_octopush.sync.snapshot import Snapshot
    from airflow_provider_octopush.sync.sync import Rejects

log = logging.getLogger(__name__)

Leavers = Literal["remove", "keep"]

#: Seconds between two looks whether there is something to note.
_LOOK = 2.5

#: Seconds that the store has for what is noted last, when the run failed, and when it was told to end.
_PATIENCE, _NO_PATIENCE = 60.0, 1.5

#: A smaller snapshot says nothing when more than half of it changes.
_MANY = 20


@dataclass(frozen=True)
class OptOuts:
    """
    Where numbers come from that must not be on the list.

    :param open_frames: gives their rows.
    :param mapper: reads the numbers in a frame with these columns.
    """

    open_frames: Callable[[], Frames]
    mapper: Callable[[Sequence[str]], ContactMapper]


@dataclass(frozen=True)
class Rules:
    """
    What a run may do.

    :param chunk_size: contacts in a request.
    :param leavers: what becomes of who is no longer among the rows.
    :param max_removed: how many may be removed, of leavers and of people who opted out each.
    :param max_rejected: how many rows may be rejected, a number or a share.
    :param removes_blacklisted: whether Octopush was asked to remove blacklisted numbers.
    :param plans: whether nothing is sent or removed.
    """

    chunk_size: int
    leavers: Leavers
    max_removed: MaxRemoved
    max_rejected: float
    removes_blacklisted: bool = False
    plans: bool = False


class ListSync:
    """
    Keeps one list in step with rows.

    :param make_sync: makes the part that reads and sends, with what is known of the list.
    :param removal: makes the part that removes; None where nothing is.
    :param snapshot: opened.
    :param diff: the snapshot against the rows.
    :param rules: what the run may do.
    :param rejects: where rejected rows are written; None writes them nowhere.
    """

    def __init__(
        self,
        make_sync: Callable[..., ContactSync],
        make_removal: Callable[..., Removal],
        snapshot: Snapshot,
        diff: Diff,
        rules: Rules,
        rejects: Rejects | None = None,
    ) -> None:
        self._snapshot = snapshot
        self._diff = diff
        self._rules = rules
        self._rejects = rejects
        self._earlier = snapshot.noted.counts
        self._sync = make_sync(
            diff=_Plan(diff) if rules.plans else diff, earlier=self._earlier, kind=ListSummary, rejects=rejects
        )
        self._removal = make_removal(
            begin=self._begin_removing, note=self._note_removed, has_removed=snapshot.noted.removed > 0
        )
        self._removed_opted_out = int(self._earlier.get("removed_opted_out", 0))
        self._opted_out_invalid = 0
        self._fails = False

    @property
    def summary(self) -> ListSummary:
        """What has had an outcome until now."""
        summary: Any = self._sync.summary
        return summary  # type: ignore[no-any-return]

    def kill(self) -> None:
        """End the run, from another thread: nothing more is sent, and nobody waits for an answer."""
        self._removal.stop()
        self._sync.kill()

    def run(self, open_frames: Callable[[], Frames], opt_outs: OptOuts | None) -> ListSummary:
        """
        Bring the list in step, and note what it then holds.

        :param open_frames: gives the rows.
        :param opt_outs: numbers that must not be on the list; None where nobody asks.
        :return: the counts, which add up. Whether the run did all that it should have, :meth:`check` tells.
        :raises OptOutsMissingError: when nobody has opted out any more.
        :raises TooManyRejectedError: when too many numbers of people who opted out cannot be read.
        :raises OctopushError: when the run cannot go on; what was confirmed is noted.
        :raises KilledError: when it was told to end.
        """
        if self._snapshot.first_run and not self._rules.plans:
            log.warning(
                "the first run: nothing is known of the list, so who is on it already stays there, unless a row is "
                "about them"
            )
        with self._noting():
            if opt_outs is not None:
                self._read_opt_outs(opt_outs)
            summary: Any = self._sync.run(open_frames)
            return self._finish(summary)

    def check(self, summary: ListSummary) -> None:
        """
        Check that the run did all that it should have.

        :raises TooManyRejectedError: when more rows were rejected than may be.
        :raises ContactsKeptError: when somebody was kept who should have been removed.
        """
        self._check_rejected(summary)
        if self._fails:
            raise ContactsKeptError(
                f"{summary.kept:,} contacts should have been removed from {summary.list_name!r} and were not: "
                f"{summary.kept_reason}. Everything else is done and noted"
            )

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Note what was confirmed while the run goes on; and all of it however it ends."""
        try:
            with every(_LOOK, self._snapshot.flush_if_due):
                yield
        except BaseException as error:
            self._snapshot.note_counts(**self._counts())
            # A signal, or a timeout of the task, wants an end at once.
            is_failure = isinstance(error, Exception) and not isinstance(error, KilledError)
            within(_PATIENCE if is_failure else _NO_PATIENCE, self._snapshot.flush_quietly)
            raise

    def _read_opt_outs(self, opt_outs: OptOuts) -> None:
        read = 0
        reasons: dict[str, int] = {}
        with closing(opt_outs.open_frames()) as frames:
            for frame in frames:
                mapper = opt_outs.mapper([str(name) for name in frame.columns])
                contacts, rejections = mapper.map(frame, read + 1)
                read += len(frame)
                self._diff.opt_out([contact.number for contact in contacts])
                for rejection in rejections:
                    reasons[rejection.reason] = reasons.get(rejection.reason, 0) + 1
                self._opted_out_invalid += len(rejections)
                if self._rejects is not None and rejections:
                    self._rejects.write(
                        [
                            Rejection(one.row, Stage.OPTED_OUT_INVALID, one.reason, self._values(one))
                            for one in rejections
                        ]
                    )
        most = allowed(self._rules.max_rejected, read)
        if self._opted_out_invalid > most:
            said = "; ".join(f"{number:,} × {reason}" for reason, number in sorted(reasons.items()))
            raise TooManyRejectedError(
                f"{self._opted_out_invalid:,} of {read:,} numbers of people who opted out cannot be read, "
                f"max_rejected={self._rules.max_rejected} allows {most:,}: {said}. Nothing was sent, since nobody "
                "knows who they are"
            )
        if not self._diff.opted_out and self._snapshot.opted_out:
            raise OptOutsMissingError(
                f"nobody has opted out any more, but {self._snapshot.opted_out:,} had when the list was last brought "
                "in step: that looks like a failed reload, not consent. Nothing was sent. If it is right, run the task "
                "once without opted_out_sql or opted_out"
            )

    def _values(self, rejection: Rejection) -> tuple[object, ...]:
        """Return the values of a rejection of another mapper, as the rejects file has them: the number is the first."""
        width = len(self._sync.fields)
        return (*rejection.values[:1], *(None,) * (width - 1))

    def _finish(self, summary: ListSummary) -> ListSummary:
        requests, retries = self._sync.summary.requests, self._sync.summary.retries
        started = time.monotonic()
        summary = replace(
            summary,
            opted_out_invalid=self._opted_out_invalid,
            first_run=self._snapshot.first_run,
            snapshot_before=self._snapshot.noted.before,
            snapshot_after=self._snapshot.size,
        )
        self._tell_many_changed()
        if self._rules.plans:
            return self._planned(summary)
        kept = self._remove_all(summary)
        self._fails = kept.fails
        summary.removed = self._snapshot.noted.removed
        summary.removed_opted_out = self._removed_opted_out
        summary.kept, summary.kept_reason = kept.number, "; ".join(kept.reasons) or None
        summary.requests = requests + self._removal.requests + int(self._earlier.get("removal_requests", 0))
        summary.retries = retries + self._removal.retries + int(self._earlier.get("removal_retries", 0))
        summary.duration_seconds += time.monotonic() - started
        if summary.read:
            summary.snapshot_after = self._snapshot.replace(opted_out=self._diff.opted_out)
        summary.check()
        return summary

    # Who is removed.

    def _remove_all(self, summary: ListSummary) -> _Kept:
        """Remove who is to be removed; and tell who is kept although they are."""
        opted_out, leavers = self._diff.leavers_opted_out, self._diff.leavers
        if self._rules.leavers == "keep":
            leavers = leavers[:0]
        kept = _Kept()
        if not len(opted_out) + len(leavers):
            return kept
        if reason := self._why_nobody_is_removed(summary):
            kept.add(len(opted_out) + len(leavers), reason)
            return kept
        if self._snapshot.reads_otherwise and len(leavers):
            kept.add(len(leavers), _READS_OTHERWISE, fails=False)
            leavers = leavers[:0]
        chosen = []
        for positions, are_opted_out in ((opted_out, True), (leavers, False)):
            brake = self._brake(len(positions), are_opted_out=are_opted_out)
            if len(positions) and brake.holds:
                kept.add(len(positions), str(brake))
            elif len(positions):
                chosen.append((positions, are_opted_out))
        if chosen:
            self._snapshot.check_alone()
            refused, said = self._remove(chosen)
            if refused:
                kept.add(refused, _refused(refused, said))
        return kept

    def _brake(self, number: int, *, are_opted_out: bool) -> Brake:
        earlier = self._removed_opted_out if are_opted_out else self._snapshot.noted.removed - self._removed_opted_out
        who = "have opted out" if are_opted_out else "are no longer among the rows"
        # Those whom earlier tries of this run put on the list may be among those who leave.
        size = self._snapshot.size + self._snapshot.noted.removed
        return Brake(who, number + earlier, size, self._rules.max_removed)

    def _why_nobody_is_removed(self, summary: ListSummary) -> str | None:
        if not summary.read:
            return (
                "no row was read, and an empty source empties no list. If everybody has left indeed, remove them with "
                "DeleteContactsOperator"
            )
        try:
            self._check_rejected(summary)
        except TooManyRejectedError:
            return "more rows were rejected than max_rejected allows, and some of them may be about these contacts"
        return None

    def _remove(self, chosen: Sequence[tuple[Array, bool]]) -> tuple[int, str | None]:
        try:
            removed = self._removal.remove(self._candidates(chosen))
        except StoppedError:
            raise KilledError("told to end while contacts were removed: run the task again for the rest") from None
        if removed.presumed:
            log.warning(
                "Octopush refused to remove %d contacts one by one, while it removed others: they are taken for not "
                "there",
                removed.presumed,
            )
        if removed.kept:
            self._snapshot.note_doubt(_records(removed.kept))
        return len(removed.kept), removed.said

    def _candidates(self, chosen: Sequence[tuple[Array, bool]]) -> Iterator[Candidate]:
        for positions, are_opted_out in chosen:
            for records in self._snapshot.records_at(positions):
                may_be_gone = self._snapshot.may_be_gone(records).tolist()
                is_doubtful = self._snapshot.is_doubtful(records).tolist()
                numbers = self._snapshot.numbers(records)
                for number, gone, doubtful, record in zip(numbers, may_be_gone, is_doubtful, records, strict=True):
                    yield Candidate(f"+{number}", gone, doubtful, (record, are_opted_out))

    def _begin_removing(self, candidates: Sequence[Candidate]) -> None:
        self._snapshot.note_counts(**self._counts())
        self._snapshot.note_removing(_records(candidates))

    def _note_removed(self, candidates: Sequence[Candidate]) -> None:
        self._removed_opted_out += sum(candidate.record[1] for candidate in candidates)
        self._snapshot.note_removed(_records(candidates), **self._counts())

    # What is counted and told.

    def _counts(self) -> Mapping[str, float]:
        """Return what a retry cannot count itself."""
        summary = self._sync.summary
        return {
            "chunks": summary.chunks,
            "requests": summary.requests,
            "retries": summary.retries,
            "duration_seconds": summary.duration_seconds,
            "removal_requests": self._removal.requests + int(self._earlier.get("removal_requests", 0)),
            "removal_retries": self._removal.retries + int(self._earlier.get("removal_retries", 0)),
            "removed_opted_out": self._removed_opted_out,
        }

    def _check_rejected(self, summary: ListSummary) -> None:
        summary.check_rejected(self._rules.max_rejected, removes_blacklisted=self._rules.removes_blacklisted)

    def _tell_many_changed(self) -> None:
        size = self._snapshot.size
        if size >= _MANY and self._diff.changed > size / 2:
            log.warning(
                "%d of %d contacts are not what they were last time: if that is so each night, a value changes by "
                "itself, such as a time of now() or in another time zone, or a templated tag",
                self._diff.changed,
                size,
            )

    def _planned(self, summary: ListSummary) -> ListSummary:
        opted_out = len(self._diff.leavers_opted_out)
        leaving = len(self._diff.leavers) if self._rules.leavers == "remove" else 0
        kept = _Kept()
        if opted_out + leaving and (reason := self._why_nobody_is_removed(summary)):
            kept.add(opted_out + leaving, reason)
            opted_out = leaving = 0
        elif self._snapshot.reads_otherwise and leaving:
            kept.add(leaving, _READS_OTHERWISE, fails=False)
            leaving = 0
        # Whether max_removed allows them is for who reads the plan to say.
        summary.removed, summary.removed_opted_out = leaving + opted_out, opted_out
        summary.kept, summary.kept_reason = kept.number, "; ".join(kept.reasons) or None
        sent, removed = self._diff.new + self._diff.changed, summary.removed
        summary.requests = -(-sent // self._rules.chunk_size) + -(-removed // NUMBERS_MAX)
        summary.snapshot_after = summary.snapshot_before + self._diff.new - removed
        for brake in (self._brake(leaving, are_opted_out=False), self._brake(opted_out, are_opted_out=True)):
            if brake.holds:
                log.warning("max_removed would hold a run: %s", brake)
        summary.check()
        return summary


@dataclass
class _Kept:
    """Who is kept although they should be removed: how many, why, and whether that is a failure."""

    number: int = 0
    reasons: list[str] = field(default_factory=list)
    fails: bool = False

    def add(self, number: int, reason: str, *, fails: bool = True) -> None:
        self.number += number
        self.reasons.append(reason)
        self.fails |= fails


class _Plan:
    """Counts as added or updated what would be sent."""

    def __init__(self, diff: Diff) -> None:
        self._diff = diff

    def select(self, contacts: Sequence[Any]) -> tuple[list[Any], Mapping[str, int]]:
        new, changed = self._diff.new, self._diff.changed
        _, counts = self._diff.select(contacts)
        counts["added"] += self._diff.new - new
        counts["updated"] += self._diff.changed - changed
        return [], counts

    def note(self, contacts: Sequence[Any], statuses: Sequence[str]) -> None:
        """Nothing was sent."""

    def doubt(self, contacts: Sequence[Any]) -> None:
        """Nothing was sent."""


_READS_OTHERWISE = (
    "phone numbers are read otherwise than last time (their column, default_region, phone_check, or the version of "
    "phonenumbers), so "
    "who seems to have left may only be read as another number; the next run removes them"
)


def _refused(number: int, said: str | None) -> str:
    return (
        f"Octopush refused to remove {number:,} of them, and nothing shows that they are gone already ({said}): check "
        "that the list is still there, under this name"
    )


def _records(candidates: Sequence[Candidate]) -> Array:
    return np.array([candidate.record[0] for candidate in candidates])
