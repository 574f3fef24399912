"""Where an operator's rows come from, as far as Airflow is concerned. Imported when a task runs."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException, BaseHook, XComArg

from airflow_provider_octopush.operators.upstream import inner_references, is_of_many, wholeness
from airflow_provider_octopush.sources.errors import HookError
from airflow_provider_octopush.sources.upstream import read_upstream

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from airflow.providers.common.compat.sdk import Context

log = logging.getLogger(__name__)

_BIGQUERY = "airflow.providers.google.cloud.hooks.bigquery"

#: Type of a connection → the hook that it means, for types where Airflow's own choice leads to no database.
MEANT_HOOKS = {
    "databricks": "airflow.providers.databricks.hooks.databricks_sql.DatabricksSqlHook",
    "google_cloud_platform": f"{_BIGQUERY}.BigQueryHook",
    "gcpbigquery": f"{_BIGQUERY}.BigQueryHook",
}


def sql_hook(conn_id: str, hook_class: type | str | None, hook_params: Mapping[str, Any] | None) -> Any:
    """
    Make the hook that a query runs through.

    :param conn_id: of the connection.
    :param hook_class: class of the hook, or its dotted path. None takes what the connection's type leads to.
    :param hook_params: arguments for the hook.
    :raises HookError: when there is no such hook; it names the parameter to write.
    """
    connection: Any = None
    if hook_class is None:
        connection = BaseHook.get_connection(conn_id)
        hook_class = MEANT_HOOKS.get(connection.conn_type)
    params = dict(hook_params or {})
    if hook_class is None:
        return _hook_of_type(connection, params)
    kind = _imported(hook_class) if isinstance(hook_class, str) else hook_class
    conn_name = getattr(kind, "conn_name_attr", None)
    if not isinstance(kind, type) or not conn_name:
        raise HookError(f"sql_hook_class={hook_class!r} is not a hook's class: it has no conn_name_attr")
    if any(base.__module__ == _BIGQUERY for base in kind.__mro__) and not _asks_for_legacy_sql(conn_id):
        params.setdefault("use_legacy_sql", False)
    return _made(lambda: kind(**{conn_name: conn_id, **params}), f"sql_hook_class={kind.__name__}")


def _hook_of_type(connection: Any, params: dict[str, Any]) -> Any:
    what = f"the connection {connection.conn_id!r} of type {connection.conn_type!r}"
    hook = _made(lambda: connection.get_hook(hook_params=params), what)
    if not hasattr(hook, "get_conn"):
        raise HookError(f"{what} leads to no hook for a database: name one with sql_hook_class")
    return hook


def _made(make: Callable[[], Any], what: str) -> Any:
    try:
        return make()
    except Exception as error:  # noqa: BLE001 - Airflow's own, and whatever a hook makes of what it is given
        failure = HookError(
            f"{what} gives no hook for a database ({type(error).__name__}: {error}): install Airflow's provider for "
            "it, or name one with sql_hook_class, and its arguments with sql_hook_params"
        )
    raise failure


def _imported(path: str) -> Any:
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        failure = HookError(
            f"the hook {path} cannot be imported ({error}): install its provider, or name another one with "
            "sql_hook_class"
        )
    raise failure


def _asks_for_legacy_sql(conn_id: str) -> bool:
    extra: Mapping[str, Any] = BaseHook.get_connection(conn_id).extra_dejson
    names = ("use_legacy_sql", "extra__google_cloud_platform__use_legacy_sql", "extra__gcpbigquery__use_legacy_sql")
    return any(str(extra.get(name)).lower() == "true" for name in names)


def upstream_frames(
    data: Any, columns: Sequence[str] | None, context: Context, *, parameter: str = "data"
) -> Generator[pd.DataFrame, None, None]:
    """
    Give the rows that ``data`` stands for: those that are there, whether the source is whole or not.

    Where the function of ``.map()`` raises AirflowSkipException, its item is left out.

    :param data: rows, a reference to an upstream task's rows, or a list of both.
    :param columns: names for the values of rows that have none.
    :param context: of the task.
    :param parameter: the operator's parameter that it was given as, for error messages.
    """
    read = partial(read_upstream, columns=columns, is_data=parameter == "data")
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
    """Whether it stands for a value that is known when the task runs: an XComArg, or an argument of a task group."""
    kind = type(value)
    return isinstance(value, XComArg) or (hasattr(kind, "iter_references") and hasattr(kind, "resolve"))


def _refers(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_refers, value.values()))
    return _is_reference(value) or (isinstance(value, list | tuple) and any(map(_refers, value)))


def _parts(reference: Any) -> Iterator[Any]:
    """
    Take ``.concat()`` apart, also behind ``.map()``, into references that give the same rows one after the other.

    As a whole, it has no value if one of them has none.
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
    """Return what a reference stands for; no rows where it stands for nothing, and the instances tell why."""
    failure: Exception | None = None
    rows: Any = None
    try:
        rows = reference.resolve(context)
    except Exception as error:  # noqa: BLE001 - Airflow has many, for a key that is not there or a None to map
        failure = error
    if rows is None and _is_missing(reference, context, is_alone=is_alone):
        return []
    if failure is not None:
        raise failure
    if type(rows) is list:
        # Airflow before 3.2 puts this where an instance of a mapped task group has returned None.
        rows = [row for row in rows if type(row).__name__ != "ArgNotSet"]
    return _without_skipped(rows, reference) if _has_map(reference) else rows


def _is_missing(reference: Any, context: Context, *, is_alone: bool) -> bool:
    """Whether there is nothing because its instances gave nothing. A single task that forgot its return is told so."""
    found = wholeness(reference, context)
    is_one = is_alone and not is_of_many(reference)
    return bool(found.missing) and not (is_one and found.only_gave_none)


def _has_map(reference: Any) -> bool:
    """Whether it has ``.map()`` in it."""
    if not isinstance(reference, XComArg):
        return False
    return hasattr(reference, "callables") or any(map(_has_map, inner_references(reference)))


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
