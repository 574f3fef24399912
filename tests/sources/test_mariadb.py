from __future__ import annotations

import datetime as dt
import gc
import re
import threading
import time
import uuid
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from airflow_provider_octopush.sources.errors import (
    ConnectionLostError,
    NotAQueryError,
    ParametersError,
    QueryCancelledError,
    QueryRefusedError,
    RowsNotReadError,
)
from airflow_provider_octopush.sources.sql import read_sql
from airflow_provider_octopush.text import to_text
from tests.databases import MARIADB, MARIADB_ARGUMENTS, connect_mariadb, require_mariadb
from tests.sources.reading import (
    MOBILE,
    AirflowHook,
    DriverHook,
    driver,
    everything_in,
    growth_of_memory,
    read,
    statement,
)

MARIADB_DRIVERS = ["MySqlHook", "MySqlHook, dict rows", "MySqlHook, MySQL Connector", "PyMySQL, dict rows"]


def mariadb_by_kind(kind: str, airflow_hook: AirflowHook) -> Any:
    require_mariadb()
    if kind == "MySqlHook":
        return airflow_hook(MARIADB)
    if kind == "MySqlHook, dict rows":
        return airflow_hook(MARIADB, cursor="dictcursor")
    if kind == "MySqlHook, MySQL Connector":
        driver("mysql.connector")
        return airflow_hook(MARIADB, client="mysql-connector-python")
    pymysql = driver("pymysql")
    return DriverHook(lambda: pymysql.connect(**MARIADB_ARGUMENTS, cursorclass=pymysql.cursors.DictCursor))


@pytest.fixture(params=MARIADB_DRIVERS)
def mariadb(request: pytest.FixtureRequest, airflow_hook: AirflowHook) -> Any:
    return mariadb_by_kind(request.param, airflow_hook)


def test_mariadb_gives_its_values_whatever_cursor_the_connection_asks_for(mariadb: Any) -> None:
    names, rows = read(
        mariadb,
        f"SELECT {MOBILE} AS phone, 1.10 AS amount, DATE '2026-01-02' AS day, 'Zoë' AS name "
        "UNION ALL SELECT NULL, NULL, NULL, NULL;",
        batch_size=1,
    )
    assert names == ["phone", "amount", "day", "name"]
    assert rows == [[MOBILE, Decimal("1.10"), dt.date(2026, 1, 2), "Zoë"], [None] * 4]


def test_mariadbs_floats_of_4_bytes_do_not_seem_to_have_more_digits(mariadb: Any) -> None:
    sql = "SELECT CAST(612345678 AS FLOAT) AS a, CAST(612345678 AS DOUBLE) AS b, CAST(NULL AS FLOAT) AS c"
    (row,) = read(mariadb, sql)[1]
    assert [type(value) for value in row] == [np.float32, float, type(None)]


def test_mariadbs_bits_are_a_number(mariadb: Any, mariadb_table: str) -> None:
    statement(
        connect_mariadb, f"ALTER TABLE {mariadb_table} ADD a BIT(1), ADD b BIT(20), ADD c BIT(64), ADD d BINARY(1)"
    )
    statement(
        connect_mariadb,
        f"INSERT INTO {mariadb_table} VALUES (1, 1, 70000, ~0, 'x'), (2, 0, 0, 0, 'x'), (3, NULL, NULL, NULL, NULL)",
    )
    rows = read(mariadb, f"SELECT a, b, c, d FROM {mariadb_table} ORDER BY id")[1]
    assert [row[:3] for row in rows] == [[1, 70000, 2**64 - 1], [0, 0, 0], [None] * 3]
    assert [[to_text(value) for value in row] for row in rows] == [
        ["1", "70000", "18446744073709551615", "x"],
        ["0", "0", "0", "x"],
        [None] * 4,
    ]


