"""What a driver raised → what went wrong, and which of the database's words may be said of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from airflow_provider_octopush.sources.errors import (
    ConnectionLostError,
    QueryCancelledError,
    QueryRefusedError,
    RowsNotReadError,
)

#: Classes of SQLSTATE that are about a connection, a statement, a transaction, a limit or a cancellation, while no row
#: can have been looked at. What is about a value (22, 23), or about nobody knows what, may quote the value.
_QUOTABLE = frozenset(("08", "25", "26", "28", "3D", "40", "42", "53", "54", "55", "57", "58"))

_MAX_WORDS = 500

# Where a driver knows no SQLSTATE, it is taken from what the driver knows instead: a number, or a name.
_MYSQL = {
    "08006": {1053, 1927, 2002, 2003, 2006, 2013, 2055, 4031},
    "25006": {1792},
    "28000": {1044, 1045, 1698},
    "3D000": {1046, 1049},
    "40001": {1205, 1213},
    "42000": {1052, 1054, 1055, 1056, 1060, 1064, 1066, 1109, 1111, 1140, 1142, 1143, 1146, 1149, 1221, 1222, 1227}
    | {1235, 1241, 1248, 1305, 1318, 1356, 1370, 1630},
    "53000": {1021, 1037, 1038, 1040, 1041, 1114, 1203, 1226},
    "57014": {1317, 1907, 1969, 3024},
}
_SQL_SERVER = {
    "08006": {20002, 20003, 20004, 20006, 20009, 20047},
    "28000": {18456},
    "40001": {1205},
    "42000": {102, 105, 156, 207, 208, 229, 916, 2812, 4104, 8120},
}
_CLICKHOUSE = {
    "08006": {209, 210},
    "25006": {164},
    "28000": {192, 193, 194, 516},
    "3D000": {81},
    "42000": {42, 46, 47, 60, 62, 63, 184, 215, 497},
    "53000": {202, 241, 243},
    "57014": {159, 160, 394},
}
_ORACLE = {
    "08006": {"ORA-03113", "ORA-03114", "ORA-03135", "ORA-12170", "ORA-12541", "ORA-12547", "DPY-1001", "DPY-4011"},
    "25006": {"ORA-01456"},
    "28000": {"ORA-01017", "ORA-28000", "ORA-28001"},
    "40001": {"ORA-00060", "ORA-01555", "ORA-08177"},
    "42000": {"ORA-00900", "ORA-00903", "ORA-00904", "ORA-00907", "ORA-00911", "ORA-00918", "ORA-00923", "ORA-00933"}
    | {"ORA-00936", "ORA-00942", "ORA-00979", "ORA-01031"},
    "57014": {"ORA-01013"},
}
_DUCKDB = {
    "08006": {"ConnectionException"},
    "25006": {"TransactionException"},
    "42000": {"BinderException", "CatalogException", "ParserException", "PermissionException", "SyntaxException"},
    "53000": {"OutOfMemoryException"},
    "57014": {"InterruptException"},
    "58030": {"IOException"},
}
# Without SQLITE_ERROR, which is as likely to be about a value.
_SQLITE = {
    "25006": {"SQLITE_READONLY"},
    "28000": {"SQLITE_AUTH", "SQLITE_PERM"},
    "40001": {"SQLITE_BUSY", "SQLITE_LOCKED"},
    "53000": {"SQLITE_FULL", "SQLITE_NOMEM"},
    "57014": {"SQLITE_INTERRUPT"},
    "58030": {"SQLITE_CANTOPEN", "SQLITE_CORRUPT", "SQLITE_IOERR", "SQLITE_NOTADB"},
}
_BIGQUERY = {"08006": {500, 502, 503}, "28000": {401}, "42000": {403, 404}, "53000": {429}}

_Code = int | str

_NATIVE: Mapping[str, Mapping[str, Collection[_Code]]] = {
    "MySQLdb": _MYSQL,
    "pymysql": _MYSQL,
    "mysql": _MYSQL,
    "pymssql": _SQL_SERVER,
    "clickhouse_driver": _CLICKHOUSE,
    "oracledb": _ORACLE,
    "duckdb": _DUCKDB,
    "_duckdb": _DUCKDB,
    "sqlite3": _SQLITE,
    "google": _BIGQUERY,
    "googleapiclient": _BIGQUERY,
}
_STATES: Mapping[str, Mapping[_Code, str]] = {
    package: {code: state for state, codes in states.items() for code in codes} for package, states in _NATIVE.items()
}

_SQLSTATE = re.compile(r"[0-9A-Z]{5}")
# PostgreSQL ends the connection of a transaction that was idle for too long.
_ENDED = ("25P03", "25P04", "57P01", "57P02", "57P03", "57P04", "57P05")
_CANCELLED = ("57014", "70100", "HY008", "HYT00")
_REFUSED = ("25", "26", "28", "3D", "42")


def explain(
    error: Exception,
    doing: str,
    *,
    about_statement: bool = False,
    reading: bool = False,
    ended: bool = False,
    holds_parameters: bool = False,
) -> RowsNotReadError:
    """
    Say what went wrong, without a value of a row.

    The exception returned has no cause and no context, because drivers' exceptions carry what they quote: raise it
    where nothing is being handled.

    :param error: what the driver raised.
    :param doing: what was under way, for the message.
    :param about_statement: whether no row was looked at yet, so that it can only be about the statement.
    :param reading: whether rows are being read, so that it may be about a row.
    :param ended: whether the driver says that the connection is closed.
    :param holds_parameters: whether the driver may have written parameters into the statement.
    """
    state, code = _state(error)
    is_servers = state is not None
    if state is None and ended:
        state = "08006"
    if state is None and about_statement:
        state = "42000"
    kind, meaning = RowsNotReadError, ""
    if state is not None:
        if state[:2] == "08" or state in _ENDED:
            kind, meaning = ConnectionLostError, ": the connection was ended"
        elif state in _CANCELLED:
            kind, meaning = QueryCancelledError, ": the query was cancelled, by somebody or by a limit of time"
        elif state[:2] in _REFUSED:
            kind = QueryRefusedError
            if state == "25006":
                meaning = ": something in the query changes data, in a read-only transaction"
    where = f" ({code})" if code else ""
    said = f"the database failed while {doing}: {type(error).__name__}{where}"
    is_quotable = state is not None and (state[:2] in _QUOTABLE or state in _CANCELLED)
    # Once rows are read, a function may have raised it, with a class and words of its own choice. PostgreSQL may call
    # one while it plans the query, and says then that it did.
    reading = reading or bool(getattr(getattr(error, "diag", None), "context", None))
    if is_quotable and not holds_parameters and not (reading and is_servers):
        return kind(f"{said}: {_words(error)}")
    quoted = "a parameter" if is_quotable and not reading else "a row"
    left_out = f"its words are left out, since they may quote {quoted}: run the query by hand to see them"
    return kind(f"{said}{meaning if reading else ''}; {left_out}")


def code_of(error: Exception) -> str | None:
    """Return what the database calls the error, for people to look up; None when it did not say."""
    return _state(error)[1]


def _state(error: Exception) -> tuple[str | None, str | None]:
    """Return the SQLSTATE, or what stands for it, and the code to show for it."""
    state = _sqlstate(error)
    if state is not None:
        return state, f"SQLSTATE {state}"
    package = type(error).__module__.partition(".")[0]
    code = _native_code(error, package)
    if code is None:
        return None, None
    # SQLite's names have kinds behind them: SQLITE_BUSY_SNAPSHOT.
    states, general = _STATES.get(package, {}), "_".join(str(code).split("_")[:2])
    return states.get(code, states.get(general)), str(code)


def _sqlstate(error: Exception) -> str | None:
    first: Any = error.args[0] if error.args else None
    for value in (getattr(error, "sqlstate", None), getattr(error, "pgcode", None), first):
        if isinstance(value, str) and _SQLSTATE.fullmatch(value):
            return value
    if isinstance(first, Mapping):  # pg8000, and Redshift's driver, which comes from it
        value = first.get("C")
        return value if isinstance(value, str) and _SQLSTATE.fullmatch(value) else None
    for java in (error, first):
        if hasattr(java, "getSQLState"):
            value = str(java.getSQLState())
            return value if _SQLSTATE.fullmatch(value) else None
    # Databricks ends what it says with the state.
    found = (
        re.search(r"SQLSTATE: ([0-9A-Z]{5})\s*\Z", str(error))
        if type(error).__module__.startswith("databricks")
        else None
    )
    return found[1] if found else None


def _native_code(error: Exception, package: str) -> _Code | None:
    if package in ("duckdb", "_duckdb"):
        return type(error).__name__
    if package == "oracledb":
        found = re.match(r"(?:ORA|DPY|DPI)-\d+", str(error))
        return found[0] if found else None
    for holder in (error, *error.args[:1]):
        for name in ("sqlite_errorname", "error_name", "errno", "code", "status_code"):
            value = getattr(holder, name, None)
            if isinstance(value, int | str) and not isinstance(value, bool):
                return value
        if isinstance(holder, int):
            return holder
        if isinstance(holder, tuple) and holder and isinstance(holder[0], int):  # pymssql
            return holder[0]
    return None


def _words(error: Exception) -> str:
    # ClickHouse adds the stack of its own code.
    words = " ".join(str(error).partition("Stack trace")[0].split())
    return words if len(words) <= _MAX_WORDS else f"{words[:_MAX_WORDS]}…"
