"""Checks what is run: one statement that is a query or calls a procedure."""

from __future__ import annotations

import re

from sqlparse import tokens
from sqlparse.lexer import tokenize

from airflow_provider_octopush.sources.errors import NotAQueryError

#: The first words of a query; FROM in DuckDB and BigQuery.
QUERIES = ("SELECT", "WITH", "VALUES", "TABLE", "FROM", "SHOW")
_PROCEDURES = ("CALL", "EXEC", "EXECUTE")
#: What may come before either; ODBC and JDBC write ``{? = call p()}``.
_BRACKETS = ("(", "{", "?", "=")
_ADVICE = "write one SELECT"
_LETTERS = re.compile(r"[^\W\d]{1,30}")


def check_query(sql: str, parameter: str = "sql") -> str:
    """
    Check that there is one statement, and that it is a query or calls a procedure.

    This is against mistakes, not against attacks: a write after WITH, and whatever a function or a procedure does, is
    up to the database's permissions.

    Statements end where sqlparse finds a semicolon outside of strings and comments. Its own ``split`` is made for
    scripts: it takes a comment after the last semicolon for a statement, and finds no end after a column called
    ``begin``.

    :param sql: the statement to run.
    :param parameter: the operator's parameter that holds it, which errors name.
    :return: its first word: one of :data:`QUERIES`, or CALL, EXEC or EXECUTE for a procedure.
    :raises NotAQueryError: when it is no statement, more than one, or one of another kind.
    """
    statements: list[tuple[int, list[str]]] = []
    line, is_new = 1, True
    for kind, value in tokenize(sql):  # type: ignore[no-untyped-call] # sqlparse leaves out some of its types
        if kind is tokens.Punctuation and value == ";":
            is_new = True
        elif kind not in tokens.Whitespace and kind not in tokens.Comment:
            if is_new:
                statements.append((line, []))
                is_new = False
            statements[-1][1].append(value)
        line += value.count("\n")
    if not statements:
        found = "empty except for comments or semicolons" if sql.strip() else "empty"
        raise NotAQueryError(f"{parameter} is {found}: {_ADVICE}")
    if len(statements) > 1:
        raise NotAQueryError(
            f"{parameter} has {len(statements)} statements, and the second one begins in line {statements[1][0]}: "
            f"{_ADVICE}"
        )
    return _check_kind(statements[0][1], parameter)


def _check_kind(words: list[str], parameter: str) -> str:
    first = next((word for word in words if word not in _BRACKETS), words[0])
    kind = first.upper()
    if kind not in (*QUERIES, *_PROCEDURES):
        # Anything but a word may be a value.
        found = _LETTERS.match(kind)
        raise NotAQueryError(
            f"{parameter} begins with {found[0] if found else repr(first[:1])}, which is not a query: {_ADVICE}"
        )
    return kind
