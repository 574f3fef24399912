"""
Chunks → requests → exactly one outcome for each contact.

A refused chunk is split until the contacts that are refused stand alone, so that one bad contact does not sink the
others. The same splitting finds the number of contacts that the API takes in one request, which is not documented.
"""

from __future__ import annotations

import itertools
import logging
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from airflow_provider_octopush.api import STATUSES
from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.contacts.rejection import Rejection, Stage
from airflow_provider_octopush.delivery.retry import REPEATED, Backoff
from airflow_provider_octopush.exceptions import OctopushError, OctopushRateLimitError, OctopushRequestError
from airflow_provider_octopush.payloads import ContactItem, ContactPayload

log = logging.getLogger(__name__)

#: Writes the body of a request.
Encode = Callable[[Sequence[ContactPayload]], bytes]

#: Posts one body and returns the answer's items; raises a subclass of OctopushError.
Post = Callable[[bytes], Sequence[ContactItem]]

#: The 4xx that can be about a contact, or about how many there are. All others are about the request itself.
CONTENT_REFUSED = frozenset({400, 409, 413, 414, 422})

#: So many single contacts refused alike, with nothing accepted in between, raise the question whether the request
#: itself is refused.
ALIKE_REFUSALS = 10

_NOT_DIGITS = re.compile(r"\D+", re.ASCII)


class Request(NamedTuple):
    """
    A request that is ready to be sent.

    :param contacts: with different numbers.
    :param body: what says so to the API.
    """

    contacts: Sequence[Contact]
    body: bytes


