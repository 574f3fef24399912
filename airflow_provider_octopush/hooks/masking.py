"""What may be shown of a server's words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

_MASK = "***"
_MAX_LENGTH = 200


def personal(body: bytes | None) -> list[str]:
    """Give all that a request says of people."""
    contacts = json.loads(body or b"{}").get("contacts", ())
    return [value for contact in contacts for value in contact.values() if value]


def masked(message: str, secrets: Iterable[str]) -> str:
    """Take out of a server's message what it may quote of the request, and anything that looks like a number."""
    alternatives = sorted({re.escape(secret) for secret in secrets}, key=len, reverse=True)
    if alternatives:
        message = re.sub(rf"(?<!\w)(?:{'|'.join(alternatives)})(?!\w)", _MASK, message, flags=re.IGNORECASE)
    message = re.sub(r"\+?\d[\d\s().-]{4,}\d", _MASK, message)
    message = " ".join(message.split())
    return message if len(message) <= _MAX_LENGTH else f"{message[:_MAX_LENGTH]}…"
