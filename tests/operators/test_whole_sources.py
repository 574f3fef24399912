"""Whether everything that should have come from upstream did: in real Dags, by every way of referring to a task."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from typing import Any, cast

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    AirflowSkipException,
    BaseOperator,
    XComArg,
    task,
    task_group,
)
from airflow.utils.session import create_session

from airflow_provider_octopush.operators.upstream_rows import upstream_frames
from airflow_provider_octopush.operators.wholeness import Missing, Wholeness, wholeness
from airflow_provider_octopush.sources.errors import InstancesMissingError, InstancesUnknownError
from tests.airflow_runs import run_dag

pytestmark = pytest.mark.usefixtures("airflow_db")

Rows = list[dict[str, Any]]


class Consumer(BaseOperator):
    """Takes rows as the operators do, and returns what it knows of them."""

    def __init__(self, *, data: Any, number: int = 0, **kwargs: Any) -> None:
        super().__init__(**{"trigger_rule": "all_done", **kwargs})
        self._data = data
        self.number = number
        XComArg.apply_upstream_relationship(self, data)

    def execute(self, context: Any) -> dict[str, Any]:
        found = wholeness(self._data, context)
        numbers = [
            row
            for frame in upstream_frames(self._data, None, context)
            for row in frame["phone_number"].tolist()
            if row is not None
        ]
        counts = sum((Counter(missing.how) for missing in found.missing), Counter())
        if found.missing:
            counts["instances"] = sum(missing.instances for missing in found.missing)
        if any(missing.is_outdated for missing in found.missing):
            counts["outdated"] = 1
        return {
            "counts": dict(counts),
            "task_ids": [missing.task_id for missing in found.missing],
            "is_whole": found.is_whole,
            "is_zipped": found.is_zipped,
            "says": str(found),
            "numbers": [str(number) for number in numbers],
        }


@task
def extract(what: str) -> Any:
    return end(what)


@task
def single(what: str) -> Any:
    return end(what)


def end(what: str) -> Any:
    """End an instance in some way, or return a row."""
    if what == "fails":
        raise AirflowFailException(what)
    if what == "skips":
        raise AirflowSkipException(what)
    return {"none": None, "empty": []}.get(what, [{"phone_number": what}])


def as_it_is(rows: Rows) -> Rows:
    return rows


#: What instances do → what is then known of them, and the rows that are there.
ENDS: dict[str, tuple[list[str], dict[str, int], list[str]]] = {
    "succeed": (["1", "2", "3"], {}, ["1", "2", "3"]),
    "succeed without rows": (["1", "empty", "3"], {}, ["1", "3"]),
    "fail": (["1", "fails", "3"], {"instances": 3, "failed": 1}, ["1", "3"]),
    "are skipped": (["skips", "2", "skips"], {"instances": 3, "skipped": 2}, ["2"]),
    "return None": (["1", "2", "none"], {"instances": 3, "returned None": 1}, ["1", "2"]),
    "do all of it": (
        ["none", "fails", "skips", "4", "empty"],
        {"instances": 5, "failed": 1, "skipped": 1, "returned None": 1},
        ["4"],
    ),
    "give nothing at all": (["none", "none"], {"instances": 2, "returned None": 2}, []),
}


def counts(result: dict[str, Any]) -> dict[str, int]:
    found: dict[str, int] = result["counts"]
    return found


@pytest.mark.parametrize("ends", ENDS)
def test_instances_of_a_mapped_task(dag: DAG, ends: str) -> None:
    does, known, there = ENDS[ends]
    every = extract.expand(what=does)
    inline = {"phone_number": "inline"}
    one: Any = single("one")
    others = extract.override(task_id="others").expand(what=["a", "b"])
    ways: dict[str, tuple[Any, list[str]]] = {
        "plain": (every, there),
        "map": (every.map(as_it_is), there),
        "map_map": (every.map(as_it_is).map(as_it_is), there),
        "concat": (every.concat(others), [*there, "a", "b"]),
        "concat_map": (others.concat(one, every).map(as_list), ["a", "b", "one", *there]),
        "list": ([one, every, inline], ["one", *there, "inline"]),
        "list_map": ([every.map(as_it_is), others.concat(one)], [*there, "a", "b", "one"]),
    }
    for name, (data, _) in ways.items():
        Consumer(task_id=name, data=data)
    Consumer(task_id="zip", data=every.map(frame_of).zip(others.map(frame_of)))
    Consumer(task_id="apart", data=[one, others, inline])
    run = run_dag(dag)
    for name, (_, numbers) in ways.items():
        result = run.results[name]
        assert counts(result) == known, name
        assert result["numbers"] == numbers, name
        assert result["is_whole"] is (not known)
        assert result["task_ids"] == (["extract"] if known else [])
        assert result["is_zipped"] is False
    zipped = run.results["zip"]
    assert (counts(zipped), zipped["is_zipped"]) == (known, True)
    assert run.results["apart"]["is_whole"], "what is not referred to counts"


def as_list(rows: Any) -> Any:
    return rows if isinstance(rows, list) else [rows]


def frame_of(rows: Rows) -> Any:
    import pandas as pd

    return pd.DataFrame(rows, columns=["phone_number"])


class TestTasksThatAreNotMapped:
    @pytest.mark.parametrize(
        ("does", "counted"),
        [("fails", "failed"), ("skips", "skipped"), ("none", "returned None")],
    )
    def test_they_may_end_without_rows(self, dag: DAG, does: str, counted: str) -> None:
        one: Any = single(does)
        other: Any = single.override(task_id="other")("2")
        Consumer(task_id="list", data=[one, other])
        Consumer(task_id="concat", data=other.concat(one))
        Consumer(task_id="map", data=other.concat(one.map(as_it_is)))
        Consumer(task_id="field", data=[{"phone_number": "3", "first_name": one}])
        Consumer(task_id="zip", data=[one.zip(other)])
        Consumer(task_id="plain", data=one)
        run = run_dag(dag)
        for name, numbers in {"list": ["2"], "concat": ["2"], "map": ["2"], "field": ["3"]}.items():
            result = run.results[name]
            assert (counts(result), result["task_ids"]) == ({"instances": 1, counted: 1}, ["single"]), name
            assert result["numbers"] == numbers, name
            assert result["says"] == f"1 of 1 instance of single gave no rows (1 {counted})"
        assert run.results["zip"]["is_zipped"] is True
        if does == "none":
            assert run.states["plain"] == "failed", "a function that forgot its return is told so"
        else:
            assert run.results["plain"]["numbers"] == []

    def test_what_did_not_run_as_another_failed(self, dag: DAG) -> None:
        first: Any = single("fails")
        Consumer(task_id="plain", data=extract.expand(what=first))
        run = run_dag(dag)
        assert run.states["extract"] == "upstream_failed"
        assert counts(run.results["plain"]) == {"instances": 1, "failed": 1}

    def test_what_is_mapped_over_nothing_is_skipped(self, dag: DAG) -> None:
        first: Any = single("empty")
        Consumer(task_id="plain", data=extract.expand(what=first))
        run = run_dag(dag)
        assert counts(run.results["plain"]) == {"instances": 1, "skipped": 1}

    def test_what_has_not_ended(self, dag: DAG) -> None:
        every = extract.expand(what=["1", "2"])
        single("first") >> every
        Consumer(task_id="plain", data=every, trigger_rule="always")
        run = run_dag(dag)
        result = run.results["plain"]
        assert (counts(result)["not finished"], result["numbers"]) == (counts(result)["instances"], [])
        assert "not finished" in result["says"]


class TestKeys:
    @pytest.mark.parametrize("multiple", [False, True])
    def test_an_instance_without_the_key(self, dag: DAG, *, multiple: bool) -> None:
        @task(multiple_outputs=True)
        def keys(what: str) -> Any:
            return {} if what == "none" else {"rows": end(what), "more": 1}

        one: Any = keys.override(task_id="one")("none")
        every: Any = keys.expand(what=["1", "none", "fails"] if multiple else ["1", "2"])
        Consumer(task_id="every", data=every["rows"])
        Consumer(task_id="both", data=[one["rows"], every["rows"], {"phone_number": "4", "first_name": one["more"]}])
        run = run_dag(dag)
        every_known = {"instances": 3, "failed": 1, "returned None": 1} if multiple else {}
        assert counts(run.results["every"]) == every_known
        assert counts(run.results["both"])["returned None"] == 1 + multiple
        assert run.results["both"]["numbers"] == (["1", "4"] if multiple else ["1", "2", "4"])


class TestMappedTaskGroups:
    def test_within_its_own_instance_counts_and_from_outside_all(self, dag: DAG) -> None:
        @task_group
        def part(what: str) -> Any:
            found: Any = extract(what)
            cleaned: Any = single(cast("Any", found_in(found)))
            Consumer(task_id="inside", data=found)
            Consumer(task_id="inside_list", data=[found, cleaned, {"phone_number": "inline"}])
            return found

        @task
        def found_in(rows: Rows | None) -> str:
            return rows[0]["phone_number"] if rows else "empty"

        every: Any = part.expand(what=["1", "fails", "none", "4", "empty", "skips"])
        Consumer(task_id="outside", data=every)
        Consumer(task_id="outside_list", data=[every, every.operator.output])
        run = run_dag(dag)
        known = {"instances": 6, "failed": 1, "skipped": 1, "returned None": 1}
        for name, numbers in {"outside": ["1", "4"], "outside_list": ["1", "4", "1", "4"]}.items():
            assert (counts(run.results[name]), run.results[name]["numbers"]) == (known, numbers), name
            assert run.results[name]["task_ids"] == ["part.extract"]
        inside = [run.results[f"part.inside[{index}]"] for index in range(6)]
        assert [result["is_whole"] for result in inside] == [True, False, False, True, True, False]
        assert [result["numbers"] for result in inside] == [["1"], [], [], ["4"], [], []]
        assert counts(inside[2]) == {"instances": 1, "returned None": 1}
        beside = run.results["part.inside_list[1]"]
        assert counts(beside) == {"instances": 2, "failed": 2}, "single did not run, as extract failed"
        assert run.results["part.inside_list[3]"]["numbers"] == ["4", "4", "inline"]

    def test_an_argument_of_the_group_is_a_value(self, dag: DAG) -> None:
        @task_group
        def part(rows: Any, other: Any) -> None:
            Consumer(task_id="alone", data=rows)
            Consumer(task_id="list", data=[rows, other])

        part.partial(other=single("5")).expand(rows=extract.expand(what=["1", "none", "3"]))
        run = run_dag(dag)
        assert [run.results[f"part.alone[{index}]"]["numbers"] for index in range(2)] == [["1"], ["3"]]
        assert [run.results[f"part.list[{index}]"]["numbers"] for index in range(2)] == [["1", "5"], ["3", "5"]]
        assert all(run.results[f"part.{name}[0]"]["is_whole"] for name in ("alone", "list"))

    def test_a_consumer_that_is_mapped_itself(self, dag: DAG) -> None:
        every = extract.expand(what=["1", "none"])
        # Airflow makes a reference in partial() a dependency only if the field is a template.
        every >> Consumer.partial(task_id="plain", data=every).expand(number=[0, 1])
        run = run_dag(dag)
        assert [counts(run.results[f"plain[{index}]"]) for index in range(2)] == [
            {"instances": 2, "returned None": 1}
        ] * 2


def test_what_the_function_of_map_skips_is_left_out_on_purpose(dag: DAG) -> None:
    def skip_2(rows: Rows) -> Rows:
        if rows[0]["phone_number"] == "2":
            raise AirflowSkipException
        return rows

    every = extract.expand(what=["1", "2", "3"])
    others = extract.override(task_id="others").expand(what=["2", "none"])
    Consumer(task_id="whole", data=every.map(skip_2))
    Consumer(task_id="several", data=[every.map(skip_2), others.map(skip_2), every.concat(others).map(skip_2)])
    run = run_dag(dag)
    assert (run.results["whole"]["is_whole"], run.results["whole"]["numbers"]) == (True, ["1", "3"])
    assert counts(run.results["several"]) == {"instances": 2, "returned None": 1}
    assert run.results["several"]["numbers"] == ["1", "3", "1", "3"]


@pytest.mark.parametrize("what", ["3", "none"])
def test_an_instance_that_is_gone_counts_only_if_it_left_rows(dag: DAG, what: str) -> None:
    """A task that is cleared, and then mapped over less, keeps its last instances, as removed, with their values."""
    from airflow.models.taskinstance import TaskInstance  # noqa: TID251 - a model of the database

    @task
    def clear() -> None:
        with create_session() as session:
            instances = session.query(TaskInstance).filter_by(dag_id=dag.dag_id, task_id="extract", map_index=2)
            instances.update({"state": "removed"})

    every = extract.expand(what=["1", "2", what])
    every >> clear() >> Consumer(task_id="plain", data=every)
    result = run_dag(dag).results["plain"]
    assert counts(result) == ({} if what == "none" else {"instances": 2, "outdated": 1})
    if what != "none":
        assert result["says"] == "instances of extract from before it was cleared left rows"


class TestWhatAirflowDoesNotTell:
    class Instance:
        """A task instance that cannot ask."""

        dag_id, run_id, map_index = "dag", "run", -1

        def __init__(self, states: dict[str, Any] | None = None) -> None:
            self.states = states

        def get_task_states(self, **_: Any) -> dict[str, Any]:
            if self.states is None:
                raise ConnectionError
            return self.states

    @pytest.mark.parametrize(
        ("states", "reason"),
        [
            (None, "ConnectionError"),
            ({}, "LookupError"),
            ({"run": {"extract_0": "removed"}}, "LookupError"),
            ({"run": {"extract_x": "success"}}, "ValueError"),
            ({"run": {"extract_0": "success"}}, "[A-Za-z]+Error"),
        ],
    )
    @pytest.mark.usefixtures("dag")
    def test_it_is_not_known_to_be_whole(self, states: Any, reason: str) -> None:
        every = extract.expand(what=["1"])
        context: Any = {"ti": self.Instance(states), "task": Consumer(task_id="plain", data=every)}
        found = wholeness([every, every.zip(every)], context)
        assert (found.is_whole, found.missing, found.is_zipped) == (False, (), True)
        with pytest.raises(
            InstancesUnknownError,
            match=rf"^it is not known whether all instances of extract gave rows \({reason}\): nothing is sent\. Run "
            r"the task again$",
        ):
            found.check("nothing is sent")
        found.check_failed("nothing is sent")
        with pytest.raises(InstancesUnknownError, match="do not belong together, so nothing is sent"):
            found.check_zipped("nothing is sent")

    def test_rows_that_refer_to_no_task_ask_nothing(self) -> None:
        context: Any = {}
        for data in ([], [{"phone_number": "1"}], iter(()), {"a": 1}):
            found = wholeness(data, context)
            assert (found, found.is_whole, str(found)) == (Wholeness(), True, "all instances gave rows")
            found.check("nothing is sent")


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            Wholeness((Missing("a", 7, {"failed": 1, "returned None": 1}), Missing("b", 1, {"not finished": 1}))),
            "2 of 7 instances of a gave no rows (1 failed, 1 returned None); 1 of 1 instance of b gave no rows (1 not "
            "finished): nothing is removed. Clear what failed, and return [] for no rows",
        ),
        (
            Wholeness((Missing("a", 3, {"skipped": 1}, is_outdated=True),), {"b": "ConnectionError"}),
            "1 of 3 instances of a gave no rows (1 skipped), and instances of a from before it was cleared left rows; "
            "it is not known whether all instances of b gave rows (ConnectionError): nothing is removed. Clear what "
            "failed, and return [] for no rows. Trigger a new run of the Dag, as this one keeps the old rows",
        ),
    ],
)
def test_an_error_says_how_many_of_which_what_follows_and_what_to_do(found: Wholeness, sentence: str) -> None:
    with pytest.raises(InstancesMissingError) as error:
        found.check("nothing is removed")
    assert str(error.value) == sentence
    found.check_zipped("nothing is sent")


@pytest.mark.parametrize("how", ["failed", "not finished", "skipped", "returned None"])
def test_only_what_failed_or_has_not_ended_is_a_failure(how: str) -> None:
    found = Wholeness((Missing("extract", 3, {how: 1}),))
    with pytest.raises(InstancesMissingError) if how in ("failed", "not finished") else nullcontext():
        found.check_failed("all other rows were sent")
