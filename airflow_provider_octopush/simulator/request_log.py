"""The requests that arrived, the newest of them kept."""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_octopush.simulator.faults import Fault
from airflow_provider_octopush.simulator.parsing import parsed_or_none

#: The newest requests that are kept to be looked at, and the bytes that their bodies may have together.
REQUESTS_KEPT = 10_000
BODY_BYTES_KEPT = 128 * 1024 * 1024


@dataclass(slots=True)
class Request:
    """
    One request that arrived.

    :param method: HTTP method.
    :param path: below the base path, such as ``contact/create``.
    :param user_agent: header ``User-Agent``.
    :param connection: number of the TCP connection it came on, from 1.
    :param arrived: when it began, by ``time.monotonic()``.
    :param content: its body's bytes.
    :param contact_count: how many contacts, or numbers to delete, it held.
    :param ended: when its answer was handed to the connection; None while under way.
    :param status: HTTP status of the answer; None when none was sent whole.
    :param stored: whether it changed the account.
    :param fault: what went wrong with it.
    """

    method: str
    path: str
    user_agent: str
    connection: int
    arrived: float
    content: bytes = field(default=b"", repr=False)
    contact_count: int = 0
    ended: float | None = None
    status: int | None = None
    stored: bool = False
    fault: Fault | None = None

    @property
    def body(self) -> Any:
        """The body as parsed JSON; None when it is none."""
        return parsed_or_none(self.content)

    @property
    def contacts(self) -> list[str]:
        """Numbers of the contacts, or those to delete, as they were sent."""
        body = self.body
        contacts = (body.get("contacts") or body.get("phone_numbers")) if isinstance(body, dict) else None
        return [
            str(contact.get("phone_number")) if isinstance(contact, dict) else str(contact)
            for contact in (contacts if isinstance(contacts, list) else [])
        ]

    @property
    def options(self) -> dict[str, Any]:
        """The body without the contacts, or the numbers."""
        body = self.body
        if not isinstance(body, dict):
            return {}
        return {name: value for name, value in body.items() if name not in ("contacts", "phone_numbers")}

    def summary(self) -> dict[str, Any]:
        """Its JSON form, without the contacts."""
        return {
            "method": self.method,
            "path": self.path,
            "user_agent": self.user_agent,
            "connection": self.connection,
            "contact_count": self.contact_count,
            "options": self.options,
            "status": self.status,
            "stored": self.stored,
            "fault": self.fault,
            "arrived": self.arrived,
            "ended": self.ended,
        }


class RequestLog:
    """The newest requests; :attr:`total` counts all."""

    def __init__(self) -> None:
        self.total = 0
        self._kept: deque[Request] = deque()
        self._bytes = 0

    def add(self, request: Request) -> None:
        """Keep a request, in the place of the oldest when there are too many."""
        self.total += 1
        self._kept.append(request)
        self._bytes += len(request.content)
        while len(self._kept) > REQUESTS_KEPT or self._bytes > BODY_BYTES_KEPT:
            self._bytes -= len(self._kept.popleft().content)

    def snapshot(self) -> list[Request]:
        """Copies of the requests, in the order in which they arrived."""
        return [copy.copy(request) for request in self._kept]
