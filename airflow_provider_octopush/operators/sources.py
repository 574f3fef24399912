"""Where an operator's rows come from, as far as Airflow is concerned. Imported when a task runs."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook, XComArg

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


def upstream_frames(data: Any, columns: Sequence[str] | None, context: Context) -> Generator[pd.DataFrame, None, None]:
    """
    Give the rows that ``data`` stands for.

    :param data: rows, a reference to an upstream task's rows, or a list of both.
    :param columns: names for the values of rows that have none.
    :param context: of the task.
    """
    if isinstance(data, XComArg):
        yield from read_upstream(_rows_of(data, context), columns=columns)
    elif isinstance(data, list | tuple) and any(True for _ in XComArg.iter_xcom_references(data)):
        for item in data:
            if isinstance(item, XComArg):
                rows, origin = _rows_of(item, context), f"upstream {_task_id(item) or 'task'}"
            else:
                rows, origin = [_resolved(item, context)], "data"
            yield from read_upstream(rows, columns=columns, origin=origin)
    else:
        yield from read_upstream(data, columns=columns)


def _resolved(value: Any, context: Context) -> Any:
    if isinstance(value, XComArg):
        return value.resolve(context)
    if isinstance(value, Mapping):
        return {key: _resolved(inner, context) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_resolved(inner, context) for inner in value]
    return value


def _rows_of(reference: XComArg, context: Context) -> Any:
    rows: Any = reference.resolve(context)
    task_id = _task_id(reference)
    if task_id is not None and type(rows).__name__.startswith("LazyXCom"):
        _say_what_is_left_out(task_id, len(rows), context)
    return rows


def _task_id(reference: XComArg) -> str | None:
    return getattr(getattr(reference, "operator", None), "task_id", None)


def _say_what_is_left_out(task_id: str, given: int, context: Context) -> None:
    instance: Any = context["ti"]
    try:
        if hasattr(instance, "get_ti_count"):
            of_run = {"dag_id": instance.dag_id, "task_ids": [task_id], "run_ids": [instance.run_id]}
            instances = instance.get_ti_count(**of_run)
        else:  # Airflow 2
            run: Any = context["dag_run"]
            instances = sum(other.task_id == task_id for other in run.get_task_instances())
    except Exception:
        log.debug("how many instances %s has is not known", task_id, exc_info=True)
        return
    if given < instances:
        log.warning(
            "of %s instances of %s, %s gave rows: Airflow leaves out those that returned None, failed or were skipped",
            *(instances, task_id, given),
        )
