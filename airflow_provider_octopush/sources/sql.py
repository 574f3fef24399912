"""A query on any DB-API hook → its rows, as DataFrames, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from airflow_provider_octopush.sources.databases.codes import ONE_RESULT
from airflow_provider_octopush.sources.databases.driver import Converters, Cursor, Driver, Opening
from airflow_provider_octopush.sources.databases.explain import code_in, explain
from airflow_provider_octopush.sources.databases.table import driver_of
from airflow_provider_octopush.sources.errors import HookError, NotAQueryError, ParametersError, UnreadableValueError
from airflow_provider_octopush.sources.frames import frame_of
from airflow_provider_octopush.sources.queries import QUERIES, check_query

if TYPE_CHECKING:
    import pandas as pd

Parameters = Mapping[str, Any] | Sequence[Any] | None
Result = TypeVar("Result")

#: What an editor may put before a query in a file: a byte order mark, and blanks.
_BEFORE = "\ufeff \t\r\n"


class DbApiHook(Protocol):
    """The part of a hook that is used: it opens connections as PEP 249 describes them."""

    def get_conn(self) -> Any:
        """Open a connection."""


def read_sql(
    hook: DbApiHook,
    sql: str,
    parameters: Parameters = None,
    *,
    batch_size: int = 1_000,
    parameter: str = "sql",
) -> Generator[pd.DataFrame, None, None]:
    """
    Run a query and give its rows as they come from the server.

    Values are as the driver gives them: an integer beside NULL stays an int, NULL is None. Where a driver changes a
    value's meaning, it is restored: a float of 4 bytes stays one, and a date that Python cannot represent is text.
    Columns with the same name keep it. The connection opens with the first frame asked for and closes with the last
    one, or when the generator is closed.

    The statement must be one query or call a procedure; any other is refused before a connection is opened. A query
    runs in a read-only session or transaction if the database has one and the driver is known; nothing is ever
    committed. What a procedure does, and a write after WITH or in a function where nothing is read-only, is up to the
    database's permissions.

    Rows come through server-side cursors, or whatever else keeps a known driver from holding all of them. Any other
    driver's ``fetchmany`` may keep more in memory.

    Closing the generator early stops the query, except with MySQL Connector and its C extension, which reads and drops
    the remaining rows before it closes.

    The connection is held until the last row is taken. On PostgreSQL it is in one transaction, which the server ends if
    its ``idle_in_transaction_session_timeout`` is shorter than the work on one batch. With SQLite, all frames must be
    taken, and the generator closed, in one thread.

    :param hook: a hook whose connections follow PEP 249, such as ``BaseHook.get_connection(conn_id).get_hook()``.
    :param sql: one query, or the call of a procedure. PostgreSQL accepts whatever a cursor can be declared for: SELECT,
        VALUES, TABLE, and WITH before them.
    :param parameters: the query's parameters, in the style of the driver.
    :param batch_size: how many rows a frame has at most. While one is read and checked, answers wait: the default takes
        some milliseconds.
    :param parameter: the operator's parameter that holds the query, which errors name: a sync has two queries.
    :return: frames of dtype object; if the query finds nothing, one frame without rows but with the columns.
    :raises NotAQueryError: when the statement is not a query; or, after its last row, when it gives the rows of more
        queries.
    :raises ParametersError: when the driver cannot put the parameters into the statement.
    :raises HookError: when the hook's connections do not follow PEP 249.
    :raises RowsNotReadError: when the database fails.
    :raises UnreadableValueError: when the driver has no Python object for a value.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: write 1 or more")
    sql = sql.lstrip(_BEFORE)
    kind = check_query(sql, parameter)
    conn = _connect(hook, parameter)
    with ExitStack() as stack:
        stack.callback(_quietly, conn, "close")
        package, driver = driver_of(conn)
        cursor = driver.open_cursor(conn, Opening(batch_size, kind in QUERIES))
        if not driver.reads_on_when_closed:
            stack.callback(_quietly, conn, "rollback")
            stack.callback(_quietly, cursor, "close")
        query = _Query(cursor, package, driver, parameter)
        query.execute(sql, parameters)
        rows = query.fetch(batch_size)
        names = query.names()
        converters = driver.converters(cursor)
        yield _frame(names, rows, converters)
        while rows := query.fetch(batch_size):
            yield _frame(names, rows, converters)
        query.finish()


