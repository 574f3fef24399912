"""What can be said of parameters while the Dag is parsed, before templates are rendered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

from airflow_provider_octopush.contacts.fields import check_fields
from airflow_provider_octopush.phones.options import PhoneCheck

OnEmpty = Literal["succeed", "skip", "fail"]


def check_one_source(data: Any, sql: str | None, sql_conn_id: str | None) -> None:
    """
    Check that rows come from one place.

    :raises ValueError: when they do not, or the connection of a query is missing.
    """
    if (data is None) == (sql is None):
        raise ValueError("rows come from exactly one place: write either data=… or sql=…")
    if sql is not None and sql_conn_id is None:
        raise ValueError("sql needs a connection to run on: write sql_conn_id=…")


def check_number(name: str, number: Any, usual: int) -> None:
    """
    Check a whole number from 1 on.

    :param usual: a number to suggest.
    :raises ValueError: when it is none.
    """
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError(f"{name} is {number!r}: write a whole number, 1 or more, such as {usual}")


def check_on_empty(on_empty: Any) -> None:
    """
    Check ``on_empty``.

    :raises ValueError: when it is no :data:`OnEmpty`.
    """
    _check_choice("on_empty", on_empty, get_args(OnEmpty))


def check_phone_check(phone_check: Any) -> None:
    """
    Check ``phone_check``.

    :raises ValueError: when it is no ``PhoneCheck``.
    """
    _check_choice("phone_check", phone_check, get_args(PhoneCheck))


def check_max_rejected(max_rejected: Any) -> None:
    """
    Check ``max_rejected``: a number of rows (an int) or a share of them (a float from 0 to 1).

    :raises ValueError: when it is neither.
    """
    if (
        isinstance(max_rejected, bool)
        or not isinstance(max_rejected, int | float)
        or not 0 <= max_rejected <= (1 if isinstance(max_rejected, float) else math.inf)
    ):
        raise ValueError(
            f"max_rejected is {max_rejected!r}: write a number of rows, such as 10, or a share of them between 0.0 "
            "and 1.0, such as 0.01"
        )


def check_option(name: str, value: Any) -> None:
    """
    Check an option of the API, which may be left to the API.

    :raises ValueError: when it is not True, False or None.
    """
    if value not in (True, False, None):
        raise ValueError(f"{name} is {value!r}: write True, False or None")


def check_columns(columns: Any) -> None:
    """
    Check the fields of ``columns``, as far as they are known before templates are rendered.

    :raises ValueError: when one is no field of a contact.
    """
    if isinstance(columns, Mapping):
        check_fields(columns)


def check_leavers(leavers: Any) -> None:
    """
    Check ``leavers``.

    :raises ValueError: when it is neither ``remove`` nor ``keep``.
    """
    _check_choice("leavers", leavers, ("remove", "keep"))


def check_one_of_opt_outs(opted_out: Any, opted_out_sql: str | None, opted_out_conn_id: str | None) -> None:
    """
    Check that the numbers of people who opted out come from one place at most.

    :raises ValueError: when they come from two, or a query has no connection.
    """
    if opted_out is not None and opted_out_sql is not None:
        raise ValueError("people who opted out come from one place: write either opted_out=… or opted_out_sql=…")
    if opted_out_sql is not None and opted_out_conn_id is None:
        raise ValueError("opted_out_sql needs a connection to run on: write opted_out_conn_id=…")


def is_true(name: str, value: Any) -> bool:
    """
    Read a flag, as a person or a template has written it.

    :raises ValueError: when it is neither True nor False.
    """
    text = str(value).strip().casefold()
    if text in ("true", "1"):
        return True
    if text in ("false", "0", "none", ""):
        return False
    raise ValueError(f"{name} is {value!r}: write True or False")


def _check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}: write one of {', '.join(map(repr, choices))}")
