from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_octopush.sources.errors import NotAQueryError
from airflow_provider_octopush.sources.statements import MYSQL, POSTGRESQL, SQLITE, UNKNOWN, Lexis, check_query
from tests.databases import connect_mariadb, connect_postgres, require_mariadb, require_postgres

QUERIES = [
    "SELECT 1",
    "  -- first\n/* second */ select 1;",
    "SELECT 1 ; ; -- last",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "SELECT 1 UNION SELECT 2 EXCEPT SELECT 3",
    "WITH RECURSIVE x(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM x) SELECT a FROM x",
    "VALUES (1), (2)",
    "TABLE customers",
    "SHOW TABLES",
    "SELECT max(start) FROM t WHERE x > start AND y BETWEEN start AND stop GROUP BY start HAVING min(start) > 1",
    "SELECT a FROM t START WITH b IS NULL CONNECT BY PRIOR a = b",
    "SELECT 'DELETE FROM t; it''s text' AS \"update\" FROM \"drop\"",
    "SELECT 1 /* ; DELETE FROM t */ -- ; DROP TABLE t",
    "SELECT REPLACE(phone, ' ', ''), INSERT(name, 1, 1, 'x'), TRUNCATE (1.5, 1) FROM t",
    "SELECT * EXCEPT (a) REPLACE (b AS c) FROM t",
    "SELECT t.update, t.delete, insert AS drop, created, update_time FROM t WHERE delete = 0 ORDER BY update",
    "SELECT a FROM t FOR UPDATE",
    "SELECT a FROM t FOR NO KEY UPDATE SKIP LOCKED",
    "SELECT a FROM t INNER MERGE JOIN u ON t.id = u.id OPTION (MERGE UNION)",
    "SELECT a FROM t WHERE a = %(update)s AND b = :delete AND c = @insert AND d = $drop",
    "SELECT a[1:2], '{\"into\": 1}'::json FROM t WHERE a LIKE '100%'",
    "SELECT a FROM #merge",
]

CHANGES = [
    "INSERT INTO t VALUES (1)",
    "INSERT INTO t VALUES (1) RETURNING id",
    "UPDATE t SET a = 1",
    "DELETE FROM t",
    "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET a = 1",
    "REPLACE INTO t VALUES (1)",
    "TRUNCATE TABLE t",
    "DROP TABLE t",
    "CREATE TABLE u AS SELECT * FROM t",
    "ALTER TABLE t ADD a int",
    "EXPLAIN ANALYZE DELETE FROM t",
    "BEGIN",
    "PRAGMA user_version = 1",
    "SELECT * INTO u FROM t",
    "SELECT * FROM t INTO OUTFILE '/tmp/x'",
    "WITH x AS (SELECT 1) DELETE FROM t",
    "WITH x AS (DELETE FROM t RETURNING id) SELECT * FROM x",
    "WITH x AS (SELECT 1), y AS (WITH z AS (INSERT INTO t VALUES (1) RETURNING id) SELECT * FROM z) SELECT * FROM y",
    "SELECT * FROM FINAL TABLE (INSERT INTO t VALUES (1))",
    # SQL Server needs no semicolon, and no blank.
    "SELECT 1 DELETE FROM t",
    "SELECT 1DELETE FROM t",
    "SELECT 1.DELETE FROM t",
    "SELECT 1e5DELETE FROM t",
    "SELECT 0x1UPDATE t SET a = 1",
    "SELECT 'a'DELETE FROM t",
    "SELECT [a]DELETE FROM t",
    "SELECT 1 label: DELETE FROM t",
    "SELECT 1 label :DELETE FROM t",
    "SELECT 1 EXEC ('DELETE FROM t')",
    "EXEC p DELETE FROM t",
]

SEVERAL = [
    "SELECT 1; SELECT 2",
    "SELECT 1; DELETE FROM t",
    "SELECT 1 SELECT 2",
    "(SELECT 1) SELECT 2",
    "EXEC p; DELETE FROM t",
    ";SELECT 1",
]

