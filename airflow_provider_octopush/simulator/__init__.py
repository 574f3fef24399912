"""
The Octopush API on localhost, for demos, development and tests.

It needs the extra ``simulator``. Nothing that runs in production imports it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_octopush.simulator.behaviour import Behaviour
from airflow_provider_octopush.simulator.faults import Fault
from airflow_provider_octopush.simulator.request_log import Request
from airflow_provider_octopush.simulator.store import StoredContact

if TYPE_CHECKING:
    from airflow_provider_octopush.simulator.server import Simulator

__all__ = ["Behaviour", "Fault", "Request", "Simulator", "StoredContact"]


def __getattr__(name: str) -> Any:
    # Imported late: ``python -m`` imports this module before it could say which extra is missing.
    if name != "Simulator":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from airflow_provider_octopush.simulator.server import Simulator
    except ModuleNotFoundError as error:
        if error.name != "aiohttp":
            raise
        raise ModuleNotFoundError(
            "The simulator needs aiohttp: pip install 'airflow-provider-octopush[simulator]'", name="aiohttp"
        ) from error
    return Simulator
