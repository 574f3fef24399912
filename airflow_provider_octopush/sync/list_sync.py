"""
One run that keeps a list in step.

Opt-outs are removed first. Everything else is planned, compared with the limits, recorded in a journal, and only then
done.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from airflow_provider_octopush.delivery.pipeline import every, within
from airflow_provider_octopush.delivery.retry import Backoff
from airflow_provider_octopush.exceptions import (
    ContactsKeptError,
    LimitExceededError,
    SnapshotError,
    TooManyRejectedError,
)
from airflow_provider_octopush.snapshot.marks import Mark, are
from airflow_provider_octopush.sync.apply import Apply, Delete
from airflow_provider_octopush.sync.changes import Change, Changes
from airflow_provider_octopush.sync.contact_file import ContactFile
from airflow_provider_octopush.sync.create import ContactSync, Frames, KilledError
from airflow_provider_octopush.sync.opt_outs import OptOuts, OptOutsRead
from airflow_provider_octopush.sync.plan import Plan, Rules
from airflow_provider_octopush.sync.summary import ListSummary

if TYPE_CHECKING:
    from airflow_provider_octopush.snapshot.records import Array
    from airflow_provider_octopush.snapshot.snapshot import Snapshot
    from airflow_provider_octopush.sync.diff import Diff

log = logging.getLogger(__name__)

#: Seconds between two checks for something to record, or for a newer run.
LOOK = 2.5

#: Seconds that the store has for the last records when the run failed, and when it was asked to stop.
_PATIENCE, _NO_PATIENCE = 60.0, 1.5

#: In a smaller snapshot, a change of more than half of it means nothing.
_MANY = 20


class ListSync:
    """
    Keeps one list in step with rows.

    :param sync: reads and sends, comparing by ``diff``.
    :param delete: removes 1 to 200 numbers from the list.
    :param backoff: how often and how late a removal that failed temporarily is repeated.
    :param snapshot: the opened snapshot.
    :param diff: compares the rows with the snapshot.
    :param rules: what the run may do.
    :param changes: records the outcome of each contact.
    """

    def __init__(
        self,
        sync: ContactSync[ListSummary],
        delete: Delete,
        backoff: Backoff,
        snapshot: Snapshot,
        diff: Diff,
        rules: Rules,
        changes: Changes,
    ) -> None:
        self._snapshot = snapshot
        self._changes = changes
        self._diff = diff
        self._rules = rules
        self._sync = sync
        self._apply = Apply(sync, delete, backoff, snapshot, changes)
        self._opt_outs_read = OptOutsRead()
        self._started = time.monotonic()
        #: Limits that the plan exceeds; any of them holds the run.
        self._exceeded: list[str] = []
        #: The error if more rows are invalid than may be rejected; it holds the run if more than half of all are.
        self._rejected: TooManyRejectedError | None = None
        self._superseded: SnapshotError | None = None

    def kill(self) -> None:
        """End the run, from another thread: nothing more is sent, and no answer is waited for."""
        self._apply.kill()

    def run(self, open_frames: Callable[[], Frames], opt_outs: OptOuts | None) -> ListSummary:
        """
        Bring the list in step, and record what it then holds.

        :param open_frames: gives the rows.
        :param opt_outs: numbers that must not be on the list; None where none are given.
        :return: the counts, which add up. :meth:`check` tells whether the run did everything that it should have.
        :raises OptOutsMissingError: when there are so few opt-outs that some must be missing.
        :raises LimitExceededError: when more opt-outs would be removed than ``max_opted_out`` allows.
        :raises TooManyRejectedError: when too many opt-outs cannot be read.
        :raises SupersededError: when a newer run of the task has begun.
        :raises OctopushError: when the run cannot go on; what was confirmed is recorded.
        :raises KilledError: when it was asked to stop.
        """
        if self._snapshot.first_run and not self._rules.is_dry_run:
            log.warning(
                "the first run: it is not known what the list holds, so contacts that are on it already stay there "
                "unless they have a row"
            )
        with closing(ContactFile(len(self._sync.fields))) as to_send, self._recording():
            if opt_outs is not None:
                self._remove_opted_out(opt_outs)
            self._sync.read(open_frames, to_send.write)
            opted_out, missing = self._diff.take_opted_out(), self._missing()
            plan = self._plan(opted_out, missing)
            self._exceeded = plan.exceeded()
            self._rejected = self._rules.rejected(self._sync.summary)
            if self._rules.is_dry_run or self._is_held:
                self._changes.write_to_send(to_send)
                self._changes.write_to_remove(opted_out, Change.OPTED_OUT)
                self._changes.write_to_remove(missing, Change.REMOVED)
            if self._rules.is_dry_run:
                return self._counted_as_planned(plan)
            if self._is_held:
                self._apply.kept.add(len(missing), "; ".join(self._why_held()))
                summary = self._finished(replace(self._sync.summary, unsent=to_send.count))
            else:
                summary = self._finished(self._applied(to_send, opted_out, missing))
        # The snapshot or its head is written only now, when nothing else writes beside it any more.
        if self._is_held or not summary.read:
            self._snapshot.put_head()
        else:
            counts_opt_outs = opt_outs is not None and self._is_good(summary)
            summary.snapshot_after = self._snapshot.replace(
                opted_out=self._opt_outs_read.readable if counts_opt_outs else None
            )
        summary.check()
        return summary

    def _is_good(self, summary: ListSummary) -> bool:
        """Whether the run did everything that it should have."""
        try:
            self.check(summary)
        except (TooManyRejectedError, ContactsKeptError):
            return False
        return True

    def check(self, summary: ListSummary) -> None:
        """
        Check that the run did everything that it should have. A plan always has: it is only looked at.

        :raises LimitExceededError: when a limit held it.
        :raises TooManyRejectedError: when more rows were rejected than ``max_rejected`` allows.
        :raises ContactsKeptError: when contacts were kept that should have been removed.
        """
        if self._rules.is_dry_run:
            return
        if self._exceeded:
            done = f". {summary.removed_opted_out:,} contacts that opted out had been removed before" * bool(
                summary.removed_opted_out
            )
            where = f". What it would do is in {summary.changes_path}" if summary.changes_path else ""
            raise LimitExceededError(f"{'; '.join(self._why_held())}. Nothing was sent{done}{where}")
        if self._rejected is not None and self._is_held:
            raise self._rejected
        self._rules.check_rejected(summary)
        if self._apply.kept.fails:
            raise ContactsKeptError(
                f"{summary.kept:,} contacts should have been removed from {summary.list_name!r} but were not: "
                f"{summary.kept_reason}. Everything else is done and recorded",
                full_message=self._apply.kept.full_message,
            )

    # However it ends.

    @contextmanager
    def _recording(self) -> Iterator[None]:
        """
        Record what is confirmed while the run goes on, and the rest of it however the run ends.
        """
        try:
            with every(LOOK, self._look):
                yield
        except BaseException as error:
            # A signal, or a timeout of the task, wants an end at once.
            is_failure = isinstance(error, Exception) and not isinstance(error, KilledError)
            if is_failure:
                self._apply.put_back_waiting()
            within(_PATIENCE if is_failure else _NO_PATIENCE, self._snapshot.flush_quietly)
            if self._superseded is not None and isinstance(error, Exception):
                raise self._superseded from None
            raise

    def _look(self) -> None:
        superseded = self._snapshot.look_if_due()
        if superseded is not None and self._superseded is None:
            self._superseded = superseded
            self.kill()

    # Opt-outs: the first step, which does not depend on the rows.

    def _remove_opted_out(self, opt_outs: OptOuts) -> None:
        read = self._opt_outs_read = opt_outs.read(self._diff)
        read.check_whole(self._snapshot.opted_out, self._rules.min_opted_out)
        if not self._rules.is_dry_run:
            self._snapshot.other_runs.check_alone()
            # An unfinished run does not lower the number that the next one must reach, unless min_opted_out is a
            # number.
            least = self._rules.min_opted_out
            is_written = least is not None and least.number is not None
            known = read.readable if is_written else max(read.readable, self._snapshot.opted_out)
            if known != self._snapshot.opted_out:
                self._snapshot.record_opted_out(known)
            positions = self._diff.take_opted_out()
            exceeded = self._plan(positions, positions[:0]).exceeded()
            if exceeded:
                self._changes.write_to_remove(positions, Change.OPTED_OUT)
                raise LimitExceededError(f"{exceeded[0]}. Nothing was removed or sent")
            self._apply.write_journal((), 0, positions, is_whole=False)
            self._apply.remove(positions, Change.OPTED_OUT)
            self._snapshot.flush()
        read.check_readable(self._rules.max_rejected, is_dry_run=self._rules.is_dry_run)

    # The plan.

    def _missing(self) -> Array:
        """Return the positions of contacts that, by what is known now, are missing and may be removed."""
        positions = self._diff.missing()
        if not self._rules.remove_missing or not len(positions):
            return positions[:0]
        reads_differently = self._snapshot.reads_differently
        why = self._rules.why_missing_stay(self._sync.summary.read, reads_differently=reads_differently)
        if why is None:
            return positions
        reason, fails = why
        self._changes.write_to_remove(positions, Change.KEPT)
        self._apply.kept.add(len(positions), reason, fails=fails and not self._rules.is_dry_run)
        return positions[:0]

    def _plan(self, opted_out: Array, missing: Array) -> Plan:
        progress = self._snapshot.progress
        return Plan(
            size=self._snapshot.size_for_limits,
            is_first=self._snapshot.first_run,
            new=self._diff.new,
            begun=self._diff.begun,
            added=progress.recorded,
            missing=len(missing),
            missing_allowed=self._allowed_before(missing),
            missing_before=progress.removed - progress.removed_opted_out,
            opted_out=len(opted_out),
            opted_out_allowed=self._allowed_before(opted_out),
            opted_out_before=progress.removed_opted_out,
            limits=self._rules.limits,
        )

    def _allowed_before(self, positions: Array) -> int:
        # A removal that was under way was allowed, but not by who approved this run.
        if self._rules.is_approved:
            return 0
        return sum(int(are(part, (Mark.REMOVING,)).sum()) for part in self._snapshot.records_at(positions))

    @property
    def _is_held(self) -> bool:
        summary = self._sync.summary
        return bool(self._exceeded) or (self._rejected is not None and summary.is_mostly_invalid)

    def _why_held(self) -> list[str]:
        """Return all reasons why the run is held, or why a run after this plan would be held or fail."""
        if not self._is_held and not self._rules.is_dry_run:
            return []
        return [str(one) for one in (*self._exceeded, self._rejected) if one is not None]

    # Applying the plan.

    def _applied(self, to_send: ContactFile, opted_out: Array, missing: Array) -> ListSummary:
        self._snapshot.other_runs.check_alone()
        self._apply.write_journal(to_send.records.blocks(), self._diff.new, np.concatenate([opted_out, missing]))
        sent = self._sync.send(to_send.contacts())
        self._tell_many_changed()
        # The rows named countries that were not known before; in these, more contacts may have opted out.
        self._apply.remove(opted_out, Change.OPTED_OUT)
        try:
            self._rules.check_rejected(sent)
        except TooManyRejectedError:
            self._apply.kept.add(
                len(missing),
                "more rows were rejected than max_rejected allows, and some of them may be about these contacts",
            )
            self._changes.write_to_remove(missing, Change.KEPT)
            self._apply.put_back_waiting()
        else:
            self._apply.remove(missing, Change.REMOVED)
        return sent

    # Counting and telling.

    def _finished(self, summary: ListSummary) -> ListSummary:
        kept, progress = self._apply.kept, self._snapshot.progress
        return replace(
            summary,
            opted_out_invalid=self._opt_outs_read.invalid,
            opted_out_blank=self._opt_outs_read.blank,
            first_run=self._snapshot.first_run,
            generation=self._snapshot.generation_before,
            snapshot_before=progress.before,
            snapshot_after=progress.after,
            removed=progress.removed,
            removed_opted_out=progress.removed_opted_out,
            kept=kept.number,
            kept_reason="; ".join(kept.reasons) or None,
            unsettled=kept.unsettled,
            exceeded=self._why_held(),
            requests=summary.requests + self._apply.requests,
            retries=summary.retries + self._apply.retries,
            duration_seconds=time.monotonic() - self._started,
        )

    def _counted_as_planned(self, plan: Plan) -> ListSummary:
        planned = self._finished(self._sync.summary)
        planned = replace(
            planned,
            added=planned.added + self._diff.new + self._diff.begun,
            updated=planned.updated + self._diff.changed,
            removed=plan.missing + plan.opted_out,
            removed_opted_out=plan.opted_out,
            snapshot_after=planned.snapshot_before + plan.new - plan.missing - plan.opted_out,
        )
        for exceeded in planned.exceeded:
            log.warning("a run would be held or fail: %s", exceeded)
        planned.check()
        return planned

    def _tell_many_changed(self) -> None:
        size = self._snapshot.size
        if size >= _MANY and self._diff.changed > size / 2 and not self._diff.full_refresh:
            log.warning(
                "%d of %d contacts have changed since last time: if that happens each night, a value changes by "
                "itself, such as now(), a time in another time zone, or a templated tag",
                self._diff.changed,
                size,
            )
