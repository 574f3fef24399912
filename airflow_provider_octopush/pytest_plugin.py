"""
The fixture for tests of Dags. pytest finds it by itself; the extra ``simulator`` has to be installed.

pytest imports this module in every project that has the package installed, so it imports nothing that costs time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_octopush.simulator import Simulator


@pytest.fixture
def octopush_simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """Give the Octopush API on localhost, new for each test, behind the connection ``octopush_default``."""
    from airflow_provider_octopush.simulator import Simulator

    with Simulator() as simulator:
        monkeypatch.setenv("AIRFLOW_CONN_OCTOPUSH_DEFAULT", simulator.connection)
        yield simulator