JSONS = [
    ("gold", '"gold"'),
    ('Zoé \\ "x"', '"Zo\\u00e9 \\\\ \\"x\\""'),
    (None, "null"),
    ('{"a": "b"}', '{"a": "b"}'),
    ('["a"]', '["a"]'),
    ("7", "7"),
    ("true", "true"),
    ("null", '"null"'),
    (None, None),
]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT j FROM {}",
        "SELECT coalesce(j, NULL) AS j FROM {}",
        "SELECT j FROM {} UNION ALL SELECT NULL FROM DUAL WHERE 1 = 0",
        "SELECT j FROM (SELECT * FROM {}) AS x",
        "SELECT (SELECT j) AS j FROM {}",
        "SELECT json_extract(j, '$') AS j FROM {}",
    ],
)
def test_mariadbs_json_loses_its_quotes(mariadb: Any, mariadb_table: str, sql: str) -> None:
    statement(connect_mariadb, f"ALTER TABLE {mariadb_table} ADD j JSON")
    connection = connect_mariadb()
    connection.cursor().executemany(
        f"INSERT INTO {mariadb_table} VALUES (%s, %s)", [(i, j) for i, (_, j) in enumerate(JSONS)]
    )
    connection.close()
    rows = read(
        mariadb, sql.replace("{}", f"{mariadb_table} ORDER BY id LIMIT 99" if sql.endswith("{}") else mariadb_table)
    )[1]
    assert [row[0] for row in rows] == [text for text, _ in JSONS]


def test_other_text_of_mariadb_keeps_its_quotes(mariadb: Any, mariadb_table: str) -> None:
    texts = [
        "VARCHAR(20)",
        "VARCHAR(20) COLLATE utf8mb4_bin",
        "TEXT",
        "LONGTEXT",
        "LONGTEXT CHARACTER SET latin1",
        "CHAR(9)",
    ]
    columns = ", ".join(f"ADD c{i} {kind}" for i, kind in enumerate(texts))
    statement(connect_mariadb, f"ALTER TABLE {mariadb_table} {columns}")
    for text in ('"Bob"', "null"):
        statement(connect_mariadb, f"DELETE FROM {mariadb_table}")
        statement(
            connect_mariadb, f"INSERT INTO {mariadb_table} VALUES ({', '.join(['1', *[repr(text)] * len(texts)])})"
        )
        assert read(mariadb, f"SELECT * FROM {mariadb_table}")[1] == [[1, *[text] * len(texts)]]


