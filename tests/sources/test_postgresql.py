from __future__ import annotations

import datetime as dt
import importlib
import re
import threading
import time
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from airflow_provider_octopush.sources.databases import redshift, table
from airflow_provider_octopush.sources.errors import (
    ConnectionLostError,
    NotAQueryError,
    ParametersError,
    QueryCancelledError,
    QueryRefusedError,
    RowsNotReadError,
    UnreadableValueError,
)
from airflow_provider_octopush.sources.sql import read_sql
from tests.databases import POSTGRES, POSTGRES_ARGUMENTS, connect_postgres, require_postgres
from tests.sources.reading import (
    MOBILE,
    AirflowHook,
    DriverHook,
    driver,
    everything_in,
    growth_of_memory,
    postgres_by_driver,
    read,
    statement,
)


@pytest.fixture(params=["PostgresHook", "PostgresHook, dict rows", "psycopg2", "psycopg2, dict rows", "psycopg"])
def postgres(request: pytest.FixtureRequest, airflow_hook: AirflowHook) -> Any:
    require_postgres()
    kind, _, dict_rows = request.param.partition(", ")
    if kind == "PostgresHook":
        return airflow_hook(POSTGRES, **({"cursor": "dictcursor"} if dict_rows else {}))
    driver(kind)
    return postgres_by_driver(
        kind, **({"cursor_factory": importlib.import_module("psycopg2.extras").RealDictCursor} if dict_rows else {})
    )


def test_postgresql_gives_its_values_whatever_cursor_the_connection_asks_for(postgres: Any) -> None:
    names, rows = read(
        postgres,
        f"SELECT {MOBILE}::bigint AS phone, 1.10 AS amount, DATE '2026-01-02' AS day, 'Zoë'::text AS name, "
        "true AS ok, ARRAY[1, 2] AS list UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL;",
        batch_size=1,
    )
    assert names == ["phone", "amount", "day", "name", "ok", "list"]
    assert rows == [[MOBILE, Decimal("1.10"), dt.date(2026, 1, 2), "Zoë", True, [1, 2]], [None] * 6]
    assert type(rows[0][0]) is int


def test_postgresqls_floats_of_4_bytes_do_not_seem_to_have_more_digits(postgres: Any) -> None:
    (row,) = read(
        postgres, "SELECT CAST(612345678 AS real) AS a, CAST(612345678 AS float8) AS b, CAST(NULL AS real) AS c"
    )[1]
    assert row == [np.float32(612345678), 612345678.0, None]
    assert [type(value) for value in row[:2]] == [np.float32, float]


def test_postgresql_keeps_columns_of_the_same_name(postgres: Any) -> None:
    assert read(postgres, "SELECT 1 AS phone, 2 AS phone") == (["phone", "phone"], [[1, 2]])


def test_postgresql_gives_the_columns_of_a_query_that_finds_nothing(postgres: Any) -> None:
    (frame,) = read_sql(postgres, "SELECT 1 AS phone, 2 AS name WHERE false")
    assert (list(frame.columns), frame.shape) == (["phone", "name"], (0, 2))


@pytest.mark.parametrize(
    "sql",
    [
        "  -- first\n/* second */ SELECT 1 AS a;",
        "WITH x AS (SELECT 1 AS a) SELECT a FROM x",
        "(SELECT 1 AS a)",
        "VALUES (1)",
    ],
)
def test_postgresql_reads_whatever_a_cursor_can_be_declared_for(postgres: Any, sql: str) -> None:
    assert read(postgres, sql)[1] == [[1]]


def test_postgresql_takes_parameters_by_place_and_by_name(postgres: Any) -> None:
    sql = "SELECT i FROM generate_series(1, 9) i WHERE i % 2 = 0"
    assert read(postgres, sql)[1] == [[2], [4], [6], [8]]
    sql = sql.replace("%", "%%")
    assert read(postgres, f"{sql} AND i > %s", [5])[1] == [[6], [8]]
    assert read(postgres, f"{sql} AND i > %(least)s", {"least": 5})[1] == [[6], [8]]


@pytest.mark.parametrize(
    "sql", ["INSERT INTO {} VALUES (1)", "INSERT INTO {} VALUES (1) RETURNING id", "SHOW work_mem"]
)
def test_postgresql_asks_for_a_select_and_runs_nothing_else(postgres: Any, postgres_table: str, sql: str) -> None:
    with pytest.raises(NotAQueryError, match="write one SELECT") as error:
        next(read_sql(postgres, sql.format(postgres_table)))
    assert "work_mem" not in str(error.value)
    assert statement(connect_postgres, f"SELECT * FROM {postgres_table}") == []


