"""Answers that come in another order than they were given in: whole runs whose every step a test has in its hand."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from airflow_provider_octopush.delivery.retry import Backoff, StoppedError
from airflow_provider_octopush.exceptions import OctopushError, OctopushRequestError, OctopushServerError
from airflow_provider_octopush.sync.summary import CreateSummary
from tests.delivery.apis import Items, Payloads, delivery_to
from tests.delivery.runs import Server, contact, frames_of, numbers, sync_to

NONE_ACCEPTED = "requests in a row were refused and none was accepted"

#: What the documentation promises: a run stops after so many refusals in a row, and after so many of a contact that is
#: known to be good.
REFUSALS, PROBES = 60, 5


def run(
    api: Callable[[Payloads], Items],
    rows: list[str],
    *,
    chunk_size: int = 1,
    concurrency: int = 4,
    retries: int = 0,
    known_good: str | None = None,
) -> CreateSummary:
    """Do a whole run."""
    sync = sync_to(api, chunk_size=chunk_size, concurrency=concurrency, retries=retries, known_good=known_good)
    return sync.run(frames_of(rows))


def wait_until_quiet(server: Server, at_least: int = 0) -> None:
    """
    Wait until no request comes any more, because all threads wait for something.

    :param at_least: requests that are waited for before, if they come within seconds.
    """
    deadline = time.monotonic() + 3
    while server.requests < at_least and time.monotonic() < deadline:
        time.sleep(0.01)
    seen = -1
    while seen != server.requests:
        seen = server.requests
        time.sleep(0.3)


def refusal() -> OctopushRequestError:
    return OctopushRequestError("refused", status_code=400, code=101, full_message="in passing")


@pytest.mark.parametrize("concurrency", [2, 4, 16])
def test_an_acceptance_counts_however_late_its_answer_is(concurrency: int) -> None:
    rows = numbers(200)
    server = Server(rows[1:], "with an incident id")
    is_answered = threading.Event()

    def post(payloads: Payloads) -> Items:
        items = server(payloads)
        if not is_answered.is_set():
            wait_until_quiet(server, REFUSALS + 1)
            is_answered.set()
        return items

    summary = run(post, rows, concurrency=concurrency)
    assert (summary.added, summary.refused) == (1, 199)


@pytest.mark.parametrize("concurrency", [2, 4, 16])
def test_while_a_known_good_contact_is_sent_nothing_else_is(concurrency: int) -> None:
    rows = numbers(300)
    known_good = rows.pop()
    server = Server(rows)
    began: list[int] = []

    def post(payloads: Payloads) -> Items:
        if payloads[0]["phone_number"] != known_good:
            return server(payloads)
        began.append(server.requests)
        time.sleep(0.05)
        # All others are answered, and none begins.
        assert server.requests == began[-1]
        if len(began) == 1:
            raise refusal()
        return server(payloads)

    summary = run(post, rows, concurrency=concurrency, known_good=known_good)
    assert summary.refused == len(rows)
    assert began[0] == began[1] < REFUSALS + concurrency


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_a_request_that_fails_while_the_others_wait_for_it_ends_their_wait(retries: int) -> None:
    rows = numbers(300)
    server = Server(rows)
    failures = [OctopushServerError("down", status_code=503) for _ in range(2)]

    def post(payloads: Payloads) -> Items:
        if payloads[0]["phone_number"] == rows[0] and failures:
            failure = failures.pop()
            wait_until_quiet(server, REFUSALS)
            raise failure
        return server(payloads)

    # What fails too often ends the run, as the breaker does.
    with pytest.raises(OctopushRequestError if retries > 1 else OctopushServerError):
        run(post, rows, retries=retries)
    assert server.requests <= REFUSALS + 2 * 4


def test_who_waits_for_a_late_answer_can_be_stopped() -> None:
    rows = numbers(100)
    server = Server(rows[1:])
    is_over = threading.Event()

    def post(payloads: Payloads) -> Items:
        items = server(payloads)
        is_over.wait(20)
        return items

    delivery = delivery_to(post, Backoff(0, sleep=lambda _: None))
    late = threading.Thread(target=delivery.deliver, args=(delivery.prepare([contact(rows[0])]),))
    late.start()
    while not server.stored:
        time.sleep(0.01)
    errors: list[BaseException] = []

    def deliver_all() -> None:
        try:
            for row in rows[1:]:
                delivery.deliver(delivery.prepare([contact(row)]))
        except StoppedError as error:
            errors.append(error)

    waiting = threading.Thread(target=deliver_all)
    waiting.start()
    wait_until_quiet(server, 1 + REFUSALS)
    delivery.stop()
    waiting.join(10)
    assert len(errors) == 1
    assert server.requests <= 1 + REFUSALS + 2
    is_over.set()
    late.join(5)


class Interleaved:
    """
    Lets one request after another arrive at a server, and one answer after another come back, in an order of its own.

    :param server: decides about a request when it arrives.
    :param concurrency: requests that can be under way.
    :param seed: of the order. Each has its own liking for acceptances and for refusals that come late.
    """

    def __init__(self, server: Server, concurrency: int, seed: int) -> None:
        self.server = server
        self._concurrency = concurrency
        self._rng = random.Random(seed)
        self._haste = {
            "request": self._rng.choice([0.2, 1, 5]),
            "accepted": self._rng.choice([0.001, 0.05, 1]),
            "refused": self._rng.choice([0.05, 1, 5]),
        }
        self._waiting: list[tuple[str, threading.Event]] = []
        self._changed = threading.Condition()
        self._is_over = False

    def __call__(self, payloads: Payloads) -> Items:
        self._wait_for_its_turn("request")
        try:
            items = self.server(payloads)
        except OctopushError:
            self._wait_for_its_turn("refused")
            raise
        self._wait_for_its_turn("accepted")
        return items

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Give everybody a turn as long as the block goes on."""
        thread = threading.Thread(target=self._give_turns)
        thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._is_over = True
                self._changed.notify()
            thread.join()

    def _wait_for_its_turn(self, what: str) -> None:
        turn = threading.Event()
        with self._changed:
            self._waiting.append((what, turn))
            self._changed.notify()
        turn.wait()

    def _give_turns(self) -> None:
        while True:
            with self._changed:
                # A thread that is not here waits for one that is, or has nothing to do.
                while len(self._waiting) < self._concurrency and not self._is_over:
                    if not self._changed.wait(0.003) and self._waiting:
                        break
                if self._is_over and not self._waiting:
                    return
                weights = [self._haste[what] for what, _ in self._waiting]
                (index,) = self._rng.choices(range(len(weights)), weights)
                self._waiting.pop(index)[1].set()


