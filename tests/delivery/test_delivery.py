from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.delivery.chunk_result import ChunkResult
from airflow_provider_octopush.delivery.delivery import Delivery
from airflow_provider_octopush.delivery.retry import Backoff
from airflow_provider_octopush.exceptions import (
    OctopushCredentialsError,
    OctopushError,
    OctopushRateLimitError,
    OctopushRequestError,
    OctopushServerError,
)
from airflow_provider_octopush.outcomes import Outcome
from airflow_provider_octopush.payloads import ContactPayload
from tests.delivery.apis import Items, Payloads, delivery_to


def contacts(number: int, start: int = 0) -> list[Contact]:
    return [
        Contact(row, 33600000000 + row, ContactPayload(f"+{33600000000 + row}"), (f"+{33600000000 + row}",))
        for row in range(start + 1, start + number + 1)
    ]


class Api:
    """The API as a function: what it refuses is for each test to say."""

    def __init__(self, refuse: Callable[[Payloads], OctopushError | None] = lambda _: None) -> None:
        self.refuse = refuse
        self.sizes: list[int] = []
        self.stored: list[str] = []
        self.status = "added"

    def __call__(self, payloads: Payloads) -> Items:
        self.sizes.append(len(payloads))
        error = self.refuse(payloads)
        if error is not None:
            raise error
        self.stored += [payload["phone_number"] for payload in payloads]
        return [{"phone_number": payload["phone_number"], "status": self.status} for payload in payloads]


def refusal(message: str = "bad number", status_code: int = 400) -> OctopushRequestError:
    return OctopushRequestError("refused", status_code=status_code, code=117, full_message=message)


def refuse_contacts(*rows: int) -> Callable[[Payloads], OctopushError | None]:
    bad = {f"+{33600000000 + row}" for row in rows}
    return lambda payloads: refusal() if any(p["phone_number"] in bad for p in payloads) else None


def delivery(api: Callable[[Payloads], Items], retries: int = 5, slept: list[float] | None = None) -> Delivery:
    return delivery_to(api, Backoff(retries, sleep=(slept if slept is not None else []).append))


def deliver(one: Delivery, chunk: list[Contact]) -> ChunkResult:
    """Deliver a chunk that no other one comes after."""
    prepared = one.prepare(chunk)
    while (result := one.deliver(prepared)) is None:
        pass
    return result


def refused_rows(result: ChunkResult) -> list[int]:
    return sorted(r.row for r in result.rejections if r.outcome is Outcome.REFUSED)


@pytest.mark.whole_run
def test_one_bad_contact_does_not_sink_its_chunk_and_costs_at_most_17_more_requests() -> None:
    most = 0
    for bad in range(1, 201):
        api = Api(refuse_contacts(bad))
        result = deliver(delivery(api), contacts(200))
        assert refused_rows(result) == [bad]
        assert result.confirmed == {"added": 199}
        assert len(api.stored) == 199
        most = max(most, len(api.sizes) - 1)
    assert most <= 17


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.whole_run
def test_any_number_of_bad_contacts_is_found_once_one_was_accepted(seed: int) -> None:
    rng = random.Random(seed)
    bad = set(rng.sample(range(201, 401), rng.choice([2, 20, 100, 199, 200])))
    api = Api(refuse_contacts(*bad))
    one = delivery(api)
    deliver(one, contacts(200))
    result = deliver(one, contacts(200, start=200))
    assert set(refused_rows(result)) == bad
    assert result.confirmed.total() == 200 - len(bad)


def test_bad_contacts_at_the_head_of_the_first_chunk_are_not_taken_for_a_bad_request() -> None:
    result = deliver(delivery(Api(refuse_contacts(*range(1, 150)))), contacts(200))
    assert refused_rows(result) == list(range(1, 150))
    assert result.confirmed == {"added": 51}


def test_a_request_that_is_refused_whatever_it_holds_stops_early_with_one_clear_error() -> None:
    api = Api(lambda _: refusal("unknown list"))
    with pytest.raises(OctopushRequestError, match="60 requests in a row were refused and none was accepted") as caught:
        deliver(delivery(api), contacts(200))
    assert (caught.value.status_code, caught.value.code, caught.value.full_message()) == (400, 117, "unknown list")
    assert len(api.sizes) == 60


