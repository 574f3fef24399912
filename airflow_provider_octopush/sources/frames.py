"""Rows as tuples → a DataFrame that holds each value as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from airflow_provider_octopush.sources.errors import UnreadableValueError
from airflow_provider_octopush.text import may_be_a_value


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


def python_values(read: Callable[[], list[Any]], position: int, name: str, kind: object, origin: str) -> list[Any]:
    """
    Return the values of a column as Python objects.

    :param read: gives them.
    :param position: the column's place, from 0; with its name, its type and where it comes from for the error message.
    :raises UnreadableValueError: when one of them cannot be one. What failed may quote it, so its words are left out.
    """
    try:
        return read()
    except Exception:  # noqa: BLE001, S110 - Arrow, pandas and Python share no base class; see above
        pass
    named = "" if may_be_a_value(name) else f"{name!r}, "
    raise UnreadableValueError(
        f"Python cannot represent a value in column {position + 1} ({named}of type {kind}) of {origin}: write it as "
        "text, or leave the column out"
    )