def _connect(hook: DbApiHook, parameter: str) -> Any:
    reason = ""
    try:
        conn = hook.get_conn()
    # Airflow's hooks without a database raise these; the base class raises the first one, without words.
    except (NotImplementedError, AttributeError) as error:
        conn, reason = None, f" ({type(error).__name__})"
    if not hasattr(conn, "cursor"):
        raise HookError(
            f"{parameter} needs a hook for a database with a DB-API driver, but {type(hook).__name__} is not "
            f"one{reason}: name one with sql_hook_class"
        )
    return conn


class _Query:
    """A query under way; turns a driver's exceptions into ones that hold no value of a row."""

    def __init__(self, cursor: Cursor, package: str, driver: Driver, parameter: str) -> None:
        self._cursor = cursor
        self._package = package
        self._driver = driver
        self._parameter = parameter
        self._rows = 0

    def execute(self, sql: str, parameters: Parameters) -> None:
        # Without parameters a % is a %; with them it has to be written as %%.
        more = (parameters,) if parameters else ()
        if self._driver.compiles:
            statement = f"{self._driver.compiles}{sql}"
            self._call(partial(self._cursor.execute, statement, *more), self._not_started(more, has_rows=False))
        self._call(partial(self._cursor.execute, sql, *more), self._not_started(more))

    def _not_started(self, parameters: tuple[Any, ...], *, has_rows: bool = True) -> Callable[[Exception], Exception]:
        def explained(error: Exception) -> Exception:
            if parameters and type(error).__module__ == "builtins" and not isinstance(error, OSError):
                return ParametersError(
                    f"{self._parameter}: the driver {self._package} cannot put the parameters into the query "
                    f"({type(error).__name__}): write them in its style; if that is %s, write every other % as %%"
                )
            is_quotable = not has_rows or self._driver.is_quotable(error, code_in(error, self._driver))
            return self._explain(error, "the query was started", is_quoted=is_quotable and not parameters)

        return explained

    def fetch(self, batch_size: int) -> Sequence[Any]:
        rows = self._call(partial(self._cursor.fetchmany, batch_size), self._not_read)
        self._rows += len(rows)
        return rows

    def names(self) -> list[str]:
        """
        Return the names of the columns, which some drivers know only after rows were fetched.

        :raises NotAQueryError: when there are none.
        """
        if not self._cursor.description:
            raise NotAQueryError(f"{self._parameter} is a statement that gives no rows: write one SELECT")
        return [str(column[0]) for column in self._cursor.description]

    def finish(self) -> None:
        """
        Make sure that there are no more rows.

        :raises NotAQueryError: when the statement gives the rows of more than one query: SQL Server needs no semicolon
            between two, and a procedure may have several.
        """
        while self._call(self._has_next, self._not_read):
            if self._cursor.description:
                raise NotAQueryError(
                    f"{self._parameter} gives the rows of several queries, but only one can be read: write one, with "
                    "UNION ALL"
                )

    def _has_next(self) -> bool:
        nextset: Callable[[], object] = getattr(self._cursor, "nextset", lambda: None)
        try:
            return bool(nextset())
        except Exception as error:
            # An error of the database's next query has a code. A driver that supports only one result has none, or one
            # of these.
            knows_one = type(error).__name__ == "NotSupportedError" or code_in(error, self._driver) in ONE_RESULT
            if knows_one and not isinstance(error, OSError):
                return False
            raise

    def _not_read(self, error: Exception) -> Exception:
        # If a driver cannot convert a value, it raises Python's own exceptions, or PEP 249's without a code of the
        # server's.
        is_nobodys = type(error).__name__ == "DataError" and code_in(error, self._driver) is None
        if is_nobodys or isinstance(error, ValueError | ArithmeticError | RecursionError):
            return UnreadableValueError(
                f"{self._parameter}: the driver {self._package} cannot read a value in row {self._rows + 1:,} or soon "
                f"after: {type(error).__name__}; write CAST(… AS text) in the query, or leave the column out"
            )
        # A function in the query may have raised it, with a class and words of its own choice.
        return self._explain(error, "rows were read", is_quoted=False)

    def _explain(self, error: Exception, doing: str, *, is_quoted: bool) -> Exception:
        return explain(error, self._driver, self._parameter, doing, is_quoted=is_quoted)

    def _call(self, function: Callable[[], Result], explained: Callable[[Exception], Exception]) -> Result:
        try:
            return function()
        except Exception as error:  # noqa: BLE001 - drivers share no base class
            failure = explained(error)
        raise failure


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
    # All rows are read, or no more are wanted: a failure here changes neither, and would hide an earlier one.
    with suppress(Exception):
        getattr(resource, method)()