#: Statements that are one query in some databases, and hold a change of data in others.
HIDDEN = [
    r"SELECT 'a\'; DELETE FROM t; --'",
    r"SELECT 'a\''; DELETE FROM t; --'",
    r'SELECT "a\"; DELETE FROM t; --"',
    r"SELECT E'a\'; DELETE FROM t; --'",
    "SELECT 1 /* /* */ ' */; DELETE FROM t; -- '",
    "SELECT 1 /* /* */ ; DELETE FROM t; -- */",
    "SELECT 1 /*! ; DELETE FROM t */",
    "SELECT 1 /*!50000 INTO OUTFILE 'x' */",
    "SELECT 1 /*M!100000 ; DELETE FROM t */",
    "SELECT 1 /*!999999 ' */; DELETE FROM t -- '",
    "WITH a AS (SELECT 1) /*! ' */ DELETE FROM t WHERE 1 /*! ' */",
    "SELECT 1 /*!999999 /* */ ' */; DELETE FROM t # '",
    "SELECT 1 /*!999999 ' */ /*!50000 INTO OUTFILE 'x' -- '\n*/",
    "SELECT 1 /*!999999 . */ /*!50000 INTO */ OUTFILE 'x'",
    "SELECT 1 --\x7f '\n; DELETE FROM t -- '",
    *[f"SELECT {name}. INTO OUTFILE 'x'" for name in ("@a", "$1", "1_000", "0x1F", "1", "`a`")],
    "SELECT 1 AS $$; DELETE FROM t; SELECT 1 AS $$",
    "SELECT $a$ ' $a$; DELETE FROM t; SELECT '",
    "SELECT 1 # 2; DELETE FROM t",
    "SELECT 1 #'\n; DELETE FROM t #'",
    "SELECT 5--1; DELETE FROM t",
    "SELECT 5--1'\n; DELETE FROM t -- '",
    "SELECT 1 AS [it's]; DELETE FROM t; SELECT 1 AS [it's]",
    "SELECT '''it's''; DELETE FROM t; --'''",
    "SELECT 1 -- a\r; DELETE FROM t",
    "SELECT 1 -- a\r'\n; DELETE FROM t -- '",
]


@pytest.mark.parametrize(
    "sql", ["EXECUTE IMMEDIATE 'DROP TABLE t'", "execute immediate @q", "EXEC('DROP TABLE t')", "EXEC (@q)"]
)
def test_text_that_is_run_is_no_procedure(sql: str) -> None:
    with pytest.raises(NotAQueryError, match=r"sql has text that is run as a statement, by EXEC(UTE)?: write one"):
        check_query(sql)


@pytest.mark.parametrize("mark", "$@#:")
def test_a_parameter_of_sqlite_hides_no_half_of_a_text(mark: str) -> None:
    with pytest.raises(NotAQueryError, match="depends on the server"):
        check_query(f"WITH a AS (SELECT {mark}x::y(')) DELETE FROM t --')", SQLITE)


def test_a_comment_of_words_that_mysql_may_run_is_let_through() -> None:
    assert (
        check_query("SELECT /*!40001 SQL_NO_CACHE */* FROM t WHERE a = '/*!' /*+ MAX_EXECUTION_TIME(1000) */", MYSQL)
        == "SELECT"
    )


@pytest.mark.parametrize("sql", ["SELECT INTO n FROM t", "SELECT DISTINCT INTO n FROM t", "SELECT a, INTO n FROM t"])
def test_into_is_never_a_name(sql: str) -> None:
    with pytest.raises(NotAQueryError, match="sql has INTO in it, which changes data"):
        check_query(sql)


POSTGRESQL_HIDES = [
    "SELECT 1, E'a'\n'\\' || ' ; DELETE FROM t; --'",
    "SELECT 1, E'a' -- it's\n '\\' || ' ; DELETE FROM t; --'",
    "SELECT 1, $€$ ' $€$ AS y; DELETE FROM t; -- '",
    "SELECT 1 AS €$a$ ; DELETE FROM t; -- $a$",
    "SELECT 1 AS €E'\\'; DELETE FROM t; -- '",
]


@pytest.mark.parametrize("sql", POSTGRESQL_HIDES)
def test_what_postgresql_reads_otherwise_hides_nothing(sql: str) -> None:
    for lexes in (POSTGRESQL, UNKNOWN):
        with pytest.raises(NotAQueryError, match="more than one statement"):
            check_query(sql, lexes)


def test_text_that_postgresql_joins_is_text() -> None:
    for sql in ("SELECT E'a'\n'it\\'s; delete me'", "SELECT $€$x; DROP it$€$", "SELECT E'a' -- b\n  'c\\'; DROP it'"):
        assert check_query(sql, POSTGRESQL) == "SELECT"


@pytest.mark.parametrize("sql", QUERIES)
def test_one_query_passes_whatever_the_database(sql: str) -> None:
    check_query(sql)


@pytest.mark.parametrize("sql", ["CALL p(1)", "EXEC p @update = 1", "execute p", "{CALL p(?)}", "{? = call p(?)}"])
def test_a_procedure_passes_and_is_told_apart(sql: str) -> None:
    assert check_query(sql) in ("CALL", "EXEC", "EXECUTE")


@pytest.mark.parametrize("sql", CHANGES)
def test_a_change_of_data_is_refused_and_named(sql: str) -> None:
    with pytest.raises(NotAQueryError, match=r"^sql (begins with|has) [A-Z]+.*: write one SELECT"):
        check_query(sql)


@pytest.mark.parametrize("sql", SEVERAL)
def test_several_statements_are_refused(sql: str) -> None:
    with pytest.raises(NotAQueryError, match="more than one statement: write one SELECT"):
        check_query(sql)


