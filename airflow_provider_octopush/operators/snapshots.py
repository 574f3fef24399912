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
            f"connection {octopush_conn_id!r}: extra 'snapshot_secret' is missing, which the snapshot is sealed with: "
            f"make one with {MAKE_SECRET}, and keep it as long as the snapshot"
        )
    return [Keys(secret) for secret in settings.snapshot_secrets]


def account_of(settings: Settings) -> str:
    """Return what tells an Octopush account from all others."""
    return f"{settings.login} {settings.base_url}"


def task_of(context: Context) -> str:
    """Return what tells a task from all others; the instances of a mapped task are one."""
    ti: Any = context["ti"]
    return f"{ti.dag_id}.{ti.task_id}"


def map_index_of(context: Context) -> int:
    """Return the map index of an instance of a mapped task; -1 where the task is not mapped."""
    index = getattr(context["ti"], "map_index", -1)
    return -1 if index is None else int(index)


def dag_run_of(context: Context) -> str:
    """Return what all instances of a mapped task share in one run of the Dag, and no other run has."""
    return f"{task_of(context)} {context.get('run_id')}"


def run_of(context: Context) -> str:
    """Return what all tries of one run of a task share, and no other run has."""
    # Clearing a task raises its max_tries: to the tries so far plus the retries.
    return f"{dag_run_of(context)} {map_index_of(context)} {context['ti'].max_tries}"


#: Timetables that give each run a partition; by name, as they are not there before Airflow 3.2.
_OF_PARTITIONS = {"CronPartitionTimetable", "PartitionedAssetTimetable"}


def date_of(context: Context) -> str | None:
    """
    Return the date that orders the runs of a Dag: its partition's, the end of the data interval, or the time after
    which it may run.

    The logical date would not do. In a Dag with data intervals, a run started by hand at noon has a later logical date
    than the scheduled run of the night after.

    ``partition_date`` is where the partition begins, whoever triggered the run and whenever; Airflow 3.3 and newer put
    it into the context. (``partition_key`` is text that need not be a date.) Beside it, no other date can be compared:
    that of a run started by hand at noon, without a partition, is later than the partition of the night after.

    :return: None where nothing orders the run, so that it is neither held back nor holds another one back.
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
