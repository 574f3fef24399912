from __future__ import annotations

import datetime as dt
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import phonenumbers
import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_octopush.contacts.summary import OUTCOMES
from airflow_provider_octopush.simulator import Simulator
from tests.airflow_runs import run_dag
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
    assert summary["read"] == sum(summary[name] for name in OUTCOMES)


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


@pytest.mark.usefixtures("warehouse")
def test_mapped_lists_are_synced_one_by_one(octopush: Simulator) -> None:
    run = run_dag(example("mapped_lists"))
    assert run.state == "success"
    assert sorted(run.results) == ["sync[0]", "sync[1]", "sync[2]"]
    for summary in run.results.values():
        check_law(summary)
        assert len(octopush.lists[summary["list_name"]]) == summary["added"] + summary["updated"] > 0


def test_the_demo_s_warehouse_is_the_same_for_the_same_seed() -> None:
    customers = load(PROJECT / "demo" / "warehouse.py").customers
    assert list(customers(50, 7, DAY)) == list(customers(50, 7, DAY)) != list(customers(50, 8, DAY))
