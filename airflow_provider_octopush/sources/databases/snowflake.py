"""Snowflake, by its own connector."""

from __future__ import annotations

from airflow_provider_octopush.sources.databases.driver import Driver, by_type, unquoted

SNOWFLAKE = Driver(parameters=("%(name)s", "%s"), converters=by_type({5: unquoted}))  # 5 is VARIANT
