"""A raw value → the digits to dial, or what else it holds."""

from __future__ import annotations

import decimal
import re
from typing import Any, NamedTuple

import numpy as np

from airflow_provider_octopush.phones.characters import plain
from airflow_provider_octopush.phones.library import valid
from airflow_provider_octopush.phones.reasons import PhoneReason
from airflow_provider_octopush.values import is_missing

#: From here on a float of 64 bits has lost digits.
_FLOAT_MAX = 2**53

#: Digits of a float that are right in decimal (DBL_DIG in C).
_FLOAT_DIGITS = 15

#: Digits that no number in any form exceeds: 17 of libphonenumber's longest national number, 3 of the country code, and
#: an international prefix such as 00 or 0011.
MAX_DIGITS = 24

#: libphonenumber knows no valid number with fewer digits, in any region.
MIN_DIGITS = 4

#: Digits that make up a phone number of their own, where a value may hold two.
_ENOUGH_FOR_A_NUMBER = 7

#: Twice as many are more than E.164's 15 digits, so that blanks and dashes between them cannot be mere punctuation.
_TOO_MANY_TWICE = 8

#: What may follow a number and a slash that offers an alternative to its last digits, as in "06 12 34 56 78/79".
_MAX_ALTERNATIVE = 4

_FLOAT = re.compile(r"(\+?[0-9]+)\.([0-9]+)")
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]*)?e[+-]?[0-9]+", re.IGNORECASE)
_EXTENSION_WORD = re.compile(
    r"(?<![^\W\d_])(?:e?xt(?:e?nsi(?:on|ón|ón))?n?|x|poste|app|apparaat|int|interno|anexo|ramal|durchwahl|dw|доб)"
    r"[\s.:=]*[0-9]{1,7}\W*\Z",
    re.IGNORECASE,
)
_BETWEEN_NUMBERS = re.compile(r"[/|;,&\\\n]|[^\W\d_]+|(?<=[0-9)])\s*(?=\+)")
_WIDE_GAP = re.compile(r"\s+-+\s+|\s{2,}")
_EXTENSION_SIGN = re.compile(r"[,;#~]")
_PARAMETER = re.compile(r"\s*([a-z][a-z-]*)\s*(?:=(.*))?", re.IGNORECASE)
_ZERO_IN_BRACKETS = re.compile(r"[\[(]\s*0\s*[\])]")
_PUNCTUATION = " .-/()[]_~"


class Dialled(NamedTuple):
    """
    What a value leaves to dial.

    :param plus: whether it begins with a plus.
    :param digits: all its digits.
    :param zero: the position among them of a zero that stands in brackets.
    """

    plus: bool
    digits: str
    zero: int | None


def read_written(value: object) -> Dialled | PhoneReason:
    """
    Reduce a value to its digits; or say what else it holds.

    :param value: text or a number, as a warehouse holds it.
    """
    text = _as_text(value)
    if isinstance(text, PhoneReason):
        return text
    text = plain(text).strip()
    if not text:
        return PhoneReason.MISSING
    text = text.removeprefix("'").strip()  # spreadsheets mark text with it
    return _link(text[4:].strip()) if text[:4].casefold() == "tel:" else _single(text)


