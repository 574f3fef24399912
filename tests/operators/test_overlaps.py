"""Two runs at a time, one of which is slow, or was stopped for a while: what the newer one knows is never lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import airflow
import pytest

from airflow_provider_octopush.exceptions import SnapshotConflictError, SupersededError
from airflow_provider_octopush.simulator import Behaviour, Fault, Simulator
from airflow_provider_octopush.snapshot import opening, other_runs
from airflow_provider_octopush.snapshot.path_store import LocalStore
from tests.operators.nights import Nights, number, people

OLDER = "the older one"

#: What is decided is the same on every Airflow.
in_a_thread = pytest.mark.skipif(
    airflow.__version__.startswith("2."), reason="Airflow 2 lets no operator run in a thread of its own"
)


@pytest.fixture
def nights(octopush: Simulator, tmp_path: Path) -> Nights:
    return Nights(octopush, tmp_path)


class Older:
    """What runs in a thread of its own, and stops while its snapshot is on its way to its place."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, work: Callable[[], Any]) -> None:
        self._has_stopped, self._goes_on = threading.Event(), threading.Event()
        self.ending: Any = None
        self._thread = threading.Thread(target=self._run, args=(work,), name=OLDER)
        put = LocalStore.put

        def slow(store: LocalStore, file: IO[bytes]) -> None:
            if threading.current_thread().name == OLDER:
                self._has_stopped.set()
                assert self._goes_on.wait(20)
            put(store, file)

        monkeypatch.setattr(LocalStore, "put", slow)

    def _run(self, work: Callable[[], Any]) -> None:
        try:
            self.ending = work()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.ending = error.__cause__ or error

    @contextmanager
    def stopped(self) -> Iterator[None]:
        self._thread.start()
        assert self._has_stopped.wait(20)
        yield
        self._goes_on.set()
        self._thread.join(20)


def check_nothing_is_lost(nights: Nights) -> None:
    """The newer run has added 200 to 204, who opted out since, and has removed 0 to 4, who came back."""
    nights.run(people(*range(101)), opted_out=people(*range(200, 205)), min_opted_out=0)
    assert nights.on_list == {number(n) for n in range(101)}


