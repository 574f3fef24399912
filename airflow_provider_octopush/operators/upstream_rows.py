"""The rows that ``data`` stands for, which other tasks may have returned. Imported when a task runs."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException, XComArg

from airflow_provider_octopush.operators.wholeness import inner_references, is_of_many, parts_of, wholeness
from airflow_provider_octopush.sources.upstream import read_upstream

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from airflow.providers.common.compat.sdk import Context

log = logging.getLogger(__name__)


def upstream_frames(
    data: Any, columns: Sequence[str] | None, context: Context, *, parameter: str = "data"
) -> Generator[pd.DataFrame, None, None]:
    """
    Give the rows that ``data`` stands for, as many as came, whether the source is whole or not.

    An item for which the function of ``.map()`` raises AirflowSkipException is left out.

    :param data: rows, a reference to an upstream task's rows, or a list of both.
    :param columns: names for the values of rows that have none.
    :param context: the task's context.
    :param parameter: the operator's parameter that holds the rows, for error messages.
    """
    read = partial(read_upstream, columns=columns)
    of = "" if parameter == "data" else f" ({parameter})"
    if _is_reference(data):
        for part in _parts(data):
            yield from read(_rows_of(part, context, is_alone=part is data), origin=f"upstream{of}")
    elif isinstance(data, list | tuple) and _refers(data):
        for item in data:
            if _is_reference(item):
                for part in _parts(item):
                    yield from read(_rows_of(part, context), origin=f"upstream {_task_id(part) or 'task'}{of}")
            else:
                yield from read([_resolved(item, context)], origin=parameter)
    else:
        yield from read(data, origin=f"upstream{of}")


def _is_reference(value: Any) -> bool:
    """
    Whether it refers to a value that is known only when the task runs: an XComArg, or an argument of a task group.
    """
    kind = type(value)
    return isinstance(value, XComArg) or (hasattr(kind, "iter_references") and hasattr(kind, "resolve"))


def _refers(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_refers, value.values()))
    return _is_reference(value) or (isinstance(value, list | tuple) and any(map(_refers, value)))


def _parts(reference: Any) -> Iterator[Any]:
    """
    Take ``.concat()`` apart, also under ``.map()``, into references that give the same rows one after the other; as a
    whole it has no value if one of them has none.
    """
    inner = inner_references(reference) if isinstance(reference, XComArg) else []
    if len(inner) == 1 and hasattr(reference, "callables"):
        for part in _parts(inner[0]):
            yield reference if part is inner[0] else type(reference)(part, reference.callables)
    elif inner and not hasattr(reference, "fillvalue"):
        for part in inner:
            yield from _parts(part)
    else:
        yield reference


def _resolved(value: Any, context: Context) -> Any:
    if _is_reference(value):
        return value.resolve(context)
    if isinstance(value, Mapping):
        return {key: _resolved(inner, context) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_resolved(inner, context) for inner in value]
    return value


def _rows_of(reference: Any, context: Context, *, is_alone: bool = False) -> Any:
    """Return the value of a reference; no rows where it has none and the instances tell why."""
    failure: Exception | None = None
    rows: Any = None
    try:
        rows = reference.resolve(context)
    except Exception as error:  # noqa: BLE001 - Airflow has many, such as for a missing key or a None to map
        failure = error
    if rows is None and _is_missing(reference, context, is_alone=is_alone):
        return []
    if failure is not None:
        raise failure
    if type(rows) is list:
        # Airflow before 3.2 puts this in the place of an instance of a mapped task group that returned None.
        rows = [row for row in rows if type(row).__name__ != "ArgNotSet"]
    has_map = any(hasattr(part, "callables") for part in parts_of(reference))
    return _without_skipped(rows, reference) if has_map else rows


def _is_missing(reference: Any, context: Context, *, is_alone: bool) -> bool:
    """Whether it has no value because its instances gave none. A single task that forgot its return is told so."""
    found = wholeness(reference, context)
    is_one = is_alone and not is_of_many(reference)
    return bool(found.missing) and not (is_one and found.only_gave_none)


def _without_skipped(rows: Sequence[Any], reference: XComArg) -> Iterator[Any]:
    skipped = 0
    for index in range(len(rows)):
        try:
            row = rows[index]
        except AirflowSkipException:
            skipped += 1
            continue
        yield row
    if skipped:
        log.info("the function of .map() skipped %d of %d items of %r", skipped, len(rows), reference)


def _task_id(reference: Any) -> str | None:
    return getattr(getattr(reference, "operator", None), "task_id", None)
