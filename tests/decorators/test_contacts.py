from __future__ import annotations

import collections
import datetime as dt
import json
import sys
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, get_current_context, task
from airflow.utils.session import create_session
from sqlalchemy import text

from airflow_provider_octopush.decorators.octopush_contacts import ContactsDecoratedOperator, octopush_contacts_task
from airflow_provider_octopush.outcomes import CREATE_OUTCOMES
from airflow_provider_octopush.simulator import Behaviour, Fault, Simulator
from tests.airflow_runs import Run, TaskInstance, run_dag
from tests.conftest import SetConnection

pytestmark = pytest.mark.usefixtures("airflow_db")

ROWS: list[dict[str, Any]] = [
    {"phone_number": "+33612345678", "first_name": "Zoë"},
    {"phone_number": "+33612345679", "first_name": "{{ 7 * 6 }}"},
    {"phone_number": None, "first_name": "Nobody"},
    {"phone_number": "+33 6 12 34 56 78", "first_name": "Zoé"},
]
COUNTS = {"read": 4, "added": 2, "invalid": 1, "duplicates": 1}


def check(summary: dict[str, Any], **counts: int) -> None:
    assert {name: summary[name] for name in counts} == counts
    assert summary["read"] == sum(summary[name] for name in CREATE_OUTCOMES)


def all_that_airflow_kept(run: Run) -> str:
    return json.dumps([run.results, run.rendered], ensure_ascii=False)


def execute(function: Any, **kwargs: Any) -> dict[str, Any]:
    """Run a decorated function without a Dag."""
    operator = ContactsDecoratedOperator(task_id="sync", python_callable=function, **{"max_rejected": "100%", **kwargs})
    context: Any = {"ti": TaskInstance()}
    summary: dict[str, Any] = operator.execute(context)
    return summary


class TestRowsOfTheFunction:
    def test_rows_that_are_returned(self, dag: DAG, octopush: Simulator) -> None:
        @task.octopush_contacts(list_name="Customers", max_rejected=1)
        def customers() -> list[dict[str, Any]]:
            return ROWS

        customers()
        run = run_dag(dag)
        assert run.state == "success"
        check(run.results["customers"], **COUNTS)
        assert octopush.lists == {"Customers": {"+33612345678", "+33612345679"}}
        assert octopush.contacts["+33612345679"].fields["first_name"] == "{{ 7 * 6 }}"

    def test_rows_and_frames_that_are_yielded(self, octopush: Simulator) -> None:
        def customers() -> Iterator[Any]:
            yield ROWS[0]
            yield ROWS[1:]
            yield pd.DataFrame({"phone_number": ["+34612345678"]})

        check(execute(customers), read=5, added=3, invalid=1, duplicates=1)
        assert len(octopush.contacts) == 3

    def test_a_frame(self, octopush: Simulator) -> None:
        check(execute(lambda: pd.DataFrame(ROWS), columns={"param1": "first_name"}), **COUNTS)
        assert octopush.contacts["+33612345678"].fields == {"first_name": "Zoë", "param1": "Zoë"}

    @pytest.mark.parametrize("kind", [dict, collections.OrderedDict, collections.UserDict])
    @pytest.mark.parametrize("together", [1, 3])
    def test_a_row_that_is_filled_again_after_it_was_yielded_is_another_row(
        self, octopush: Simulator, kind: Any, together: int
    ) -> None:
        def customers() -> Iterator[Any]:
            row = kind(first_name="Zoé")
            for number in range(1_500):
                row["phone_number"] = f"+3361234{number:04}"
                yield row if together == 1 else [{"phone_number": f"+3361235{number:04}"}, row]

        summary = execute(customers)
        assert (summary["added"], summary["duplicates"]) == (1_500 * (1 + (together > 1)), 0)
        assert {f"+3361234{number:04}" for number in range(1_500)} <= octopush.contacts.keys()

    @pytest.mark.usefixtures("octopush")
    def test_no_rows_are_an_empty_list_or_nothing_yielded(self) -> None:
        check(execute(list), read=0)
        check(execute(lambda: iter(())), read=0)

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            (None, r"customers\(\) returned None; return \[\] for no rows"),
            ([5], r"item 1 of what customers\(\) returned is a int, expected"),
        ],
    )
    def test_what_is_not_rows_is_an_error_that_names_the_function(
        self, octopush: Simulator, rows: Any, message: str
    ) -> None:
        def customers() -> Any:
            return rows

        with pytest.raises(AirflowFailException, match=message):
            execute(customers)
        assert octopush.requests == []

    def test_a_generator_is_asked_for_more_only_when_there_is_room(self, octopush: Simulator) -> None:
        ahead: list[int] = []

        def customers() -> Iterator[pd.DataFrame]:
            for number in range(20):
                ahead.append(number - len(octopush.requests))
                yield pd.DataFrame({"phone_number": [f"+336123{number:02}{n:03}" for n in range(200)]})

        check(execute(customers), read=4000, added=4000, requests=20)
        assert max(ahead) <= 2

    @pytest.mark.usefixtures("octopush")
    def test_memory_does_not_grow_with_the_rows(self) -> None:
        def peak(rows: int) -> int:
            def customers() -> Iterator[dict[str, Any]]:
                for n in range(rows):
                    yield {"phone_number": f"+336{n:08}", "param1": str(n).zfill(500)}

            tracemalloc.start()
            try:
                check(execute(customers, dry_run=True), read=rows)
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

        peak(100)
        # 20,000 rows more, each of more than 500 bytes.
        assert peak(40_000) < peak(20_000) + 1_000_000

    def test_a_generator_is_closed_when_the_run_fails(self, octopush: Simulator) -> None:
        octopush.fail_next(Fault(status=401))
        closed = []
        kept = []

        def pages() -> Iterator[Any]:
            try:
                for number in range(100):
                    yield pd.DataFrame({"phone_number": [f"+336123456{number:02}"] * 300})
            finally:
                closed.append(True)

        def customers() -> Iterator[Any]:
            # Somebody still holds it, so that Python does not close it by itself.
            kept.append(pages())
            return kept[0]

        with pytest.raises(AirflowFailException):
            execute(customers, chunk_size=1)
        assert closed == [True]


