"""Databricks, by its own connector."""

from __future__ import annotations

import re

from airflow_provider_octopush.sources.databases.codes import sqlstate
from airflow_provider_octopush.sources.databases.driver import USUAL_CONVERTERS, Driver


def _sqlstate(error: Exception) -> str | None:
    # It ends what it says with the state.
    found = re.search(r"SQLSTATE: ([0-9A-Z]{5})\s*\Z", str(error))
    return sqlstate(error) or (found[1] if found else None)


DATABRICKS = Driver(parameters=(":name", "?"), converters=USUAL_CONVERTERS, sqlstate=_sqlstate)
