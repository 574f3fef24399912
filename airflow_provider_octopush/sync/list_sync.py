"""One run that keeps a list in step: what changed is sent, who left and who opted out is removed, last of all."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from airflow_provider_octopush.contacts.duplicates import SeenNumbers
from airflow_provider_octopush.contacts.rejection import Rejection, Stage
from airflow_provider_octopush.delivery.delivery import StoppedError
from airflow_provider_octopush.exceptions import (
    ContactsKeptError,
    OptOutsMissingError,
    TooManyRejectedError,
)
from airflow_provider_octopush.limits import Limit
from airflow_provider_octopush.phones.reasons import PhoneReason
from airflow_provider_octopush.sync.diff import Diff
from airflow_provider_octopush.sync.limits import allowed
from airflow_provider_octopush.sync.pipeline import every, within
from airflow_provider_octopush.sync.removal import NUMBERS_MAX, Brake, Candidate, MaxOptedOut, MaxRemoved, Removal
from airflow_provider_octopush.sync.summary import ListSummary
from airflow_provider_octopush.sync.sync import ContactSync, Frames, KilledError

if TYPE_CHECKING:
    from airflow_provider_octopush.contacts.opt_outs import OptOutReader
    from airflow_provider_octopush.phones.possible import Possible
    from airflow_provider_octopush.sync.records import Array
    from airflow_provider_octopush.sync.snapshot import Snapshot
    from airflow_provider_octopush.sync.sync import Rejects

log = logging.getLogger(__name__)

Leavers = Literal["remove", "keep"]

#: Seconds between two looks whether there is something to note.
_LOOK = 2.5

#: Seconds that the store has for what is noted last, when the run failed, and when it was told to end.
_PATIENCE, _NO_PATIENCE = 60.0, 1.5

#: So many opt-outs may be taken back from one night to the next, whatever share of all they are.
_FEW = 10

#: A smaller snapshot says nothing when more than half of it changes.
_MANY = 20


@dataclass(frozen=True)
class OptOuts:
    """
    Where numbers come from that must not be on the list.

    :param open_frames: gives their rows.
    :param reader: reads the numbers in a frame.
    :param rejects: where those are written that cannot be read; None writes them nowhere.
    """

    open_frames: Callable[[], Frames]
    reader: OptOutReader
    rejects: Rejects | None = None


@dataclass(frozen=True)
class Rules:
    """
    What a run may do.

    :param chunk_size: contacts in a request.
    :param leavers: what becomes of who is no longer among the rows.
    :param max_removed: how many leavers may be removed.
    :param max_opted_out: how many may be removed because they opted out.
    :param min_opted_out: how many must have opted out; None for nine tenths of the last time.
    :param max_rejected: how many rows may be rejected, a number or a share.
    :param removes_blacklisted: whether Octopush was asked to remove blacklisted numbers.
    :param plans: whether nothing is sent or removed.
    :param is_not_whole: why the rows are not the whole audience, so that nobody who seems to have left is removed; None
        where they are.
    """

    chunk_size: int
    leavers: Leavers
    max_removed: MaxRemoved
    max_rejected: float
    max_opted_out: MaxOptedOut = field(default_factory=MaxOptedOut)
    min_opted_out: Limit | None = None
    removes_blacklisted: bool = False
    plans: bool = False
    is_not_whole: str | None = None


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
        self._earlier = snapshot.noted.counts
        self._sync = make_sync(
            diff=_Plan(diff) if rules.plans else diff, earlier=self._earlier, kind=ListSummary, rejects=rejects
        )
        self._removal = make_removal(
            begin=self._begin_removing,
            note=self._note_removed,
            restore=self._note_as_before,
            has_removed=snapshot.noted.removed > 0,
        )
        self._removed_opted_out = int(self._earlier.get("removed_opted_out", 0))
        self._opt_outs_read = _OptOutsRead()
        self._kept = _Kept()

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
        :raises OptOutsMissingError: when so few have opted out that some must be missing.
        :raises ContactsKeptError: when more would be removed because they opted out than may be; nothing was sent.
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
                self._deal_with_opt_outs(opt_outs)
            rows: Any = self._sync.run(open_frames)
            summary = self._finish(rows)
        # Not before nothing else writes beside the snapshot any more.
        if summary.read and not self._rules.plans:
            summary.snapshot_after = self._snapshot.replace(is_held=self._kept.is_held)
        summary.check()
        return summary

    def check(self, summary: ListSummary) -> None:
        """
        Check that the run did all that it should have.

        :raises TooManyRejectedError: when more rows were rejected than may be.
        :raises ContactsKeptError: when somebody was kept who should have been removed.
        """
        self._check_rejected(summary)
        if self._kept.fails:
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

    # Who has opted out: the first step, which nothing that is wrong with the rows touches.

    def _deal_with_opt_outs(self, opt_outs: OptOuts) -> None:
        read = self._opt_outs_read = self._read_opt_outs(opt_outs)
        if read.invalid == read.rows - read.blank > 0:
            raise TooManyRejectedError(
                f"none of {read.invalid:,} numbers of people who opted out can be read: {read.why()}. Nothing was "
                "sent, since nobody knows who they are"
            )
        self._check_not_shrunk(read)
        if not self._rules.plans:
            if read.readable != self._snapshot.opted_out:
                self._snapshot.note_opted_out(read.readable)
            self._remove_opted_out()
            self._snapshot.flush()
            if self._kept.is_held:
                raise ContactsKeptError(f"{'; '.join(self._kept.reasons)}. Nothing was sent")
        most = allowed(self._rules.max_rejected, read.rows)
        if read.invalid > most:
            raise TooManyRejectedError(
                f"{read.invalid:,} of {read.rows:,} numbers of people who opted out cannot be read, "
                f"max_rejected={self._rules.max_rejected} allows {most:,}: {read.why()}. Nothing was sent, since "
                "nobody knows who they are; that does not keep all others who opted out from being removed"
            )

    def _read_opt_outs(self, opt_outs: OptOuts) -> _OptOutsRead:
        read = _OptOutsRead()
        with closing(opt_outs.open_frames()) as frames:
            for frame in frames:
                found = opt_outs.reader.read(frame)
                rejections = [
                    Rejection(row, Stage.INVALID, one.possible.reason.value, one.values)
                    for row, one in enumerate(found, read.rows + 1)
                    if one.possible.reason not in (None, PhoneReason.MISSING)
                ]
                if opt_outs.rejects is not None and rejections:
                    opt_outs.rejects.write(rejections)
                read.count([one.possible for one in found])
                self._diff.opt_out(
                    {number for one in found for number in one.possible.numbers},
                    {one.possible.elsewhere for one in found if one.possible.elsewhere is not None},
                )
        return read

    def _check_not_shrunk(self, read: _OptOutsRead) -> None:
        last, least = self._snapshot.opted_out, self._rules.min_opted_out
        if least is not None:
            is_enough, asked = (
                read.readable >= least.least(last),
                f"min_opted_out ({least}) asks for {least.least(last):,}",
            )
        else:
            # Some always change their minds.
            is_enough = read.readable * 10 >= last * 9 or (last - read.readable <= _FEW and read.readable > 0)
            asked = f"nine tenths are {-(-last * 9 // 10):,}"
        if not is_enough:
            raise OptOutsMissingError(
                f"{read.readable:,} people have opted out, and {last:,} had the last time; {asked}. That looks like a "
                "failed reload, not consent. Nothing was sent. Look at the table; if it is right, run the task once "
                f"with min_opted_out={read.readable}"
            )

    def _remove_opted_out(self) -> None:
        """Remove those who are known to have opted out by now, unless there are too many."""
        positions = self._diff.take_opted_out()
        if not len(positions):
            return
        brake = self._brake(positions, are_opted_out=True)
        if brake.holds:
            self._kept.add(len(positions), str(brake), is_held=True)
        else:
            self._remove(positions, are_opted_out=True)

    def _finish(self, summary: ListSummary) -> ListSummary:
        requests, retries = self._sync.summary.requests, self._sync.summary.retries
        started = time.monotonic()
        summary = replace(
            summary,
            opted_out_invalid=self._opt_outs_read.invalid,
            opted_out_blank=self._opt_outs_read.blank,
            first_run=self._snapshot.first_run,
            snapshot_before=self._snapshot.noted.before,
            snapshot_after=self._snapshot.size,
        )
        self._tell_many_changed()
        if self._rules.plans:
            return self._planned(summary)
        # In countries that appeared among the rows, more have opted out than was known before.
        self._remove_opted_out()
        self._remove_missing(summary)
        kept = self._kept
        summary.removed = self._snapshot.noted.removed
        summary.removed_opted_out = self._removed_opted_out
        summary.kept, summary.kept_reason = kept.number, "; ".join(kept.reasons) or None
        summary.unsettled = kept.unsettled
        summary.requests = requests + self._removal.requests + int(self._earlier.get("removal_requests", 0))
        summary.retries = retries + self._removal.retries + int(self._earlier.get("removal_retries", 0))
        summary.duration_seconds += time.monotonic() - started
        return summary

    # Who is removed.

    def _remove_missing(self, summary: ListSummary) -> None:
        if self._rules.leavers == "keep":
            return
        positions = self._diff.take_missing()
        if not len(positions):
            return
        brake = self._brake(positions, are_opted_out=False)
        if reason := self._why_nobody_is_removed(summary):
            self._kept.add(len(positions), reason)
        elif self._snapshot.reads_otherwise:
            self._kept.add(len(positions), _READS_OTHERWISE, fails=False)
        elif self._kept.is_held:
            self._kept.add(len(positions), "too many have opted out, so nobody else was removed either")
        elif brake.holds:
            self._kept.add(len(positions), str(brake), is_held=True)
        else:
            self._remove(positions, are_opted_out=False)

    def _brake(self, positions: Array, *, are_opted_out: bool) -> Brake:
        # That a removal was under way means that it was allowed.
        number = len(positions) - sum(
            int(self._snapshot.may_be_gone(part).sum()) for part in self._snapshot.records_at(positions)
        )
        size, rules = self._snapshot.size_for_limits, self._rules
        if are_opted_out:
            number += self._removed_opted_out
            return Brake("have opted out", number, size, "max_opted_out", rules.max_opted_out)
        number += self._snapshot.noted.removed - self._removed_opted_out
        return Brake("are no longer among the rows", number, size, "max_removed", rules.max_removed)

    def _why_nobody_is_removed(self, summary: ListSummary) -> str | None:
        if not summary.read:
            return (
                "no row was read, and an empty source empties no list. If everybody has left indeed, remove them with "
                "DeleteContactsOperator"
            )
        if self._rules.is_not_whole is not None:
            return self._rules.is_not_whole
        try:
            self._check_rejected(summary)
        except TooManyRejectedError:
            return "more rows were rejected than max_rejected allows, and some of them may be about these contacts"
        return None

    def _remove(self, positions: Array, *, are_opted_out: bool) -> None:
        self._snapshot.check_alone()
        try:
            removed = self._removal.remove(self._candidates(positions, are_opted_out=are_opted_out))
        except StoppedError:
            raise KilledError("told to end while contacts were removed: run the task again for the rest") from None
        if removed.presumed:
            log.warning(
                "Octopush refused to remove %d contacts one by one, while it removed others: they are taken for not "
                "there",
                removed.presumed,
            )
        if removed.unsettled:
            log.warning(
                "Octopush refused to remove %d contacts that may be gone already (%s): a later run asks again",
                len(removed.unsettled),
                removed.said,
            )
            self._kept.unsettled += len(removed.unsettled)
        if removed.kept:
            self._kept.add(len(removed.kept), _refused(len(removed.kept), removed.said))

    def _candidates(self, positions: Array, *, are_opted_out: bool) -> Iterator[Candidate]:
        # First those that are there: one of them that is removed tells that the requests are right.
        for may_be_gone in (False, True):
            for records in self._snapshot.records_at(positions):
                is_gone, is_doubtful = self._snapshot.may_be_gone(records), self._snapshot.is_doubtful(records)
                chosen = records[(is_gone | is_doubtful) == may_be_gone]
                for number, record in zip(self._snapshot.numbers(chosen), chosen, strict=True):
                    yield Candidate(
                        f"+{number}",
                        may_be_gone=bool(self._snapshot.may_be_gone(record)),
                        is_doubtful=bool(self._snapshot.is_doubtful(record)),
                        was_refused=bool(self._snapshot.was_refused(record)),
                        record=(record, are_opted_out),
                    )

    def _begin_removing(self, candidates: Sequence[Candidate]) -> None:
        self._snapshot.note_counts(**self._counts())
        self._snapshot.note_removing(_records(candidates))

    def _note_as_before(self, candidates: Sequence[Candidate]) -> None:
        self._snapshot.note_kept(_records(candidates))

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
        opted_out, missing = self._diff.take_opted_out(), self._diff.take_missing()
        if self._rules.leavers == "keep":
            missing = missing[:0]
        brakes = [self._brake(missing, are_opted_out=False), self._brake(opted_out, are_opted_out=True)]
        kept = self._kept
        if len(missing) and (reason := self._why_nobody_is_removed(summary)):
            kept.add(len(missing), reason, fails=False)
            missing = missing[:0]
        elif self._snapshot.reads_otherwise and len(missing):
            kept.add(len(missing), _READS_OTHERWISE, fails=False)
            missing = missing[:0]
        # Whether the limits allow them is for who reads the plan to say.
        summary.removed, summary.removed_opted_out = len(missing) + len(opted_out), len(opted_out)
        summary.kept, summary.kept_reason = kept.number, "; ".join(kept.reasons) or None
        sent = self._diff.new + self._diff.changed
        summary.requests = sum(
            -(-number // together)
            for number, together in (
                (sent, self._rules.chunk_size),
                (len(opted_out), NUMBERS_MAX),
                (len(missing), NUMBERS_MAX),
            )
        )
        summary.snapshot_after = summary.snapshot_before + self._diff.new - summary.removed
        for brake in brakes:
            if brake.holds:
                log.warning("%s would hold a run: %s", brake.parameter, brake)
        return summary


@dataclass
class _OptOutsRead:
    """What was read of people who opted out."""

    rows: int = 0
    blank: int = 0
    invalid: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    seen: SeenNumbers = field(default_factory=SeenNumbers)
    #: Different people whose number can be read.
    readable: int = 0

    def count(self, found: Sequence[Possible]) -> None:
        self.rows += len(found)
        self.blank += sum(one.reason is PhoneReason.MISSING for one in found)
        reasons = [one.reason.value for one in found if one.reason not in (None, PhoneReason.MISSING)]
        self.invalid += len(reasons)
        self.reasons.update(reasons)
        self.readable += sum(self.seen.add_all([min(one.numbers) for one in found if one.reason is None]))

    def why(self) -> str:
        return "; ".join(f"{number:,} × {reason}" for reason, number in sorted(self.reasons.items()))


@dataclass
class _Kept:
    """
    Who is kept although they should be removed: how many, why, and whether that is a failure.

    ``is_held`` says whether a limit is why; ``unsettled`` counts those of whom nobody knows whether they are gone.
    """

    number: int = 0
    reasons: list[str] = field(default_factory=list)
    fails: bool = False
    is_held: bool = False
    unsettled: int = 0

    def add(self, number: int, reason: str, *, fails: bool = True, is_held: bool = False) -> None:
        self.number += number
        self.reasons.append(reason)
        self.fails |= fails
        self.is_held |= is_held


class _Plan:
    """Counts as added or updated what would be sent."""

    def __init__(self, diff: Diff) -> None:
        self._diff = diff

    def screen(self, contacts: list[Any], rejections: list[Rejection]) -> tuple[list[Any], list[Rejection], int]:
        return self._diff.screen(contacts, rejections)

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
