"""Lineage at the level of hooks, for whatever is registered with Airflow to read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

from airflow_provider_octopush.assets.lists import list_uri

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseHook


def report_query(sql_hook: Any, sql: str, rows: int) -> None:
    """
    Report the query as input, as the common SQL provider does, but without its parameters, which may be personal data.

    :param sql_hook: the hook that ran the query.
    :param sql: the query.
    :param rows: how many rows it gave.
    """
    try:
        from airflow.providers.common.sql.hooks.lineage import send_sql_hook_lineage
    except ImportError:  # an older common SQL provider, that reports nothing either
        return
    send_sql_hook_lineage(context=sql_hook, sql=sql, row_count=rows)


def report_list(hook: BaseHook, list_name: str, octopush_conn_id: str) -> None:
    """
    Report the list as output.

    :param hook: the hook that sent the contacts.
    """
    collector: Any = get_hook_lineage_collector()  # type: ignore[no-untyped-call] # Airflow's, not annotated
    collector.add_output_asset(context=hook, uri=list_uri(list_name, octopush_conn_id))