def _as_text(value: object) -> str | PhoneReason:
    """Write a value as text without losing a digit."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, np.timedelta64):  # which numpy derives from its integers
        return PhoneReason.MISSING if np.isnat(value) else PhoneReason.NOT_TEXT
    if isinstance(value, decimal.Decimal):
        return _written_decimal(value)
    if is_missing(value):
        return PhoneReason.MISSING
    if isinstance(value, bool):
        return PhoneReason.NOT_TEXT
    if isinstance(value, float | np.floating):
        if not value.is_integer():
            return PhoneReason.NOT_WHOLE
        if abs(float(value)) >= (_FLOAT_MAX if isinstance(value, float) else _float_max(type(value))):
            return PhoneReason.IMPRECISE
    elif not isinstance(value, int | np.integer):
        return PhoneReason.NOT_TEXT
    whole = int(value)
    if whole < 0:
        return PhoneReason.NEGATIVE
    # Python refuses to write integers of thousands of digits.
    return PhoneReason.TOO_LONG if whole >= 10**MAX_DIGITS else str(whole)


def _float_max(kind: type[np.floating[Any]]) -> int:
    stored: int = np.finfo(kind).nmant
    return min(_FLOAT_MAX, 2 << stored)


def _written_decimal(value: decimal.Decimal) -> str | PhoneReason:
    if value.is_nan():
        return PhoneReason.MISSING
    if value.is_infinite() or value != value.to_integral_value():
        return PhoneReason.NOT_WHOLE
    if value < 0:
        return PhoneReason.NEGATIVE
    # The exponent may stand for more digits than there is memory.
    return PhoneReason.TOO_LONG if value.adjusted() >= MAX_DIGITS else str(int(value))


def _single(text: str) -> Dialled | PhoneReason:
    digits = text.removeprefix("+")
    if digits.isdecimal():
        return Dialled(digits != text, digits, None)
    number = _float(text)
    if number is None:
        number = _not_a_single_number(text) or text
    if isinstance(number, PhoneReason):
        return number
    rest = number.translate(_WITHOUT_PUNCTUATION)
    digits = rest.removeprefix("+")
    if "+" in digits:
        return PhoneReason.PLUS_INSIDE
    if digits.strip("0123456789"):
        return PhoneReason.CHARACTERS
    if not digits:
        return PhoneReason.NO_DIGITS
    zero = _ZERO_IN_BRACKETS.search(number)
    return Dialled(rest != digits, digits, None if zero is None else _count_digits(number[: zero.start()]))


def _link(text: str) -> Dialled | PhoneReason:
    """Read what follows ``tel:`` (RFC 3966): a number, and parameters that may be a part of it."""
    number, *parameters = text.split(";")
    matches = [_PARAMETER.fullmatch(parameter) for parameter in parameters]
    values = {match[1].casefold(): match[2] or "" for match in matches if match is not None}
    if "ext" in values or "isub" in values:
        return PhoneReason.EXTENSION
    if list(values) != ["phone-context"] or len(parameters) > 1:
        return _single(text)
    dialled = _single(number.strip())
    if isinstance(dialled, PhoneReason) or dialled.plus:
        return dialled
    context = _single(values["phone-context"].strip())
    if isinstance(context, PhoneReason) or not context.plus:
        return PhoneReason.CONTEXT
    digits = context.digits + dialled.digits
    return PhoneReason.CONTEXT if valid(digits) is None else Dialled(True, digits, None)


def _float(text: str) -> str | PhoneReason | None:
    """Tell what a number became when it was written as a float; None when it was not."""
    if _SCIENTIFIC.fullmatch(text):
        return PhoneReason.SCIENTIFIC
    if re.match(r"-[0-9]", text):
        return PhoneReason.NEGATIVE
    match = _FLOAT.fullmatch(text)
    if match is None:
        return None
    whole, fraction = match.groups()
    size = _count_digits(whole)
    if not fraction.strip("0") and (size >= _ENOUGH_FOR_A_NUMBER or len(fraction) <= 2):
        return PhoneReason.IMPRECISE if len(whole.lstrip("+0")) > _FLOAT_DIGITS else whole
    # "0123.456789" is an area code and a number, "12345.5" and "33612345678.125" are not.
    if size >= _ENOUGH_FOR_A_NUMBER or (size >= 5 and len(fraction) <= 2):
        return PhoneReason.NOT_WHOLE
    return None


def _not_a_single_number(text: str) -> PhoneReason | None:
    """Find what makes text more, or less, than one number."""
    extension = _EXTENSION_WORD.search(text)
    if extension is not None and _count_digits(text[: extension.start()]) >= MIN_DIGITS:
        several = _holds_several(text[: extension.start()])
        return PhoneReason.TWO_NUMBERS if several else PhoneReason.EXTENSION
    if _holds_several(text):
        return PhoneReason.TWO_NUMBERS
    if any(map(str.isalpha, text)):
        return PhoneReason.LETTERS
    sign = _EXTENSION_SIGN.search(text)
    if sign is not None and _count_digits(text[: sign.start()]) >= _ENOUGH_FOR_A_NUMBER:
        after = _count_digits(text[sign.end() :])
        if 0 < after < _ENOUGH_FOR_A_NUMBER and (sign.group() != "~" or text.count("~") == 1):
            return PhoneReason.EXTENSION
    return None


def _holds_several(text: str) -> bool:
    if _numbers_between(_BETWEEN_NUMBERS, text, _ENOUGH_FOR_A_NUMBER) > 1:
        return True
    if _numbers_between(_WIDE_GAP, text, _TOO_MANY_TWICE) > 1:
        return True
    if sum(len(run) >= _TOO_MANY_TWICE for run in re.findall("[0-9]+", text)) > 1:
        return True
    before, _, after = text.partition("/")
    return _count_digits(before) >= _ENOUGH_FOR_A_NUMBER and 0 < _count_digits(after) <= _MAX_ALTERNATIVE


def _numbers_between(separator: re.Pattern[str], text: str, enough: int) -> int:
    return sum(_count_digits(part) >= enough for part in separator.split(text))


def _count_digits(text: str) -> int:
    return sum(map(str.isdecimal, text))


_WITHOUT_PUNCTUATION = {ord(character): None for character in (*_PUNCTUATION, "\n")}
