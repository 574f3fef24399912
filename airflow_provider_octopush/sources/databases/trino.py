"""Trino, through its own client."""

from __future__ import annotations

from airflow_provider_octopush.sources.databases.driver import USUAL_CONVERTERS, Driver

TRINO = Driver(converters=USUAL_CONVERTERS)