def test_where_the_server_is_not_mariadb_text_in_a_binary_collation_keeps_its_quotes(
    mariadb: Any, mariadb_table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement(connect_mariadb, f"ALTER TABLE {mariadb_table} ADD j LONGTEXT COLLATE utf8mb4_bin")
    statement(connect_mariadb, f"INSERT INTO {mariadb_table} VALUES (1, '\"Bob\"')")
    monkeypatch.setattr("airflow_provider_octopush.sources.databases.mysql._is_mariadb", lambda _: False)
    assert read(mariadb, f"SELECT j FROM {mariadb_table}")[1] == [['"Bob"']]


def test_mariadb_keeps_columns_of_the_same_name(mariadb: Any) -> None:
    assert read(mariadb, "SELECT 1 AS phone, 2 AS phone") == (["phone", "phone"], [[1, 2]])


def test_mariadb_gives_the_columns_of_a_query_that_finds_nothing(mariadb: Any) -> None:
    (frame,) = read_sql(mariadb, "SELECT 1 AS phone, 2 AS name FROM DUAL WHERE 1 = 0")
    assert (list(frame.columns), frame.shape) == (["phone", "name"], (0, 2))


def test_mariadb_takes_parameters_by_place_and_by_name(mariadb: Any) -> None:
    sql = "SELECT seq FROM seq_1_to_9 WHERE seq % 2 = 0"
    assert read(mariadb, sql)[1] == [[2], [4], [6], [8]]
    sql = sql.replace("%", "%%") if "connector" not in type(mariadb.get_conn()).__module__ else sql
    assert read(mariadb, f"{sql} AND seq > %s", [5])[1] == [[6], [8]]
    assert read(mariadb, f"{sql} AND seq > %(least)s", {"least": 5})[1] == [[6], [8]]


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT 1 WHERE 'Zoé' LIKE 'Z%' AND 1 = %s", [1]),
        ("SELECT 1 WHERE 'Zoé' LIKE '%Z%' AND 1 = %(a)s", {"a": 1}),
        ("SELECT 1 WHERE 'Zoé' LIKE '%son' AND 1 = %s", [1]),
        ("SELECT 10 % 3 WHERE 1 = %s", [1]),
        ("SELECT 10 %3 WHERE 1 = %s", [1]),
        ("SELECT 1 -- 100% of them\n WHERE 1 = %s", [1]),
        ("SELECT date_format(now(), '%Y-%m-%d') WHERE 1 = %s", [1]),
    ],
)
def test_a_percent_beside_parameters_is_to_be_doubled(mariadb: Any, sql: str, parameters: Any) -> None:
    if "connector" not in type(mariadb.get_conn()).__module__:
        with pytest.raises(
            ParametersError, match=r"has a % that is not one of its parameters, .* write %% for a %$"
        ) as error:
            read(mariadb, sql, parameters)
        assert "Zo" not in everything_in(error.value)
        doubled = re.sub(r"%(?!s AND|s$|\(a\)|s WHERE)", "%%", sql)
        assert len(read(mariadb, doubled, parameters)[1]) < 2
    elif "son" in sql:
        with pytest.raises(ParametersError, match="make its text a parameter"):
            read(mariadb, sql, parameters)
    else:
        assert len(read(mariadb, sql, parameters)[1]) < 2


@pytest.mark.parametrize(
    ("sql", "parameters"), [("SELECT 1 WHERE 1 = %s AND 2 = %s", [1]), ("SELECT 1 WHERE 1 = %(b)s", {"a": 1})]
)
def test_parameters_that_are_missing_are_no_matter_of_a_percent(mariadb: Any, sql: str, parameters: Any) -> None:
    with pytest.raises(RowsNotReadError, match="its words are left out"):
        read(mariadb, sql, parameters)


def test_mariadb_asks_for_a_select_and_commits_nothing(mariadb: Any, mariadb_table: str) -> None:
    with pytest.raises(NotAQueryError, match="write one SELECT"):
        next(read_sql(mariadb, f"INSERT INTO {mariadb_table} VALUES (1)"))
    assert statement(connect_mariadb, f"SELECT * FROM {mariadb_table}") == []


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["MySqlHook", "PyMySQL, dict rows"])
def test_mariadb_is_let_go_without_reading_the_rest(kind: str, airflow_hook: AirflowHook) -> None:
    hook = mariadb_by_kind(kind, airflow_hook)
    mark = uuid.uuid4().hex
    frames = read_sql(hook, f"SELECT seq, repeat('{mark}', 3) FROM seq_1_to_100000000", batch_size=10)
    next(frames)
    started = time.monotonic()
    frames.close()
    gc.collect()
    # All rows would take minutes.
    assert time.monotonic() - started < 10
    running = (
        f"SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%{mark}%' AND id <> connection_id()"
    )
    while statement(connect_mariadb, running) != [(0,)]:
        assert time.monotonic() - started < 10
        time.sleep(0.1)


def test_mariadb_waits_for_a_slow_consumer(airflow_hook: AirflowHook) -> None:
    require_mariadb()
    hook = airflow_hook(MARIADB, hook_params={"init_command": "SET SESSION net_write_timeout = 1"})
    rows = 0
    for frame in read_sql(hook, "SELECT seq, repeat('x', 1000) FROM seq_1_to_50000"):
        if not rows:
            time.sleep(2.5)
        rows += len(frame)
    assert rows == 50_000


