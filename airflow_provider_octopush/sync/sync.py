"""The whole way of the rows of one run: mapping, duplicates out, chunks, delivery, counts."""

from __future__ import annotations

import gc
import logging
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, compress, islice
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from pyroaring import FrozenBitMap

from airflow_provider_octopush.api import STATUSES
from airflow_provider_octopush.contacts.duplicates import SeenNumbers
from airflow_provider_octopush.contacts.rejection import Rejection, Stage
from airflow_provider_octopush.delivery.delivery import Delivery, Parcel, StoppedError
from airflow_provider_octopush.delivery.outcomes import Delivered
from airflow_provider_octopush.sync.checkpoint import Checkpoint, Progress
from airflow_provider_octopush.sync.pipeline import Done, Pipeline
from airflow_provider_octopush.sync.summary import CONFIRMED, Summary

if TYPE_CHECKING:
    import pandas as pd

    from airflow_provider_octopush.contacts.contact import Contact
    from airflow_provider_octopush.contacts.mapping import ContactMapper

log = logging.getLogger(__name__)

#: Rows, as a source gives them: DataFrames of dtype object.
Frames: TypeAlias = "Generator[pd.DataFrame, None, None]"

PROGRESS_SECONDS = 10.0
PASSED_OVER_AT_A_TIME = 10_000


class Rejects(Protocol):
    """Where rejected rows are written."""

    def write(self, rejections: Sequence[Rejection]) -> None:
        """Append rejected rows."""

    def start_over(self) -> None:
        """Forget all rejected rows."""


class Diff(Protocol):
    """What is known of a list, so that only the rest is sent."""

    def screen(
        self, contacts: list[Contact], rejections: list[Rejection]
    ) -> tuple[list[Contact], list[Rejection], int]:
        """Return the contacts and rejections without those of people who opted out; and how many rows these were."""

    def select(self, contacts: Sequence[Contact]) -> tuple[list[Contact], Mapping[str, int]]:
        """Return the contacts to send; and outcome → how many others."""

    def note(self, contacts: Sequence[Contact], statuses: Sequence[str]) -> None:
        """Note contacts that Octopush confirmed, with the status of each."""

    def put_back(self, contacts: Sequence[Contact]) -> None:
        """Note that contacts are as they were: every request with them was refused."""

    def leave(self, contacts: Sequence[Contact]) -> None:
        """Leave contacts as they are noted: they were sent, and nobody knows what became of them."""


class Chunk(NamedTuple):
    """
    Contacts that are sent together.

    :param contacts: with different numbers.
    :param parcel: they, on their way; None where nothing is sent.
    :param positions: theirs among all contacts of the run, from 0.
    :param digest_before: of all contacts before them; None where they are sent again.
    :param digest: of all contacts up to them.
    """

    contacts: Sequence[Contact]
    parcel: Parcel | None
    positions: Sequence[int]
    digest_before: str | None = None
    digest: str = ""

    @property
    def is_new(self) -> bool:
        """Whether no earlier try has sent these contacts."""
        return self.digest_before is not None

    @property
    def holds_refused(self) -> bool:
        """Whether some of these contacts were refused, be it their own fault or not."""
        return self.parcel is not None and self.parcel.holds_refused


@dataclass(frozen=True)
class State:
    """
    How far a run has come. One takes the place of another at once, so that a signal finds either of them and nothing
    in between.

    :param summary: the counts; never changed, only replaced.
    :param contacts: number of contacts, from the first, that were sent or are under way.
    :param digest: of exactly these.
    :param unconfirmed: positions among them that no answer has confirmed.
    :param under_way: what nothing is known of yet, in the order in which it was begun.
    """

    summary: Summary
    contacts: int = 0
    digest: str = ""
    unconfirmed: FrozenBitMap = field(default_factory=FrozenBitMap)
    under_way: tuple[Chunk, ...] = ()


class KilledError(Exception):
    """The run was told to end before it was through: what it had not confirmed is sent by the next one."""


class RowsChangedError(Exception):
    """The rows are no longer those that an earlier try sent."""


