from __future__ import annotations

import json
import os
import random
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_octopush.exceptions import (
    OlderRunError,
    SnapshotError,
    SnapshotFormatError,
    SnapshotMismatchError,
    SnapshotSecretError,
    SnapshotUnreadableError,
    SupersededError,
)
from airflow_provider_octopush.snapshot import other_runs
from airflow_provider_octopush.snapshot import records as records_module
from airflow_provider_octopush.snapshot import snapshot as snapshot_module
from airflow_provider_octopush.snapshot.marks import MAY_BE_GONE, are, statuses_of
from airflow_provider_octopush.snapshot.sealing import Keys
from airflow_provider_octopush.snapshot.snapshot_file import FORMAT, Identity, Progress
from tests.interruptions import Interruption, KilledError, SignalError
from tests.snapshot.snapshots import KEYS, MemoryStore, forget, held, journal, kill, open_snapshot, record, same

ZOE, ANA, BEN = 33612345678, 33612345679, 33612345680
NUMBERS = st.integers(1, 10**20)


def write(store: MemoryStore, people: dict[int, str], run: str = "run 1", **options: Any) -> None:
    with open_snapshot(store, run, **options) as snapshot:
        record(snapshot, people)
        snapshot.replace()


def test_what_was_recorded_is_there_the_next_night() -> None:
    store = MemoryStore()
    with open_snapshot(store) as snapshot:
        assert snapshot.first_run
        record(snapshot, {ZOE: "Zoé", ANA: "Ana"})
        snapshot.record_opted_out(3)
        assert snapshot.replace() == 2

    with open_snapshot(store, "run 2") as snapshot:
        assert (snapshot.first_run, snapshot.size, snapshot.opted_out) == (False, 2, 3)
        assert held(snapshot) == {ZOE, ANA}
        assert same(snapshot, {ZOE: "Zoé", ANA: "another", BEN: "Ben"}) == [True, False, False]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.dictionaries(NUMBERS, st.sampled_from(["a", "b", None]), max_size=40), max_size=6))
def test_a_snapshot_is_a_dictionary_that_only_grows_on_disk(nights: list[dict[int, str | None]]) -> None:
    # Small blocks, so that all that is done by the block is done many times.
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(records_module, "BLOCK", 7)
        monkeypatch.setattr(records_module, "_TOGETHER", 10)
        monkeypatch.setattr(records_module, "_PLACE", 2)
        store, model = MemoryStore(), dict[int, str]()
        for night, changes in enumerate(nights):
            with open_snapshot(store, f"run {night}") as snapshot:
                assert held(snapshot) == model.keys()
                assert all(same(snapshot, model))
                forget(snapshot, [number for number, name in changes.items() if name is None and number in model])
                record(snapshot, {number: name for number, name in changes.items() if name is not None})
                for number, name in changes.items():
                    model.pop(number, None) if name is None else model.update({number: name})
                assert snapshot.replace() == len(model)
        assert len(store.parts) <= 1, "entries that are in the snapshot are left behind"


def test_nothing_readable_of_a_person_is_stored() -> None:
    store = MemoryStore()
    with open_snapshot(store) as snapshot:
        record(snapshot, {ZOE: "Zoé"})
        snapshot.flush()
        snapshot.replace()
        parts = list(store.parts.values())
    for content in [store.snapshot or b"", *parts]:
        for secret in (str(ZOE), "Zoé", "account", "Customers", "dag.task", ZOE.to_bytes(10, "big").strip(b"\0")):
            assert (secret if isinstance(secret, bytes) else secret.encode()) not in content


def test_another_secret_sees_nothing_alike() -> None:
    ours, theirs = (Keys(letter * 32).seal([ZOE]) for letter in "ab")
    assert not {ours.tobytes()[i : i + 4] for i in range(22)} & {theirs.tobytes()[i : i + 4] for i in range(22)}


def test_what_was_recorded_before_a_kill_is_known_to_the_next_try() -> None:
    store = MemoryStore()
    write(store, {ZOE: "Zoé"})
    killed = open_snapshot(store, "run 2")
    record(killed, {ANA: "Ana"})
    record(killed, {ZOE: "Zoë"}, "updated")
    killed.flush()
    record(killed, {BEN: "not flushed"})
    kill(killed)

    with open_snapshot(store, "run 2") as retry:
        assert held(retry) == {ZOE, ANA}
        assert statuses_of(retry.find([ZOE, ANA, BEN])[1]) == ["updated", "added", None]
        assert retry.progress == Progress(0, 1, 1, 0)
        record(retry, {BEN: "Ben"})
        assert retry.replace() == 3


