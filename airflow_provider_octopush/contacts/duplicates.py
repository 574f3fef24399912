"""Finds duplicates: rows with a phone number that the run has already seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pyroaring import BitMap64

from airflow_provider_octopush.contacts.rejection import Rejection
from airflow_provider_octopush.outcomes import Outcome

_TOO_LARGE = 2**64


class SeenNumbers:
    """The canonical numbers that a run has seen, to find a second contact with the same one."""

    def __init__(self) -> None:
        self._numbers = BitMap64()
        # E.164 has 15 digits at most, but a number that is not valid is sent as it was written.
        self._large: set[int] = set()

    def __iter__(self) -> Iterator[int]:
        """Give the numbers seen."""
        yield from self._numbers
        yield from self._large

    def add_all(self, numbers: Sequence[int]) -> list[bool]:
        """
        Add numbers.

        :param numbers: numbers, each as :meth:`add` takes it.
        :return: the result of :meth:`add` for each of them, in their order.
        """
        try:
            together = BitMap64(numbers)
        except OverflowError:
            return list(map(self.add, numbers))
        if len(together) < len(numbers) or not self._numbers.isdisjoint(together):
            return list(map(self.add, numbers))
        self._numbers |= together
        return [True] * len(numbers)

    def have_all(self, numbers: Sequence[int]) -> list[bool]:
        """Tell for each number whether it was seen, without adding it."""
        if not self._numbers and not self._large:
            return [False] * len(numbers)
        return [number in (self._numbers if number < _TOO_LARGE else self._large) for number in numbers]

    def add(self, number: int) -> bool:
        """
        Add a number.

        :param number: the digits of the canonical number.
        :return: True when it is new, False when it was seen before.
        """
        if number < _TOO_LARGE:
            try:
                self._numbers.add_checked(number)
            except KeyError:
                return False
            return True
        size = len(self._large)
        self._large.add(number)
        return len(self._large) > size


def duplicate(row: int, values: tuple[object, ...]) -> Rejection:
    """Reject a row whose number was seen before."""
    return Rejection(row, Outcome.DUPLICATES, "same number as an earlier row", values)