@pytest.mark.parametrize("sql", HIDDEN)
def test_what_any_database_would_take_for_a_change_is_refused_where_nobody_knows_the_database(sql: str) -> None:
    with pytest.raises(NotAQueryError):
        check_query(sql)


@pytest.mark.parametrize(
    ("sql", "lexes"),
    [
        (r"SELECT 'a\'; DELETE FROM t; --'", MYSQL),
        ("SELECT 1 # 2; DELETE FROM t", MYSQL),
        ("SELECT $a$a; DELETE FROM t$a$", POSTGRESQL),
        (r"SELECT E'it\'s; DELETE FROM t'", POSTGRESQL),
        ("SELECT 1 /* /* ; */ ; */", POSTGRESQL),
        (r"SELECT 'C:\' AS a, '; DELETE FROM t' AS b", SQLITE),
        ("SELECT 1 AS [a; DELETE FROM t]", SQLITE),
    ],
)
def test_the_rules_of_a_known_database_decide(sql: str, lexes: tuple[Lexis, ...]) -> None:
    check_query(sql, lexes)
    with pytest.raises(NotAQueryError):
        check_query(sql)


@pytest.mark.parametrize(
    ("sql", "message"), [("", "empty"), (" -- no\n;", "empty"), (None, "a NoneType"), (["SELECT 1"], "a list")]
)
def test_what_is_no_statement_gets_an_error_that_asks_for_one(sql: Any, message: str) -> None:
    with pytest.raises(NotAQueryError, match=rf"sql is {message}.*: write one SELECT"):
        check_query(sql)


@pytest.mark.parametrize(
    "sql",
    [
        *["SELECT '" * 20_000, r"SELECT \'" * 20_000, "SELECT /*" * 20_000, "(" * 50_000 + "SELECT 1"],
        *["".join(f"$a{i}$ " for i in range(20_000)), r"$a$ [ # ''' \' " * 500],
    ],
    ids=["quotes", "escaped quotes", "comments", "parentheses", "dollars", "everything"],
)
def test_a_long_and_hostile_statement_is_looked_at_in_passing(sql: str) -> None:
    started = time.monotonic()
    with pytest.raises(NotAQueryError):
        check_query(f"DELETE FROM t {sql}")
    assert time.monotonic() - started < 5


# The proof: whatever passes is run on real databases as it stands, without protection of their own.

PIECES = st.sampled_from(
    [
        *["SELECT 1", "SELECT i FROM t", "DELETE FROM t", "UPDATE t SET i = 9", "WITH x AS (", ")", "RETURNING i", ";"],
        *[
            "'",
            '"',
            "`",
            "\\",
            "[",
            "]",
            "'''",
            "$$",
            "$a$",
            "E'",
            "--",
            "-- ",
            "#",
            "/*",
            "*/",
            "/*!",
            "\n",
            "\r",
            " ",
        ],
        *["INTO u", "AS a", "x", "1", ","],
    ]
)


@pytest.fixture(scope="module", params=["PostgreSQL", "MariaDB", "SQLite"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """How to connect to a database, how it reads statements, and a table in it."""
    connect: Callable[[], Any]
    lexes: tuple[Lexis, ...]
    if request.param == "PostgreSQL":
        require_postgres()
        connect, lexes = connect_postgres, POSTGRESQL
    elif request.param == "MariaDB":
        require_mariadb()
        connect, lexes = connect_mariadb, MYSQL
    else:
        path = tmp_path_factory.mktemp("warehouse") / "warehouse.sqlite"
        connect, lexes = lambda: sqlite3.connect(path, isolation_level=None), SQLITE
    table = f"t_{uuid.uuid4().hex}"
    with closing(connect()) as connection:
        cursor = connection.cursor()
        cursor.execute(f"CREATE TABLE {table} (i int)")
        cursor.execute(f"INSERT INTO {table} VALUES (1)")
    yield connect, lexes, table
    with closing(connect()) as connection:
        connection.cursor().execute(f"DROP TABLE {table}")


def run(connect: Callable[[], Any], sql: str) -> list[Any]:
    with closing(connect()) as connection:
        cursor = connection.cursor()
        cursor.execute(sql)
        rows = list(cursor.fetchall())
        # mysqlclient runs what is behind the first statement when it is asked for.
        with suppress(Exception):  # which other drivers do not have
            while cursor.nextset():
                pass
        return rows


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(PIECES, min_size=1, max_size=9))
def test_whatever_passes_changes_nothing(database: Any, pieces: list[str]) -> None:
    connect, lexes, table = database
    sql = " ".join(pieces if pieces[0] == "WITH x AS (" else ["SELECT 1", *pieces])
    try:
        check_query(sql, lexes)
    except NotAQueryError:
        return
    with suppress(Exception):  # most of these are no SQL at all
        run(connect, sql.replace("FROM t", f"FROM {table}").replace("UPDATE t ", f"UPDATE {table} "))
    assert run(connect, f"SELECT i FROM {table}") == [(1,)]