def test_another_run_goes_on_from_there_as_well() -> None:
    store = MemoryStore()
    killed = open_snapshot(store, "run 1")
    record(killed, {ANA: "Ana"})
    killed.flush()
    kill(killed)
    with open_snapshot(store, "run 2") as snapshot:
        assert snapshot.first_run, "there is still no snapshot"
        assert snapshot.progress.before == 1
        assert same(snapshot, {ANA: "Ana"}) == [True]
        assert statuses_of(snapshot.find([ANA])[1]) == [None]
        snapshot.replace()
    write(store, {}, "run 3")
    assert len(store.parts) == 1, "the next run has not removed what it had included"


def test_what_was_confirmed_is_noted_within_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    store = MemoryStore()
    with open_snapshot(store) as snapshot:
        record(snapshot, {ANA: "Ana"})
        snapshot.look_if_due()
        assert len(store.parts) == 1
        now[0] += 30
        snapshot.look_if_due()
        assert len(store.parts) == 2


def test_a_store_that_fails_meanwhile_costs_nothing_when_it_is_back_at_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(other_runs, "LOOKED_AFTER", 0)
    store = MemoryStore()

    def fail(_: str) -> None:
        raise OSError("down")

    with open_snapshot(store) as snapshot:
        record(snapshot, {ANA: "Ana"})
        store.before = fail
        snapshot.look_if_due()
        assert "could not be recorded" in caplog.text
        store.before = lambda _: None
        record(snapshot, {BEN: "Ben"})
        assert snapshot.replace() == 2


def test_a_torn_snapshot_is_refused_wherever_it_is_cut_or_changed() -> None:
    store = MemoryStore()
    write(store, dict.fromkeys(range(1000, 1300), "x"))
    whole = store.snapshot or b""
    rng = random.Random(1)
    torn = [whole[: rng.randrange(len(whole))] for _ in range(60)]
    for _ in range(60):
        place = rng.choice([rng.randrange(1000), rng.randrange(len(whole))])
        changed = bytearray(whole)
        changed[place] ^= 1 << rng.randrange(8)
        torn.append(bytes(changed))
    for content in torn:
        store.snapshot = content
        with pytest.raises(SnapshotError, match=r"customers\.snapshot"):
            open_snapshot(store, "run 2")


def test_a_torn_or_missing_entry_is_refused() -> None:
    for damage in ("cut", "missing"):
        store = MemoryStore()
        killed = open_snapshot(store)
        for number in (ANA, BEN, ZOE):
            record(killed, {number: "x"})
            killed.flush()
        kill(killed)
        second = sorted(store.parts)[2]
        if damage == "cut":
            store.parts[second] = store.parts[second][:-1]
        else:
            del store.parts[second]
        with pytest.raises(SnapshotUnreadableError, match="journal"):
            open_snapshot(store, "run 2")


@pytest.mark.parametrize(
    ("identity", "named"),
    [
        (Identity("other", "Customers", "dag.task"), "another Octopush account"),
        (Identity("account", "Prospects", "dag.task"), "'Customers', not of 'Prospects'"),
        (Identity("account", "Customers", "dag.other"), "dag.task, not of dag.other"),
    ],
)
def test_a_snapshot_of_something_else_is_refused(identity: Identity, named: str) -> None:
    store = MemoryStore()
    write(store, {ANA: "Ana"})
    with pytest.raises(SnapshotMismatchError, match=named):
        open_snapshot(store, "run 2", identity=identity)


@pytest.mark.parametrize("other", [FORMAT - 1, FORMAT + 1])
def test_another_format_is_refused_before_anything_else_is_looked_at(other: int) -> None:
    store = MemoryStore()
    store.snapshot = json.dumps({"format": other, "nobody": "knows"}).encode() + b"\nmore"
    with pytest.raises(SnapshotFormatError, match=f"format {other}"):
        open_snapshot(store)


def test_a_snapshot_that_no_secret_opens_is_an_error_not_an_empty_one() -> None:
    store = MemoryStore()
    write(store, {ANA: "Ana"})
    with pytest.raises(SnapshotSecretError, match="snapshot_secret"):
        open_snapshot(store, "run 2", keys=[Keys("b" * 32)])


