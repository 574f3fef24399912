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
    How long to wait before a request is repeated: exponentially longer, with jitter, or as long as the server asks.

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
        :param retry_after: seconds that the server asked for; None when it did not ask.
        :return: seconds; a delay of our own is spread over its second half, so that tasks do not come back at once.
        """
        if retry_after is not None:
            return min(retry_after, self.max_retry_after)
        longest = min(self.max_delay, self.first_delay * 2.0 ** (attempt - 1))
        return random.uniform(longest / 2, longest)  # noqa: S311 - spreads requests, guards no secret
