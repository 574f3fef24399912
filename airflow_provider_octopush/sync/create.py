"""Rows → contacts on a list: mapping, duplicates out, chunks, delivery, counts."""

from __future__ import annotations

import gc
import logging
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import chain, compress, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from airflow_provider_octopush.contacts.duplicates import SeenNumbers, duplicate
from airflow_provider_octopush.contacts.rejection import Rejection
from airflow_provider_octopush.delivery.chunk_result import ChunkResult
from airflow_provider_octopush.delivery.delivery import Chunk, Delivery
from airflow_provider_octopush.delivery.pipeline import Done, Pipeline
from airflow_provider_octopush.delivery.retry import StoppedError
from airflow_provider_octopush.outcomes import Outcome
from airflow_provider_octopush.sync.summary import CreateSummary

if TYPE_CHECKING:
    import pandas as pd

    from airflow_provider_octopush.contacts.contact import Contact
    from airflow_provider_octopush.contacts.mapping import ContactMapper
    from airflow_provider_octopush.sync.diff import Diff
    from airflow_provider_octopush.sync.rejects import RejectsFile

log = logging.getLogger(__name__)

#: Rows, as a source gives them: DataFrames of dtype object.
Frames: TypeAlias = "Generator[pd.DataFrame, None, None]"

AnySummary = TypeVar("AnySummary", bound=CreateSummary)

PROGRESS_SECONDS = 10.0


class KilledError(Exception):
    """The run was asked to stop early: the next one sends what is not confirmed."""


