"""What earlier runs of a task have left in Airflow. Imported when a task runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


def has_run_before(context: Context, list_name: str | None) -> bool:
    """
    Tell whether the task has kept a list in step in an earlier run of its Dag, by the summaries in its XComs.

    A plan is no such run, and neither is a run that read nothing. Of a mapped task, the summaries of all instances
    count, as a list may move to another map index. "Earlier" goes by the logical date, or by the time after which the
    run may begin.

    :param list_name: the list.
    :return: False also where Airflow does not tell.
    """
    ti: Any = context["ti"]
    try:
        # Asked for a list of tasks, each Airflow gives the values of all map indexes and, with prior dates, of all
        # runs. Asked for one task, Airflow 2 may give the newest value alone.
        earlier = list(ti.xcom_pull(task_ids=[ti.task_id], include_prior_dates=True))
        if not any(_is_of(value, list_name) for value in earlier):
            return False
        # Those of this run are among them: of other instances, which may keep a list of this name in another account.
        # A value does not say of which run it is. This instance has none: Airflow removes it when a try begins.
        of_this_run = list(ti.xcom_pull(task_ids=[ti.task_id]))
    except Exception:  # noqa: BLE001 - whatever an Airflow, or where XComs are kept, raises
        return False
    return any(_is_of(value, list_name) and value not in of_this_run for value in earlier)


def _is_of(value: Any, list_name: str | None) -> bool:
    # Not by all of its fields: an older version of this provider may have had fewer.
    return (
        isinstance(value, Mapping)
        and value.get("operation") == "sync"
        and value.get("list_name") == list_name
        and value.get("dry_run") is False
        and isinstance(read := value.get("read"), int)
        and read > 0
    )
