"""
The parameters that an operator inherits, shown where people look: in its signature, and in its docstring.

Python shows the parameters of an operator's own ``__init__``, and hides the others behind ``**kwargs``. Each of them is
written and documented once, where it is read; here they are put together.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

Kind = TypeVar("Kind", bound=type)
Function = TypeVar("Function", bound=Callable[..., object])

_FIELD = re.compile(r"^:(param (?P<name>\w+)|raises [^:]+):", re.MULTILINE)


def with_inherited_parameters(operator: Kind) -> Kind:
    """Let an operator show all its parameters, except those that every task has."""
    init: Any = operator.__dict__["__init__"]
    myself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    init.__signature__ = inspect.Signature([myself, *_parameters(operator)])
    operator.__doc__ = _documentation(operator.__doc__, operator)
    return operator


def with_parameters_of(operator: type, *, but: Collection[str]) -> Callable[[Function], Function]:
    """
    Let a function show its own positional parameters, and those of an operator.

    :param but: names of parameters that the function does not take.
    """

    def decorate(function: Function) -> Function:
        kind = inspect.Parameter.VAR_KEYWORD
        own = [one for one in inspect.signature(function).parameters.values() if one.kind is not kind]
        shown = [one for one in _parameters(operator) if one.name not in but]
        shows: Any = function
        shows.__signature__ = inspect.signature(function).replace(parameters=[*own, *shown])
        function.__doc__ = _documentation(function.__doc__, operator, but)
        return function

    return decorate


def _parameters(operator: type) -> list[inspect.Parameter]:
    parameters: dict[str, inspect.Parameter] = {}
    for kind in _kinds(operator):
        parameters |= inspect.signature(kind.__dict__["__init__"]).parameters
    del parameters["self"]
    kwargs = parameters.pop("kwargs")
    return [*parameters.values(), kwargs.replace(annotation=inspect.Parameter.empty)]


def _documentation(own: str | None, operator: type, but: Collection[str] = ()) -> str:
    texts: dict[str, str] = {}
    for kind in _kinds(operator):
        texts |= {name: text for name, text in _fields(kind.__doc__) if name}
    texts |= {name: text for name, text in _fields(own) if name}
    first = [name for name in texts if name in _names(own) and name not in {one.name for one in _parameters(operator)}]
    names = [*first, *(one.name for one in _parameters(operator) if one.name in texts and one.name not in but)]
    doc = inspect.cleandoc(own or "")
    fields = _FIELD.search(doc)
    description = doc[: fields.start()].rstrip() if fields else doc
    raises = [text for name, text in _fields(own) if not name]
    return "\n".join([description, "", *(texts[name] for name in names), *raises, ""])


def _names(doc: str | None) -> set[str]:
    return {name for name, _ in _fields(doc) if name}


def _fields(doc: str | None) -> Iterator[tuple[str | None, str]]:
    """Give the fields of a docstring: the name of each parameter, None for another field, and its text."""
    text = inspect.cleandoc(doc or "")
    found = list(_FIELD.finditer(text))
    for field, end in zip(found, [*(field.start() for field in found[1:]), len(text)], strict=True):
        yield field["name"], text[field.start() : end].rstrip()


def _kinds(operator: type) -> list[type]:
    """Return the classes of this provider that an operator is made of, the most general one first."""
    package = __name__.partition(".")[0]
    return [
        kind
        for kind in reversed(operator.__mro__)
        if kind.__module__.partition(".")[0] == package and "__init__" in kind.__dict__
    ]
