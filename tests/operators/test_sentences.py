"""What the author of a Dag reads for each mistake: the whole sentence, which says what is wrong, and what to write."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_octopush.hooks.connection import MAKE_SECRET
from airflow_provider_octopush.operators.base import RowsOperator
from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator as Create
from airflow_provider_octopush.operators.delete_contacts import DeleteContactsOperator as Delete
from airflow_provider_octopush.operators.sync_list import SyncListOperator as Sync
from airflow_provider_octopush.simulator import Simulator
from tests.airflow_runs import TaskInstance
from tests.conftest import SetConnection

ROWS = [{"mobile": "+33612345678"}]
URL = "https://api.octopush.com/v1/public"


def run(operator: type[RowsOperator], **given: Any) -> Any:
    """Make a task and run it; a value ``("{{ … }}", rendered)`` is a template and what it renders to."""
    rendered = {name: value[1] for name, value in given.items() if isinstance(value, tuple)}
    written = {name: value[0] if name in rendered else value for name, value in given.items()}
    task = operator(**{"task_id": "task", "data": ROWS, "columns": {"phone_number": "mobile"}, **written})
    for name, value in rendered.items():
        setattr(task, name, value)
    context: Any = {"ti": TaskInstance(), "run_id": "run"}
    return task.execute(context)


#: What is wrong → the operator, its parameters, and the sentence. ``…`` stands for the folder of the test.
WHEN_THE_DAG_IS_PARSED: dict[str, tuple[type[RowsOperator], dict[str, Any], str]] = {
    "two sources": (
        Create,
        {"data_path": "…/a.csv"},
        "rows come from exactly one place: write one of data=…, data_path=… and sql=…",
    ),
    "text for rows": (
        Create,
        {"data": "a.csv"},
        "data is text, not rows: write data=task.output, or what a @task function returned; for a file, give its path "
        "as data_path=…",
    ),
    "a query without a connection": (
        Create,
        {"data": None, "sql": "SELECT 1"},
        "sql needs a connection to run on: write sql_conn_id=…",
    ),
    "an option of another source": (
        Create,
        {"data_options": {"delimiter": ";"}},
        "data_options is for rows from data_path=…, which is not set: leave it out",
    ),
    "an option that a CSV does not have": (
        Create,
        {"data": None, "data_path": "…/a.csv", "data_options": {"sep": ";"}},
        "data_options has 'sep': write 'delimiter', as Python's csv module calls it",
    ),
    "an unknown field": (
        Create,
        {"columns": {"mobile": "phone_number"}},
        "columns names 'mobile', which is not a field of a contact: write one of phone_number, first_name, last_name, "
        "param1, param2, param3, param4, param5, region, and the column's name as its value",
    ),
    "a region by its name": (
        Create,
        {"default_region": "France"},
        "default_region is 'France': write a code of two capital letters, such as 'FR', or a list of them",
    ),
    "a name that is too long": (
        Create,
        {"list_name": "Customers of all our shops, 2026"},
        "list_name 'Customers of all our shops, 2026' has 32 characters, Octopush allows 30: shorten it",
    ),
    "a blank name": (Create, {"list_name": " "}, "list_name is blank: write a name, or leave list_name out"),
    "a name without ASCII": (
        Create,
        {"list_name": "客户"},
        "list_name '客户' has none of A-Z, a-z and 0-9: Octopush may silently delete all other characters, and a "
        "removal without a name reaches the whole account. Write a name with at least one of them",
    ),
    "a float for a limit": (
        Create,
        {"max_rejected": 0.05},
        'max_rejected is 0.05: write "5%" for this share of all',
    ),
    "words for a limit": (
        Sync,
        {"max_removed": "few"},
        'max_removed is \'few\': write a number, such as 12, or a share from "0%" to "100%", such as "5%"',
    ),
    "a choice that there is not": (
        Create,
        {"phone_check": "strict"},
        "phone_check is 'strict': write 'format', 'valid' or 'mobile'",
    ),
    "a number as text": (
        Create,
        {"chunk_size": "200"},
        "chunk_size is '200': write a whole number, 1 or more, such as 200",
    ),
    "no request at a time": (
        Create,
        {"concurrency": 0},
        "concurrency is 0: write a whole number, 1 or more, such as 4",
    ),
    "a relative path": (
        Sync,
        {"snapshot_path": "customers.snapshot"},
        "snapshot_path is 'customers.snapshot', which means a different file on each worker: write an absolute path, "
        "such as '/srv/octopush/customers.snapshot', or a URI, such as 's3://conn_id@bucket/customers.snapshot'",
    ),
    "a list of columns": (
        Create,
        {"columns": ["mobile"]},
        "columns is ['mobile']: write a dict, such as {'phone_number': 'mobile'}",
    ),
    "two sources of opt-outs": (
        Sync,
        {"opted_out": [], "opted_out_sql": "SELECT 1"},
        "opt-outs come from one place: write either opted_out=… or opted_out_sql=…",
    ),
    "opt-outs without a connection": (
        Sync,
        {"opted_out_sql": "SELECT 1"},
        "opted_out_sql needs a connection to run on: write opted_out_conn_id=…",
    ),
    "a list and the account": (
        Delete,
        {"from_account": True},
        "contacts are removed from one place: write either list_name=… or from_account=True",
    ),
}

WHEN_THE_TASK_RUNS: dict[str, tuple[type[RowsOperator], dict[str, Any], str]] = {
    "no list": (Sync, {"list_name": None}, "list_name is None: write the name of the list"),
    "a column that is not there": (
        Create,
        {"columns": {"phone_number": "phone"}},
        "phone_number is fed by column 'phone', which is not there; the columns are 'mobile': say which one it is with "
        "columns={'phone_number': …}",
    ),
    "a region that does not exist": (
        Create,
        {"default_region": "UK"},
        "default_region is 'UK', which is not a country code: write 'GB' for the United Kingdom",
    ),
    "a template that renders to nothing": (
        Create,
        {"list_name": ("{{ params.list }}", "")},
        "list_name='{{ params.list }}' renders to '' (str), but must be text: correct the template, or the value that "
        "it takes",
    ),
    "a template that renders to a number": (
        Sync,
        {"list_name": ("{{ params.year }}", 2026)},
        "list_name='{{ params.year }}' renders to 2026 (int), but must be text: correct the template, or the value "
        "that it takes",
    ),
    "columns as text": (
        Create,
        {"columns": ("{{ params.columns }}", "{'phone_number': 'mobile'}")},
        "columns='{{ params.columns }}' renders to a str, but must be a dict, which takes "
        "render_template_as_native_obj=True on the Dag: correct the template, or the value that it takes",
    ),
    "a limit from a template": (
        Sync,
        {"max_added": ("{{ params.limit }}", "0.5")},
        "max_added is '0.5': write \"50%\" for this share of all",
    ),
    "a generation from a template": (
        Sync,
        {"plan_generation": ("{{ params.plan }}", "the last")},
        "plan_generation is 'the last': write the generation in the plan's summary, such as 7",
    ),
    "a plan that was lost": (
        Sync,
        {"plan_generation": ("{{ ti.xcom_pull(task_ids='plan').generation }}", None)},
        "plan_generation is None: write the generation in the plan's summary, such as 7",
    ),
    "two files at one path": (
        Sync,
        {"rejects_path": "…/customers.snapshot"},
        "snapshot_path and rejects_path are the same path, '…/customers.snapshot': write a path for each",
    ),
    "columns for rows": (
        Create,
        {"data": {"mobile": ["1"]}},
        "upstream returned a dict, expected a DataFrame, a list of dicts (or of other rows with named fields), or what "
        "a mapped task returned (lists of rows, or DataFrames): write [row] for one row, DataFrame(columns) for "
        "columns",
    ),
    "rows without names": (
        Create,
        {"data": [("+33612345678",)]},
        "item 1 of what upstream returned is a tuple: its values have no names: make each row a dict, or name them "
        "with data_columns=['phone_number', …] beside data=…",
    ),
    "two statements": (
        Create,
        {"data": None, "sql": "SELECT 1; SELECT 2", "sql_conn_id": "warehouse"},
        "sql has 2 statements, and the second one begins in line 1: write one SELECT",
    ),
    "a statement that is not a query": (
        Create,
        {"data": None, "sql": "DELETE FROM customers", "sql_conn_id": "warehouse"},
        "sql begins with DELETE, which is not a query: write one SELECT",
    ),
    "a connection without a database": (
        Create,
        {"data": None, "sql": "SELECT 1", "sql_conn_id": "octopush_default"},
        "sql needs a hook for a database with a DB-API driver, but OctopushHook is not one: name one with "
        "sql_hook_class",
    ),
    "a store that nothing opens": (
        Create,
        {"rejects_path": "nfs4://host/rejects.csv"},
        "no installed package opens 'nfs4://host/rejects.csv': for nfs4://, install the Airflow provider that does",
    ),
    "files of another kind": (
        Create,
        {"data": None, "data_path": "…/rows.txt"},
        "file://…/rows.txt has none of the suffixes .csv, .csv.gz, .jsonl, .jsonl.gz, .ndjson, .ndjson.gz, .json, "
        ".json.gz, .parquet: rename it, or exclude it with a glob, such as data_path='folder/*.csv'",
    ),
    "an empty list's name in a deletion": (
        Delete,
        {"list_name": ("{{ params.list }}", None)},
        "list_name='{{ params.list }}' renders to None (NoneType), but must be text: correct the template, or the "
        "value that it takes",
    ),
}

CONNECTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no password": ({"password": ""}, "password is missing: fill in 'API key' of the connection form"),
    "a host that is none": ({"host": "not a host"}, f"host is not a base URL: write it like {URL}"),
    "another scheme": ({"host": "ftp://host"}, "host has the scheme 'ftp': write http or https"),
    "two ports": (
        {"host": "https://host:8443", "port": 443},
        "port 443 contradicts the port 8443 in host: write 8443 as the port",
    ),
    "no secret": (
        {"extra": {}},
        f"extra 'snapshot_secret' is missing, and snapshots are sealed with it: make one with {MAKE_SECRET}, and keep "
        "it as long as the snapshot",
    ),
    "a short secret": (
        {"extra": {"snapshot_secret": "short"}},
        f"extra 'snapshot_secret' has fewer than 32 characters: make one with {MAKE_SECRET}",
    ),
    "an old extra": (
        {"extra": {"retries": 3}},
        "extra retries has a new name: write request_retries",
    ),
    "a timeout in words": (
        {"extra": {"timeout": "long"}},
        "extra 'timeout' is 'long': write seconds as a number above 0, at most 3600, such as 30",
    ),
}


@pytest.fixture
def read(tmp_path: Path, set_connection: SetConnection) -> Callable[..., tuple[type[BaseException], str]]:
    """Run what is wrong; give the exception's class, and its text, with ``…`` for the folder of the test."""
    set_connection("warehouse", conn_type="sqlite", host=str(tmp_path / "warehouse.db"))
    (tmp_path / "rows.txt").write_text("mobile\n+33612345678\n")

    def read(operator: type[RowsOperator], given: dict[str, Any]) -> tuple[type[BaseException], str]:
        needed: dict[str, Any] = {}
        if operator is Sync:
            needed = {"list_name": "Customers", "snapshot_path": str(tmp_path / "customers.snapshot")}
        if operator is Delete:
            needed = {"list_name": "Customers"}
        here = {
            name: re.sub("^…", str(tmp_path), value) if name.endswith("_path") and isinstance(value, str) else value
            for name, value in given.items()
        }
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the class and the whole text are compared
            run(operator, **{**needed, **here})
        return caught.type, str(caught.value).replace(str(tmp_path), "…")

    return read