class ContactSync:
    """
    Brings the rows of one run to one list.

    :param mapper: turns rows into contacts.
    :param delivery: sends chunks of contacts; None sends nothing and counts what would be sent as skipped.
    :param chunk_size: contacts in a chunk.
    :param concurrency: chunks on their way at a time. While they are, the next ones are read and checked.
    :param patience: seconds that what is under way is waited for when the run fails.
    :param abort: ends the requests that are under way, called when the run is told to end.
    :param list_name: the list, for the summary.
    :param tag_name: the tag, for the summary.
    :param rejects: where rejected rows are written; None writes them nowhere.
    :param rejects_path: URI of that place, for the summary.
    :param checkpoint: what an earlier try of this run has confirmed; None starts from the first row.
    :param diff: what is known of the list; None sends every contact.
    :param earlier: what an earlier try has counted of chunks, requests, retries and seconds.
    :param kind: of the summary.
    """

    _state: State

    def __init__(
        self,
        mapper: ContactMapper,
        delivery: Delivery | None,
        *,
        chunk_size: int,
        concurrency: int = 1,
        patience: float = 90.0,
        abort: Callable[[], None] | None = None,
        list_name: str | None = None,
        tag_name: str | None = None,
        rejects: Rejects | None = None,
        rejects_path: str | None = None,
        checkpoint: Checkpoint | None = None,
        diff: Diff | None = None,
        earlier: Mapping[str, float] | None = None,
        kind: type[Summary] = Summary,
    ) -> None:
        self._mapper = mapper
        self._delivery = delivery
        self._chunk_size = chunk_size
        self._concurrency = concurrency
        self._patience = patience
        self._abort = abort
        self._is_killed = False
        self._rejects = rejects
        self._checkpoint = checkpoint
        self._diff = diff
        self._earlier_tries = earlier or {}
        self._nothing_yet = kind(
            list_name=list_name,
            tag_name=tag_name,
            chunks=int(self._earlier_tries.get("chunks", 0)),
            validate_only=delivery is None,
            rejects_path=rejects_path,
        )
        self._start_over()

    @property
    def fields(self) -> Sequence[str]:
        """Names of the values of each rejection."""
        return self._mapper.fields

    @property
    def summary(self) -> Summary:
        """What has had an outcome until now."""
        return self._state.summary

    @property
    def begun(self) -> int:
        """How many contacts, from the first, were sent or are under way."""
        return self._state.contacts

    def run(self, open_frames: Callable[[], Frames]) -> Summary:
        """
        Send everything that no earlier try has confirmed, and count what became of all of it.

        :param open_frames: gives the rows from the first one, as DataFrames of dtype object. Called again when an
            earlier try turns out to have sent other rows.
        :return: the counts, which add up.
        :raises ColumnError: when a column that is asked for is not there.
        :raises OctopushError: when the run cannot go on. :attr:`summary` then holds what had an outcome until then.
        :raises KilledError: when it was told to end.
        """
        with self._accounted():
            self._send_all_or_start_over(open_frames)
        return self._ended()

    def read(self, open_frames: Callable[[], Frames], take: Callable[[list[Contact]], None]) -> None:
        """
        Read and check all rows, and send nothing yet.

        :param open_frames: gives the rows, as DataFrames of dtype object.
        :param take: called with the contacts that are to be sent. All other rows have their outcome.
        :raises ColumnError: when a column that is asked for is not there.
        :raises KilledError: when it was told to end.
        """
        with self._accounted(), closing(open_frames()) as frames:
            for contacts in self._contacts(frames):
                take(contacts)

    def send(self, contacts: Iterator[Contact]) -> Summary:
        """
        Send what :meth:`read` gave.

        :return: the counts, which add up.
        :raises OctopushError: when the run cannot go on. :attr:`summary` then holds what had an outcome until then.
        :raises KilledError: when it was told to end.
        """
        with self._accounted():
            self._send_all(contacts, [])
        return self._ended()

    def count_unsent(self, number: int) -> None:
        """Count contacts that :meth:`read` gave, and that are not sent."""
        self._count(unsent=number)

    def count_planned(self, added: int, updated: int) -> None:
        """Count contacts that :meth:`read` gave as what would become of them."""
        self._count(added=added, updated=updated)

    def add_seconds(self, seconds: float) -> None:
        """Count time that was spent elsewhere; what the run spends itself is counted anyway."""
        self._state = replace(
            self._state,
            summary=replace(self.summary, duration_seconds=self.summary.duration_seconds + seconds),
        )

    def _count(self, **outcomes: int) -> None:
        summary = self._counted([])
        for outcome, number in outcomes.items():
            summary.count(outcome, number)
        self._state = replace(self._state, summary=summary)

    @contextmanager
    def _accounted(self) -> Iterator[None]:
        try:
            with _without_looking_at_old_objects():
                yield
        finally:
            self._flush_rejected()
            self._count_requests()
            self._save_progress()

    def _ended(self) -> Summary:
        self.summary.check()
        self._tell_unknown_statuses()
        return self.summary

    def kill(self) -> None:
        """End the run, from another thread: nothing more is sent, and nobody waits for an answer."""
        self._is_killed = True
        self._stop_sending(and_wait_for_nothing=True)

    def _check_not_killed(self) -> None:
        if self._is_killed:
            raise KilledError(
                f"told to end after {self.summary.confirmed:,} contacts were confirmed: run the task again for the rest"
            )

    def _send_all_or_start_over(self, open_frames: Callable[[], Frames]) -> None:
        try:
            with closing(open_frames()) as frames:
                self._send_rows(frames, self._checkpoint.load() if self._checkpoint else None)
        except RowsChangedError:
            log.info("the rows are not those that the earlier try sent: sending all of them")
            self._start_over()
            with closing(open_frames()) as frames:
                self._send_rows(frames, None)

    def _start_over(self) -> None:
        self._state = State(replace(self._nothing_yet, reasons=Counter()))
        self._seen = SeenNumbers()
        self._rejected: list[Rejection] = []
        self._set_aside: list[Chunk] = []
        self._stopped: BaseException | None = None
        self._earlier: Mapping[str, float] = self._earlier_tries
        self._started = self._progress_told = time.monotonic()
        self._digest = self._checkpoint.digest() if self._checkpoint else None
        if self._rejects is not None:
            self._rejects.start_over()

    def _send_rows(self, frames: Iterable[pd.DataFrame], earlier: Progress | None) -> None:
        contacts = chain.from_iterable(self._contacts(frames))
        self._send_all(contacts, self._pass_over(contacts, earlier) if earlier is not None else [])

    def _send_all(self, contacts: Iterator[Contact], again: Sequence[tuple[int, Contact]]) -> None:
        # Those that are sent again come last: what an earlier try saw refused is no fair sample of the rows.
        chunks = self._with_set_aside(chain(self._chunks(contacts), self._chunks_again(again)))
        pipeline = Pipeline(self._deliver, self._concurrency, patience=self._patience)
        try:
            while True:
                # Left open, it would keep its threads for as long as somebody holds the error.
                with closing(pipeline.run(chunks, self._note_start)) as all_done:
                    for done in all_done:
                        self._settle(done)
                self._check_not_stopped()
                if not self._set_aside:
                    break
                chunks = iter(self._take_set_aside())
        except BaseException as error:
            # A timeout of the task, or a signal, is no failure of the run: it wants an end at once.
            self._stop_sending(and_wait_for_nothing=not isinstance(error, Exception))
            raise

    def _check_not_stopped(self) -> None:
        if self._stopped is not None:
            raise self._stopped

    def _with_set_aside(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            yield chunk
            while self._set_aside and self._delivery is not None and not self._delivery.is_in_doubt:
                yield self._set_aside.pop(0)

    def _take_set_aside(self) -> list[Chunk]:
        chunks, self._set_aside = self._set_aside, []
        if self._delivery is not None:
            self._delivery.conclude([chunk.parcel for chunk in chunks if chunk.parcel is not None])
        return chunks

    def _pass_over(self, contacts: Iterator[Contact], earlier: Progress) -> list[tuple[int, Contact]]:
        """
        Skip the contacts that an earlier try has sent, once all of them were seen to be the same.

        :return: those of them that have to be sent again, with their positions.
        :raises RowsChangedError: when they are not the same.
        """
        if self._digest is None:
            raise RuntimeError("there is no checkpoint to resume from")
        unconfirmed = earlier.unconfirmed.union(
            *(FrozenBitMap(range(start, stop)) for start, stop in earlier.under_way)
        )
        again: list[tuple[int, Contact]] = []
        confirmed: Contact | None = None
        for start in range(0, earlier.contacts, PASSED_OVER_AT_A_TIME):
            sent = list(islice(contacts, min(PASSED_OVER_AT_A_TIME, earlier.contacts - start)))
            if not sent:
                raise RowsChangedError
            self._digest.update(sent)
            for position, contact in enumerate(sent, start):
                if position in unconfirmed:
                    again.append((position, contact))
                else:
                    confirmed = contact
        if self._digest.hexdigest() != earlier.digest:
            raise RowsChangedError
        log.info("%d contacts were sent by an earlier try: sending the rest", earlier.contacts)
        if confirmed is not None and self._delivery is not None:
            self._delivery.note_accepted_before(confirmed)
        self._earlier = dict(earlier.counts)
        summary = self._counted([])
        for name in CONFIRMED:
            summary.count(name, int(earlier.counts.get(name, 0)))
        summary.chunks = int(earlier.counts.get("chunks", 0)) + len(earlier.under_way)
        self._state = replace(
            self._state,
            summary=summary,
            contacts=earlier.contacts,
            digest=earlier.digest,
            unconfirmed=unconfirmed,
        )
        return again

    def _contacts(self, frames: Iterable[pd.DataFrame]) -> Iterator[list[Contact]]:
        for frame in frames:
            self._check_not_killed()
            contacts, rejections = self._mapper.map(frame, self.summary.read + 1)
            opted_out = 0
            if self._diff is not None:
                contacts, rejections, opted_out = self._diff.screen(contacts, rejections)
            is_new = self._seen.add_all([contact.number for contact in contacts])
            if not all(is_new):
                rejections += [
                    Rejection(contact.row, Stage.DUPLICATE, "same number as an earlier row", contact.values)
                    for contact, new in zip(contacts, is_new, strict=True)
                    if not new
                ]
                rejections.sort(key=attrgetter("row"))
                contacts = list(compress(contacts, is_new))
            summary = self._counted(rejections)
            summary.read += len(frame)
            if self._diff is not None:
                if opted_out:
                    summary.count("opted_out", opted_out)
                contacts, others = self._diff.select(contacts)
                for outcome, number in others.items():
                    summary.count(outcome, number)
            self._state = replace(self._state, summary=summary)
            self._flush_rejected()
            self._tell_progress()
            yield contacts

    def _chunks_again(self, again: Sequence[tuple[int, Contact]]) -> Iterator[Chunk]:
        for start in range(0, len(again), self._chunk_size):
            part = again[start : start + self._chunk_size]
            contacts = [contact for _, contact in part]
            yield Chunk(contacts, self._prepare(contacts), [position for position, _ in part])

    def _chunks(self, contacts: Iterator[Contact]) -> Iterator[Chunk]:
        start, digest = self._state.contacts, self._state.digest
        try:
            while chunk := list(islice(contacts, self._chunk_size)):
                digest_before = digest
                if self._digest is not None:
                    self._digest.update(chunk)
                    digest = self._digest.hexdigest()
                positions = range(start, start + len(chunk))
                start += len(chunk)
                yield Chunk(chunk, self._prepare(chunk), positions, digest_before, digest)
        except Exception:
            # The source failed: what is under way is answered for, and nothing more is sent.
            self._stop_sending()
            raise

    def _prepare(self, contacts: Sequence[Contact]) -> Parcel | None:
        return None if self._delivery is None else self._delivery.prepare(contacts)

    def _deliver(self, chunk: Chunk) -> Delivered | None:
        if self._delivery is None or chunk.parcel is None:
            return Delivered(Counter(skipped=len(chunk.contacts)))
        return self._delivery.deliver(chunk.parcel)

    def _stop_sending(self, *, and_wait_for_nothing: bool = False) -> None:
        if self._delivery is not None:
            self._delivery.stop()
        if and_wait_for_nothing and self._abort is not None:
            self._abort()

    def _note_start(self, chunk: Chunk) -> None:
        if any(one is chunk for one in self._state.under_way):
            # It was set aside in between.
            return
        state = replace(self._state, under_way=(*self._state.under_way, chunk))
        if chunk.is_new:
            state = replace(state, contacts=chunk.positions[-1] + 1, digest=chunk.digest)
        self._state = state

    def _settle(self, done: Sequence[Done[Chunk, Delivered | None]]) -> None:
        """
        Count what became of chunks; those that are set aside stay under way.

        :raises OctopushError: when one has failed for good; what is known of the others is counted before.
        """
        state = self._state
        answered = [(one.job, one.result) for one in done if one.result is not None]
        summary = self._counted([rejection for _, delivered in answered for rejection in delivered.rejections])
        unconfirmed = state.unconfirmed
        for chunk, delivered in answered:
            if self._diff is not None:
                self._note_confirmed(self._diff, chunk, delivered)
            summary.chunks += chunk.is_new
            for outcome, number in delivered.confirmed.items():
                summary.count(outcome, number)
            if self._checkpoint is not None:
                unconfirmed = _without_confirmed(unconfirmed, chunk, delivered)
        self._set_aside += [one.job for one in done if one.result is None and one.error is None]
        settled = {id(chunk) for chunk, _ in answered}
        under_way = tuple(chunk for chunk in state.under_way if id(chunk) not in settled)
        self._state = replace(state, summary=summary, unconfirmed=unconfirmed, under_way=under_way)
        self._note_progress()
        errors = [one.error for one in done if one.error is not None]
        if errors:
            self._check_not_killed()
            reason = next((error for error in errors if not isinstance(error, StoppedError)), None)
            if reason is not None:
                raise reason
            # That they were stopped is none: what comes next is, such as that the source has failed.
            self._stopped = errors[0]

    def _note_confirmed(self, diff: Diff, chunk: Chunk, delivered: Delivered) -> None:
        for contacts, statuses in delivered.answers:
            confirmed = [status in STATUSES for status in statuses]
            diff.note(list(compress(contacts, confirmed)), list(compress(map(str, statuses), confirmed)))
        if delivered.refused:
            diff.put_back(delivered.refused)
        rejected = {rejection.row for rejection in delivered.rejections}
        rejected.difference_update(contact.row for contact in delivered.refused)
        if rejected:
            diff.leave([contact for contact in chunk.contacts if contact.row in rejected])

    def _counted(self, rejections: Sequence[Rejection]) -> Summary:
        """Return the counts with these rejections among them; and keep the rejections to be written."""
        summary = replace(self.summary, reasons=self.summary.reasons.copy())
        for rejection in rejections:
            summary.count_rejection(rejection)
        if self._rejects is not None:
            self._rejected += rejections
        return summary

    def _note_progress(self) -> None:
        self._flush_rejected()
        self._count_requests()
        self._save_progress()
        self._tell_progress()

    def _count_requests(self) -> None:
        summary = self._counted([])
        if self._delivery is not None:
            summary.requests = int(self._earlier.get("requests", 0)) + self._delivery.requests
            summary.retries = int(self._earlier.get("retries", 0)) + self._delivery.retries
        summary.duration_seconds = self._earlier.get("duration_seconds", 0.0) + time.monotonic() - self._started
        self._state = replace(self._state, summary=summary)

    def _save_progress(self) -> None:
        if self._checkpoint is None:
            return
        progress = _progress(self._state)
        if progress.contacts and not self._checkpoint.save(progress):
            log.warning("too many contacts are unconfirmed to note them all: a retry sends what comes now again")
            self._checkpoint = None

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
        if self.summary.other:
            log.warning(
                "%d contacts were answered with a status that is not documented, so what became of them is not known; "
                "they count as other. A status may quote a contact, so only the rejects file has it (rejects_path)",
                self.summary.other,
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


def _without_confirmed(unconfirmed: FrozenBitMap, chunk: Chunk, delivered: Delivered) -> FrozenBitMap:
    """Note which contacts of a chunk the answer has confirmed, and which it has not."""
    if not chunk.is_new:
        unconfirmed = unconfirmed.difference(FrozenBitMap(chunk.positions))
    if not delivered.rejections:
        return unconfirmed
    rejected = {rejection.row for rejection in delivered.rejections}
    positions = zip(chunk.positions, chunk.contacts, strict=True)
    return unconfirmed.union(FrozenBitMap(position for position, contact in positions if contact.row in rejected))


def _progress(state: State) -> Progress:
    """
    Return what a retry needs to know: without the chunks under way that nothing known comes after.

    That a chunk was set aside is known: a retry looks at others first.
    """
    names = (*CONFIRMED, "chunks", "requests", "retries", "duration_seconds")
    contacts, digest = state.contacts, state.digest
    under_way = [chunk for chunk in state.under_way if chunk.is_new]
    while under_way and under_way[-1].positions[-1] + 1 == contacts and not under_way[-1].holds_refused:
        last = under_way.pop()
        contacts, digest = last.positions[0], str(last.digest_before)
    return Progress(
        contacts=contacts,
        digest=digest,
        unconfirmed=state.unconfirmed,
        under_way=[(chunk.positions[0], chunk.positions[-1] + 1) for chunk in under_way],
        counts={name: getattr(state.summary, name) for name in names},
    )
