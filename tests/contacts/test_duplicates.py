from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_octopush.contacts.duplicates import SeenNumbers


@given(st.lists(st.integers(0, 10**21)))
def test_a_number_is_new_once(numbers: list[int]) -> None:
    seen = SeenNumbers()
    known: set[int] = set()
    for number in [*numbers, *numbers]:
        assert seen.add(number) is (number not in known)
        known.add(number)


def test_a_number_that_is_not_e164_is_kept_apart_from_all_others() -> None:
    seen = SeenNumbers()
    assert seen.add(2**64 + 33612345678)
    assert seen.add(33612345678)
    assert not seen.add(2**64 + 33612345678)


@given(st.lists(st.lists(st.integers(0, 40) | st.integers(2**64 - 2, 2**64 + 2)), max_size=5))
def test_numbers_that_come_together_are_found_as_those_that_come_alone(batches: list[list[int]]) -> None:
    alone, together = SeenNumbers(), SeenNumbers()
    for numbers in batches:
        assert together.add_all(numbers) == [alone.add(number) for number in numbers]
