"""A first run of a task that has run before: a lost folder is no new beginning."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException

from airflow_provider_octopush.operators.sync_list import SyncListOperator
from airflow_provider_octopush.sync.summary import CreateSummary, ListSummary
from tests.airflow_runs import Run, TaskInstance, plain, run_dag
from tests.operators.nights import LIST, Nights, check, number, people


def begin(name: str, day: int, **options: Any) -> Run:
    """Run a Dag of one sync on a day, with the options of that day."""
    options = {"list_name": LIST, "data": people(1, 2), **options}
    with DAG(name, schedule=None, start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) as dag:
        if mapped := options.pop("mapped", None):
            options = {name: value for name, value in options.items() if name not in mapped[0]}
            SyncListOperator.partial(task_id="sync", **options).expand_kwargs(mapped)
        else:
            SyncListOperator(task_id="sync", **options)
    return run_dag(dag, logical_date=dt.datetime(2026, 2, day, tzinfo=dt.UTC))


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name for the Dag of the test."""
    return str(request.node.name)[:200]


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What the tasks have said in their logs: Airflow 3 prints it."""
    return lambda: plain(caplog.text + capsys.readouterr().out)


def lose(nights: Nights) -> None:
    shutil.rmtree(nights.snapshot_path.parent)


@pytest.mark.usefixtures("airflow_db")
class TestALostFolder:
    def test_is_no_new_beginning(self, nights: Nights, name: str, said: Callable[[], str]) -> None:
        path = str(nights.snapshot_path)
        check(begin(name, 1, snapshot_path=path).results["sync"], added=2, first_run=True)
        lose(nights)
        before = nights.simulator.requests_total
        lost = begin(name, 2, snapshot_path=path)
        assert (lost.state, lost.results) == ("failed", {})
        log = said()
        assert "the snapshot is lost: this task has brought 'Customers' in step before" in log
        assert "run once with full_refresh=True" in log
        assert nights.simulator.requests_total == before
        assert not list(nights.snapshot_path.parent.rglob("*-*")), "the sign of the run is left"
        again = begin(name, 3, snapshot_path=path)
        assert again.state == "failed", "that a run has failed says no more than before"
        check(begin(name, 4, snapshot_path=path, full_refresh="True").results["sync"], updated=2, first_run=True)
        check(begin(name, 5, snapshot_path=path).results["sync"], unchanged=2, first_run=False)

    def test_is_another_path_each_night(self, nights: Nights, name: str) -> None:
        assert begin(name, 1, snapshot_path=f"{nights.snapshot_path}-1").state == "success"
        assert begin(name, 2, snapshot_path=f"{nights.snapshot_path}-2").state == "failed"

    def test_is_told_of_by_a_plan_which_is_no_run_itself(
        self, nights: Nights, name: str, said: Callable[[], str]
    ) -> None:
        path = str(nights.snapshot_path)
        begin(name, 1, snapshot_path=path, dry_run=True)
        check(begin(name, 2, snapshot_path=path).results["sync"], added=2, first_run=True)
        lose(nights)
        assert "a run would fail" not in said()
        plan = begin(name, 3, snapshot_path=path, dry_run=True)
        check(plan.results["sync"], added=2, first_run=True)
        assert "a run would fail: the snapshot is lost" in said()

    def test_is_not_what_an_empty_table_or_another_list_leaves(self, nights: Nights, name: str) -> None:
        path = str(nights.snapshot_path)
        begin(name, 1, snapshot_path=path, data=[], on_empty="succeed")
        lose(nights)
        begin(name, 2, snapshot_path=f"{path}-other", list_name="Other")
        assert begin(name, 3, snapshot_path=path).state == "success"

    def test_is_not_what_a_snapshot_leaves_that_is_gone_alone(self, nights: Nights, name: str) -> None:
        path = str(nights.snapshot_path)
        begin(name, 1, snapshot_path=path)
        nights.snapshot_path.unlink()
        check(begin(name, 2, snapshot_path=path).results["sync"], updated=2, first_run=True)

    def test_nor_what_a_run_leaves_that_a_limit_held(self, nights: Nights, name: str) -> None:
        path = str(nights.snapshot_path)
        assert begin(name, 1, snapshot_path=path, max_added=1).state == "failed"
        check(begin(name, 2, snapshot_path=path, max_added=2).results["sync"], added=2, first_run=True)

    def test_of_a_list_that_has_moved_to_another_map_index(self, nights: Nights, name: str) -> None:
        lists = [{"list_name": name, "snapshot_path": f"{nights.snapshot_path}-{name}"} for name in ("A", "B", "C")]
        assert begin(name, 1, mapped=lists[:2]).state == "success"
        lose(nights)
        run = begin(name, 2, mapped=lists[1:])
        assert run.states == {"sync[0]": "failed", "sync[1]": "success"}, "B has moved, and C is new"

    def test_is_not_what_another_instance_of_the_run_has_just_done_in_another_account(
        self, nights: Nights, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", nights.simulator.connection)
        accounts = [
            {"octopush_conn_id": name, "snapshot_path": f"{nights.snapshot_path}-{name}"}
            for name in ("octopush_default", "other")
        ]
        run = begin(name, 1, mapped=accounts)
        assert run.states == {"sync[0]": "success", "sync[1]": "success"}
        lose(nights)
        assert set(begin(name, 2, mapped=accounts).states.values()) == {"failed"}


class Knowing(TaskInstance):
    """A task instance that gives XComs."""

    earlier: Any = ()
    now: Any = ()

    def xcom_pull(self, *, task_ids: list[str], include_prior_dates: bool = False) -> Any:
        assert task_ids == [self.task_id]
        values = self.earlier if include_prior_dates else self.now
        if isinstance(values, Exception):
            raise values
        return iter(values)


SYNCED = ListSummary(list_name=LIST, read=2, unchanged=2).as_xcom()


@pytest.mark.parametrize(
    ("earlier", "now", "is_lost"),
    [
        ([], [], False),
        ([None, SYNCED], [], True),
        ([SYNCED], [SYNCED], False),
        ([SYNCED], [None], True),
        ([{**SYNCED, "dry_run": True}], [], False),
        ([{**SYNCED, "read": 0}], [], False),
        ([{**SYNCED, "list_name": "Other"}], [], False),
        ([{name: SYNCED[name] for name in ("operation", "list_name", "dry_run", "read")}], [], True),
        ([CreateSummary(list_name=LIST, read=2, added=2).as_xcom()], [], False),
        (["text", 5, {"read": "2"}, {**SYNCED, "read": "2"}], [], False),
        (RuntimeError("the API server does not answer"), [], False),
        ([SYNCED], RuntimeError("the API server does not answer"), False),
    ],
)
def test_what_airflow_does_not_tell_is_not_held_against_a_run(
    nights: Nights, earlier: Any, now: Any, *, is_lost: bool
) -> None:
    ti = Knowing()
    ti.earlier, ti.now = earlier, now
    context: Any = {"ti": ti, "run_id": "x"}
    operator = SyncListOperator(task_id="x", data=people(1), list_name=LIST, snapshot_path=str(nights.snapshot_path))
    if is_lost:
        with pytest.raises(AirflowFailException, match="the snapshot is lost"):
            operator.execute(context)
        assert not nights.simulator.requests_total
    else:
        check(operator.execute(context), added=1, first_run=True)
        assert nights.on_list == {number(1)}
