"""
One run that keeps a list in step.

Opt-outs are removed first. All else is planned, held against the limits, recorded in a journal, and only then done.
"""

from __future__ import annotations

import logging
import operator
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from airflow_provider_octopush.delivery.pipeline import every, within
from airflow_provider_octopush.delivery.removal import Candidate, Removal
from airflow_provider_octopush.delivery.retry import StoppedError
from airflow_provider_octopush.exceptions import (
    ContactsKeptError,
    LimitExceededError,
    SnapshotError,
    TooManyRejectedError,
)
from airflow_provider_octopush.snapshot.marks import DOUBTFUL, MAY_BE_GONE, Mark, are
from airflow_provider_octopush.sync.changes import Change, Changes, ChangeState
from airflow_provider_octopush.sync.contact_file import ContactFile
from airflow_provider_octopush.sync.opt_outs import OptOuts, OptOutsRead
from airflow_provider_octopush.sync.plan import Exceeded, Limits, Plan
from airflow_provider_octopush.sync.summary import ListSummary
from airflow_provider_octopush.sync.sync import ContactSync, Frames, KilledError

if TYPE_CHECKING:
    from airflow_provider_octopush.limits import Limit
    from airflow_provider_octopush.snapshot.records import Array
    from airflow_provider_octopush.snapshot.snapshot import Snapshot
    from airflow_provider_octopush.sync.diff import Diff
    from airflow_provider_octopush.sync.sync import Rejects

log = logging.getLogger(__name__)

Leavers = Literal["remove", "keep"]

#: Seconds between two looks whether there is something to record, or a newer run is due to be looked for.
LOOK = 2.5

#: Seconds that the store has for what is recorded last, when the run failed, and when it was told to end.
_PATIENCE, _NO_PATIENCE = 60.0, 1.5

#: A smaller snapshot says nothing when more than half of it changes.
_MANY = 20

_READS_OTHERWISE = (
    "phone numbers are read otherwise than last time (their column, default_region, phone_check, or the version of "
    "phonenumbers), so "
    "who seems to have left may only be read as another number; the next run removes them"
)


@dataclass(frozen=True)
class Rules:
    """
    What a run may do.

    :param chunk_size: contacts in a request.
    :param leavers: what becomes of contacts that are missing from the rows.
    :param limits: how many may be added and removed.
    :param min_opted_out: how many readable opt-outs there must be; None for the default.
    :param max_rejected: how many rows may be rejected, a number or a share.
    :param removes_blacklisted: whether Octopush was asked to remove blacklisted numbers.
    :param plans: whether nothing is sent or removed.
    :param is_not_whole: why the rows are not the whole audience, so that no missing contact is removed; None where they
        are.
    """

    chunk_size: int
    leavers: Leavers
    max_rejected: float
    limits: Limits = field(default_factory=Limits)
    min_opted_out: Limit | None = None
    removes_blacklisted: bool = False
    plans: bool = False
    is_not_whole: str | None = None