def test_a_bad_contact_is_not_taken_for_a_request_that_is_too_large() -> None:
    api = Api(refuse_contacts(3))
    one = delivery(api)
    deliver(one, contacts(200))
    deliver(one, contacts(200, start=200))
    assert api.sizes[-1] == 200


@pytest.mark.parametrize("status_code", [404, 405, 302, 415])
def test_a_refusal_that_cannot_be_about_a_contact_is_not_split(status_code: int) -> None:
    api = Api(lambda _: refusal(status_code=status_code))
    with pytest.raises(OctopushRequestError):
        deliver(delivery(api), contacts(200))
    assert api.sizes == [200]


def test_refused_credentials_stop_at_once() -> None:
    api = Api(lambda _: OctopushCredentialsError("no", status_code=401))
    with pytest.raises(OctopushCredentialsError):
        deliver(delivery(api), contacts(200))
    assert api.sizes == [200]


@pytest.mark.parametrize("error", [OctopushServerError("down", status_code=503), OctopushRateLimitError("slow")])
def test_what_may_pass_is_repeated_and_then_counted_once(error: OctopushError) -> None:
    failures = iter([error, error])
    api = Api(lambda _: next(failures, None))
    slept: list[float] = []
    one = delivery(api, slept=slept)
    assert deliver(one, contacts(3)).confirmed == {"added": 3}
    assert (one.requests, one.retries) == (3, 2)
    assert 0.5 <= slept[0] <= 1.0 <= slept[1] <= 2.0


def test_what_does_not_pass_is_raised_after_the_retries_of_the_connection() -> None:
    api = Api(lambda _: OctopushServerError("down", status_code=503))
    with pytest.raises(OctopushServerError):
        deliver(delivery(api, retries=2), contacts(3))
    assert api.sizes == [3, 3, 3]


def test_the_last_contact_that_is_tried_for_all_others_may_be_the_only_one_that_is_accepted() -> None:
    api = Api(refuse_contacts(*range(1, 20)))
    result = deliver(delivery(api), contacts(20))
    assert refused_rows(result) == list(range(1, 20))
    assert result.confirmed == {"added": 1}
    assert 0 not in api.sizes


def test_a_429_slows_also_what_waits_for_a_repetition_of_its_own() -> None:
    errors: list[OctopushError] = [
        OctopushServerError("down", status_code=503),
        OctopushRateLimitError("slow", status_code=429, retry_after=100.0),
    ]
    waiting = [contacts(1, start=1)]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if waiting:
            # Meanwhile another thread meets the limit.
            deliver(one, waiting.pop())

    one = delivery_to(Api(lambda _: errors.pop(0) if errors else None), Backoff(5, sleep=sleep))
    deliver(one, contacts(1))
    own, of_the_other, rest = slept
    assert own <= 1.0
    assert of_the_other == 100.0
    assert 90 < rest <= 100


def test_once_two_chunks_say_that_they_were_too_large_the_next_one_is_cut_before_it_is_sent() -> None:
    api = Api(lambda payloads: refusal() if len(payloads) > 2 else None)
    one = delivery(api)
    for start in (0, 4, 8):
        assert deliver(one, contacts(4, start)).confirmed == {"added": 4}
    # Nothing was accepted yet when the first one was refused, so its last contact was asked about alone.
    assert api.sizes == [4, 1, 2, 1, 4, 2, 2, 2, 2]


@pytest.mark.parametrize(
    ("error", "is_unchanged"),
    [
        (OctopushServerError("lost"), False),
        (OctopushRateLimitError("slow"), True),
    ],
)
def test_of_a_refused_contact_the_list_has_nothing_unless_a_request_had_no_answer(
    error: OctopushError, *, is_unchanged: bool
) -> None:
    errors = [error]
    chunk = contacts(3)
    refuse = refuse_contacts(2)
    result = deliver(delivery(Api(lambda payloads: errors.pop() if errors else refuse(payloads))), chunk)
    assert refused_rows(result) == [2]
    assert result.refused == ([chunk[1]] if is_unchanged else [])
