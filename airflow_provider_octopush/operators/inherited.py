"""
The parameters that an operator inherits, shown where people look: in its signature, and in its docstring.

Python shows the parameters of an operator's own ``__init__``, and hides the others behind ``**kwargs``. Each of them is
written and documented once, where it is read; here they are put together.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection
from typing import Any, TypeVar

Kind = TypeVar("Kind", bound=type)
Function = TypeVar("Function", bound=Callable[..., object])

_FIELD = re.compile(r"^:(param \w+|raises [^:]+):", re.MULTILINE)


def with_inherited_parameters(operator: Kind) -> Kind:
    """Let an operator show all its parameters, except those that every task has."""
    parameters, texts = _parameters(operator)
    init: Any = operator.__dict__["__init__"]
    myself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    init.__signature__ = inspect.Signature([myself, *parameters])
    operator.__doc__ = _documentation(operator.__doc__, parameters, texts)
    return operator


def with_parameters_of(operator: type, *, but: Collection[str]) -> Callable[[Function], Function]:
    """
    Let a function show its own positional parameters, and those of an operator.

    :param but: names of parameters that the function does not take.
    """

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        inherited, texts = _parameters(operator)
        parameters = [*own, *(one for one in inherited if one.name not in but)]
        shows: Any = function
        shows.__signature__ = signature.replace(parameters=parameters)
        function.__doc__ = _documentation(function.__doc__, parameters, texts)
        return function

    return decorate


def _parameters(operator: type) -> tuple[list[inspect.Parameter], dict[str, str]]:
    """Return the parameters of this provider's classes that an operator is made of, and the fields about them."""
    parameters: dict[str, inspect.Parameter] = {}
    texts: dict[str, str] = {}
    package = __name__.partition(".")[0]
    # The most general class comes first.
    for kind in reversed(operator.__mro__):
        if kind.__module__.partition(".")[0] == package and "__init__" in kind.__dict__:
            parameters |= inspect.signature(kind.__dict__["__init__"]).parameters
            texts |= _parts(kind.__doc__)[1]
    del parameters["self"]
    kwargs = parameters.pop("kwargs")
    return [*parameters.values(), kwargs.replace(annotation=inspect.Parameter.empty)], texts


def _documentation(own: str | None, parameters: Collection[inspect.Parameter], texts: dict[str, str]) -> str:
    description, fields = _parts(own)
    about = {**texts, **fields}
    shown = [about[f"param {one.name}"] for one in parameters if f"param {one.name}" in about]
    raises = [text for field, text in fields.items() if field.startswith("raises")]
    return "\n".join([description, "", *shown, *raises, ""])


def _parts(doc: str | None) -> tuple[str, dict[str, str]]:
    """Return the description in a docstring; and its fields, such as ``param sql``, each with its text."""
    text = inspect.cleandoc(doc or "")
    found = list(_FIELD.finditer(text))
    ends = [*(field.start() for field in found), len(text)]
    fields = {field[1]: text[field.start() : end].rstrip() for field, end in zip(found, ends[1:], strict=True)}
    return text[: ends[0]].rstrip(), fields
