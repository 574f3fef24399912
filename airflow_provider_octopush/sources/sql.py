"""A query on any DB-API hook → its rows, as DataFrames, in bounded memory."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_octopush.sources.databases.driver import Converters, Driver, Opening
from airflow_provider_octopush.sources.databases.explain import code_of, explain
from airflow_provider_octopush.sources.databases.table import driver_of
from airflow_provider_octopush.sources.errors import HookError, NotAQueryError, ParametersError, UnreadableValueError
from airflow_provider_octopush.sources.frames import frame_of
from airflow_provider_octopush.sources.parameters import has_other_percents, styles_of_parameters
from airflow_provider_octopush.sources.queries import DECLARED, QUERIES, check_query, without_byte_order_mark

if TYPE_CHECKING:
    import pandas as pd

Parameters = Mapping[str, Any] | Sequence[Any] | None


class DbApiHook(Protocol):
    """What is asked of a hook: connections as PEP 249 describes them."""

    def get_conn(self) -> Any:
        """Open a connection."""


def read_sql(
    hook: DbApiHook,
    sql: str,
    parameters: Parameters = None,
    *,
    batch_size: int = 1_000,
) -> Generator[pd.DataFrame, None, None]:
    """
    Run a query and give its rows as they come from the server.

    Values are what the driver makes of them: an integer beside NULL stays an int, NULL is None. What a driver makes of
    a value against the database's meaning is mended: JSON that is one string loses its quotes, CHAR its padding, and a
    date that Python does not have is text, where the driver tells it. Columns that the query names alike keep their
    names. The connection opens with the first frame asked for and closes with the last one, or when the generator is
    closed.

    The statement is one query, or calls a procedure; any other is refused before there is a connection. A query runs in
    a read-only session or transaction where the database has one and the driver is known; nothing is ever committed.
    What a procedure does, and a write behind WITH or in a function where nothing is read-only, is the database's
    affair.

    Rows come through server-side cursors, or whatever else keeps a driver from holding all of them, where it is known.
    Of any other driver, what its ``fetchmany`` keeps in memory is its own affair.

    Closing the generator early stops the query, on every driver but MySQL Connector with its C extension: that one
    reads the remaining rows, and drops them, before it closes.

    The database's connection is held until the last row is taken: on PostgreSQL in one transaction, which a server with
    an ``idle_in_transaction_session_timeout`` shorter than the work on one batch ends. SQLite wants all frames
    asked for, and the generator closed, in one thread.

    :param hook: a hook whose connections follow PEP 249, such as ``BaseHook.get_connection(conn_id).get_hook()``.
    :param sql: one query, or the call of a procedure. PostgreSQL takes what a cursor can be declared for: SELECT,
        VALUES, TABLE, and WITH before them.
    :param parameters: the query's parameters, in the style of the driver.
    :param batch_size: rows in a frame, at most. While one is read and checked, no answer is looked at: the default
        takes some milliseconds.
    :return: frames of dtype object; one without rows, but with the columns, when the query finds nothing.
    :raises NotAQueryError: when the statement is none, or gives the rows of several queries: after the last row of the
        first one.
    :raises ParametersError: when the statement writes its parameters as the driver does not take them.
    :raises HookError: when the hook's connections do not follow PEP 249.
    :raises RowsNotReadError: when the database fails; its subclasses say how.
    :raises UnreadableValueError: when the driver has no Python object for a value.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: write 1 or more")
    sql = without_byte_order_mark(sql)
    kind = check_query(sql)
    conn = _connect(hook)
    with ExitStack() as stack:
        stack.callback(_quietly, conn, "close")
        package, driver = driver_of(conn)
        if driver.declares and kind not in DECLARED:
            raise NotAQueryError(f"sql begins with {kind}, for which no cursor can be declared: write one SELECT")
        cursor = driver.open_cursor(conn, Opening(batch_size, kind in QUERIES))
        if driver.reads_on_when_closed:
            # There the connection goes first, and the server rolls back.
            stack.callback(driver.forget_unread_rows, cursor)
        else:
            stack.callback(_quietly, conn, "rollback")
            stack.callback(_quietly, cursor, "close")
        query = _Query(conn, cursor, package, driver)
        query.execute(sql, parameters)
        rows = query.fetch(batch_size)
        names = [str(column[0]) for column in query.columns]
        converters = driver.converters(cursor)
        yield _frame(names, rows, converters)
        while rows := query.fetch(batch_size):
            yield _frame(names, rows, converters)
        query.finish()