@pytest.mark.parametrize("name", ["MySQLdb", "pymysql", "mysql.connector"])
def test_mariadb_is_read_in_bounded_memory(name: str) -> None:
    require_mariadb()
    driver(name)
    sql = "SELECT seq, repeat('x', 200) AS name FROM seq_1_to_{}"
    assert growth_of_memory(name, sql, **MARIADB_ARGUMENTS) < 16 * 2**20


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE {} SET id = 2",
        "TRUNCATE TABLE {}",
        "REPLACE INTO {} VALUES (2)",
        "SELECT 1; DELETE FROM {}",
        "SELECT 5--1; DELETE FROM {}\n",
        "SELECT 1 #'\n; DELETE FROM {} #'",
        "SELECT 'it\\'s'; DELETE FROM {} WHERE '1' = '1'",
        "SELECT 1 AS $$; DELETE FROM {}; SELECT 1 AS $$",
        "SELECT 1 /*! ; DELETE FROM {} */",
        "SELECT 1 /*M!100000 ; DELETE FROM {} */",
    ],
)
def test_nothing_in_mariadb_is_changed(mariadb: Any, mariadb_table: str, sql: str) -> None:
    statement(connect_mariadb, f"INSERT INTO {mariadb_table} VALUES (1)")
    with pytest.raises((NotAQueryError, QueryRefusedError)):
        read(mariadb, sql.replace("{}", mariadb_table))
    assert statement(connect_mariadb, f"SELECT * FROM {mariadb_table}") == [(1,)]


