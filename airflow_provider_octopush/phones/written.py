"""A raw value → the digits to dial, or the reason why it is not one number."""

from __future__ import annotations

import datetime as dt
import decimal
import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from airflow_provider_octopush.phones.characters import plain
from airflow_provider_octopush.phones.libphonenumber import valid
from airflow_provider_octopush.phones.missing import is_zero, stands_for_nothing
from airflow_provider_octopush.phones.reasons import PhoneReason
from airflow_provider_octopush.text import RoundedFloat, is_missing

#: From here on a float of 64 bits has lost digits.
_FLOAT_MAX = 2**53

#: Digits of a float that are right in decimal (DBL_DIG in C).
_FLOAT_DIGITS = 15

#: The most digits that a float of 64 bits is written with.
_FLOAT_WRITTEN_DIGITS = 17

#: The most digits of a number in any form: 17 of libphonenumber's longest national number, 3 of the country code, and
#: an international prefix such as 00 or 0011.
MAX_DIGITS = 24

#: The most digits of a number in E.164; libphonenumber considers longer ones valid in some regions.
E164_DIGITS = 15

#: The most digits of a number that is sent: Octopush's own documentation has one with this many.
OCTOPUSH_DIGITS = 16

#: Longer text is not a number; libphonenumber has the same limit.
_MAX_CHARACTERS = 250

#: No valid number of any region has fewer digits, by libphonenumber.
MIN_DIGITS = 4

#: How many digits are enough for a phone number by itself, if a value may hold two.
ENOUGH_FOR_A_NUMBER = 7

#: How many digits are enough for one without its area code, if a sign separates it from the number before it.
ENOUGH_WITHOUT_AREA_CODE = 5

#: The most digits that can offer an alternative to a number's last ones, as in "06 12 34 56 78/79".
ALTERNATIVE_DIGITS = 4

#: Twice as many digits as these are more than E.164's 15, so that blanks and dashes between them cannot be mere
#: punctuation.
_TOO_MANY_TWICE = 8

#: The years of dates with only blanks between the parts, or a time after them: other digits may be a number.
_YEARS = range(1900, 2100)

_QUOTES = "\"'`"
_FLOAT = re.compile(r"(\+?[0-9]+)\.([0-9]+)|([1-9][0-9]*),(0{1,2})")
_SCIENTIFIC = re.compile(r"([+-]?)([0-9]+)(?:[.,]([0-9]*))?e([+-]?[0-9]+)", re.IGNORECASE)
# A program does not write a number with a leading zero: the sign before it is a dash.
_NEGATIVE = re.compile(r"-[1-9]")
_EXTENSION_WORD = re.compile(
    r"(?<![^\W\d_])(?:e?xt(?:e?nsi(?:on|ón|ón))?n?|x|poste|app|apparaat|int|interno|anexo|ramal|durchwahl|dw|доб)"
    r"[\s.:=]*[0-9]{1,7}\W*\Z",
    re.IGNORECASE,
)
BRACKETS_AT_THE_END = re.compile(r"[\[(][ ./-]*[0-9][0-9 ./-]*[\])]\W*\Z")
_BETWEEN_NUMBERS = re.compile(r"[/|;,&\\\n]|[^\W\d_]+|(?=\+)")
_WIDE_GAP = re.compile(r"\s+-+\s+|\s{2,}")
_EXTENSION_SIGN = re.compile(r"[,;#~]")
_DIVIDED = re.compile(r"[,;]([^,;/]*)")
_SPACED_DASH = re.compile(r" -+ ")
_PARAMETER = re.compile(r"\s*([a-z][a-z-]*)\s*(?:=(.*))?", re.IGNORECASE)
_DATE = re.compile(
    r"(?P<first>[0-9]{1,4})(?P<separator>\s*[-./_]\s*|\s+)(?P<month>[0-9]{1,2})(?:\s*[-./_]\s*|\s+)(?P<last>[0-9]{1,4})"
    r"(?P<time>[\sT,_-]+[0-2]?[0-9](?:\s*[-:.h_]?\s*[0-5][0-9]){0,2}(?:[.,][0-9]+)?\s*(?:[ap]m|z|utc|[+-][0-9:]{2,5})?)?",
    re.IGNORECASE,
)

