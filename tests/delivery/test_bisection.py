from __future__ import annotations

import random

import pytest

from airflow_provider_octopush.delivery.bisection import Bisection


def asked_of(number: int, bad: set[int]) -> tuple[list[list[int]], list[int]]:
    """Ask until nothing waits; return what was asked, and what was refused alone."""
    waiting = Bisection(range(number))
    asked: list[list[int]] = []
    refused: list[int] = []
    while waiting:
        piece = waiting.take()
        asked.append(list(piece))
        if bad.isdisjoint(piece):
            continue
        if len(piece) > 1:
            waiting.halve(piece)
        else:
            refused += piece
    return asked, refused


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_bad_each_item_is_accepted_in_one_piece_or_refused_alone(seed: int) -> None:
    rng = random.Random(seed)
    number = rng.randrange(1, 300)
    bad = set(rng.sample(range(number), rng.randrange(number + 1)))
    asked, refused = asked_of(number, bad)
    accepted = [item for piece in asked if bad.isdisjoint(piece) for item in piece]
    assert sorted(accepted + refused) == list(range(number))
    assert set(refused) == bad
    assert len(asked) <= 2 * number - 1


def test_pieces_are_asked_about_in_their_order() -> None:
    asked, _ = asked_of(5, {3})
    assert asked == [[0, 1, 2, 3, 4], [0, 1], [2, 3, 4], [2], [3, 4], [3], [4]]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_first_and_the_last_are_taken_out_alone(number: int) -> None:
    waiting = Bisection(list(range(number)))
    taken = [list(waiting.take_last())]
    if waiting:
        taken.append(list(waiting.take_first()))
    assert taken == [[number - 1], [0]][:number]
    assert list(waiting) == [[1]] * (number == 3)


def test_also_of_halves() -> None:
    waiting = Bisection(list(range(4)))
    waiting.halve(waiting.take())
    assert [list(waiting.take_last()), list(waiting.take_first())] == [[3], [0]]
    assert [list(waiting.take()), list(waiting.take())] == [[1], [2]]
    assert not waiting
