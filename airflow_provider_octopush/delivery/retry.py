"""Which failures are repeated within a task, and how long to wait before."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_octopush.exceptions import OctopushError, OctopushRateLimitError, OctopushServerError

#: What may pass by itself: 408, 425, 429, 5xx, connection errors, timeouts, lost answers.
REPEATED: tuple[type[OctopushError], ...] = (OctopushRateLimitError, OctopushServerError)


@dataclass(frozen=True)
class Backoff:
    """
    How long to wait before a request is repeated: exponentially longer, with jitter; longer if the server asks for it.

    :param retries: how often a request is repeated before its failure is final.
    :param first_delay: seconds before the first repetition; each further delay is twice as long.
    :param max_delay: seconds that a delay of our own never exceeds.
    :param max_retry_after: seconds that a delay asked for by the server (``Retry-After``) is cut to.
    :param sleep: waits the seconds it is given; None waits in a way that ends when the delivery is stopped.
    """

    retries: int
    first_delay: float = 1.0
    max_delay: float = 60.0
    max_retry_after: float = 300.0
    sleep: Callable[[float], None] | None = None

    def delay(self, attempt: int, retry_after: float | None) -> float:
        """
        Choose a delay.

        :param attempt: number of the attempt that failed, from 1.
        :param retry_after: seconds that the server asked for; None when it did not ask. Less than a delay of our own is
            what a clock that is off asks for, or a server that is overrun.
        :return: seconds; a delay of our own is spread over its second half, so that tasks do not come back at once.
        """
        # Above, a float would overflow; it is far beyond any max_delay.
        doubled = min(attempt - 1, 64)
        longest = min(self.max_delay, self.first_delay * 2.0**doubled)
        own = random.uniform(longest / 2, longest)  # noqa: S311 - spreads requests, guards no secret
        return max(own, min(retry_after or 0.0, self.max_retry_after))
