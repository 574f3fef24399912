from __future__ import annotations

import pytest

from airflow_provider_octopush.delivery.retry import Backoff

BACKOFF = Backoff(5)


@pytest.mark.parametrize("attempt", [1, 2, 3, 7, 50, 1025, 10**9])
@pytest.mark.parametrize("retry_after", [None, 0.0, 0.1, -5.0])
def test_our_own_delay_is_the_least_whatever_the_server_asks(attempt: int, retry_after: float | None) -> None:
    longest = min(60.0, 2.0 ** min(attempt - 1, 10))
    for _ in range(50):
        assert longest / 2 <= BACKOFF.delay(attempt, retry_after) <= longest


@pytest.mark.parametrize(("retry_after", "delay"), [(90.0, 90.0), (300.0, 300.0), (1e9, 300.0)])
def test_a_server_that_asks_for_more_gets_it_up_to_a_limit(retry_after: float, delay: float) -> None:
    assert BACKOFF.delay(1, retry_after) == delay


def test_delays_are_spread() -> None:
    assert len({BACKOFF.delay(4, None) for _ in range(20)}) > 10
