"""How many contacts a request may hold: learned, and learned anew when it changes."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence

import pytest

from airflow_provider_octopush.delivery.sizes import BELIEVED_FOR, RequestSize
from airflow_provider_octopush.sync.summary import CreateSummary
from tests.delivery.runs import Server, frames_of, numbers, sync_to
from tests.pairs import pairs


def run(server: Server, rows: Sequence[str], chunk_size: int, concurrency: int = 1) -> CreateSummary:
    summary = sync_to(server, chunk_size=chunk_size, concurrency=concurrency).run(frames_of(rows))
    assert server.stored == set(rows) - server.bad
    assert (summary.added, summary.refused) == (len(server.stored), len(server.bad))
    return summary


def fewest(rows: Sequence[str], chunk_size: int, most: int) -> int:
    """Return how many requests it takes where the limit is known and nothing is refused."""
    chunks = [len(rows[start : start + chunk_size]) for start in range(0, len(rows), chunk_size)]
    return sum(-(-chunk // most) for chunk in chunks)


@pytest.mark.parametrize(
    ("chunk_size", "most", "status_code"),
    [
        *[(200, 1, 400), (200, 7, 413), (200, 8, 422), (200, 50, 400), (200, 100, 413), (200, 150, 422)],
        *[(200, 199, 400), (1000, 63, 413), (1000, 124, 422), (1000, 600, 400)],
    ],
)
@pytest.mark.whole_run
def test_a_limit_costs_at_most_twice_as_many_requests_as_if_it_were_known(
    chunk_size: int, most: int, status_code: int
) -> None:
    rows = numbers(50 * chunk_size if most > 1 else 2000)
    requests = run(Server(most=most, status_code=status_code), rows, chunk_size).requests
    assert requests <= 2 * fewest(rows, chunk_size, most) + 20


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.whole_run
def test_whatever_the_limit_and_whoever_is_bad_each_good_contact_is_delivered(seed: int) -> None:
    rng = random.Random(seed)
    chunk_size = rng.choice([20, 200, 500, 1000])
    rows = numbers(rng.randrange(1, 8000))
    bad = rng.sample(rows, rng.choice([0, len(rows) // chunk_size, len(rows) // 50]))
    run(Server(bad, most=rng.randrange(1, chunk_size + 1)), rows, chunk_size, rng.choice([1, 4]))


@pytest.mark.parametrize(("row", "status_code", "concurrency"), pairs([0, 1234, 3999], [400, 413], [1, 4]))
@pytest.mark.whole_run
def test_a_contact_that_is_too_large_by_itself_says_nothing_of_the_others(
    row: int, status_code: int, concurrency: int
) -> None:
    rows = numbers(4000)
    server = Server([rows[row]], status_code=status_code)
    assert run(server, rows, 200, concurrency).requests <= 20 + 20
    # Behind it, chunks are sent as a whole again.
    assert server.sizes.count(200) >= 19


@pytest.mark.parametrize("large", [[0], [1234], [0, 1, 2, 3], [10, 410], [10, 210], [10, 210, 410, 5010]])
@pytest.mark.whole_run
def test_contacts_that_are_accepted_only_with_few_others_teach_little_about_the_rest(large: list[int]) -> None:
    rows = numbers(10_000)

    class InBytes(Server):
        def refuses(self, sent: Sequence[str]) -> bool:
            return len(sent) + 190 * len({rows[row] for row in large}.intersection(sent)) > 200

    assert run(InBytes(), rows, 200).requests <= 1.5 * 50 + 20 * len(large)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.whole_run
def test_refusals_in_passing_cost_little(seed: int, concurrency: int) -> None:
    rows = numbers(20_000)
    requests = run(Server(passing=40, seed=seed), rows, 200, concurrency).requests
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
    # 60 of them while it was so small, ten chunks for which it is believed, and the rest as if it never had been.
    assert requests <= 60 + BELIEVED_FOR * 2 * 200 / most + 1.3 * 100
    assert server.sizes[-30:].count(200) >= 28


@pytest.mark.whole_run
def test_each_limit_that_comes_and_goes_is_learned() -> None:
    limits = (30, 100, 5, 200)

    class Changing(Server):
        def refuses(self, sent: Sequence[str]) -> bool:
            self.most = limits[min(self.requests // 600, 3)]
            return super().refuses(sent)

    rows = numbers(120_000)
    server = Changing()
    run(server, rows, 200)
    for period in range(3):
        # Half of the time is enough to learn it.
        sizes = server.sizes[600 * period + 300 : 600 * (period + 1) - 1]
        refused = sum(size > limits[period] for size in sizes)
        assert refused <= len(sizes) / 4, (period, refused)
    assert server.sizes[-100:].count(200) >= 99


def learned(most: int) -> RequestSize:
    sizes = RequestSize()
    for _ in range(2):
        sizes.note_chunk(accepted=most, refused=2 * most)
    return sizes


def largest(sizes: RequestSize) -> int:
    return max((number for number in range(2000) if sizes.fits(number)), default=0)


def test_without_a_reason_everything_is_sent_at_once() -> None:
    sizes = RequestSize()
    sizes.note_chunk(accepted=10, refused=0)
    assert sizes.fits(10**6)


def test_one_chunk_is_not_believed_and_a_second_one_is() -> None:
    sizes = RequestSize()
    sizes.note_chunk(accepted=100, refused=200)
    assert sizes.fits(200)
    sizes.note_chunk(accepted=50, refused=200)
    # As many as the largest that was accepted in either.
    assert largest(sizes) == 100
    for accepted in (20, 30):
        sizes.note_chunk(accepted, refused=100)
    assert largest(sizes) == 30


def test_not_if_as_many_were_accepted_in_between() -> None:
    sizes = RequestSize()
    for _ in range(3):
        sizes.note_chunk(accepted=100, refused=200)
        sizes.note_chunk(accepted=200, refused=0)
    assert sizes.fits(200)
    sizes.note_chunk(accepted=100, refused=200)
    sizes.note_chunk(accepted=199, refused=0)
    sizes.note_chunk(accepted=100, refused=200)
    assert largest(sizes) == 100


def test_a_chunk_in_which_as_many_were_accepted_as_refused_says_nothing_of_the_number() -> None:
    sizes = RequestSize()
    for _ in range(3):
        sizes.note_chunk(accepted=100, refused=100)
    assert sizes.fits(1000)


def test_it_may_turn_out_to_be_less() -> None:
    sizes = learned(100)
    for _ in range(2):
        assert largest(sizes) == 100
        sizes.note_chunk(accepted=12, refused=100)
    assert largest(sizes) == 12


def test_after_ten_chunks_whole_ones_are_sent_again_and_one_that_is_refused_is_enough() -> None:
    sizes = learned(100)
    for _ in range(3):
        for _ in range(BELIEVED_FOR):
            assert largest(sizes) == 100
            sizes.note_chunk(accepted=100, refused=0)
        assert sizes.fits(200)
        sizes.note_chunk(accepted=100, refused=200)


def test_and_if_it_is_accepted_the_limit_is_forgotten() -> None:
    sizes = learned(100)
    for _ in range(BELIEVED_FOR):
        sizes.note_chunk(accepted=100, refused=0)
    sizes.note_chunk(accepted=200, refused=0)
    sizes.note_chunk(accepted=100, refused=200)
    assert sizes.fits(200)


def test_a_limit_that_was_found_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        sizes = learned(100)
        # Once, however often it is found again.
        for _ in range(3 * BELIEVED_FOR):
            sizes.note_chunk(accepted=100, refused=0 if sizes.fits(100) and not sizes.fits(200) else 200)
    assert caplog.text.count("Octopush refuses larger requests: sending at most 100 contacts in one for now") == 1
