"""Whole runs against an API that is a function: what it refuses, and in what words, is for each test to say."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pandas as pd

from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.contacts.mapping import ContactMapper
from airflow_provider_octopush.delivery.retry import Backoff
from airflow_provider_octopush.exceptions import OctopushRequestError
from airflow_provider_octopush.payloads import ContactPayload
from airflow_provider_octopush.phones.reader import PhoneReader
from airflow_provider_octopush.sync.create import ContactSync, Frames
from airflow_provider_octopush.sync.summary import CreateSummary
from tests.delivery.apis import Items, Payloads, delivery_to

#: How a server may word the same refusal: the number of the request, the first contact in it → code and message.
WORDINGS: dict[str, Callable[[int, str], tuple[int | None, str | None]]] = {
    "alike": lambda _, __: (101, "refused"),
    "with an incident id": lambda request, _: (101, f"refused, incident {request * 7919:08x}"),
    "two in turn": lambda request, _: (101 + request % 2, ("refused", "sorry")[request % 2]),
    "quoting the contact": lambda _, number: (101, f"{number} is refused"),
    "silent": lambda _, __: (None, None),
    "with another code each": lambda request, _: (request, "refused"),
}


def numbers(count: int) -> list[str]:
    """Return different phone numbers."""
    return [f"+3360{row:07}" for row in range(count)]


class Server:
    """
    The API, and what it holds.

    :param bad: numbers that it refuses.
    :param wording: one of :data:`WORDINGS`.
    :param most: contacts that it takes in one request.
    :param passing: from how many requests on average one is refused in passing; 0 is none.
    :param seed: of these.
    """

    def __init__(
        self,
        bad: Collection[str] = (),
        wording: str = "alike",
        *,
        most: int = 10**9,
        passing: int = 0,
        status_code: int = 400,
        seed: int = 0,
    ) -> None:
        self.bad = frozenset(bad)
        self.wording = wording
        self.most = most
        self.passing = passing
        self.status_code = status_code
        self.requests = 0
        self.refused_in_a_row = 0
        self.stored: set[str] = set()
        self.is_closed = False
        self.sizes: list[int] = []
        self._rng = random.Random(seed)
        self._lock = threading.Lock()

    def __call__(self, payloads: Payloads) -> Items:
        sent = [payload["phone_number"] for payload in payloads]
        with self._lock:
            self.requests += 1
            self.sizes.append(len(sent))
            if self.is_closed or self.refuses(sent):
                self.refused_in_a_row += 1
                code, message = WORDINGS[self.wording](self.requests, sent[0])
                raise OctopushRequestError("refused", status_code=self.status_code, code=code, full_message=message)
            self.refused_in_a_row = 0
            self.stored.update(sent)
        return [{"phone_number": number, "status": "added"} for number in sent]

    def refuses(self, sent: Sequence[str]) -> bool:
        """Say whether a request is refused."""
        if self.passing and self._rng.randrange(self.passing) == 0:
            return True
        return len(sent) > self.most or not self.bad.isdisjoint(sent)


def sync_to(
    server: Callable[[Payloads], Items],
    *,
    chunk_size: int,
    concurrency: int = 1,
    retries: int = 0,
    known_good: str | None = None,
) -> ContactSync[CreateSummary]:
    """Make a run that waits for nothing, and that may know a contact of which the list has just what would be sent."""
    delivery = delivery_to(server, Backoff(retries, sleep=lambda _: None))
    if known_good is not None:
        delivery.note_known_good(contact(known_good))
    return ContactSync(
        ContactMapper({}, PhoneReader()),
        delivery,
        CreateSummary(),
        chunk_size=chunk_size,
        concurrency=concurrency,
    )


def contact(number: str) -> Contact:
    """Return a contact that has this number and nothing else."""
    return Contact(1, int(number[1:]), ContactPayload(number), (number,))


def frames_of(rows: Sequence[Any]) -> Callable[[], Frames]:
    """Return a source of rows with these numbers."""

    def open_frames() -> Frames:
        for start in range(0, len(rows), 1000):
            yield pd.DataFrame({"phone_number": rows[start : start + 1000]}, dtype=object)

    return open_frames
