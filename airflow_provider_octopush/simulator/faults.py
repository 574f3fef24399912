"""What can go wrong with one request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from airflow_provider_octopush.simulator.values import (
    BodyText,
    HeaderText,
    Seconds,
    SecondsFromNow,
    Status,
    check_values,
    read_json,
)


@dataclass(frozen=True)
class Fault:
    """
    Something that goes wrong with one request.

    :param status: HTTP status to answer with. None: the status of the right answer, or 500 when nothing is stored.
    :param body: what the answer's body holds: the API's JSON (an error, if ``status`` is not 2xx or nothing is stored),
        a gateway's page, nothing, ``text``, or the first half of the right answer before the connection ends.
    :param text: with the body ``"text"``, sent word for word as ``application/json``.
    :param retry_after: value of the header ``Retry-After``; None sends none.
    :param retry_after_date: seconds from the answer on, sent as the HTTP date form of ``Retry-After``; None sends none.
    :param stored: whether the request is carried out all the same.
    :param drop: whether the connection is reset instead of answered.
    :param delay: seconds before anything is sent. What is stored is stored before that.
    :raises ValueError: when a value is out of its bounds; it names the field and the bounds.
    """

    status: Status | None = None
    body: Literal["json", "html", "empty", "text", "half"] = "json"
    text: BodyText = '{"result": "ok"}'
    retry_after: HeaderText | None = None
    retry_after_date: SecondsFromNow | None = None
    stored: bool = False
    drop: bool = False
    delay: Seconds = 0.0

    def __post_init__(self) -> None:
        check_values(self)

    @classmethod
    def from_json(cls, values: Any) -> Fault:
        """
        Read the JSON form: the fields by their names.

        :raises ValueError: when there is no such field, or a value has the wrong type or is out of its bounds.
        """
        return read_json(cls, values)

    @classmethod
    def rate_limited(cls, retry_after: str | None = "0") -> Fault:
        """429, with ``Retry-After`` as given; None sends none."""
        return cls(status=429, retry_after=retry_after)

    @classmethod
    def rate_limited_until(cls, seconds: float) -> Fault:
        """429, with ``Retry-After`` as an HTTP date, so many seconds after the answer."""
        return cls(status=429, retry_after_date=seconds)

    @classmethod
    def server_error(cls, status: int = 503, body: Literal["json", "html", "empty"] = "json") -> Fault:
        """Answer with a 5xx, or another status, and store nothing."""
        return cls(status=status, body=body)

    @classmethod
    def dropped(cls) -> Fault:
        """Reset the connection before anything is stored."""
        return cls(drop=True)

    @classmethod
    def answer_lost(cls) -> Fault:
        """Store the contacts, then reset the connection without an answer."""
        return cls(drop=True, stored=True)

    @classmethod
    def answer_cut(cls) -> Fault:
        """Store the contacts, then reset the connection in the middle of the answer."""
        return cls(body="half", stored=True)

    @classmethod
    def not_json(cls) -> Fault:
        """Store the contacts, and answer 200 with an HTML page."""
        return cls(status=200, body="html", stored=True)

    @classmethod
    def login_page(cls) -> Fault:
        """Answer 200 with an HTML page and store nothing, as a proxy does that wants a login."""
        return cls(status=200, body="html")

    @classmethod
    def other_json(cls, text: str = '{"result": "ok"}') -> Fault:
        """Store the contacts, and answer 200 with ``text``: JSON of another shape, or not valid JSON at all."""
        return cls(status=200, body="text", text=text, stored=True)

    @classmethod
    def slow(cls, seconds: float) -> Fault:
        """Store the contacts at once, and answer late."""
        return cls(stored=True, delay=seconds)
