"""A limit is written ``12`` or ``"5%"``; whatever else somebody writes, the error shows what to write."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_octopush.limits import Limit, LimitError


@pytest.mark.parametrize(
    ("value", "of_200"),
    [(0, 0), (12, 12), ("12", 12), (" 5% ", 10), ("0.5%", 1), ("0.4%", 0), ("29%", 58), ("100%", 200)],
)
def test_a_number_or_a_share(value: Any, of_200: int) -> None:
    limit = Limit.of("max_rejected", value)
    assert limit is not None
    assert limit.most(200) == of_200
    assert Limit.of("max_rejected", limit) is limit


@pytest.mark.parametrize("value", [None, "", "  ", "None"])
def test_nothing_written_is_no_limit(value: Any) -> None:
    assert Limit.of("max_rejected", value) is None


USUAL = 'write a number, such as 12, or a share from "0%" to "100%", such as "5%"'


@pytest.mark.parametrize(
    ("value", "what_to_write"),
    [
        (0.05, 'write "5%" for this share of all'),
        ("0.05", 'write "5%" for this share of all'),
        ("0,05", 'write "5%" for this share of all'),
        ("5,0%", 'write "5%" for this share of all'),
        ("2,5 %", 'write "2.5%" for this share of all'),
        (1.0, 'write "100%" for this share of all'),
        (12.0, USUAL),
        (float("nan"), USUAL),
        (True, USUAL),
        (-1, USUAL),
        ("-1", USUAL),
        ("-5%", USUAL),
        ("101%", USUAL),
        ("5 percent", USUAL),
        (["5%"], USUAL),
    ],
)
def test_the_error_shows_what_to_write(value: Any, what_to_write: str) -> None:
    with pytest.raises(LimitError) as caught:
        Limit.of("max_rejected", value)
    shown = "a list" if isinstance(value, list) else repr(value)
    assert str(caught.value) == f"max_rejected is {shown}: {what_to_write}"


def test_some_shares_may_be_more_than_all() -> None:
    limit = Limit.of("max_added", "250%", may_exceed_all=True)
    assert limit is not None
    assert (limit.most(10), limit.most(3)) == (25, 7)
