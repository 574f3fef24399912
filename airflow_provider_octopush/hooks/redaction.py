"""Redaction: what may be shown of a server's words and numbers, and how the rest can be stored."""

from __future__ import annotations

import math
import re
import unicodedata

from airflow_provider_octopush.api import CODE_MAX

REDACTED = "***"

#: What is shown of a message has at most so many characters.
SHOWN_MAX_LENGTH = 200

#: What is stored of one, too: a cell of a spreadsheet takes no more.
STORED_MAX_LENGTH = 32_000

#: From here on, no balance, but perhaps a phone number.
_AMOUNT_MAX = 10_000_000

#: So many characters in a row tell something of a login or a key.
_TELLING = 4

# A word, or several that a hyphen or the like joins, with punctuation around; or the sign of a currency. So no number
# is one, no address, and next to nothing that is encoded.
_SHOWN = re.compile(r"""["'(\u00ab]*[^\W\d_]{1,20}(?:[-'\u2019/_][^\W\d_]{1,20})*[.,:;!?)"'\u00bb]*|[$\u20ac\u00a3]""")
_LETTERS = re.compile(r"[^\W\d_]+")

# Surrogates, and control characters but for tab and line ends. Of these, PostgreSQL's JSON takes no NUL, UTF-8 no
# surrogate, and what a terminal does with an escape character, its sender decides.
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def storable(text: str) -> str:
    """
    Make text of a server fit for JSON, CSV, databases and terminals.

    :return: at most 32,000 characters; each that no store should hold is U+FFFD.
    """
    return _UNSTORABLE.sub("\ufffd", text[:STORED_MAX_LENGTH])


def redacted(text: str, login: str, key: str) -> str:
    """
    Redact what a server said of a request that held no contacts.

    :param login: of the connection. If four characters in a row of it are in the text, nothing is shown, whatever
        their case, their order and what stands in between.
    :param key: the same goes for it.
    :return: words of at most 20 letters, and ``***`` for all else; of the first 200 characters.
    """
    said = _glued(text[:SHOWN_MAX_LENGTH])
    for secret in map(_glued, (login, key)):
        pieces = (secret[start : start + _TELLING] for start in range(max(1, len(secret) - _TELLING + 1)))
        if any(piece in said or piece[::-1] in said for piece in pieces):
            return REDACTED
    shown = " ".join(map(_shown, text[:SHOWN_MAX_LENGTH].split()))
    return f"{shown} …" if len(text) > SHOWN_MAX_LENGTH else shown


def redacted_code(code: object) -> int | None:
    """Give a code if it can be one of the API's: an integer from 0 to 999."""
    return code if isinstance(code, int) and not isinstance(code, bool) and 0 <= code <= CODE_MAX else None


def redacted_balance(amount: object, unit: object, login: str, key: str) -> str:
    """Write a balance, if it can be one."""
    is_amount = isinstance(amount, int | float) and math.isfinite(amount) and abs(amount) < _AMOUNT_MAX
    return f"{amount if is_amount else REDACTED} {redacted(unit, login, key) if isinstance(unit, str) else REDACTED}"


def _shown(token: str) -> str:
    words = _LETTERS.findall(token)
    # What is encoded mixes its case.
    is_written = all(word.isalpha() and word in (word.lower(), word.upper(), word.capitalize()) for word in words)
    return token if is_written and _SHOWN.fullmatch(token) else REDACTED


def _glued(text: str) -> str:
    """Take away case, accents, and all but letters and digits."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text).casefold()))
