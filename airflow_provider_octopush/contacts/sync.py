"""The whole way of the rows of one run: mapping, duplicates out, chunks, delivery, counts."""

from __future__ import annotations

import gc
import logging
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import chain, compress, islice
from operator import attrgetter
from typing import Protocol

import pandas as pd

from airflow_provider_octopush.contacts.checkpoint import Checkpoint, Progress
from airflow_provider_octopush.contacts.delivery import Delivered, Delivery, StoppedError
from airflow_provider_octopush.contacts.duplicates import SeenNumbers
from airflow_provider_octopush.contacts.mapping import Contact, ContactMapper, Rejection, Stage
from airflow_provider_octopush.contacts.summary import CONFIRMED, Summary

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
        ready: deque[list[Contact]] = deque()
        on_their_way: deque[tuple[Sequence[Contact], Future[Delivered]]] = deque()
        with ThreadPoolExecutor(self._concurrency, "octopush") as threads:
            try:
                while True:
                    self._settle_done(on_their_way)
                    # Never more than there are threads, with what is done but not noted: it would be sent again if
                    # the process died.
                    while ready and len(on_their_way) < self._concurrency:
                        chunk = ready.popleft()
                        on_their_way.append((chunk, threads.submit(self._deliver, chunk)))
                    # Cut ahead, so that no thread waits for its next chunk when several are done at once.
                    if len(ready) < self._concurrency and (chunk := next(chunks, [])):
                        ready.append(chunk)
                    elif on_their_way:
                        wait([on_their_way[0][1]])
                    else:
                        break
            except StoppedError:
                # Another chunk, cut later, has failed first.
                errors = [future.exception() for _, future in on_their_way]
                raise next(error for error in errors if error and not isinstance(error, StoppedError)) from None
            except BaseException:
                if self._delivery is not None:
                    self._delivery.stop()
                raise

    def _settle_done(self, on_their_way: deque[tuple[Sequence[Contact], Future[Delivered]]]) -> None:
        """Settle the chunks that are done, in the order of the rows: a checkpoint holds for all contacts before it."""
        chunks = self.summary.chunks
        while on_their_way and on_their_way[0][1].done():
            chunk, future = on_their_way.popleft()
            delivered = future.result()
            self.summary.chunks += 1
            self._advance(chunk, delivered)
            self._settle(delivered)
        if self.summary.chunks > chunks:
            # Once for all of them: noting it may take as long as sending one.
            self._note_progress()

    def _pass_over(self, contacts: Iterator[Contact], earlier: Progress) -> None:
        """
        Skip the contacts that an earlier try has confirmed, once all of them were seen to be the same.

        :raises RowsChangedError: when they are not.
        """
        if self._digest is None:
            raise RuntimeError("there is no checkpoint to resume from")
        unconfirmed = set(earlier.unconfirmed)
        again: list[tuple[int, Contact]] = []
        for start in range(0, earlier.contacts, PASSED_OVER_AT_A_TIME):
            part = list(islice(contacts, min(PASSED_OVER_AT_A_TIME, earlier.contacts - start)))
            if not part:
                raise RowsChangedError
            self._digest.update(part)
            again += [(position, contact) for position, contact in enumerate(part, start) if position in unconfirmed]
        if self._digest.hexdigest() != earlier.digest:
            raise RowsChangedError
        log.info("%d contacts were sent by an earlier try: sending the rest", earlier.contacts)
        self._progress = earlier
        self._earlier = dict(earlier.counts)
        for name in CONFIRMED:
            self.summary.count(name, int(earlier.counts.get(name, 0)))
        self.summary.chunks = int(earlier.counts.get("chunks", 0))
        for start in range(0, len(again), self._chunk_size):
            chunk = again[start : start + self._chunk_size]
            delivered = self._deliver([contact for _, contact in chunk])
            rejected = {rejection.row for rejection in delivered.rejections}
            confirmed = {position for position, contact in chunk if contact.row not in rejected}
            self._progress.unconfirmed = [p for p in self._progress.unconfirmed if p not in confirmed]
            self._settle(delivered)
            self._note_progress()

    def _contacts(self, frames: Iterable[pd.DataFrame]) -> Iterator[list[Contact]]:
        for frame in frames:
            contacts, rejections = self._mapper.map(frame, self.summary.read + 1)
            self.summary.read += len(frame)
            is_new = [self._seen.add(contact.number) for contact in contacts]
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

    def _deliver(self, chunk: Sequence[Contact]) -> Delivered:
        if self._delivery is None:
            return Delivered(Counter(skipped=len(chunk)))
        return self._delivery.deliver(chunk)

    def _advance(self, chunk: Sequence[Contact], delivered: Delivered) -> None:
        """Note which contacts were answered for, so that a retry passes over them."""
        if self._digest is None:
            return
        self._digest.update(chunk)
        if delivered.rejections:
            rejected = {rejection.row for rejection in delivered.rejections}
            self._progress.unconfirmed += [
                position for position, contact in enumerate(chunk, self._progress.contacts) if contact.row in rejected
            ]
        self._progress.contacts += len(chunk)
        self._progress.digest = self._digest.hexdigest()

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
        if self._checkpoint is None or not self._progress.contacts:
            return
        names = (*CONFIRMED, "chunks", "requests", "retries", "duration_seconds")
        self._progress.counts = {name: getattr(self.summary, name) for name in names}
        if not self._checkpoint.save(self._progress):
            log.warning("too many contacts are unconfirmed to note them all: a retry sends what comes now again")
            self._checkpoint = None

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
