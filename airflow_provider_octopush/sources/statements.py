"""What a database would do with a statement, said before it runs: is it one query, and does it change data?"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from sqlparse import tokens
from sqlparse.lexer import Lexer

from airflow_provider_octopush.sources.errors import NotAQueryError

#: What PostgreSQL declares a cursor for.
DECLARED = ("SELECT", "WITH", "VALUES", "TABLE")
#: What a statement that only reads begins with.
QUERIES = (*DECLARED, "SHOW")
_PROCEDURES = ("CALL", "EXEC", "EXECUTE")
_ADVICE = "write one SELECT"

BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class Lexis:
    """
    How a database tells text and comments from code, as far as databases differ in it.

    :param escapes: in which literals a quote behind a backslash is text: in all, in those within single quotes, in
        those with E before them, or in none.
    :param hashes: ``#`` begins a comment.
    :param tight_dashes: ``--`` begins a comment also without a blank behind it.
    :param nesting: a comment within a comment has an end of its own.
    :param dollars: ``$tag$ … $tag$`` is text.
    :param brackets: ``[…]`` is a name.
    :param triples: three quotes begin a text that three quotes end.
    :param runs_comments: ``/*! … */`` is code.
    :param suffixes: the name of a parameter may end with anything in parentheses, be it half of a text.
    """

    escapes: Literal["all", "single", "E", "none"] = "none"
    hashes: bool = False
    tight_dashes: bool = True
    nesting: bool = False
    dollars: bool = False
    brackets: bool = False
    triples: bool = False
    runs_comments: bool = False
    suffixes: bool = False


POSTGRESQL = (Lexis("E", nesting=True, dollars=True),)
#: With standard_conforming_strings off.
POSTGRESQL_WITH_ESCAPES = (Lexis("single", nesting=True, dollars=True),)
#: A server runs such a comment, or not, by the version that stands in it.
MYSQL = tuple(Lexis("all", hashes=True, tight_dashes=False, runs_comments=runs) for runs in (True, False))
#: With NO_BACKSLASH_ESCAPES, and with ANSI_QUOTES, in the ``sql_mode``.
MYSQL_WITHOUT_ESCAPES = tuple(replace(lexis, escapes="none") for lexis in MYSQL)
MYSQL_WITH_QUOTED_NAMES = tuple(replace(lexis, escapes="single") for lexis in MYSQL)
SQLITE = (Lexis(brackets=True, suffixes=True),)
#: A database that nobody knows may read a statement in any of these ways: it has to be a query in all of them.
UNKNOWN = tuple(itertools.starmap(Lexis, itertools.product(("all", "single", "E", "none"), *[(False, True)] * 7)))


def check_query(sql: str, lexes: Iterable[Lexis] = UNKNOWN) -> str:
    """
    Check that a statement is one query, or the call of a procedure, and changes no data.

    Text, comments and quoted names are left out of account, by the rules of the database. Which words change data is
    sqlparse's knowledge. Where such a word may be a statement it is taken for one: as the name of a column, it has to
    be quoted.

    :param sql: what would be run.
    :param lexes: the ways in which the database may read it.
    :return: the word that it begins with: one of :data:`QUERIES`, or CALL, EXEC or EXECUTE for a procedure, of which
        nobody can tell what it does.
    :raises NotAQueryError: when it is several statements, of another kind, or changes data.
    """
    if not isinstance(sql, str):
        raise NotAQueryError(f"sql is a {type(sql).__name__}, not text: {_ADVICE}")
    # A carriage return ends a comment in some databases and not in others.
    lines = {sql.replace("\r\n", "\n").replace("\r", end) for end in ("\n", " ")}
    readings = {_as_far_as_it_matters(lexis, sql) for lexis in lexes}
    codes = {_code(text, lexis) for text in lines for lexis in readings}
    return min([_check(_WORD.findall(text)) for text in codes])


def without_byte_order_mark(sql: str) -> str:
    """Take off the byte order mark that some editors put before a file."""
    return re.sub(rf"\A[\s{BYTE_ORDER_MARK}]*{BYTE_ORDER_MARK}", "", sql) if isinstance(sql, str) else sql


def styles_of_parameters(sql: str) -> set[str]:
    """
    Tell how a statement writes its parameters.

    :return: of ``?``, ``%s``, ``%(name)s``, ``:name``, ``:1``, ``$name``, ``$1`` and ``@name`` those that are there.
    """
    text = _code(sql, Lexis(), parameters=False)
    return {style for style, pattern in _STYLES.items() if pattern.search(text)}


def has_other_percents(sql: str) -> bool:
    """
    Tell whether a statement has a ``%`` that is neither a parameter nor doubled, as drivers with ``%s`` want it.

    A parameter within a text, or a comment, is none: who writes ``LIKE '%son'`` means a ``%``.
    """
    parts = _PERCENTS.findall(sql)
    in_code = _PERCENTS.findall(_code(sql, Lexis(), parameters=False))
    return any(part == "%" for part in parts) or len(parts) - parts.count("%%") > len(in_code) - in_code.count("%%")


_PERCENTS = re.compile(r"%%|%(?:\([^()]+\))?[sbt]|%")

_STYLES = {
    "?": re.compile(r"\?"),
    "%s": re.compile("(?<!%)%s"),
    "%(name)s": re.compile(r"%\(\w+\)s"),
    ":name": re.compile(r"(?<![\w:]):[^\W\d]"),
    ":1": re.compile(r"(?<![\w:]):\d"),
    "$name": re.compile(r"(?<!\w)\$[^\W\d]"),
    "$1": re.compile(r"(?<!\w)\$\d"),
    "@name": re.compile(r"(?<![\w@])@[^\W\d]"),
}


def _code(sql: str, lexis: Lexis, *, parameters: bool = True) -> str:
    """Leave out of a statement what is text, a comment or a quoted name, and its parameters if wanted."""
    scanner, kept, position, executed = _scanner(lexis, parameters), [], 0, 0
    while match := scanner.search(sql, position):
        kept.append(sql[position : match.start()])
        position = match.end()
        kind = str(match.lastgroup)
        if kind == "executed":
            executed += 1
            kept.append(f" {match['content']} ")
        else:
            kept.append(_STANDS_FOR.get(kind, ""))
        if kind == "opaque" or executed > 1:
            raise NotAQueryError(
                f"sql has {match.group()[:3]} in it, and what comes of that depends on the server: {_ADVICE} without it"
            )
        if kind == "nested":
            position = _end_of_nested(sql, position)
    return "".join((*kept, sql[position:]))


#: What is left where something is left out.
_STANDS_FOR = {"text": " '' ", "comment": " ", "nested": " ", "parameter": " ? "}

# PostgreSQL takes whatever is not ASCII for a letter, in names and in the tags of text between dollars.
_LETTER = r"[A-Za-z_\x80-\U0010ffff]"
_LETTER_OR_DIGIT = r"[A-Za-z0-9_\x80-\U0010ffff]"
# It joins texts that only blanks, comments and the end of a line divide, and reads them all as it reads the first.
_JOINED = r"'(?:[ \t\f\v]|--[^\n]*)*+\n(?:\s|--[^\n]*(?:\n|\Z))*+'"

_WORD = re.compile(r"0x[0-9a-f]*|\d+(?:\.\d*)?(?:e[+-]?\d+)?|[^\W\d]\w*|\S", re.IGNORECASE)


@lru_cache(maxsize=2 * len(UNKNOWN))
def _scanner(lexis: Lexis, parameters: bool) -> re.Pattern[str]:
    # What has no end goes to the end of the statement: no database runs that.
    escaped, plain = r"{0}(?:[^{0}\\]|\\.|{0}{0})*+(?:{0}|\Z)", r"{0}(?:[^{0}]|{0}{0})*+(?:{0}|\Z)"
    single = escaped if lexis.escapes in ("all", "single") else plain
    double = escaped if lexis.escapes == "all" else plain
    texts = [single.format("'"), double.format('"'), plain.format("`")]
    if lexis.escapes == "E":
        part = r"(?:[^'\\]|\\.|'')*+"
        texts.insert(0, rf"(?<!{_LETTER_OR_DIGIT})(?<!\$)E'{part}(?:{_JOINED}{part})*+(?:'|\Z)")
    if lexis.triples:
        texts[:0] = [rf"{quote * 3}(?:[^\\]|\\.)*?(?:{quote * 3}|\Z)" for quote in "'\""]
    if lexis.dollars:
        tag = rf"(?P<tag>(?:{_LETTER}{_LETTER_OR_DIGIT}*+)?)"
        texts.append(rf"(?<!{_LETTER_OR_DIGIT})(?<!\$)\${tag}\$.*?(?:\$(?P=tag)\$|\Z)")
    if lexis.brackets:
        texts.append(r"\[(?:[^]]|]])*+(?:]|\Z)")
    comments = ["--" + ("" if lexis.tight_dashes else r"(?=[\x00-\x20\x7f]|\Z)") + r"[^\n]*"]
    if lexis.hashes:
        comments.append(r"#[^\n]*")
    kinds = {"text": texts, "comment": comments}
    if lexis.suffixes:
        kinds["opaque"] = [r"[$@#:](?:\w|::)+\("]
    if lexis.nesting:
        kinds["nested"] = [r"/\*"]
    else:
        if lexis.runs_comments:
            # One server runs it and the next does not. Where nothing but words is in it, both can be looked at.
            kinds["executed"] = [r"/\*M?!\d*(?P<content>[\s\w]*)\*/"]
            kinds["opaque"] = [*kinds.get("opaque", ()), r"/\*M?!"]
        comments.append(r"/\*.*?(?:\*/|\Z)")
    if parameters:
        kinds["parameter"] = [r"%\(\w+\)s", r"(?<![\w$@#])[$@#]+\w+"]
    order = ("text", "executed", "opaque", "nested", "comment", "parameter")
    pattern = "|".join(f"(?P<{kind}>{'|'.join(kinds[kind])})" for kind in order if kind in kinds)
    return re.compile(pattern, re.DOTALL | re.IGNORECASE)


def _end_of_nested(sql: str, position: int) -> int:
    depth = 1
    for mark in re.compile(r"/\*|\*/").finditer(sql, position):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(sql)


def _as_far_as_it_matters(lexis: Lexis, sql: str) -> Lexis:
    """Forget of a lexis what this statement gives no occasion for, so that each reading of it is looked at once."""
    return replace(
        lexis,
        escapes=lexis.escapes if "\\" in sql else "none",
        hashes=lexis.hashes and "#" in sql,
        tight_dashes=lexis.tight_dashes or "--" not in sql,
        nesting=lexis.nesting and "/*" in sql,
        dollars=lexis.dollars and "$" in sql,
        brackets=lexis.brackets and "[" in sql,
        triples=lexis.triples and ("'''" in sql or '"""' in sql),
        runs_comments=lexis.runs_comments and "!" in sql,
        suffixes=lexis.suffixes and "(" in sql,
    )


