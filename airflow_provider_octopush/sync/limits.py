"""A limit that a person writes: a number, or a share of something."""

from __future__ import annotations

import math
from decimal import Decimal


def allowed(limit: float, of: int) -> int:
    """
    Return how many a limit allows.

    :param limit: a number (an int), or a share (a float from 0 to 1), which is taken as it is written: 0.29 of 100 is
        29, though the product of the floats is less.
    :param of: of how many.
    """
    return limit if isinstance(limit, int) else math.floor(Decimal(str(float(limit))) * of)
