"""What holds for each database that is here, by each of its drivers."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from airflow_provider_octopush.sources.errors import NotAQueryError, ParametersError, RowsNotReadError
from airflow_provider_octopush.sources.sql import read_sql
from tests.databases import (
    CLICKHOUSE_ARGUMENTS,
    JDBC_JAR,
    MARIADB_ARGUMENTS,
    ODBC_DRIVER,
    POSTGRES,
    POSTGRES_ARGUMENTS,
    require_clickhouse,
    require_jdbc,
    require_mariadb,
    require_odbc,
    require_postgres,
)
from tests.sources.engines import JDBC_ARGUMENTS, KINDS, Engine, of_kinds
from tests.sources.reading import driver, everything_in, growth_of_memory, read


def test_values_are_what_the_database_means_by_them(engine: Engine) -> None:
    values = engine.dialect.values
    names, ((*row,),) = read(engine.hook, "SELECT " + ", ".join(f"{sql} AS c{i}" for i, sql in enumerate(values)))
    assert names == [f"c{i}" for i in range(len(values))]
    for sql, value, expected in zip(values, row, values.values(), strict=True):
        assert (value, type(value)) == (expected, type(expected)), sql


def test_an_integer_beside_null_stays_one(engine: Engine, table: str) -> None:
    engine.run(f"INSERT INTO {table} SELECT 7")
    sql = f"SELECT CASE WHEN id = 7 THEN id END AS a FROM {table} ORDER BY id"
    assert [(value, type(value)) for (value,) in read(engine.hook, sql, batch_size=1)[1]] == [
        (None, type(None)),
        (7, int),
    ]


def test_columns_are_called_as_the_query_calls_them(engine: Engine, table: str) -> None:
    (frame,) = read_sql(engine.hook, f"SELECT id AS phone, 2 AS name FROM {table} WHERE id = 99")
    assert [name.lower() for name in frame.columns] == ["phone", "name"]
    assert frame.shape == (0, 2)
    assert set(frame.dtypes) == {np.dtype(object)}


@of_kinds(*(kind for kind in KINDS if kind != "ClickHouse"))
def test_columns_of_the_same_name_stay(engine: Engine) -> None:
    assert read(engine.hook, "SELECT 1 AS phone, 2 AS phone") == (["phone", "phone"], [[1, 2]])


def test_parameters_reach_the_query(engine: Engine) -> None:
    sql, parameters = engine.dialect.parameter
    assert read(engine.hook, sql, parameters)[1] == [[1]]


def test_parameters_in_another_style_are_an_error_without_their_values(engine: Engine) -> None:
    with pytest.raises((ParametersError, RowsNotReadError)) as error:
        read(engine.hook, *engine.dialect.other)
    assert "Martin" not in everything_in(error.value)


@pytest.mark.parametrize("sql", ["DELETE FROM {}", "SELECT id FROM {}; DELETE FROM {}", "DROP TABLE {}"])
def test_what_is_no_query_is_not_run(engine: Engine, table: str, sql: str) -> None:
    with pytest.raises(NotAQueryError, match="write one SELECT"):
        next(read_sql(engine.hook, sql.replace("{}", table)))
    assert len(engine.run(f"SELECT id FROM {table}")) == 1


def test_the_database_itself_is_asked_to_change_nothing(
    engine: Engine, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_octopush.sources.sql.check_query", lambda *_: "SELECT")
    with pytest.raises(RowsNotReadError, match=engine.dialect.refusal):
        read(engine.hook, engine.dialect.write.replace("{}", table))
    assert len(engine.run(f"SELECT id FROM {table}")) == 1


@of_kinds(*(kind for kind, (dialect, _) in KINDS.items() if dialect.hidden))
def test_what_is_hidden_from_us_changes_nothing_either(engine: Engine, table: str) -> None:
    for sql in engine.dialect.hidden:
        with pytest.raises((NotAQueryError, RowsNotReadError)):
            read(engine.hook, sql.replace("{}", table))
        assert engine.run(f"SELECT id FROM {table}") in ([(1,)], ((1,),))


def test_a_databases_words_about_the_statement_are_shown(engine: Engine) -> None:
    with pytest.raises(RowsNotReadError, match=r"while the query was started: \w+ \(.+\): .*no_such_table"):
        next(read_sql(engine.hook, "SELECT * FROM no_such_table"))


def test_a_databases_words_about_a_value_are_not(engine: Engine) -> None:
    with pytest.raises(RowsNotReadError, match=r"\(.+\); its words are left out") as error:
        read(engine.hook, engine.dialect.value_error)
    for value in ("Martin", "33612345678"):
        assert value not in everything_in(error.value)


@of_kinds(*(kind for kind, (dialect, _) in KINDS.items() if dialect.endless and "Connector" not in kind))
def test_a_database_is_let_go_when_the_consumer_stops_early(engine: Engine) -> None:
    started = time.monotonic()
    frames = read_sql(engine.hook, str(engine.dialect.endless))
    assert len(next(frames)) == 1_000
    frames.close()
    assert time.monotonic() - started < 20


@of_kinds("mysqlclient", "PyMySQL", "ODBC", "JDBC")
def test_rows_of_a_second_query_are_not_left_unread_in_silence(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_octopush.sources.sql.check_query", lambda *_: "SELECT")
    with pytest.raises((NotAQueryError, RowsNotReadError), match=r"gives the rows of several queries|syntax"):
        read(engine.hook, "SELECT 1 AS a; SELECT 2 AS a")


_SERIES = "SELECT generate_series(1, {}) AS i, repeat('x', 200) AS name"
_SEQUENCE = "SELECT seq, repeat('x', 200) AS name FROM seq_1_to_{}"
_ODBC = (
    f"DRIVER={{{ODBC_DRIVER}}};Server={POSTGRES['host']};Port={POSTGRES['port']};Database={POSTGRES['schema']};"
    f"Uid={POSTGRES['login']};Pwd={POSTGRES['password']};UseDeclareFetch=1;Fetch=1000"
)
#: What Java holds is Java's: in 32 MB there is no room for the result.
_JAVA = f"import jpype; jpype.startJVM('-Xmx32m', classpath={str(JDBC_JAR)!r}, convertStrings=True)"
_RECURSIVE = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
    "SELECT i, printf('%.200c', 'x') AS name FROM n"
)


@pytest.mark.parametrize(
    ("require", "module", "sql", "args", "kwargs"),
    [
        (lambda: None, "sqlite3", _RECURSIVE, (":memory:",), {}),
        (require_postgres, "psycopg2", _SERIES, (), POSTGRES_ARGUMENTS),
        (require_postgres, "psycopg", _SERIES, (), POSTGRES_ARGUMENTS),
        (require_mariadb, "MySQLdb", _SEQUENCE, (), MARIADB_ARGUMENTS),
        (require_mariadb, "pymysql", _SEQUENCE, (), MARIADB_ARGUMENTS),
        (require_mariadb, "mysql.connector", _SEQUENCE, (), MARIADB_ARGUMENTS),
        (lambda: None, "duckdb", "SELECT range AS i, repeat('x', 200) AS name FROM range({})", (":memory:",), {}),
        (
            require_clickhouse,
            "clickhouse_driver",
            f"SELECT number AS i, '{'x' * 200}' AS name FROM system.numbers LIMIT {{}}",
            (),
            CLICKHOUSE_ARGUMENTS,
        ),
        (require_odbc, "pyodbc", _SERIES, (_ODBC,), {}),
        (require_jdbc, "jaydebeapi", _SERIES, JDBC_ARGUMENTS, {"setup": _JAVA}),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "",
)
def test_a_query_is_read_in_bounded_memory(
    require: Any, module: str, sql: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    require()
    # The environment of the oldest Airflow has no psycopg 3.
    driver(module)
    assert growth_of_memory(module, sql, *args, **kwargs) < 16 * 2**20
