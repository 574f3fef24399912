from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_octopush.simulator import Simulator
from tests.conftest import SetConnection
from tests.operators.nights import SECRET, Nights


@pytest.fixture
def nights(simulator: Simulator, connect: SetConnection, tmp_path: Path) -> Nights:
    """Nights of a list, whose snapshot is in a folder of its own."""
    connect(timeout=5, request_retries=1, snapshot_secret=SECRET)
    return Nights(simulator, tmp_path)


@pytest.fixture
def object_store() -> Iterator[Any]:
    """An object store in memory, behind the paths ``memory://bucket/…``."""
    from fsspec.implementations.memory import MemoryFileSystem

    try:
        io = import_module("airflow.sdk.io")
    except ImportError:
        io = import_module("airflow.io.store")
    store: Any = MemoryFileSystem()
    io.attach("memory", fs=store)
    yield store
    if store.exists("/bucket"):
        store.rm("/bucket", recursive=True)
