"""A bucket that takes its time for each request, while a run notes all the time: it costs time, and nothing else."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from airflow_provider_octopush.simulator import Behaviour
from tests.operators.nights import Nights, Rows, check, number, people
from tests.torture.tasks import record_often


class Call(NamedTuple):
    """A request to the bucket: what it asks for, of which object, and from when to when."""

    method: str
    key: str
    begun: float
    ended: float


@dataclass
class SlowBucket:
    """
    Delays all requests to S3, on their way there and back, and remembers them.

    :param rng: draws how long.
    :param beside: how much longer it takes to upload what stands beside the snapshot.
    """

    rng: random.Random
    beside: float = 3.0
    calls: list[Call] = field(default_factory=list)

    def slow_down(self, monkeypatch: pytest.MonkeyPatch) -> None:
        S3FileSystem: Any = pytest.importorskip("s3fs").S3FileSystem  # noqa: N806 - it is a class
        call = S3FileSystem._call_s3

        async def call_slowly(fs: Any, method: str, *arguments: Any, **options: Any) -> Any:
            key, begun = str(options.get("Key")), time.monotonic()
            delay = self.rng.uniform(0.05, 0.2)
            if method == "put_object" and not key.endswith(".snapshot"):
                delay *= self.beside
            there = self.rng.random()
            await asyncio.sleep(delay * there)
            try:
                return await call(fs, method, *arguments, **options)
            finally:
                await asyncio.sleep(delay * (1 - there))
                self.calls.append(Call(method, key, begun, time.monotonic()))

        monkeypatch.setattr(S3FileSystem, "_call_s3", call_slowly)

    def of(self, *methods: str) -> list[Call]:
        return [call for call in self.calls if call.method in methods]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> SlowBucket:
    bucket = SlowBucket(random.Random(0))
    bucket.slow_down(monkeypatch)
    record_often(monkeypatch)
    return bucket


def test_what_is_noted_beside_a_snapshot_is_not_uploaded_while_it_is_tidied_away(
    nights: Nights, s3: str, bucket: SlowBucket
) -> None:
    path = f"{s3}/octopush/customers.snapshot"
    # Each request takes long enough for some of what is noted to be on its way whenever the run comes to its end.
    nights.simulator.behaviour = Behaviour(latency=0.03)
    everybody = list(range(24))
    check(nights.run(people(*everybody), snapshot_path=path, chunk_size=1), added=24, snapshot_after=24)
    noted = len(bucket.of("put_object"))
    assert noted > 4, "too little was noted to tell"
    _check_one_hand(bucket)

    bucket.calls.clear()
    gone, changed = everybody[:5], everybody[5:12]
    rows = [*people(*changed, name="Ana"), *people(*everybody[12:])]
    summary = nights.run(rows, snapshot_path=path, chunk_size=1, max_removed="100%", opted_out=[{"n": number(23)}])
    check(summary, updated=7, unchanged=11, opted_out=1, removed=6, snapshot_before=24, snapshot_after=18)
    _check_one_hand(bucket)

    wanted = {number(n) for n in everybody if n not in {*gone, 23}}
    assert nights.on_list == wanted
    check(nights.run(rows[:-1], snapshot_path=path), unchanged=18, requests=0, snapshot_before=18, snapshot_after=18)


def test_a_run_that_ended_while_it_noted_is_gone_on_with(nights: Nights, s3: str, bucket: SlowBucket) -> None:
    path = f"{s3}/octopush/customers.snapshot"
    nights.simulator.behaviour = Behaviour(latency=0.03)

    def rows() -> Iterator[Rows]:
        for n in range(20):
            yield people(n)
        raise RuntimeError("the source failed")

    with pytest.raises(RuntimeError):
        nights.run(rows(), snapshot_path=path, chunk_size=1)
    assert bucket.of("put_object")
    summary = nights.run(people(*range(20)), snapshot_path=path, night=nights.night)
    check(summary, read=20, added=20, snapshot_before=0, snapshot_after=20)
    check(nights.run(people(*range(1, 20)), snapshot_path=path), unchanged=19, removed=1, snapshot_before=20)
    _check_one_hand(bucket)


def _check_one_hand(bucket: SlowBucket) -> None:
    """Check that what is changed is changed by one hand, in one order, and that nothing deleted comes back."""
    changes = sorted(bucket.of("put_object", "delete_object", "delete_objects"), key=lambda call: call.begun)
    for one, following in pairwise(changes):
        assert one.ended <= following.begun, f"{following} has not waited for {one}"
    deleted: set[str] = set()
    for change in changes:
        if change.method == "put_object":
            assert change.key not in deleted
        else:
            deleted.add(change.key)
