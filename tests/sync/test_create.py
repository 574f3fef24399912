from __future__ import annotations

import gc
import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pandas as pd
import pytest

from airflow_provider_octopush.contacts.mapping import ContactMapper
from airflow_provider_octopush.delivery.delivery import Delivery
from airflow_provider_octopush.delivery.retry import Backoff
from airflow_provider_octopush.exceptions import OctopushCredentialsError, OctopushRateLimitError, OctopushServerError
from airflow_provider_octopush.payloads import ContactItem, ContactPayload
from airflow_provider_octopush.phones.reader import PhoneReader
from airflow_provider_octopush.sync import create
from airflow_provider_octopush.sync.create import ContactSync, Frames, KilledError
from airflow_provider_octopush.sync.summary import CreateSummary
from tests.delivery.apis import Items, Payloads, delivery_to


class Api:
    def __init__(self, status: str = "added") -> None:
        self.chunks: list[list[str]] = []
        self.status = status

    def __call__(self, payloads: Payloads) -> list[dict[str, Any]]:
        self.chunks.append([payload["phone_number"] for payload in payloads])
        return [{"phone_number": payload["phone_number"], "status": self.status} for payload in payloads]


def frame(*numbers: object) -> pd.DataFrame:
    return pd.DataFrame({"phone_number": list(numbers)}, dtype=object)


def frames(*each: pd.DataFrame) -> Callable[[], Frames]:
    def open_frames() -> Frames:
        yield from each

    return open_frames


def contact_sync(api: Any, chunk_size: int = 200, concurrency: int = 1, retries: int = 0) -> ContactSync[CreateSummary]:
    return ContactSync(
        ContactMapper({}, PhoneReader()),
        delivery_to(api, Backoff(retries)),
        CreateSummary(),
        chunk_size=chunk_size,
        concurrency=concurrency,
    )


def test_rows_of_all_frames_are_cut_into_chunks() -> None:
    api = Api()
    numbers = [f"+336000000{n:02}" for n in range(7)]
    summary = contact_sync(api, chunk_size=3).run(frames(frame(*numbers[:2]), frame(), frame(*numbers[2:])))
    assert api.chunks == [numbers[:3], numbers[3:6], numbers[6:]]
    assert (summary.read, summary.added, summary.chunks, summary.requests) == (7, 7, 3, 3)


def test_the_first_of_two_rows_with_one_number_is_sent_and_the_other_counted() -> None:
    api = Api()
    summary = contact_sync(api).run(frames(frame("+33 01 49 70 65 65"), frame("+33149706565", "tel:+33-1-49-70-65-65")))
    assert api.chunks == [["+33149706565"]]
    assert (summary.read, summary.added, summary.duplicates) == (3, 1, 2)


def test_an_invalid_row_does_not_take_the_place_of_a_valid_one() -> None:
    summary = contact_sync(Api()).run(frames(frame(None, None, "+33149706565")))
    assert (summary.read, summary.invalid, summary.duplicates, summary.added) == (3, 2, 0, 1)


def test_no_rows_are_no_requests() -> None:
    api = Api()
    summary = contact_sync(api).run(frames())
    assert (summary.read, summary.chunks, summary.requests, api.chunks) == (0, 0, 0, [])


def test_frames_are_read_as_they_are_needed() -> None:
    asked: list[int] = []
    api = Api()

    def lazy() -> Frames:
        for n in range(3):
            asked.append(len(api.chunks))
            yield frame(f"+3360000000{n}")

    contact_sync(api, chunk_size=1).run(lazy)
    # One chunk is on its way while the next one is read, and no more.
    assert all(0 <= n - sent <= 1 for n, sent in enumerate(asked))


