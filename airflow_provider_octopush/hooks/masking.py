"""What may be shown of a server's words, and of its numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from airflow_provider_octopush.words import MASK, shown, words_in

#: Octopush's own codes have three digits. What is larger may be a phone number.
CODE_MAX = 99_999

#: Nobody's balance, but perhaps a phone number.
_AMOUNT_MAX = 10_000_000


def shown_message(message: str, body: bytes | None, login: str, key: str) -> str:
    """
    Take out of a message all but words that are known to be harmless.

    :param body: what was sent, none of whose values may be shown.
    :param login: the same goes for it.
    :param key: and for it.
    """
    return shown(message, words_in([login, key, *_personal(body)]))


def shown_code(code: object) -> int | None:
    """Give a code if it can be one of the API's."""
    return code if isinstance(code, int) and not isinstance(code, bool) and abs(code) <= CODE_MAX else None


def shown_balance(amount: object, unit: object) -> str:
    """Write a balance, if it can be one."""
    is_amount = isinstance(amount, int | float) and math.isfinite(amount) and abs(amount) < _AMOUNT_MAX
    return f"{amount if is_amount else MASK} {shown(unit) if isinstance(unit, str) else MASK}"


def _personal(body: bytes | None) -> Iterator[str]:
    """Give all that a request says of people. Names of lists and tags are whoever's wrote the Dag."""
    sent = json.loads(body or b"{}")
    for contact in sent.get("contacts", ()):
        yield from filter(None, contact.values())
    yield from sent.get("phone_numbers", ())
