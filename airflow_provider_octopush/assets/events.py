"""The counts in a task's asset events, for Dags that are scheduled on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Asset, AssetAlias

from airflow_provider_octopush.assets.lists import create_asset

if TYPE_CHECKING:
    from airflow_provider_octopush.sync.summary import Summary

#: Not in events: reasons are a mapping, which an alias's event cannot hold, and the paths lead to personal data.
LEFT_OUT = ("reasons", "rejects_path", "changes_path")


def describe_outlets(outlets: Sequence[Any], outlet_events: Any, summary: Summary, octopush_conn_id: str) -> None:
    """
    Put the counts of a run into the ``extra`` of the asset event of each outlet.

    An alias stands for the run's list, which may be known only now; if nothing was sent, it stands for nothing. Outlets
    that are not assets are left alone, and so is anything that an ``extra`` already holds.

    :param outlets: the task's outlets.
    :param outlet_events: ``context["outlet_events"]``.
    :param summary: the run's summary.
    :param octopush_conn_id: connection that leads to the list's account.
    """
    extra = {name: value for name, value in summary.as_xcom().items() if name not in LEFT_OUT}
    for outlet in outlets:
        if isinstance(outlet, Asset):
            outlet_events[outlet].extra.update(extra)
        elif isinstance(outlet, AssetAlias) and summary.list_name is not None and not summary.dry_run:
            of_list = create_asset(list_name=summary.list_name, octopush_conn_id=octopush_conn_id)
            outlet_events[outlet].add(of_list, extra=extra)