@pytest.mark.parametrize("mistake", WHEN_THE_DAG_IS_PARSED)
def test_a_mistake_that_shows_when_the_dag_is_parsed(
    mistake: str, octopush: Simulator, read: Callable[..., Any]
) -> None:
    operator, given, sentence = WHEN_THE_DAG_IS_PARSED[mistake]
    kind, text = read(operator, given)
    assert text == sentence
    assert issubclass(kind, ValueError)
    assert octopush.requests == []


@pytest.mark.parametrize("mistake", WHEN_THE_TASK_RUNS)
def test_a_mistake_that_shows_when_the_task_runs_is_final(
    mistake: str, octopush: Simulator, read: Callable[..., Any]
) -> None:
    operator, given, sentence = WHEN_THE_TASK_RUNS[mistake]
    assert read(operator, given) == (AirflowFailException, sentence)
    assert octopush.requests == []


@pytest.mark.parametrize("mistake", CONNECTIONS)
def test_a_connection_that_is_wrong_is_final(
    mistake: str, set_connection: SetConnection, simulator: Simulator, read: Callable[..., Any]
) -> None:
    fields, sentence = CONNECTIONS[mistake]
    right = {
        "login": "me@example.com",
        "password": "key",
        "host": simulator.url,
        "extra": {"snapshot_secret": "x" * 32},
    }
    set_connection("octopush_default", **{"conn_type": "octopush", **right, **fields})
    assert read(Sync, {}) == (AirflowFailException, f"connection 'octopush_default': {sentence}")
    assert simulator.requests == []