@in_a_thread
@pytest.mark.parametrize("what", ["a run", "an earlier try", "an erasure"])
def test_what_replaces_the_snapshot_last_is_red_and_hides_nothing(
    nights: Nights, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    nights.run(people(*range(100), 300))

    def work() -> Any:
        return nights.erase(people(300)) if what == "an erasure" else nights.run(people(*range(101)), night=2)

    older = Older(monkeypatch, work)
    with older.stopped():
        nights.run(people(*range(5, 101), *range(200, 205)), night=2 if what == "an earlier try" else 3)
    assert isinstance(older.ending, SnapshotConflictError if what == "an erasure" else SupersededError)
    check_nothing_is_lost(nights)


@in_a_thread
def test_an_older_run_hides_nothing_though_two_have_ended_meanwhile(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights.run(people(*range(100)))
    older = Older(monkeypatch, lambda: nights.run(people(*range(101)), night=2))
    with older.stopped():
        nights.run(people(*range(5, 101), *range(200, 205)), night=3)
        nights.run(people(*range(5, 101), *range(200, 205)), night=4)
        nights.run(people(*range(5, 102), *range(200, 205)), night=5)
    assert isinstance(older.ending, SupersededError)
    check_nothing_is_lost(nights)


def test_the_journal_of_a_run_stays_for_a_day_and_goes_with_an_erasure_at_once(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = nights.snapshot_path.with_name("customers.snapshot.journal")

    def left() -> int:
        assert (journal / "head").exists()
        return len(list(journal.iterdir())) - 1

    nights.run(people(1, 2))
    nights.run(people(1, 2))
    assert left() == 2, "sign and journal"
    tomorrow = time.time_ns() + 25 * 3600 * 10**9
    with monkeypatch.context() as patched:
        patched.setattr(time, "time_ns", lambda: tomorrow)
        nights.run(people(1, 2))
    assert left() == 0
    nights.run(people(1, 2, 3))
    nights.erase(people(3))
    assert left() == 0


def test_a_clock_that_was_ahead_makes_no_later_run_an_older_one(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = time.time_ns() + 3600 * 10**9
    with monkeypatch.context() as patched:
        patched.setattr(time, "time_ns", lambda: ahead)
        nights.run(people(1, 2))
        nights.run(people(1, 2))
    nights.erase(people(9))
    nights.run(people(1, 2, 3))
    assert len(nights.on_list) == 3


@pytest.mark.parametrize(
    "text",
    [
        "+0612340005",
        "+06 12 34 00 05",
        "+0033612340005",
        "33+612340005",
        "000033612340005",
        "+330033612340005",
        "+3333612340005",
    ],
)
def test_a_plus_too_many_hides_no_number(nights: Nights, text: str) -> None:
    options: dict[str, Any] = {"default_region": "FR", "max_rejected": 3}
    nights.run(people(5, 6), **options)
    nights.run([{"phone_number": text}, *people(6)], max_removed=1, **options)
    assert nights.on_list == {number(5), number(6)}, "the row is about it"
    nights.run(people(5, 6), opted_out=[{"n": text}, *[{"n": number(n)} for n in (20, 21, 22)]], **options)
    assert number(5) not in nights.on_list


@in_a_thread
def test_a_run_that_was_stopped_sends_nothing_once_a_newer_one_has_ended(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of the looks that come now and then, none comes while it is stopped.
    monkeypatch.setattr("airflow_provider_octopush.sync.list_sync.LOOK", 60)
    monkeypatch.setattr(other_runs, "LATE", -1e9)
    nights.run(people(1, 2))
    nights.simulator.behaviour = Behaviour()
    nights.simulator.fail_next(Fault.rate_limited("4"))
    ended: list[Any] = []

    def older() -> None:
        try:
            ended.append(nights.run(people(*range(1, 41), name="Old"), chunk_size=2, night=2))
        except Exception as error:  # noqa: BLE001 - the test looks at it
            ended.append(error.__cause__ or error)

    thread = threading.Thread(target=older)
    before = nights.simulator.requests_total
    thread.start()
    while nights.simulator.requests_total == before:
        time.sleep(0.01)
    # It waits for some seconds, and in these all happens.
    nights.run(people(*range(1, 41), name="New"), night=3)
    nights.erase(people(40))
    requests = nights.simulator.requests_total
    thread.join(20)
    assert isinstance(ended[0], SupersededError | SnapshotConflictError)
    assert nights.simulator.requests_total == requests
    assert nights.on_list == {number(n) for n in range(1, 40)}
    assert {contact.fields["first_name"] for contact in nights.simulator.contacts.values()} == {"New"}


def test_a_run_waits_until_one_that_may_be_at_work_must_have_ended(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    monkeypatch.setattr(opening, "WAITED_FOR", 10.0)
    assert other_runs.LOOKED_AFTER + other_runs.LATE < 10.0
    nights.run(people(1, 2))
    nights.run(people(1, 2))
    assert waits == []
    nights.simulator.fail_next(*[Fault.server_error()] * 2)
    with pytest.raises(Exception, match="503"):
        nights.run(people(1, 2, 3), max_added=1)
    nights.run(people(1, 2, 3))
    assert 10.0 in waits


@pytest.mark.parametrize(
    ("opted_out", "region", "later"),
    [
        ("01133612345678", "FR", {"phone_number": "(212) 555-0123", "region": "US"}),
        ("01333612345678", "AT", {"phone_number": "050-234-5678", "region": "IL"}),
        ("001133612345678", None, {"phone_number": "0412 345 678", "region": "AU"}),
    ],
)
def test_an_opt_out_dialled_abroad_blocks_before_its_country_has_a_row(
    nights: Nights, opted_out: str, region: str | None, later: dict[str, str]
) -> None:
    rows = [{"phone_number": "+33612345678", "region": "FR"}]
    rows += [{"phone_number": number(n), "region": "FR"} for n in range(1500)]
    batches = [rows, [later]]
    nights.run(
        batches,
        opted_out=[{"phone_number": opted_out}, *people(3000)],
        columns={"region": "region"},
        default_region=region,
        max_rejected=2,
    )
    assert "+33612345678" not in nights.on_list