def _check(words: list[str]) -> str:
    while words and words[-1] == ";":
        words.pop()
    if not words:
        raise NotAQueryError(f"sql is empty: {_ADVICE}")
    if BYTE_ORDER_MARK in words:
        raise NotAQueryError(
            "sql has a byte order mark (U+FEFF) in it, as editors put one before a file: save the file without it"
        )
    if ";" in words or _has_two_queries(words):
        raise NotAQueryError(f"sql is more than one statement: {_ADVICE}")
    # Parentheses around a query, and how ODBC and JDBC call a procedure: {? = CALL p()}
    start = next((i for i, word in enumerate(words) if word not in ("(", "{", "?", "=")), 0)
    kind = words[start].upper()
    if kind not in (*QUERIES, *_PROCEDURES):
        raise NotAQueryError(f"sql begins with {kind[:30]}, which is not a query: {_ADVICE}")
    if kind in ("EXEC", "EXECUTE") and [*words, "", ""][start + 1].upper() in ("IMMEDIATE", "("):
        raise NotAQueryError(f"sql has text that is run as a statement, by {kind}: {_ADVICE}, or name a procedure")
    for change in _changes(words, start):
        raise NotAQueryError(f"sql has {change} in it, which changes data: {_ADVICE}, and quote a column of that name")
    return kind


