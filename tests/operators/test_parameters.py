"""Each parameter is seen, typed and documented; what a Dag says wrongly is found as early as it can be."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import airflow
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

from airflow_provider_octopush.decorators.function import OTHER_SOURCES
from airflow_provider_octopush.decorators.octopush_contacts import octopush_contacts_task
from airflow_provider_octopush.decorators.octopush_list import octopush_list_task
from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from airflow_provider_octopush.operators.delete_contacts import DeleteContactsOperator
from airflow_provider_octopush.operators.keywords import ContactsTaskKeywords, ListTaskKeywords, TaskKeywords
from airflow_provider_octopush.operators.sync_list import SyncListOperator
from airflow_provider_octopush.renamed import PARAMETERS
from airflow_provider_octopush.simulator import Simulator
from tests.airflow_runs import TaskInstance
from tests.documentation import PROJECT

OPERATORS = [CreateContactsOperator, SyncListOperator, DeleteContactsOperator]
DECORATORS = {octopush_contacts_task: CreateContactsOperator, octopush_list_task: SyncListOperator}

#: What each operator cannot do without.
NEEDED: dict[Any, dict[str, Any]] = {
    CreateContactsOperator: {},
    SyncListOperator: {"list_name": "Customers", "snapshot_path": "/srv/customers.snapshot"},
    DeleteContactsOperator: {"list_name": "Customers"},
}


def parameters(shown: Any) -> dict[str, inspect.Parameter]:
    return {name: one for name, one in inspect.signature(shown).parameters.items() if name != "kwargs"}


def documented(shown: Any) -> list[str]:
    return re.findall(r"^:param (\w+):", inspect.getdoc(shown) or "", re.MULTILINE)


def make(operator: Any, **given: Any) -> Any:
    return operator(**{"task_id": "sync", "data": [], **NEEDED[operator], **given})


class TestAreSeen:
    @pytest.mark.parametrize("operator", OPERATORS)
    def test_each_with_its_type_and_once_in_the_documentation(self, operator: Any) -> None:
        shown = parameters(operator)
        assert {"task_id", "data", "sql", "columns", "max_rejected", "octopush_conn_id"} <= shown.keys()
        assert [name for name, one in shown.items() if one.annotation is one.empty] == []
        assert documented(operator) == [*shown, "kwargs"]

    def test_an_operator_shows_what_has_an_effect_there_and_nothing_else(self) -> None:
        create, sync, delete = (parameters(operator).keys() for operator in OPERATORS)
        assert create - sync == {"do_not_overwrite"}
        assert {"snapshot_path", "max_removed", "full_refresh"} <= sync - create
        assert delete - create == {"from_account", "snapshot_path"}
        assert create - delete == {
            *("phone_check", "tag_name", "auto_remove_blacklisted_numbers", "do_not_overwrite"),
            *("chunk_size", "concurrency"),
        }

    @pytest.mark.parametrize("decorator", DECORATORS)
    def test_a_decorator_shows_those_of_its_operator_but_for_other_sources(self, decorator: Any) -> None:
        of_operator = parameters(DECORATORS[decorator])
        expected = ["python_callable", *(name for name in of_operator if name not in OTHER_SOURCES)]
        assert list(parameters(decorator)) == expected
        assert documented(decorator) == [*expected, "kwargs"]

    @pytest.mark.parametrize(
        ("decorator", "keywords"),
        [(octopush_contacts_task, ContactsTaskKeywords), (octopush_list_task, ListTaskKeywords)],
    )
    def test_the_types_of_a_decorators_keywords_are_those_of_its_operator(self, decorator: Any, keywords: Any) -> None:
        types = {name: plain(one.__forward_arg__) for name, one in keywords.__annotations__.items()}
        for name in TaskKeywords.__annotations__:
            del types[name]
        shown = parameters(decorator)
        del shown["python_callable"]
        assert types == {name: plain(one.annotation) for name, one in shown.items()}

    @pytest.mark.skipif(tuple(map(int, airflow.__version__.split(".")[:2])) < (3, 3), reason="of the newest Airflow")
    def test_what_every_task_takes_is_what_airflow_says(self) -> None:
        of_airflow = inspect.signature(BaseOperator.__init__).parameters.keys()
        assert TaskKeywords.__annotations__.keys() == of_airflow - {"self", "kwargs", "task_id", "multiple_outputs"}


def plain(annotation: str) -> str:
    found = re.fullmatch(r"Required\[(.*)\]", annotation)
    return found[1] if found else annotation


WRONG = """
from airflow_provider_octopush.decorators.octopush_contacts import octopush_contacts_task
from airflow_provider_octopush.decorators.octopush_list import octopush_list_task
from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from airflow_provider_octopush.operators.delete_contacts import DeleteContactsOperator
from airflow_provider_octopush.operators.sync_list import SyncListOperator

