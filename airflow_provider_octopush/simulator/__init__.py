"""
The Octopush API on localhost, for demos, development and tests.

Needs the extra ``simulator``. Nothing that runs in production imports it.
"""

from __future__ import annotations

from airflow_provider_octopush.simulator.behaviour import Behaviour, Fault
from airflow_provider_octopush.simulator.server import Simulator

__all__ = ["Behaviour", "Fault", "Simulator"]
