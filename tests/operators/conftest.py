from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_octopush.simulator import Simulator
from tests.conftest import SetConnection
from tests.operators.nights import SECRET, Nights


@pytest.fixture
def nights(simulator: Simulator, connect: SetConnection, tmp_path: Path) -> Nights:
    """Nights of a list, whose snapshot is in a folder of its own."""
    connect(timeout=5, request_retries=1, snapshot_secret=SECRET)
    return Nights(simulator, tmp_path)
