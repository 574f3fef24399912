"""Oracle, by oracledb."""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_octopush.sources.databases.codes import Code, states
from airflow_provider_octopush.sources.databases.driver import Driver, Opening, ask, by_type, narrow, unpadded

READ_ONLY_TRANSACTION = "SET TRANSACTION READ ONLY"

_STATES = {
    "08006": {"ORA-03113", "ORA-03114", "ORA-03135", "ORA-12170", "ORA-12541", "ORA-12547", "DPY-1001", "DPY-4011"},
    "25006": {"ORA-01456"},
    "28000": {"ORA-01017", "ORA-28000", "ORA-28001"},
    "40001": {"ORA-00060", "ORA-01555", "ORA-08177"},
    "42000": {"ORA-00900", "ORA-00903", "ORA-00904", "ORA-00907", "ORA-00911", "ORA-00918", "ORA-00923", "ORA-00933"}
    | {"ORA-00936", "ORA-00942", "ORA-00979", "ORA-01031"},
    "57014": {"ORA-01013"},
}


def _code(error: Exception) -> Code | None:
    found = re.match(r"(?:ORA|DPY|DPI)-\d+", str(error))
    return found[0] if found else None


def _cursor(conn: Any, opening: Opening) -> Any:
    if opening.read_only:
        ask(conn, READ_ONLY_TRANSACTION)
    cursor = conn.cursor()
    cursor.arraysize = opening.batch_size
    return cursor


ORACLE = Driver(
    parameters=(":name", ":1"),
    open_cursor=_cursor,
    converters=by_type(
        {"DB_TYPE_CHAR": unpadded, "DB_TYPE_NCHAR": unpadded, "DB_TYPE_BINARY_FLOAT": narrow},
        lambda code: getattr(code, "name", None),
    ),
    code=_code,
    state=states(_STATES),
)