def test_a_new_secret_before_the_old_one_opens_the_numbers_and_no_more() -> None:
    store = MemoryStore()
    write(store, {ANA: "Ana", BEN: "Ben", ZOE: "Zoé"})
    new = Keys("b" * 32)
    with open_snapshot(store, "run 2", keys=[new, *KEYS]) as snapshot:
        assert held(snapshot) == {ANA, BEN, ZOE}
        assert same(snapshot, {ANA: "Ana", BEN: "Ben"}) == [False, False]
        record(snapshot, {ANA: "Ana"}, "updated")
        assert snapshot.replace() == 3
    with open_snapshot(store, "run 3", keys=[new]) as snapshot:
        assert same(snapshot, {ANA: "Ana"}) == [True]
        assert same(snapshot, {ZOE: "Zoé"}) == [False]
        assert held(snapshot) == {ANA, BEN, ZOE}


def test_a_run_that_is_older_than_the_snapshot_has_nothing_to_do() -> None:
    store = MemoryStore()
    write(store, {ANA: "Ana"}, date="2026-11-25T00:00:00+00:00")
    with pytest.raises(OlderRunError, match="2026-11-24"):
        open_snapshot(store, "run 2", date="2026-11-24T00:00:00+00:00")
    open_snapshot(store, "run 1", date="2026-11-25T00:00:00+00:00").close()
    open_snapshot(store, "by hand").close()


def test_a_run_that_is_older_than_what_a_killed_one_was_about_to_do_has_nothing_to_do() -> None:
    store = MemoryStore()
    killed = open_snapshot(store, date="2026-11-25T00:00:00+00:00")
    journal(killed, [ANA])
    kill(killed)
    with pytest.raises(OlderRunError):
        open_snapshot(store, "run 0", date="2026-11-24T00:00:00+00:00")


def test_it_says_when_numbers_are_read_differently() -> None:
    store = MemoryStore()
    write(store, {ANA: "Ana"})
    with open_snapshot(store, "run 2", reading={"default_region": ["BE"]}) as snapshot:
        assert snapshot.reads_differently
        snapshot.replace()
    with open_snapshot(store, "run 3", reading={"default_region": ["BE"]}) as snapshot:
        assert not snapshot.reads_differently


def test_of_two_runs_at_a_time_the_older_ends_and_nothing_it_recorded_is_lost() -> None:
    store = MemoryStore()
    write(store, {ZOE: "Zoé"})
    first, second = open_snapshot(store, "run 2"), open_snapshot(store, "run 3")
    record(first, {ANA: "Ana"})
    record(second, {BEN: "Ben", ZOE: "Zoë"})
    forget(first, [ZOE])
    first.flush()
    second.flush()
    second.other_runs.check_alone()
    with pytest.raises(SupersededError, match="max_active_runs"):
        first.other_runs.check_alone()
    second.close()
    first.close()
    with open_snapshot(store, "run 4") as snapshot:
        assert held(snapshot) == {ZOE, ANA, BEN}, "who may be on the list is forgotten"
        assert same(snapshot, {ZOE: "Zoë", ANA: "Ana", BEN: "Ben"}) == [False] * 3, "nobody knows who came last"
        snapshot.replace()


def test_what_a_run_writes_that_was_taken_over_long_ago_is_a_hint_and_no_hole() -> None:
    store = MemoryStore()
    write(store, {ZOE: "Zoé"})
    suspended = open_snapshot(store, "run 2")
    journal(suspended, [ANA])
    for run in ("run 3", "run 4"):
        with open_snapshot(store, run) as snapshot:
            record(snapshot, {ZOE: run}, "updated")
            snapshot.replace()
    positions, found = suspended.find([ANA])
    suspended.record_confirmed(found, ["added"] * len(positions))
    suspended.flush()
    kill(suspended)
    with open_snapshot(store, "run 5") as snapshot:
        assert held(snapshot) == {ZOE, ANA}
        snapshot.replace()
    with open_snapshot(store, "run 6") as snapshot:
        assert held(snapshot) == {ZOE, ANA}


def test_a_run_ends_whose_sign_was_tidied_away_by_a_newer_one_that_found_nothing_to_do() -> None:
    store = MemoryStore()
    write(store, {ZOE: "Zoé"})
    suspended = open_snapshot(store, "run 2")
    write(store, {}, "run 3")
    journal(suspended, [ANA])
    with pytest.raises(SupersededError):
        suspended.other_runs.check_alone()
    kill(suspended)
    with open_snapshot(store, "run 4") as snapshot:
        assert held(snapshot) == {ZOE, ANA}


