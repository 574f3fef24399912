"""A driver's exception → what went wrong, with the database's words where these may be shown."""

from __future__ import annotations

from airflow_provider_octopush.sources.databases.codes import Code, as_sqlstate
from airflow_provider_octopush.sources.databases.driver import Driver
from airflow_provider_octopush.sources.errors import RowsNotReadError

_MAX_WORDS = 500


def explain(error: Exception, driver: Driver, parameter: str, doing: str, *, is_quoted: bool) -> RowsNotReadError:
    """
    Say what went wrong, without a value of a row.

    The exception returned has no cause and no context, because drivers' exceptions carry what they quote: raise it
    outside of any ``except`` block.

    :param error: the driver's exception.
    :param driver: the driver, which knows its codes.
    :param parameter: the operator's parameter that holds the query.
    :param doing: what was under way, for the message.
    :param is_quoted: whether the database's words are shown.
    """
    code = code_in(error, driver)
    where = "" if code is None else f" (SQLSTATE {code})" if as_sqlstate(code) else f" ({code})"
    said = f"{parameter}: the database failed while {doing}: {type(error).__name__}{where}"
    if is_quoted:
        return RowsNotReadError(f"{said}: {_words(error)}")
    return RowsNotReadError(
        f"{said}; its words are left out, because they may quote a row or a parameter: run the query by hand to see "
        "them"
    )


def code_in(error: Exception, driver: Driver) -> Code | None:
    """Return the database's code of an error, for people to look up; None if it has none."""
    # Python's own exceptions have no code of a database, and what they hold may be a value.
    return None if type(error).__module__ == "builtins" else driver.code(error)


def _words(error: Exception) -> str:
    # ClickHouse adds its own stack trace.
    words = " ".join(str(error).partition("Stack trace")[0].split())
    return words if len(words) <= _MAX_WORDS else f"{words[:_MAX_WORDS]}…"
