"""
The circuit breaker: ends a run when nothing is accepted any more, without blaming a contact.

A refusal may be about a contact, or about the list, the tag or an option; its words do not tell which. Only an
acceptance proves something: the request is right, so refusals are about contacts. So the breaker counts:

1. **Closed.** An acceptance sets the count to zero. A refusal adds one, unless another request was accepted after the
   refused one began: the answers of several threads may come in any order.
2. **Open.** After 60 refusals in a row, nothing begins until all requests under way are answered. One of these answers
   may be an acceptance.
3. **Probe.** Then a known-good contact is sent, and nothing else: the last one that was accepted; before there is one,
   an unchanged row of a sync. That changes nothing on the list. Accepted: closed. Refused: sent again, because a
   refusal may be temporary. Refused five times, or none known: the run ends.

As long as nothing was accepted, the run looks for a good contact in as many places as 60 requests reach: it asks about
two contacts of each chunk alone, then defers the chunk (:attr:`CircuitBreaker.is_searching`). Removals have their own
rule, in ``removal.py``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from airflow_provider_octopush.api import CONTENT_REFUSED
from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.exceptions import OctopushRequestError

Result = TypeVar("Result")

#: How many refusals in a row open the breaker, and how many removals may be refused before one is accepted.
REFUSALS_MAX = 60

#: How often the known-good contact is sent before the run ends.
PROBES_MAX = 5

#: Seconds after which a waiting thread checks whether it still should.
_LOOK_UP = 0.2


class CircuitBreaker:
    """
    Counts the outcomes of one run's requests. Several threads may ask at a time.

    :param send: sends a known-good contact; raises a subclass of OctopushError.
    :param check_not_stopped: raises an exception if nothing more is to be sent.
    """

    def __init__(self, send: Callable[[Contact], object], check_not_stopped: Callable[[], None]) -> None:
        self._send = send
        self._check_not_stopped = check_not_stopped
        self._changed = threading.Condition()
        self._under_way = 0
        self._accepted = 0
        self._refused_in_a_row = 0
        self._probes = 0
        self._known_good: Contact | None = None
        self._latest = OctopushRequestError("nothing was refused")

    @property
    def is_searching(self) -> bool:
        """Whether something was refused and nothing accepted yet."""
        return not self._accepted and self._refused_in_a_row > 0

    def note_known_good(self, contact: Contact) -> None:
        """Remember a contact that the list has exactly as it would be sent."""
        self._known_good = contact

    def ask(self, contact: Contact, send: Callable[[], Result]) -> Result | OctopushRequestError:
        """
        Send a request as soon as the breaker is closed.

        :param contact: any contact that the request is about.
        :param send: sends it; raises a subclass of OctopushError.
        :return: the answer, or the refusal if it may be about the contacts.
        :raises OctopushRequestError: when the breaker stays open, so that the run ends; or whatever ``send`` raised.
        """
        accepted, probe = self._begin()
        while probe is not None:
            self._counted(accepted, probe, partial(self._send, probe))
            accepted, probe = self._begin()
        return self._counted(accepted, contact, send)

    def _begin(self) -> tuple[int, Contact | None]:
        """Return how many requests were accepted so far, and the contact to send first if the breaker is open."""
        with self._changed:
            while self._refused_in_a_row >= REFUSALS_MAX and self._under_way:
                self._changed.wait(_LOOK_UP)
                self._check_not_stopped()
            probe = None
            if self._refused_in_a_row >= REFUSALS_MAX:
                probe = self._known_good
                if probe is None or self._probes == PROBES_MAX:
                    raise self._failure()
                self._probes += 1
            self._under_way += 1
            return self._accepted, probe

    def _counted(self, accepted: int, contact: Contact, send: Callable[[], Result]) -> Result | OctopushRequestError:
        try:
            answer = send()
        except BaseException as error:
            if not isinstance(error, OctopushRequestError) or error.status_code not in CONTENT_REFUSED:
                with self._ended():
                    raise
            with self._ended():
                if accepted == self._accepted:
                    self._refused_in_a_row += 1
                    self._latest = error
            return error
        with self._ended():
            self._accepted += 1
            self._known_good = contact
            self._refused_in_a_row = self._probes = 0
        return answer

    @contextmanager
    def _ended(self) -> Iterator[None]:
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()
            yield

    def _failure(self) -> OctopushRequestError:
        latest = self._latest
        return OctopushRequestError(
            f"{self._refused_in_a_row} requests in a row were refused and none was accepted: {latest}; "
            "the rest was not sent; check list_name, tag_name",
            status_code=latest.status_code,
            code=latest.code,
            message=latest.message,
            full_message=latest.full_message(),
        )
