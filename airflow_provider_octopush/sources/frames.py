"""Rows as tuples → a DataFrame that holds each value as it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd


def frame_of(names: Iterable[str], rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """
    Lay out rows without inspecting their values: if pandas were given the rows, it would inspect each of them.

    :param names: names of the columns; two may be the same.
    :param rows: rows of as many values as there are names.
    :return: of dtype object.
    :raises ValueError: when a row has more values, or fewer.
    """
    columns = pd.Index(list(names), dtype=object)
    cells = np.fromiter(chain.from_iterable(rows), dtype=object)
    return pd.DataFrame(cells.reshape(len(rows), len(columns)), columns=columns, dtype=object, copy=False)
