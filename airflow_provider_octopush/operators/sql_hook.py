"""The hook that a query runs through. Imported when a task runs."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_octopush.sources.errors import HookError

_BIGQUERY = "airflow.providers.google.cloud.hooks.bigquery"

#: Type of a connection → the hook to use, for types where Airflow's own choice has no database.
MEANT_HOOKS = {
    "databricks": "airflow.providers.databricks.hooks.databricks_sql.DatabricksSqlHook",
    "google_cloud_platform": f"{_BIGQUERY}.BigQueryHook",
    "gcpbigquery": f"{_BIGQUERY}.BigQueryHook",
}


def sql_hook(conn_id: str, hook_class: type | str | None, hook_params: Mapping[str, Any] | None) -> Any:
    """
    Make the hook that a query runs through.

    :param conn_id: id of the connection.
    :param hook_class: class of the hook, or its dotted path. None: the hook of the connection's type.
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
    if any(base.__module__ == _BIGQUERY for base in kind.__mro__):
        params.setdefault("use_legacy_sql", False)
    return _made(lambda: kind(**{conn_name: conn_id, **params}), f"sql_hook_class={kind.__name__}")


def _hook_of_type(connection: Any, params: dict[str, Any]) -> Any:
    what = f"the connection {connection.conn_id!r} of type {connection.conn_type!r}"
    hook = _made(lambda: connection.get_hook(hook_params=params), what)
    if not hasattr(hook, "get_conn"):
        raise HookError(f"{what} has no hook for a database: name one with sql_hook_class")
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
