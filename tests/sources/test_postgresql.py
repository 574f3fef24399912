from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from airflow_provider_octopush.sources.databases import redshift
from airflow_provider_octopush.sources.databases.table import DRIVERS
from airflow_provider_octopush.sources.errors import RowsNotReadError, UnreadableValueError
from airflow_provider_octopush.sources.sql import read_sql
from tests.databases import require_postgres
from tests.sources.engines import Engine, of_kinds
from tests.sources.reading import DriverHook, everything_in, postgres_by_driver, read

of_postgresql = of_kinds("PostgresHook", "psycopg2, dicts", "psycopg")


@of_postgresql
@pytest.mark.parametrize(
    "sql",
    [
        "  -- first\n/* second */ SELECT 1 AS a;",
        "WITH x AS (SELECT 1 AS a) SELECT a FROM x",
        "(SELECT 1 AS a)",
        "VALUES (1)",
    ],
)
def test_whatever_a_cursor_can_be_declared_for_is_read(engine: Engine, sql: str) -> None:
    assert read(engine.hook, sql)[1] == [[1]]


@of_postgresql
def test_parameters_are_taken_by_place_and_by_name(engine: Engine) -> None:
    sql = "SELECT i FROM generate_series(1, 9) i WHERE i % 2 = 0"
    assert read(engine.hook, sql)[1] == [[2], [4], [6], [8]]
    sql = sql.replace("%", "%%")
    assert read(engine.hook, f"{sql} AND i > %s", [5])[1] == [[6], [8]]
    assert read(engine.hook, f"{sql} AND i > %(least)s", {"least": 5})[1] == [[6], [8]]


@of_postgresql
def test_rows_are_streamed_in_a_read_only_transaction_whatever_the_connection_has_done(
    engine: Engine, table: str
) -> None:
    def connect(*, autocommit: bool) -> Any:
        connection = engine.hook.get_conn()
        if autocommit:
            connection.autocommit = True
        else:
            connection.cursor().execute("SELECT 1")
        return connection

    for autocommit in (True, False):
        hook = DriverHook(lambda autocommit=autocommit: connect(autocommit=autocommit))  # type: ignore[misc] # bound now
        frames = read_sql(hook, "SELECT generate_series(1, 25)", batch_size=10)
        assert [len(frame) for frame in frames] == [10, 10, 5]
        with pytest.raises(RowsNotReadError, match="25006"):
            next(read_sql(hook, f"SELECT * FROM {table} FOR UPDATE"))


@of_postgresql
def test_locks_are_let_go_when_the_consumer_stops_early(engine: Engine, table: str) -> None:
    frames = read_sql(engine.hook, f"SELECT generate_series(1, 1000000000), (SELECT max(id) FROM {table})")
    next(frames)
    locks = f"SELECT count(*) FROM pg_locks WHERE relation = '{table}'::regclass"
    assert engine.run(locks) == [(1,)]
    frames.close()
    assert engine.run(locks) == [(0,)]


@of_postgresql
def test_words_about_a_statement_that_come_while_rows_are_read_may_be_about_a_row(engine: Engine, table: str) -> None:
    function = f"{table}_raise"
    engine.run(
        f"CREATE FUNCTION {function}(name text, state text) RETURNS text LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE 'not %', name USING ERRCODE = state; END $$",
    )
    casts = {"name::tsquery::text": "42601", "name::regclass::text": "42602", "pg_database_size(name)::text": "3D000"}
    casts |= {f"{function}(name, '{state}')": state for state in ("08006", "25006", "28000", "42000", "57014", "58000")}
    for cast, state in casts.items():
        # In a table, so that nothing of it is known when the cursor is declared.
        sql = f"SELECT {cast} AS phone FROM (VALUES ('Zoé Martin'), ('Ana Martin')) x (name)"
        with pytest.raises(RowsNotReadError, match=rf"SQLSTATE {state}\); its words are left out") as error:
            read(engine.hook, sql)
        assert "Martin" not in everything_in(error.value)
    engine.run(f"DROP FUNCTION {function}(text, text)")


@of_postgresql
def test_a_function_that_runs_while_a_query_is_planned_is_not_quoted(engine: Engine, table: str) -> None:
    engine.run(
        f"CREATE FUNCTION {table}_planned() RETURNS integer STABLE LANGUAGE plpgsql AS "
        "$$ DECLARE n integer; BEGIN EXECUTE 'SELECT count(*) FROM t' || '33612345678' INTO n; RETURN n; END $$",
    )
    with pytest.raises(RowsNotReadError, match=r"SQLSTATE 42P01\); its words are left out") as error:
        read(engine.hook, f"SELECT * FROM {table} WHERE id > {table}_planned()")
    assert "33612345678" not in everything_in(error.value)
    engine.run(f"DROP FUNCTION {table}_planned()")


@of_postgresql
@pytest.mark.parametrize("how", ["pg_terminate_backend", "pg_cancel_backend"])
def test_a_query_that_somebody_ends_can_be_tried_again(engine: Engine, how: str) -> None:
    # The first batch goes by; within the second one, the query waits, and is ended.
    sql = "SELECT pg_backend_pid() AS pid, CASE WHEN i > 10 THEN pg_sleep(3)::text END FROM generate_series(1, 20) i"
    frames = read_sql(engine.hook, sql, batch_size=10)
    end = f"SELECT {how}({next(frames)['pid'][0]})"
    timer = threading.Timer(0.3, lambda: engine.run(end))
    timer.start()
    with pytest.raises(RowsNotReadError, match="while rows were read"):
        next(frames)
    timer.join()


@of_postgresql
def test_a_transaction_that_was_idle_for_too_long_can_be_tried_again(engine: Engine) -> None:
    def connect() -> Any:
        connection = engine.hook.get_conn()
        connection.cursor().execute("SET idle_in_transaction_session_timeout = 200")
        connection.commit()
        return connection

    frames = read_sql(DriverHook(connect), "SELECT generate_series(1, 20)", batch_size=10)
    next(frames)
    time.sleep(0.8)
    with pytest.raises(RowsNotReadError):
        next(frames)


@of_kinds("psycopg")
def test_a_value_that_the_driver_cannot_read_is_final(engine: Engine) -> None:
    sql = "SELECT 1 AS id, ('33612345678' || repeat('0', 5000))::json AS document, 'Zoé' AS name"
    with pytest.raises(UnreadableValueError, match=r"psycopg cannot read a value in row 1 or soon after: ValueError; "):
        next(read_sql(engine.hook, sql))


def test_what_redshifts_driver_is_sent_reads_a_result_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    # Redshift speaks PostgreSQL's language here; its driver has no server-side cursors, and keeps a result as a whole.
    require_postgres()
    monkeypatch.setitem(DRIVERS, "psycopg2", redshift.REDSHIFT)
    hook = postgres_by_driver("psycopg2")
    sql = "SELECT i, 'ab' AS c FROM generate_series(1, 25) i WHERE i > %s"
    frames = list(read_sql(hook, sql, [0], batch_size=10))
    assert [len(frame) for frame in frames] == [10, 10, 5]
    assert frames[0].iloc[0].tolist() == [1, "ab"]
    (frame,) = read_sql(hook, sql, [99])
    assert (list(frame.columns), frame.shape) == (["i", "c"], (0, 2))
    with pytest.raises(RowsNotReadError, match="syntax error"):
        next(read_sql(hook, "CALL p()"))
