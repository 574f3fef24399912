"""Warehouses in the cloud, through their real hooks, with only the driver's connection replaced."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from airflow_provider_octopush.operators.runs import CreateRun
from airflow_provider_octopush.operators.sql_hook import sql_hook
from airflow_provider_octopush.simulator import Simulator
from airflow_provider_octopush.sources.errors import NotAQueryError, RowsNotReadError
from airflow_provider_octopush.sources.sql import read_sql
from tests.airflow_runs import TaskInstance
from tests.conftest import SetConnection
from tests.sources.reading import MOBILE, everything_in, read

CONTEXT: Any = {"ti": TaskInstance()}

fakesnow = pytest.importorskip("fakesnow", reason="make test-warehouses installs what these tests need")


# Snowflake, on DuckDB


@pytest.fixture
def snowflake(set_connection: SetConnection) -> Iterator[Any]:
    extra = {"account": "account", "database": "warehouse"}
    set_connection(
        "snowflake_test", conn_type="snowflake", login="user", password="password", schema="public", extra=extra
    )
    with fakesnow.patch():
        hook = sql_hook("snowflake_test", None, None)
        hook.run("CREATE TABLE t AS SELECT 1 AS i")
        yield hook


def test_snowflake_gives_its_values(snowflake: Any) -> None:
    sql = f"""SELECT {MOBILE} AS phone, 'Zoé' AS name, PARSE_JSON('"x"') AS j, PARSE_JSON('{{"a":1}}') AS o,
        PARSE_JSON('null') AS n, 1.10::NUMBER(10, 2) AS d, '2026-01-02'::DATE AS day, NULL AS nothing"""
    names, rows = read(snowflake, sql)
    assert names == ["PHONE", "NAME", "J", "O", "N", "D", "DAY", "NOTHING"]
    assert rows == [[MOBILE, "Zoé", '"x"', '{"a":1}', "null", Decimal("1.10"), dt.date(2026, 1, 2), None]]


def test_snowflake_takes_parameters(snowflake: Any) -> None:
    assert read(snowflake, "SELECT i FROM t WHERE i = %(i)s", {"i": 1})[1] == [[1]]


def test_snowflake_which_commits_by_itself_is_sent_no_change(snowflake: Any) -> None:
    for sql in (
        "DELETE FROM t",
        "SELECT i FROM t; DELETE FROM t",
        "MERGE INTO t USING t u ON 1 = 1 WHEN MATCHED THEN DELETE",
    ):
        with pytest.raises(NotAQueryError, match="write one SELECT"):
            next(read_sql(snowflake, sql))
    assert read(snowflake, "SELECT i FROM t")[1] == [[1]]


def test_snowflakes_words_are_shown_or_not_by_their_sqlstate(snowflake: Any) -> None:
    with pytest.raises(RowsNotReadError, match=r"SQLSTATE 42S02\): .*CUSTOMERS"):
        next(read_sql(snowflake, "SELECT * FROM customers"))
    with pytest.raises(RowsNotReadError, match=r"SQLSTATE 22007\); its words are left out") as error:
        read(snowflake, "SELECT name::INT FROM (SELECT 'Zoé Martin' AS name)")
    assert "Martin" not in everything_in(error.value)


def test_snowflake_gives_the_columns_of_a_query_that_finds_nothing(snowflake: Any) -> None:
    (frame,) = read_sql(snowflake, "SELECT i AS phone FROM t WHERE i = 2")
    assert (list(frame.columns), frame.shape) == (["PHONE"], (0, 1))


# BigQuery: the hook's own driver, which asks the service for pages of JSON


class Service:
    """BigQuery's API, as far as reading results goes."""

    def __init__(self, schema: dict[str, str], pages: list[list[list[Any]]]) -> None:
        self.schema = [{"name": name, "type": kind, "mode": "NULLABLE"} for name, kind in schema.items()]
        self.pages = pages
        self.asked: list[int] = []
        self.jobs_inserted: list[dict[str, Any]] = []

    def jobs(self) -> Service:
        return self

    def getQueryResults(self, *, pageToken: str | None, **_: Any) -> Any:  # noqa: N802, N803 - the API's names
        page = int(pageToken or 0)
        rows = [{"f": [{"v": value} for value in row]} for row in self.pages[page]]
        answer: dict[str, Any] = {"schema": {"fields": self.schema}, "rows": rows}
        if page + 1 < len(self.pages):
            answer["pageToken"] = str(page + 1)

        def execute(**_: Any) -> dict[str, Any]:
            self.asked.append(page)
            return answer

        return SimpleNamespace(execute=execute)