def test_postgresql_says_itself_what_is_wrong_with_a_select(postgres: Any) -> None:
    with pytest.raises(QueryRefusedError, match=r"SQLSTATE 42601.*WHERE"):
        next(read_sql(postgres, "SELECT 1 FORM WHERE"))
    with pytest.raises(QueryRefusedError, match=r"SQLSTATE 42P01.*no_such_table"):
        next(read_sql(postgres, "SELECT * FROM no_such_table"))


@pytest.mark.parametrize("name", ["psycopg2", "psycopg"])
def test_postgresql_streams_from_a_connection_with_autocommit(name: str) -> None:
    require_postgres()
    plain = postgres_by_driver(name)

    def connect() -> Any:
        connection = plain.connect()
        connection.autocommit = True
        return connection

    frames = read_sql(DriverHook(connect), "SELECT generate_series(1, 25)", batch_size=10)
    assert [len(frame) for frame in frames] == [10, 10, 5]


def test_postgresql_is_let_go_when_the_consumer_stops_early(postgres: Any, postgres_table: str) -> None:
    # In the list of what is selected, a series is made row by row; in FROM, all of it would be made first.
    frames = read_sql(
        postgres, f"SELECT generate_series(1, 1000000000), (SELECT max(id) FROM {postgres_table})", batch_size=10
    )
    next(frames)
    locks = f"SELECT count(*) FROM pg_locks WHERE relation = '{postgres_table}'::regclass"
    assert statement(connect_postgres, locks) == [(1,)]
    started = time.monotonic()
    frames.close()
    assert time.monotonic() - started < 2
    assert statement(connect_postgres, locks) == [(0,)]


@pytest.mark.parametrize("name", ["psycopg2", "psycopg"])
def test_postgresql_is_read_in_bounded_memory(name: str) -> None:
    require_postgres()
    driver(name)
    sql = "SELECT generate_series(1, {}) AS i, repeat('x', 200) AS name"
    assert growth_of_memory(name, sql, **POSTGRES_ARGUMENTS) < 16 * 2**20


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE {} SET id = 2",
        "WITH x AS (DELETE FROM {} RETURNING id) SELECT id FROM x",
        "WITH x AS (WITH y AS (INSERT INTO {} VALUES (9) RETURNING id) SELECT id FROM y) SELECT id FROM x",
        "SELECT 1; DELETE FROM {}",
        "SELECT 'a\\'; DELETE FROM {}; --'",
        "SELECT 1 /* /* */ ' */ ; DELETE FROM {}; -- '",
        "SELECT $a$ ' $a$; DELETE FROM {}; SELECT '",
        "SELECT id INTO {}_copy FROM {}",
    ],
)
def test_nothing_in_postgresql_is_changed(postgres: Any, postgres_table: str, sql: str) -> None:
    statement(connect_postgres, f"INSERT INTO {postgres_table} VALUES (1)")
    with pytest.raises((NotAQueryError, RowsNotReadError)):
        next(read_sql(postgres, sql.replace("{}", postgres_table)))
    assert statement(connect_postgres, f"SELECT * FROM {postgres_table}") == [(1,)]


def test_a_second_query_that_nobody_saw_does_not_leave_rows_unread_in_silence(postgres: Any) -> None:
    # To sqlparse a backslash hides the quote, and with it the semicolon; to PostgreSQL it does not.
    for sql in (r"SELECT 'a\'; SELECT 'b'", r"SELECT 'a\'; SELECT 'b' WHERE false"):
        with pytest.raises((NotAQueryError, QueryRefusedError), match=r"rows of several queries|multiple commands"):
            next(read_sql(postgres, sql))


def test_postgresql_itself_is_asked_to_change_nothing(postgres: Any, postgres_table: str) -> None:
    function = f"{postgres_table}_fill"
    statement(
        connect_postgres,
        f"CREATE FUNCTION {function}() RETURNS int LANGUAGE sql "
        f"AS 'INSERT INTO {postgres_table} VALUES (1) RETURNING id'",
    )
    with pytest.raises(QueryRefusedError, match=r"SQLSTATE 25006\): .*read-only transaction"):
        next(read_sql(postgres, f"SELECT {function}()"))
    statement(connect_postgres, f"DROP FUNCTION {function}")
    assert statement(connect_postgres, f"SELECT * FROM {postgres_table}") == []


def test_postgresql_is_read_only_also_in_a_transaction_that_has_begun(postgres_table: str) -> None:

    def connect() -> Any:
        connection = postgres_by_driver("psycopg2").connect()
        connection.cursor().execute("SELECT 1")
        return connection

    with pytest.raises(QueryRefusedError, match="25006"):
        next(read_sql(DriverHook(connect), f"SELECT * FROM {postgres_table} FOR UPDATE"))


