"""What a driver raised → what went wrong, and whether the database's words may be said of it."""

from __future__ import annotations

from airflow_provider_octopush.sources.databases.codes import Code, as_sqlstate
from airflow_provider_octopush.sources.databases.driver import Driver
from airflow_provider_octopush.sources.errors import RowsNotReadError

_MAX_WORDS = 500


def explain(error: Exception, driver: Driver, parameter: str, doing: str, *, is_quoted: bool) -> RowsNotReadError:
    """
    Say what went wrong, without a value of a row.

    The exception returned has no cause and no context, because drivers' exceptions carry what they quote: raise it
    where nothing is being handled.

    :param error: what the driver raised.
    :param driver: whose codes they are.
    :param parameter: where the query was given.
    :param doing: what was under way, for the message.
    :param is_quoted: whether the database's words are shown.
    """
    code = code_in(error, driver)
    where = "" if code is None else f" (SQLSTATE {code})" if as_sqlstate(code) else f" ({code})"
    said = f"{parameter}: the database failed while {doing}: {type(error).__name__}{where}"
    if is_quoted:
        return RowsNotReadError(f"{said}: {_words(error)}")
    return RowsNotReadError(
        f"{said}; its words are left out, since they may quote a row or a parameter: run the query by hand to see them"
    )


def code_in(error: Exception, driver: Driver) -> Code | None:
    """Return what the database calls an error, for people to look up; None when it did not say."""
    # Python's own say nothing of a database; what they hold may be a value.
    return None if type(error).__module__ == "builtins" else driver.code(error)


def _words(error: Exception) -> str:
    # ClickHouse adds the stack of its own code.
    words = " ".join(str(error).partition("Stack trace")[0].split())
    return words if len(words) <= _MAX_WORDS else f"{words[:_MAX_WORDS]}…"
