"""What the operators do when instances of upstream tasks gave no rows: whose row is missing is not taken for gone."""

from __future__ import annotations

import datetime as dt
import itertools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, AirflowSkipException, task

from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from airflow_provider_octopush.operators.delete_contacts import DeleteContactsOperator
from airflow_provider_octopush.operators.sync_list import SyncListOperator
from airflow_provider_octopush.simulator import Simulator
from tests.airflow_runs import Run, plain, run_dag

pytestmark = pytest.mark.usefixtures("airflow_db")

LIST = "Customers"
Rows = list[dict[str, Any]]

SKIPPED_OR_NONE = [("skips", "1 skipped"), ("none", "1 returned None")]
ALL = [("fails", "1 failed"), *SKIPPED_OR_NONE]


def number(n: int) -> str:
    return f"+3361234{n:04}"


@task
def extract(what: Any) -> Any:
    """Return two rows for each number, or end in another way."""
    if what == "fails":
        raise AirflowFailException
    if what == "skips":
        raise AirflowSkipException
    if what == "none":
        return None
    return [{"phone_number": number(2 * what + n)} for n in range(2)]


def numbers(*parts: int) -> set[str]:
    return {number(2 * part + n) for part, n in itertools.product(parts, range(2))}


class Told:
    """Runs Dags, and keeps what they print."""

    def __init__(self, name: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
        self._name, self._capfd, self._caplog = name, capfd, caplog
        self.text = ""

    def run(self, make: Callable[[], Any]) -> Run:
        """Run a Dag of the tasks that a function makes."""
        self._caplog.clear()
        with DAG(self._name, schedule=None, start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) as dag:
            make()
        with self._caplog.at_level(logging.WARNING):
            run = run_dag(dag)
        self.text = plain("".join(self._capfd.readouterr()) + self._caplog.text)
        return run


@pytest.fixture
def told(request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Told:
    name = "".join(character if character.isalnum() else "_" for character in request.node.name)
    return Told(name, capfd, caplog)


class TestCreating:
    @staticmethod
    def create(*does: Any, **options: Any) -> None:
        CreateContactsOperator(
            task_id="create",
            data=extract.expand(what=does),
            list_name=LIST,
            retries=2,
            retry_delay=dt.timedelta(0),
            trigger_rule="all_done",
            **options,
        )

    def test_what_is_there_is_sent_and_then_the_task_fails_for_good(self, told: Told, octopush: Simulator) -> None:
        run = told.run(lambda: self.create(0, "fails", 2))
        assert run.states["create"] == "failed"
        assert run.results["create"]["added"] == 4
        assert octopush.lists == {LIST: numbers(0, 2)}
        assert octopush.requests_total == 1, "it was tried again"
        assert (
            "1 of 3 instances of extract gave no rows (1 failed): the rows that came were sent. Clear what failed"
            in told.text
        )

    @pytest.mark.parametrize(("does", "counted"), SKIPPED_OR_NONE)
    def test_what_was_skipped_or_returned_none_is_told_of(
        self, told: Told, octopush: Simulator, does: str, counted: str
    ) -> None:
        run = told.run(lambda: self.create(0, does, 2))
        assert (run.states["create"], run.results["create"]["read"]) == ("success", 4)
        assert octopush.lists == {LIST: numbers(0, 2)}
        assert f"1 of 3 instances of extract gave no rows ({counted}): the rows that came are sent" in told.text

    def test_what_zip_would_put_together_wrongly_is_not_sent(self, told: Told, octopush: Simulator) -> None:
        def make() -> None:
            every = extract.expand(what=[0, "none", 2]).map(lambda rows: rows[0]["phone_number"])
            name = extract.override(task_id="names").expand(what=[0, 1, 2]).map(lambda rows: str(rows))
            CreateContactsOperator(task_id="create", data=every.zip(name), data_columns=["phone_number", "first_name"])

        run = told.run(make)
        assert run.states["create"] == "failed"
        assert octopush.requests == []
        assert ".zip() would pair rows that do not belong together, so nothing is sent" in told.text


class TestRemoving:
    @pytest.mark.parametrize(("does", "counted"), ALL)
    def test_nobody_is_removed_unless_all_are_known(
        self, told: Told, octopush: Simulator, does: str, counted: str
    ) -> None:
        def make() -> None:
            DeleteContactsOperator(
                task_id="erase",
                data=[*[{"phone_number": number(0)}], extract.expand(what=[1, does])],
                from_account=True,
                retries=1,
                retry_delay=dt.timedelta(0),
                trigger_rule="all_done",
            )

        assert told.run(make).states["erase"] == "failed"
        assert octopush.requests == []
        assert f"1 of 2 instances of extract gave no rows ({counted}): nothing is removed" in told.text


class TestAListKeptInStep:
    @pytest.fixture
    def sync(self, told: Told, tmp_path: Path) -> Callable[..., Run]:
        def sync(make: Callable[[], dict[str, Any]]) -> Run:
            return told.run(
                lambda: SyncListOperator(
                    task_id="sync",
                    list_name=LIST,
                    snapshot_path=str(tmp_path / "customers.snapshot"),
                    retries=1,
                    retry_delay=dt.timedelta(0),
                    trigger_rule="all_done",
                    **make(),
                )
            )

        return sync

    @pytest.mark.parametrize(("does", "counted"), ALL)
    def test_nobody_is_taken_for_gone_whose_row_is_missing(
        self, sync: Callable[..., Run], told: Told, octopush: Simulator, does: str, counted: str
    ) -> None:

        def every(*does: Any) -> dict[str, Any]:
            return {"data": extract.expand(what=list(does))}

        assert sync(lambda: every(0, 1, 2)).state == "success"
        run = sync(lambda: every(0, does, 3))
        assert run.states["sync"] == "failed"
        summary = run.results["sync"]
        assert (summary["added"], summary["unchanged"], summary["removed"]) == (2, 2, 0)
        assert octopush.lists == {LIST: numbers(0, 1, 2, 3)}
        assert (
            f"1 of 3 instances of extract gave no rows ({counted}): the rows that came were sent, and no missing "
            "contact was removed" in told.text
        )
        assert sync(lambda: every(0, 3)).results["sync"]["removed"] == 4
        assert octopush.lists == {LIST: numbers(0, 3)}

    @pytest.mark.parametrize(("does", "counted"), ALL)
    def test_nothing_is_sent_while_somebody_who_opted_out_may_be_missing(
        self, sync: Callable[..., Run], told: Told, octopush: Simulator, does: str, counted: str
    ) -> None:
        data = [{"phone_number": one} for one in sorted(numbers(0, 1, 2))]
        more = extract.override(task_id="more")
        run = sync(lambda: {"data": data, "opted_out": [more(1), extract.expand(what=[2, does])]})
        assert run.states["sync"] == "failed"
        assert octopush.requests == []
        assert (
            f"1 of 2 instances of extract gave no rows ({counted}): nothing is sent, because numbers that opted out "
            "may be missing" in told.text
        )

    def test_who_opted_out_may_come_from_several_tasks(self, sync: Callable[..., Run], octopush: Simulator) -> None:
        data = [{"phone_number": one} for one in sorted(numbers(0, 1, 2))]
        more = extract.override(task_id="more")
        run = sync(
            lambda: {"data": data, "opted_out": [extract(0), more.expand(what=[1]), {"phone_number": number(5)}]}
        )
        assert run.state == "success"
        assert run.results["sync"]["opted_out"] == 5
        assert octopush.lists == {LIST: {number(4)}}
