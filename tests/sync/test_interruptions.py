"""A run that is interrupted between any two of its lines, and the one that comes after it."""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import airflow_provider_octopush
from airflow_provider_octopush.exceptions import OctopushRequestError
from airflow_provider_octopush.sync.summary import Summary
from tests.delivery.apis import Items, Payloads
from tests.delivery.runs import frames_of, sync_to

PACKAGE = str(Path(airflow_provider_octopush.__file__).parent)
#: How many moments of a run are tried for each way of running; all there are take minutes.
MOMENTS = int(os.environ.get("INTERRUPTIONS", "30"))

GOOD = [f"+336000000{n:02}" for n in range(24)]
REFUSED = {GOOD[5], GOOD[17]}
VALUES: list[Any] = [*GOOD[:9], None, GOOD[0], *GOOD[9:], "junk"]


class Signal(BaseException):
    """What a handler of a signal raises, wherever the main thread is: a timeout of the task, Ctrl-C."""


class Interruption:
    """Raises in the main thread at one line of the package."""

    def __init__(self, at_line: int) -> None:
        self.at_line = at_line
        self.lines = 0

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self.at_line:
                raise Signal
        return self.trace


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


def one_run(api: Api, concurrency: int, interruption: Interruption) -> Summary:
    sync = sync_to(api, chunk_size=4, concurrency=concurrency)
    before = sys.gettrace()
    sys.settrace(interruption.trace)
    try:
        return sync.run(frames_of(VALUES))
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_whenever_a_run_is_interrupted_the_next_one_completes_the_list_and_tells_the_truth(concurrency: int) -> None:
    undisturbed = Interruption(-1)
    one_run(Api(), concurrency, undisturbed)
    moments = range(1, undisturbed.lines)
    for at_line in random.Random(concurrency).sample(moments, min(MOMENTS, len(moments))):
        api = Api()
        try:
            summary = one_run(api, concurrency, Interruption(at_line))
        except Signal:
            summary = one_run(api, concurrency, Interruption(-1))
        where = f"interrupted at line {at_line}"
        assert api.stored == set(GOOD) - REFUSED, where
        summary.check()
        assert (summary.read, summary.invalid, summary.duplicates) == (len(VALUES), 2, 1), where
        assert (summary.added + summary.updated, summary.refused) == (len(GOOD) - 2, 2), where
        assert (summary.skipped, summary.other, summary.unconfirmed) == (0, 0, 0), where
