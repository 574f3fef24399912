"""What is taken for one query or one procedure, in the ways in which people and databases write them."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_octopush.sources.errors import NotAQueryError
from airflow_provider_octopush.sources.queries import check_query

QUERIES = [
    # What everybody writes.
    "SELECT 1",
    "select phone, first_name from customers where tier = 'gold' order by id",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "((SELECT 1))",
    "SELECT(1)",
    "select*from t",
    "SELECT'a'",
    "SELECT\t1",
    "SELECT/**/1",
    "VALUES (1, '33612345678'), (2, NULL)",
    "VALUES(1)",
    "TABLE customers",
    "SHOW TABLES",
    # With a query in front.
    "WITH x AS (SELECT 1) SELECT * FROM x",
    "WITH RECURSIVE x(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM x) SELECT a FROM x",
    "with\nx as (\n  select 1\n)\nselect *\nfrom x\n",
    # Comments, blanks and semicolons; what a template leaves behind.
    "-- customers\nSELECT 1",
    "/* customers; all of them */ SELECT 1",
    "/* a */ -- b\n/* c\nd */\n\nSELECT 1 -- e; f\n",
    "SELECT 1 -- last",
    "SELECT 1 /* ; DELETE FROM t */",
    "# MySQL's; too\nSELECT 1",
    "/*+ a hint */ SELECT /*+ another; one */ 1",
    "SELECT 1;",
    "SELECT 1 ; ;\n;",
    "SELECT 1;\n-- the end\n/* really */",
    ";WITH x AS (SELECT 1) SELECT * FROM x",
    "\n\n    \n\tSELECT 1\n\n  \n    ;\n\n",
    "\r\nSELECT 1\r\n;\r\n",
    "SELECT 1\n\n\n\nFROM t\n    \n    \nWHERE day = '2026-11-29'\n    AND 1 = 1\n\n",
    "SELECT\u00a01",
    # Text with anything in it.
    "SELECT 'a;b' AS a",
    "SELECT 'it''s; DELETE FROM t'",
    "SELECT ';', '''', ';'",
    r"SELECT 'it\'s; fine'",
    r"SELECT E'it\'s; fine'",
    "SELECT 'two\nlines; of text'",
    "SELECT $$it's; fine$$, $a$ $$; $a$",
    "SELECT N'x;y', U&'\\0041;', X'1F', B'01', r'a;b', q'[a;b]' FROM t",
    "SELECT '-- no comment', '/* nor this; one */'",
    'SELECT "first; name", "a""b" FROM "my table"',
    "SELECT `first; name` FROM `project.dataset.table`",
    "SELECT [first; name] FROM [dbo].[my table]",
    "SELECT '{\"a\": \"b;c\"}'::jsonb ->> 'a'",
    # Words that would do something elsewhere, as names.
    "SELECT update, delete, insert AS drop, created, begin, end, go, start, merge, into FROM t ORDER BY update",
    "SELECT GO FROM t",
    'SELECT t.update, t.delete FROM t WHERE t.truncate = 0 GROUP BY "drop"',
    "SELECT REPLACE(phone, ' ', ''), INSERT(name, 1, 1, 'x'), TRUNCATE(1.5, 1) FROM t",
    "SELECT a FROM t FOR UPDATE",
    # PostgreSQL
    "SELECT a[1:2], a #> '{b}', a # 2, a @> b, a ?| b FROM t WHERE a ~* '^x' AND b IS NOT DISTINCT FROM c",
    # MySQL and MariaDB
    "SELECT SQL_NO_CACHE a, @x := 1, a <=> b, 5--1 FROM t USE INDEX (i) LIMIT 5, 10",
    "SELECT /*!40001 SQL_NO_CACHE */ * FROM t WHERE a REGEXP 'x;y'",
    # SQL Server
    "SELECT TOP (10) a FROM t WITH (NOLOCK) INNER MERGE JOIN u ON t.id = u.id OPTION (MERGE UNION, RECOMPILE)",
    "SELECT a FROM #temporary WHERE b = @parameter",
    # Oracle
    "SELECT a FROM t MODEL DIMENSION BY (a) MEASURES (b) RULES UPDATE (b[1] = 2)",
    # Warehouses in the cloud
    "SELECT a:b.c::string, $1, f.value FROM t, LATERAL FLATTEN(input => a:items) f AT (OFFSET => -3600)",
    "SELECT a FROM t FINAL PREWHERE b SAMPLE 0.1 LIMIT 1 BY a SETTINGS max_threads = 1 FORMAT JSON",
    "FROM customers |> WHERE tier = 'gold' |> SELECT phone",
    "FROM customers",
    "SELECT * FROM read_parquet('s3://bucket/*.parquet') WHERE x = {'a': 1}.a AND list_filter(l, lambda y: y > 1)",
    # Parameters
    "SELECT a FROM t WHERE a = ? AND b = %s AND c = %(update)s AND d = :delete AND e = @insert AND f = $drop",
    "SELECT a FROM t WHERE a LIKE '100%;' AND b % 2 = 0",
]

#: Where sqlparse takes a backslash for an escape, and the database does not.
MISREAD = [
    r"SELECT split_part(login, '\', 2) AS login, 'FR' AS country FROM t;",
    r"SELECT a FROM t WHERE path LIKE 'C:\' ESCAPE '|'",
    r"SELECT 'a\'",
]

PROCEDURES = [
    "CALL p(1)",
    "call schema.p(1, 'a;b');",
    "EXEC p @update = 1",
    "exec @rc = dbo.p",
    "EXECUTE p",
    "EXECUTE PROCEDURE p(1)",
    "{CALL p(?)}",
    "{? = call p(?)}",
    "-- a procedure\n{ ?=call p }",
]

OTHERS = {
    "INSERT": [
        "INSERT INTO t VALUES (1)",
        "insert into t select 1 returning id",
        "/* SELECT 1 */ INSERT INTO t TABLE u",
    ],
    "UPDATE": ["UPDATE t SET a = 1", "-- SELECT\nUPDATE t SET a = (SELECT 1)"],
    "DELETE": ["DELETE FROM t", "DELETE FROM t;"],
    "DROP": ["DROP TABLE t"],
    "MERGE": ["MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET a = 1"],
    "GRANT": ["GRANT SELECT ON t TO u"],
    "REVOKE": ["REVOKE SELECT ON t FROM u"],
    "CREATE": ["CREATE TABLE u AS SELECT 1", "CREATE OR REPLACE VIEW v AS SELECT 1"],
    "ALTER": ["ALTER TABLE t ADD a int"],
    "TRUNCATE": ["TRUNCATE TABLE t", "TRUNCATE t"],
    "REPLACE": ["REPLACE INTO t VALUES (1)"],
    "COPY": ["COPY t TO '/tmp/x'"],
    "LOAD": ["LOAD DATA INFILE 'x' INTO TABLE t"],
    "BEGIN": ["BEGIN"],
    "SET": ["SET a = 1"],
    "DO": ["DO $$ BEGIN DELETE FROM t; END $$"],
    "DECLARE": ["DECLARE @a int"],
    "EXPLAIN": ["EXPLAIN ANALYZE DELETE FROM t"],
    "PRAGMA": ["PRAGMA user_version = 1"],
    "VACUUM": ["VACUUM"],
}

SEVERAL = [
    "SELECT 1; SELECT 2",
    "SELECT 1; DELETE FROM t",
    "SELECT 1;\nDROP TABLE t;\n",
    "SELECT begin, a FROM t; DELETE FROM t",
    "SELECT CASE WHEN a THEN 1 END FROM t; DELETE FROM t",
    "SELECT (1; DELETE FROM t",
    "EXEC p; DELETE FROM t",
    "WITH x AS (SELECT 1) SELECT * FROM x; UPDATE t SET a = 1",
    "SELECT 1; /* two */ ; -- three\n SELECT 2",
    "SELECT 'a'; DELETE FROM t; --'",
    "SELECT $$a$$; DELETE FROM t; SELECT $$a$$",
    "SET NOCOUNT ON; SELECT 1",
]


@pytest.mark.parametrize("sql", [*QUERIES, *MISREAD])
def test_a_query_passes_and_its_first_word_is_told(sql: str) -> None:
    assert check_query(sql) in ("SELECT", "WITH", "VALUES", "TABLE", "FROM", "SHOW")


@pytest.mark.parametrize("sql", PROCEDURES)
def test_a_procedure_passes_and_is_told_apart(sql: str) -> None:
    assert check_query(sql) in ("CALL", "EXEC", "EXECUTE")


@pytest.mark.parametrize(("word", "sql"), [(word, sql) for word, sqls in OTHERS.items() for sql in sqls])
def test_a_statement_of_another_kind_is_refused_and_named(word: str, sql: str) -> None:
    with pytest.raises(NotAQueryError, match=rf"^sql begins with {word}, which is not a query: write one SELECT$"):
        check_query(sql)


@pytest.mark.parametrize("sql", SEVERAL)
def test_several_statements_are_refused(sql: str) -> None:
    with pytest.raises(NotAQueryError, match=r"^sql has \d statements, .*: write one SELECT$"):
        check_query(sql)


def test_where_the_second_statement_begins_is_said() -> None:
    with pytest.raises(NotAQueryError, match=r"^sql has 3 statements, and the second one begins in line 5"):
        check_query("-- customers\nSELECT 'a\nb'\n; -- and\nDELETE FROM t; SELECT 2")


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("-- no", "empty except for comments or semicolons"),
        ("/* SELECT 1; */", "empty except for comments or semicolons"),
        (" -- no\n;", "empty except for comments or semicolons"),
    ],
)
def test_what_is_no_statement_gets_an_error_that_asks_for_one(sql: Any, found: str) -> None:
    with pytest.raises(NotAQueryError, match=rf"^sql is {found}: write one SELECT$"):
        check_query(sql)


@pytest.mark.parametrize("sql", ["'0612345678'", "0612345678", "+33612345678; SELECT", "x0612345678", "(((0612345678"])
def test_of_what_is_no_word_only_a_sign_is_shown(sql: str) -> None:
    with pytest.raises(NotAQueryError, match=r"^sql (begins with|has 2)") as error:
        check_query(sql)
    assert "612345678" not in str(error.value)


AROUND = st.lists(
    st.sampled_from([" ", "\n", "\r\n", "\t", ";", "-- it's; a comment\n", "/* it's;\nanother */", "\n/**/\n"]),
    max_size=6,
).map("".join)
ONE = st.sampled_from([*QUERIES, *PROCEDURES])


@given(before=AROUND, sql=ONE, behind=AROUND)
def test_blanks_comments_and_semicolons_around_a_query_change_nothing(before: str, sql: str, behind: str) -> None:
    # A comment that ends with the statement would take in what is behind it.
    assert check_query(f"{before}{sql}\n{behind}") == check_query(sql)


@given(first=ONE, between=AROUND, second=st.sampled_from([*QUERIES, *PROCEDURES, *SEVERAL, *chain(*OTHERS.values())]))
def test_two_are_refused_whatever_they_are(first: str, between: str, second: str) -> None:
    with pytest.raises(NotAQueryError, match=r"^sql has \d statements"):
        check_query(f"{first}\n;{between}{second}")


@given(st.lists(st.sampled_from([*"'\"`$()[]{};-#/*\\\n x1", "--", "/*", "*/", "$$", "SELECT ", "END ", "\x00"])))
def test_whatever_text_comes_is_taken_or_refused(pieces: list[str]) -> None:
    found: Any = ""
    try:
        assert check_query("".join(pieces)) == "SELECT"
    except NotAQueryError as error:
        found = error
    assert len(str(found)) < 150
