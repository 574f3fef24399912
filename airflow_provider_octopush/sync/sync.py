"""The whole way of the rows of one run: mapping, duplicates out, chunks, delivery, counts."""

from __future__ import annotations

import bisect
import gc
import logging
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import chain, compress, islice
from operator import attrgetter
from queue import SimpleQueue
from typing import NamedTuple, Protocol

import pandas as pd

from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.contacts.duplicates import SeenNumbers
from airflow_provider_octopush.contacts.mapping import ContactMapper
from airflow_provider_octopush.contacts.rejection import Rejection, Stage
from airflow_provider_octopush.delivery.delivery import Delivered, Delivery, Request, StoppedError
from airflow_provider_octopush.sync.checkpoint import Checkpoint, Progress
from airflow_provider_octopush.sync.summary import CONFIRMED, Summary

log = logging.getLogger(__name__)

Frames = Generator[pd.DataFrame, None, None]

PROGRESS_SECONDS = 10.0
UNKNOWN_STATUSES_LOGGED = 10
PASSED_OVER_AT_A_TIME = 10_000

# What else stands in a status may be quoted from a contact.
_STATUS = re.compile(r"[a-z_-]{1,30}")


class Rejects(Protocol):
    """Where rejected rows are written."""

    def write(self, rejections: Sequence[Rejection]) -> None:
        """Append rejected rows."""

    def start_over(self) -> None:
        """Forget all rejected rows."""


class Sent(NamedTuple):
    """
    A chunk that was sent.

    :param chunk: its contacts.
    :param start: the first one's position among all contacts, from 0.
    :param digest: of all contacts before it.
    """

    chunk: list[Contact]
    start: int
    digest: str

    @property
    def stop(self) -> int:
        """The position after its last contact."""
        return self.start + len(self.chunk)


class RowsChangedError(Exception):
    """The rows are no longer those that an earlier try sent."""


