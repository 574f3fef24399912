"""What holds for every driver: on SQLite, the hook of which is always there, and on drivers that nobody knows."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import pytest

from airflow_provider_octopush.sources.errors import (
    HookError,
    NotAQueryError,
    RowsNotReadError,
    UnreadableValueError,
)
from airflow_provider_octopush.sources.sql import read_sql
from tests.sources.reading import DriverHook, everything_in, read


def test_parameters_reach_the_query(sqlite: Any) -> None:
    assert read(sqlite, "SELECT ? AS a, '100%' AS b", ("x",))[1] == [["x", "100%"]]
    assert read(sqlite, "SELECT :a AS a", {"a": 7})[1] == [[7]]


COUNT_TO = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n"


@pytest.mark.parametrize("before", ["\ufeff", "\ufeff\ufeff", "\n\ufeff ", "\ufeff-- customers\n"])
def test_a_byte_order_mark_before_a_query_does_no_harm(sqlite: Any, before: str) -> None:
    assert read(sqlite, f"{before}SELECT 1 AS a, '\ufeffx' AS b") == (["a", "b"], [[1, "\ufeffx"]])


@pytest.mark.parametrize("sql", ["\ufeffDELETE FROM t", "\ufeff", "\ufeff\ufeffSELECT 1; DELETE FROM t"])
def test_a_byte_order_mark_hides_nothing(sqlite: Any, sql: str) -> None:
    with pytest.raises(NotAQueryError, match="write one SELECT"):
        next(read_sql(sqlite, sql))


def test_a_frame_holds_at_most_a_batch_of_rows(sqlite: Any) -> None:
    assert [len(frame) for frame in read_sql(sqlite, COUNT_TO.format(25), batch_size=10)] == [10, 10, 5]
    assert [len(frame) for frame in read_sql(sqlite, COUNT_TO.format(20), batch_size=10)] == [10, 10]


def test_a_batch_of_no_rows_is_refused(sqlite: Any) -> None:
    with pytest.raises(ValueError, match="batch_size is 0"):
        next(read_sql(sqlite, "SELECT 1", batch_size=0))


@pytest.mark.parametrize("sql", ["CREATE TABLE t (i)", "PRAGMA user_version = 1"])
def test_a_statement_without_rows_is_an_error_that_asks_for_a_select(sqlite: Any, sql: str) -> None:
    with pytest.raises(NotAQueryError, match="write one SELECT"):
        next(read_sql(sqlite, sql))


def test_nothing_happens_before_the_first_frame_is_asked_for() -> None:
    hook = DriverHook(lambda: pytest.fail("connected"))
    read_sql(hook, "SELECT 1")
    assert hook.connections == []


def test_a_hook_without_a_database_is_named() -> None:
    with pytest.raises(HookError, match="DriverHook is not one: name one with sql_hook_class"):
        next(read_sql(DriverHook(object), "SELECT 1"))


@pytest.mark.parametrize("error", [NotImplementedError, AttributeError])
def test_a_hook_that_cannot_connect_to_a_database_is_named(error: type[Exception]) -> None:
    def get_conn() -> Any:
        raise error

    with pytest.raises(HookError, match=rf"DriverHook is not one \({error.__name__}\): name one with sql_hook_class"):
        next(read_sql(DriverHook(get_conn), "SELECT 1"))


class RecordingConnection:
    """A connection of a driver that nobody here knows."""

    description = (("phone", None), ("name", None))

    def __init__(self, batches: list[Any], fails: tuple[str, ...] = ()) -> None:
        self.batches = batches
        self.fails = fails
        self.calls: list[str] = []

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.fails:
            raise RuntimeError(f"{name} failed")

    def cursor(self) -> Any:
        connection = self

        class Cursor:
            description = connection.description

            def execute(self, *_: Any) -> None:
                connection._call("execute")

            def fetchmany(self, _: int) -> Any:
                connection._call("fetchmany")
                return connection.batches.pop(0)

            def close(self) -> None:
                connection._call("close cursor")

        return Cursor()

    def commit(self) -> None:
        self._call("commit")

    def rollback(self) -> None:
        self._call("rollback")

    def close(self) -> None:
        self._call("close")


CLOSING = ["close cursor", "rollback", "close"]


@pytest.mark.parametrize("fails", [(), ("close cursor", "rollback", "close")])
def test_an_unknown_driver_is_closed_after_the_last_row(fails: tuple[str, ...]) -> None:
    hook = DriverHook(lambda: RecordingConnection([[(1, "a")], []], fails))
    assert read(hook, "SELECT")[1] == [[1, "a"]]
    assert hook.connections[0].calls == ["execute", "fetchmany", "fetchmany", *CLOSING]


def test_an_unknown_driver_is_closed_when_the_consumer_stops_early() -> None:
    hook = DriverHook(lambda: RecordingConnection([[(1, "a")], [(2, "b")]]))
    frames = read_sql(hook, "SELECT")
    next(frames)
    frames.close()
    assert hook.connections[0].calls == ["execute", "fetchmany", *CLOSING]


@pytest.mark.parametrize(
    ("failing", "error", "message"),
    [
        ("execute", RowsNotReadError, "while the query was started: RuntimeError"),
        ("fetchmany", RowsNotReadError, "while rows were read: RuntimeError"),
    ],
)
def test_a_failure_of_the_database_arrives_even_when_closing_fails_too(
    failing: str, error: type[Exception], message: str
) -> None:
    hook = DriverHook(lambda: RecordingConnection([], (failing, "close")))
    with pytest.raises(error, match=message):
        next(read_sql(hook, "SELECT"))
    assert hook.connections[0].calls[-3:] == CLOSING


@pytest.mark.parametrize("row", [(1, "a"), [1, "a"], {"phone": 1, "name": "a"}], ids=["tuple", "list", "dict"])
def test_rows_of_any_form_are_read(row: Any) -> None:
    assert read(DriverHook(lambda: RecordingConnection([[row], []])), "SELECT")[1] == [[1, "a"]]


class DriversError(Exception):
    """What a driver raises."""


class SeveralResults(RecordingConnection):
    """A connection whose driver has ``nextset``, as PEP 249 describes it."""

    def __init__(self, *results: Any) -> None:
        super().__init__([[(1, "a")], []])
        self.results = [*results]

    def cursor(self) -> Any:
        cursor = super().cursor()

        def nextset() -> bool | None:
            if not self.results:
                return None
            result = self.results.pop(0)
            if isinstance(result, Exception):
                raise result
            cursor.description = result
            return True

        cursor.nextset = nextset
        return cursor


def test_rows_of_a_second_query_are_not_left_unread_in_silence() -> None:
    # SQL Server takes two without a semicolon between them.
    hook = DriverHook(lambda: SeveralResults(None, (("phone", None),)))
    frames = read_sql(hook, "SELECT phone, name FROM a SELECT phone FROM b")
    assert len(next(frames)) == 1
    with pytest.raises(NotAQueryError, match=r"gives the rows of several queries, .* with UNION ALL"):
        next(frames)


def test_what_a_database_says_of_a_second_query_is_not_passed_over() -> None:
    for error, said in ((DriversError("42S02", "no table Martin"), "42S02"), (ConnectionResetError(), "Connection")):
        with pytest.raises(RowsNotReadError, match=rf"{said}.*; its words are left out") as raised:
            read(DriverHook(partial(SeveralResults, error)), "SELECT")
        assert "Martin" not in everything_in(raised.value)


def test_results_without_rows_and_drivers_that_know_one_result_are_no_matter() -> None:
    class NotSupportedError(Exception):
        pass

    unsupported = [NotSupportedError("no"), NotSupportedError("S1000"), DriversError("IM001"), NotImplementedError()]
    for results in ((), (None, None), *((error,) for error in unsupported)):
        assert read(DriverHook(partial(SeveralResults, *results)), "SELECT")[1] == [[1, "a"]]


def test_neither_statement_nor_parameters_nor_rows_are_logged(sqlite: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        read(sqlite, "SELECT 'secret' || ? AS a", ("parameter",))
    assert "secret" not in caplog.text
    assert "parameter" not in caplog.text


# What is said of an error


@pytest.mark.parametrize("parameters", [None, ["$"]])
def test_a_databases_words_about_a_value_are_not(sqlite: Any, parameters: Any) -> None:
    sqlite.run(["CREATE TABLE t (name)", "INSERT INTO t VALUES ('Zoé Martin')"])
    sql = "SELECT json_extract('{}', name) FROM t"
    with pytest.raises(RowsNotReadError, match=r"OperationalError.*its words are left out") as error:
        read(sqlite, f"{sql} WHERE ? = '$'" if parameters else sql, parameters)
    assert "Zoé" not in everything_in(error.value)
    assert type(error.value) is RowsNotReadError


@pytest.mark.parametrize(
    "error", [ValueError, OverflowError, RecursionError, UnicodeDecodeError("utf-8", b"Zo", 0, 1, "")]
)
def test_a_value_without_a_python_object_is_final(error: Any) -> None:
    class Connection(RecordingConnection):
        def _call(self, name: str) -> None:
            if name == "fetchmany" and len(self.batches) == 1:
                raise error

    hook = DriverHook(lambda: Connection([[(1, "a")], []]))
    with pytest.raises(UnreadableValueError, match=r"cannot read a value in row 2 or soon after: .*CAST") as raised:
        read(hook, "SELECT 1")
    assert "Zo" not in everything_in(raised.value)


@pytest.mark.parametrize("value", [33612345678, "PARIS"])
def test_a_value_that_an_error_of_pythons_holds_is_no_code(value: object) -> None:
    class Connection(RecordingConnection):
        def _call(self, name: str) -> None:
            if name == "fetchmany":
                raise KeyError(value)

    with pytest.raises(RowsNotReadError, match="KeyError; its words are left out") as error:
        read(DriverHook(lambda: Connection([])), "SELECT 1")
    assert str(value) not in everything_in(error.value)
