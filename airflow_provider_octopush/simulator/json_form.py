"""Dataclasses from JSON, with errors that name the field."""

from __future__ import annotations

import types
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_ACCEPTED: dict[Any, tuple[Any, str]] = {
    bool: (bool, "true or false"),
    int: (int, "a whole number"),
    float: (int | float, "a number"),
    str: (str, "text"),
    Set: (list, "an array"),
    tuple: (list, "an array"),
    Mapping: (dict, "an object"),
}


def read_dataclass(kind: type[T], values: Any) -> T:
    """
    Make a dataclass of a JSON object: sets and tuples from arrays, dataclasses from objects.

    :param kind: the dataclass; fields that are left out keep their defaults.
    :param values: parsed JSON.
    :raises ValueError: when it is no object, has a name that is no field, or a value of another type.
    """
    if not isinstance(values, dict):
        raise ValueError(  # noqa: TRY004 - one kind of error for all that can be wrong with the JSON
            f"expected a JSON object of {kind.__name__}'s fields, got {_type_name(values)}"
        )
    hints = get_type_hints(kind)
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # T stands for dataclasses only
    unknown = sorted(values.keys() - known)
    if unknown:
        raise ValueError(f"no such field: {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return kind(**{name: _read(name, hints[name], value) for name, value in values.items()})


def _read(name: str, hint: Any, value: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return None if value is None else _read(name, arguments[0], value)
    if origin is Literal:
        if value in arguments:
            return value
        raise ValueError(f"{name}: expected one of {', '.join(arguments)}")
    if is_dataclass(hint) and isinstance(hint, type):
        return read_dataclass(hint, value)
    accepted, expected = _ACCEPTED[origin or hint]
    if not isinstance(value, accepted) or (isinstance(value, bool) and hint is not bool):
        raise ValueError(f"{name}: expected {expected}, got {_type_name(value)}")
    if origin is Mapping:
        return {key: _read(f"{name}: {key}", arguments[1], one) for key, one in value.items()}
    if origin is not None:
        made = frozenset if origin is Set else origin
        return made(_read(name, arguments[0], one) for one in value)
    return value


def _type_name(value: Any) -> str:
    return "null" if value is None else type(value).__name__
