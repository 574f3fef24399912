"""
Chunks → requests → exactly one outcome for each contact.

A refused chunk is split until the contacts that are refused stand alone, so that one bad contact does not sink the
others. What a refusal means, ``verdict.py`` knows; how large a request may be, ``sizes.py``.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.delivery.outcomes import Delivered, answered, refused
from airflow_provider_octopush.delivery.retry import REPEATED, Backoff
from airflow_provider_octopush.delivery.sizes import RequestSize
from airflow_provider_octopush.delivery.verdict import ASKED_OF_A_CHUNK, Verdict
from airflow_provider_octopush.exceptions import OctopushRateLimitError, OctopushRequestError
from airflow_provider_octopush.payloads import ContactItem, ContactPayload

log = logging.getLogger(__name__)

#: Writes the body of a request.
Encode = Callable[[Sequence[ContactPayload]], bytes]

#: Posts one body and returns the answer's items; raises a subclass of OctopushError.
Post = Callable[[bytes], Sequence[ContactItem]]

#: The 4xx that can be about a contact, or about how many there are. All others are about the request itself.
CONTENT_REFUSED = frozenset({400, 409, 413, 414, 422})


@dataclass
class _Refused:
    """
    A request that was refused, until each of its contacts has an outcome.

    :param number: of its contacts.
    :param left: of them that have none yet.
    :param within: the refused request whose contacts these are a part of.
    :param holds_refused: whether one of its contacts was refused alone.
    """

    number: int
    left: int
    within: _Refused | None
    holds_refused: bool = False


@dataclass
class _Part:
    """
    Contacts that have no outcome yet.

    :param within: the refused request that these are a part of.
    :param is_refused: whether that request was about all of these.
    :param body: what says so to the API; None where that is not written yet.
    """

    contacts: Sequence[Contact]
    within: _Refused | None = None
    is_refused: bool = False
    body: bytes | None = None


@dataclass
class Parcel:
    """
    A chunk on its way, and how far it has come; for nobody but a :class:`Delivery` to look into.

    :param waiting: what has no outcome yet; the last one is sent next.
    :param delivered: the outcomes of all others.
    :param holds_refused: whether a contact was refused.
    """

    waiting: list[_Part]
    delivered: Delivered = field(default_factory=Delivered)
    holds_refused: bool = False

    def take_one(self, place: float) -> _Part:
        """Take out one of the contacts that wait: ``place`` is 0 for the first of them, and 1 is behind the last."""
        index = int(place * sum(len(part.contacts) for part in self.waiting))
        for part in self.waiting:
            if index < len(part.contacts):
                break
            index -= len(part.contacts)
        if len(part.contacts) == 1:
            self.waiting = [other for other in self.waiting if other is not part]
            return part
        one = _Part([part.contacts[index]], part.within)
        part.contacts = [*part.contacts[:index], *part.contacts[index + 1 :]]
        part.body = None
        return one


@dataclass(frozen=True)
class _Refusal:
    """
    That a request was refused in a way that may be about its contacts.

    :param error: what the API said.
    :param accepted: how many requests had been accepted when this one began.
    """

    error: OctopushRequestError
    accepted: int


class StoppedError(Exception):
    """The delivery was stopped while a chunk was on its way, because another one failed for good."""


class Delivery:
    """
    Delivers chunks, and keeps what was learned for the chunks to come. Several threads may deliver at a time.

    :param encode: writes the body of a request.
    :param post: posts one body.
    :param backoff: how often and how late a request is repeated that failed in passing.
    """

    def __init__(self, encode: Encode, post: Post, backoff: Backoff) -> None:
        self._encode = encode
        self._post = post
        self._backoff = backoff
        self._verdict = Verdict()
        self._sizes = RequestSize()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._not_before = 0.0
        self.requests = 0
        self.retries = 0

    @property
    def is_in_doubt(self) -> bool:
        """Whether chunks are set aside, because it is not known what the latest refusals were about."""
        return self._verdict.is_in_doubt

    def note_accepted_before(self, contact: Contact) -> None:
        """
        Note that an earlier try has delivered a contact, so that requests like these were accepted then.

        :param contact: any that was confirmed, exactly as it was sent then.
        """
        self._verdict.note_accepted_before(contact)

    def stop(self) -> None:
        """Send nothing more: what is under way is still answered for, all else raises :class:`StoppedError`."""
        self._stopped.set()

    def prepare(self, chunk: Sequence[Contact]) -> Parcel:
        """
        Make a chunk ready, which can be done while others are under way.

        :param chunk: contacts with different numbers.
        """
        body = self._body(chunk) if self._sizes.fits(len(chunk)) else None
        return Parcel([_Part(chunk, body=body)])

    def deliver(self, parcel: Parcel) -> Delivered | None:
        """
        Send requests for a chunk, until each of its contacts has an outcome.

        :param parcel: what :meth:`prepare` made of it.
        :return: exactly one outcome for each of its contacts; None when the chunk is set aside: deliver it again when
            there is no doubt any more (:attr:`is_in_doubt`), or no other chunk is left.
        :raises OctopushError: when the request itself is refused, or the server keeps failing; what became of the
            chunk is then not known.
        :raises StoppedError: when the delivery was stopped meanwhile, be it because another chunk has failed.
        """
        try:
            return self._deliver(parcel)
        except BaseException:
            self.stop()
            raise

    def conclude(self, parcels: Sequence[Parcel]) -> None:
        """
        Judge what is left, when all chunks that there are were set aside.

        :param parcels: these chunks. They can be delivered again, and may be set aside again.
        :raises OctopushRequestError: when all of their contacts were asked about, and the request itself is refused.
        """
        if not any(parcel.waiting for parcel in parcels):
            self._verdict.conclude()

    def _deliver(self, parcel: Parcel) -> Delivered | None:
        asked = 0
        witness = None if parcel.waiting else self._verdict.doubted_witness()
        if witness is not None:
            self._ask_witness(witness)
        while parcel.waiting:
            if not self._verdict.is_in_doubt:
                part = self._next(parcel)
            elif asked < ASKED_OF_A_CHUNK:
                part = parcel.take_one(self._verdict.place())
                asked += 1
            else:
                return None
            self._ask(part, parcel)
        return None if parcel.holds_refused and self._verdict.is_in_doubt else parcel.delivered

    def _next(self, parcel: Parcel) -> _Part:
        part = parcel.waiting.pop()
        number = len(part.contacts)
        if part.is_refused and part.within is not None and not part.within.holds_refused:
            # Who else was in that request was accepted.
            number = (number + 1) // 2
        number = self._sizes.next(number)
        if number == len(part.contacts):
            return part
        parcel.waiting.append(_Part(part.contacts[number:], part.within))
        return _Part(part.contacts[:number], part.within)

    def _ask(self, part: _Part, parcel: Parcel) -> None:
        number = len(part.contacts)
        answer = self._send(part)
        if isinstance(answer, Delivered):
            parcel.delivered.add(answer)
            self._note_outcomes(part, is_refused=False)
            return
        self._sizes.note_refused(number)
        if number == 1:
            parcel.holds_refused = True
            parcel.delivered.rejections.append(refused(part.contacts[0], answer.error))
            self._note_outcomes(part, is_refused=True)
        else:
            request = _Refused(number, number, part.within)
            parcel.waiting.append(_Part(part.contacts, request, is_refused=True))
        witness = self._verdict.note_refused(number, answer.error, answer.accepted)
        if witness is not None:
            self._ask_witness(witness)

    def _note_outcomes(self, part: _Part, *, is_refused: bool) -> None:
        request = part.within
        while request is not None:
            request.left -= len(part.contacts)
            request.holds_refused |= is_refused
            if not request.left and not request.holds_refused:
                self._sizes.note_too_many(request.number)
            request = request.within

    def _ask_witness(self, witness: Contact) -> None:
        answer = self._send(_Part([witness]))
        if isinstance(answer, _Refusal):
            self._verdict.note_witness_refused(answer.error, answer.accepted)

    def _body(self, contacts: Sequence[Contact]) -> bytes:
        return self._encode([contact.payload for contact in contacts])

    def _send(self, part: _Part) -> Delivered | _Refusal:
        """Send a request; one that is refused is under way until the verdict has noted that."""
        answer = self._post_repeatedly(self._body(part.contacts) if part.body is None else part.body)
        if isinstance(answer, _Refusal):
            return answer
        self._verdict.note_accepted(part.contacts[0])
        self._sizes.note_accepted(len(part.contacts))
        return answered(part.contacts, answer)

    def _post_repeatedly(self, body: bytes) -> Sequence[ContactItem] | _Refusal:
        attempt = 1
        pause = self._not_before - time.monotonic()
        if pause > 0:
            self._wait(pause)
        self._check_not_stopped()
        while True:
            accepted = self._verdict.begin(self._check_not_stopped)
            with self._lock:
                self.requests += 1
            try:
                return self._post(body)
            except OctopushRequestError as error:
                if error.status_code in CONTENT_REFUSED:
                    return _Refusal(error, accepted)
                self._verdict.note_failed()
                raise
            except REPEATED as error:
                self._verdict.note_failed()
                if attempt > self._backoff.retries:
                    raise
                delay = max(self._backoff.delay(attempt, error.retry_after), self._not_before - time.monotonic())
                log.warning(
                    "attempt %d of %d failed, the next one in %.1f s: %s",
                    attempt,
                    self._backoff.retries + 1,
                    delay,
                    error,
                )
                until = time.monotonic() + delay
                if isinstance(error, OctopushRateLimitError):
                    # It is the account that is too fast, not this thread.
                    self._not_before = max(self._not_before, until)
                self._wait(delay)
                if self._not_before > until:
                    # Another thread was told meanwhile that the account is too fast.
                    self._wait(self._not_before - until)
                attempt += 1
                with self._lock:
                    self.retries += 1
            except BaseException:
                self._verdict.note_failed()
                raise

    def _wait(self, seconds: float) -> None:
        (self._backoff.sleep or self._stopped.wait)(seconds)
        self._check_not_stopped()

    def _check_not_stopped(self) -> None:
        if self._stopped.is_set():
            raise StoppedError
