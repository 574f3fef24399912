"""Redaction: which of a server's words and numbers may be shown, and how the others can be stored."""

from __future__ import annotations

import math
import re
import unicodedata

from airflow_provider_octopush.api import CODE_MAX

REDACTED = "***"

#: The most characters of a message that are shown.
SHOWN_MAX_LENGTH = 200

#: The most characters of a message that are stored: a cell of a spreadsheet takes no more.
STORED_MAX_LENGTH = 32_000

#: From here on, a number is not a balance, but perhaps a phone number.
_AMOUNT_MAX = 10_000_000

#: This many characters in a row may reveal part of a login or a key.
_TELLING = 4

# A word, or several joined by a hyphen or the like, with punctuation around; or a currency sign. So no number or
# address matches, and hardly any encoded text.
_SHOWN = re.compile(r"""["'(\u00ab]*[^\W\d_]{1,20}(?:[-'\u2019/_][^\W\d_]{1,20})*[.,:;!?)"'\u00bb]*|[$\u20ac\u00a3]""")
_LETTERS = re.compile(r"[^\W\d_]+")

# Surrogates, and control characters except tab and line ends. PostgreSQL's JSON takes no NUL, UTF-8 has no surrogates,
# and an escape character can control a terminal.
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def storable(text: str) -> str:
    """
    Make a server's text fit for JSON, CSV, databases and terminals.

    :return: at most 32,000 characters; each that cannot be stored is U+FFFD.
    """
    return _UNSTORABLE.sub("\ufffd", text[:STORED_MAX_LENGTH])


def redacted(text: str, login: str, key: str) -> str:
    """
    Redact a server's words about a request that held no contacts.

    :param login: the connection's login. If four characters in a row of it are in the text, nothing is shown, whatever
        their case, their order and the signs in between.
    :param key: the connection's key; the same goes for it.
    :return: words of at most 20 letters, and ``***`` for everything else; of the first 200 characters.
    """
    said = _glued(text[:SHOWN_MAX_LENGTH])
    for secret in map(_glued, (login, key)):
        pieces = (secret[start : start + _TELLING] for start in range(max(1, len(secret) - _TELLING + 1)))
        if any(piece in said or piece[::-1] in said for piece in pieces):
            return REDACTED
    shown = " ".join(map(_shown, text[:SHOWN_MAX_LENGTH].split()))
    return f"{shown} …" if len(text) > SHOWN_MAX_LENGTH else shown


def redacted_code(code: object) -> int | None:
    """Return a code if it can be one of the API's: an integer from 0 to 999."""
    return code if isinstance(code, int) and not isinstance(code, bool) and 0 <= code <= CODE_MAX else None


def redacted_balance(amount: object, unit: object, login: str, key: str) -> str:
    """Write a balance, if it can be one."""
    is_amount = isinstance(amount, int | float) and math.isfinite(amount) and abs(amount) < _AMOUNT_MAX
    return f"{amount if is_amount else REDACTED} {redacted(unit, login, key) if isinstance(unit, str) else REDACTED}"


def _shown(token: str) -> str:
    words = _LETTERS.findall(token)
    # Encoded text mixes upper and lower case.
    is_written = all(word.isalpha() and word in (word.lower(), word.upper(), word.capitalize()) for word in words)
    return token if is_written and _SHOWN.fullmatch(token) else REDACTED


def _glued(text: str) -> str:
    """Remove case, accents, and everything but letters and digits."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text).casefold()))
