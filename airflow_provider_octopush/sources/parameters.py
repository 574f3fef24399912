"""How a statement writes its parameters."""

from __future__ import annotations

import re

from sqlparse import tokens
from sqlparse.lexer import tokenize

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

_PERCENTS = re.compile(r"%%|%(?:\([^()]+\))?[sbt]|%")


def styles_of_parameters(sql: str) -> set[str]:
    """
    Tell how a statement writes its parameters.

    :return: of ``?``, ``%s``, ``%(name)s``, ``:name``, ``:1``, ``$name``, ``$1`` and ``@name`` those that are there.
    """
    text = _code(sql)
    return {style for style, pattern in _STYLES.items() if pattern.search(text)}


def has_other_percents(sql: str) -> bool:
    """
    Tell whether a statement has a ``%`` that is neither a parameter nor doubled, as drivers with ``%s`` want it.

    A parameter within a text, or a comment, is none: who writes ``LIKE '%son'`` means a ``%``.
    """
    parts, in_code = _PERCENTS.findall(sql), _PERCENTS.findall(_code(sql))
    return any(part == "%" for part in parts) or len(parts) - parts.count("%%") > len(in_code) - in_code.count("%%")


def _code(sql: str) -> str:
    """Leave texts, comments and quoted names out of a statement."""
    found = tokenize(sql)  # type: ignore[no-untyped-call] # sqlparse leaves out some of its types
    return "".join(" " if _is_left_out(kind, value) else value for kind, value in found)


def _is_left_out(kind: tokens._TokenType, value: str) -> bool:
    # To sqlparse, a text between dollars is a literal of no kind.
    return kind in tokens.Comment or kind in tokens.String or kind is tokens.Literal or value[:1] in ("`", "[")
