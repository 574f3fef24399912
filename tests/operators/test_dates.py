"""Which run is older than the snapshot."""

from __future__ import annotations

import datetime as dt
import importlib
from types import SimpleNamespace
from typing import Any

import airflow
import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowSkipException

from airflow_provider_octopush.operators.snapshots import date_of
from airflow_provider_octopush.operators.sync_list import SyncListOperator
from tests.airflow_runs import run_dag
from tests.operators.nights import LIST, Nights, check, number, people

AIRFLOW = tuple(map(int, airflow.__version__.split(".")[:2]))

tells_partitions = pytest.mark.skipif(AIRFLOW < (3, 3), reason="before Airflow 3.3 a task is not told the partition")


def at(day: int, hour: int = 0) -> dt.datetime:
    return dt.datetime(2026, 11, day, hour, tzinfo=dt.UTC)


class CronPartitionTimetable:
    """Named as Airflow's."""


class Partitioned:
    partitioned = True


def of_partition(partition: dt.datetime | None, run_after: dt.datetime, timetable: Any = None) -> dict[str, Any]:
    """Return the part of the context that dates a run of a partition."""
    return {
        "partition_date": partition,
        "dag_run": SimpleNamespace(data_interval_end=None, run_after=run_after, partition_date=partition),
        "dag": SimpleNamespace(timetable=timetable or CronPartitionTimetable()),
    }


def test_an_old_partition_that_is_run_late_is_older_however_it_was_triggered(nights: Nights) -> None:
    nights.run(people(1), more_context=of_partition(at(20), at(21, 2)))
    with pytest.raises(AirflowSkipException, match="2026-11-19"):
        nights.run(people(2), more_context=of_partition(at(19), at(28)))
    check(nights.run(people(1), more_context=of_partition(at(20), at(28))), unchanged=1)
    assert nights.on_list == {number(1)}
    check(nights.run(people(1, 2), more_context=of_partition(at(21), at(22))), added=1, unchanged=1)


@pytest.mark.parametrize(
    "timetable", [CronPartitionTimetable(), Partitioned(), type("Own", (CronPartitionTimetable,), {})()]
)
def test_a_run_by_hand_without_a_partition_neither_is_older_nor_makes_the_next_night_older(
    nights: Nights, timetable: Any
) -> None:
    nights.run(people(1), more_context=of_partition(at(20), at(21, 2), timetable))
    check(nights.run(people(1, 2), more_context=of_partition(None, at(21, 12), timetable)), added=1)
    check(nights.run(people(1, 2, 3), more_context=of_partition(at(21), at(22, 2), timetable)), added=1)
    with pytest.raises(AirflowSkipException, match="2026-11-20"):
        nights.run(people(1), more_context=of_partition(at(20), at(23), timetable))


def test_where_no_run_has_a_partition_nothing_changes() -> None:
    run = SimpleNamespace(data_interval_end=None, run_after=at(21, 2))
    context: dict[str, Any] = {"dag_run": run, "logical_date": at(30)}
    for known in ({}, {"partition_date": None}, {"partition_date": None, "dag": SimpleNamespace(timetable=object())}):
        assert date_of({**context, **known}) == "2026-11-21T02:00:00+00:00"  # type: ignore[typeddict-item]  # a part
    # Before Airflow 3.3 a task is not told its partition: the run is ordered as all others are.
    untold = {**context, "dag": SimpleNamespace(timetable=CronPartitionTimetable())}
    assert date_of(untold) == "2026-11-21T02:00:00+00:00"  # type: ignore[arg-type]  # a part of one


def test_a_run_by_hand_without_a_logical_date_is_of_the_time_after_which_it_may_run(nights: Nights) -> None:
    def by_hand(day: int) -> dict[str, Any]:
        run = SimpleNamespace(data_interval_end=None, run_after=at(day, 12), partition_date=None, logical_date=None)
        return {"dag_run": run, "partition_date": None, "logical_date": None}

    nights.run(people(1), more_context={"data_interval_end": at(20), "logical_date": at(19)})
    check(nights.run(people(1, 2), more_context=by_hand(20)), added=1)
    check(nights.run(people(1, 2), more_context={"data_interval_end": at(21)}), unchanged=2)
    with pytest.raises(AirflowSkipException):
        nights.run(people(1), more_context=by_hand(20))


@pytest.mark.usefixtures("airflow_db")
@tells_partitions
def test_airflow_tells_the_partition(nights: Nights, dag: DAG, monkeypatch: pytest.MonkeyPatch) -> None:
    models: Any = importlib.import_module("airflow.models.dagrun")
    timetables: Any = importlib.import_module("airflow.sdk")
    make, partition = models.get_or_create_dagrun, at(20)

    def with_partition(*args: Any, **kwargs: Any) -> Any:
        run = make(*args, **kwargs)
        run.partition_date, run.partition_key = partition, "a key that is no date"
        kwargs["session"].commit()
        return run

    monkeypatch.setattr(models, "get_or_create_dagrun", with_partition)
    dag.timetable = timetables.CronPartitionTimetable("0 2 * * *", timezone="UTC", run_offset=-1)
    with dag:
        SyncListOperator(task_id="sync", data=people(1), list_name=LIST, snapshot_path=str(nights.snapshot_path))
    assert run_dag(dag).states == {"sync": "success"}
    partition = at(19)
    assert run_dag(dag).states == {"sync": "skipped"}, "an old one, though it was triggered later"
    monkeypatch.setattr(models, "get_or_create_dagrun", make)
    assert run_dag(dag).states == {"sync": "success"}, "without a partition"
    monkeypatch.setattr(models, "get_or_create_dagrun", with_partition)
    partition = at(21)
    assert run_dag(dag).states == {"sync": "success"}, "the partition of the night after"
