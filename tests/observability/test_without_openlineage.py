from __future__ import annotations

import sys
from typing import Any

import pytest

from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from airflow_provider_octopush.simulator import Simulator
from tests.airflow_runs import TaskInstance


@pytest.fixture
def operator() -> CreateContactsOperator:
    return CreateContactsOperator(task_id="sync", data=[{"phone_number": "+33612345678"}], list_name="Customers")


def test_where_openlineage_is_not_installed_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch,
    octopush: Simulator,
    operator: CreateContactsOperator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "openlineage"]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("airflow.providers.openlineage")]:
        monkeypatch.delitem(sys.modules, name)
    # What Python does for a module that is not there.
    monkeypatch.setitem(sys.modules, "openlineage", None)
    monkeypatch.setitem(sys.modules, "airflow.providers.openlineage", None)
    context: Any = {"ti": TaskInstance()}
    assert operator.execute(context)["added"] == 1
    assert len(octopush.requests) == 1
    # Airflow itself complains here, of a plugin that is registered and cannot be imported.
    ours = [record for record in caplog.records if record.name.startswith("airflow_provider_octopush")]
    assert not [record for record in ours if "ineage" in record.getMessage()]


def test_a_run_that_did_not_come_to_its_end_has_no_lineage_of_ours(operator: CreateContactsOperator) -> None:
    assert operator.get_openlineage_facets_on_complete(TaskInstance()) is None
