"""What the values of switches and faults may be: types that carry their bounds, and the check of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, get_args, get_type_hints

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
    return Rule(f"{low} or more", lambda value: bool(value >= low))


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
    Check the values of a dataclass whose fields have types of this module.

    :raises ValueError: when one is out of its bounds.
    """
    for name, rule in _rules(type(values)):
        value = getattr(values, name)
        if value is not None and not rule.holds(value):
            shown = repr(value)
            raise ValueError(f"{name}: expected {rule.expected}, got {shown if len(shown) <= 60 else f'{shown[:60]}…'}")


def _rules(kind: type[Any]) -> list[tuple[str, Rule]]:
    hints = get_type_hints(kind, include_extras=True)
    return [(name, rule) for name, hint in hints.items() for rule in _rules_of(hint)]


def _rules_of(hint: Any) -> Iterator[Rule]:
    """Find the rules of a type that may be None."""
    for part in (hint, *get_args(hint)):
        yield from (rule for rule in getattr(part, "__metadata__", ()) if isinstance(rule, Rule))
