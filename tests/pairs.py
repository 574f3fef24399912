"""Combinations for tests that would take minutes with each choice and all of the others."""

from __future__ import annotations

import random
from collections.abc import Collection
from itertools import combinations, product
from typing import Any


def pairs(*dimensions: Collection[Any]) -> list[tuple[Any, ...]]:
    """
    Choose combinations in which each two choices meet, where the product has all that there are.

    :param dimensions: what there is to choose from, for each parameter.
    """
    candidates = list(product(*dimensions))
    random.Random(0).shuffle(candidates)
    meetings = {one: set(combinations(enumerate(one), 2)) for one in candidates}
    missing = set().union(*meetings.values())
    chosen = []
    while missing:
        best = max(candidates, key=lambda one: len(meetings[one] & missing))
        chosen.append(best)
        missing -= meetings[best]
    return chosen
