"""How drivers tell what went wrong: by a SQLSTATE, or by a code of the database's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

#: A SQLSTATE, or the database's own number or name.
Code = int | str

#: Classes of SQLSTATE that are about a connection, a statement, a transaction, a limit or a cancellation. Others are
#: about a value (22, 23) or about something unknown, and may quote a value.
_QUOTABLE = frozenset(("08", "25", "26", "28", "3D", "40", "42", "53", "54", "55", "57", "58"))
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")

#: The codes of drivers that support only one result: SQL's standard, an ODBC driver's, and its manager's.
ONE_RESULT = (None, "0A000", "HYC00", "IM001")


def as_sqlstate(value: Any) -> str | None:
    """Return a SQLSTATE; None for anything else."""
    return value if isinstance(value, str) and _SQLSTATE.fullmatch(value) else None


def is_quotable(_: Exception, code: Code | None) -> bool:
    """Tell by its SQLSTATE whether the words of an error before the first row cannot be about a row."""
    state = as_sqlstate(code)
    return state is not None and state[:2] in _QUOTABLE


def quotable(*codes: Code) -> Callable[[Exception, Code | None], bool]:
    """Tell the same by a database's own codes, which are about a statement or a login."""
    return lambda error, code: code in codes or is_quotable(error, code)


def code_of(error: Exception) -> Code | None:
    """Find the SQLSTATE, or the database's own code, in a driver's exception."""
    first: Any = error.args[0] if error.args else None
    if isinstance(first, Mapping):  # pg8000, and Redshift's driver, which comes from it
        first = first.get("C")
    for value in (getattr(error, "sqlstate", None), getattr(error, "pgcode", None), first):
        if (state := as_sqlstate(value)) is not None:
            return state
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
