"""
Halving: a refused request does not say which of its contacts it is about, so each half is asked about, then its halves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Bisection(Generic[Item]):
    """
    The items without an outcome, in pieces that are each asked about in one request.

    :param whole: the first piece.
    """

    def __init__(self, whole: Sequence[Item]) -> None:
        self._waiting = [whole]

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Sequence[Item]]:
        return iter(self._waiting)

    def take(self) -> Sequence[Item]:
        """Take out the next piece."""
        return self._waiting.pop()

    def halve(self, piece: Sequence[Item]) -> None:
        """Put back a piece that was refused, or is too large, as two halves: both are asked about before the others."""
        middle = len(piece) // 2
        self._waiting += [piece[middle:], piece[:middle]]

    def take_first(self) -> Sequence[Item]:
        """Take out the first item alone."""
        piece = self._waiting.pop()
        if len(piece) > 1:
            self._waiting.append(piece[1:])
        return piece[:1]

    def take_last(self) -> Sequence[Item]:
        """Take out the last item alone."""
        piece = self._waiting[0]
        self._waiting[:1] = [piece[:-1]] if len(piece) > 1 else []
        return piece[-1:]
