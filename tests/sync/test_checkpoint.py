from __future__ import annotations

import datetime as dt
import hashlib
import json
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import pytest
from pyroaring import FrozenBitMap

from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.contacts.mapping import ContactMapper
from airflow_provider_octopush.contacts.rejection import Rejection
from airflow_provider_octopush.delivery.retry import Backoff
from airflow_provider_octopush.exceptions import OctopushRequestError, OctopushServerError
from airflow_provider_octopush.payloads import ContactPayload
from airflow_provider_octopush.phones.reader import PhoneReader
from airflow_provider_octopush.sync.checkpoint import Checkpoint, Progress
from airflow_provider_octopush.sync.sync import ContactSync, Frames
from tests.delivery.apis import Payloads, delivery_to


class MemoryStore:
    """Keeps a value as Airflow does: as JSON, and nothing that has to become another value for it."""

    def __init__(self) -> None:
        self.json: str | None = None
        self.largest = 0

    def get(self) -> Any:
        return None if self.json is None else json.loads(self.json)

    def set(self, value: Mapping[str, Any]) -> None:
        self.json = json.dumps(value)
        assert json.loads(self.json) == value
        self.largest = max(self.largest, len(self.json))

    def delete(self) -> None:
        self.json = None


class Api:
    """The API as a function that fails when it has taken ``lives`` requests."""

    def __init__(self, lives: int | None = None, refused: Sequence[str] = ()) -> None:
        self.lives = lives
        self.refused = set(refused)
        self.sent: list[str] = []

    def __call__(self, payloads: Payloads) -> list[dict[str, Any]]:
        if self.lives is not None:
            if not self.lives:
                raise OctopushServerError("down", status_code=503)
            self.lives -= 1
        numbers = [payload["phone_number"] for payload in payloads]
        self.sent += numbers
        if self.refused & set(numbers):
            raise OctopushRequestError("no", status_code=400, code=1, message="bad")
        return [{"phone_number": number, "status": "added"} for number in numbers]


class Rejected:
    def __init__(self) -> None:
        self.rows: list[int] = []

    def write(self, rejections: Sequence[Rejection]) -> None:
        self.rows += [rejection.row for rejection in rejections]

    def start_over(self) -> None:
        self.rows = []


NUMBERS: list[Any] = [f"+336000000{n:02}" for n in range(20)]


def rows(values: Sequence[Any], first_name: str = "x") -> Callable[[], Frames]:
    def open_frames() -> Frames:
        for start in range(0, len(values), 7):
            part = values[start : start + 7]
            yield pd.DataFrame({"phone_number": part, "first_name": [first_name] * len(part)}, dtype=object)

    return open_frames


def one_try(
    api: Any, store: MemoryStore, run: Any = "run", rejects: Rejected | None = None, concurrency: int = 1
) -> ContactSync:
    return ContactSync(
        ContactMapper({}, PhoneReader()),
        delivery_to(api, Backoff(0)),
        chunk_size=4,
        concurrency=concurrency,
        rejects=rejects,
        checkpoint=Checkpoint(store, {"run": run}, b"key"),
    )


def interrupted(values: Sequence[Any], lives: int, refused: Sequence[str] = ()) -> tuple[MemoryStore, Api]:
    store, api = MemoryStore(), Api(lives, refused)
    with pytest.raises(OctopushServerError):
        one_try(api, store).run(rows(values))
    return store, api


def test_a_retry_sends_only_the_rest_and_counts_the_whole_run() -> None:
    store, first = interrupted(NUMBERS, lives=3)
    second = Api()
    summary = one_try(second, store).run(rows(NUMBERS))
    assert first.sent == NUMBERS[:12]
    assert second.sent == NUMBERS[12:]
    assert (summary.read, summary.added, summary.chunks, summary.requests) == (20, 20, 5, 6)


def test_a_run_that_has_ended_well_but_was_not_told_of_sends_nothing_again() -> None:
    store = MemoryStore()
    first = one_try(Api(), store).run(rows(NUMBERS))
    api = Api()
    second = one_try(api, store).run(rows(NUMBERS))
    assert api.sent == []
    assert (second.read, second.added, second.requests) == (first.read, first.added, first.requests)


def test_a_retry_can_be_interrupted_too() -> None:
    store, _ = interrupted(NUMBERS, lives=1)
    with pytest.raises(OctopushServerError):
        one_try(Api(2), store).run(rows(NUMBERS))
    third = Api()
    summary = one_try(third, store).run(rows(NUMBERS))
    assert third.sent == NUMBERS[12:]
    assert (summary.added, summary.chunks) == (20, 5)