def test_a_value_in_a_postgresql_error_is_not_shown(postgres: Any) -> None:
    for phase in ("the query was started", "rows were read"):
        sql = "SELECT (name || '!')::int AS phone FROM (SELECT 'Zoé Martin'::text AS name, 1) x"
        with pytest.raises(RowsNotReadError, match=r"InvalidTextRepresentation \(SQLSTATE 22P02\); its words") as error:
            next(read_sql(postgres, sql if phase == "rows were read" else f"{sql} ORDER BY 1"))
        assert "Martin" not in everything_in(error.value)
        assert type(error.value) is RowsNotReadError


def test_words_about_a_statement_that_come_while_rows_are_read_may_be_about_a_row(
    postgres: Any, postgres_table: str
) -> None:
    statement(
        connect_postgres,
        f"CREATE FUNCTION {postgres_table}_raise(name text, state text) RETURNS text LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE 'not %', name USING ERRCODE = state; END $$",
    )
    casts = {"name::tsquery::text": "42601", "name::regclass::text": "42602", "pg_database_size(name)::text": "3D000"}
    raised = (
        "08006",
        "25006",
        "26000",
        "28000",
        "40001",
        "42000",
        "53000",
        "54000",
        "55000",
        "57014",
        "57P01",
        "58000",
    )
    casts |= {f"{postgres_table}_raise(name, '{state}')": state for state in raised}
    for cast, state in casts.items():
        # In a table, so that nothing of it is known when the cursor is declared.
        sql = f"SELECT {cast} AS phone FROM (VALUES ('Zoé Martin'), ('Ana Martin')) x (name)"
        with pytest.raises(RowsNotReadError, match=rf"SQLSTATE {state}\).*; its words are left out") as error:
            read(postgres, sql)
        assert "Martin" not in everything_in(error.value)
    statement(connect_postgres, f"DROP FUNCTION {postgres_table}_raise(text, text)")


def test_a_function_that_runs_while_a_query_is_planned_is_not_quoted(postgres: Any, postgres_table: str) -> None:
    function = f"{postgres_table}_planned"
    statement(
        connect_postgres,
        f"CREATE FUNCTION {function}() RETURNS integer STABLE LANGUAGE plpgsql AS "
        "$$ DECLARE n integer; BEGIN EXECUTE 'SELECT count(*) FROM t' || '33612345678' INTO n; RETURN n; END $$",
    )
    with pytest.raises(RowsNotReadError, match=r"SQLSTATE 42P01\).*; its words are left out") as error:
        read(postgres, f"SELECT * FROM {postgres_table} WHERE id > {function}()")
    assert "33612345678" not in everything_in(error.value)
    statement(connect_postgres, f"DROP FUNCTION {function}()")


LOST = [
    ("pg_terminate_backend(pid)", ConnectionLostError, "SQLSTATE 57P01|server closed the connection"),
    ("pg_cancel_backend(pid)", QueryCancelledError, r"QueryCanceled \(SQLSTATE 57014\): .*by somebody"),
]


@pytest.mark.parametrize(("how", "error", "message"), LOST, ids=["terminated", "cancelled"])
def test_a_postgresql_query_that_somebody_ends_is_told_apart(
    postgres: Any, how: str, error: type[Exception], message: str
) -> None:
    # The first batch goes by; within the second one, the query waits, and is ended.
    sql = "SELECT pg_backend_pid() AS pid, CASE WHEN i > 10 THEN pg_sleep(3)::text END FROM generate_series(1, 20) i"
    frames = read_sql(postgres, sql, batch_size=10)
    end = f"SELECT {how.replace('pid', str(next(frames)['pid'][0]))}"
    timer = threading.Timer(0.3, lambda: statement(connect_postgres, end))
    timer.start()
    with pytest.raises(error, match=message):
        next(frames)
    timer.join()


def test_a_transaction_that_was_idle_for_too_long_is_a_lost_connection(postgres: Any) -> None:
    class Hook:
        def get_conn(self) -> Any:
            connection = postgres.get_conn()
            cursor = connection.cursor()
            cursor.execute("SET idle_in_transaction_session_timeout = 200")
            connection.commit()
            return connection

    frames = read_sql(Hook(), "SELECT generate_series(1, 20)", batch_size=10)
    next(frames)
    time.sleep(0.8)
    with pytest.raises(ConnectionLostError, match=r"SQLSTATE 25P03|server closed the connection"):
        next(frames)


def test_a_statement_timeout_is_a_cancellation(postgres: Any) -> None:
    class Hook:
        def get_conn(self) -> Any:
            connection = postgres.get_conn()
            connection.cursor().execute("SET statement_timeout = 200")
            return connection

    with pytest.raises(QueryCancelledError, match=r"SQLSTATE 57014\): .*limit of time"):
        next(read_sql(Hook(), "SELECT pg_sleep(30)"))


