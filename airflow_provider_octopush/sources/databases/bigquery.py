"""
BigQuery, through the driver in Airflow's hook, which leaves everything but numbers and booleans as the API writes it.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from airflow_provider_octopush.sources.databases.codes import quotable
from airflow_provider_octopush.sources.databases.driver import Driver, by_type, type_name


def _timestamp(value: Any) -> Any:
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(seconds=value) if isinstance(value, float) else value


BIGQUERY = Driver(converters=by_type({"timestamp": _timestamp}, type_name), is_quotable=quotable(401, 403, 404))
