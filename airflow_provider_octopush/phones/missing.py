"""How programs and people write that there is no value."""

from __future__ import annotations

import re

#: The defaults of ``pandas.read_csv``, and the null values of SQL, its dumps, and JavaScript, without the signs around.
_NOTHING = frozenset(
    ("", "n/a", "n/a n/a", "n.a", "na", "nan", "nat", "nil", "none", "null", "undefined", "\\n", "1.#ind", "1.#qnan")
)
_AROUND = "-?._/*#<>()[] "
_ZEROS = re.compile(r"0[0 .,()/-]*")


def stands_for_nothing(text: str) -> bool:
    """Tell whether text is a program's way to write a missing value: "N/A", "null", a dash, …"""
    return text.casefold().strip(_AROUND) in _NOTHING


def is_zero(text: str) -> bool:
    """Tell whether all digits of text are zeros."""
    return _ZEROS.fullmatch(text.strip(_AROUND)) is not None
