from __future__ import annotations

import json
import logging
import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, AirflowSkipException, task

from airflow_provider_octopush.api import RETURN_CODES
from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from airflow_provider_octopush.outcomes import CREATE_OUTCOMES
from airflow_provider_octopush.simulator import Behaviour, Fault, Simulator
from tests.airflow_runs import Run, TaskInstance, run_dag
from tests.conftest import SetConnection
from tests.databases import POSTGRES, require_postgres

pytestmark = pytest.mark.usefixtures("airflow_db")

ROWS: list[dict[str, Any]] = [
    {"phone_number": "+33612345678", "first_name": "Zoë"},
    {"phone_number": "+33612345679", "first_name": "{{ 7 * 6 }}"},
    {"phone_number": None, "first_name": "Nobody"},
    {"phone_number": "+33 6 12 34 56 78", "first_name": "Zoé"},
]
COUNTS = {"read": 4, "added": 2, "invalid": 1, "duplicates": 1}


def execute(**kwargs: Any) -> dict[str, Any]:
    context: Any = {"ti": TaskInstance()}
    return CreateContactsOperator(task_id="sync", **{"max_rejected": "100%", **kwargs}).execute(context)


@pytest.fixture
def warehouse(tmp_path: Path, set_connection: SetConnection) -> sqlite3.Connection:
    path = tmp_path / "warehouse.sqlite"
    set_connection("warehouse", conn_type="sqlite", host=str(path))
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE customers (mobile TEXT, name TEXT, tier INTEGER, updated TEXT)")
    connection.executemany(
        "INSERT INTO customers VALUES (?, ?, ?, ?)",
        [("+33612345678", "Zoë", 1, "2026-01-01"), ("+33612345679", "Bob", None, "2026-01-02"), (None, "x", 3, "2026")],
    )
    connection.commit()
    return connection


def check(summary: dict[str, Any], **counts: int) -> None:
    assert {name: summary[name] for name in counts} == counts
    assert summary["read"] == sum(summary[name] for name in CREATE_OUTCOMES)


def logs(run: Run) -> str:
    return json.dumps(run.results, ensure_ascii=False) + json.dumps(run.rendered, ensure_ascii=False)


class TestRowsFromUpstream:
    def test_what_a_task_returned(self, dag: DAG, octopush: Simulator) -> None:
        @task
        def customers() -> list[dict[str, Any]]:
            return ROWS

        CreateContactsOperator(task_id="sync", data=customers(), list_name="Customers", max_rejected=1)
        run = run_dag(dag)
        assert run.state == "success"
        check(run.results["sync"], **COUNTS)
        assert run.results["sync"]["reasons"] == {"phone number missing": 1}
        assert octopush.lists == {"Customers": {"+33612345678", "+33612345679"}}

    def test_rows_are_never_rendered_nor_kept_as_rendered_fields(self, dag: DAG, octopush: Simulator) -> None:
        CreateContactsOperator(task_id="inline", data=ROWS, max_rejected=1)
        CreateContactsOperator.partial(task_id="expanded", max_rejected=1).expand(data=[ROWS])
        run = run_dag(dag)
        assert octopush.contacts["+33612345679"].fields["first_name"] == "{{ 7 * 6 }}"
        assert set(run.rendered) == {"inline", "expanded[0]"}
        assert "Zo" not in logs(run)
        assert "612345678" not in logs(run)

    def test_each_mapped_task_gets_its_rows(self, dag: DAG, octopush: Simulator) -> None:
        @task
        def lists() -> list[list[dict[str, Any]]]:
            return [ROWS, [{"phone_number": "+34612345678"}]]

        CreateContactsOperator.partial(task_id="sync", max_rejected=1).expand(data=lists())
        run = run_dag(dag)
        check(run.results["sync[0]"], **COUNTS)
        check(run.results["sync[1]"], read=1, added=1)
        assert len(octopush.contacts) == 3

    def test_all_that_a_mapped_task_returned(self, dag: DAG, octopush: Simulator) -> None:
        @task
        def part(number: int) -> list[dict[str, Any]]:
            return [{"phone_number": f"+3361234567{number}"}, {"phone_number": "+33612345670"}]

        CreateContactsOperator(task_id="sync", data=part.expand(number=[1, 2, 3]), chunk_size=2)
        run = run_dag(dag)
        check(run.results["sync"], read=6, added=4, duplicates=2, chunks=2, requests=2)
        assert len(octopush.contacts) == 4

    def test_a_dataframe(self, octopush: Simulator) -> None:
        frame = pd.DataFrame({"PHONE_NUMBER": [33612345678.0, float("nan")], "param1": [1.5, 2]})
        summary = execute(data=frame.astype({"PHONE_NUMBER": "Float64"}), default_region="FR")
        check(summary, read=2, added=1, invalid=1)
        assert octopush.contacts["+33612345678"].fields == {"param1": "1.5"}

    @pytest.mark.parametrize("dtype", ["float32", "Float32"])
    def test_a_column_of_small_floats_has_lost_digits(self, octopush: Simulator, dtype: Any) -> None:
        frame = pd.DataFrame({"phone_number": [33612345678.0, None]}).astype(dtype)
        assert execute(data=frame)["reasons"] == {
            "phone number in a float too small for it: digits are lost, read the column as text": 1,
            "phone number missing": 1,
        }
        assert octopush.requests == []


