"""What a refusal is about, seen from outside: whole runs, however a server words its refusals."""

from __future__ import annotations

import random
import time

import pytest

from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.delivery.verdict import CONTACTS_MIN, REFUSALS_MAX, WITNESS_REFUSALS_MIN, Verdict
from airflow_provider_octopush.exceptions import OctopushRequestError
from airflow_provider_octopush.payloads import ContactPayload
from airflow_provider_octopush.sync.summary import OUTCOMES, Summary
from tests.delivery.apis import Items, Payloads
from tests.delivery.runs import WORDINGS, Server, frames_of, numbers, sync_to

CHUNK_SIZES = (1, 2, 5, 10, 200, 1000)
CONCURRENCIES = (1, 2, 5, 16)
EVERYTHING_REFUSED = "refuses every request alike, down to single contacts"


class SlowServer(Server):
    """Answers late enough that requests meet on their way."""

    def __call__(self, payloads: Payloads) -> Items:
        time.sleep(0.001)
        return super().__call__(payloads)


def check(summary: Summary, server: Server, rows: list[str]) -> None:
    """Every good contact was delivered, and every bad one is to blame for itself."""
    assert server.stored == set(rows) - server.bad
    assert (summary.added, summary.refused) == (len(server.stored), len(server.bad & set(rows)))
    assert summary.read == sum(getattr(summary, outcome) for outcome in OUTCOMES)


@pytest.mark.parametrize("wording", WORDINGS)
@pytest.mark.parametrize("chunk_size", CHUNK_SIZES)
@pytest.mark.parametrize("concurrency", CONCURRENCIES)
@pytest.mark.whole_run
def test_a_run_of_which_nothing_is_accepted_stops_after_60_requests(
    chunk_size: int, concurrency: int, wording: str
) -> None:
    rows = numbers(2000)
    server = SlowServer(rows, wording)
    with pytest.raises(OctopushRequestError, match=EVERYTHING_REFUSED) as caught:
        sync_to(server, chunk_size=chunk_size, concurrency=concurrency).run(frames_of(rows))
    assert server.requests < REFUSALS_MAX + concurrency
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
    with pytest.raises(OctopushRequestError, match=EVERYTHING_REFUSED):
        sync.run(frames_of(rows))
    # An answer that was on its way when the list closed may come late.
    assert server.requests <= 4 + REFUSALS_MAX + 10 * concurrency
    assert 0 < sync.summary.added <= len(server.stored)


