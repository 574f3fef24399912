"""When a run stops asking, and that no good contact is left out before: whole runs, whatever a server says."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable

import pytest

from airflow_provider_octopush.api import CONTENT_REFUSED
from airflow_provider_octopush.delivery.breaker import PROBES_MAX, REFUSALS_MAX, CircuitBreaker
from airflow_provider_octopush.delivery.retry import StoppedError
from airflow_provider_octopush.exceptions import OctopushError, OctopushRequestError, OctopushServerError
from airflow_provider_octopush.outcomes import CREATE_OUTCOMES
from airflow_provider_octopush.sync.summary import CreateSummary
from tests.delivery.apis import Items, Payloads
from tests.delivery.runs import WORDINGS, Server, contact, frames_of, numbers, sync_to
from tests.pairs import pairs

CHUNK_SIZES = (1, 2, 5, 10, 200, 1000)
CONCURRENCIES = (1, 2, 5, 16)
#: Runs that each property is tried with.
SEEDS = int(os.environ.get("BREAKER_SEEDS", "40"))
NONE_ACCEPTED = "requests in a row were refused and none was accepted"


class SlowServer(Server):
    """Answers late enough that requests meet on their way."""

    def __call__(self, payloads: Payloads) -> Items:
        time.sleep(0.001)
        return super().__call__(payloads)


def check(summary: CreateSummary, server: Server, rows: Iterable[str], known_good: str | None = None) -> None:
    """Every good contact was delivered, and each bad one was refused."""
    assert server.stored - {known_good} == set(rows) - server.bad
    assert (summary.added, summary.refused) == (len(server.stored - {known_good}), len(server.bad & set(rows)))
    assert summary.read == sum(getattr(summary, outcome) for outcome in CREATE_OUTCOMES)


@pytest.mark.parametrize(
    ("chunk_size", "concurrency", "wording", "is_one_known"),
    pairs(CHUNK_SIZES, CONCURRENCIES, WORDINGS, [False, True]),
)
@pytest.mark.whole_run
def test_a_run_of_which_nothing_is_accepted_stops_after_60_requests(
    *, chunk_size: int, concurrency: int, wording: str, is_one_known: bool
) -> None:
    rows = numbers(2000)
    server = SlowServer(rows, wording)
    known_good = rows.pop() if is_one_known else None
    sync = sync_to(server, chunk_size=chunk_size, concurrency=concurrency, known_good=known_good)
    with pytest.raises(OctopushRequestError, match=NONE_ACCEPTED) as caught:
        sync.run(frames_of(rows))
    assert REFUSALS_MAX <= server.requests < REFUSALS_MAX + concurrency + PROBES_MAX * is_one_known
    assert caught.value.status_code == 400


@pytest.mark.parametrize("chunk_size", CHUNK_SIZES)
@pytest.mark.parametrize("concurrency", CONCURRENCIES)
@pytest.mark.whole_run
def test_a_list_that_closes_in_the_middle_of_a_run_stops_it_as_soon(chunk_size: int, concurrency: int) -> None:
    class Closing(SlowServer):
        def __call__(self, payloads: Payloads) -> Items:
            self.is_closed = self.requests >= 4
            return super().__call__(payloads)

    rows = numbers(20 * chunk_size + 500)
    server = Closing(wording="with an incident id")
    sync = sync_to(server, chunk_size=chunk_size, concurrency=concurrency)
    with pytest.raises(OctopushRequestError, match=NONE_ACCEPTED):
        sync.run(frames_of(rows))
    # What was under way when the list closed, and what was when the breaker opened.
    assert server.requests < 4 + REFUSALS_MAX + PROBES_MAX + 2 * concurrency
    assert 0 < sync.summary.added <= len(server.stored)


@pytest.mark.parametrize(
    ("size", "place", "chunk_size", "concurrency"),
    pairs([300, 1000, 4000], ["head", "middle"], [1, 7, 200, 1000], [1, 4]),
)
@pytest.mark.whole_run
def test_a_cluster_of_bad_contacts_costs_no_good_one_where_one_is_known(
    size: int, place: str, chunk_size: int, concurrency: int
) -> None:
    rng = random.Random(f"{size} {place} {chunk_size} {concurrency}")
    rows = numbers(size + rng.randrange(1, 900))
    start = 0 if place == "head" else rng.randrange(1, len(rows) - size + 1)
    server = Server(rows[start : start + size], rng.choice(list(WORDINGS)))
    # In the middle, one that was accepted before is known.
    known_good = "+33799999999" if place == "head" else None
    sync = sync_to(server, chunk_size=chunk_size, concurrency=concurrency, known_good=known_good)
    check(sync.run(frames_of(rows)), server, rows, known_good)


@pytest.mark.parametrize(
    ("bad_chunks", "chunk_size", "concurrency"), pairs([1, 2, 7, 20], [1, 2, 5, 10, 200], [1, 3, 16])
)
@pytest.mark.whole_run
def test_twenty_chunks_of_bad_contacts_at_the_head_stop_nothing_though_none_is_known(
    chunk_size: int, concurrency: int, bad_chunks: int
) -> None:
    rows = numbers((bad_chunks + 3) * chunk_size)
    server = (SlowServer if chunk_size <= 10 else Server)(rows[: bad_chunks * chunk_size], "with an incident id")
    check(sync_to(server, chunk_size=chunk_size, concurrency=concurrency).run(frames_of(rows)), server, rows)


@pytest.mark.parametrize("chunk_size", [10, 50, 200, 1000])
@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.whole_run
def test_the_order_of_the_rows_does_not_decide(chunk_size: int, is_reversed: bool) -> None:
    rows = numbers(1000)
    server = Server(rows[:200])
    check(sync_to(server, chunk_size=chunk_size).run(frames_of(rows[::-1] if is_reversed else rows)), server, rows)


def bad_ones(rows: list[str], rng: random.Random) -> list[str]:
    """Choose bad contacts in a shape that nobody thought of: clusters, patterns, single ones, all together."""
    bad: list[str] = []
    for _ in range(rng.choice([1, 1, 2, 5])):
        start, size = rng.randrange(len(rows)), rng.choice([1, 3, 60, 300, 1000])
        bad += rows[start : start + size : rng.choice([1, 1, 1, 2, 3])]
    return bad + rng.sample(rows, int(len(rows) * rng.choice([0, 0, 0.05, 0.6])))


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.whole_run
def test_no_good_contact_is_left_out_where_one_is_known_wherever_the_bad_ones_are(seed: int) -> None:
    rng = random.Random(seed)
    rows = numbers(rng.randrange(1, 2500))
    server = (SlowServer if len(rows) < 300 else Server)(bad_ones(rows, rng), rng.choice(list(WORDINGS)))
    known_good = "+33799999999"
    sync = sync_to(
        server, chunk_size=rng.choice(CHUNK_SIZES), concurrency=rng.choice([1, 2, 4, 8]), known_good=known_good
    )
    check(sync.run(frames_of(rows)), server, rows, known_good)


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.whole_run
def test_where_none_is_known_all_are_delivered_or_the_run_fails(seed: int) -> None:
    rng = random.Random(seed)
    rows = numbers(rng.randrange(1, 2500))
    good = rng.choice([0, 1, 3, 30])
    server = (SlowServer if len(rows) < 300 else Server)(set(rows) - set(rng.sample(rows, min(good, len(rows)))))
    concurrency = rng.choice([1, 2, 4, 8])
    sync = sync_to(server, chunk_size=rng.choice(CHUNK_SIZES), concurrency=concurrency)
    try:
        summary = sync.run(frames_of(rows))
    except OctopushRequestError:
        assert server.stored == set()
        assert REFUSALS_MAX <= server.requests < REFUSALS_MAX + concurrency
    else:
        check(summary, server, rows)


@pytest.mark.parametrize("count", [1, 2, 19, 29])
@pytest.mark.parametrize("chunk_size", [1, 7, 200])
@pytest.mark.whole_run
def test_a_few_contacts_that_are_all_refused_are_refused_contacts(count: int, chunk_size: int) -> None:
    rows = numbers(count)
    server = Server(rows)
    check(sync_to(server, chunk_size=chunk_size).run(frames_of(rows)), server, rows)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.whole_run
def test_refusals_in_passing_end_nothing(seed: int) -> None:
    rng = random.Random(seed)
    rows = numbers(2000)
    server = Server(rows[100:1100], "with an incident id", passing=rng.choice([10, 40]), seed=seed)
    summary = sync_to(server, chunk_size=rng.choice([5, 50, 200]), concurrency=rng.choice([1, 4])).run(frames_of(rows))
    # One that is refused in passing while alone cannot be told from a bad one; it is in the rejects file.
    assert server.stored <= set(rows) - server.bad
    assert summary.added == len(server.stored)
    assert summary.added + summary.refused == len(rows)


def test_what_was_deferred_does_not_wait_for_the_last_row() -> None:
    rows = numbers(2000)
    server = Server([row for row in rows[:20] if row != rows[3]])
    order: list[str] = []

    def post(payloads: Payloads) -> Items:
        items = server(payloads)
        order.extend(payload["phone_number"] for payload in payloads)
        return items

    sync_to(post, chunk_size=10).run(frames_of(rows))
    assert order.index(rows[3]) < 100


def test_of_a_refused_chunk_two_contacts_are_asked_about_before_the_next_one_s_turn_comes() -> None:
    rows = numbers(12)
    asked: list[list[str]] = []

    def post(payloads: Payloads) -> Items:
        asked.append([payload["phone_number"] for payload in payloads])
        raise refusal()

    sync_to(post, chunk_size=4).run(frames_of(rows))
    assert asked[:8] == [
        rows[:4],
        *([row] for row in (rows[3], rows[0], rows[7], rows[4], rows[11], rows[8])),
        # No chunk is left: the rest of the first one.
        rows[1:2],
    ]
    assert sorted(row[0] for row in asked if len(row) == 1) == rows


def test_what_is_not_about_contacts_ends_the_run_at_once() -> None:
    asked = 0

    def post(_: Payloads) -> Items:
        nonlocal asked
        asked += 1
        raise refusal(status_code=404)

    with pytest.raises(OctopushRequestError) as caught:
        sync_to(post, chunk_size=4, known_good="+33799999999").run(frames_of(numbers(12)))
    assert (caught.value.status_code, asked) == (404, 1)


# The rule, step by step.


def refusal(text: str = "no", status_code: int = 422) -> OctopushRequestError:
    return OctopushRequestError(text, status_code=status_code, code=7, message=text)


def raising(error: BaseException) -> Callable[[], list[str]]:
    def send() -> list[str]:
        raise error

    return send


class Breaker(CircuitBreaker):
    """One whose known-good contact is accepted or not as a test says, and which remembers when it was sent."""

    def __init__(self, *answers: OctopushError | None) -> None:
        super().__init__(self._answer, lambda: None)
        self.answers = list(answers)
        self.asked = 0
        self.probes: list[tuple[int, int]] = []

    def _answer(self, known_good: object) -> list[str]:
        self.probes.append((self.asked, known_good.row))  # type: ignore[attr-defined] # it is a contact
        if self.answers and (answer := self.answers.pop(0)) is not None:
            raise answer
        return []

    def refuse(self, times: int = 1, error: OctopushRequestError | None = None) -> None:
        for _ in range(times):
            error = error or refusal()
            assert self.ask(contact("+33600000009"), raising(error)) is error
            self.asked += 1

    def accept(self, number: str = "+33600000001") -> None:
        # An answer that lists nobody is an acceptance of the request, too.
        assert self.ask(contact(number), list) == []
        self.asked += 1


def test_after_60_refusals_in_a_row_the_known_good_contact_is_sent_and_if_accepted_the_count_begins_anew() -> None:
    breaker = Breaker()
    breaker.accept()
    breaker.refuse(3 * REFUSALS_MAX + 1)
    assert [asked for asked, _ in breaker.probes] == [1 + REFUSALS_MAX, 1 + 2 * REFUSALS_MAX, 1 + 3 * REFUSALS_MAX]


def test_refusals_between_which_one_was_accepted_are_not_in_a_row() -> None:
    breaker = Breaker()
    for _ in range(5):
        breaker.accept()
        breaker.refuse(REFUSALS_MAX - 1)
    assert breaker.probes == []


def test_a_refusal_whose_request_began_before_the_latest_acceptance_does_not_count() -> None:
    breaker = Breaker()

    def send() -> list[str]:
        # In another thread, as it were.
        breaker.accept()
        raise refusal()

    breaker.ask(contact("+33600000009"), send)
    breaker.refuse(REFUSALS_MAX)
    assert breaker.probes == []
    breaker.refuse()
    assert len(breaker.probes) == 1


def test_the_known_good_contact_is_the_last_one_that_was_accepted() -> None:
    sent: list[object] = []
    breaker = CircuitBreaker(sent.append, lambda: None)
    breaker.note_known_good(known := contact("+33600000001"))
    for _ in range(REFUSALS_MAX + 1):
        breaker.ask(contact("+33600000009"), raising(refusal()))
    assert sent == [known]
    breaker.ask(latest := contact("+33600000002"), list)
    for _ in range(REFUSALS_MAX + 1):
        breaker.ask(contact("+33600000009"), raising(refusal()))
    assert sent == [known, latest]


@pytest.mark.parametrize("in_passing", range(PROBES_MAX))
def test_a_known_good_contact_that_is_refused_in_passing_ends_nothing(in_passing: int) -> None:
    breaker = Breaker(*[refusal()] * in_passing)
    breaker.accept()
    breaker.refuse(2 * REFUSALS_MAX + 1)
    assert len(breaker.probes) == in_passing + 2


def test_a_known_good_contact_that_is_refused_five_times_ends_the_run() -> None:
    breaker = Breaker(*[refusal("list not found")] * PROBES_MAX)
    breaker.accept()
    breaker.refuse(REFUSALS_MAX)
    sent: list[None] = []
    with pytest.raises(OctopushRequestError) as caught:
        breaker.ask(contact("+33600000009"), lambda: sent.append(None))
    assert str(caught.value) == (
        "65 requests in a row were refused and none was accepted: list not found; the rest was not sent; "
        "check list_name, tag_name"
    )
    assert (caught.value.status_code, caught.value.code, caught.value.message) == (422, 7, "list not found")
    assert (len(breaker.probes), sent) == (PROBES_MAX, [])


def test_where_none_is_known_60_refusals_in_a_row_end_the_run() -> None:
    breaker = Breaker()
    breaker.refuse(REFUSALS_MAX)
    with pytest.raises(OctopushRequestError, match="60 requests in a row were refused and none was accepted: no; "):
        breaker.refuse()


@pytest.mark.parametrize("error", [OctopushServerError("down"), StoppedError(), refusal(status_code=404)])
def test_what_is_neither_accepted_nor_refused_for_its_contacts_counts_as_nothing(error: Exception) -> None:
    breaker = Breaker()
    breaker.refuse(REFUSALS_MAX - 1)
    with pytest.raises(type(error)):
        breaker.ask(contact("+33600000009"), raising(error))
    assert breaker.is_searching
    # One more may be sent, and is the 60th; nothing is under way any more.
    breaker.refuse()
    with pytest.raises(OctopushRequestError, match=NONE_ACCEPTED):
        breaker.refuse()


@pytest.mark.parametrize("status_code", sorted(CONTENT_REFUSED))
def test_a_refusal_that_may_be_about_contacts_is_given_back(status_code: int) -> None:
    Breaker().refuse(error=refusal(status_code=status_code))


def test_a_good_contact_is_searched_for_from_the_first_refusal_to_the_first_acceptance() -> None:
    breaker = Breaker()
    searches = [breaker.is_searching]
    breaker.refuse()
    searches.append(breaker.is_searching)
    breaker.accept()
    breaker.refuse(2)
    searches.append(breaker.is_searching)
    assert searches == [False, True, False]


def test_a_known_good_contact_that_is_accepted_ends_the_search() -> None:
    breaker = Breaker()
    breaker.note_known_good(contact("+33600000001"))
    breaker.refuse(REFUSALS_MAX)
    assert breaker.is_searching
    breaker.refuse()
    assert not breaker.is_searching