class TestWhatAirflowKeeps:
    def test_rows_are_neither_in_xcoms_nor_in_rendered_fields_nor_in_the_log(
        self,
        dag: DAG,
        octopush: Simulator,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        @task.octopush_contacts(max_rejected=1)
        def customers(segment: str) -> Iterator[dict[str, Any]]:
            assert segment
            yield from ROWS

        customers("gold")
        customers.expand(segment=["silver", "bronze"])
        run = run_dag(dag)
        assert run.state == "success"
        assert set(run.rendered) == {"customers", "customers__1[0]", "customers__1[1]"}
        assert run.rendered["customers"]["op_args"] in ("('gold',)", ["gold"], "['gold']")
        assert len(octopush.contacts) == 2
        kept = all_that_airflow_kept(run) + caplog.text + "".join(capfd.readouterr())
        assert "read" in kept
        for personal in ("Zo", "Nobody", "612345678", "6 12 34"):
            assert personal not in kept

    def test_a_function_annotated_to_return_a_dict_still_returns_one_summary(
        self, dag: DAG, octopush: Simulator
    ) -> None:
        @task.octopush_contacts
        def customers() -> dict[str, Any]:
            return ROWS[:1]  # type: ignore[return-value] # what is tested is what Airflow makes of the annotation

        customers()
        check(run_dag(dag).results["customers"], read=1, added=1)
        assert len(octopush.contacts) == 1
        with create_session() as session:
            keys = session.execute(text("SELECT key FROM xcom WHERE dag_id = :dag_id"), {"dag_id": dag.dag_id})
            # Where there is a history to lead to, Airflow keeps the link's address as an XCom too.
            assert [key for key in keys.scalars() if not key.startswith("_link_")] == ["return_value"]


class TestTaskFlow:
    def test_every_parameter_of_the_operator_that_makes_sense_is_taken(self, dag: DAG, octopush: Simulator) -> None:
        @task.octopush_contacts(
            list_name="{{ params.list }}",
            tag_name="{{ task.task_id }}",
            columns={"phone_number": "{{ params.mobile }}", "region": "country"},
            default_region="FR",
            phone_check="mobile",
            number_format="national",
            auto_remove_blacklisted_numbers=False,
            do_not_overwrite=True,
            chunk_size=1,
            concurrency=2,
            max_rejected="50%",
            on_empty="fail",
            octopush_conn_id="octopush_{{ 'default' }}",
            params={"list": "Winners", "mobile": "tel"},
            retries=1,
        )
        def customers() -> list[dict[str, Any]]:
            return [
                {"tel": "06 12 34 56 78", "country": None},
                {"tel": "0470 12 34 56", "country": "BE"},
                {"tel": "01 42 34 56 78", "country": "FR"},
            ]

        customers()
        run = run_dag(dag)
        check(run.results["customers"], read=3, added=2, invalid=1, chunks=2)
        assert octopush.lists == {"Winners": {"+33612345678", "+32470123456"}}
        assert octopush.requests[0].options == {
            "list_name": "Winners",
            "tag_name": "customers",
            "auto_remove_blacklisted_numbers": False,
            "do_not_overwrite": True,
        }
        assert run.rendered["customers"]["list_name"] == "Winners"

    def test_arguments_and_context_variables_reach_the_function(self, dag: DAG, octopush: Simulator) -> None:
        @task
        def segment() -> str:
            return "gold"

        @task.octopush_contacts
        def customers(name: Any, greeting: str, *, ti: Any = None, dag_run: Any = None) -> Iterator[dict[str, str]]:
            yield {"phone_number": "+33612345678", "first_name": name, "last_name": greeting, "param1": ti.task_id}
            yield {
                "phone_number": "+33612345679",
                "param1": get_current_context()["dag"].dag_id,
                "param2": dag_run.run_id,
            }

        customers(segment(), greeting="hello {{ task.task_id }}")
        run = run_dag(dag)
        assert run.state == "success"
        assert octopush.contacts["+33612345678"].fields == {
            "first_name": "gold",
            "last_name": "hello customers",
            "param1": "customers",
        }
        assert octopush.contacts["+33612345679"].fields["param1"] == dag.dag_id

    def test_expand_partial_and_override(self, dag: DAG, octopush: Simulator) -> None:
        @task.octopush_contacts(list_name="Customers", max_rejected=1)
        def customers(country: str, numbers: list[int]) -> list[dict[str, str]]:
            return [{"phone_number": f"{country}61234567{number}"} for number in numbers]

        customers.partial(country="+33").expand(numbers=[[1], [2, 3]])
        customers.override(task_id="others", list_name="Others").partial(country="+34").expand_kwargs(
            [{"numbers": [4]}, {"numbers": [5]}]
        )
        customers.override(task_id="alone", list_name="Alone")("+41", [6])
        run = run_dag(dag)
        assert run.state == "success"
        check(run.results["customers[1]"], read=2)
        assert sorted(run.results) == ["alone", "customers[0]", "customers[1]", "others[0]", "others[1]"]
        assert {name: len(numbers) for name, numbers in octopush.lists.items()} == {
            "Customers": 3,
            "Others": 2,
            "Alone": 1,
        }

    @pytest.mark.parametrize("name", ["data", "sql", "sql_conn_id", "parameters", "sql_hook_params"])
    def test_a_second_source_of_rows_is_refused_when_the_dag_is_parsed(self, dag: DAG, name: str) -> None:
        parameters: dict[str, Any] = {name: "x"}

        @octopush_contacts_task(**parameters)
        def customers() -> list[dict[str, Any]]:
            return ROWS

        with pytest.raises(TypeError, match=f"takes no {name}: its rows are what the function returns or yields"):
            customers()
        assert dag.dag_id

    def test_multiple_outputs_is_refused(self) -> None:
        options: dict[str, Any] = {"multiple_outputs": True}
        with pytest.raises(TypeError, match="multiple_outputs"):
            octopush_contacts_task(lambda: ROWS, **options)

    def test_default_args_of_the_dag_hold(self, dag: DAG, octopush: Simulator) -> None:
        dag.default_args["list_name"] = "Customers"

        @task.octopush_contacts(max_rejected=1)
        def customers() -> list[dict[str, Any]]:
            return ROWS

        customers()
        assert run_dag(dag).results["customers"]["list_name"] == "Customers"
        assert octopush.lists.keys() == {"Customers"}


class TestRetries:
    def test_a_retry_calls_the_function_again_and_sends_all_of_its_rows(
        self, dag: DAG, simulator: Simulator, connect: SetConnection
    ) -> None:
        connect(request_retries=0)
        simulator.reset(Behaviour())
        calls: list[int] = []

        @task.octopush_contacts(chunk_size=1, retries=1, retry_delay=dt.timedelta(0))
        def customers() -> Iterator[dict[str, str]]:
            calls.append(1)
            if len(calls) == 1:
                simulator.fail_next(None, Fault(status=500))
            for number in range(3):
                yield {"phone_number": f"+3361234567{number}", "param1": str(min(len(calls), 2))}

        customers()
        run = run_dag(dag)
        assert (run.state, len(calls)) == ("success", 2)
        check(run.results["customers"], read=3, added=2, updated=1)
        assert {contact.fields["param1"] for contact in simulator.contacts.values()} == {"2"}


def test_an_exception_of_the_function_is_the_task_s(octopush: Simulator) -> None:
    def customers() -> Iterator[dict[str, str]]:
        yield {"phone_number": "+33612345678"}
        raise LookupError("the shop is closed")

    with pytest.raises(LookupError, match="the shop is closed"):
        execute(customers)
    assert sys.exc_info() == (None, None, None)
    assert octopush.requests == []
