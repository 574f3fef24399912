from __future__ import annotations

import datetime as dt
import importlib.util
import itertools
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import phonenumbers
import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from airflow_provider_octopush.outcomes import CREATE_OUTCOMES
from airflow_provider_octopush.phones.reader import PhoneReader
from airflow_provider_octopush.simulator import Behaviour, Fault, Simulator
from tests import databases
from tests.airflow_runs import Run, run_dag
from tests.conftest import SetConnection

PROJECT = Path(__file__).parent.parent.parent
DAY = dt.date(2026, 11, 20)

pytestmark = pytest.mark.usefixtures("airflow_db")


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def example(name: str) -> Any:
    module = load(PROJECT / "dags_examples" / f"{name}.py")
    (dag,) = [value for value in vars(module).values() if isinstance(value, DAG)]
    return dag


def check_law(summary: dict[str, Any]) -> None:
    assert summary["read"] == sum(summary[name] for name in CREATE_OUTCOMES)


@pytest.fixture
def warehouse(tmp_path: Path, set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "warehouse.sqlite"
    load(PROJECT / "demo" / "warehouse.py").make(path, 400, 1, DAY)
    set_connection("warehouse", conn_type="sqlite", host=str(path))
    monkeypatch.setenv("AIRFLOW_VAR_OCTOPUSH_REJECTS", str(tmp_path))
    return path


def test_nightly_sync_takes_the_changes_of_its_day(octopush: Simulator, warehouse: Path) -> None:
    run = run_dag(example("nightly_sync"), logical_date=dt.datetime.combine(DAY, dt.time(), dt.UTC) + dt.timedelta(1))
    summary = run.results["sync_customers"]
    check_law(summary)
    assert run.state == "success"
    assert 250 < summary["read"] < 390
    assert summary["added"] == len(octopush.lists["Customers"]) > 200
    assert summary["invalid"] > 0
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(number)) for number in octopush.contacts)
    (rejects,) = warehouse.parent.glob("customers-*.csv")
    assert summary["rejects_path"] == rejects.as_uri()


@pytest.mark.usefixtures("warehouse")
def test_nightly_sync_of_a_day_without_changes_sends_nothing(octopush: Simulator) -> None:
    run = run_dag(example("nightly_sync"), logical_date=dt.datetime.combine(DAY, dt.time(), dt.UTC) + dt.timedelta(9))
    assert run.state == "success"
    assert run.results["sync_customers"]["read"] == 0
    assert octopush.requests == []


def test_taskflow_rows_reach_their_list(octopush: Simulator) -> None:
    run = run_dag(example("taskflow_rows"))
    assert run.state == "success"
    assert octopush.lists == {"Winners": {"+33612345678", "+34612345678"}}
    assert octopush.contacts["+33612345678"].fields == {"first_name": "Zoé", "param1": "a bicycle"}