def _has_two_queries(words: list[str]) -> bool:
    # SQL Server needs no semicolon between two statements.
    depth, queries = 0, 0
    for before, word in itertools.pairwise(["", *map(str.upper, words)]):
        depth += (word == "(") - (word == ")")
        if depth == 0 and before != ".":
            queries += (word == "SELECT") - (word in ("UNION", "EXCEPT", "INTERSECT", "MINUS"))
    return queries > (words[0] != "(")


#: What sqlparse has among the words that change data, and changes none; Oracle reads trees with START WITH.
_HARMLESS = ("SELECT", "START")

#: Behind these a word is a name: nothing that changes data can begin there.
_BEFORE_A_NAME = (".", ",", "=", "AS", "SELECT", "DISTINCT", "BY", "WHERE", "AND", "OR")


def _changes(words: list[str], start: int) -> Iterator[str]:
    keyword = Lexer.get_default_instance().is_keyword  # type: ignore[no-untyped-call] # sqlparse has no types
    words = [*map(str.upper, words), "", ""]
    for i, word in enumerate(words[:-2]):
        before, behind = words[i - 1], words[i + 1]
        # No database takes it for a name that is not quoted, but behind a point; and 1. and @a. have one as well.
        if word == "INTO":
            yield word
        if before in _BEFORE_A_NAME or (before == ":" and not words[i - 2].isidentifier()):
            continue
        if word in ("EXEC", "EXECUTE") and i > start:
            yield word
        kind = keyword(word)[0]
        if word in _HARMLESS or (kind not in tokens.DML and kind not in tokens.DDL):
            continue
        # A function such as REPLACE(…), BigQuery's SELECT * REPLACE (…); a lock; a hint of SQL Server.
        if behind == "(" or (word, before) in (("UPDATE", "FOR"), ("UPDATE", "KEY")):
            continue
        if (word, behind) not in (("MERGE", "JOIN"), ("MERGE", "UNION")):
            yield word