@pytest.mark.parametrize(
    "changed",
    [
        NUMBERS[::-1],
        [NUMBERS[1], NUMBERS[0], *NUMBERS[2:]],
        [*NUMBERS[:3], "+33699999999", *NUMBERS[4:]],
        ["+33699999999", *NUMBERS],
        NUMBERS[1:],
        NUMBERS[:5],
    ],
)
def test_rows_in_another_order_or_other_rows_are_all_sent(changed: list[str]) -> None:
    store, _ = interrupted(NUMBERS, lives=3)
    second, rejected = Api(), Rejected()
    summary = one_try(second, store, rejects=rejected).run(rows(changed))
    assert second.sent == changed
    assert (summary.read, summary.added, rejected.rows) == (len(changed), len(changed), [])


def test_a_contact_whose_fields_changed_is_sent_again() -> None:
    store, _ = interrupted(NUMBERS, lives=3)
    second = Api()
    one_try(second, store).run(rows(NUMBERS, first_name="y"))
    assert second.sent == NUMBERS


def test_rows_that_came_after_what_was_confirmed_may_change() -> None:
    store, _ = interrupted(NUMBERS, lives=3)
    second = Api()
    summary = one_try(second, store).run(rows([*NUMBERS[:12], "+33699999999"]))
    assert second.sent == ["+33699999999"]
    assert (summary.read, summary.added) == (13, 13)


def test_another_run_starts_over() -> None:
    store, _ = interrupted(NUMBERS, lives=3)
    second = Api()
    one_try(second, store, run="another list").run(rows(NUMBERS))
    assert second.sent == NUMBERS


def test_refused_contacts_are_sent_again_and_rejected_rows_are_those_of_the_whole_run() -> None:
    values = [NUMBERS[0], None, NUMBERS[0], *NUMBERS[1:]]
    store, _ = interrupted(values, lives=6, refused=[NUMBERS[2]])
    second, rejected = Api(refused=[NUMBERS[2]]), Rejected()
    summary = one_try(second, store, rejects=rejected).run(rows(values))
    assert NUMBERS[2] in second.sent
    assert not {NUMBERS[0], NUMBERS[1], NUMBERS[3]} & set(second.sent)
    assert (summary.read, summary.added, summary.refused, summary.invalid, summary.duplicates) == (22, 19, 1, 1, 1)
    assert sorted(rejected.rows) == [2, 3, 5]


def test_a_contact_that_was_refused_once_may_be_accepted_by_the_retry() -> None:
    store, _ = interrupted(NUMBERS, lives=6, refused=[NUMBERS[2]])
    summary = one_try(Api(), store).run(rows(NUMBERS))
    assert (summary.added, summary.refused) == (20, 0)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.whole_run
def test_whatever_happens_every_contact_arrives_and_is_counted_once(seed: int) -> None:
    rng = random.Random(seed)
    values = [rng.choice([*NUMBERS, None, "junk"]) for _ in range(rng.randrange(60))]
    refused = rng.sample(NUMBERS, rng.randrange(3))
    store = MemoryStore()
    arrived: set[str] = set()
    for attempt in range(50):
        api = Api(rng.randrange(6) if attempt < 49 else None, refused)
        sync = one_try(api, store)
        if rng.random() < 0.2:
            rng.shuffle(values)
        try:
            summary = sync.run(rows(values))
        except OctopushServerError:
            arrived |= set(api.sent)
            continue
        arrived |= set(api.sent)
        break
    distinct = {value for value in values if value in NUMBERS}
    assert arrived == distinct
    assert summary.read == len(values)
    assert summary.refused == len(distinct & set(refused))
    assert summary.added == len(distinct) - summary.refused
    assert summary.invalid == sum(value in (None, "junk") for value in values)


def test_the_size_does_not_grow_with_the_number_of_contacts() -> None:
    store = MemoryStore()
    checkpoint = Checkpoint(store, {"sql": "SELECT 1"}, b"key")
    counts: dict[str, float] = {"added": 9_990_000, "requests": 50_000, "duration_seconds": 12345.678901}
    unconfirmed = random.Random(1).sample(range(10_000_000), 10_000)
    under_way = [(start, start + 200) for start in range(9_900_000, 9_906_400, 400)]
    progress = Progress(10_000_000, "f" * 32, FrozenBitMap(unconfirmed), under_way, counts)
    assert checkpoint.save(progress)
    assert store.largest < 48_000
    assert checkpoint.load() == progress


