"""A query on any DB-API hook → its rows, as DataFrames, in bounded memory."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any, Protocol

import pandas as pd

NET_WRITE_TIMEOUT = 86_400


class DbApiHook(Protocol):
    """What is asked of a hook: connections as PEP 249 describes them."""

    def get_conn(self) -> Any:
        """Open a connection."""


class NotAQueryError(ValueError):
    """The statement gives no rows: write a SELECT, a retry changes nothing."""


class RowsNotReadError(Exception):
    """The database failed while rows were read. Its own words are left out: at that point they may quote a row."""


def read_sql(
    hook: DbApiHook,
    sql: str,
    parameters: Mapping[str, Any] | Sequence[Any] | None = None,
    *,
    batch_size: int = 1_000,
) -> Generator[pd.DataFrame, None, None]:
    """
    Run a query and give its rows as they come from the server.

    Values are what the driver makes of them: an integer beside NULL stays an int, NULL is None. Columns that the query
    names alike keep their names. The connection opens with the first frame asked for and closes with the last one, or
    when the generator is closed; nothing is ever committed.

    PostgreSQL (psycopg, psycopg2) and MySQL or MariaDB (mysqlclient, PyMySQL, MySQL Connector) are read through
    server-side, unbuffered cursors, whatever cursor the connection asks for. SQLite streams by itself. Of any other
    driver, what its ``fetchmany`` keeps in memory is its own affair.

    Closing the generator early stops the query, on every driver but MySQL Connector with its C extension: that one
    reads the remaining rows, and drops them, before it closes.

    The database's connection is held until the last row is taken: on PostgreSQL in one transaction, which a server with
    an ``idle_in_transaction_session_timeout`` shorter than the work on one batch ends. SQLite wants all frames
    asked for, and the generator closed, in one thread.

    :param hook: a hook whose connections follow PEP 249, such as ``BaseHook.get_connection(conn_id).get_hook()``.
    :param sql: one query. PostgreSQL takes what a cursor can be declared for: SELECT, VALUES, TABLE, and WITH before
        them.
    :param parameters: the query's parameters, in the style of the driver.
    :param batch_size: rows in a frame, at most. While one is read and checked, no answer is looked at: the default
        takes some milliseconds.
    :return: frames of dtype object; one without rows, but with the columns, when the query finds nothing.
    :raises NotAQueryError: when the statement gives no rows.
    :raises RowsNotReadError: when the database fails after the query was accepted.
    :raises TypeError: when the hook's connections do not follow PEP 249.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: write 1 or more")
    conn = hook.get_conn()
    if not hasattr(conn, "cursor"):
        raise TypeError(f"sql needs a hook for a database with a DB-API driver; {type(hook).__name__} is not one")
    driver = _driver_of(conn)
    with ExitStack() as stack:
        stack.callback(_quietly, conn, "close")
        cursor = _OPEN_CURSOR[driver](conn) if driver else conn.cursor()
        if driver == "pymysql":
            stack.callback(_forget_unread_rows, cursor)
        elif driver not in ("MySQLdb", "mysql"):
            # Drivers for MySQL read all rows that are left when they close a cursor, so there the connection goes
            # first, and the server rolls back. Elsewhere a closed cursor is what stops the query.
            stack.callback(_quietly, conn, "rollback")
            stack.callback(_quietly, cursor, "close")
        _execute(cursor, driver, sql, parameters)
        # psycopg2 knows the columns of a named cursor only once it has fetched from it.
        if driver != "psycopg2" and cursor.description is None:
            raise _not_a_query()
        rows = _fetch(cursor, batch_size)
        names = [str(column[0]) for column in cursor.description]
        yield _frame(names, rows)
        while rows := _fetch(cursor, batch_size):
            yield _frame(names, rows)


def _driver_of(conn: Any) -> str | None:
    packages = (kind.__module__.partition(".")[0] for kind in type(conn).__mro__)
    return next((package for package in packages if package in _OPEN_CURSOR), None)


