"""A process that is gone, with SIGKILL, while it fills a list, keeps it in step or erases; and what comes after it."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_octopush.simulator import Behaviour, Simulator
from tests.operators.nights import Rows, number, people
from tests.torture.killed import Forker
from tests.torture.runs import LIST
from tests.torture.tasks import Ended, Job, Try, without_waiting

#: Of the moments at which others see something of the process, each so-and-so-many-th is tried; 1 tries all.
STEP = int(os.environ.get("KILLED_STEP", "11"))
FIRST_SECONDS = int(os.environ.get("KILLED_SEEDS", "3"))

CONNECTION = "AIRFLOW_CONN_OCTOPUSH_DEFAULT"


class List:
    """A list on the server and its snapshot in a folder, and tasks that may be killed."""

    def __init__(self, simulator: Simulator, forker: Forker, folder: Path) -> None:
        self.simulator = simulator
        self.folder = folder
        folder.mkdir()
        self._forker = forker
        self._nights = count(1)
        self._jobs = count(1)
        simulator.reset(Behaviour())

    @property
    def snapshot_path(self) -> str:
        return str(self.folder / "snapshots" / "customers.snapshot")

    @property
    def on_list(self) -> set[str]:
        return self.simulator.lists.get(LIST, set())

    def night(self, rows: Rows, *stops: int, **options: Any) -> Try:
        """Return a night on which these have opted out."""
        night = next(self._nights)
        options = {"chunk_size": 3, "max_removed": "100%", "max_opted_out": "100%", "min_opted_out": 0, **options}
        return Try(f"night {night}", rows, options, [number(n) for n in stops], night)

    def erasure(self, *numbers: int) -> Try:
        return Try("erasure", [{"phone_number": number(n)} for n in numbers], kind="erase")

    def make(self, one: Try) -> Ended:
        """Let a task run in this process."""
        return one.make(one.operator(self.snapshot_path))

    def run(self, one: Try) -> Ended:
        """Let a task run in this process; it has to end well."""
        ended = self.make(one)
        assert ended.ending == "green", ended
        return ended

    def kill(self, one: Try, *, at: int | None = None, after: float | None = None, **job: Any) -> Ended:
        """Let a task run in a process that is killed, at a moment or after seconds."""
        result = self.folder / f"{next(self._jobs)}.result"
        todo = Job(one, os.environ[CONNECTION], self.snapshot_path, str(result), dies_at=at, **job)
        ended = self._forker.run(todo, killed_after=after)
        assert ended.ending in ("green", "killed"), ended
        return ended


@pytest.fixture
def lists(octopush: Simulator, forker: Forker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[List]:
    """Lists on which nothing has happened yet."""
    without_waiting(monkeypatch)
    return (List(octopush, forker, tmp_path / str(n)) for n in count())


def moments() -> Iterator[int]:
    yield from count(random.Random(0).randrange(STEP), STEP)


def check_opted_out_were_never_sent(lists: List, *stops: int) -> None:
    sent = {one for request in lists.simulator.requests if request.path == "contact/create" for one in request.contacts}
    assert not sent & {number(n) for n in stops}


def test_whenever_a_first_run_is_killed_the_next_one_opens_and_is_right(lists: Iterator[List]) -> None:
    kills = 0
    for moment, a_list in zip(moments(), lists, strict=False):
        rows = people(*range(8))
        night = a_list.night(rows, 7, 50)
        ended = a_list.kill(night, at=moment)
        kills += ended.ending == "killed"
        # Its own retry, or the next night.
        following = replace(night, number=2) if moment % 2 else a_list.night(rows, 7, 50)
        a_list.run(following)
        assert a_list.on_list == {number(n) for n in range(7)}, moment
        check_opted_out_were_never_sent(a_list, 7, 50)
        summary = a_list.run(a_list.night(rows[1:], 7, 50)).summary
        assert summary is not None
        # What the killed process had on its way may still arrive: that removal is not the last one.
        assert (summary["unchanged"], summary["removed"] + summary["unsettled"], summary["kept"]) == (6, 1, 0), moment
        assert a_list.on_list == {number(n) for n in range(1, 7)}, moment
        if ended.ending == "green":
            break
    assert kills * STEP > 20


@pytest.mark.parametrize("concurrency", [1, 3])
def test_whenever_a_night_is_killed_the_next_one_opens_and_is_right(lists: Iterator[List], concurrency: int) -> None:
    kills = 0
    for moment, a_list in zip(moments(), lists, strict=False):
        a_list.run(a_list.night(people(*range(12))))
        # Some are as they were, some changed, some left, some opted out, some are new.
        rows = [*people(*range(4)), *people(*range(4, 7), name="Ana"), *people(*range(9, 15))]
        night = a_list.night(rows, 10, 14, concurrency=concurrency)
        before = a_list.simulator.requests_total
        ended = a_list.kill(night, at=moment)
        kills += ended.ending == "killed"
        following = replace(night, number=2) if moment % 2 else a_list.night(rows, 10, 14)
        a_list.run(following)
        wanted = {number(n) for n in (*range(7), 9, 11, 12, 13)}
        assert a_list.on_list == wanted, moment
        requests = a_list.simulator.requests[before - a_list.simulator.requests_total :]
        sent = {one for request in requests if request.path == "contact/create" for one in request.contacts}
        assert not sent & {number(10), number(14)}
        assert {number(n) for n in range(4, 7)} <= sent
        for n in range(4, 7):
            assert a_list.simulator.contacts[number(n)].fields["first_name"] == "Ana"
        summary = a_list.run(a_list.night(rows, 10, 14)).summary
        assert summary is not None
        assert (summary["unchanged"], summary["requests"], summary["kept"]) == (11, 0, 0), moment
        if ended.ending == "green":
            break
    assert kills * STEP > 30


@pytest.mark.parametrize("missing_status", [204, 404])
def test_whenever_an_erasure_is_killed_what_comes_next_opens_and_is_right(
    lists: Iterator[List], missing_status: int
) -> None:
    kills = 0
    for moment, a_list in zip(moments(), lists, strict=False):
        a_list.simulator.behaviour = Behaviour(missing_status=missing_status)
        a_list.run(a_list.night(people(*range(8))))
        ended = a_list.kill(a_list.erasure(1, 2), at=moment)
        kills += ended.ending == "killed"
        forgotten = None
        if moment % 2:
            retried = a_list.make(replace(a_list.erasure(1, 2), number=2))
            assert a_list.on_list == {number(n) for n in (0, *range(3, 8))}, moment
            if retried.ending != "green":
                # All was done, and a server that refuses those who are not there says nothing of who was.
                assert (retried.error, missing_status) == ("ContactsKeptError", 404), retried
                forgotten = 2
        # One has left the table, the other is still there: the table decides.
        summary = a_list.run(a_list.night(people(0, *range(2, 8)))).summary
        assert summary is not None
        assert forgotten in (None, 8 - summary["snapshot_before"])
        assert a_list.on_list == {number(n) for n in (0, *range(2, 8))}, moment
        summary = a_list.run(a_list.night(people(0, *range(2, 8)))).summary
        assert summary is not None
        # Where nothing was removed, nothing tells that who is refused has gone: they are asked about once more.
        unsettled = summary["unsettled"]
        assert unsettled <= (missing_status == 404)
        # Who came back after a removal without an answer is sent once more.
        again = summary["updated"]
        assert again <= 1, moment
        assert (summary["unchanged"] + again, summary["snapshot_before"]) == (7, 7 + unsettled), moment
        assert summary["requests"] == unsettled + again, moment
        a_list.run(a_list.erasure(2))
        assert a_list.on_list == {number(n) for n in (0, *range(3, 8))}, moment
        # Who was erased and comes back is new.
        summary = a_list.run(a_list.night(people(0, *range(2, 8)))).summary
        assert summary is not None
        assert (summary["updated"], summary["unchanged"]) == (1, 6), moment
        if ended.ending == "green":
            break
    assert kills * STEP > 15


@pytest.mark.parametrize("seed", range(FIRST_SECONDS))
def test_a_first_run_that_is_killed_within_its_first_second_is_gone_on_with(lists: Iterator[List], seed: int) -> None:
    rng, a_list = random.Random(seed), next(lists)
    a_list.simulator.behaviour = Behaviour(latency=0.03)
    rows = people(*range(60))
    for _ in range(2):
        a_list.kill(a_list.night(rows, 59), after=rng.random(), longest=0.1, seed=seed)
    a_list.simulator.behaviour = Behaviour()
    a_list.run(a_list.night(rows, 59))
    assert a_list.on_list == {number(n) for n in range(59)}
    check_opted_out_were_never_sent(a_list, 59)
    summary = a_list.run(a_list.night(rows[10:], 59)).summary
    assert summary is not None
    assert (summary["unchanged"], summary["removed"] + summary["unsettled"]) == (49, 10)
    assert a_list.on_list == {number(n) for n in range(10, 59)}


@pytest.mark.parametrize("seed", range(FIRST_SECONDS))
def test_a_task_that_creates_and_is_killed_again_and_again_completes_the_list_and_tells_the_truth(
    lists: Iterator[List], seed: int
) -> None:
    rng, a_list = random.Random(seed), next(lists)
    a_list.simulator.behaviour = Behaviour(latency=0.02, refused=frozenset({number(3)}), order="shuffled", seed=seed)
    options = {"chunk_size": rng.choice([1, 3, 10]), "concurrency": rng.choice([1, 2, 4]), "max_rejected": "100%"}
    rows = [*people(*range(40)), *people(5, 6), {"phone_number": "n/a"}]
    one = Try("create", rows, options, kind="create")
    tries = (a_list.kill(replace(one, number=n), after=rng.random() * 0.15) for n in range(1, 8))
    assert "killed" in {ended.ending for ended in tries}
    summary = a_list.run(replace(one, number=8)).summary
    assert summary is not None
    assert a_list.on_list == {number(n) for n in range(40) if n != 3}
    assert (summary["read"], summary["invalid"], summary["duplicates"]) == (43, 1, 2)
    assert summary["added"] + summary["updated"] == 39
    assert (summary["refused"], summary["other"], summary["unconfirmed"]) == (1, 0, 0)
