"""What the values of switches and faults may be: types that carry their bounds, and the check of them."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import fields
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec
from msgspec import Meta

T = TypeVar("T")

_DAY = 24 * 60 * 60
_YEAR = 365 * _DAY
# What is larger could not be shown as JSON.
_LARGEST = 2**63 - 1

#: What msgspec raises; older versions raise one of the last two for a whole number that no float can hold.
_WRONG = (msgspec.ValidationError, OverflowError, SystemError)

Limit = Annotated[int, Meta(ge=1, le=_LARGEST)]
Count = Annotated[int, Meta(ge=0, le=_LARGEST)]
Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0, le=_DAY)]
SecondsFromNow = Annotated[float, Meta(ge=-_YEAR, le=_YEAR)]
#: An answer is never 1xx: a client goes on waiting for the one that follows.
Status = Annotated[int, Meta(ge=200, le=599)]
SuccessStatus = Annotated[int, Meta(ge=200, le=299)]
ErrorStatus = Annotated[int, Meta(ge=400, le=599)]
#: Printable ASCII.
HeaderText = Annotated[str, Meta(pattern=r"\A[ -~]*\Z")]
#: What UTF-8 can write.
BodyText = Annotated[str, Meta(pattern="\\A[^\ud800-\udfff]*\\Z")]


def check_values(values: Any) -> None:
    """
    Check the values of a dataclass: their types, and their bounds.

    :raises ValueError: when one is of another type, or out of its bounds; it names the field.
    """
    for name, hint in get_type_hints(type(values), include_extras=True).items():
        value = getattr(values, name)
        try:
            # Of sets, it knows Python's own.
            msgspec.convert(frozenset(value) if isinstance(value, Set) else value, hint)
        except _WRONG as error:
            raise ValueError(f"{name}: {error}") from None


def read_json(kind: type[T], values: Any) -> T:
    """
    Make a dataclass of a JSON object: sets and tuples from arrays, dataclasses from objects.

    :param kind: the dataclass; fields that are left out keep their defaults.
    :param values: parsed JSON.
    :raises ValueError: when it is no object, has a name that is no field, or a value that may not be.
    """
    if not isinstance(values, Mapping):
        raise ValueError(  # noqa: TRY004 - one kind of error for all that can be wrong with the JSON
            f"expected a JSON object of {kind.__name__}'s fields, got {type(values).__name__}"
        )
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # T stands for dataclasses only
    if unknown := sorted(values.keys() - known):
        raise ValueError(f"no such field: {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    hints = get_type_hints(kind, include_extras=True)
    made = {}
    for name, value in values.items():
        try:
            made[name] = msgspec.convert(value, hints[name])
        except _WRONG as error:
            raise ValueError(f"{name}: {error}") from None
    return kind(**made)
