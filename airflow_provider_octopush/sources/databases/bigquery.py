"""BigQuery, by the driver in Airflow's hook, which leaves all but numbers and booleans as the API writes them."""

from __future__ import annotations

import base64
import datetime as dt
from typing import Any

from airflow_provider_octopush.sources.databases.codes import states
from airflow_provider_octopush.sources.databases.driver import Driver, by_type, type_name, unquoted

_STATES = {"08006": {500, 502, 503}, "28000": {401}, "42000": {403, 404}, "53000": {429}}


def _timestamp(value: Any) -> Any:
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(seconds=value) if isinstance(value, float) else value


def _bytes(value: Any) -> Any:
    return base64.b64decode(value) if isinstance(value, str) else value


BIGQUERY = Driver(
    parameters=("%(name)s",),
    converters=by_type({"timestamp": _timestamp, "bytes": _bytes, "json": unquoted}, type_name),
    state=states(_STATES),
)