class ContactSync:
    """
    Brings the rows of one run to one list.

    :param mapper: turns rows into contacts.
    :param delivery: sends chunks of contacts; None sends nothing and counts what would be sent as skipped.
    :param chunk_size: contacts in a chunk.
    :param concurrency: chunks on their way at a time. While they are, the next ones are read and checked.
    :param list_name: the list, for the summary.
    :param tag_name: the tag, for the summary.
    :param rejects: where rejected rows are written; None writes them nowhere.
    :param rejects_path: URI of that place, for the summary.
    :param checkpoint: what an earlier try of this run has confirmed; None starts from the first row.
    """

    def __init__(
        self,
        mapper: ContactMapper,
        delivery: Delivery | None,
        *,
        chunk_size: int,
        concurrency: int = 1,
        list_name: str | None = None,
        tag_name: str | None = None,
        rejects: Rejects | None = None,
        rejects_path: str | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self._mapper = mapper
        self._delivery = delivery
        self._chunk_size = chunk_size
        self._concurrency = concurrency
        self._rejects = rejects
        self._checkpoint = checkpoint
        self._nothing_yet = Summary(
            list_name=list_name, tag_name=tag_name, validate_only=delivery is None, rejects_path=rejects_path
        )
        self._start_over()

    def run(self, open_frames: Callable[[], Frames]) -> Summary:
        """
        Send everything that no earlier try has confirmed, and count what became of all of it.

        :param open_frames: gives the rows from the first one, as DataFrames of dtype object. Called again when an
            earlier try turns out to have sent other rows.
        :return: the counts, which add up.
        :raises ColumnError: when a column that is asked for is not there.
        :raises OctopushError: when the run cannot go on. :attr:`summary` then holds what had an outcome until then.
        """
        try:
            with _without_looking_at_old_objects():
                self._send_all_or_start_over(open_frames)
        finally:
            self._flush_rejected()
            self._count_requests()
            self._save_progress()
        self.summary.check()
        self._tell_unknown_statuses()
        if self._checkpoint is not None:
            self._checkpoint.clear()
        return self.summary

    def _send_all_or_start_over(self, open_frames: Callable[[], Frames]) -> None:
        try:
            with closing(open_frames()) as frames:
                self._send_all(frames, self._checkpoint.load() if self._checkpoint else None)
        except RowsChangedError:
            log.info("the rows are not those that the earlier try sent: sending all of them")
            self._start_over()
            with closing(open_frames()) as frames:
                self._send_all(frames, None)

    def _start_over(self) -> None:
        self.summary = replace(self._nothing_yet, reasons=Counter())
        self._seen = SeenNumbers()
        self._rejected: list[Rejection] = []
        self._unknown_statuses: Counter[str] = Counter()
        self._progress = Progress()
        self._under_way: dict[Future[Delivered], Sent] = {}
        self._earlier: dict[str, float] = {}
        self._started = self._progress_told = time.monotonic()
        self._digest = self._checkpoint.digest() if self._checkpoint else None
        if self._rejects is not None:
            self._rejects.start_over()

    def _send_all(self, frames: Iterable[pd.DataFrame], earlier: Progress | None) -> None:
        contacts = chain.from_iterable(self._contacts(frames))
        if earlier is not None:
            self._pass_over(contacts, earlier)
        chunks = iter(lambda: list(islice(contacts, self._chunk_size)), [])
        ready: deque[tuple[list[Contact], list[Request]]] = deque()
        done: SimpleQueue[Future[Delivered]] = SimpleQueue()
        with ThreadPoolExecutor(self._concurrency, "octopush") as threads:
            try:
                while True:
                    # Cut and encode ahead, so that no thread waits for its next chunk when several are done at once.
                    if done.empty() and len(ready) < self._concurrency and (chunk := next(chunks, [])):
                        ready.append((chunk, self._prepare(chunk)))
                    elif self._under_way:
                        self._settle_done(done)
                    elif not ready:
                        break
                    # Never more than there are threads, with what is done but not noted: it would be sent again if
                    # the process died.
                    while ready and len(self._under_way) < self._concurrency:
                        chunk, requests = ready.popleft()
                        future = threads.submit(self._deliver, chunk, requests)
                        self._under_way[future] = self._sent(chunk)
                        future.add_done_callback(done.put)
            except BaseException:
                if self._delivery is not None:
                    self._delivery.stop()
                raise

    def _settle_done(self, done: SimpleQueue[Future[Delivered]]) -> None:
        """
        Wait until a chunk is done, and settle it with all others that are.

        :raises OctopushError: when one has failed for good; those that were under way are settled before.
        """
        futures = [done.get()]
        while not done.empty():
            futures.append(done.get())
        if any(future.exception() for future in futures):
            # It has stopped the delivery, so that the others end soon; what was answered for counts.
            futures = list(self._under_way)
        errors = [error for future in futures if (error := self._settle_chunk(future)) is not None]
        # Once for all of them: noting it may take as long as sending one.
        self._note_progress()
        if errors:
            raise next(error for error in errors if not isinstance(error, StoppedError))

    def _settle_chunk(self, future: Future[Delivered]) -> BaseException | None:
        error = future.exception()
        if error is not None:
            return error
        sent = self._under_way.pop(future)
        delivered = future.result()
        self.summary.chunks += 1
        if self._digest is not None and delivered.rejections:
            rejected = {rejection.row for rejection in delivered.rejections}
            for position, contact in enumerate(sent.chunk, sent.start):
                if contact.row in rejected:
                    bisect.insort(self._progress.unconfirmed, position)
        self._settle(delivered)
        return None

    def _pass_over(self, contacts: Iterator[Contact], earlier: Progress) -> None:
        """
        Skip the contacts that an earlier try has confirmed, once all of them were seen to be the same.

        :raises RowsChangedError: when they are not.
        """
        if self._digest is None:
            raise RuntimeError("there is no checkpoint to resume from")
        unconfirmed = set(earlier.unconfirmed).union(*(range(start, stop) for start, stop in earlier.under_way))
        again: list[tuple[int, Contact]] = []
        for start in range(0, earlier.contacts, PASSED_OVER_AT_A_TIME):
            sent = list(islice(contacts, min(PASSED_OVER_AT_A_TIME, earlier.contacts - start)))
            if not sent:
                raise RowsChangedError
            self._digest.update(sent)
            again += [(position, contact) for position, contact in enumerate(sent, start) if position in unconfirmed]
        if self._digest.hexdigest() != earlier.digest:
            raise RowsChangedError
        log.info("%d contacts were sent by an earlier try: sending the rest", earlier.contacts)
        self._progress = replace(earlier, unconfirmed=sorted(unconfirmed), under_way=[])
        self._earlier = dict(earlier.counts)
        for name in CONFIRMED:
            self.summary.count(name, int(earlier.counts.get(name, 0)))
        self.summary.chunks = int(earlier.counts.get("chunks", 0)) + len(earlier.under_way)
        for start in range(0, len(again), self._chunk_size):
            part = again[start : start + self._chunk_size]
            chunk = [contact for _, contact in part]
            delivered = self._deliver(chunk, self._prepare(chunk))
            rejected = {rejection.row for rejection in delivered.rejections}
            confirmed = {position for position, contact in part if contact.row not in rejected}
            self._progress.unconfirmed = [p for p in self._progress.unconfirmed if p not in confirmed]
            self._settle(delivered)
            self._note_progress()

    def _contacts(self, frames: Iterable[pd.DataFrame]) -> Iterator[list[Contact]]:
        for frame in frames:
            contacts, rejections = self._mapper.map(frame, self.summary.read + 1)
            self.summary.read += len(frame)
            is_new = self._seen.add_all([contact.number for contact in contacts])
            if not all(is_new):
                rejections += [
                    Rejection(contact.row, Stage.DUPLICATE, "same number as an earlier row", contact.values)
                    for contact, new in zip(contacts, is_new, strict=True)
                    if not new
                ]
                rejections.sort(key=attrgetter("row"))
                contacts = list(compress(contacts, is_new))
            for rejection in rejections:
                self._reject(rejection)
            self._flush_rejected()
            self._tell_progress()
            yield contacts

    def _prepare(self, chunk: Sequence[Contact]) -> list[Request]:
        return [] if self._delivery is None else self._delivery.prepare(chunk)

    def _deliver(self, chunk: Sequence[Contact], requests: Sequence[Request]) -> Delivered:
        if self._delivery is None:
            return Delivered(Counter(skipped=len(chunk)))
        return self._delivery.deliver(requests)

    def _sent(self, chunk: list[Contact]) -> Sent:
        sent = Sent(chunk, self._progress.contacts, self._progress.digest)
        if self._digest is not None:
            self._digest.update(chunk)
            self._progress.digest = self._digest.hexdigest()
            self._progress.contacts += len(chunk)
        return sent

    def _settle(self, delivered: Delivered) -> None:
        for outcome, number in delivered.confirmed.items():
            self.summary.count(outcome, number)
        for rejection in delivered.rejections:
            self._reject(rejection)
        self._unknown_statuses.update(delivered.unknown_statuses)

    def _note_progress(self) -> None:
        self._flush_rejected()
        self._count_requests()
        self._save_progress()
        self._tell_progress()

    def _count_requests(self) -> None:
        if self._delivery is not None:
            self.summary.requests = int(self._earlier.get("requests", 0)) + self._delivery.requests
            self.summary.retries = int(self._earlier.get("retries", 0)) + self._delivery.retries
        self.summary.duration_seconds = self._earlier.get("duration_seconds", 0.0) + time.monotonic() - self._started

    def _save_progress(self) -> None:
        if self._checkpoint is None:
            return
        progress = self._answered()
        if progress.contacts and not self._checkpoint.save(progress):
            log.warning("too many contacts are unconfirmed to note them all: a retry sends what comes now again")
            self._checkpoint = None

    def _answered(self) -> Progress:
        """Return the progress without the chunks under way that nothing answered comes after."""
        names = (*CONFIRMED, "chunks", "requests", "retries", "duration_seconds")
        contacts, digest = self._progress.contacts, self._progress.digest
        under_way = sorted(self._under_way.values(), key=attrgetter("start"))
        while under_way and under_way[-1].stop == contacts:
            contacts, digest = under_way[-1].start, under_way.pop().digest
        return replace(
            self._progress,
            contacts=contacts,
            digest=digest,
            under_way=[(sent.start, sent.stop) for sent in under_way],
            counts={name: getattr(self.summary, name) for name in names},
        )

    def _reject(self, rejection: Rejection) -> None:
        self.summary.count_rejection(rejection)
        if self._rejects is not None:
            self._rejected.append(rejection)

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

    def _tell_unknown_statuses(self) -> None:
        if self._unknown_statuses:
            log.warning(
                "%d contacts were answered with statuses that are not documented, so what became of them is not "
                "known; they are counted as other: %s",
                self._unknown_statuses.total(),
                ", ".join(
                    f"{status if _STATUS.fullmatch(status) else '(not a word)'}: {number}"
                    for status, number in self._unknown_statuses.most_common(UNKNOWN_STATUSES_LOGGED)
                ),
            )


@contextmanager
def _without_looking_at_old_objects() -> Iterator[None]:
    """
    Keep Python's garbage collector to what is made from here on.

    It would look at everything that Airflow and pandas have imported, again and again, because millions of contacts
    come and go: a seventh of a run's CPU time.
    """
    is_ours = gc.get_freeze_count() == 0
    if is_ours:
        gc.freeze()
    try:
        yield
    finally:
        if is_ours:
            gc.unfreeze()
