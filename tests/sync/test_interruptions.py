"""A run that is interrupted between any two of its lines, and the one that comes after it."""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

import pytest

from airflow_provider_octopush.exceptions import OctopushRequestError
from airflow_provider_octopush.sync.summary import CreateSummary
from tests.delivery.apis import Items, Payloads
from tests.delivery.runs import frames_of, sync_to
from tests.interruptions import Interruption, SignalError

#: How many moments of a run are tried for each way of running; all there are take minutes.
MOMENTS = int(os.environ.get("INTERRUPTIONS", "30"))

GOOD = [f"+336000000{n:02}" for n in range(24)]
REFUSED = {GOOD[5], GOOD[17]}
VALUES: list[Any] = [*GOOD[:9], None, GOOD[0], *GOOD[9:], "junk"]


class Api:
    """Remembers the list, as Octopush does."""

    def __init__(self) -> None:
        self.stored: set[str] = set()
        self.sent: Counter[str] = Counter()

    def __call__(self, payloads: Payloads) -> Items:
        numbers = [payload["phone_number"] for payload in payloads]
        self.sent.update(numbers)
        if REFUSED & set(numbers):
            raise OctopushRequestError("no", status_code=400, code=1, message="bad")
        statuses = ["updated" if number in self.stored else "added" for number in numbers]
        self.stored.update(numbers)
        return [{"phone_number": n, "status": s} for n, s in zip(numbers, statuses, strict=True)]


def one_run(api: Api, concurrency: int, interruption: Interruption) -> CreateSummary:
    sync = sync_to(api, chunk_size=4, concurrency=concurrency)
    with interruption:
        return sync.run(frames_of(VALUES))


@pytest.mark.parametrize("concurrency", [1, 3])
def test_whenever_a_run_is_interrupted_the_next_one_completes_the_list_and_tells_the_truth(concurrency: int) -> None:
    undisturbed = Interruption(None)
    one_run(Api(), concurrency, undisturbed)
    assert undisturbed.lines > 1000
    moments = range(undisturbed.lines)
    for line in random.Random(concurrency).sample(moments, min(MOMENTS, len(moments))):
        api = Api()
        try:
            summary = one_run(api, concurrency, Interruption(line))
        except SignalError:
            summary = one_run(api, concurrency, Interruption(None))
        where = f"interrupted after line {line}"
        assert api.stored == set(GOOD) - REFUSED, where
        summary.check()
        assert (summary.read, summary.invalid, summary.duplicates) == (len(VALUES), 2, 1), where
        assert (summary.added + summary.updated, summary.refused) == (len(GOOD) - 2, 2), where
        assert (summary.skipped, summary.other, summary.unconfirmed) == (0, 0, 0), where
