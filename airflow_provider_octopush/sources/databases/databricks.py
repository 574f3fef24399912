"""Databricks, through its own connector."""

from __future__ import annotations

import re

from airflow_provider_octopush.sources.databases.codes import Code, code_of
from airflow_provider_octopush.sources.databases.driver import USUAL_CONVERTERS, Driver


def _code(error: Exception) -> Code | None:
    # Its messages end with the state.
    found = re.search(r"SQLSTATE: ([0-9A-Z]{5})\s*\Z", str(error))
    return found[1] if found else code_of(error)


DATABRICKS = Driver(converters=USUAL_CONVERTERS, code=_code)