def _connect(hook: DbApiHook) -> Any:
    reason = ""
    try:
        conn = hook.get_conn()
    # What hooks of Airflow raise that lead to no database: the first bare, from its own base class.
    except (NotImplementedError, AttributeError) as error:
        conn, reason = None, f" ({type(error).__name__})"
    if not hasattr(conn, "cursor"):
        raise HookError(
            f"sql needs a hook for a database with a DB-API driver, and {type(hook).__name__} is not one{reason}: name "
            "one with sql_hook_class"
        )
    return conn


#: What a driver says that knows no second result; with a SQLSTATE by SQL's, an ODBC driver's and its manager's.
_ONE_RESULT = (None, "SQLSTATE 0A000", "SQLSTATE HYC00", "SQLSTATE IM001")

_SEVERAL = "sql gives the rows of several queries, of which only one can be read: write one SELECT, with UNION ALL"


class _Query:
    """A query under way; what a driver raises becomes an exception that holds no value of a row."""

    def __init__(self, conn: Any, cursor: Any, package: str, driver: Driver) -> None:
        self._conn = conn
        self._cursor = cursor
        self._package = package
        self._driver = driver
        self._rows = 0
        #: As PEP 249 describes them. Some drivers forget them when they fail.
        self.columns: Sequence[Any] = ()

    def execute(self, sql: str, parameters: Parameters) -> None:
        if self._driver.has_several(self._cursor, sql):
            raise NotAQueryError(_SEVERAL)
        if self._driver.compiles:
            self._run(f"{self._driver.compiles}{sql}", parameters, about_statement=True)
        self._run(sql, parameters)
        self.columns = self._cursor.description or ()
        if self._driver.columns_come_with_rows:
            # Declaring a cursor gives none: these are of what ran behind it.
            if self.columns:
                raise NotAQueryError(_SEVERAL)
        elif not self.columns:
            raise NotAQueryError("sql is a statement that gives no rows to read: write one SELECT")

    def _run(self, sql: str, parameters: Parameters, *, about_statement: bool = False) -> None:
        failure: Exception | None = None
        try:
            # Without parameters a % is a %; with them it has to be written as %%.
            if parameters:
                self._cursor.execute(sql, parameters)
            else:
                self._cursor.execute(sql)
        except Exception as error:  # noqa: BLE001 - drivers share no base class
            failure = (self._wrong_style(sql) or self._percent(sql, error)) if parameters else None
            failure = failure or self._explain(
                error,
                "the query was started",
                about_statement=about_statement,
                holds_parameters=bool(parameters) and self._writes_parameters,
            )
        if failure is not None:
            raise failure

    @property
    def _writes_parameters(self) -> bool:
        """Whether the driver may write parameters into the statement, as drivers with these styles do."""
        return not self._driver.parameters or any("%" in style for style in self._driver.parameters)

    def _wrong_style(self, sql: str) -> ParametersError | None:
        styles, found = self._driver.parameters, styles_of_parameters(sql)
        if not styles or not found or found & set(styles):
            return None
        return ParametersError(
            f"the query writes its parameters as {' and '.join(sorted(found))}; the driver {self._package} takes "
            f"{' or '.join(styles)}"
        )

    def _percent(self, sql: str, error: Exception) -> ParametersError | None:
        """Say what is wrong where a driver, not a server, stumbles over a % that is no parameter."""
        styles = self._driver.parameters or styles_of_parameters(sql)
        is_drivers = code_of(error, self._driver) in (None, "-1")  # the latter is MySQL Connector's
        if not is_drivers or not any("%" in style for style in styles) or not has_other_percents(sql):
            return None
        return ParametersError(
            f"the query has a % that is not one of its parameters, and the driver {self._package} takes it for one: "
            + ("beside parameters, write %% for a %" if self._driver.halves_percents else "make its text a parameter")
        )

    def fetch(self, batch_size: int) -> Sequence[Any]:
        failure: Exception | None = None
        try:
            rows: Sequence[Any] = self._cursor.fetchmany(batch_size)
        except Exception as error:  # noqa: BLE001 - drivers share no base class
            failure = self._unreadable(error) or self._explain(error, "rows were read", reading=True)
        if failure is not None:
            raise failure
        self._rows += len(rows)
        self.columns = self._cursor.description
        return rows

    def finish(self) -> None:
        """
        Make sure that the rows read are all that there are.

        :raises NotAQueryError: when the statement gives the rows of more queries than one: SQL Server needs no
            semicolon between two, and a procedure may have several.
        """
        failure: Exception | None = None
        nextset = getattr(self._cursor, "nextset", None)
        try:
            while failure is None and nextset is not None and nextset():
                failure = NotAQueryError(_SEVERAL) if self._cursor.description else None
        except Exception as error:  # noqa: BLE001 - drivers share no base class
            # What a database says of its next query has a code; a driver that knows only one says that without, or so.
            knows_one = type(error).__name__ == "NotSupportedError" or code_of(error, self._driver) in _ONE_RESULT
            if not knows_one or isinstance(error, OSError):
                failure = self._explain(error, "rows were read", reading=True)
        if failure is not None:
            raise failure

    def _explain(self, error: Exception, doing: str, **known: bool) -> Exception:
        return explain(error, self._driver, doing, ended=bool(getattr(self._conn, "closed", False)), **known)

    def _unreadable(self, error: Exception) -> UnreadableValueError | None:
        position = self._driver.column_in_error(self._cursor, self.columns, error)
        # What a driver cannot make a Python object of it says in Python's words, or in PEP 249's without the server's.
        nobodys = type(error).__name__ == "DataError" and code_of(error, self._driver) is None
        if position is None and not nobodys and not isinstance(error, ValueError | ArithmeticError | RecursionError):
            return None
        columns = [
            f"column {i} ({str(column[0])!r}, of type {_type_of(column)})" for i, column in enumerate(self.columns, 1)
        ]
        where = (
            columns[position]
            if position is not None
            else f"a value in row {self._rows + 1:,} or soon after, in one of {', '.join(columns)}"
        )
        return UnreadableValueError(
            f"the driver {self._package} cannot read {where}: {type(error).__name__}; write CAST(… AS text) in the "
            "query, or leave the column out"
        )


def _type_of(column: Any) -> str:
    code = column[1]
    return str(getattr(column, "type_display", None) or getattr(code, "__name__", None) or code)


def _frame(names: list[str], rows: Sequence[Any], converters: Converters) -> pd.DataFrame:
    if rows and not isinstance(rows[0], tuple):
        rows = [tuple(row.values()) if isinstance(row, Mapping) else tuple(row) for row in rows]
    if rows and converters:
        columns = [*map(list, zip(*rows, strict=True))]
        for position, convert in converters.items():
            columns[position] = [*map(convert, columns[position])]
        rows = [*zip(*columns, strict=True)]
    return frame_of(names, rows)


def _quietly(resource: Any, method: str) -> None:
    # All rows are read or nobody wants them any more: a failure here changes neither, and would hide an earlier one.
    with suppress(Exception):
        getattr(resource, method)()
