"""ClickHouse, by clickhouse-driver."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from airflow_provider_octopush.sources.databases.codes import states
from airflow_provider_octopush.sources.databases.driver import Driver, Opening, by_type, narrow

_STATES = {
    "08006": {209, 210},
    "25006": {164},
    "28000": {192, 193, 194, 516},
    "3D000": {81},
    "42000": {42, 46, 47, 60, 62, 63, 184, 215, 497},
    "53000": {202, 241, 243},
    "57014": {159, 160, 394},
}


def _cursor(conn: Any, opening: Opening) -> Any:
    cursor = conn.cursor()
    if opening.read_only:
        with suppress(Exception):
            cursor.execute("SET readonly = 2")  # with 1, the size of a block could not be set, which streaming needs
    cursor.set_stream_results(True, opening.batch_size)
    return cursor


CLICKHOUSE = Driver(
    parameters=("%(name)s",),
    open_cursor=_cursor,
    converters=by_type({"Float32": narrow, "Nullable(Float32)": narrow}),
    state=states(_STATES),
)
