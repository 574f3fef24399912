"""Repeats requests: which failures are repeated within a task, and how long to wait before."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from airflow_provider_octopush.exceptions import (
    OctopushCredentialsError,
    OctopushError,
    OctopushRateLimitError,
    OctopushRequestError,
    OctopushServerError,
)

log = logging.getLogger(__name__)

Result = TypeVar("Result")

#: Failures that may pass by themselves: too many requests, or a server or network that fails.
REPEATED: tuple[type[OctopushError], ...] = (OctopushRateLimitError, OctopushServerError)

#: Seconds before a request is repeated for the first time; each further delay is twice as long, up to the longest one.
FIRST_DELAY, MAX_DELAY = 1.0, 60.0

#: Seconds that the server's delay (``Retry-After``) is cut to.
MAX_RETRY_AFTER = 300.0

#: Failures that show that the request had no effect.
_HAD_NO_EFFECT = (OctopushRequestError, OctopushRateLimitError, OctopushCredentialsError)


class StoppedError(Exception):
    """Nothing more is sent: the run was asked to stop, or something else has failed for good."""


@dataclass(frozen=True)
class Backoff:
    """
    How long to wait before a request is repeated: exponentially longer, with jitter; longer if the server asks for it.

    :param retries: how often a request is repeated before its failure is final.
    :param sleep: waits a number of seconds; None waits, but no longer than until nothing more is to be sent.
    """

    retries: int
    sleep: Callable[[float], None] | None = None

    def delay(self, attempt: int, retry_after: float | None) -> float:
        """
        Choose a delay.

        :param attempt: number of the attempt that failed, from 1.
        :param retry_after: seconds that the server asked for; None if it did not ask. Less than our own delay is
            ignored: the server's clock may be off, or it may be overrun.
        :return: seconds; our own delay is spread over its second half, so that tasks do not all come back at once.
        """
        # With larger exponents a float would overflow; this is far beyond the longest delay.
        doubled = min(attempt - 1, 64)
        longest = min(MAX_DELAY, FIRST_DELAY * 2.0**doubled)
        own = random.uniform(longest / 2, longest)  # noqa: S311 - spreads requests, guards no secret
        return max(own, min(retry_after or 0.0, MAX_RETRY_AFTER))


class Sender:
    """
    Sends requests, and repeats those that fail temporarily. Several threads may send at a time; a 429 slows all of
    them.

    ``requests`` is how many were sent, including repetitions; ``retries`` is how many of them were repetitions.

    :param backoff: how often and how late a request is repeated.
    """

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._not_before = 0.0
        self.requests = 0
        self.retries = 0

    def stop(self) -> None:
        """
        Send nothing more: requests under way still get their answers, everything else raises :class:`StoppedError`.
        """
        self._stopped.set()

    def _check_not_stopped(self) -> None:
        """
        Check that it was not asked to stop.

        :raises StoppedError: when it was.
        """
        if self._stopped.is_set():
            raise StoppedError

    def _send(self, request: Callable[[], Result], unanswered: Callable[[], None] = lambda: None) -> Result:
        """
        Send a request, and repeat it as often as needed.

        :param request: sends it once; raises a subclass of OctopushError.
        :param unanswered: called each time that it failed without showing whether it was carried out.
        :raises OctopushError: when it failed in a way that is not repeated, or too often.
        :raises StoppedError: when nothing more is to be sent.
        """
        self._wait(self._not_before - time.monotonic())
        attempt = 1
        while True:
            self._check_not_stopped()
            with self._lock:
                self.requests += 1
                self.retries += attempt > 1
            try:
                return request()
            except BaseException as error:
                if not isinstance(error, _HAD_NO_EFFECT):
                    unanswered()
                if not isinstance(error, REPEATED) or attempt > self._backoff.retries:
                    raise
                self._wait_before_next(attempt, error)
            attempt += 1

    def _wait_before_next(self, attempt: int, error: OctopushError) -> None:
        delay = max(self._backoff.delay(attempt, error.retry_after), self._not_before - time.monotonic())
        log.warning(
            "attempt %d of %d failed, the next one in %.1f s: %s", attempt, self._backoff.retries + 1, delay, error
        )
        until = time.monotonic() + delay
        if isinstance(error, OctopushRateLimitError):
            # The whole account is too fast, not only this thread.
            with self._lock:
                self._not_before = max(self._not_before, until)
        self._wait(delay)
        # Meanwhile, another thread may have been told that the account is too fast.
        self._wait(self._not_before - until)

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            (self._backoff.sleep or self._stopped.wait)(seconds)
            self._check_not_stopped()
