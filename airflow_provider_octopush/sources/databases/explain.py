"""What a driver raised → what went wrong, and which of the database's words may be said of it."""

from __future__ import annotations

from airflow_provider_octopush.sources.databases.driver import Driver
from airflow_provider_octopush.sources.errors import (
    ConnectionLostError,
    QueryCancelledError,
    QueryRefusedError,
    RowsNotReadError,
)

#: Classes of SQLSTATE that are about a connection, a statement, a transaction, a limit or a cancellation, while no row
#: can have been looked at. What is about a value (22, 23), or about nobody knows what, may quote the value.
_QUOTABLE = frozenset(("08", "25", "26", "28", "3D", "40", "42", "53", "54", "55", "57", "58"))

_MAX_WORDS = 500

# PostgreSQL ends the connection of a transaction that was idle for too long.
_ENDED = ("25P03", "25P04", "57P01", "57P02", "57P03", "57P04", "57P05")
_CANCELLED = ("57014", "70100", "HY008", "HYT00")
_REFUSED = ("25", "26", "28", "3D", "42")


def explain(
    error: Exception,
    driver: Driver,
    doing: str,
    *,
    about_statement: bool = False,
    reading: bool = False,
    ended: bool = False,
    holds_parameters: bool = False,
) -> RowsNotReadError:
    """
    Say what went wrong, without a value of a row.

    The exception returned has no cause and no context, because drivers' exceptions carry what they quote: raise it
    where nothing is being handled.

    :param error: what the driver raised.
    :param driver: whose codes they are.
    :param doing: what was under way, for the message.
    :param about_statement: whether no row was looked at yet, so that it can only be about the statement.
    :param reading: whether rows are being read, so that it may be about a row.
    :param ended: whether the driver says that the connection is closed.
    :param holds_parameters: whether the driver may have written parameters into the statement.
    """
    state, code = _state(error, driver)
    is_servers = state is not None
    if state is None and ended:
        state = "08006"
    if state is None and about_statement:
        state = "42000"
    kind, meaning = RowsNotReadError, ""
    if state is not None:
        if state[:2] == "08" or state in _ENDED:
            kind, meaning = ConnectionLostError, ": the connection was ended"
        elif state in _CANCELLED:
            kind, meaning = QueryCancelledError, ": the query was cancelled, by somebody or by a limit of time"
        elif state[:2] in _REFUSED:
            kind = QueryRefusedError
            if state == "25006":
                meaning = ": something in the query changes data, in a read-only transaction"
    where = f" ({code})" if code else ""
    said = f"the database failed while {doing}: {type(error).__name__}{where}"
    is_quotable = state is not None and (state[:2] in _QUOTABLE or state in _CANCELLED)
    # Once rows are read, a function may have raised it, with a class and words of its own choice. PostgreSQL may call
    # one while it plans the query, and says then that it did.
    reading = reading or bool(getattr(getattr(error, "diag", None), "context", None))
    if is_quotable and not holds_parameters and not (reading and is_servers):
        return kind(f"{said}: {_words(error)}")
    quoted = "a parameter" if is_quotable and not reading else "a row"
    left_out = f"its words are left out, since they may quote {quoted}: run the query by hand to see them"
    return kind(f"{said}{meaning if reading else ''}; {left_out}")


def code_of(error: Exception, driver: Driver) -> str | None:
    """Return what the database calls the error, for people to look up; None when it did not say."""
    return _state(error, driver)[1]


def _state(error: Exception, driver: Driver) -> tuple[str | None, str | None]:
    """Return the SQLSTATE, or what stands for it, and the code to show for it."""
    if type(error).__module__ == "builtins":
        # Python's own say nothing of a database; what they hold may be a value.
        return None, None
    state = driver.sqlstate(error)
    if state is not None:
        return state, f"SQLSTATE {state}"
    code = driver.code(error)
    return (None, None) if code is None else (driver.state(code), str(code))


def _words(error: Exception) -> str:
    # ClickHouse adds the stack of its own code.
    words = " ".join(str(error).partition("Stack trace")[0].split())
    return words if len(words) <= _MAX_WORDS else f"{words[:_MAX_WORDS]}…"
