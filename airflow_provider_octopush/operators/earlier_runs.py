"""What earlier runs of a task left in Airflow. Imported when a task runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


def has_run_before(context: Context, list_name: str | None) -> bool:
    """
    Tell from the summaries in its XComs whether the task kept a list in step in an earlier run of its Dag.

    Plans do not count, nor do runs that read nothing. The summaries of all instances of a mapped task count, because a
    list may move to another map index. "Earlier" goes by the logical date, or by the time after which the run may
    begin.

    :param list_name: the list.
    :return: also False if Airflow does not tell.
    """
    ti: Any = context["ti"]
    try:
        # Asked for a list of tasks, every Airflow returns the values of all map indexes and, with prior dates, of all
        # runs. Asked for one task, Airflow 2 may return only the newest value.
        earlier = list(ti.xcom_pull(task_ids=[ti.task_id], include_prior_dates=True))
        if not any(_is_of(value, list_name) for value in earlier):
            return False
        # This run's values are among them: those of other instances, which may keep a list of this name in another
        # account. A value does not name its run. This instance has none: Airflow removes it when a try begins.
        of_this_run = list(ti.xcom_pull(task_ids=[ti.task_id]))
    except Exception:  # noqa: BLE001 - whatever an Airflow, or where XComs are kept, raises
        return False
    return any(_is_of(value, list_name) and value not in of_this_run for value in earlier)


def _is_of(value: Any, list_name: str | None) -> bool:
    # Not all fields are compared: an older version of this provider may have had fewer.
    return (
        isinstance(value, Mapping)
        and value.get("operation") == "sync"
        and value.get("list_name") == list_name
        and value.get("dry_run") is False
        and isinstance(read := value.get("read"), int)
        and read > 0
    )