@pytest.mark.parametrize("seed", range(100))
def test_whatever_two_runs_do_at_a_time_nobody_who_may_be_on_the_list_is_forgotten(seed: int) -> None:
    rng = random.Random(seed)
    store = MemoryStore()
    write(store, {ZOE: "Zoé"})
    expected = {ZOE}

    def steps(run: str, number: int) -> Any:
        snapshot = open_snapshot(store, run)
        yield
        try:
            journal(snapshot, [number])
            yield
            snapshot.other_runs.check_alone()
        except SnapshotError:
            snapshot.close()
            return
        # From here on the request is on its way.
        expected.add(number)
        yield
        if rng.random() < 0.7:
            _, found = snapshot.find([number])
            snapshot.record_confirmed(found, ["added"])
            snapshot.flush()
        yield
        # Between the look at the others and the putting in place is the gap that no object store can close.
        gap = iter(range(10))

        def wait(operation: str) -> None:
            if operation == "put" and next(gap) == 0:
                with suppress(ValueError):  # the other one waits for this one
                    for _ in range(rng.randrange(6)):
                        next(other, None)

        other = running["run 3" if run == "run 2" else "run 2"]
        store.before = wait
        try:
            snapshot.replace()
        except SnapshotError:
            snapshot.flush()
        finally:
            store.before = lambda _: None
            snapshot.close()
        yield

    running: dict[str, Any] = {}
    running["run 2"], running["run 3"] = steps("run 2", ANA), steps("run 3", BEN)
    waiting = list(running.values())
    while waiting:
        one = rng.choice(waiting)
        try:
            if next(one, "end") == "end":
                waiting.remove(one)
        except ValueError:  # it is the one that waits
            continue
    for run in ("run 4", "run 5"):
        with open_snapshot(store, run) as snapshot:
            assert expected <= held(snapshot) <= {ZOE, ANA, BEN}
            snapshot.replace()


@pytest.mark.parametrize("seed", range(200))
def test_whatever_an_erasure_and_a_run_do_at_a_time_nobody_is_brought_back_or_forgotten(seed: int) -> None:
    rng = random.Random(seed)
    store, on_list = MemoryStore(), {ZOE, ANA}
    write(store, {ZOE: "Zoé", ANA: "Ana"})

    def run() -> bool:
        with open_snapshot(store, "run 2") as snapshot:
            rows = {BEN, *held(snapshot)}
            journal(snapshot, rows)
            snapshot.other_runs.check_alone()
            on_list.update(rows)
            snapshot.replace()
        return True

    def erase() -> bool:
        with open_snapshot(
            store, "erasure", identity=Identity("account", "Customers", None), reading=None, erases=True
        ) as snapshot:
            _, found = snapshot.find([ZOE])
            snapshot.other_runs.check_alone()
            snapshot.record_removing(found)
            on_list.discard(ZOE)
            snapshot.record_removed(found)
            snapshot.other_runs.check_alone()
            snapshot.replace(forgets=True)
        return True

    outer, inner = rng.choice([(run, erase), (erase, run)])
    # One of them does all that it does, or dies, while the other waits for the store; but for the gap that none closes.
    left, lives, is_erased = rng.randrange(20), rng.choice([rng.randrange(20), 100]), False

    def wait(operation: str) -> None:
        nonlocal left, is_erased
        left -= 1
        if left == 0 and operation != "put":
            store.before = live
            with suppress(SnapshotError, KilledError):
                is_erased |= inner() and inner is erase
            store.before = lambda _: None

    def live(_: str) -> None:
        nonlocal lives
        lives -= 1
        if lives < 0:
            raise KilledError

    store.before = wait
    with suppress(SnapshotError):
        is_erased |= outer() and outer is erase
    store.before = lambda _: None
    with open_snapshot(store, "run 3") as snapshot:
        assert on_list <= held(snapshot)
        assert not (is_erased and ZOE in on_list | held(snapshot))


def test_a_snapshot_restored_from_an_earlier_night_is_known_as_such() -> None:
    store = MemoryStore()
    write(store, {ANA: "Ana", ZOE: "Zoé"})
    yesterday = store.snapshot
    with open_snapshot(store, "run 2") as snapshot:
        forget(snapshot, [ZOE])
        snapshot.replace()
    store.snapshot = yesterday
    with open_snapshot(store, "run 3") as snapshot:
        assert same(snapshot, {ANA: "Ana", ZOE: "Zoé"}) == [False, False], "who was removed would be taken for there"
        record(snapshot, {ANA: "Ana"}, "updated")
        snapshot.replace()
    with open_snapshot(store, "run 4") as snapshot:
        assert same(snapshot, {ANA: "Ana"}) == [True]


