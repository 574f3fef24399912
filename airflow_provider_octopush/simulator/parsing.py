"""The JSON of a request's body, as strict as other servers read it."""

from __future__ import annotations

import json
import math
from typing import Any

#: No request of the API has more than four levels. What has hundreds can be parsed, but not always written again.
MAX_DEPTH = 32

_NESTING = {dict, list}


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


# Python's own reading lets NaN and Infinity pass, no other server's does; and what becomes infinity, such as 1e400,
# could not be shown as JSON again.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def parse(content: bytes) -> Any:
    """
    Parse a body.

    :raises ValueError: when it is no JSON in UTF-8, or nested deeper than :data:`MAX_DEPTH`.
    """
    try:
        value = _DECODER.decode(content.decode())
        is_deep = _is_deep(value)
    except RecursionError:
        is_deep = True
    if is_deep:
        raise ValueError(f"the JSON is nested deeper than {MAX_DEPTH} levels")
    return value


def parsed_or_none(content: bytes) -> Any:
    """Parse a body; None when that cannot be done."""
    try:
        return parse(content)
    except ValueError:
        return None


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for one in level:
            inside = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
            # Most of what is looked at are contacts, which hold text only.
            if not _NESTING.isdisjoint(map(type, inside)):
                deeper += [item for item in inside if type(item) in _NESTING]
        if not deeper:
            return False
        level = deeper
    return True
