"""A raw value of a phone number → E.164, or the reason why not."""

from __future__ import annotations

import decimal
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, get_args

import numpy as np
import phonenumbers
from phonenumbers import CountryCodeSource, NumberParseException, PhoneNumberType

from airflow_provider_octopush.phones.numbering_plan import read_international, read_national
from airflow_provider_octopush.phones.options import PhoneCheck
from airflow_provider_octopush.phones.reasons import PhoneReason
from airflow_provider_octopush.values import is_missing

_PARSE_REASONS = {
    NumberParseException.INVALID_COUNTRY_CODE: PhoneReason.UNKNOWN_COUNTRY_CODE,
    NumberParseException.NOT_A_NUMBER: PhoneReason.TOO_SHORT,
    NumberParseException.TOO_SHORT_AFTER_IDD: PhoneReason.TOO_SHORT,
    NumberParseException.TOO_SHORT_NSN: PhoneReason.TOO_SHORT,
    NumberParseException.TOO_LONG: PhoneReason.TOO_LONG,
}

#: Where landlines and mobiles share their ranges (as in the US), libphonenumber cannot tell, and neither can we.
#: Pagers, VoIP and personal numbers may or may not be able to receive SMS; whoever asks for mobiles gets no maybe.
_SMS_TYPES = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})

#: From here on a float of 64 bits has lost digits.
_FLOAT_MAX = 2**53

#: Digits of a float that are right in decimal (DBL_DIG in C).
_FLOAT_DIGITS = 15

#: Digits that no number in any form exceeds: 17 of libphonenumber's longest national number, 3 of the country code, and
#: an international prefix such as 00 or 0011.
_MAX_DIGITS = 24

#: libphonenumber knows no valid number with fewer digits, in any region.
_MIN_DIGITS = 4

#: Digits that make up a phone number of their own, where a value may hold two.
_ENOUGH_FOR_A_NUMBER = 7

#: Twice as many are more than E.164's 15 digits, so that blanks and dashes between them cannot be mere punctuation.
_TOO_MANY_TWICE = 8

#: What may follow a number and a slash that offers an alternative to its last digits, as in "06 12 34 56 78/79".
_MAX_ALTERNATIVE = 4

# Groups of digits with blanks or dashes between them, or with dots where they cannot be the point of a fraction. What
# needs judgement (a zero in brackets, an extension, two numbers) is not of this form.
_GROUPED = re.compile(r"\+?[0-9]++(?:(?:[ -][0-9]++)*+|(?:\.[0-9]{2,4}){2,})")

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


class _Dialled(NamedTuple):
    """
    What a value leaves to dial.

    :param plus: whether it begins with a plus.
    :param digits: all its digits.
    :param zero: the position among them of a zero that stands in brackets.
    """

    plus: bool
    digits: str
    zero: int | None


