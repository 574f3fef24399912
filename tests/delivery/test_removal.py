"""What is asked when numbers are removed; what becomes of each, the tests of whole runs show."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import pytest

from airflow_provider_octopush.delivery.removal import Candidate, Removal
from airflow_provider_octopush.delivery.retry import Backoff, StoppedError
from airflow_provider_octopush.exceptions import (
    OctopushError,
    OctopushRateLimitError,
    OctopushRequestError,
    OctopushServerError,
)


class Api:
    """Removes numbers, or raises what a test says."""

    def __init__(self, refuse: Callable[[Sequence[str]], OctopushError | None] = lambda _: None) -> None:
        self.refuse = refuse
        self.asked: list[Sequence[str]] = []
        self.removed: list[str] = []

    def __call__(self, numbers: Sequence[str]) -> None:
        self.asked.append(numbers)
        if (error := self.refuse(numbers)) is not None:
            raise error
        self.removed += numbers


def candidates(number: int) -> list[Candidate[None]]:
    return [Candidate(f"+336{place:08}", None) for place in range(number)]


def refusal(status_code: int = 400) -> OctopushRequestError:
    return OctopushRequestError("no", status_code=status_code)


@pytest.mark.parametrize(
    "error", [OctopushRateLimitError("slow", status_code=429, retry_after=7.0), OctopushServerError("down")]
)
def test_what_may_pass_is_repeated_as_late_as_asked_and_told_as_when_contacts_are_sent(
    error: OctopushError, caplog: pytest.LogCaptureFixture
) -> None:
    errors = [error]
    api, slept = Api(lambda _: errors.pop() if errors else None), list[float]()
    removal = Removal[None](api, Backoff(5, sleep=slept.append))
    with caplog.at_level(logging.WARNING):
        removed = removal.remove(candidates(300))
    assert (removed.kept, removed.unsettled, len(api.removed)) == ([], [], 300)
    assert (removal.requests, removal.retries) == (3, 1)
    assert slept[0] == (error.retry_after or pytest.approx(0.75, abs=0.25))
    assert "attempt 1 of 6 failed, the next one in " in caplog.text


@pytest.mark.parametrize("bad", [0, 57, 199])
def test_one_number_that_is_refused_costs_no_other_and_at_most_17_more_requests(bad: int) -> None:
    all_of_them = candidates(200)
    api = Api(lambda numbers: refusal(409) if all_of_them[bad].number in numbers else None)
    removed = Removal[None](api, Backoff(0)).remove(all_of_them)
    assert removed.kept == [all_of_them[bad]]
    assert sorted([*api.removed, all_of_them[bad].number]) == [candidate.number for candidate in all_of_them]
    assert len(api.asked) <= 1 + 17


def test_nothing_is_asked_twice_where_all_is_refused_and_60_requests_are_the_most() -> None:
    api = Api(lambda _: refusal())
    removed = Removal[None](api, Backoff(0)).remove(candidates(500))
    assert len(removed.kept) == 500
    assert len({tuple(numbers) for numbers in api.asked}) == len(api.asked) == 60


@pytest.mark.parametrize("error", [OctopushServerError("down"), refusal(405), KeyboardInterrupt()])
def test_what_was_not_asked_about_is_put_back_when_it_fails(error: BaseException) -> None:
    put_back: list[Candidate[None]] = []

    def delete(numbers: Sequence[str]) -> None:
        raise refusal() if len(numbers) > 50 else error

    removal = Removal[None](delete, Backoff(0), restore=put_back.extend)
    all_of_them = candidates(200)
    with pytest.raises(type(error)):
        removal.remove(all_of_them)
    # Nobody knows what became of the 50 of the last request, unless it was answered.
    is_answered = isinstance(error, OctopushRequestError)
    assert len(put_back) == (200 if is_answered else 150)
    assert all_of_them[0].is_unanswered is not is_answered


def test_once_it_is_stopped_nothing_is_asked() -> None:
    api = Api()
    removal = Removal[None](api, Backoff(0))
    removal.stop()
    with pytest.raises(StoppedError):
        removal.remove(candidates(3))
    assert api.asked == []