def test_a_removal_whose_end_nobody_knows_is_told_the_next_night() -> None:
    store = MemoryStore()
    write(store, {ANA: "Ana", ZOE: "Zoé"})
    killed = open_snapshot(store, "run 2")
    killed.record_removing(killed.find([ZOE])[1])
    kill(killed)
    with open_snapshot(store, "run 3") as snapshot:
        _, found = snapshot.find([ANA, ZOE])
        assert are(found, MAY_BE_GONE).tolist() == [False, True]
        assert same(snapshot, {ZOE: "Zoé"}) == [False], "she may be gone, so she is sent again"


@pytest.mark.parametrize("seed", range(int(os.environ.get("LATE_REQUESTS", "80"))))
def test_a_request_that_may_still_arrive_is_minded_for_one_run_that_comes_to_its_end(seed: int) -> None:
    rng = random.Random(seed)
    store, is_added = MemoryStore(), rng.random() < 0.5
    write(store, {ANA: "Ana", ZOE: "Zoé"})
    killed = open_snapshot(store, "run 2")
    journal(killed, [BEN] if is_added else [], [] if is_added else [ZOE])
    kill(killed)
    if is_added and rng.random() < 0.3:
        with open_snapshot(store, "run 2") as snapshot:
            record(snapshot, {BEN: "Ben"})
            snapshot.replace()
    elif rng.random() < 0.3:
        with open_snapshot(store, "recover") as snapshot:
            snapshot.replace()

    lives = 0

    def undo(run: str) -> None:
        with open_snapshot(store, run) as snapshot:
            if is_added:
                journal(snapshot, [], [BEN])
                forget(snapshot, [BEN])
            else:
                journal(snapshot, [ZOE])
                record(snapshot, {ZOE: "Zoé"}, "updated")
            snapshot.flush()
            snapshot.replace()

    def live(_: str) -> None:
        nonlocal lives
        lives -= 1
        if lives < 0:
            raise KilledError

    for _ in range(rng.randrange(4)):
        lives = rng.randrange(20)
        store.before = live
        with suppress(KilledError):
            undo("run 3")
        store.before = lambda _: None
    undo("run 3")
    with open_snapshot(store, "run 4") as snapshot:
        minded = BEN in held(snapshot) if is_added else not same(snapshot, {ZOE: "Zoé"})[0]
        assert minded, "what arrives now would be known to no run"
    undo("run 4")
    with open_snapshot(store, "run 5") as snapshot:
        assert (BEN in held(snapshot)) is False
        assert same(snapshot, {ANA: "Ana", ZOE: "Zoé"}) == [True, True]


def test_a_plan_leaves_the_store_alone() -> None:
    store = MemoryStore()
    write(store, {ANA: "Ana"})
    before = (store.snapshot, dict(store.parts))
    with open_snapshot(store, "run 2", writes=False) as snapshot:
        record(snapshot, {BEN: "Ben"})
        snapshot.flush()
    assert (store.snapshot, store.parts) == before


def test_forgetting_needs_the_secret_only_and_leaves_nothing_behind() -> None:
    store = MemoryStore()
    write(store, {ANA: "Ana", ZOE: "Zoé"}, date="2026-11-25T00:00:00+00:00")
    killed = open_snapshot(store, "run 2", date="2026-11-26T00:00:00+00:00")
    record(killed, {ZOE: "Zoë", BEN: "Ben"})
    killed.flush()
    kill(killed)
    with open_snapshot(store, "erasure", identity=Identity("account", None, None), reading=None) as snapshot:
        forget(snapshot, [ZOE])
        snapshot.replace(forgets=True)
    assert len(store.parts) == 1
    sealed = KEYS[0].seal([ZOE])["low"].tobytes()
    assert all(sealed not in content for content in [store.snapshot or b"", *store.parts.values()])
    with open_snapshot(store, "run 3", date="2026-11-26T00:00:00+00:00") as snapshot:
        assert held(snapshot) == {ANA, BEN}
        assert not snapshot.reads_differently


def test_a_signal_between_any_two_steps_leaves_counts_that_add_up() -> None:
    rng = random.Random(3)
    for _ in range(200):
        store = MemoryStore()
        write(store, {ANA: "Ana"})
        snapshot = open_snapshot(store, "run 2")
        within = (snapshot_module.__name__, records_module.__name__)
        with suppress(SignalError), Interruption(rng.randrange(60), *within):
            record(snapshot, {BEN: "Ben"})
            record(snapshot, {ZOE: "Zoé"})
            forget(snapshot, [ANA])
        snapshot.flush()
        kill(snapshot)
        with open_snapshot(store, "run 2") as retry:
            assert retry.size == retry.progress.after
            retry.replace()