CreateContactsOperator(task_id="x", sqll="SELECT 1")  # Unexpected keyword argument "sqll"
CreateContactsOperator(task_id="x", sql=5)  # "sql" has incompatible type "int"
CreateContactsOperator(task_id="x", columns=["x"])  # "columns" has incompatible type "list[str]"
CreateContactsOperator(task_id="x", phone_check="strict")  # "phone_check" has incompatible type "Literal['strict']"
CreateContactsOperator(task_id="x", max_rejected=0.05)  # "max_rejected" has incompatible type "float"
CreateContactsOperator(sql="SELECT 1")  # Missing named argument "task_id"
SyncListOperator(task_id="x", list_name="x")  # Missing named argument "snapshot_path"
SyncListOperator(task_id="x", list_name="x", snapshot_path="/x", resend=True)  # Unexpected keyword argument "resend"
SyncListOperator(task_id="x", list_name="x", snapshot_path="/x", retries="3")  # "retries" has incompatible type "str"
DeleteContactsOperator(task_id="x", phone_check="valid")  # Unexpected keyword argument "phone_check"
octopush_contacts_task(sql="SELECT 1")  # Unexpected keyword argument "sql"
octopush_contacts_task(concurrency="4")  # "concurrency" has incompatible type "str"
octopush_list_task(list_name="x")  # Missing named argument "snapshot_path"
"""

RIGHT = """
import datetime as dt

from airflow_provider_octopush.operators.sync_list import SyncListOperator

