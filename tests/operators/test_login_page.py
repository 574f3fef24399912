"""Whole tasks behind a proxy that answers removals with its login page, and 200."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_octopush.exceptions import OctopushAnswerError
from airflow_provider_octopush.operators.delete_contacts import DeleteContactsOperator
from airflow_provider_octopush.operators.sync_list import SyncListOperator
from airflow_provider_octopush.simulator import Fault, Simulator
from tests.airflow_runs import TaskInstance
from tests.conftest import SetConnection

PEOPLE = [{"phone_number": f"+3361234{n:04}"} for n in range(300)]
PAGE = Fault.login_page()


@pytest.fixture(autouse=True)
def _connected(connect: SetConnection) -> None:
    connect(timeout=5, request_retries=0, snapshot_secret="a secret of more than 32 characters")


def keep_in_step(rows: Any, night: int, path: Path) -> dict[str, Any]:
    operator = SyncListOperator(
        task_id="sync", data=rows, list_name="L", snapshot_path=str(path), max_removed="100%", remove_missing=True
    )
    context: Any = {"ti": TaskInstance(), "run_id": f"night {night}"}
    return operator.execute(context)


def test_a_list_in_step_counts_nobody_as_removed_and_the_retry_removes_them(
    simulator: Simulator, tmp_path: Path
) -> None:
    path = tmp_path / "l.snapshot"
    keep_in_step(PEOPLE, 1, path)
    simulator.fail_next(PAGE)
    with pytest.raises(OctopushAnswerError, match="its outcome is not known"):
        keep_in_step(PEOPLE[:50], 2, path)
    assert len(simulator.lists["L"]) == 300
    summary = keep_in_step(PEOPLE[:50], 2, path)
    assert (summary["removed"], summary["kept"], summary["snapshot_after"]) == (250, 0, 50)
    assert len(simulator.lists["L"]) == 50


def test_who_was_removed_before_the_page_came_is_counted_once(simulator: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "l.snapshot"
    keep_in_step(PEOPLE, 1, path)
    simulator.fail_next(None, PAGE)
    with pytest.raises(OctopushAnswerError):
        keep_in_step(PEOPLE[:50], 2, path)
    assert len(simulator.lists["L"]) == 100
    summary = keep_in_step(PEOPLE[:50], 2, path)
    assert (summary["removed"], summary["snapshot_after"]) == (250, 50)
    assert len(simulator.lists["L"]) == 50


@pytest.mark.parametrize("where", [{"list_name": "L"}, {"from_account": True}])
def test_contacts_that_are_removed_by_their_rows_are_still_there(
    simulator: Simulator, tmp_path: Path, where: dict[str, Any]
) -> None:
    keep_in_step(PEOPLE, 1, tmp_path / "l.snapshot")
    operator = DeleteContactsOperator(task_id="erase", data=PEOPLE[:7], **where)
    context: Any = {"ti": TaskInstance(), "run_id": "x"}
    simulator.fail_next(PAGE)
    with pytest.raises(OctopushAnswerError):
        operator.execute(context)
    assert len(simulator.lists["L"]) == 300
    assert operator.execute(context)["removed"] == 7
    assert len(simulator.lists["L"]) == 293
