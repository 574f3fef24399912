"""What the values of switches and faults may be: types that carry their bounds, and the check of them."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

_DAY = 24 * 60 * 60
_YEAR = 365 * _DAY


class Rule:
    """
    What a value has to be, beside its type.

    :param expected: says it, after "expected"; the API reference shows it as part of the type.
    :param holds: whether it is so of a value.
    """

    def __init__(self, expected: str, holds: Callable[[Any], bool]) -> None:
        self.expected = expected
        self.holds = holds

    def __repr__(self) -> str:
        return self.expected


def _between(low: int, high: int) -> Rule:
    # Of NaN, no comparison holds.
    return Rule(f"{low:,} to {high:,}", lambda value: low <= value <= high)


def _at_least(low: int) -> Rule:
    # What is larger could not be shown as JSON.
    return Rule(f"{low} or more", lambda value: low <= value < 2**63)


def _can_be_encoded(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


Limit = Annotated[int, _at_least(1)]
Count = Annotated[int, _at_least(0)]
Share = Annotated[float, _between(0, 1)]
Seconds = Annotated[float, _between(0, _DAY)]
SecondsFromNow = Annotated[float, _between(-_YEAR, _YEAR)]
#: An answer is never 1xx: a client goes on waiting for the one that follows.
Status = Annotated[int, _between(200, 599)]
SuccessStatus = Annotated[int, _between(200, 299)]
ErrorStatus = Annotated[int, _between(400, 599)]
HeaderText = Annotated[str, Rule("printable ASCII", lambda value: value.isascii() and value.isprintable())]
BodyText = Annotated[str, Rule("text that UTF-8 can write", _can_be_encoded)]


def check_values(values: Any) -> None:
    """
    Check the values of a dataclass: their types, and the bounds of those whose types are of this module.

    :raises ValueError: when one is of another type, or out of its bounds.
    """
    for name, hint in get_type_hints(type(values)).items():
        value = getattr(values, name)
        if expected := _other_type(hint, value):
            raise ValueError(f"{name}: expected {expected}, got {_shown(value)}")
    for name, rule in _rules(type(values)):
        value = getattr(values, name)
        if value is not None and not rule.holds(value):
            raise ValueError(f"{name}: expected {rule.expected}, got {_shown(value)}")


_TYPES: dict[Any, tuple[Any, str]] = {
    bool: (bool, "True or False"),
    int: (int, "a whole number"),
    float: (int | float, "a number"),
    str: (str, "text"),
    Set: (Set, "a set of text"),
    Mapping: (Mapping, "a dict of text"),
    tuple: (tuple, "a tuple of faults"),
}


def _other_type(hint: Any, value: Any) -> str | None:
    """Tell what a value should have been; None if it is of the type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return None if value is None else _other_type(arguments[0], value)
    if origin is Literal:
        return None if value in arguments else f"one of {', '.join(arguments)}"
    kind, expected = _TYPES.get(origin or hint, (hint, ""))
    is_of_kind = isinstance(value, kind) and (hint is bool or not isinstance(value, bool))
    inside = [*value, *value.values()] if isinstance(value, Mapping) else value
    if is_of_kind and (origin is None or all(_other_type(arguments[0], one) is None for one in inside)):
        return None
    return expected


def _shown(value: Any) -> str:
    try:
        shown = repr(value)
    except ValueError:
        # Python writes no whole number of thousands of digits.
        return f"a {type(value).__name__} of that size"
    return shown if len(shown) <= 60 else f"{shown[:60]}…"


def _rules(kind: type[Any]) -> list[tuple[str, Rule]]:
    hints = get_type_hints(kind, include_extras=True)
    return [(name, rule) for name, hint in hints.items() for rule in _rules_of(hint)]


def _rules_of(hint: Any) -> Iterator[Rule]:
    """Find the rules of a type that may be None."""
    for part in (hint, *get_args(hint)):
        yield from (rule for rule in getattr(part, "__metadata__", ()) if isinstance(rule, Rule))