@pytest.mark.parametrize("sql", ["TRUNCATE TABLE {}", "DELETE FROM {}", "DROP TABLE {}", "SELECT {}_fill()"])
@pytest.mark.parametrize("engine", ["InnoDB", "Aria"])
def test_mariadb_itself_is_asked_to_change_nothing(
    mariadb: Any, mariadb_table: str, sql: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setup in (
        f"ALTER TABLE {mariadb_table} ENGINE={engine}",
        f"INSERT INTO {mariadb_table} VALUES (1)",
        f"CREATE FUNCTION {mariadb_table}_fill() RETURNS int "
        f"BEGIN INSERT INTO {mariadb_table} VALUES (2); RETURN 1; END",
    ):
        statement(connect_mariadb, setup)
    monkeypatch.setattr("airflow_provider_octopush.sources.sql.check_query", lambda *_: "SELECT")
    with pytest.raises(QueryRefusedError, match="READ ONLY transaction"):
        read(mariadb, sql.replace("{}", mariadb_table))
    statement(connect_mariadb, f"DROP FUNCTION {mariadb_table}_fill")
    assert statement(connect_mariadb, f"SELECT * FROM {mariadb_table}") == [(1,)]


@pytest.mark.parametrize("kind", [kind for kind in MARIADB_DRIVERS if "Connector" not in kind])  # which cannot be told
def test_mariadb_takes_one_statement_at_a_time_whatever_is_thought_of_it(
    kind: str, mariadb_table: str, monkeypatch: pytest.MonkeyPatch, airflow_hook: AirflowHook
) -> None:
    mariadb = mariadb_by_kind(kind, airflow_hook)
    monkeypatch.setattr("airflow_provider_octopush.sources.sql.check_query", lambda *_: "SELECT")
    change = f"SELECT 1; SET SESSION TRANSACTION READ WRITE; DROP TABLE {mariadb_table}"
    with pytest.raises(QueryRefusedError, match="syntax"):
        read(mariadb, change)
    assert statement(connect_mariadb, f"SELECT * FROM {mariadb_table}") == []


def test_parameters_are_not_in_mariadbs_words(mariadb: Any) -> None:
    with pytest.raises(QueryRefusedError, match="may quote a parameter") as error:
        read(mariadb, "SELECT 1 WHERE AND 'Zoé' = %(name)s", {"name": "Zoé Martin"})
    assert "Martin" not in everything_in(error.value)


def test_what_a_mariadb_procedure_changes_is_its_own_affair(mariadb: Any, mariadb_table: str) -> None:
    procedure = f"{mariadb_table}_fill"
    statement(
        connect_mariadb,
        f"CREATE PROCEDURE {procedure}() "
        f"BEGIN INSERT INTO {mariadb_table} VALUES (7); SELECT id FROM {mariadb_table}; END",
    )
    assert read(mariadb, f"CALL {procedure}()")[1] == [[7]]
    statement(connect_mariadb, f"DROP PROCEDURE {procedure}")


def test_a_mariadb_procedure_that_gives_the_rows_of_two_queries_is_an_error(mariadb: Any, mariadb_table: str) -> None:
    procedure = f"{mariadb_table}_twice"
    statement(connect_mariadb, f"CREATE PROCEDURE {procedure}() BEGIN SELECT 1 AS a; SELECT 2 AS a; END")
    frames = read_sql(mariadb, f"CALL {procedure}()")
    assert next(frames)["a"].tolist() == [1]
    with pytest.raises(NotAQueryError, match="gives the rows of several queries"):
        next(frames)
    statement(connect_mariadb, f"DROP PROCEDURE {procedure}")


def test_mariadb_says_itself_what_is_wrong_with_a_select(mariadb: Any) -> None:
    with pytest.raises(QueryRefusedError, match=r"\((SQLSTATE 42S02|1146)\): .*no_such_table"):
        next(read_sql(mariadb, "SELECT * FROM no_such_table"))
    with pytest.raises(QueryRefusedError, match=r"\((SQLSTATE 42000|1064)\): .*syntax"):
        next(read_sql(mariadb, "SELECT 1 FORM WHERE"))


def test_a_value_in_a_mariadb_error_is_not_shown(mariadb: Any) -> None:
    sql = "SELECT 9223372036854775807 + CAST(33612345678 AS SIGNED) FROM DUAL"
    with pytest.raises(RowsNotReadError, match=r"\((SQLSTATE 22003|1690)\); its words are left out") as error:
        read(mariadb, sql)
    assert "33612345678" not in everything_in(error.value)
    assert type(error.value) is RowsNotReadError


@pytest.mark.parametrize(
    ("how", "error"), [("KILL {}", ConnectionLostError), ("KILL QUERY {}", QueryCancelledError)], ids=["kill", "cancel"]
)
def test_a_mariadb_query_that_somebody_ends_is_told_apart(mariadb: Any, how: str, error: type[Exception]) -> None:
    sql = "SELECT connection_id() AS id, if(seq > 5, sleep(1), 0), repeat('x', 20000) FROM seq_1_to_20"
    frames = read_sql(mariadb, sql, batch_size=5)
    end = how.replace("{}", str(next(frames)["id"][0]))
    timer = threading.Timer(0.3, lambda: statement(connect_mariadb, end))
    timer.start()
    with pytest.raises(error):
        list(frames)
    timer.join()


def test_a_limit_of_time_is_a_cancellation(airflow_hook: AirflowHook) -> None:
    require_mariadb()
    hook = airflow_hook(MARIADB, hook_params={"init_command": "SET SESSION max_statement_time = 0.2"})
    with pytest.raises(QueryCancelledError, match=r"\(1969\): .*limit of time"):
        read(hook, "SELECT sum(a.seq * b.seq) FROM seq_1_to_100000 a, seq_1_to_100000 b")


def test_parameters_in_another_style_get_mariadbs(mariadb: Any) -> None:
    with pytest.raises(ParametersError, match=r"takes %s or %\(name\)s"):
        next(read_sql(mariadb, "SELECT 1 WHERE 1 = :a", {"a": 1}))


def test_bytes_are_what_mariadb_says_they_are(mariadb: Any) -> None:
    assert read(mariadb, "SELECT CAST('Zoé' AS CHAR(9)) AS c, 'Zoé' COLLATE utf8mb4_bin AS b")[1] == [["Zoé", "Zoé"]]
