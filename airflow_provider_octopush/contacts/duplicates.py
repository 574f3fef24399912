"""Which phone numbers a run has seen already."""

from __future__ import annotations


class SeenNumbers:
    """The canonical numbers of a run, to find the second contact with the same one."""

    def __init__(self) -> None:
        self._numbers: set[int] = set()

    def add(self, number: int) -> bool:
        """
        Note a number.

        :param number: the digits of the canonical number.
        :return: True when it is new, False when it was seen before.
        """
        if number in self._numbers:
            return False
        self._numbers.add(number)
        return True