@pytest.fixture
def bigquery(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from airflow.providers.google.cloud.hooks import bigquery

    @contextmanager
    def serve(service: Service) -> Iterator[None]:
        def insert_job(_: Any, *, configuration: dict[str, Any], **__: Any) -> Any:
            service.jobs_inserted.append(configuration)
            return SimpleNamespace(job_id="job", location="EU")

        monkeypatch.setattr(bigquery, "build", lambda *_, **__: service)
        monkeypatch.setattr(bigquery.BigQueryHook, "_authorize", lambda _: None)
        monkeypatch.setattr(bigquery.BigQueryHook, "get_credentials_and_project_id", lambda _: (None, "project"))
        monkeypatch.setattr(bigquery.BigQueryHook, "insert_job", insert_job)
        yield

    return serve  # type: ignore[return-value] # a fixture that gives a function


PEOPLE = Service({"mobile": "STRING", "name": "STRING"}, [[["+33612345678", "Zoé"]], [["+33612345679", None]]])


@pytest.mark.parametrize("conn_type", ["google_cloud_platform", "gcpbigquery"])
def test_bigquery_is_what_is_meant_by_googles_connections(
    bigquery: Any, set_connection: SetConnection, octopush: Simulator, conn_type: str
) -> None:
    set_connection("google", conn_type=conn_type)
    service = Service({"mobile": "STRING", "name": "STRING"}, PEOPLE.pages)
    with bigquery(service):
        summary = CreateContactsOperator(
            task_id="sync",
            sql="SELECT mobile, name FROM customers",
            sql_conn_id="google",
            columns={"phone_number": "mobile", "first_name": "name"},
            list_name="Customers",
        ).execute(CONTEXT)
    assert (summary["read"], summary["added"]) == (2, 2)
    assert octopush.lists == {"Customers": {"+33612345678", "+33612345679"}}
    assert service.jobs_inserted[0]["query"]["useLegacySql"] is False


@pytest.mark.parametrize(("params", "legacy"), [({"use_legacy_sql": True}, True), ({"location": "EU"}, False)])
def test_bigquerys_old_dialect_is_for_who_asks_for_it(
    bigquery: Any, set_connection: SetConnection, params: Any, legacy: bool
) -> None:
    set_connection("google", conn_type="gcpbigquery")
    service = Service({"a": "INTEGER"}, [[["1"]]])
    with bigquery(service):
        assert read(sql_hook("google", None, params), "SELECT 1 AS a")[1] == [[1]]
    assert service.jobs_inserted[0]["query"].get("useLegacySql") is legacy


def test_bigquery_gives_its_values_page_by_page(bigquery: Any, set_connection: SetConnection) -> None:
    set_connection("google", conn_type="google_cloud_platform")
    schema = {
        "phone": "INTEGER",
        "name": "STRING",
        "ok": "BOOLEAN",
        "t": "TIMESTAMP",
        "b": "BYTES",
        "j": "JSON",
        "d": "DATE",
    }
    row = [str(MOBILE), "Zoé", "true", "1.7673222455E9", "Wm/DqQ==", '"x"', "2026-01-02"]
    service = Service(schema, [[row] * 1_000, [row] * 500, [[None] * 7]])
    with bigquery(service):
        frames = read_sql(sql_hook("google", None, None), "SELECT * FROM t", batch_size=1_000)
        first = next(frames)
        assert service.asked[-1] == 0
        assert first.iloc[0].tolist() == [
            *[MOBILE, "Zoé", True, dt.datetime(2026, 1, 2, 2, 50, 45, 500_000, dt.UTC), "Wm/DqQ==", '"x"'],
            "2026-01-02",
        ]
        rest = [row for frame in frames for row in frame.to_numpy().tolist()]
    assert len(rest) == 501
    assert rest[-1] == [None] * 7


def test_bigquery_which_knows_no_transactions_is_sent_no_change(bigquery: Any, set_connection: SetConnection) -> None:
    set_connection("google", conn_type="google_cloud_platform")
    service = Service({"a": "INTEGER"}, [[]])
    with bigquery(service):
        for sql in ("DELETE FROM t WHERE true", "SELECT 1; DROP TABLE t", "SELECT 1 # 2\n; DELETE FROM t"):
            with pytest.raises(NotAQueryError):
                next(read_sql(sql_hook("google", None, None), sql))
    assert service.jobs_inserted == []


def test_bigquery_takes_parameters_by_name(bigquery: Any, set_connection: SetConnection) -> None:
    set_connection("google", conn_type="google_cloud_platform")
    service = Service({"a": "INTEGER"}, [[["1"]]])
    with bigquery(service):
        read(sql_hook("google", None, None), "SELECT 1 FROM t WHERE day = %(day)s", {"day": "2026-01-02"})
    assert service.jobs_inserted[0]["query"]["query"] == "SELECT 1 FROM t WHERE day = '2026-01-02'"


# Databricks


class Connection:
    """The driver's, on SQLite."""

    opened = 0

    def __init__(self) -> None:
        type(self).opened += 1
        self._database = sqlite3.connect(":memory:")
        self._closed = False

    def cursor(self) -> Any:
        if self._closed:
            raise RuntimeError("Cannot create cursor from closed connection")
        cursor = self._database.cursor()
        types = {"j": "variant", "c": "char"}

        class Cursor:
            close = cursor.close
            execute = cursor.execute
            fetchmany = cursor.fetchmany

            @property
            def description(self) -> Any:
                return cursor.description and [(name[0], types.get(name[0], "string")) for name in cursor.description]

        return Cursor()

    def close(self) -> None:
        self._closed = True


Connection.__module__ = "databricks.sql.client"


@pytest.fixture
def databricks(monkeypatch: pytest.MonkeyPatch, set_connection: SetConnection) -> None:
    from airflow.providers.databricks.hooks import databricks_sql

    monkeypatch.setattr(Connection, "opened", 0)
    monkeypatch.setattr(databricks_sql.sql, "connect", lambda *_, **__: Connection())
    extra = {"http_path": "/sql/1.0/warehouses/x"}
    set_connection("lake", conn_type="databricks", host="https://lake", password="token", extra=extra)


@pytest.mark.usefixtures("databricks")
def test_databricks_sql_is_what_is_meant_by_databricks_connections(octopush: Simulator) -> None:
    summary = CreateContactsOperator(
        task_id="sync", sql="SELECT '+33612345678' AS phone_number", sql_conn_id="lake", list_name="Customers"
    ).execute(CONTEXT)
    assert (summary["read"], summary["added"]) == (1, 1)
    assert octopush.lists == {"Customers": {"+33612345678"}}


@pytest.mark.usefixtures("databricks")
def test_databricks_gives_its_values() -> None:
    hook = sql_hook("lake", None, None)
    assert type(hook).__name__ == "DatabricksSqlHook"
    names, rows = read(hook, """SELECT '"x"' AS j, 'ab   ' AS c, 'ab ' AS v, :a AS a""", {"a": 1})
    assert (names, rows) == (["j", "c", "v", "a"], [['"x"', "ab   ", "ab ", 1]])


@pytest.mark.usefixtures("databricks")
def test_databricks_can_be_read_again_though_its_hook_keeps_a_connection_that_is_closed() -> None:
    operator = CreateContactsOperator(task_id="sync", sql="SELECT '+33612345678' AS phone_number", sql_conn_id="lake")
    for _ in range(2):
        assert [len(frame) for frame in CreateRun(operator, CONTEXT).frames()] == [1]
    assert Connection.opened == 2
