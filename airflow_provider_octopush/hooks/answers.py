"""An answer → its items, or the exception that says what to do."""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from airflow_provider_octopush.api import describe_answer
from airflow_provider_octopush.exceptions import (
    OctopushAnswerError,
    OctopushCredentialsError,
    OctopushError,
    OctopushRateLimitError,
    OctopushRequestError,
    OctopushServerError,
)
from airflow_provider_octopush.hooks.connection import Settings
from airflow_provider_octopush.hooks.redaction import redacted, redacted_code, storable
from airflow_provider_octopush.hooks.transport import Answer
from airflow_provider_octopush.payloads import ContactItem


class _Items(msgspec.Struct):
    items: list[ContactItem]


_decoder = msgspec.json.Decoder(_Items)

# Text without any of these bytes can be stored anywhere: escapes, DEL, the C1 control characters.
_PERHAPS_UNSTORABLE = (b"\\", b"\x7f", b"\xc2")

_SECONDS = re.compile(r"-?\d+(\.\d+)?", re.ASCII)

#: The most seconds of ``Retry-After`` that are used: no request waits longer, and a larger number may be a phone
#: number.
_RETRY_AFTER_MAX = 86_400.0


def contact_items(endpoint: str, host: str, answer: Answer) -> list[ContactItem]:
    """
    Read the items of ``contact/create``.

    :return: the items that are as documented; any other says nothing about a contact.
    :raises OctopushAnswerError: when there are none to be read.
    """
    if not any(byte in answer.content for byte in _PERHAPS_UNSTORABLE):
        with suppress(msgspec.MsgspecError, ValueError, RecursionError):
            return _decoder.decode(answer.content).items
    # Another shape, or something around the items that no JSON should hold.
    return [
        ContactItem(storable(item["phone_number"]), storable(item["status"]))
        for item in raw_items(endpoint, host, answer)
    ]


def raw_items(endpoint: str, host: str, answer: Answer) -> list[dict[str, Any]]:
    """
    Read the items of ``contact/create`` with everything in them, as the server wrote it.

    :return: the items that are as documented.
    :raises OctopushAnswerError: when there are none to be read.
    """
    content = _read_json(endpoint, host, answer)
    items = content.get("items") if isinstance(content, dict) else None
    if not isinstance(items, list):
        raise OctopushAnswerError(
            f"{endpoint} succeeded, but its answer does not list items with phone_number and status: "
            "what became of the contacts is not known",
            status_code=answer.status_code,
        )
    return [item for item in items if _is_item(item)]


def check_carried_out(endpoint: str, host: str, answer: Answer) -> None:
    """
    Check that a success without documented content is the API's own.

    Something in between, such as a proxy with a login page, may answer 200 too. So a success counts only if it is
    empty, or a JSON object that reports no error.

    :raises OctopushAnswerError: when it is anything else; nothing of it is quoted.
    """
    if not answer.content.strip():
        return
    said = "with something other than a JSON object, so it may not have been Octopush"
    with suppress(ValueError, RecursionError):
        content = json.loads(answer.content.decode(json.detect_encoding(answer.content)))
        if isinstance(content, dict):
            if not _tells_of_error(content):
                return
            said = "with an error"
    raise OctopushAnswerError(
        f"{endpoint}: {host} answered HTTP {answer.status_code}, but {said}: its outcome is not known; check that the "
        "connection's host is the API's base URL, and that no proxy asks for a login",
        status_code=answer.status_code,
    )


def balance(endpoint: str, host: str, answer: Answer) -> dict[str, Any]:
    """
    Read the account's balance.

    :raises OctopushAnswerError: when it is not there.
    """
    content = _read_json(endpoint, host, answer)
    if not isinstance(content, dict) or not {"amount", "unit"} <= content.keys():
        raise OctopushAnswerError(
            f"{endpoint} succeeded, but its answer has no amount and unit", status_code=answer.status_code
        )
    return content


def refusal(endpoint: str, answer: Answer, settings: Settings, conn_id: str, *, holds_contacts: bool) -> OctopushError:
    """
    Make the error for an answer that is not a success; it says what to do.

    :param conn_id: id of the connection, for the error.
    :param holds_contacts: whether the request held contacts. The answer may quote them in more ways than can be listed,
        so then none of its words are shown.
    """
    status_code = answer.status_code
    code, full_message = _code_and_message(answer)
    message = None
    text = f"{endpoint}: {settings.host} answered {describe_answer(status_code, code)}"
    if full_message is not None and not holds_contacts:
        message, full_message = redacted(full_message, settings.login, settings.key), None
        text += f": {message}"
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
        if 300 <= status_code < 400 or status_code in (404, 405):
            text += f"; check the host of the connection {conn_id!r}, it must be the API's base URL"
    return error(
        text,
        status_code=status_code,
        code=code,
        message=message,
        full_message=full_message,
        retry_after=_retry_after(answer.retry_after),
    )


def _tells_of_error(content: Any) -> bool:
    """Whether anything in an answer says so: no success that is documented has any content."""
    if isinstance(content, list):
        return any(map(_tells_of_error, content))
    if not isinstance(content, dict):
        return content is False
    for name, value in content.items():
        folded = name.casefold()
        if folded.startswith("error"):
            tells = bool(value)
        else:
            tells = (folded.endswith("code") and not _is_success(value)) or _tells_of_error(value)
        if tells:
            return True
    return False


def _is_success(code: Any) -> bool:
    """Whether a code is none: successes have 0 at times, or HTTP's own."""
    return str(code or 0) == "0" or re.fullmatch("2[0-9]{2}", str(code)) is not None


def _is_item(item: Any) -> bool:
    return isinstance(item, Mapping) and all(isinstance(item.get(name), str) for name in ("phone_number", "status"))


def _read_json(endpoint: str, host: str, answer: Answer) -> Any:
    with suppress(ValueError, RecursionError):
        return _loads(answer.content)
    raise OctopushAnswerError(
        f"{endpoint}: {host} answered HTTP {answer.status_code}, but not in JSON: "
        "check that the connection's host is the API's base URL",
        status_code=answer.status_code,
    )


def _loads(content: bytes) -> Any:
    """
    Read JSON, even if its text is not valid Unicode.

    :raises ValueError: when it is not JSON.
    :raises RecursionError: when it is nested deeper than any answer.
    """
    # JSON is UTF-8; json recognizes UTF-16, UTF-32 and a BOM by the first bytes.
    return json.loads(content.decode(json.detect_encoding(content), "replace"), strict=False)


def _code_and_message(answer: Answer) -> tuple[int | None, str | None]:
    """Read ``{"code": …, "message": …}`` from an error; anything else, such as a gateway's page, says nothing."""
    content = None
    with suppress(ValueError, RecursionError):
        content = _loads(answer.content)
    if not isinstance(content, dict):
        return None, None
    message = content.get("message")
    return redacted_code(content.get("code")), storable(message) if isinstance(
        message, str
    ) and message.strip() else None


def _retry_after(value: str) -> float | None:
    """
    Read ``Retry-After``: seconds, or a date of HTTP.

    Source: RFC 9110, section 10.2.3.

    :return: seconds, at most a day; None if it is neither.
    """
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return min(max(float(value), 0.0), _RETRY_AFTER_MAX)
    # For text that is not a date, the standard library's exception depends on its version: OverflowError, among others.
    with suppress(Exception):
        date = email.utils.parsedate_to_datetime(value)
        if date.tzinfo is None:
            date = date.replace(tzinfo=dt.UTC)
        return min(max((date - dt.datetime.now(dt.UTC)).total_seconds(), 0.0), _RETRY_AFTER_MAX)
    return None