class ContactSync(Generic[AnySummary]):
    """
    Sends the rows of one run to one list.

    :param mapper: turns rows into contacts.
    :param delivery: sends chunks of contacts; None sends nothing and counts as unsent what would be sent.
    :param summary: the counts; nothing is counted yet.
    :param chunk_size: contacts in a chunk.
    :param concurrency: chunks under way at a time. Meanwhile, the next ones are read and checked.
    :param patience: how many seconds a failing run waits for requests under way.
    :param abort: ends the requests under way; called when the run is asked to stop.
    :param rejects: the file for rejected rows; None writes none.
    :param diff: compares contacts with the snapshot; None sends every contact.
    """

    def __init__(
        self,
        mapper: ContactMapper,
        delivery: Delivery | None,
        summary: AnySummary,
        *,
        chunk_size: int,
        concurrency: int = 1,
        patience: float = 90.0,
        abort: Callable[[], None] | None = None,
        rejects: RejectsFile | None = None,
        diff: Diff | None = None,
    ) -> None:
        self._mapper = mapper
        self._delivery = delivery
        self._chunk_size = chunk_size
        self._concurrency = concurrency
        self._patience = patience
        self._abort = abort
        self._is_killed = False
        self._rejects = rejects
        self._diff = diff
        #: The counts of all outcomes so far. Never changed, only replaced: a signal finds either the old or the new
        #: ones.
        self.summary = summary
        #: Names of the values of each rejection.
        self.fields = mapper.fields
        self._seen = SeenNumbers()
        self._rejected: list[Rejection] = []
        self._deferred: list[Chunk] = []
        self._stopped: BaseException | None = None
        self._started = self._progress_told = time.monotonic()

    def run(self, open_frames: Callable[[], Frames]) -> AnySummary:
        """
        Send everything, and count every outcome.

        :param open_frames: gives the rows, as DataFrames of dtype object.
        :return: the counts, which add up.
        :raises ColumnError: when a column that is asked for is not there.
        :raises OctopushError: when the run cannot go on. :attr:`summary` then holds the outcomes so far.
        :raises KilledError: when it was asked to stop.
        """
        with self._accounted(), closing(open_frames()) as frames:
            self._send_all(chain.from_iterable(self._contacts(frames)))
        return self._ended()

    def read(self, open_frames: Callable[[], Frames], take: Callable[[list[Contact]], None]) -> None:
        """
        Read and check all rows without sending any.

        :param take: called with the contacts to send. All other rows have their outcome by then.
        """
        with self._accounted(), closing(open_frames()) as frames:
            for contacts in self._contacts(frames):
                take(contacts)

    def send(self, contacts: Iterator[Contact]) -> AnySummary:
        """Send what :meth:`read` gave, and return the counts, which add up."""
        known_good = None if self._diff is None else self._diff.known_good
        if self._delivery is not None and known_good is not None:
            self._delivery.note_known_good(known_good)
        with self._accounted():
            self._send_all(contacts)
        return self._ended()

    @contextmanager
    def _accounted(self) -> Iterator[None]:
        try:
            with _without_looking_at_old_objects():
                yield
        finally:
            self._flush_rejected()
            self._count_requests()

    def _ended(self) -> AnySummary:
        self.summary.check()
        return self.summary

    def kill(self) -> None:
        """End the run, from another thread: nothing more is sent, and no answer is waited for."""
        self._is_killed = True
        self._stop_sending(and_wait_for_nothing=True)

    def _check_not_killed(self) -> None:
        if self._is_killed:
            raise KilledError(
                f"asked to stop after {self.summary.confirmed:,} contacts were confirmed: run the task again for the "
                "rest"
            )

    def _send_all(self, contacts: Iterator[Contact]) -> None:
        chunks = self._with_deferred(self._chunks(contacts))
        pipeline = Pipeline(self._deliver, self._concurrency, patience=self._patience)
        try:
            while True:
                # Left open, it would keep its threads as long as the error is referenced.
                with closing(pipeline.run(chunks)) as all_done:
                    for done in all_done:
                        self._settle(done)
                self._check_not_stopped()
                if not self._deferred:
                    break
                chunks, self._deferred = iter(self._deferred), []
        except BaseException as error:
            # A timeout of the task, or a signal, wants an end at once.
            self._stop_sending(and_wait_for_nothing=not isinstance(error, Exception))
            raise

    def _check_not_stopped(self) -> None:
        if self._stopped is not None:
            raise self._stopped

    def _with_deferred(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            yield chunk
            while self._deferred and self._delivery is not None and not self._delivery.is_searching:
                yield self._deferred.pop(0)

    def _contacts(self, frames: Iterable[pd.DataFrame]) -> Iterator[list[Contact]]:
        for frame in frames:
            self._check_not_killed()
            contacts, rejections = self._mapper.map(frame, self.summary.read + 1)
            others: Counter[str] = Counter()
            if self._diff is not None:
                contacts, rejections, others["opted_out"] = self._diff.screen(contacts, rejections)
            is_new = self._seen.add_all([contact.number for contact in contacts])
            if not all(is_new):
                rejections += [
                    duplicate(contact.row, contact.values)
                    for contact, new in zip(contacts, is_new, strict=True)
                    if not new
                ]
                rejections.sort(key=attrgetter("row"))
                contacts = list(compress(contacts, is_new))
            if self._diff is not None:
                contacts, compared = self._diff.select(contacts)
                others += compared
            summary = self._counted(rejections, others)
            summary.read += len(frame)
            self.summary = summary
            self._flush_rejected()
            self._tell_progress()
            yield contacts

    def _chunks(self, contacts: Iterator[Contact]) -> Iterator[Chunk]:
        try:
            while together := list(islice(contacts, self._chunk_size)):
                yield Chunk(together) if self._delivery is None else self._delivery.prepare(together)
        except Exception:
            # The source failed: nothing more is sent, but requests under way are counted.
            self._stop_sending()
            raise

    def _deliver(self, chunk: Chunk) -> ChunkResult | None:
        if self._delivery is None:
            return ChunkResult(Counter({Outcome.UNSENT: len(chunk.contacts)}))
        return self._delivery.deliver(chunk)

    def _stop_sending(self, *, and_wait_for_nothing: bool = False) -> None:
        if self._delivery is not None:
            self._delivery.stop()
        if and_wait_for_nothing and self._abort is not None:
            self._abort()

    def _settle(self, done: Sequence[Done[Chunk, ChunkResult | None]]) -> None:
        """
        Count the outcomes of chunks; deferred ones are kept for later.

        :raises OctopushError: when one has failed for good; the others are counted first.
        """
        answered = [(one.job, one.result) for one in done if one.result is not None]
        confirmed: Counter[str] = Counter()
        for chunk, result in answered:
            if self._diff is not None:
                self._diff.record(chunk.contacts, result)
            confirmed += result.confirmed
        summary = self._counted([rejection for _, result in answered for rejection in result.rejections], confirmed)
        summary.chunks += len(answered)
        self._deferred += [one.job for one in done if one.result is None and one.error is None]
        self.summary = summary
        self._flush_rejected()
        self._count_requests()
        self._tell_progress()
        errors = [one.error for one in done if one.error is not None]
        if errors:
            self._check_not_killed()
            reason = next((error for error in errors if not isinstance(error, StoppedError)), None)
            if reason is not None:
                raise reason
            # A chunk that was stopped is no error itself: the error is what stopped it, such as a failed source.
            self._stopped = errors[0]

    def _counted(self, rejections: Sequence[Rejection], others: Counter[str]) -> AnySummary:
        """Return the counts with these added, and keep the rejections until they are written."""
        summary = replace(self.summary, reasons=self.summary.reasons.copy())
        for rejection in rejections:
            summary.count_rejection(rejection)
        for outcome, number in others.items():
            summary.count(outcome, number)
        if self._rejects is not None:
            self._rejected += rejections
        return summary

    def _count_requests(self) -> None:
        sender = self._delivery
        self.summary = replace(
            self.summary,
            requests=0 if sender is None else sender.requests,
            retries=0 if sender is None else sender.retries,
            duration_seconds=time.monotonic() - self._started,
        )

    def _flush_rejected(self) -> None:
        if self._rejects is not None and self._rejected:
            self._rejects.write(self._rejected)
            self._rejected = []

    def _tell_progress(self) -> None:
        now = time.monotonic()
        if now - self._progress_told >= PROGRESS_SECONDS:
            self._progress_told = now
            confirmed = self.summary.confirmed
            log.info(
                "%d rows read, %d contacts confirmed, %.0f contacts a second",
                self.summary.read,
                confirmed,
                confirmed / (now - self._started),
            )


@contextmanager
def _without_looking_at_old_objects() -> Iterator[None]:
    """
    Restrict Python's garbage collector to objects made from here on.

    With millions of contacts made and freed, it would scan everything that Airflow and pandas have imported again and
    again: a seventh of a run's CPU time.
    """
    is_ours = gc.get_freeze_count() == 0
    if is_ours:
        gc.freeze()
    try:
        yield
    finally:
        if is_ours:
            gc.unfreeze()