def test_what_python_has_no_date_for_is_text(postgres: Any) -> None:
    sql = """SELECT 'infinity'::timestamptz, '-infinity'::timestamp, 'infinity'::date, '10000-01-01'::date,
        '24:00'::time, '10000-01-01 10:00'::timestamp, '0044-03-15 BC'::date, '3000000 years'::interval,
        DATE '2026-01-02', '2026-01-02 03:04'::timestamp, TIME '10:00', NULL::date"""
    assert read(postgres, sql)[1] == [
        [
            *["infinity", "-infinity", "infinity", "10000-01-01", "24:00:00", "10000-01-01 10:00:00", "0044-03-15 BC"],
            *["3000000 years", dt.date(2026, 1, 2), dt.datetime(2026, 1, 2, 3, 4), dt.time(10), None],  # noqa: DTZ001
        ]
    ]


def test_a_value_that_psycopg_cannot_read_names_its_column_and_type() -> None:
    require_postgres()
    sql = "SELECT 1 AS id, ('33612345678' || repeat('0', 5000))::json AS document, 'Zoé' AS name"
    with pytest.raises(
        UnreadableValueError,
        match=r"cannot read column 2 \('document', of type json\): ValueError; write CAST\(… AS text\)",
    ) as error:
        next(read_sql(postgres_by_driver("psycopg"), sql))
    assert "336" not in everything_in(error.value)


def test_padding_and_quotes_that_postgresql_added_are_gone(postgres: Any) -> None:
    sql = """SELECT 'ab'::char(5) AS c, 'ab  '::varchar(5) AS v, '"x"'::json AS j, '"x"'::jsonb AS b"""
    assert read(postgres, sql)[1] == [["ab", "ab  ", "x", "x"]]


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT 1 WHERE 'Zoé' LIKE 'Z%' AND 1 = %s", [1]),
        ("SELECT 1 WHERE 'Zoé' LIKE '%Z%' AND 1 = %(a)s", {"a": 1}),
        ("SELECT 1 WHERE 'Zoé' LIKE '%son' AND 1 = %s", [1]),
        ("SELECT 1 WHERE 'Zoé' LIKE 'a%b' AND 1 = %s", [1]),
        ("SELECT 10 % 3 WHERE 1 = %s", [1]),
        ("SELECT 1 -- 100% of them\n WHERE 1 = %s", [1]),
    ],
)
def test_a_percent_beside_parameters_is_to_be_doubled(postgres: Any, sql: str, parameters: Any) -> None:
    with pytest.raises(ParametersError, match=r"the driver psycopg2? takes it for one: .* write %% for a %$") as error:
        read(postgres, sql, parameters)
    assert "Zo" not in everything_in(error.value)
    assert len(read(postgres, re.sub(r"%(?!s AND|s$|\(a\))", "%%", sql), parameters)[1]) < 2


@pytest.mark.parametrize(
    ("sql", "parameters"), [("SELECT 1 WHERE 1 = %s AND 2 = %s", [1]), ("SELECT '100%%' WHERE 1 = %(b)s", {"a": 1})]
)
def test_parameters_that_are_missing_are_no_matter_of_a_percent(postgres: Any, sql: str, parameters: Any) -> None:
    with pytest.raises(RowsNotReadError, match="its words are left out"):
        read(postgres, sql, parameters)


def test_what_the_server_says_is_no_matter_of_a_percent(postgres: Any) -> None:
    with pytest.raises(QueryRefusedError, match="may quote a parameter"):
        read(postgres, "SELECT no_such_column WHERE '%s' = '' AND 1 = 1", ["x"])


def test_parameters_in_another_style_get_postgresqls(postgres: Any) -> None:
    for sql, parameters in (("SELECT 1 WHERE 1 = ?", [1]), ("SELECT 1 WHERE 1 = :a", {"a": 1})):
        with pytest.raises(ParametersError, match=r"takes %s or %\(name\)s"):
            next(read_sql(postgres, sql, parameters))


def test_what_redshifts_driver_is_sent_reads_a_result_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    # Redshift speaks PostgreSQL's language here; its driver has no server-side cursors, and keeps a result as a whole.
    require_postgres()
    monkeypatch.setitem(table.DRIVERS, "psycopg2", redshift.REDSHIFT)
    hook = postgres_by_driver("psycopg2")
    sql = "SELECT i, 'ab'::char(5) AS c FROM generate_series(1, 25) i WHERE i > %s"
    frames = list(read_sql(hook, sql, [0], batch_size=10))
    assert [len(frame) for frame in frames] == [10, 10, 5]
    assert frames[0].iloc[0].tolist() == [1, "ab"]
    (frame,) = read_sql(hook, sql, [99])
    assert (list(frame.columns), frame.shape) == (["i", "c"], (0, 2))
    with pytest.raises(NotAQueryError, match="no cursor can be declared"):
        next(read_sql(hook, "CALL p()"))