# A month and its year, or two years, even if libphonenumber groups digits in this way: no such number is in use.
_YEAR = "(?:19|20)[0-9]{2}"
_MONTH = re.compile(rf"{_YEAR}[-/.](?:0?[1-9]|1[0-2])|(?:0?[1-9]|1[0-2])[-/.]{_YEAR}|{_YEAR}/{_YEAR}")
_ADDRESS = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}){3})(?:[:/][0-9]+)?")
_ZERO_IN_BRACKETS = re.compile(r"[\[(]\s*0\s*([\])])?")
_PUNCTUATION = " .-/()[]_~"
# Forms, masks and cut texts have these where digits are missing: without them, it may be another number.
_IN_PLACE_OF_DIGITS = re.compile(r"([._-])(?:\s*\1)+|_\s*\Z")


class Zero(NamedTuple):
    """
    A zero that opens a bracket, as in "+44 (0)20" and "+44 (020)".

    :param position: its position among the digits.
    :param alone: whether it is alone in the bracket.
    """

    position: int
    alone: bool


class Dialled(NamedTuple):
    """
    The digits to dial, with their grouping.

    :param plus: whether it begins with a plus.
    :param groups: its digits, as they are grouped.
    :param slashes: how many digits are before each slash.
    :param dashes: how many digits are before each dash between blanks.
    :param line_ends: how many digits are before each end of a line.
    :param zero: the first zero that opens a bracket.
    :param looks_like: what it is instead, a date or an IP address, unless libphonenumber groups the number in exactly
        this way.
    """

    plus: bool
    groups: tuple[str, ...]
    slashes: frozenset[int] = frozenset()
    dashes: frozenset[int] = frozenset()
    line_ends: frozenset[int] = frozenset()
    zero: Zero | None = None
    looks_like: PhoneReason | None = None

    @property
    def digits(self) -> str:
        """All digits."""
        return "".join(self.groups)

    def cuts(self) -> Iterator[int]:
        """Give the places where a sign is between digits, as the number of digits before it."""
        yield from list(accumulate(map(len, self.groups)))[:-1]

    def before(self, cut: int) -> Dialled:
        """Return the part before a cut."""
        zero = self.zero if self.zero is not None and self.zero.position < cut else None
        return Dialled(self.plus, (self.digits[:cut],), zero=zero)

    def after(self, cut: int) -> Dialled:
        """Return the part after a cut."""
        zero = self.zero
        if zero is not None:
            zero = zero._replace(position=zero.position - cut) if zero.position >= cut else None
        return Dialled(False, (self.digits[cut:],), zero=zero)

    def without_zero(self) -> Dialled:
        """Return the same without the zero in brackets."""
        if self.zero is None:
            return self
        position, groups = self.zero.position, list(self.groups)
        for i, length in enumerate(accumulate(map(len, self.groups))):
            if position < length:
                at = position - length + len(groups[i])
                groups[i] = groups[i][:at] + groups[i][at + 1 :]
                break
        slashes, dashes, line_ends = (
            frozenset(before - (before > position) for before in places)
            for places in (self.slashes, self.dashes, self.line_ends)
        )
        return Dialled(self.plus, tuple(filter(None, groups)), slashes, dashes, line_ends, looks_like=self.looks_like)


def read_written(value: object) -> Dialled | PhoneReason:
    """
    Reduce a value to its digits, or say why it is not one number.

    :param value: text or a number, as a warehouse holds it.
    """
    text = _as_text(value)
    if isinstance(text, PhoneReason):
        return text
    text = plain(text).strip()
    if len(text) > _MAX_CHARACTERS:
        return PhoneReason.LETTERS if any(map(str.isalpha, text)) else PhoneReason.TOO_LONG
    text = _unwrapped(text)
    if stands_for_nothing(text) or is_zero(text):
        return PhoneReason.MISSING
    return _link(text[4:].strip()) if text[:4].casefold() == "tel:" else _single(text)


def _unwrapped(text: str) -> str:
    """Remove what spreadsheets and exports put around a value: blanks, quotes, ``="…"``, the mark of text."""
    wrapped = None
    while text != wrapped:
        wrapped = text
        text = text.strip().removeprefix("=")
        is_quoted = len(text) > 1 and text[0] in _QUOTES and text[0] == text[-1]
        text = text[1:-1] if is_quoted else text.removeprefix("'")
    return text


