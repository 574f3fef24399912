from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import airflow
import pytest
from airflow.providers.common.compat.sdk import DAG, Asset, AssetAlias, task
from airflow.utils.session import create_session

from airflow_provider_octopush.assets.lists import create_asset
from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from airflow_provider_octopush.simulator import Behaviour, Simulator
from tests.airflow_runs import run_dag

pytestmark = pytest.mark.usefixtures("airflow_db")

AIRFLOW_3 = not airflow.__version__.startswith("2.")
ROWS = [
    {"phone_number": "+33612345678", "first_name": "Zoë"},
    {"phone_number": "+33612345679"},
    {"phone_number": "n/a"},
]
EVENT = {"read": 3, "added": 2, "invalid": 1, "requests": 1, "list_name": "Customers", "dry_run": False}


def events(dag: DAG) -> list[tuple[str, dict[str, Any]]]:
    """Return URI and extra of each asset event that a Dag has caused."""
    if AIRFLOW_3:
        from airflow.models.asset import AssetEvent, AssetModel  # noqa: TID251 - models of the database

        with create_session() as session:
            query = session.query(AssetModel.uri, AssetEvent.extra).join(
                AssetModel, AssetModel.id == AssetEvent.asset_id
            )
            return [tuple(row) for row in query.filter(AssetEvent.source_dag_id == dag.dag_id)]
    dataset: Any = import_module("airflow.models.dataset")
    with create_session() as session:
        query = session.query(dataset.DatasetModel.uri, dataset.DatasetEvent.extra).join(
            dataset.DatasetModel, dataset.DatasetModel.id == dataset.DatasetEvent.dataset_id
        )
        return [tuple(row) for row in query.filter(dataset.DatasetEvent.source_dag_id == dag.dag_id)]


def sync(**kwargs: Any) -> CreateContactsOperator:
    return CreateContactsOperator(
        **{"task_id": "sync", "data": ROWS, "list_name": "Customers", "max_rejected": 1, **kwargs}
    )


@pytest.mark.usefixtures("octopush")
def test_the_event_of_each_outlet_has_the_counts_and_nothing_of_the_rows(dag: DAG, tmp_path: Path) -> None:
    customers = create_asset(list_name="Customers")
    mart = Asset(uri="x-mart://customers")
    sync(outlets=[customers, mart], rejects_path=str(tmp_path / "rejects.csv"))
    assert run_dag(dag).state == "success"
    (first, extra), (second, same) = sorted(events(dag))
    assert (first, second) == ("octopush://octopush_default/Customers", "x-mart://customers")
    assert extra == same
    assert {name: extra[name] for name in EVENT} == EVENT
    assert extra.keys().isdisjoint({"reasons", "rejects_path"})
    assert "612345678" not in str(extra)


@pytest.mark.usefixtures("octopush")
def test_an_alias_stands_for_the_list_that_is_known_when_the_task_runs(dag: DAG) -> None:
    alias = AssetAlias("octopush lists")
    CreateContactsOperator.partial(task_id="sync", data=ROWS, max_rejected=1, outlets=[alias]).expand(
        list_name=["Customers", "Clients fidèles"]
    )
    sync(task_id="nowhere", list_name=None, outlets=[alias])
    sync(task_id="looks", dry_run=True, list_name="Looked at", outlets=[alias])
    assert run_dag(dag).state == "success"
    found = dict(events(dag))
    assert found.keys() == {
        "octopush://octopush_default/Customers",
        "octopush://octopush_default/Clients%20fid%C3%A8les",
    }
    extra = found["octopush://octopush_default/Customers"]
    assert (extra["list_name"], extra["read"], extra["invalid"]) == ("Customers", 3, 1)


@pytest.mark.usefixtures("octopush")
def test_what_the_decorated_function_says_of_its_own_stays(dag: DAG) -> None:
    customers = create_asset(list_name="Customers")

    @task.octopush_contacts(list_name="Customers", max_rejected=1, outlets=[customers])
    def rows(*, outlet_events: Any = None) -> list[dict[str, Any]]:
        outlet_events[customers].extra["pages"] = 7
        return ROWS

    rows()
    assert run_dag(dag).state == "success"
    ((_, extra),) = events(dag)
    assert (extra["pages"], extra["added"]) == (7, 2)


@pytest.mark.usefixtures("octopush")
def test_a_downstream_task_can_decide_on_the_counts(dag: DAG) -> None:
    customers = create_asset(list_name="Decided on")

    @task(inlets=[customers])
    def enough(*, inlet_events: Any = None) -> bool:
        return bool(inlet_events[customers][-1].extra["added"] >= 2)

    sync(list_name="Decided on", outlets=[customers]) >> enough()
    assert run_dag(dag).results["enough"] is True


@pytest.mark.parametrize("parameters", [{"max_rejected": 0}, {"data": [], "on_empty": "skip"}])
@pytest.mark.usefixtures("octopush")
def test_a_task_that_fails_or_is_skipped_causes_no_event(dag: DAG, parameters: dict[str, Any]) -> None:
    sync(outlets=[create_asset(list_name="Customers")], **parameters)
    run_dag(dag)
    assert events(dag) == []


def test_outlets_that_are_no_assets_are_left_alone(dag: DAG, octopush: Simulator) -> None:
    octopush.reset(Behaviour())
    sync(outlets=[{"table": "customers"}])
    assert run_dag(dag).state == "success"
    assert events(dag) == []