def test_as_many_chunks_as_allowed_are_on_their_way_at_a_time() -> None:
    together = threading.Barrier(3, timeout=5)

    def post(payloads: Payloads) -> list[dict[str, Any]]:
        together.wait()
        return [{**payload, "status": "added"} for payload in payloads]

    numbers = [f"+336000000{n:02}" for n in range(9)]
    summary = contact_sync(post, chunk_size=1, concurrency=3).run(frames(frame(*numbers)))
    assert (summary.read, summary.added, summary.chunks) == (9, 9, 9)


def test_nothing_more_is_sent_when_one_of_several_fails_for_good() -> None:
    sent: list[str] = []

    def post(payloads: Payloads) -> list[dict[str, Any]]:
        sent.append(payloads[0]["phone_number"])
        if len(sent) == 1:
            raise OctopushCredentialsError("no", status_code=401)
        time.sleep(0.1)
        return [{**payload, "status": "added"} for payload in payloads]

    numbers = [f"+336000000{n:02}" for n in range(50)]
    with pytest.raises(OctopushCredentialsError):
        contact_sync(post, chunk_size=1, concurrency=4).run(frames(frame(*numbers)))
    assert len(sent) <= 4


@pytest.mark.parametrize("failing", ["+33600000000", "+33600000001"])
def test_a_run_that_fails_does_not_wait_for_the_delays_of_the_others(failing: str) -> None:
    def post(payloads: Payloads) -> list[dict[str, Any]]:
        if payloads[0]["phone_number"] == failing:
            time.sleep(0.2)
            raise OctopushCredentialsError("no", status_code=401)
        raise OctopushServerError("down", status_code=503, retry_after=60)

    started = time.monotonic()
    sync = contact_sync(post, chunk_size=1, concurrency=2, retries=5)
    with pytest.raises(OctopushCredentialsError):
        sync.run(frames(frame("+33600000000", "+33600000001")))
    assert time.monotonic() - started < 5


def test_a_request_to_slow_down_holds_for_all_threads() -> None:
    lock = threading.Lock()
    times: list[float] = []

    def post(payloads: Payloads) -> list[dict[str, Any]]:
        with lock:
            times.append(time.monotonic())
            first = len(times) == 1
        if first:
            raise OctopushRateLimitError("slow", status_code=429, retry_after=0.5)
        time.sleep(0.05)
        return [{**payload, "status": "added"} for payload in payloads]

    numbers = [f"+336000000{n:02}" for n in range(20)]
    sync = contact_sync(post, chunk_size=1, concurrency=4, retries=5)
    summary = sync.run(frames(frame(*numbers)))
    assert (summary.added, summary.requests, summary.retries) == (20, 21, 1)
    in_the_pause = [moment for moment in times if 0.02 < moment - times[0] < 0.5]
    assert in_the_pause == []


@pytest.mark.parametrize("status", ["blocked", "Zoé", "no: +33149706565"])
def test_statuses_that_are_not_documented_are_counted_and_not_shown(
    caplog: pytest.LogCaptureFixture, status: str
) -> None:
    summary = contact_sync(Api(status)).run(frames(frame("+33149706565")))
    assert summary.other == 1
    assert status not in caplog.text + str(summary.as_xcom())


