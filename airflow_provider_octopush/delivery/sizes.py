"""
How many contacts one request may hold. It is not documented, so it is learned from what is refused and accepted.

A refusal for the number of contacts shows when a request is refused, and each of its contacts is accepted in a smaller
one. The same happens when a refusal was one in passing. So where as many contacts, or more, were accepted before, it
has to happen twice before the number is believed; and what is believed is tried again with more, after two requests
that went well, and later each time that fails: half-way to what was refused last, or with twice as many where that is
near. For what was refused may have been about one large contact, which says nothing about others.
"""

from __future__ import annotations

import logging
import threading

log = logging.getLogger(__name__)

#: Requests of the largest size that have to go well before a larger one is tried; twice as many after each that fails.
CALM_FIRST = 2
CALM_MAX = 64

#: What was refused is near when it is at most by this part more than what was accepted.
NEAR = 8


class RequestSize:
    """The number of contacts that requests may hold, as far as it is known. Several threads may ask at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._most: int | None = None
        self._refused: int | None = None
        self._accepted = 0
        self._suspected: int | None = None
        self._calm = 0
        self._calm_needed = CALM_FIRST

    def fits(self, number: int) -> bool:
        """Tell whether a request may hold so many contacts, as far as it is known now."""
        with self._lock:
            return self._most is None or number <= self._most

    def next(self, number: int) -> int:
        """
        Tell how many of some contacts the next request is to hold; it may be a try with more than is known to go well.

        :param number: of contacts that there are, at least 1.
        :return: from 1 to ``number``.
        """
        with self._lock:
            most = self._most
            if most is None or number <= most:
                return number
            if self._calm >= self._calm_needed:
                self._calm = 0
                return min(number, self._more_than(most))
        # As few requests as will do, and all of the same size.
        requests = -(-number // most)
        return -(-number // requests)

    def note_accepted(self, number: int) -> None:
        """Note that a request with so many contacts was accepted."""
        with self._lock:
            self._accepted = max(self._accepted, number)
            if self._suspected is not None and number >= self._suspected:
                self._suspected = None
            if self._most is None:
                return
            if number > self._most:
                self._most = number
                if self._refused is not None and self._refused <= number:
                    self._refused = None
                self._calm = 0
                self._calm_needed = CALM_FIRST
            elif number * 2 > self._most:
                self._calm += 1

    def note_refused(self, number: int) -> None:
        """Note that a request with so many contacts was refused, for whatever reason."""
        with self._lock:
            if self._most is not None and number > self._most:
                self._calm = 0
                self._calm_needed = min(2 * self._calm_needed, CALM_MAX)
                self._refused = number

    def note_too_many(self, number: int) -> None:
        """Note that so many contacts were refused in one request, and each of them was accepted in a smaller one."""
        with self._lock:
            if self._most is not None and number > self._most:
                return
            if number <= self._accepted and self._suspected is None:
                self._suspected = number
                return
            self._most = most = self._accepted if self._accepted < number else number // 2
            self._accepted = most
            self._refused = number
            self._suspected = None
            self._calm = 0
            self._calm_needed = CALM_FIRST
        log.warning("Octopush refuses larger requests: sending at most %d contacts in one for now", most)

    def _more_than(self, most: int) -> int:
        if self._refused is not None and self._refused - most > most // NEAR + 1:
            return (most + self._refused) // 2
        return 2 * most
