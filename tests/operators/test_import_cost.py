"""What a Dag file pays for importing what it names."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: They come when a task runs.
HEAVY = {"msgspec", "numpy", "pandas", "phonenumbers", "pyroaring", "requests", "sqlparse"}

_PROGRAM = """
import importlib, sys
from airflow.providers.common.compat import sdk

# What every Dag file has in memory, and the names that the provider takes from Airflow.
for name in ("DAG", "Asset", "AssetAlias", "BaseHook", "BaseOperator", "DecoratedOperator", "Stats", "XComArg"):
    getattr(sdk, name)
before = set(sys.modules)
importlib.import_module(sys.argv[1])
print(*sorted(set(sys.modules) - before))
"""


def imported_by(module: str) -> set[str]:
    result = subprocess.run([sys.executable, "-c", _PROGRAM, module], capture_output=True, text=True, check=True)
    return set(result.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "module",
    [
        "airflow_provider_octopush.operators.contacts",
        "airflow_provider_octopush.decorators.contacts",
        "airflow_provider_octopush.sync.summary",
        "airflow_provider_octopush.assets.lists",
        "airflow_provider_octopush.assets.events",
    ],
)
def test_a_dag_file_does_not_pay_for_what_only_a_task_needs(module: str) -> None:
    imported = imported_by(module)
    assert module in imported
    assert {name for name in imported if name.partition(".")[0] in HEAVY} == set()


def test_what_a_task_needs_is_what_is_looked_for_here() -> None:
    imported = imported_by("airflow_provider_octopush.operators.failures")
    assert {name for name in imported if name in HEAVY - {"requests"}} >= {"numpy", "pandas"}
