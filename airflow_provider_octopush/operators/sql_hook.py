"""The hook that a query runs through. Imported when a task runs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
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
    try:
        if hook_class is None:
            return connection.get_hook(hook_params=params)
        kind: Any = _imported(hook_class) if isinstance(hook_class, str) else hook_class
        if any(base.__module__ == _BIGQUERY for base in kind.__mro__):
            params.setdefault("use_legacy_sql", False)
        return kind(**{kind.conn_name_attr: conn_id, **params})
    except Exception as error:  # noqa: BLE001 - Airflow's own, and whatever a hook makes of what it is given
        failure = HookError(
            f"the connection {conn_id!r} gives no hook for a database ({type(error).__name__}: {error}): install "
            "Airflow's provider for it, or name a hook with sql_hook_class, and its arguments with sql_hook_params"
        )
    raise failure


def _imported(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)
