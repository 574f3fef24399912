"""The search for what is left of the person in ``quotes.py``, with the login and the key of ``tests/hooks``."""

from __future__ import annotations

import re
import traceback
import unicodedata
from typing import Any

#: Pieces by which a person could be told, folded and without punctuation.
TELLING = re.compile(r"zoe|dupon|lefevre|eglantine|jeanne|martin|5ecret|k3y|abcdef01|612345678|45678|3b9|7a6f")


def everything(error: BaseException) -> str:
    """All that a tool finds that looks into an exception, but for the stack and its variables."""
    found: list[str] = ["".join(traceback.format_exception(error))]
    seen: set[int] = set()
    left: list[Any] = [error]
    while left:
        value = left.pop()
        if id(value) in seen or value is None or isinstance(value, type):
            continue
        seen.add(id(value))
        if isinstance(value, BaseException):
            found += [str(value), repr(value)]
            left += [value.args, vars(value), value.__cause__, value.__context__, value.__reduce__()]
        elif isinstance(value, dict):
            left += [*value, *value.values()]
        elif isinstance(value, list | tuple | set):
            left += value
        else:
            found += [str(value), repr(value)]
    return "\n".join(found)


def tells(text: str) -> str | None:
    """Find a piece of a person, however it is punctuated."""
    # A port and the time of a log's line are numbers, too.
    text = re.sub(r"localhost:\d+|\d\d:\d\d:\d\d[.,]\d+", "", text)
    folded = "".join(c for c in unicodedata.normalize("NFKD", text).casefold() if not unicodedata.combining(c))
    match = TELLING.search(folded) or TELLING.search(re.sub(r"[\W_]+", "", folded))
    return match and match[0]