def _psycopg_cursor(conn: Any) -> Any:
    _leave_autocommit(conn)
    return conn.cursor(name="rows", row_factory=importlib.import_module("psycopg.rows").tuple_row)


def _psycopg2_cursor(conn: Any) -> Any:
    _leave_autocommit(conn)
    return conn.cursor(name="rows", cursor_factory=importlib.import_module("psycopg2.extensions").cursor)


def _leave_autocommit(conn: Any) -> None:
    # A server-side cursor lives as long as its transaction; with autocommit that is no longer than its declaration.
    if conn.autocommit:
        conn.autocommit = False


def _mysqlclient_cursor(conn: Any) -> Any:
    return _patient(conn.cursor(importlib.import_module("MySQLdb.cursors").SSCursor))


def _pymysql_cursor(conn: Any) -> Any:
    return _patient(conn.cursor(importlib.import_module("pymysql.cursors").SSCursor))


def _mysql_connector_cursor(conn: Any) -> Any:
    return _patient(conn.cursor())


def _patient(cursor: Any) -> Any:
    # By default the server gives up on a client that takes no row for a minute (net_write_timeout, 60 seconds), and
    # posting one batch may take longer. A server that speaks MySQL without this variable has no such limit.
    with suppress(Exception):
        cursor.execute(f"SET SESSION net_write_timeout = {NET_WRITE_TIMEOUT}")
    return cursor


_OPEN_CURSOR: dict[str, Callable[[Any], Any]] = {
    "psycopg": _psycopg_cursor,
    "psycopg2": _psycopg2_cursor,
    "MySQLdb": _mysqlclient_cursor,
    "pymysql": _pymysql_cursor,
    "mysql": _mysql_connector_cursor,
}

# Blanks, comments and parentheses, then what PostgreSQL's grammar calls a SelectStmt.
_SELECT_STATEMENT = re.compile(
    r"(?:\s|\(|--[^\n]*|/\*.*?\*/)*+(?:SELECT|WITH|VALUES|TABLE)\b", re.IGNORECASE | re.DOTALL
)
_SYNTAX_ERROR = "42601"


def _execute(cursor: Any, driver: str | None, sql: str, parameters: Mapping[str, Any] | Sequence[Any] | None) -> None:
    try:
        # Without parameters a % is a %; with them it has to be written as %%.
        if parameters:
            cursor.execute(sql, parameters)
        else:
            cursor.execute(sql)
    except Exception as error:
        state = _sqlstate(error)
        if driver in ("psycopg", "psycopg2") and state == _SYNTAX_ERROR and not _SELECT_STATEMENT.match(sql):
            raise _not_a_query() from None
        raise


def _fetch(cursor: Any, batch_size: int) -> Sequence[Any]:
    try:
        rows: Sequence[Any] = cursor.fetchmany(batch_size)
    except Exception as error:  # noqa: BLE001 - drivers share no base class
        state = _sqlstate(error)
        where = f" (SQLSTATE {state})" if state else ""
        raise RowsNotReadError(
            f"the database failed while rows were read: {type(error).__name__}{where}; run the query by hand to see "
            "what it says of which row"
        ) from None
    return rows


def _sqlstate(error: Exception) -> str | None:
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)


def _not_a_query() -> NotAQueryError:
    return NotAQueryError("sql is a statement that gives no rows to read: write one SELECT")


def _frame(names: list[str], rows: Sequence[Any]) -> pd.DataFrame:
    if rows and not isinstance(rows[0], tuple):
        rows = [tuple(row.values()) if isinstance(row, Mapping) else tuple(row) for row in rows]
    return pd.DataFrame(list(rows), columns=names, dtype=object)


def _quietly(resource: Any, method: str) -> None:
    # All rows are read or nobody wants them any more: a failure here changes neither, and would hide an earlier one.
    with suppress(Exception):
        getattr(resource, method)()


def _forget_unread_rows(cursor: Any) -> None:
    # PyMySQL's finalizers would read on from the closed connection, and print that they cannot.
    with suppress(AttributeError):
        cursor._result.unbuffered_active = False
    cursor.connection = None