class TestRowsOfAQuery:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    def test_a_query_with_parameters_and_columns(
        self, dag: DAG, octopush: Simulator, warehouse: sqlite3.Connection, tmp_path: Path, encoding: str
    ) -> None:
        statement = "SELECT * FROM customers WHERE updated >= :since -- {{ ds }}"
        (tmp_path / "customers.sql").write_text(statement, encoding=encoding)
        dag.template_searchpath = [str(tmp_path)]
        CreateContactsOperator(
            task_id="sync",
            sql="customers.sql",
            sql_conn_id="warehouse",
            parameters={"since": "{{ '2026-01-0' }}{{ 1 }}"},
            columns={"phone_number": "mobile", "first_name": "NAME", "param1": "tier"},
            list_name="{{ dag.dag_id[:4] }}",
            tag_name="{{ task.task_id }}",
        )
        run = run_dag(dag)
        check(run.results["sync"], read=2, added=2)
        assert octopush.contacts["+33612345678"].fields == {"first_name": "Zoë", "param1": "1"}
        assert octopush.contacts["+33612345679"].fields == {"first_name": "Bob"}
        assert octopush.lists.keys() == {"test"}
        assert octopush.contacts["+33612345679"].tags == {"sync"}
        assert warehouse.execute("SELECT count(*) FROM customers").fetchone() == (3,)

    def test_the_hook_behind_the_query_gets_its_arguments(
        self, octopush: Simulator, set_connection: SetConnection
    ) -> None:
        require_postgres()
        set_connection("warehouse", **POSTGRES)
        execute(
            sql="SELECT '+33612345678' AS phone_number, current_setting('application_name') AS param1",
            sql_conn_id="warehouse",
            sql_hook_params={"options": "-c application_name=octopush-test"},
        )
        assert octopush.contacts["+33612345678"].fields == {"param1": "octopush-test"}

    @pytest.mark.usefixtures("warehouse")
    def test_a_missing_column_is_found_without_a_row(self, octopush: Simulator) -> None:
        with pytest.raises(AirflowFailException, match="the columns are 'mobile'"):
            execute(sql="SELECT mobile FROM customers WHERE 1 = 0", sql_conn_id="warehouse")
        assert octopush.requests == []


class TestParameters:
    def test_options_reach_the_api_as_they_are(self, octopush: Simulator) -> None:
        execute(
            data=ROWS,
            list_name="L",
            tag_name="T",
            auto_remove_blacklisted_numbers=True,
            do_not_overwrite=False,
        )
        assert octopush.requests[0].options == {
            "list_name": "L",
            "tag_name": "T",
            "auto_remove_blacklisted_numbers": True,
            "do_not_overwrite": False,
        }

    def test_another_connection_can_be_used(self, octopush: Simulator, set_connection: SetConnection) -> None:
        set_connection("sms_{{ ds }}", conn_type="octopush", host=octopush.url, login="l", password="wrong")
        with pytest.raises(AirflowFailException, match="correct the connection 'sms_"):
            execute(data=ROWS, octopush_conn_id="sms_{{ ds }}")


@pytest.mark.usefixtures("octopush")
def test_who_wants_no_xcom_gets_none() -> None:
    ti = TaskInstance()
    context: Any = {"ti": ti}
    CreateContactsOperator(task_id="sync", data=ROWS, max_rejected="100%", do_xcom_push=False).execute(context)
    assert ti.pushed == {}


