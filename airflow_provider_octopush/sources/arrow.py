"""Arrow's record batches → DataFrames of Python values; pyarrow is imported only when there are any."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_octopush.sources.errors import UnusableSourceError
from airflow_provider_octopush.sources.frames import frame_of, python_values

if TYPE_CHECKING:
    import pandas as pd


def import_pyarrow(module: str, what: str, error: type[UnusableSourceError]) -> Any:
    """
    Import pyarrow, or a module of it.

    :param what: what needs it, for the message.
    :param error: the error to raise if it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        pass
    raise error(f"{what} needs pyarrow: install airflow-provider-octopush[parquet]")


def frames_of_batches(batches: Iterable[Any], batch_size: int, origin: str) -> Iterator[pd.DataFrame]:
    """
    Give the rows of record batches as frames of bounded size.

    An integer beside a null stays an int, null is None. Floats of 32 bits stay as they are: as Python floats, they
    would show digits that they never had.

    :param batches: record batches of one schema.
    :param batch_size: how many rows a frame has at most.
    :param origin: where the rows come from, for error messages.
    :return: frames of dtype object; batches without rows give one frame with their columns.
    :raises UnreadableValueError: when Python cannot represent a value.
    """
    for batch in batches:
        names = [str(name) for name in batch.schema.names]
        for start in range(0, max(batch.num_rows, 1), batch_size):
            part = batch.slice(start, batch_size)
            columns = [
                python_values(partial(_values, part.column(i)), i, names[i], part.column(i).type, origin)
                for i in range(len(names))
            ]
            rows = list(zip(*columns, strict=True)) if columns else [()] * part.num_rows
            yield frame_of(names, rows)


def is_narrow(arrow_type: Any) -> bool:
    """Tell whether values of a type of Arrow's are floats of fewer than 64 bits."""
    return str(getattr(arrow_type, "storage_type", arrow_type)) in ("float", "halffloat")


def _values(column: Any) -> list[Any]:
    if str(column.type).startswith("dictionary<") and is_narrow(column.type.value_type):
        column = column.dictionary_decode()
    elif str(column.type).startswith("run_end_encoded<"):
        column = importlib.import_module("pyarrow.compute").run_end_decode(column)
    return list(column.to_numpy(zero_copy_only=False)) if is_narrow(column.type) else list(column.to_pylist())