class PhoneReader:
    """
    Reads phone numbers.

    A number in international form (with a plus) need only parse, unless ``phone_check`` asks for more; if
    libphonenumber holds it valid, it comes in libphonenumber's E.164, if not, digit for digit as it was written. A
    number without a plus is always a guess and needs to be valid where it is guessed to be. The guesses are, in this
    order: ``00`` before an international number, a national number in each region (or dialled from there abroad, such
    as ``011`` in the US), an international number that lost its plus. The regions come before the lost plus because
    the caller has said that the numbers are from there. Only where both readings are of the same country and one of
    them alone is mobile, that one is meant: 4915123456789 in DE is not a landline of Leer with an area code 4915.

    Where libphonenumber cannot tell one region's numbers from another's, it is the region that is asked for that
    counts: a number of Jersey is not valid in GB, one of Réunion not in FR.

    :param default_region: region (ISO 3166-1 alpha-2, such as ``FR``) of numbers in national form, or several of them:
        the first in which a number is valid wins.
    :param phone_check: ``format``: as above. ``valid``: libphonenumber must hold every number valid. ``mobile``: valid,
        and mobile, or of a range that mobiles and landlines share, as in the US. Pagers, VoIP and personal numbers are
        not taken, for nobody can tell from the number whether they receive SMS.
    :raises ValueError: when a region or the check does not exist.
    """

    def __init__(self, default_region: str | Sequence[str] = (), phone_check: PhoneCheck = "format") -> None:
        regions = [default_region] if isinstance(default_region, str) else default_region
        self._default_regions = [_checked_region(region) for region in regions]
        if phone_check not in get_args(PhoneCheck):
            raise ValueError(
                f"phone_check is {phone_check!r}: write one of {', '.join(map(repr, get_args(PhoneCheck)))}"
            )
        self._phone_check = phone_check
        self._mobile = phone_check == "mobile"

    def read(self, value: object, region: object = None) -> str | PhoneReason:
        """
        Read one number.

        :param value: text or a number, as a warehouse holds it.
        :param region: the region of this number, which then decides alone; when missing, ``default_region`` does.
        :return: ``+`` and digits, or the reason why it is none.
        """
        return self.read_all((value,), (region,))[0]

    def read_all(self, values: Iterable[object], regions: Iterable[object]) -> list[str | PhoneReason]:
        """
        Read a column of numbers.

        :param values: of which each is what :meth:`read` takes.
        :param regions: one for each value.
        :return: what :meth:`read` gives for each of them.
        """
        mobile = self._mobile
        numbers: list[str | PhoneReason] = []
        for value, region in zip(values, regions, strict=True):
            number = None
            if type(value) is str and "  " not in value:
                # Most numbers are digits and blanks, and valid: their way is a short one, and what it does not know
                # goes the long way.
                digits = value.replace(" ", "")
                if not digits[1:].isdigit() and _GROUPED.fullmatch(value):
                    digits = digits.replace("-", "").replace(".", "")
                if digits[:1] == "+":
                    number = digits if read_international(digits[1:], mobile=mobile) else None
                elif digits[:2] != "00":
                    if type(region) is str and region in phonenumbers.SUPPORTED_REGIONS:
                        number = read_national(digits, region, mobile=mobile)
                    elif (first := self._first_region(region)) is not None:
                        number = read_national(digits, first, mobile=mobile)
            numbers.append(self._read(value, region) if number is None else number)
        return numbers

    def _first_region(self, region: object) -> str | None:
        """Return the region in which a number is looked for first."""
        if region is None or _is_blank(region):
            return self._default_regions[0] if self._default_regions else None
        return _region(region) if _is_region(region) else None

    def _read(self, value: object, region: object) -> str | PhoneReason:
        text = _written(value)
        if isinstance(text, PhoneReason):
            return text
        dialled = _dialled(text)
        if isinstance(dialled, PhoneReason):
            return dialled
        if dialled.plus:
            return self._international(dialled)
        regions = self._default_regions
        if not _is_blank(region):
            if not _is_region(region):
                return PhoneReason.UNKNOWN_REGION
            regions = [_region(region)]
        return self._guess(dialled, regions)

    def _international(self, dialled: _Dialled) -> str | PhoneReason:
        number = _valid(dialled.digits, dialled.zero)
        if number is not None:
            return self._checked(number)
        try:
            phonenumbers.parse(f"+{dialled.digits}")
        except NumberParseException as error:
            return _PARSE_REASONS[error.error_type]
        return f"+{dialled.digits}" if self._phone_check == "format" else PhoneReason.NOT_VALID

    def _guess(self, dialled: _Dialled, regions: Sequence[str]) -> str | PhoneReason:
        for number in _readings(dialled, regions):
            return self._checked(number)
        if len(dialled.digits) < _MIN_DIGITS:
            return PhoneReason.TOO_SHORT
        if len(dialled.digits) > _MAX_DIGITS:
            return PhoneReason.TOO_LONG
        if regions:
            return PhoneReason.NOT_VALID_IN_REGION
        return PhoneReason.NOT_VALID if dialled.digits.startswith("00") else PhoneReason.NO_REGION

    def _checked(self, number: phonenumbers.PhoneNumber) -> str | PhoneReason:
        if self._mobile and phonenumbers.number_type(number) not in _SMS_TYPES:
            return PhoneReason.NOT_MOBILE
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _is_blank(value: object) -> bool:
    return not _plain(value).strip() if isinstance(value, str) else is_missing(value)


def _region(region: object) -> str:
    return _plain(str(region)).strip().upper()


def _is_region(region: object) -> bool:
    return isinstance(region, str) and _region(region) in phonenumbers.SUPPORTED_REGIONS


def _checked_region(region: object) -> str:
    if not _is_region(region):
        raise ValueError(f"default_region {region!r} is not a region: write an ISO 3166-1 code such as 'FR'")
    return _region(region)


def _written(value: object) -> str | PhoneReason:
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
    return PhoneReason.TOO_LONG if whole >= 10**_MAX_DIGITS else str(whole)


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
    return PhoneReason.TOO_LONG if value.adjusted() >= _MAX_DIGITS else str(int(value))