def test_a_night_that_a_limit_held_is_let_through_by_a_parameter_of_the_run(
    octopush: Simulator, warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_OCTOPUSH_SNAPSHOTS", str(warehouse.parent / "snapshots"))
    dag = example("synced_list")
    dag.task_dict["sync_newsletter"].retries = 0

    def run(day: int, **conf: Any) -> Run:
        return run_dag(dag, dt.datetime(2026, 11, day, tzinfo=dt.UTC), conf)

    first = run(2).results["sync_newsletter"]
    assert first["added"] == len(octopush.lists["Newsletter"]) > 200
    with closing(sqlite3.connect(warehouse)) as connection, connection:
        connection.execute("DELETE FROM customers WHERE id % 5 = 0")
    held = run(3)
    (exceeded,) = held.results["sync_newsletter"]["exceeded"]
    assert held.state == "failed"
    assert "max_removed (a tenth, at least 10) allows" in exceeded
    assert run(4, max_removed="5%").state == "failed"
    assert run(5, max_removed=1 + first["added"] // 2, max_added="5%").state == "success"
    on_list = len(octopush.lists["Newsletter"])
    assert on_list < first["added"] * 0.9
    shutil.move(warehouse.parent / "snapshots", warehouse.parent / "away")
    anew = run(6, full_refresh=True)
    assert anew.results["sync_newsletter"]["updated"] == on_list


@pytest.mark.usefixtures("warehouse")
def test_mapped_lists_are_synced_one_by_one(octopush: Simulator) -> None:
    run = run_dag(example("mapped_lists"))
    assert run.state == "success"
    assert sorted(run.results) == ["sync[0]", "sync[1]", "sync[2]"]
    for summary in run.results.values():
        check_law(summary)
        assert len(octopush.lists[summary["list_name"]]) == summary["added"] + summary["updated"] > 0


def test_key_ranges_count_what_one_task_would_count(octopush: Simulator, warehouse: Path) -> None:
    with DAG("in_one_task", start_date=dt.datetime(2026, 11, 1, tzinfo=dt.UTC), schedule=None) as dag:
        CreateContactsOperator(
            task_id="sync",
            sql="SELECT * FROM customers ORDER BY id",
            sql_conn_id="warehouse",
            columns={"phone_number": "mobile", "region": "country"},
            max_rejected="100%",
        )
    in_one_task = run_dag(dag).results["sync"]
    octopush.reset(Behaviour())

    run = run_dag(example("key_ranges"))
    merged = run.results["merge"]
    check_law(merged)
    assert run.state == "success"
    assert sorted(run.results) == ["merge", "sync[0]", "sync[1]", "sync[2]", "sync[3]"]
    assert all(50 < run.results[f"sync[{part}]"]["read"] < 150 for part in range(4))
    # Duplicates too: no number is in two parts, however it is written.
    for count in ("read", "added", "updated", "refused", "invalid", "duplicates", "reasons"):
        assert merged[count] == in_one_task[count], count
    assert merged["duplicates"] > 5
    assert len(octopush.lists["Customers"]) == merged["added"]
    rejects = [Path(run.results[f"sync[{part}]"]["rejects_path"].removeprefix("file://")) for part in range(4)]
    assert all(path.is_file() and path.is_relative_to(warehouse.parent) for path in rejects)
    assert {path.parent.as_uri() for path in rejects} == {merged["rejects_path"]}


def test_key_ranges_judge_the_whole_and_show_its_summary(octopush: Simulator, warehouse: Path) -> None:
    with closing(sqlite3.connect(warehouse)) as connection, connection:
        connection.execute("UPDATE customers SET mobile = 'n/a' WHERE id % 5 = 0")
    run = run_dag(example("key_ranges"))
    assert run.state == "failed"
    assert {run.states[f"sync[{part}]"] for part in range(4)} == {"success"}
    assert run.states["merge"] == "failed"
    check_law(run.results["merge"])
    assert run.results["merge"]["invalid"] >= 80
    assert len(octopush.lists["Customers"]) == run.results["merge"]["added"]


@pytest.mark.usefixtures("warehouse")
def test_key_ranges_fail_when_a_part_has_no_summary(octopush: Simulator) -> None:
    octopush.fail_next(Fault(status=401))
    run = run_dag(example("key_ranges"))
    assert run.state == "failed"
    assert Counter(run.states.values()) == {"success": 3, "failed": 2}
    assert run.states["merge"] == "failed"
    assert "merge" not in run.results


#: The same three people in all forms that are read as the same number, and what is no number.
FORMS = {
    "+33612345678": ["0612345678", "06 12 34 56 78", "06.12.34.56.78", "06-12-34-56-78", "+33 6 12 34 56 78",
                     "33612345678", "+33\u00a06\u00a012\u00a034\u00a056\u00a078", "+33 (0)6 12 34 56 78",
                     "0033612345678", "tel:+33-6-12-34-56-78", "06 12 34 56 78 ", "06 12 34 56 7 8",
                     "(06) 12 34 56 78"],
    "+33612345600": ["0612345600", "06 12 34 56 00", "06.12.34.56.00", "+33612345600"],
    "+33612345699": ["0612345699", "06 12 34 56 99", "+33 6 12 34 56 99\u202f"],
}  # fmt: skip
NO_NUMBERS = [None, "", " ", "7", "n/a", "à rappeler", "06 12 34 56 78 ext. 12", "\u5186"]


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def query(request: pytest.FixtureRequest) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """Run a query on one of the databases, in which ``customers`` has the numbers above."""
    numbers = [*itertools.chain(*FORMS.values()), *NO_NUMBERS]
    if request.param == "sqlite":
        connection: Any = sqlite3.connect(":memory:")
    elif request.param == "postgres":
        databases.require_postgres()
        connection = databases.connect_postgres()
    else:
        databases.require_mariadb()
        connection = databases.connect_mariadb()
    with closing(connection), closing(connection.cursor()) as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE customers (id INTEGER, mobile VARCHAR(40), first_name VARCHAR(9), "
            "last_name VARCHAR(9), country VARCHAR(2), loyalty_tier VARCHAR(9))"
        )
        mark = "?" if request.param == "sqlite" else "%s"
        cursor.executemany(f"INSERT INTO customers (id, mobile) VALUES ({mark}, {mark})", [*enumerate(numbers)])

        def query(sql: str) -> list[tuple[Any, ...]]:
            cursor.execute(sql)
            return list(cursor.fetchall())

        yield query


@pytest.mark.parametrize("parts", [1, 2, 3, 4, 7, 100])
def test_each_row_is_in_one_key_range_with_all_forms_of_its_number(
    query: Callable[[str], list[tuple[Any, ...]]], parts: int
) -> None:
    module: Any = load(PROJECT / "dags_examples" / "key_ranges.py")
    module.PARTS = parts
    ranges = [[mobile for _, mobile, *_ in query(module.part(number))] for number in range(parts)]
    expected = [*itertools.chain(*FORMS.values()), *NO_NUMBERS]
    assert Counter(itertools.chain(*ranges)) == Counter(expected)
    for number, forms in FORMS.items():
        assert len([mobiles for mobiles in ranges if set(mobiles) & set(forms)]) == 1, number
        assert {PhoneReader("FR").read(form) for form in forms} == {number}


def test_the_demo_s_warehouse_is_the_same_for_the_same_seed() -> None:
    customers = load(PROJECT / "demo" / "warehouse.py").customers
    assert list(customers(50, 7, DAY)) == list(customers(50, 7, DAY)) != list(customers(50, 8, DAY))