@dataclass
class Delivered:
    """
    What became of the contacts of one chunk.

    :param confirmed: ``added``, ``updated``, ``skipped`` or ``other`` → number of contacts.
    :param rejections: the contacts that were refused, or that the answer does not mention.
    :param unknown_statuses: statuses that this provider does not know → number of contacts, all counted as ``other``.
    :param answers: the contacts of each request that was accepted, with what the answer said of each; None is nothing.
    """

    confirmed: Counter[str] = field(default_factory=Counter)
    rejections: list[Rejection] = field(default_factory=list)
    unknown_statuses: Counter[str] = field(default_factory=Counter)
    answers: list[tuple[Sequence[Contact], Sequence[str | None]]] = field(default_factory=list)

    def add(self, other: Delivered) -> None:
        """Count another's contacts here too."""
        self.confirmed.update(other.confirmed)
        self.rejections.extend(other.rejections)
        self.unknown_statuses.update(other.unknown_statuses)
        self.answers.extend(other.answers)


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
        self._largest: int | None = None
        self._accepted: Contact | None = None
        self._alike: tuple[object, ...] = ()
        self._alike_count = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._not_before = 0.0
        self.requests = 0
        self.retries = 0

    def stop(self) -> None:
        """Send nothing more: what is under way is still answered for, all else raises :class:`StoppedError`."""
        self._stopped.set()

    def prepare(self, chunk: Sequence[Contact]) -> list[Request]:
        """
        Write the requests for a chunk, which can be done while others are under way.

        :param chunk: contacts with different numbers.
        :return: one request, or several where the API is known to take fewer contacts in one.
        """
        largest = self._largest or len(chunk)
        parts = -(-len(chunk) // largest)
        bounds = [len(chunk) * i // parts for i in range(parts + 1)]
        return [self._request(chunk[start:stop]) for start, stop in itertools.pairwise(bounds)]

    def deliver(self, requests: Iterable[Request]) -> Delivered:
        """
        Send the requests for a chunk, until each of its contacts has an outcome.

        :param requests: what :meth:`prepare` made of it.
        :return: exactly one outcome for each of them.
        :raises OctopushError: when the request itself is refused, or the server keeps failing; what became of the
            chunk is then not known.
        :raises StoppedError: when the delivery was stopped meanwhile, be it because another chunk has failed.
        """
        try:
            return self._deliver(requests)
        except BaseException:
            self.stop()
            raise

    def _deliver(self, requests: Iterable[Request]) -> Delivered:
        delivered = Delivered()
        waiting = deque(requests)
        accepted_sizes: list[int] = []
        refused_sizes: list[int] = []
        while waiting:
            request = waiting.popleft()
            part = request.contacts
            if self._largest is not None and len(part) > self._largest:
                # It was written before that was known.
                waiting.extendleft(reversed(self.prepare(part)))
                continue
            try:
                delivered.add(self._send(request))
            except OctopushRequestError as error:
                if error.status_code not in CONTENT_REFUSED:
                    raise
                if error.status_code == 413:
                    self._learn_largest((len(part) + 1) // 2)
                if len(part) > 1:
                    refused_sizes.append(len(part))
                    waiting.extendleft(self._request(half) for half in reversed(_halves(part)))
                else:
                    delivered.rejections.append(_refusal(part[0], error))
                    if self._is_suspicious(error):
                        self._make_sure_that_contacts_are_refused(error, waiting, delivered)
            else:
                accepted_sizes.append(len(part))
        if refused_sizes and not any(r.stage is Stage.REFUSED for r in delivered.rejections):
            # No contact was to blame, so it was their number.
            self._learn_largest(max(accepted_sizes))
        return delivered

    def _request(self, part: Sequence[Contact]) -> Request:
        return Request(part, self._encode([contact.payload for contact in part]))

    def _learn_largest(self, size: int) -> None:
        size = max(size, 1)
        with self._lock:
            is_news = self._largest is None or size < self._largest
            if is_news:
                self._largest = size
        if is_news:
            log.warning("Octopush refuses larger requests: sending at most %d contacts in one from here on", size)

    def _send(self, request: Request) -> Delivered:
        delivered = _match(request.contacts, self._post_repeatedly(request.body))
        with self._lock:
            self._accepted = request.contacts[0]
            self._alike_count = 0
        return delivered

    def _post_repeatedly(self, body: bytes) -> Sequence[ContactItem]:
        attempt = 1
        pause = self._not_before - time.monotonic()
        if pause > 0:
            self._wait(pause)
        self._check_not_stopped()
        while True:
            with self._lock:
                self.requests += 1
            try:
                return self._post(body)
            except REPEATED as error:
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
                if isinstance(error, OctopushRateLimitError):
                    # It is the account that is too fast, not this thread.
                    self._not_before = max(self._not_before, time.monotonic() + delay)
                self._wait(delay)
                attempt += 1
                with self._lock:
                    self.retries += 1

    def _wait(self, seconds: float) -> None:
        (self._backoff.sleep or self._stopped.wait)(seconds)
        self._check_not_stopped()

    def _check_not_stopped(self) -> None:
        if self._stopped.is_set():
            raise StoppedError

    def _is_suspicious(self, error: OctopushError) -> bool:
        alike = _what_was_said(error)
        with self._lock:
            self._alike_count = self._alike_count + 1 if alike == self._alike else 1
            self._alike = alike
            return self._alike_count >= ALIKE_REFUSALS

    def _make_sure_that_contacts_are_refused(
        self, error: OctopushRequestError, waiting: deque[Request], delivered: Delivered
    ) -> None:
        """
        Find out whether it is the request itself that is refused, whatever contact it holds.

        A contact that was accepted before is the proof when it is accepted again, which changes nothing on the list.
        Where none was accepted yet, contacts from all over the rest of the chunk are tried one by one.

        :raises OctopushRequestError: when everything is refused alike.
        """
        if self._accepted is not None:
            try:
                self._send(self._request([self._accepted]))
            except OctopushRequestError:
                raise self._request_itself_is_refused(error) from None
            return
        rest = [contact for request in waiting for contact in request.contacts]
        if len(rest) < ALIKE_REFUSALS:
            return
        waiting.clear()
        tried = [len(rest) * i // ALIKE_REFUSALS for i in range(ALIKE_REFUSALS)]
        for position, index in enumerate(tried):
            try:
                delivered.add(self._send(self._request([rest[index]])))
            except OctopushRequestError as other:
                if other.status_code not in CONTENT_REFUSED:
                    raise
                delivered.rejections.append(_refusal(rest[index], other))
                if _what_was_said(other) == _what_was_said(error):
                    continue
            del tried[position + 1 :]
            break
        else:
            raise self._request_itself_is_refused(error)
        left = [contact for index, contact in enumerate(rest) if index not in tried]
        if left:
            waiting.append(self._request(left))

    def _request_itself_is_refused(self, error: OctopushRequestError) -> OctopushRequestError:
        return OctopushRequestError(
            "Octopush refuses every request alike, down to single contacts, so it is not the contacts: "
            f"check list_name, tag_name and the options. {error}",
            status_code=error.status_code,
            code=error.code,
            message=error.message,
        )


def _what_was_said(error: OctopushError) -> tuple[object, ...]:
    return error.status_code, error.code, error.message


def _halves(part: Sequence[Contact]) -> list[Sequence[Contact]]:
    middle = len(part) // 2
    return [part[:middle], part[middle:]]


def _refusal(contact: Contact, error: OctopushError) -> Rejection:
    said = [f"code {error.code}"] if error.code is not None else [f"HTTP {error.status_code}"]
    if error.message is not None:
        said.append(error.message)
    return Rejection(
        contact.row,
        Stage.REFUSED,
        f"refused by Octopush: {': '.join(said)}",
        contact.values,
        error.code,
        error.message,
    )


def _digits(number: str) -> str:
    digits = number.removeprefix("+")
    return digits if digits.isascii() and digits.isdigit() else _NOT_DIGITS.sub("", number)


def _match(part: Sequence[Contact], items: Sequence[ContactItem]) -> Delivered:
    """Give each contact the status that the answer has for its number; by digits, as the order is not documented."""
    numbers = [contact.payload.phone_number for contact in part]
    statuses: list[str | None]
    if numbers == [item.phone_number for item in items]:
        statuses = [item.status for item in items]
    else:
        by_digits: dict[str, str] = {}
        for item in items:
            by_digits.setdefault(_digits(item.phone_number), item.status)
        statuses = [by_digits.get(number[1:]) for number in numbers]
    delivered = Delivered(answers=[(part, statuses)])
    for status, count in Counter(statuses).items():
        if status is None:
            delivered.rejections = [
                Rejection(contact.row, Stage.UNCONFIRMED, "not in Octopush's answer", contact.values)
                for contact, answered in zip(part, statuses, strict=True)
                if answered is None
            ]
        elif status in STATUSES:
            delivered.confirmed[status] += count
        else:
            delivered.confirmed["other"] += count
            delivered.unknown_statuses[status] += count
    return delivered
