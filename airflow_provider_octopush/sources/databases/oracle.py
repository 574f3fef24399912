"""Oracle, through oracledb."""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_octopush.sources.databases.codes import quotable
from airflow_provider_octopush.sources.databases.driver import Cursor, Driver, Opening, ask, by_type, narrow

READ_ONLY_TRANSACTION = "SET TRANSACTION READ ONLY"

_ABOUT_STATEMENTS = (900, 903, 904, 907, 911, 918, 923, 933, 936, 942, 979, 1031, 1456)


def _code(error: Exception) -> str | None:
    found = re.match(r"(?:ORA|DPY|DPI)-\d+", str(error))
    return found[0] if found else None


def _cursor(conn: Any, opening: Opening) -> Cursor:
    if opening.read_only:
        ask(conn, READ_ONLY_TRANSACTION)
    cursor: Any = conn.cursor()
    cursor.arraysize = opening.batch_size
    opened: Cursor = cursor
    return opened


ORACLE = Driver(
    open_cursor=_cursor,
    converters=by_type({"DB_TYPE_BINARY_FLOAT": narrow}, lambda code: getattr(code, "name", None)),
    code=_code,
    is_quotable=quotable(*(f"ORA-{number:05}" for number in _ABOUT_STATEMENTS)),
)
