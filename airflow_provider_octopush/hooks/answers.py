"""An answer → its items, or the exception that says what to do."""

from __future__ import annotations

import datetime as dt
import email.utils
import math
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests

from airflow_provider_octopush.exceptions import (
    OctopushAnswerError,
    OctopushCredentialsError,
    OctopushError,
    OctopushRateLimitError,
    OctopushRequestError,
    OctopushServerError,
)
from airflow_provider_octopush.hooks.connection import Settings
from airflow_provider_octopush.hooks.masking import masked, personal
from airflow_provider_octopush.payloads import ContactItem


class _Answer(msgspec.Struct):
    items: list[ContactItem]


_decoder = msgspec.json.Decoder(_Answer)


def contact_items(endpoint: str, response: requests.Response) -> list[ContactItem]:
    """
    Read the items of ``contact/create``.

    :raises OctopushAnswerError: when there are none.
    """
    with suppress(msgspec.DecodeError):
        return _decoder.decode(response.content).items
    # Another shape, or something around the items that no JSON should hold: requests is more tolerant.
    return _read_items(_read_json(endpoint, response))


def raw_items(endpoint: str, response: requests.Response) -> list[dict[str, Any]]:
    """
    Read the items of ``contact/create`` with all that they hold.

    :raises OctopushAnswerError: when there are none.
    """
    answer = _read_json(endpoint, response)
    _read_items(answer)
    items: list[dict[str, Any]] = answer["items"]
    return items


def balance(endpoint: str, response: requests.Response) -> dict[str, Any]:
    """
    Read the account's balance.

    :raises OctopushAnswerError: when it is not there.
    """
    answer = _read_json(endpoint, response)
    if not isinstance(answer, dict) or not {"amount", "unit"} <= answer.keys():
        raise OctopushAnswerError(f"{endpoint} succeeded, but its answer has no amount and unit")
    return answer


def refusal(
    endpoint: str, response: requests.Response, body: bytes | None, settings: Settings, conn_id: str
) -> OctopushError:
    """
    Say what to do about an answer that is no success.

    :param body: what was sent, which the answer may quote.
    :param conn_id: the connection, for the person who has to correct it.
    """
    status_code = response.status_code
    code, message = _code_and_message(response)
    if message is not None:
        message = masked(message, (settings.login, settings.key, *personal(body)))
    said = "".join([f", code {code}" if code is not None else "", f": {message}" if message is not None else ""])
    text = f"{endpoint}: {settings.host} answered HTTP {status_code}{said}"
    error: type[OctopushError]
    if status_code in (401, 403):
        error = OctopushCredentialsError
        text += f"; login or key refused, correct the connection {conn_id!r}"
    elif status_code == 429:
        error = OctopushRateLimitError
    elif status_code in (408, 425) or status_code >= 500:
        error = OctopushServerError
    else:
        error = OctopushRequestError
        if response.is_redirect or status_code in (404, 405):
            text += f"; check the host of the connection {conn_id!r}, it must be the API's base URL"
    return error(text, status_code=status_code, code=code, message=message, retry_after=_retry_after(response))


def _read_json(endpoint: str, response: requests.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        raise OctopushAnswerError(
            f"{endpoint}: {urlsplit(response.url).netloc} answered HTTP {response.status_code}, but not in JSON: "
            "check that the connection's host is the API's base URL",
            status_code=response.status_code,
        ) from None


def _read_items(answer: Any) -> list[ContactItem]:
    with suppress(msgspec.ValidationError):
        return msgspec.convert(answer, _Answer).items
    raise OctopushAnswerError(
        "contact/create succeeded, but its answer does not list items with phone_number and status: "
        "what became of the contacts is not known"
    )


def _code_and_message(response: requests.Response) -> tuple[int | None, str | None]:
    """Read ``{"code": …, "message": …}`` from an error; anything else, such as a gateway's page, says nothing."""
    try:
        body = response.json()
    except ValueError:
        return None, None
    if not isinstance(body, dict):
        return None, None
    code, message = body.get("code"), body.get("message")
    return (
        code if isinstance(code, int) and not isinstance(code, bool) else None,
        message if isinstance(message, str) and message.strip() else None,
    )


def _retry_after(response: requests.Response) -> float | None:
    """
    Read ``Retry-After``: seconds, or a date of HTTP.

    Source: RFC 9110, section 10.2.3.
    """
    value = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = email.utils.parsedate_to_datetime(value)
        except ValueError:
            return None
        if date.tzinfo is None:
            date = date.replace(tzinfo=dt.UTC)
        seconds = (date - dt.datetime.now(dt.UTC)).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None