def _as_text(value: object) -> str | PhoneReason:
    """Write a value as text without losing a digit."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, np.timedelta64):  # a subclass of numpy's integers
        return PhoneReason.MISSING if np.isnat(value) else PhoneReason.NOT_TEXT
    if isinstance(value, decimal.Decimal):
        return _written_decimal(value)
    if is_missing(value):
        return PhoneReason.MISSING
    if isinstance(value, bool):
        return PhoneReason.NOT_TEXT
    if isinstance(value, dt.date | np.datetime64):
        return PhoneReason.DATE
    if isinstance(value, float | np.floating):
        if not value.is_integer():
            return PhoneReason.NOT_WHOLE
        if abs(float(value)) >= (_FLOAT_MAX if type(value) is float else _float_max(value)):
            return PhoneReason.IMPRECISE
    elif not isinstance(value, int | np.integer):
        return PhoneReason.NOT_TEXT
    whole = int(value)
    if whole < 0:
        return PhoneReason.NEGATIVE
    # Python refuses to write integers of thousands of digits.
    return PhoneReason.TOO_LONG if whole >= 10**MAX_DIGITS else str(whole)


def _float_max(value: float | np.floating[Any]) -> int:
    kind = np.float32 if isinstance(value, RoundedFloat) else type(value)
    return min(_FLOAT_MAX, 2 << int(np.finfo(kind).nmant))


def _written_decimal(value: decimal.Decimal) -> str | PhoneReason:
    if value.is_nan():
        return PhoneReason.MISSING
    if value.is_infinite() or value != value.to_integral_value():
        return PhoneReason.NOT_WHOLE
    if value < 0:
        return PhoneReason.NEGATIVE
    # The exponent may stand for more digits than fit in memory.
    if value.adjusted() >= MAX_DIGITS:
        return PhoneReason.TOO_LONG
    _, digits, exponent = value.as_tuple()
    return PhoneReason.SCIENTIFIC if any(digits) and int(exponent) > 0 else str(int(value))


def _single(text: str) -> Dialled | PhoneReason:
    digits = text.removeprefix("+")
    if digits.isdecimal():
        return Dialled(digits != text, (digits,))
    if _MONTH.fullmatch(text.strip(_PUNCTUATION)):
        return PhoneReason.DATE
    looks_like = _looks_like(text.strip(_PUNCTUATION))
    number = _float(text.strip(" ()[]"))
    if number is None:
        number = (_not_a_single_number(text) if looks_like is None else None) or text
    if isinstance(number, PhoneReason):
        return number
    rest = number.translate(_WITHOUT_PUNCTUATION)
    digits = rest.removeprefix("+")
    if looks_like is not None and not digits.isdecimal():
        return looks_like
    if digits.translate(_WITHOUT_DIGITS).strip("+"):
        return PhoneReason.CHARACTERS
    if "+" in digits:
        return PhoneReason.PLUS_INSIDE
    if not digits:
        return PhoneReason.NO_DIGITS
    zero = _ZERO_IN_BRACKETS.search(number)
    return Dialled(
        rest != digits,
        tuple(re.findall("[0-9]+", number)),
        _places("/", number),
        _places(_SPACED_DASH, number),
        _places("\n", number),
        None if zero is None else Zero(_count_digits(number[: zero.start()]), zero[1] is not None),
        looks_like,
    )


def _places(sign: str | re.Pattern[str], text: str) -> frozenset[int]:
    """Return how many digits are before each occurrence of a sign."""
    return frozenset(_count_digits(text[: match.start()]) for match in re.finditer(sign, text))


def _looks_like(text: str) -> PhoneReason | None:
    """Recognise a date (the day and the month in either order) or an IPv4 address."""
    date = _DATE.fullmatch(text)
    if date is not None and {len(date["first"]), len(date["last"])} in ({1, 4}, {2, 4}):
        year, day = sorted((date["first"], date["last"]), key=len, reverse=True)
        day_and_month = sorted((int(day), int(date["month"])))
        is_sure = date["separator"].strip() and not date["time"]
        if 0 < day_and_month[0] <= 12 and day_and_month[1] <= 31 and (is_sure or int(year) in _YEARS):
            return PhoneReason.DATE
    address = _ADDRESS.fullmatch(text)
    # Programs that write addresses in columns pad each part with zeros.
    if address is not None and all(int(part) < 256 for part in address[1].split(".")):
        return PhoneReason.ADDRESS
    return None


def _link(text: str) -> Dialled | PhoneReason:
    """Read the rest of a ``tel:`` link (RFC 3966): a number, and parameters that may be part of it."""
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
    return PhoneReason.CONTEXT if valid(digits) is None else Dialled(True, (digits,))


def _float(text: str) -> str | PhoneReason | None:
    """Restore a number that was written as a float, or tell what is wrong with it; None if it was not."""
    scientific = _SCIENTIFIC.fullmatch(text)
    if scientific is not None:
        return _scientific(*scientific.groups(default=""))
    if _NEGATIVE.match(text):
        return PhoneReason.NEGATIVE
    match = _FLOAT.fullmatch(text)
    if match is None:
        return None
    whole, fraction = match[1] or match[3], match[2] or match[4]
    is_short = len(fraction) <= 2
    if not fraction.strip("0") and (_count_digits(whole) >= ENOUGH_FOR_A_NUMBER or is_short):
        return PhoneReason.IMPRECISE if len(whole.lstrip("+0")) > _FLOAT_DIGITS else whole
    if min(len(whole), len(fraction)) >= ENOUGH_FOR_A_NUMBER and len(whole + fraction) > _FLOAT_WRITTEN_DIGITS:
        return PhoneReason.TWO_NUMBERS
    # "0123.456789" is an area code and a number; "12345.5", "33612345678.125" and "1234.56" are not.
    return PhoneReason.NOT_WHOLE if _count_digits(whole) >= ENOUGH_FOR_A_NUMBER or is_short else None


def _scientific(sign: str, whole: str, fraction: str, exponent: str) -> str | PhoneReason:
    """Write a number in scientific notation as digits, if it has all of them: 3.3612345678E10."""
    if int(exponent) > len(fraction):
        return PhoneReason.SCIENTIFIC
    if sign == "-":
        return PhoneReason.NEGATIVE
    point = max(len(whole) + int(exponent), 0)
    digits = whole + fraction
    if digits[point:].strip("0"):
        return PhoneReason.NOT_WHOLE
    written = digits[:point].lstrip("0") or "0"
    return PhoneReason.IMPRECISE if len(written) > _FLOAT_DIGITS else sign + written


def _not_a_single_number(text: str) -> PhoneReason | None:
    """Find the reason why text is more, or less, than one number."""
    extension = _EXTENSION_WORD.search(text)
    if extension is not None and _count_digits(text[: extension.start()]) >= MIN_DIGITS:
        several = _holds_several(text[: extension.start()])
        return PhoneReason.TWO_NUMBERS if several else PhoneReason.EXTENSION
    brackets = BRACKETS_AT_THE_END.search(text)
    if brackets is not None:
        before, inside = _count_digits(text[: brackets.start()]), _count_digits(brackets[0])
        if before > ENOUGH_FOR_A_NUMBER or (before >= MIN_DIGITS and inside < ENOUGH_WITHOUT_AREA_CODE):
            return PhoneReason.TWO_NUMBERS if inside >= ENOUGH_FOR_A_NUMBER else PhoneReason.EXTENSION
    if _holds_several(text):
        return PhoneReason.TWO_NUMBERS
    if any(map(str.isalpha, text)):
        return PhoneReason.LETTERS
    sign = _EXTENSION_SIGN.search(text)
    if sign is not None and _count_digits(text[: sign.start()]) >= ENOUGH_FOR_A_NUMBER:
        divided = _DIVIDED.match(text, sign.start())
        if divided is not None and _count_digits(divided[1]) >= ENOUGH_WITHOUT_AREA_CODE:
            return PhoneReason.TWO_NUMBERS
        after = _count_digits(text[sign.end() :])
        if 0 < after < ENOUGH_FOR_A_NUMBER and (sign.group() != "~" or text.count("~") == 1):
            return PhoneReason.EXTENSION
    return PhoneReason.MASKED if _IN_PLACE_OF_DIGITS.search(text) else None


def _holds_several(text: str) -> bool:
    if _numbers_between(_BETWEEN_NUMBERS, text, ENOUGH_FOR_A_NUMBER) > 1:
        return True
    if _numbers_between(_WIDE_GAP, text, _TOO_MANY_TWICE) > 1:
        return True
    return sum(len(run) >= _TOO_MANY_TWICE for run in re.findall("[0-9]+", text)) > 1


def _numbers_between(separator: re.Pattern[str], text: str, enough: int) -> int:
    return sum(_count_digits(part) >= enough for part in separator.split(text))


def _count_digits(text: str) -> int:
    return sum(map(str.isdecimal, text))


_WITHOUT_DIGITS = dict.fromkeys(map(ord, "0123456789"))
_WITHOUT_PUNCTUATION = {ord(character): None for character in (*_PUNCTUATION, "\n")}
