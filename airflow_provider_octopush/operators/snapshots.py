"""What a snapshot needs to know of a task's context and connection. Imported when a task runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_octopush.exceptions import OctopushConnectionConfigError
from airflow_provider_octopush.hooks.connection import MAKE_SECRET
from airflow_provider_octopush.snapshot.sealing import Keys

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_octopush.hooks.connection import Settings


def keys_of(settings: Settings, octopush_conn_id: str) -> Sequence[Keys]:
    """
    Return the keys that snapshots are sealed with.

    :raises OctopushConnectionConfigError: when the connection has no secret.
    """
    if not settings.snapshot_secrets:
        raise OctopushConnectionConfigError(
            f"connection {octopush_conn_id!r}: extra 'snapshot_secret' is missing, and snapshots are sealed with it: "
            f"make one with {MAKE_SECRET}, and keep it as long as the snapshot"
        )
    return [Keys(secret) for secret in settings.snapshot_secrets]


def account_of(settings: Settings) -> str:
    """Return text that identifies an Octopush account."""
    return f"{settings.login} {settings.base_url}"


def task_of(context: Context) -> str:
    """Return text that identifies a task; all instances of a mapped task have the same."""
    ti: Any = context["ti"]
    return f"{ti.dag_id}.{ti.task_id}"


def map_index_of(context: Context) -> int:
    """Return the map index of an instance of a mapped task; -1 where the task is not mapped."""
    index = getattr(context["ti"], "map_index", -1)
    return -1 if index is None else int(index)


def dag_run_of(context: Context) -> str:
    """Return text that identifies a run of the Dag; all instances of a mapped task share it."""
    return f"{task_of(context)} {context.get('run_id')}"


def run_of(context: Context) -> str:
    """Return text that identifies one run of a task; all its tries share it."""
    # Clearing a task raises its max_tries to the tries so far plus its retries.
    return f"{dag_run_of(context)} {map_index_of(context)} {context['ti'].max_tries}"


#: Timetables that give each run a partition; by name, because Airflow before 3.2 does not have them.
_OF_PARTITIONS = {"CronPartitionTimetable", "PartitionedAssetTimetable"}


def date_of(context: Context) -> str | None:
    """
    Return the date that orders the runs of a Dag: its partition's, the end of the data interval, or the time after
    which it may run.

    The logical date would not do. In a Dag with data intervals, a run started by hand at noon has a later logical date
    than the scheduled run of the night after.

    ``partition_date`` is the partition's beginning, however and whenever the run was triggered; Airflow 3.3 and newer
    put it into the context. (``partition_key`` is text that need not be a date.) It cannot be compared with other
    dates: a run started by hand at noon, without a partition, has a later date than the partition of the night after.

    :return: None where nothing orders the run: then it neither holds back another run nor is held back.
    """
    run: Any = context.get("dag_run")
    partition = context.get("partition_date", getattr(run, "partition_date", None))
    if partition is None and "partition_date" in context and _is_of_partitions(context):
        return None
    values = (
        partition,
        context.get("data_interval_end"),
        getattr(run, "data_interval_end", None),
        getattr(run, "run_after", None),
        context.get("logical_date"),
    )
    value = next((value for value in values if value is not None), None)
    return None if value is None else dt.datetime.fromtimestamp(value.timestamp(), dt.UTC).isoformat()


def _is_of_partitions(context: Context) -> bool:
    timetable = type(getattr(context.get("dag"), "timetable", None))
    is_partitioned = getattr(timetable, "partitioned", False)
    return bool(is_partitioned) or any(kind.__name__ in _OF_PARTITIONS for kind in timetable.__mro__)