class TestNoRows:
    @pytest.mark.usefixtures("octopush")
    def test_the_task_succeeds_unless_told_otherwise(self) -> None:
        check(execute(data=[]), read=0, requests=0)

    @pytest.mark.parametrize(("on_empty", "error"), [("skip", AirflowSkipException), ("fail", ValueError)])
    @pytest.mark.usefixtures("octopush")
    def test_the_task_is_skipped_or_fails_and_shows_its_summary(
        self, on_empty: Any, error: type[BaseException]
    ) -> None:
        ti = TaskInstance()
        context: Any = {"ti": ti}
        with pytest.raises(error, match="no rows were read"):
            CreateContactsOperator(task_id="sync", data=[], on_empty=on_empty).execute(context)
        check(ti.pushed["return_value"], read=0)

    @pytest.mark.usefixtures("octopush")
    def test_a_try_that_fails_for_no_rows_sends_no_metrics(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sent: list[str] = []
        monkeypatch.setattr(
            "airflow_provider_octopush.observability.metrics.Stats.incr", lambda name, *_, **__: sent.append(name)
        )
        context: Any = {"ti": TaskInstance()}
        with pytest.raises(ValueError, match="no rows were read"):
            CreateContactsOperator(task_id="sync", data=[], on_empty="fail").execute(context)
        assert not sent
        CreateContactsOperator(task_id="sync", data=[]).execute(context)
        assert "octopush.contacts.added" in sent

    @pytest.mark.usefixtures("octopush")
    def test_rows_that_are_all_invalid_are_not_no_rows(self) -> None:
        check(execute(data=[{"phone_number": None}], on_empty="fail"), read=1, invalid=1)


class TestWhatBecomesOfTheContacts:
    def test_a_second_run_updates_and_a_third_one_may_leave_what_is_there(self, octopush: Simulator) -> None:
        check(execute(data=ROWS), **COUNTS)
        check(execute(data=ROWS), read=4, updated=2)
        check(execute(data=ROWS, do_not_overwrite=True), read=4, skipped=2)
        assert len(octopush.contacts) == 2

    def test_who_is_no_longer_among_the_rows_stays_on_the_list(self, octopush: Simulator) -> None:
        numbers = {f"+3361234567{n}" for n in range(4)}
        for rows in (sorted(numbers), sorted(numbers)[:1], []):
            execute(data=[{"phone_number": number} for number in rows], list_name="Customers")
            assert octopush.lists["Customers"] == numbers
        assert {request.path for request in octopush.requests} == {"contact/create"}

    @pytest.mark.parametrize(
        "behaviour",
        [
            Behaviour(order="reversed"),
            Behaviour(order="shuffled"),
            Behaviour(number_format="digits"),
            Behaviour(number_format="groups"),
            Behaviour(success_status=200),
            Behaviour(repair=False),
        ],
    )
    def test_the_counts_are_the_same_whatever_is_not_documented(
        self, octopush: Simulator, behaviour: Behaviour
    ) -> None:
        octopush.reset(behaviour)
        check(execute(data=ROWS, list_name="L"), **COUNTS)

    def test_removed_unknown_and_unmentioned_contacts_are_told_apart(self, octopush: Simulator) -> None:
        octopush.reset(
            Behaviour(
                blacklisted=frozenset({"+33612345678"}),
                removed_in_items=True,
                unmentioned=frozenset({"+33612345679"}),
            )
        )
        check(execute(data=ROWS, auto_remove_blacklisted_numbers=True), read=4, other=1, unconfirmed=1)

    def test_one_bad_contact_does_not_sink_its_chunk(self, octopush: Simulator) -> None:
        octopush.reset(Behaviour(refused=frozenset({"+33612345678"}), refusal_message="{phone_number} of {first_name}"))
        summary = execute(data=ROWS)
        check(summary, read=4, added=1, refused=1, invalid=1, duplicates=1)
        refused = f"refused by Octopush: HTTP 400, code 117 (in Octopush's older API: {RETURN_CODES[117]})"
        assert summary["reasons"] == {"phone number missing": 1, refused: 1}

    def test_what_passes_is_repeated_and_counted(self, octopush: Simulator) -> None:
        octopush.fail_next(Fault.rate_limited("0"))
        check(execute(data=ROWS), **COUNTS, requests=2, retries=1)

    def test_an_answer_that_was_lost_is_not_counted_twice(self, octopush: Simulator) -> None:
        octopush.fail_next(Fault.answer_lost())
        check(execute(data=ROWS), read=4, updated=2, requests=2)

    @pytest.mark.usefixtures("octopush")
    def test_the_summary_stands_in_the_log(
        self, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with caplog.at_level(logging.INFO):
            execute(data=ROWS)
        # Airflow 2 logs through the standard library, Airflow 3 to a stream of its own.
        log = caplog.text + capfd.readouterr().out
        assert "  duplicates" in log
        assert "1  phone number missing" in log
        assert "612345678" not in log
