from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_octopush.simulator import Simulator
from tests.airflow_runs import run_dag

TASKFLOW = Path(__file__).parent.parent / "docs" / "taskflow.md"


@pytest.mark.usefixtures("airflow_db")
def test_the_function_of_the_taskflow_guide_is_a_dag_that_runs(
    octopush: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = re.findall(r"^```python\n(.*?)^```", TASKFLOW.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    shop: Any = types.ModuleType("shop")
    numbers = {"gold": "+34612345678", "silver": "612345679"}
    shop.pages_of_customers = lambda segment: [[{"mobile": numbers[segment], "country": "ES"}]]
    monkeypatch.setitem(sys.modules, "shop", shop)
    indented = "".join(f"    {line}\n" for line in second.splitlines())
    names: dict[str, Any] = {}
    exec(compile(first + indented, TASKFLOW, "exec"), names)  # noqa: S102 - it is our own
    run = run_dag(names["dag"])
    assert run.state == "success"
    assert set(run.results) == {"customers", "customers__1[0]", "customers__1[1]", "trial"}
    assert octopush.lists == {"Customers of Spain": {"+34612345678", "+34612345679"}}
    assert run.results["trial"]["validate_only"] is True
