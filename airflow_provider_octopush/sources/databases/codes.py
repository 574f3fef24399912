"""How drivers tell what went wrong: by a SQLSTATE, or by a code of the database's own, for which a SQLSTATE stands."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

#: A number, or a name.
Code = int | str

_SQLSTATE = re.compile(r"[0-9A-Z]{5}")


def states(codes: Mapping[str, Collection[Code]]) -> Callable[[Code], str | None]:
    """
    Make a table of a database's codes.

    :param codes: SQLSTATE → the codes that it stands for.
    :return: code → SQLSTATE; None for a code that is not in the table.
    """
    return {code: state for state, codes in codes.items() for code in codes}.get


def no_state(_: Code) -> None:
    """Know no codes."""
    return


def as_sqlstate(value: Any) -> str | None:
    """Return a SQLSTATE, None for all else."""
    return value if isinstance(value, str) and _SQLSTATE.fullmatch(value) else None


def sqlstate(error: Exception) -> str | None:
    """Find the SQLSTATE in what a driver raised."""
    first: Any = error.args[0] if error.args else None
    if isinstance(first, Mapping):  # pg8000, and Redshift's driver, which comes from it
        first = first.get("C")
    found = (as_sqlstate(value) for value in (getattr(error, "sqlstate", None), getattr(error, "pgcode", None), first))
    return next(filter(None, found), None)


def code(error: Exception) -> Code | None:
    """Find the database's own code in what a driver raised."""
    for holder in (error, *error.args[:1]):
        for name in ("sqlite_errorname", "error_name", "errno", "code", "status_code"):
            value = getattr(holder, name, None)
            if isinstance(value, int | str) and not isinstance(value, bool):
                return value
        if isinstance(holder, int):
            return holder
        if isinstance(holder, tuple) and holder and isinstance(holder[0], int):  # pymssql
            return holder[0]
    return None
