"""ClickHouse, through clickhouse-driver."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from airflow_provider_octopush.sources.databases.codes import quotable
from airflow_provider_octopush.sources.databases.driver import Cursor, Driver, Opening, by_type, narrow


def _cursor(conn: Any, opening: Opening) -> Cursor:
    cursor: Any = conn.cursor()
    if opening.read_only:
        with suppress(Exception):
            cursor.execute("SET readonly = 2")  # with 1, the size of a block could not be set, which streaming needs
    cursor.set_stream_results(True, opening.batch_size)
    opened: Cursor = cursor
    return opened


CLICKHOUSE = Driver(
    open_cursor=_cursor,
    converters=by_type({"Float32": narrow, "Nullable(Float32)": narrow}),
    is_quotable=quotable(42, 46, 47, 60, 62, 63, 81, 164, 184, 192, 193, 194, 215, 497, 516),
)
