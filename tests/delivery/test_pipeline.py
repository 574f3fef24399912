from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import pytest

from airflow_provider_octopush.delivery.pipeline import Done, Pipeline


def same(job: int) -> int:
    return job


def run(pipeline: Pipeline[int, int], jobs: Iterator[int]) -> list[Done[int, int]]:
    return [one for done in pipeline.run(jobs) for one in done]


@pytest.mark.parametrize("concurrency", [1, 2, 5, 16])
@pytest.mark.parametrize("number", [0, 1, 4, 40])
def test_each_job_is_given_once(concurrency: int, number: int) -> None:
    rng = random.Random(number * concurrency)
    seconds = [rng.random() / 500 for _ in range(number)]

    def work(job: int) -> int:
        time.sleep(seconds[job])
        return job * 2

    done = run(Pipeline(work, concurrency, patience=5), iter(range(number)))
    assert sorted((one.job, one.result) for one in done) == [(job, job * 2) for job in range(number)]
    assert all(one.error is None for one in done)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_jobs_are_under_way_or_not_yet_given_than_allowed(concurrency: int) -> None:
    open_jobs: set[int] = set()
    most = 0

    def work(job: int) -> int:
        nonlocal most
        open_jobs.add(job)
        most = max(most, len(open_jobs))
        return job

    for done in Pipeline(work, concurrency, patience=5).run(iter(range(50))):
        open_jobs -= {one.job for one in done}
    assert most <= concurrency
    assert open_jobs == set()


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_when_a_job_fails_no_other_is_begun_and_those_under_way_are_given(failing: int) -> None:
    all_begun = threading.Barrier(3, timeout=5)

    begun = set[int]()

    def work(job: int) -> int:
        begun.add(job)
        if job > 2:
            return job
        all_begun.wait()
        if job == failing:
            raise ValueError("no")
        time.sleep(0.1)
        return job

    done = run(Pipeline(work, 3, patience=5), iter(range(50)))
    assert {one.job for one in done} == begun == {0, 1, 2}
    assert [one.job for one in done if one.error is not None] == [failing]


def test_a_job_that_cannot_be_made_ready_ends_it_after_what_is_under_way() -> None:
    def jobs() -> Iterator[int]:
        yield 0
        yield 1
        raise LookupError("no more")

    def work(job: int) -> int:
        time.sleep(0.05)
        return job

    given: list[int] = []

    def take() -> None:
        for done in Pipeline(work, 2, patience=5).run(jobs()):
            given.extend(one.job for one in done)

    with pytest.raises(LookupError):
        take()
    assert sorted(given) == [0, 1]


def test_what_is_under_way_is_waited_for_no_longer_than_the_patience() -> None:
    never = threading.Event()

    def work(job: int) -> int:
        if job == 0:
            never.wait(30)
        else:
            time.sleep(0.05)
            raise ValueError("no")
        return job

    begun = time.monotonic()
    done = run(Pipeline(work, 2, patience=0.3), iter(range(9)))
    assert time.monotonic() - begun < 5
    assert [one.job for one in done] == [1]
    never.set()


def test_a_caller_that_leaves_waits_for_nothing() -> None:
    never = threading.Event()
    begun = time.monotonic()

    def work(job: int) -> bool:
        return job == 0 or never.wait(30)

    def take() -> None:
        for _ in Pipeline(work, 2, patience=30).run(iter(range(9))):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take()
    assert time.monotonic() - begun < 5
    never.set()


def test_its_threads_end_with_it() -> None:
    run(Pipeline(same, 4, patience=5), iter(range(9)))
    until = time.monotonic() + 5
    while any(thread.name.startswith("octopush-") for thread in threading.enumerate()) and time.monotonic() < until:
        time.sleep(0.01)
    assert not [thread for thread in threading.enumerate() if thread.name in {f"octopush-{i}" for i in range(4)}]
