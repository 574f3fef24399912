"""What a Dag file pays for importing what it names."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

#: They come when a task runs.
HEAVY = {"msgspec", "numpy", "pandas", "phonenumbers", "pyroaring", "requests", "sqlparse"}

#: Modules that a Dag file may name.
NAMED = [
    "airflow_provider_octopush.operators.create_contacts",
    "airflow_provider_octopush.decorators.octopush_contacts",
    "airflow_provider_octopush.sync.summary",
    "airflow_provider_octopush.assets.lists",
    "airflow_provider_octopush.assets.events",
]
NEEDED_BY_A_TASK = "airflow_provider_octopush.operators.runs"

_PROGRAM = """
import importlib, json, sys
from airflow.providers.common.compat import sdk

# What every Dag file has in memory, and the names that the provider takes from Airflow.
for name in ("DAG", "Asset", "AssetAlias", "BaseHook", "BaseOperator", "DecoratedOperator", "Stats", "XComArg"):
    getattr(sdk, name)
imported = {}
for module in sys.argv[1:]:
    before = set(sys.modules)
    importlib.import_module(module)
    imported[module] = sorted(set(sys.modules) - before)
print(json.dumps(imported))
"""


@pytest.fixture(scope="module")
def imported() -> dict[str, list[str]]:
    """Module → what it brought into memory, each after the ones before it: what none brings, none needs."""
    command = [sys.executable, "-c", _PROGRAM, *NAMED, NEEDED_BY_A_TASK]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, list[str]] = json.loads(result.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("module", NAMED)
def test_a_dag_file_does_not_pay_for_what_only_a_task_needs(imported: dict[str, list[str]], module: str) -> None:
    assert {name for name in imported[module] if name.partition(".")[0] in HEAVY} == set()
    assert any(module in brought for brought in imported.values())


def test_what_a_task_needs_is_what_is_looked_for_here(imported: dict[str, list[str]]) -> None:
    assert {name for name in imported[NEEDED_BY_A_TASK] if name in HEAVY - {"requests"}} >= {"numpy", "pandas"}