def test_with_too_many_unconfirmed_contacts_the_checkpoint_stays_where_it_is() -> None:
    store = MemoryStore()
    checkpoint = Checkpoint(store, {}, b"key")
    checkpoint.save(Progress(10, "a"))
    everything = FrozenBitMap(random.Random(1).sample(range(10_000_000), 100_000))
    assert not checkpoint.save(Progress(10_000_000, "b", everything))
    progress = checkpoint.load()
    assert progress is not None
    assert progress.contacts == 10


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.whole_run
def test_many_unconfirmed_contacts_cost_no_more_than_each_for_itself(every: int) -> None:
    def cpu_seconds(number: int) -> float:
        values = [f"+3360{row:07}" for row in range(number)]
        missing = set(values[::every])

        def post(payloads: Payloads) -> list[dict[str, Any]]:
            return [{**payload, "status": "added"} for payload in payloads if payload["phone_number"] not in missing]

        store = MemoryStore()
        begun = time.process_time()
        for _ in range(2):
            sync = ContactSync(
                ContactMapper({}, PhoneReader()),
                delivery_to(post, Backoff(0)),
                chunk_size=200,
                checkpoint=Checkpoint(store, {}, b"key"),
            )
            summary = sync.run(lambda: (pd.DataFrame({"phone_number": values}, dtype=object) for _ in range(1)))
            assert (summary.unconfirmed, summary.added) == (len(missing), number - len(missing))
        assert store.largest < 48_000
        return time.process_time() - begun

    cpu_seconds(1_000)
    # Quadratic, it would be 16 times as much.
    assert cpu_seconds(80_000) < 8 * cpu_seconds(20_000)


def stored(run: Mapping[str, Any], secret: bytes) -> dict[str, Any]:
    store = MemoryStore()
    Checkpoint(store, run, secret).save(Progress(1))
    return dict(store.get())