def test_progress_is_told_during_a_long_run(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(create, "PROGRESS_SECONDS", 0.0)
    with caplog.at_level(logging.INFO):
        contact_sync(Api(), chunk_size=1).run(frames(frame("+33149706565", "+33149706566")))
    assert "2 rows read, 2 contacts confirmed, " in caplog.text


def test_a_run_that_stops_keeps_what_had_an_outcome_until_then() -> None:
    api = Api()

    def post(payloads: Payloads) -> list[dict[str, Any]]:
        if api.chunks:
            raise OctopushServerError("down", status_code=503)
        return api(payloads)

    sync = contact_sync(post, chunk_size=1)
    with pytest.raises(OctopushServerError):
        sync.run(frames(frame("+33149706565", "+33149706566")))
    assert (sync.summary.added, sync.summary.chunks, sync.summary.requests) == (1, 1, 2)


def test_a_run_leaves_the_garbage_collector_as_it_was() -> None:
    before = gc.get_freeze_count()

    def post(_: Payloads) -> Items:
        during.append(gc.get_freeze_count() > 0)
        raise OctopushCredentialsError("no", status_code=401)

    during: list[bool] = []
    with pytest.raises(OctopushCredentialsError):
        contact_sync(post).run(frames(frame("+33149706565")))
    assert during == [True]
    assert gc.get_freeze_count() == before


def test_the_next_chunk_is_read_and_encoded_while_one_is_on_its_way() -> None:
    encoded = threading.Semaphore(0)

    def encode(payloads: Sequence[ContactPayload]) -> bytes:
        encoded.release()
        return msgspec.json.encode(payloads)

    def post(body: bytes) -> list[ContactItem]:
        # Its own body, and while it waits for the answer the one of the chunk after it.
        assert encoded.acquire(timeout=5)
        if b"+33600000002" not in body:
            assert encoded.acquire(timeout=5)
            encoded.release()
        return [ContactItem(payload["phone_number"], "added") for payload in msgspec.json.decode(body)]

    sync = ContactSync(
        ContactMapper({}, PhoneReader()), Delivery(encode, post, Backoff(0)), CreateSummary(), chunk_size=1
    )
    numbers = [f"+336000000{n:02}" for n in range(3)]
    assert sync.run(frames(*map(frame, numbers))).added == 3


class TestEndedFromOutside:
    def sync(self, post: Any, release: threading.Event, concurrency: int) -> ContactSync[CreateSummary]:
        return ContactSync(
            ContactMapper({}, PhoneReader()),
            delivery_to(post, Backoff(5)),
            CreateSummary(),
            chunk_size=1,
            concurrency=concurrency,
            abort=release.set,
        )

    @pytest.mark.parametrize("concurrency", [1, 4])
    @pytest.mark.parametrize("how", ["kill", "timeout"])
    def test_nothing_more_is_sent_and_nobody_waits(self, concurrency: int, how: str) -> None:
        class TaskTimeout(BaseException):
            pass

        def alarm(*_: Any) -> None:
            raise TaskTimeout

        release = threading.Event()
        sent: list[float] = []

        def post(payloads: Payloads) -> Items:
            sent.append(time.monotonic())
            if len(sent) > 4:
                # As a request does whose socket is shut down.
                assert release.wait(30)
                raise OctopushServerError("aborted")
            return [{**payload, "status": "added"} for payload in payloads]

        sync = self.sync(post, release, concurrency)
        numbers = [f"+336000000{n:02}" for n in range(60)]
        before = signal.signal(signal.SIGALRM, alarm)
        killer = threading.Timer(0.5, sync.kill)
        try:
            if how == "kill":
                killer.start()
            else:
                signal.setitimer(signal.ITIMER_REAL, 0.5)
            started = time.monotonic()
            with pytest.raises(KilledError if how == "kill" else TaskTimeout):
                sync.run(frames(frame(*numbers)))
            ended = time.monotonic()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            killer.cancel()
        assert ended - started < 2.5
        assert len(sent) <= 4 + concurrency
        time.sleep(0.1)
        assert max(sent) <= ended
        assert sync.summary.added == 4

    def test_a_run_that_sends_nothing_ends_too(self) -> None:
        def endless() -> Frames:
            while True:
                sync.kill()
                yield frame("+33600000000")

        sync = ContactSync(ContactMapper({}, PhoneReader()), None, CreateSummary(), chunk_size=1)
        with pytest.raises(KilledError, match="asked to stop after 0 contacts were confirmed"):
            sync.run(endless)


def test_a_run_that_failed_keeps_no_threads() -> None:
    def post(_: Payloads) -> Items:
        raise OctopushCredentialsError("no", status_code=401)

    before = threading.active_count()
    with pytest.raises(OctopushCredentialsError) as caught:
        contact_sync(post, concurrency=4).run(frames(frame("+33149706565")))
    until = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before
    assert caught.value.status_code == 401
