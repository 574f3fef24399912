"""Running the operators that keep a list in step and that erase people, night after night."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from typing import Any

from airflow_provider_octopush.operators.delete_contacts import DeleteContactsOperator
from airflow_provider_octopush.operators.sync_list import SyncListOperator
from airflow_provider_octopush.simulator import Simulator
from tests.airflow_runs import TaskInstance

LIST = "Customers"
SECRET = "a secret of more than 32 characters"
Rows = list[dict[str, Any]]


def number(n: int) -> str:
    """Return a French mobile."""
    return f"+3361234{n:04}"


def people(*numbers: int, name: str = "Zoé") -> Rows:
    """Return rows."""
    return [{"phone_number": number(n), "first_name": name} for n in numbers]


def check(summary: dict[str, Any], **expected: Any) -> None:
    """Compare counts; a failure shows all that are not zero."""
    counts = {name: value for name, value in summary.items() if isinstance(value, int) and value}
    given = {name: summary[name] for name in expected}
    assert given == expected, counts


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Nights:
    """Runs the operator night after night."""

    def __init__(self, simulator: Simulator, folder: Path) -> None:
        self.simulator = simulator
        self.snapshot_path = folder / "snapshots" / "customers.snapshot"
        self.night = 0
        self.pushed: dict[str, Any] = {}

    def run(
        self,
        rows: Any,
        *,
        night: int | None = None,
        date: str | None = None,
        map_index: int = -1,
        more_context: dict[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Run one night, or go on with one; return its summary."""
        self.night = self.night + 1 if night is None else night
        options = {"list_name": LIST, "snapshot_path": str(self.snapshot_path), **options}
        source = {} if "data_path" in options else {"data": rows}
        operator = SyncListOperator(task_id="sync", **source, **options)
        ti = TaskInstance(map_index=map_index)
        context: Any = {"ti": ti, "run_id": f"night {self.night}", **(more_context or {})}
        if date is not None:
            context["logical_date"] = dt.datetime.fromisoformat(date).replace(tzinfo=dt.UTC)
        self.pushed = {}
        try:
            return operator.execute(context)
        finally:
            self.pushed = ti.pushed.get("return_value", {})

    def erase(self, rows: Any, **options: Any) -> dict[str, Any]:
        """Erase people from the list and the snapshot; return the summary."""
        options = {"list_name": LIST, "snapshot_path": str(self.snapshot_path), **options}
        ti = TaskInstance()
        context: Any = {"ti": ti, "run_id": "erasure"}
        self.pushed = {}
        try:
            return DeleteContactsOperator(task_id="erase", data=rows, **options).execute(context)
        finally:
            self.pushed = ti.pushed.get("return_value", {})

    @property
    def on_list(self) -> set[str]:
        """Who is on the list."""
        return self.simulator.lists.get(LIST, set())

    def requests_of(self, path: str) -> int:
        """Return how many requests an endpoint had."""
        return sum(request.path == path for request in self.simulator.requests)