@pytest.mark.parametrize("bad_chunks", [1, 2, 7, 20])
@pytest.mark.parametrize("chunk_size", [1, 2, 5, 10, 200])
@pytest.mark.parametrize("concurrency", [1, 3, 16])
@pytest.mark.whole_run
def test_chunks_of_bad_contacts_at_the_head_are_to_blame_themselves(
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


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.whole_run
def test_contacts_are_to_blame_wherever_they_are(seed: int) -> None:
    rng = random.Random(seed)
    chunk_size = rng.choice(CHUNK_SIZES[:-1])
    rows = numbers(rng.randrange(1, 30 * min(chunk_size, 40)))
    bad = {
        "every second": rows[::2],
        "all but the last": rows[-CONTACTS_MIN + 1 : -1],
        "some": rng.sample(rows, int(len(rows) * rng.choice([0.05, 0.3, 0.6]))),
        "runs": [row for i, row in enumerate(rows) if i // rng.choice([3, 20]) % 2],
    }
    server = SlowServer(bad[rng.choice(list(bad))], rng.choice(list(WORDINGS)))
    summary = sync_to(server, chunk_size=chunk_size, concurrency=rng.choice([1, 2, 8])).run(frames_of(rows))
    check(summary, server, rows)


@pytest.mark.parametrize("count", [1, 2, CONTACTS_MIN - 1])
@pytest.mark.parametrize("chunk_size", [1, 7, 200])
@pytest.mark.whole_run
def test_a_few_contacts_that_are_all_refused_say_nothing_of_the_request(count: int, chunk_size: int) -> None:
    rows = numbers(count)
    server = Server(rows)
    check(sync_to(server, chunk_size=chunk_size).run(frames_of(rows)), server, rows)


@pytest.mark.parametrize("count", [CONTACTS_MIN, CONTACTS_MIN + 1, 39, 58])
@pytest.mark.parametrize("chunk_size", [1, 7, 200])
@pytest.mark.whole_run
def test_rows_that_end_before_anything_was_accepted_are_no_success(count: int, chunk_size: int) -> None:
    rows = numbers(count)
    server = Server(rows, "two in turn")
    sync = sync_to(server, chunk_size=chunk_size)
    with pytest.raises(OctopushRequestError, match=EVERYTHING_REFUSED):
        sync.run(frames_of(rows))
    assert server.requests <= REFUSALS_MAX
    # It is not the contacts, so none of them counts as refused.
    assert sync.summary.refused == 0


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.whole_run
def test_refusals_in_passing_are_no_verdict(seed: int) -> None:
    rng = random.Random(seed)
    rows = numbers(2000)
    server = Server(rows[100:1100], "with an incident id", passing=rng.choice([10, 40]), seed=seed)
    summary = sync_to(server, chunk_size=rng.choice([5, 50, 200]), concurrency=rng.choice([1, 4])).run(frames_of(rows))
    # Who is refused in passing while alone cannot be told from who is bad; it is in the rejects file.
    assert server.stored <= set(rows) - server.bad
    assert summary.added == len(server.stored)
    assert summary.added + summary.refused == len(rows)


def test_what_was_set_aside_does_not_wait_for_the_last_row() -> None:
    rows = numbers(2000)
    server = Server(rows[:20])
    order: list[str] = []

    def post(payloads: Payloads) -> Items:
        items = server(payloads)
        order.extend(payload["phone_number"] for payload in payloads)
        return items

    bad = Server([row for row in rows[:20] if row != rows[3]])
    server.bad = bad.bad
    sync_to(post, chunk_size=10).run(frames_of(rows))
    assert order.index(rows[3]) < 100


CONTACTS = [Contact(row, row, ContactPayload(number), ()) for row, number in enumerate(numbers(3))]


def refusal(text: str = "no") -> OctopushRequestError:
    return OctopushRequestError(text, status_code=422, code=7, full_message=text)


def begin(verdict: Verdict) -> int:
    return verdict.begin(lambda: None)


def note_refused(verdict: Verdict, number: int, error: OctopushRequestError | None = None) -> Contact | None:
    accepted = begin(verdict)
    return verdict.note_refused(number, error or refusal(), accepted)


def note_witness_refused(verdict: Verdict) -> None:
    accepted = begin(verdict)
    verdict.note_witness_refused(refusal(), accepted)


def note_accepted(verdict: Verdict, contact: Contact) -> None:
    begin(verdict)
    verdict.note_accepted(contact)


def test_there_is_no_doubt_without_a_refusal() -> None:
    verdict = Verdict()
    doubts = [verdict.is_in_doubt]
    note_refused(verdict, 5)
    doubts.append(verdict.is_in_doubt)
    note_accepted(verdict, CONTACTS[0])
    doubts.append(verdict.is_in_doubt)
    assert doubts == [False, True, False]


def test_a_witness_is_asked_after_each_20_refusals_in_a_row_and_the_latest_one_it_is() -> None:
    verdict = Verdict()
    note_accepted(verdict, CONTACTS[0])
    note_accepted(verdict, CONTACTS[1])
    asked = []
    for number in range(1, 59):
        witness = note_refused(verdict, 1)
        if witness is not None:
            assert witness is CONTACTS[1]
            asked.append(number)
        assert not verdict.is_in_doubt
    assert asked == [20, 40]


def test_refusals_that_an_acceptance_comes_between_are_not_in_a_row() -> None:
    verdict = Verdict()
    for _ in range(10):
        note_accepted(verdict, CONTACTS[0])
        assert [note_refused(verdict, 1) for _ in range(19)] == [None] * 19


def test_without_the_witness_s_word_there_is_no_verdict() -> None:
    verdict = Verdict()
    note_accepted(verdict, CONTACTS[0])
    # It was asked, and has not been answered yet: its request is repeated, and takes a while.
    for _ in range(58):
        note_refused(verdict, 1)
    assert [note_refused(verdict, 1) for _ in range(3)] == [CONTACTS[0]] * 3
    with pytest.raises(OctopushRequestError, match=EVERYTHING_REFUSED):
        note_witness_refused(verdict)


def test_a_witness_that_was_refused_is_asked_again_sooner_and_has_the_last_word() -> None:
    verdict = Verdict()
    note_accepted(verdict, CONTACTS[0])
    asked: list[int] = []
    for request in range(1, 60):
        if asked and asked[-1] == request:
            note_witness_refused(verdict)
        elif note_refused(verdict, 1) is not None:
            asked.append(request + 1)
    assert asked == [21, 26, 31, 36, 41, 46, 51, 56, 60]
    with pytest.raises(OctopushRequestError, match=EVERYTHING_REFUSED):
        note_witness_refused(verdict)


def test_a_witness_that_is_refused_raises_doubt_and_no_more() -> None:
    verdict = Verdict()
    note_accepted(verdict, CONTACTS[0])
    for _ in range(20):
        note_refused(verdict, 1)
    doubts = [verdict.is_in_doubt]
    note_witness_refused(verdict)
    doubts.append(verdict.is_in_doubt)
    note_accepted(verdict, CONTACTS[0])
    doubts.append(verdict.is_in_doubt)
    # Its refusal is forgotten, too.
    note_refused(verdict, 1)
    doubts.append(verdict.is_in_doubt)
    assert doubts == [False, True, False, False]


def test_the_verdict_falls_with_the_60th_refusal_and_says_what_was_said_last() -> None:
    verdict = Verdict()
    for _ in range(59):
        assert note_refused(verdict, 1) is None
    with pytest.raises(OctopushRequestError) as caught:
        note_refused(verdict, 1, refusal("list not found"))
    assert str(caught.value) == (
        "Octopush refuses every request alike, down to single contacts, so it is not the contacts: "
        "check list_name, tag_name and the options. list not found"
    )
    assert (caught.value.status_code, caught.value.code, caught.value.full_message()) == (422, 7, "list not found")


def test_rows_that_end_after_20_contacts_were_refused_alone_are_enough_for_a_verdict() -> None:
    verdict = Verdict()
    for _ in range(CONTACTS_MIN):
        note_refused(verdict, 1)
    with pytest.raises(OctopushRequestError, match=EVERYTHING_REFUSED):
        verdict.conclude()


def test_requests_of_several_contacts_do_not_make_up_for_contacts_when_the_rows_end() -> None:
    verdict = Verdict()
    for _ in range(CONTACTS_MIN - 1):
        note_refused(verdict, 1)
        note_refused(verdict, 2)
    verdict.conclude()
    assert not verdict.is_in_doubt
    # And what was concluded counts no more.
    for _ in range(CONTACTS_MIN - 1):
        note_refused(verdict, 1)
    verdict.conclude()


def test_a_witness_is_a_contact_that_was_refused_alone() -> None:
    verdict = Verdict()
    note_accepted(verdict, CONTACTS[0])
    for number in [*[2] * WITNESS_REFUSALS_MIN, *[1] * (CONTACTS_MIN - WITNESS_REFUSALS_MIN)]:
        note_refused(verdict, number)
    for _ in range(WITNESS_REFUSALS_MIN):
        note_witness_refused(verdict)
    with pytest.raises(OctopushRequestError, match=EVERYTHING_REFUSED):
        verdict.conclude()


def test_there_is_nothing_to_conclude_where_there_is_no_doubt() -> None:
    verdict = Verdict()
    note_accepted(verdict, CONTACTS[0])
    for _ in range(CONTACTS_MIN):
        note_refused(verdict, 1)
    verdict.conclude()
    assert not verdict.is_in_doubt


def test_places_are_everywhere_in_a_chunk_and_meet_no_pattern() -> None:
    verdict = Verdict()
    places = [verdict.place() for _ in range(60)]
    assert all(0 <= place < 1 for place in places)
    for parts in (2, 3, 4, 7, 10, 16):
        assert {int(place * parts) for place in places[: 3 * parts]} == set(range(parts))
        assert {int(place * 200) % parts for place in places} == set(range(parts))
