"""
The fixture for tests of Dags. pytest finds it by itself; the extra ``simulator`` has to be installed.

pytest imports this module in every project that has the package installed, so it imports nothing that costs time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_octopush.simulator import Simulator


@pytest.fixture
def octopush_simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """
    Serve the Octopush API on localhost, anew for each test, behind the connection ``octopush_default``.

    If a secrets backend has a connection of that name, or may have one, the test fails before it begins: Airflow would
    ask it first, and the test's rows would go to a real account.
    """
    from airflow_provider_octopush.simulator import Simulator

    with Simulator() as simulator:
        monkeypatch.setenv("AIRFLOW_CONN_OCTOPUSH_DEFAULT", simulator.connection)
        for name in ("NO_PROXY", "no_proxy"):
            # requests takes the small one first.
            monkeypatch.setenv(name, ",".join(filter(None, [os.environ.get(name), "127.0.0.1"])))
        if found := _other_account(simulator):
            pytest.fail(f"the connection octopush_default would not lead to the simulator: {found}", pytrace=False)
        yield simulator


def _other_account(simulator: Simulator) -> str | None:
    """Say what Airflow would ask before the environment; None if nothing."""
    try:
        from airflow.configuration import conf
        from airflow.providers.common.compat.sdk import BaseHook
    except ImportError:
        # The test is not about a Dag, so no connection is looked up.
        return None
    if backend := conf.get("workers", "secrets_backend", fallback=""):
        return f"tasks may ask {backend} first. Unset [workers] secrets_backend for the tests"
    if BaseHook.get_connection("octopush_default").host != simulator.url:
        return (
            "a secrets backend has a connection of that name, and is asked first. Unset [secrets] backend for the tests"
        )
    return None