SEEDS = range(24)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.whole_run
def test_refusals_in_passing_end_nothing_in_whatever_order_answers_come(seed: int) -> None:
    rng = random.Random(seed)
    concurrency = rng.choice([2, 3, 5])
    rows = numbers(160)
    start = rng.choice([5, 60])
    server = Server(rows[start : start + 100], "with an incident id", passing=10, seed=seed)
    api = Interleaved(server, concurrency, seed)
    with api.at_work():
        summary = run(api, rows, chunk_size=rng.choice([1, 5, 20]), concurrency=concurrency)
    assert server.stored <= set(rows) - server.bad
    assert (summary.added, summary.added + summary.refused) == (len(server.stored), len(rows))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.whole_run
def test_a_single_good_contact_is_found_in_whatever_order_answers_come(seed: int) -> None:
    rng = random.Random(seed)
    concurrency = rng.choice([2, 3, 5])
    rows = numbers(150)
    good = rng.randrange(40)
    server = Server([*rows[:good], *rows[good + 1 :]])
    api = Interleaved(server, concurrency, seed)
    with api.at_work():
        summary = run(api, rows, concurrency=concurrency)
    assert (summary.added, summary.refused) == (1, 149)


@pytest.mark.parametrize("is_one_known", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.whole_run
def test_a_run_of_which_nothing_is_accepted_ends_as_soon_in_whatever_order_answers_come(
    seed: int, *, is_one_known: bool
) -> None:
    rng = random.Random(seed)
    concurrency = rng.choice([1, 2, 5, 16])
    rows = numbers(300)
    server = Server(rows)
    api = Interleaved(server, concurrency, seed)
    with api.at_work(), pytest.raises(OctopushRequestError, match=NONE_ACCEPTED):
        run(
            api,
            rows[1:],
            chunk_size=rng.choice([1, 5, 50]),
            concurrency=concurrency,
            known_good=rows[0] if is_one_known else None,
        )
    assert REFUSALS + PROBES * is_one_known <= server.requests < REFUSALS + PROBES * is_one_known + concurrency


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.whole_run
def test_a_list_that_closes_ends_the_run_only_after_60_refusals_that_nothing_was_accepted_among(seed: int) -> None:
    rng = random.Random(seed)
    concurrency = rng.choice([2, 5, 16])
    rows = numbers(600)
    closes_after = rng.choice([1, 5, 30])

    class Closing(Server):
        def __call__(self, payloads: Payloads) -> Items:
            self.is_closed = len(self.stored) >= closes_after
            return super().__call__(payloads)

    server = Closing(rng.sample(rows, 300))
    api = Interleaved(server, concurrency, seed)
    with api.at_work(), pytest.raises(OctopushRequestError, match=NONE_ACCEPTED):
        run(api, rows, chunk_size=rng.choice([1, 5]), concurrency=concurrency)
    assert server.refused_in_a_row >= REFUSALS + PROBES