def _dialled(text: str) -> _Dialled | PhoneReason:
    """Reduce text to its digits; or say what else it holds."""
    text = _plain(text).strip()
    if not text:
        return PhoneReason.MISSING
    text = text.removeprefix("'").strip()  # spreadsheets mark text with it
    return _link(text[4:].strip()) if text[:4].casefold() == "tel:" else _single(text)


def _single(text: str) -> _Dialled | PhoneReason:
    digits = text.removeprefix("+")
    if digits.isdecimal():
        return _Dialled(digits != text, digits, None)
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
    return _Dialled(rest != digits, digits, None if zero is None else _count_digits(number[: zero.start()]))


def _link(text: str) -> _Dialled | PhoneReason:
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
    return PhoneReason.CONTEXT if _valid(digits) is None else _Dialled(True, digits, None)


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
    if extension is not None and _count_digits(text[: extension.start()]) >= _MIN_DIGITS:
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


def _plain(text: str) -> str:
    """Write the digits, signs and blanks of Unicode as those of ASCII; drop invisible marks."""
    if text.isascii():
        return text if text.isprintable() else text.translate(_PLAIN_CONTROLS)
    plain = []
    for character in text:
        digit = unicodedata.decimal(character, None)
        category = unicodedata.category(character)
        if digit is not None:
            plain.append(str(digit))
        elif category in ("Zl", "Zp"):
            plain.append("\n")
        elif category == "Zs":
            plain.append(" ")
        elif category == "Cc":
            plain.append(character.translate(_PLAIN_CONTROLS))
        elif category == "Cf":
            continue
        elif category == "Pd":
            plain.append("-")
        else:
            plain.append(_ASCII_OF.get(character, character))
    return "".join(plain)


_PLAIN_CONTROLS = {**dict.fromkeys(b"\t\v\f", " "), **dict.fromkeys(b"\r\x85", "\n")}

_ASCII_OF = {
    **dict.fromkeys("\u2212\u02d7\u2043\u30fc", "-"),
    **dict.fromkeys("\u2053\u223c\uff5e", "~"),
    "\uff3b": "[",
    "\uff3d": "]",
    **dict.fromkeys("\uff0b\ufe62", "+"),
    **dict.fromkeys("\uff08\u207d", "("),
    **dict.fromkeys("\uff09\u207e", ")"),
    **dict.fromkeys("\uff0f\u2044\u2215", "/"),
    **dict.fromkeys("\uff0e\u2024\u2027\u2022\u00b7\u30fb", "."),
    **dict.fromkeys("\u2019\uff07", "'"),
    "\uff0c": ",",
    "\uff1b": ";",
    "\uff1a": ":",
    "\uff03": "#",
}


def _readings(dialled: _Dialled, regions: Sequence[str]) -> Iterator[phonenumbers.PhoneNumber]:
    """Give the valid numbers that digits without a plus may stand for, the likeliest first."""
    digits, zero = dialled.digits, dialled.zero
    if digits.startswith("00"):
        number = _valid(digits[2:], None if zero is None else zero - 2)
        if number is not None:
            yield number
    for region in regions:
        try:
            number = phonenumbers.parse(digits, region, keep_raw_input=True)
        except NumberParseException:
            continue
        if number.country_code_source == CountryCodeSource.FROM_NUMBER_WITH_IDD:
            if phonenumbers.is_valid_number(number):
                yield number
        elif phonenumbers.is_valid_number_for_region(number, region):
            yield _mobile_that_lost_its_plus(digits, number) or number
    number = _valid(digits, zero)
    if number is not None:
        yield number


def _mobile_that_lost_its_plus(digits: str, national: phonenumbers.PhoneNumber) -> phonenumbers.PhoneNumber | None:
    if not digits.startswith(str(national.country_code)) or phonenumbers.number_type(national) in _SMS_TYPES:
        return None
    number = _valid(digits)
    return number if number is not None and phonenumbers.number_type(number) in _SMS_TYPES else None


def _valid(digits: str, zero: int | None = None) -> phonenumbers.PhoneNumber | None:
    """
    Read an international number.

    :param digits: from the country code on.
    :param zero: the position of a zero in brackets. Behind the country code it is no part of the number wherever the
        number is not valid with it: "+34 (0)612…", though Spain knows no such prefix, but not "+39 (0)6…".
    :return: None when it is not valid.
    """
    try:
        number = phonenumbers.parse(f"+{digits}")
    except NumberParseException:
        return None
    if phonenumbers.is_valid_number(number):
        return number
    if zero is None or digits[:zero] != str(number.country_code):
        return None
    return _valid(digits[:zero] + digits[zero + 1 :])