def test_what_makes_a_run_is_a_digest_that_only_the_secret_can_repeat() -> None:
    run = {"sql": "SELECT 1", "parameters": {"day": dt.date(2026, 11, 25), "region": "FR"}}
    one, same, other = stored(run, b"secret"), stored(run, b"secret"), stored(run, b"another secret")
    assert one["run"] == same["run"] != other["run"]
    assert len(one["run"]) == 32
    unkeyed = hashlib.blake2b(json.dumps(run, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()
    assert one["run"] != unkeyed


def test_the_order_in_which_a_run_is_described_makes_it_no_other() -> None:
    assert stored({"a": 1, "b": {"c": 2, "d": 3}}, b"s") == stored({"b": {"d": 3, "c": 2}, "a": 1}, b"s")


def test_the_digest_of_the_contacts_is_keyed_and_short() -> None:
    contacts = [Contact(1, 33600000000, ContactPayload("+33600000000"), ())]
    digests = []
    for secret in (b"secret", b"another secret"):
        digest = Checkpoint(MemoryStore(), {}, secret).digest()
        digest.update(contacts)
        digests.append(digest.hexdigest())
    assert digests[0] != digests[1]
    assert [len(digest) for digest in digests] == [32, 32]


def test_nothing_in_it_can_be_led_back_to_a_person() -> None:
    store, _ = interrupted(NUMBERS, lives=3)
    assert store.json is not None
    assert not any(number[1:] in store.json for number in NUMBERS)
    other_key = MemoryStore()
    with pytest.raises(OctopushServerError):
        ContactSync(
            ContactMapper({}, PhoneReader()),
            delivery_to(Api(3), Backoff(0)),
            chunk_size=4,
            checkpoint=Checkpoint(other_key, {"run": "run"}, b"another key"),
        ).run(rows(NUMBERS))
    assert other_key.get()["digest"] != store.get()["digest"]


class SlowStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def set(self, value: Mapping[str, Any]) -> None:
        time.sleep(0.1)
        self.times += 1
        super().set(value)


class WatchedApi:
    """Looks, at each request, how much was sent of which the store does not know that it was answered."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.sent = 0
        self.unnoted = 0
        self.lock = threading.Lock()

    def __call__(self, payloads: Payloads) -> list[dict[str, Any]]:
        with self.lock:
            self.sent += len(payloads)
            noted = self.store.get() or {"contacts": 0, "under_way": []}
            answered = noted["contacts"] - sum(stop - start for start, stop in noted["under_way"])
            self.unnoted = max(self.unnoted, self.sent - answered)
        return [{"phone_number": payload["phone_number"], "status": "added"} for payload in payloads]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_process_that_dies_leaves_no_more_to_send_again_than_the_requests_at_a_time(concurrency: int) -> None:
    store = SlowStore()
    api = WatchedApi(store)
    one_try(api, store, concurrency=concurrency).run(rows([f"+3360000{n:04}" for n in range(100)]))
    assert api.sent == 100
    assert api.unnoted <= 4 * concurrency


def test_chunks_that_are_done_while_the_store_is_busy_are_noted_together() -> None:
    store = SlowStore()
    one_try(Api(), store, concurrency=4).run(rows([f"+3360000{n:04}" for n in range(160)]))
    assert store.times < 40, "one for each chunk"


class ApiThatLeavesOneWaiting:
    """Answers everything but one number; the process dies when it has answered all else."""

    def __init__(self, number: str, others: int) -> None:
        self.number = number
        self.others = others
        self.answered = threading.Event()
        self.lock = threading.Lock()

    def __call__(self, payloads: Payloads) -> list[dict[str, Any]]:
        numbers = [payload["phone_number"] for payload in payloads]
        if self.number in numbers:
            self.answered.wait(10)
            raise OctopushServerError("down", status_code=503)
        with self.lock:
            self.others -= len(numbers)
            if not self.others:
                self.answered.set()
        return [{"phone_number": number, "status": "added"} for number in numbers]


@pytest.mark.parametrize("waiting", [0, 5, 19])
def test_a_chunk_that_waits_does_not_hold_up_the_others_and_only_it_is_sent_again(waiting: int) -> None:
    store = MemoryStore()
    first = ApiThatLeavesOneWaiting(NUMBERS[waiting], others=16)
    with pytest.raises(OctopushServerError):
        one_try(first, store, concurrency=2).run(rows(NUMBERS))
    assert first.answered.is_set()
    second = Api()
    summary = one_try(second, store).run(rows(NUMBERS))
    start = waiting // 4 * 4
    assert second.sent == NUMBERS[start : start + 4]
    assert (summary.read, summary.added, summary.chunks, summary.requests) == (20, 20, 5, 6)


@pytest.mark.parametrize("failing", [NUMBERS[0], NUMBERS[5], NUMBERS[10]])
def test_what_was_answered_while_another_request_failed_is_not_sent_again(failing: str) -> None:
    together = threading.Barrier(3, timeout=5)
    sent: list[str] = []

    def post(payloads: Payloads) -> list[dict[str, Any]]:
        together.wait()
        numbers = [payload["phone_number"] for payload in payloads]
        if failing in numbers:
            raise OctopushServerError("down", status_code=503)
        time.sleep(0.1)
        sent.extend(numbers)
        return [{"phone_number": number, "status": "added"} for number in numbers]

    store = MemoryStore()
    with pytest.raises(OctopushServerError):
        one_try(post, store, concurrency=3).run(rows(NUMBERS))
    assert len(sent) == 8
    api = Api()
    summary = one_try(api, store, concurrency=3).run(rows(NUMBERS))
    assert set(api.sent) == set(NUMBERS) - set(sent)
    assert (summary.added, summary.updated) == (20, 0)


def test_what_was_answered_while_the_source_failed_is_not_sent_again() -> None:
    def broken() -> Frames:
        yield next(rows(NUMBERS)())
        time.sleep(0.05)
        raise LookupError("the database is gone")

    def post(payloads: Payloads) -> list[dict[str, Any]]:
        time.sleep(0.2)
        return [{**payload, "status": "added"} for payload in payloads]

    store, api = MemoryStore(), Api()
    with pytest.raises(LookupError):
        one_try(post, store).run(broken)
    one_try(api, store).run(rows(NUMBERS))
    assert api.sent == NUMBERS[4:]


def test_many_unconfirmed_contacts_cost_no_more_than_as_many_confirmed_ones() -> None:
    numbers = [f"+3361{n:07}" for n in range(40_000)]

    def seconds(status: str | None) -> float:
        def post(payloads: Payloads) -> list[dict[str, Any]]:
            return [{**payload, "status": status} for payload in payloads if status is not None]

        sync = ContactSync(
            ContactMapper({}, PhoneReader()),
            delivery_to(post, Backoff(0)),
            chunk_size=50,
            checkpoint=Checkpoint(MemoryStore(), {}, b"key"),
        )
        started = time.process_time()
        sync.run(lambda: (pd.DataFrame({"phone_number": numbers[i : i + 1000]}) for i in range(0, len(numbers), 1000)))
        return time.process_time() - started

    # Noting them took time that grew with their square.
    assert seconds(None) < 4 * seconds("added") + 1
