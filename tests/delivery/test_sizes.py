"""How many contacts a request may hold: learned, and learned anew when it changes."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from itertools import pairwise

import pytest

from airflow_provider_octopush.delivery import delivery
from airflow_provider_octopush.delivery.sizes import CALM_MAX, RequestSize
from airflow_provider_octopush.sync.summary import Summary
from tests.delivery.runs import Server, frames_of, numbers, sync_to


class Known:
    """What a request may hold, as if it were documented."""

    def __init__(self, most: int) -> None:
        self.most = most

    def fits(self, number: int) -> bool:
        return number <= self.most

    def next(self, number: int) -> int:
        requests = -(-number // self.most)
        return -(-number // requests)

    def note(self, number: int) -> None:
        pass

    note_accepted = note_refused = note_too_many = note


def run(server: Server, rows: Sequence[str], chunk_size: int, concurrency: int = 1) -> Summary:
    summary = sync_to(server, chunk_size=chunk_size, concurrency=concurrency).run(frames_of(rows))
    assert server.stored == set(rows) - server.bad
    assert (summary.added, summary.refused) == (len(server.stored), len(server.bad))
    return summary


def undisturbed(monkeypatch: pytest.MonkeyPatch, server: Server, rows: Sequence[str], chunk_size: int) -> int:
    """Return the number of requests that it takes when the limit is known."""
    with monkeypatch.context() as context:
        context.setattr(delivery, "RequestSize", lambda: Known(server.most))
        known = Server(server.bad, most=server.most)
        return run(known, rows, chunk_size).requests


@pytest.mark.parametrize("status_code", [400, 413, 422])
@pytest.mark.parametrize("bad_every", [0, 1, 3], ids=["none is bad", "one in each chunk", "one in every third"])
@pytest.mark.parametrize(
    ("chunk_size", "most"),
    [(200, 1), (200, 7), (200, 8), (200, 50), (200, 100), (200, 150), (200, 199), (1000, 63), (1000, 124), (1000, 600)],
)
@pytest.mark.whole_run
def test_a_limit_costs_little_more_than_if_it_were_known(
    monkeypatch: pytest.MonkeyPatch, chunk_size: int, most: int, bad_every: int, status_code: int
) -> None:
    rows = numbers(20 * chunk_size if most > 1 else 2000)
    server = Server(rows[57 :: bad_every * chunk_size] if bad_every else (), most=most, status_code=status_code)
    requests = run(server, rows, chunk_size).requests
    assert requests <= 1.3 * undisturbed(monkeypatch, server, rows, chunk_size) + 20


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.whole_run
def test_a_limit_that_no_one_thought_of_does_neither(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    rng = random.Random(seed)
    chunk_size = rng.choice([20, 200, 500, 1000])
    rows = numbers(rng.randrange(1, 8000))
    bad = rng.sample(rows, rng.choice([0, len(rows) // chunk_size, len(rows) // 50]))
    server = Server(bad, most=rng.randrange(4, chunk_size + 1))
    concurrency = rng.choice([1, 4])
    requests = run(server, rows, chunk_size, concurrency).requests
    # What is under way when the limit is met was begun before it was known.
    assert requests <= 1.3 * undisturbed(monkeypatch, server, rows, chunk_size) + 20 + concurrency


@pytest.mark.parametrize("status_code", [400, 413])
@pytest.mark.parametrize("row", [0, 1234, 3999])
@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.whole_run
def test_a_contact_that_is_too_large_by_itself_says_nothing_of_the_others(
    row: int, status_code: int, concurrency: int
) -> None:
    rows = numbers(4000)
    server = Server([rows[row]], status_code=status_code)
    assert run(server, rows, 200, concurrency).requests <= 1.3 * 20 + 20
    # Behind it, chunks are sent as a whole again.
    assert server.sizes.count(200) >= 19


@pytest.mark.parametrize("most", [60, 150, 178, 199])
@pytest.mark.parametrize("weight", [2, 50, 0.9, 1.1])
@pytest.mark.parametrize("row", [0, 1234])
@pytest.mark.whole_run
def test_a_contact_that_is_large_teaches_nothing_wrong_about_a_limit_in_bytes(
    monkeypatch: pytest.MonkeyPatch, most: int, weight: float, row: int
) -> None:
    class InBytes(Server):
        def refuses(self, sent: Sequence[str]) -> bool:
            large = rows[row] in sent
            return len(sent) + large * (weight * most if weight < 2 else weight) > most or super().refuses(sent)

    rows = numbers(10_000)
    requests = run(InBytes([rows[row]] if weight == 1.1 else ()), rows, 200).requests
    assert requests <= 1.3 * undisturbed(monkeypatch, Server(most=most), rows, 200) + 20


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.whole_run
def test_refusals_in_passing_cost_little(seed: int, concurrency: int) -> None:
    rows = numbers(20_000)
    server = Server(passing=40, seed=seed)
    requests = run(server, rows, 200, concurrency).requests
    assert requests <= 1.3 * 100 + 20


@pytest.mark.parametrize("most", [1, 6, 20, 100])
@pytest.mark.parametrize("first", [0, 5])
@pytest.mark.whole_run
def test_a_limit_that_holds_for_a_while_is_left_behind(most: int, first: int) -> None:
    class Shrinking(Server):
        def refuses(self, sent: Sequence[str]) -> bool:
            self.most = most if first < self.requests <= first + 60 else 10**9
            return super().refuses(sent)

    rows = numbers(20_000)
    server = Shrinking()
    requests = run(server, rows, 200).requests
    # 60 of them while it was so small, and the rest as if it never had been.
    assert requests <= 60 + 1.3 * 100 + 20
    assert server.sizes[-30:].count(200) >= 28


@pytest.mark.whole_run
def test_each_limit_that_comes_and_goes_is_learned() -> None:
    class Changing(Server):
        def refuses(self, sent: Sequence[str]) -> bool:
            self.most = (200, 30, 100, 5, 200)[min(self.requests // 100, 4)]
            return super().refuses(sent)

    rows = numbers(30_000)
    server = Changing()
    run(server, rows, 200)
    refused_for_size = sum(size > (200, 30, 100, 5, 200)[min(i // 100, 4)] for i, size in enumerate(server.sizes, 1))
    assert refused_for_size <= 40
    assert server.sizes[-10:].count(200) >= 9


def learned(most: int, refused: int) -> RequestSize:
    sizes = RequestSize()
    sizes.note_accepted(most)
    sizes.note_too_many(refused)
    return sizes


def test_without_a_reason_everything_is_sent_at_once() -> None:
    assert RequestSize().fits(1000)
    assert RequestSize().next(1000) == 1000


@pytest.mark.parametrize(("number", "size"), [(100, 100), (101, 51), (200, 100), (201, 67), (1, 1)])
def test_what_does_not_go_into_one_request_goes_into_as_few_as_will_do(number: int, size: int) -> None:
    assert learned(100, 200).next(number) == size


def test_as_many_as_were_accepted_before_have_to_be_refused_twice() -> None:
    sizes = RequestSize()
    sizes.note_accepted(200)
    sizes.note_too_many(200)
    assert sizes.next(200) == 200
    sizes.note_accepted(200)
    sizes.note_too_many(200)
    assert sizes.next(200) == 200
    sizes.note_accepted(199)
    sizes.note_too_many(200)
    assert sizes.next(200) == 100


def test_half_of_it_may_not_go_either() -> None:
    sizes = learned(100, 200)
    sizes.note_too_many(100)
    sizes.note_too_many(100)
    size = sizes.next(100)
    assert (size, type(size)) == (50, int)


def test_more_than_is_known_to_be_refused_teaches_nothing() -> None:
    sizes = learned(50, 51)
    for _ in range(3):
        sizes.note_too_many(200)
    assert sizes.next(200) == 50


def test_more_is_tried_half_way_to_what_was_refused_and_then_with_twice_as_many() -> None:
    sizes = learned(100, 200)
    tried = []
    for _ in range(40):
        size = sizes.next(1000)
        if size > 100:
            tried.append(size)
            sizes.note_refused(size)
        else:
            sizes.note_accepted(size)
    assert tried == [150, 125, 112, 200]


def test_what_fits_is_no_try_with_more() -> None:
    sizes = learned(100, 200)
    for _ in range(10):
        sizes.note_accepted(100)
    assert (sizes.fits(100), sizes.fits(101)) == (True, False)
    assert sizes.next(1000) == 150


def test_a_refusal_of_what_is_known_to_go_well_says_nothing_of_the_number() -> None:
    sizes = learned(100, 1000)
    sizes.note_refused(100)
    for _ in range(2):
        sizes.note_accepted(100)
    assert sizes.next(10_000) == 550


def test_a_new_limit_above_the_old_one_is_found() -> None:
    sizes = learned(100, 101)
    tried = []
    for _ in range(60):
        size = sizes.next(10_000)
        if size > 330:
            tried.append(size)
            sizes.note_refused(size)
        else:
            sizes.note_accepted(size)
    assert tried[:3] == [400, 350, 650]


def test_one_thread_at_a_time_tries_more() -> None:
    sizes = learned(100, 200)
    for _ in range(10):
        sizes.note_accepted(100)
    assert sizes.next(1000) == 150
    # That request is under way when others are begun and answered.
    assert sizes.next(1000) == 100
    sizes.note_accepted(100)
    assert sizes.next(1000) == 100


@pytest.mark.parametrize(
    ("most", "refused", "more"), [(8, 9, 16), (8, 10, 16), (8, 11, 9), (1, 2, 2), (800, 1000, 900)]
)
def test_what_was_refused_is_near_when_it_is_an_eighth_more(most: int, refused: int, more: int) -> None:
    sizes = learned(most, refused)
    for _ in range(2):
        sizes.note_accepted(most)
    assert sizes.next(10_000) == more


def test_small_requests_do_not_show_that_all_is_well() -> None:
    sizes = learned(100, 200)
    for _ in range(10):
        sizes.note_accepted(50)
    assert sizes.next(1000) == 100


def test_what_went_well_is_the_new_limit_and_more_is_tried_soon() -> None:
    sizes = learned(100, 101)
    tried = []
    for _ in range(8):
        size = sizes.next(100_000)
        tried.append(size)
        sizes.note_accepted(size)
    assert tried == [100, 100, 200, 200, 200, 400, 400, 400]


def test_a_limit_that_stays_is_tried_rarely_but_for_ever() -> None:
    sizes = learned(100, 101)
    tried, sizes_tried = [], []
    for request in range(2_000):
        size = sizes.next(100_000)
        if size > 100:
            sizes_tried.append(size)
            tried.append(request)
            sizes.note_refused(size)
        else:
            sizes.note_accepted(size)
    assert len(tried) <= 2_000 / CALM_MAX + 6
    assert len(set(sizes_tried)) > 1, "what was refused may have been about one large contact"
    assert max(later - earlier for earlier, later in pairwise(tried)) == CALM_MAX + 1


def test_a_limit_that_was_found_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        learned(100, 200)
    assert "Octopush refuses larger requests: sending at most 100 contacts in one for now" in caplog.text