SyncListOperator(
    task_id="sync",
    sql="SELECT * FROM customers",
    sql_conn_id="warehouse",
    columns={"phone_number": "mobile"},
    default_region=["FR", "RE"],
    list_name="Customers",
    snapshot_path="/srv/customers.snapshot",
    max_removed="{{ params.max_removed }}",
    max_rejected="5%",
    full_refresh="{{ params.full_refresh }}",
    retries=3,
    retry_delay=dt.timedelta(minutes=5),
)
"""


def test_mypy_finds_what_is_wrong_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "wrong.py").write_text(WRONG, encoding="utf-8")
    (tmp_path / "right.py").write_text(RIGHT, encoding="utf-8")
    # From the project's folder, whose cache knows Airflow already.
    files = [str(tmp_path / name) for name in ("wrong.py", "right.py")]
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *files]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=600)
    found = [line for line in done.stdout.splitlines() if ": error: " in line]
    expected = [
        (number, line.rpartition("  # ")[2]) for number, line in enumerate(WRONG.splitlines(), 1) if "  # " in line
    ]
    assert [int(re.findall(r"wrong\.py:(\d+):", line)[0]) for line in found] == [number for number, _ in expected]
    for line, (_, message) in zip(found, expected, strict=True):
        assert all(part in line for part in message.split(" has incompatible type ")), (line, message)


class TestOldNames:
    @pytest.mark.parametrize("name", PARAMETERS)
    @pytest.mark.parametrize("operator", OPERATORS)
    def test_are_refused_with_the_new_one(self, operator: Any, name: str) -> None:
        with pytest.raises(TypeError, match=f"^{name} has a new name: write {PARAMETERS[name]}$"):
            make(operator, **{name: "x"})

    def test_the_new_ones_are_parameters(self) -> None:
        new = {said.partition("=")[0] for said in PARAMETERS.values()}
        assert new <= parameters(SyncListOperator).keys()


REGION = "write a code of two capital letters, such as 'FR', or a list of them"
LIMIT = 'write a number, such as 12, or a share from "0%" to "100%", such as "5%"'

GENERATION = "plan_generation is 'new': write the generation in the plan's summary, such as 7"
FORMAT = "number_format is 'msisdn': write 'national' or 'international'"


class TestWhatIsWrittenWrongly:
    @pytest.mark.parametrize(
        ("operators", "given", "message"),
        [
            (OPERATORS, {"list_name": 5}, "list_name must be text, got int"),
            (
                OPERATORS[:2],
                {"tag_name": "x" * 21},
                f"tag_name '{'x' * 21}' has 21 characters, Octopush allows 20: shorten it",
            ),
            (OPERATORS, {"default_region": ["FR", "re"]}, f"default_region is 're': {REGION}"),
            (OPERATORS, {"default_region": 33}, f"default_region is 33: {REGION}"),
            (OPERATORS, {"max_rejected": -1}, f"max_rejected is -1: {LIMIT}"),
            (OPERATORS, {"max_rejected": "150%"}, f"max_rejected is '150%': {LIMIT}"),
            (OPERATORS[1:2], {"max_added": True}, f"max_added is True: {LIMIT}"),
            (OPERATORS[1:2], {"min_opted_out": "most"}, f"min_opted_out is 'most': {LIMIT}"),
            (OPERATORS[1:2], {"plan_generation": "new"}, GENERATION),
            (OPERATORS, {"dry_run": "yes"}, "dry_run is 'yes': write True or False"),
            (OPERATORS[1:2], {"remove_missing": "keep"}, "remove_missing is 'keep': write True or False"),
            (OPERATORS, {"number_format": "msisdn"}, FORMAT),
            (
                OPERATORS,
                {"rejects_path": "rejects.csv"},
                "rejects_path is 'rejects.csv', which means a different file on each worker: write an absolute path, "
                "such as '/srv/octopush/rejects.csv', or a URI, such as 's3://conn_id@bucket/rejects.csv'",
            ),
            (OPERATORS[:1], {"do_not_overwrite": "yes"}, "do_not_overwrite is 'yes': write True, False or None"),
            (OPERATORS, {"on_empty": "ignore"}, "on_empty is 'ignore': write 'succeed', 'skip' or 'fail'"),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )  # fmt: skip
    def test_is_found_when_the_dag_is_parsed(self, operators: list[Any], given: dict[str, Any], message: str) -> None:
        for operator in operators:
            with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
                make(operator, **given)
            assert str(caught.value) == message

    @pytest.mark.parametrize("path", ["/srv/x", "~/x", "file:///srv/x", "s3://conn_id@bucket/x", "{{ var.value.x }}"])
    def test_a_path_that_means_the_same_on_each_worker_is_none_of_it(self, path: str) -> None:
        assert make(SyncListOperator, snapshot_path=path).snapshot_path == path


class TestWhatATemplateGives:
    @pytest.mark.parametrize(
        ("operator", "name", "value", "message"),
        [
            (CreateContactsOperator, "list_name", "x" * 31, "has 31 characters"),
            (CreateContactsOperator, "tag_name", "x" * 21, "has 21 characters"),
            (CreateContactsOperator, "max_rejected", "0.05", 'write "5%"'),
            (CreateContactsOperator, "default_region", "France", "'France', which is not a country code"),
            (DeleteContactsOperator, "default_region", "France", "'France', which is not a country code"),
            (DeleteContactsOperator, "max_rejected", 1.0, 'write "100%"'),
            (DeleteContactsOperator, "snapshot_path", "x", "a different file on each worker"),
            (SyncListOperator, "snapshot_path", "x", "a different file on each worker"),
            (SyncListOperator, "changes_path", "x", "a different file on each worker"),
            (CreateContactsOperator, "rejects_path", "x", "a different file on each worker"),
            (SyncListOperator, "max_removed", "many", "write a number"),
            (SyncListOperator, "full_refresh", "maybe", "write True or False"),
            (SyncListOperator, "plan_generation", "", "plan_generation is '': write the generation"),
            (SyncListOperator, "plan_generation", "None", "write the generation"),
        ],
    )
    def test_ends_the_task_for_good_before_anything_is_sent(
        self, octopush: Simulator, tmp_path: Path, operator: Any, name: str, value: Any, message: str
    ) -> None:
        given = {"snapshot_path": str(tmp_path / "customers")} if operator is SyncListOperator else {}
        task = make(operator, data=[{"phone_number": "+33612345678"}], **{**given, name: "{{ params.x }}"})
        setattr(task, name, value)
        context: Any = {"ti": TaskInstance(), "run_id": "run"}
        with pytest.raises(AirflowFailException, match=message):
            task.execute(context)
        assert octopush.requests == []