class ListSync:
    """
    Keeps one list in step with rows.

    :param make_sync: makes the part that reads and sends, with what is known of the list.
    :param make_removal: makes the part that removes.
    :param snapshot: opened.
    :param diff: the snapshot against the rows.
    :param rules: what the run may do.
    :param rejects: where rejected rows are written; None writes them nowhere.
    :param changes: where what becomes of contacts is written; None writes it nowhere.
    """

    def __init__(
        self,
        make_sync: Callable[..., ContactSync],
        make_removal: Callable[..., Removal[_Removing]],
        snapshot: Snapshot,
        diff: Diff,
        rules: Rules,
        rejects: Rejects | None = None,
        changes: Changes | None = None,
    ) -> None:
        self._snapshot = snapshot
        self._changes = Changes(snapshot) if changes is None else changes
        self._diff = diff
        self._rules = rules
        self._earlier = snapshot.noted.counts
        self._sync = make_sync(diff=diff, earlier=self._earlier, kind=ListSummary, rejects=rejects)
        self._removal = make_removal(
            begin=self._begin_removing,
            note=self._note_removed,
            restore=self._note_kept,
            has_removed=snapshot.noted.removed > 0,
        )
        self._removed_opted_out = int(self._earlier.get("removed_opted_out", 0))
        self._opt_outs_read = OptOutsRead()
        self._kept = _Kept()
        self._is_to_be_removed = np.zeros(snapshot.size, bool)
        self._exceeded: list[Exceeded] = []
        #: Why a run whose rows are mostly invalid is held.
        self._mostly_invalid: TooManyRejectedError | None = None
        self._superseded: SnapshotError | None = None

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
        Bring the list in step, and record what it then holds.

        :param open_frames: gives the rows.
        :param opt_outs: numbers that must not be on the list; None where nobody asks.
        :return: the counts, which add up. Whether the run did all that it should have, :meth:`check` tells.
        :raises OptOutsMissingError: when there are so few opt-outs that some must be missing.
        :raises LimitExceededError: when more would be removed because they opted out than may be.
        :raises TooManyRejectedError: when too many opt-outs cannot be read.
        :raises SupersededError: when a newer run of the task has begun.
        :raises OctopushError: when the run cannot go on; what was confirmed is recorded.
        :raises KilledError: when it was told to end.
        """
        if self._snapshot.first_run and not self._rules.plans:
            log.warning(
                "the first run: nothing is known of the list, so who is on it already stays there, unless a row is "
                "about them"
            )
        with (
            closing(self._diff),
            closing(ContactFile(len(self._sync.fields))) as to_send,
            self._writing_rest(),
            self._noting(),
        ):
            if opt_outs is not None:
                self._deal_with_opt_outs(opt_outs)
            self._sync.read(open_frames, to_send.write)
            self._changes.note_to_send(to_send)
            opted_out, missing = self._opted_out(), self._missing()
            plan = self._plan(to_send.count, opted_out, missing)
            self._exceeded = plan.exceeded()
            self._mostly_invalid = self._if_mostly_invalid()
            if self._rules.plans:
                self._changes.write_rest(begun=0)
                return self._counted_as_planned(plan)
            summary = self._apply(to_send, opted_out, missing)
        # Not before nothing else writes beside the snapshot any more.
        if self._is_held or not summary.read:
            self._snapshot.put_head()
        else:
            has_opt_outs = opt_outs is not None
            summary.snapshot_after = self._snapshot.replace(
                opted_out=self._opt_outs_read.readable if has_opt_outs and self._is_good(summary) else None
            )
        summary.check()
        return summary

    def _is_good(self, summary: ListSummary) -> bool:
        """Whether the run did all that it should have."""
        try:
            self.check(summary)
        except (TooManyRejectedError, ContactsKeptError):
            return False
        return True

    def check(self, summary: ListSummary) -> None:
        """
        Check that the run did all that it should have. A plan is for somebody to look at, and always did.

        :raises LimitExceededError: when a limit held it.
        :raises TooManyRejectedError: when more rows were rejected than may be.
        :raises ContactsKeptError: when contacts were kept that should have been removed.
        """
        if self._rules.plans:
            return
        if self._mostly_invalid is not None:
            raise self._mostly_invalid
        if self._exceeded:
            done = f". {summary.removed_opted_out:,} that opted out were removed before" * bool(
                summary.removed_opted_out
            )
            where = f". What it would do is in {summary.changes_path}" if summary.changes_path else ""
            raise LimitExceededError(f"{'; '.join(map(str, self._exceeded))}. Nothing was sent{done}{where}")
        self._check_rejected(summary)
        if self._kept.fails:
            raise ContactsKeptError(
                f"{summary.kept:,} contacts should have been removed from {summary.list_name!r} and were not: "
                f"{summary.kept_reason}. Everything else is done and noted",
                full_message=self._kept.full_message,
            )

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Record what was confirmed while the run goes on; and all of it however it ends."""
        try:
            with every(LOOK, self._look):
                yield
        except BaseException as error:
            # A signal, or a timeout of the task, wants an end at once.
            is_failure = isinstance(error, Exception) and not isinstance(error, KilledError)
            if is_failure:
                self._put_back_those_to_be_removed()
            self._snapshot.note_counts(**self._counts())
            within(_PATIENCE if is_failure else _NO_PATIENCE, self._snapshot.flush_quietly)
            if self._superseded is not None and isinstance(error, Exception):
                raise self._superseded from None
            raise

    @contextmanager
    def _writing_rest(self) -> Iterator[None]:
        """When the run breaks off, write what was planned and has no row among the changes; after all is noted."""
        try:
            yield
        except BaseException:
            try:
                self._changes.write_rest(self._sync.begun)
            except Exception:
                # The failure that ended the run is the one to be seen.
                log.exception("what was planned could not be written to the changes")
            raise

    def _look(self) -> None:
        superseded = self._snapshot.look_if_due()
        if superseded is not None and self._superseded is None:
            self._superseded = superseded
            self.kill()

    # Who has opted out: the first step, which nothing that is wrong with the rows touches.

    def _deal_with_opt_outs(self, opt_outs: OptOuts) -> None:
        read = self._opt_outs_read = opt_outs.read(self._diff)
        read.check_whole(self._snapshot.opted_out, self._rules.min_opted_out)
        if not self._rules.plans:
            self._snapshot.check_alone()
            # A run that does not come to its end makes no fewer enough for the next one, unless somebody said so.
            known = read.readable if self._rules.min_opted_out else max(read.readable, self._snapshot.opted_out)
            if known != self._snapshot.opted_out:
                self._snapshot.note_opted_out(known)
            positions = self._opted_out()
            exceeded = self._plan(0, positions, positions[:0]).exceeded()
            if exceeded:
                raise LimitExceededError(f"{exceeded[0]}. Nothing was removed or sent")
            self._write_journal(positions, newly=0, is_whole=False)
            self._remove(positions, Change.OPTED_OUT)
            self._snapshot.flush()
        read.check_readable(self._rules.max_rejected)

    # What is to be done, and whether it may be.

    def _opted_out(self) -> Array:
        """Return the positions of those who have opted out, as far as it is known now, and who were not given yet."""
        positions = self._diff.take_opted_out()
        self._changes.note_to_remove(positions, Change.OPTED_OUT)
        return positions

    def _missing(self) -> Array:
        """Return the positions of contacts that are missing and may be removed, as far as is known now."""
        positions = self._diff.take_missing()
        if self._rules.leavers == "keep" or not len(positions):
            return positions[:0]
        reason = None
        if not self.summary.read:
            reason = (
                "no row was read, and an empty source empties no list. If everybody has left indeed, remove them with "
                "DeleteContactsOperator"
            )
        elif self._rules.is_not_whole is not None:
            reason = self._rules.is_not_whole
        elif self._snapshot.reads_otherwise:
            reason = _READS_OTHERWISE
        if reason is None:
            self._changes.note_to_remove(positions, Change.REMOVED)
            return positions
        self._changes.write_kept(positions)
        self._kept.add(len(positions), reason, fails=reason is not _READS_OTHERWISE and not self._rules.plans)
        return positions[:0]

    def _plan(self, to_send: int, opted_out: Array, missing: Array) -> Plan:
        noted = self._snapshot.noted
        return Plan(
            size=self._snapshot.size_for_limits,
            is_first=self._snapshot.first_run,
            to_send=to_send,
            new=self._diff.new,
            added=noted.noted,
            missing=self._allowed_now(missing),
            missing_before=noted.removed - self._removed_opted_out,
            opted_out=self._allowed_now(opted_out),
            opted_out_before=self._removed_opted_out,
            limits=self._rules.limits,
        )

    def _allowed_now(self, positions: Array) -> int:
        # That a removal was under way means that it was allowed.
        return len(positions) - sum(
            int((part["mark"] == Mark.REMOVING).sum()) for part in self._snapshot.records_at(positions)
        )

    @property
    def _is_held(self) -> bool:
        return bool(self._exceeded) or self._mostly_invalid is not None

    def _why_held(self) -> list[str]:
        return [str(one) for one in (*self._exceeded, self._mostly_invalid) if one is not None]

    def _if_mostly_invalid(self) -> TooManyRejectedError | None:
        if self.summary.invalid * 2 <= self.summary.read:
            return None
        try:
            self._check_rejected(self.summary)
        except TooManyRejectedError as error:
            return TooManyRejectedError(f"{error}. More than half of the rows are invalid, so nothing was sent")
        return None

    # Doing it.

    def _apply(self, to_send: ContactFile, opted_out: Array, missing: Array) -> ListSummary:
        if self._is_held:
            self._sync.count_unsent(to_send.count)
            self._changes.write_rest(begun=0)
            self._kept.add(len(missing), "; ".join(self._why_held()), fails=True)
            return self._finished(self.summary)
        self._snapshot.check_alone()
        self._write_journal(np.concatenate([opted_out, missing]), newly=self._diff.new)
        sent: Any = self._sync.send(to_send.contacts())
        self._tell_many_changed()
        # In countries that appeared among the rows, more have opted out than was known before.
        self._remove(opted_out, Change.OPTED_OUT)
        if len(missing):
            try:
                self._check_rejected(sent)
            except TooManyRejectedError:
                self._kept.add(
                    len(missing),
                    "more rows were rejected than max_rejected allows, and some of them may be about these contacts",
                )
                self._changes.write_kept(missing)
                self._put_back_those_to_be_removed()
            else:
                self._remove(missing, Change.REMOVED)
        return self._finished(sent)

    def _write_journal(self, to_remove: Array, *, newly: int, is_whole: bool = True) -> None:
        self._is_to_be_removed[to_remove] = True
        records = self._diff.to_send.records()
        self._snapshot.note_journal(records, newly, np.sort(to_remove), is_whole=is_whole)
        # Either this run sees a newer one, or the newer one has seen what this one is about to do.
        self._snapshot.check_alone()

    def _finished(self, summary: ListSummary) -> ListSummary:
        kept = self._kept
        return replace(
            summary,
            opted_out_invalid=self._opt_outs_read.invalid,
            opted_out_blank=self._opt_outs_read.blank,
            first_run=self._snapshot.first_run,
            generation=self._snapshot.generation_before,
            snapshot_before=self._snapshot.noted.before,
            snapshot_after=self._snapshot.noted.after,
            removed=self._snapshot.noted.removed,
            removed_opted_out=self._removed_opted_out,
            kept=kept.number,
            kept_reason="; ".join(kept.reasons) or None,
            unsettled=kept.unsettled,
            exceeded=self._why_held(),
            requests=summary.requests + self._removal.requests + int(self._earlier.get("removal_requests", 0)),
            retries=summary.retries + self._removal.retries + int(self._earlier.get("removal_retries", 0)),
        )

    def _counted_as_planned(self, plan: Plan) -> ListSummary:
        self._sync.count_planned(self._diff.new, self._diff.changed)
        planned = replace(
            self._finished(self.summary),
            removed=plan.missing + plan.opted_out,
            removed_opted_out=plan.opted_out,
            requests=plan.requests(self._rules.chunk_size),
        )
        planned.snapshot_after = planned.snapshot_before + plan.new - planned.removed
        if self._mostly_invalid is None:
            try:
                self._check_rejected(planned)
            except TooManyRejectedError as error:
                planned.exceeded.append(str(error))
        for exceeded in planned.exceeded:
            log.warning("a run would be held: %s", exceeded)
        planned.check()
        return planned

    # Who is removed.

    def _remove(self, positions: Array, change: Change) -> None:
        if not len(positions):
            return
        self._snapshot.check_alone()
        started = time.monotonic()
        try:
            self._removal.remove(self._candidates(positions, change))
        except StoppedError:
            raise KilledError("told to end while contacts were removed: run the task again for the rest") from None
        finally:
            removed = self._removal.removed
            self._changes.write_removals(removed.kept, ChangeState.REFUSED, Change.KEPT)
            self._changes.write_removals(removed.unsettled, ChangeState.UNCONFIRMED)
            self._sync.add_seconds(time.monotonic() - started)
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
            self._kept.full_message = self._kept.full_message or removed.full_message

    def _candidates(self, positions: Array, change: Change) -> Iterator[Candidate[_Removing]]:
        # First those that are there: one of them that is removed tells that the requests are right.
        for may_be_gone in (False, True):
            for start in range(0, len(positions), _TOGETHER):
                part = positions[start : start + _TOGETHER]
                (records,) = self._snapshot.records_at(part)
                is_gone, is_doubtful = are(records, MAY_BE_GONE), are(records, DOUBTFUL)
                is_chosen = (is_gone | is_doubtful) == may_be_gone
                chosen = records[is_chosen]
                numbers = self._snapshot.numbers(chosen)
                for number, record, position in zip(numbers, chosen, part[is_chosen].tolist(), strict=True):
                    yield Candidate(
                        f"+{number}",
                        may_be_gone=bool(are(record, MAY_BE_GONE)),
                        is_unconfirmed=bool(are(record, DOUBTFUL)),
                        was_refused=bool(record["mark"] == Mark.REFUSED),
                        record=_Removing(record, position, change),
                    )

    def _begin_removing(self, candidates: Sequence[Candidate[_Removing]]) -> None:
        positions = [candidate.record.position for candidate in candidates]
        self._is_to_be_removed[positions] = False
        self._changes.note_asked(positions)

    def _note_kept(self, candidates: Sequence[Candidate[_Removing]]) -> None:
        self._is_to_be_removed[[candidate.record.position for candidate in candidates]] = False
        self._snapshot.note_kept(_records(candidates))

    def _note_removed(self, candidates: Sequence[Candidate[_Removing]]) -> None:
        # Who another process may still send may be there again.
        is_gone = [bool(candidate.record.record["mark"] != Mark.TAKEN_OVER) for candidate in candidates]
        self._removed_opted_out += sum(
            candidate.record.change is Change.OPTED_OUT
            for candidate, gone in zip(candidates, is_gone, strict=True)
            if gone
        )
        self._kept.unsettled += len(is_gone) - sum(is_gone)
        self._snapshot.note_removed(_records(candidates), **self._counts())
        self._changes.write_removals(list(compress(candidates, is_gone)), ChangeState.DONE)
        self._changes.write_removals(list(compress(candidates, map(operator.not_, is_gone))), ChangeState.UNCONFIRMED)

    def _put_back_those_to_be_removed(self) -> None:
        """Note that those in the journal are as they were for whom no request was sent."""
        positions = np.flatnonzero(self._is_to_be_removed)
        self._is_to_be_removed[positions] = False
        for records in self._snapshot.records_at(positions):
            self._snapshot.note_as_before(records, np.ones(len(records), bool))

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


#: Contacts looked at together when they are removed.
_TOGETHER = 10_000


@dataclass(frozen=True)
class _Removing:
    """A contact that is removed: what the snapshot holds of it, where, and why it is removed."""

    record: Any
    position: int
    change: Change


@dataclass
class _Kept:
    """
    Contacts that are kept although they should be removed: how many, why, and whether that is a failure.

    ``unsettled`` counts those of which it is not known whether they are gone. ``full_message`` is what Octopush said
    when it refused to remove some, in its own words.
    """

    number: int = 0
    reasons: list[str] = field(default_factory=list)
    fails: bool = False
    unsettled: int = 0
    full_message: str | None = None

    def add(self, number: int, reason: str, *, fails: bool = True) -> None:
        if number:
            self.number += number
            self.reasons.append(reason)
            self.fails |= fails


def _refused(number: int, said: str | None) -> str:
    return (
        f"Octopush refused to remove {number:,} of them, and nothing shows that they are gone already ({said}): check "
        "that the list is still there, under this name"
    )


def _records(candidates: Sequence[Candidate[_Removing]]) -> Array:
    return np.array([candidate.record.record for candidate in candidates])
