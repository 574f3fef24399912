"""A raw value of a phone number → E.164, or the reason why not."""

from __future__ import annotations

import decimal
import enum
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import numpy as np
import phonenumbers
from phonenumbers import CountryCodeSource, NumberParseException, PhoneNumberType

from airflow_provider_octopush.contacts.text import is_missing

PhoneCheck = Literal["format", "valid", "mobile"]


class PhoneReason(enum.Enum):
    """Why a value is no phone number; the value is what a person reads beside a count, and holds nothing of the row."""

    MISSING = "phone number missing"
    NOT_TEXT = "phone number is neither text nor a number"
    NOT_WHOLE = "phone number is not a whole number: digits are lost, read the column as text"
    SCIENTIFIC = "phone number in scientific notation: digits are lost, read the column as text"
    NEGATIVE = "phone number is negative"
    LETTERS = "phone number has letters"
    CHARACTERS = "phone number has characters that no phone number has"
    NO_DIGITS = "phone number has no digits"
    EXTENSION = "phone number has an extension"
    TWO_NUMBERS = "two phone numbers in one value"
    PLUS_INSIDE = "phone number has a plus that is not at its start"
    TOO_SHORT = "phone number too short"
    TOO_LONG = "phone number too long"
    UNKNOWN_COUNTRY_CODE = "phone number with a country code that does not exist"
    UNKNOWN_REGION = "region is not an ISO 3166-1 code of a country"
    NO_REGION = "phone number in national form and no region is known: set default_region"
    NOT_VALID_IN_REGION = "phone number is not valid in any region it may be of"
    NOT_VALID = "phone number is not valid in its country"
    NOT_MOBILE = "phone number cannot receive SMS: its type is not mobile"


_PARSE_REASONS = {
    NumberParseException.INVALID_COUNTRY_CODE: PhoneReason.UNKNOWN_COUNTRY_CODE,
    NumberParseException.NOT_A_NUMBER: PhoneReason.TOO_SHORT,
    NumberParseException.TOO_SHORT_AFTER_IDD: PhoneReason.TOO_SHORT,
    NumberParseException.TOO_SHORT_NSN: PhoneReason.TOO_SHORT,
    NumberParseException.TOO_LONG: PhoneReason.TOO_LONG,
}

#: Where landlines and mobiles share their ranges (as in the US), libphonenumber cannot tell, and neither can we.
_SMS_TYPES = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})

#: From here on a float has lost digits.
_FLOAT_MAX = 2**53

#: Digits that make up a phone number of their own, where a value may hold two.
_ENOUGH_FOR_A_NUMBER = 7

_WHOLE_FLOAT = re.compile(r"(\+?[0-9]{7,15})\.0+")
_FRACTION = re.compile(r"\+?[0-9]{7,}\.[0-9]{1,2}")
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]*)?e[+-]?[0-9]+", re.IGNORECASE)
_EXTENSION_WORD = re.compile(
    r"(?:e?xt(?:e?nsion)?|x|poste|app|int|anexo|durchwahl|dw)[\s.:=]*[0-9]{1,7}", re.IGNORECASE
)
_EXTENSION_SIGN = re.compile(r"[0-9][\s)]*[,;#][\s,;#]*[0-9]{1,6}#?")
_CONTEXT = re.compile(r";phone-context=(\+[0-9.()-]+)", re.IGNORECASE)
_TRUNK_ZERO = re.compile(r"\+[0-9\s]+[\[(]\s*0\s*[\])]")
_PUNCTUATION = " .-/()[]_~"


class PhoneReader:
    """
    Reads phone numbers.

    A number in international form (with a plus) need only parse, unless ``phone_check`` asks for more; if
    libphonenumber holds it valid, it comes in libphonenumber's E.164, if not, digit for digit as it was written. A
    number without a plus is always a guess and needs to be valid where it is guessed to be. The guesses are, in this
    order: ``00`` before an international number, a national number in each region, an international number that lost
    its plus.

    :param default_region: region (ISO 3166-1 alpha-2, such as ``FR``) of numbers in national form, or several of them:
        the first in which a number is valid wins.
    :param phone_check: ``format``: as above. ``valid``: libphonenumber must hold every number valid. ``mobile``: valid,
        and of a type that can receive SMS.
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

    def read(self, value: object, region: object = None) -> str | PhoneReason:
        """
        Read one number.

        :param value: text or a number, as a warehouse holds it.
        :param region: the region of this number, which then decides alone; when missing, ``default_region`` does.
        :return: ``+`` and digits, or the reason why it is none.
        """
        if is_missing(value):
            return PhoneReason.MISSING
        text = _written(value)
        if isinstance(text, PhoneReason):
            return text
        dialled = _dialled(text)
        if isinstance(dialled, PhoneReason):
            return dialled
        if dialled.startswith("+"):
            return self._international(dialled, text)
        regions = self._default_regions
        if not is_missing(region):
            if not _is_region(region):
                return PhoneReason.UNKNOWN_REGION
            regions = [str(region).strip().upper()]
        return self._guess(dialled, regions)

    def _international(self, dialled: str, text: str) -> str | PhoneReason:
        try:
            number = phonenumbers.parse(dialled)
        except NumberParseException as error:
            return _PARSE_REASONS[error.error_type]
        if not phonenumbers.is_valid_number(number):
            # "+34 (0)612…": the zero is no part of the number even where the country has no such prefix.
            zero = _TRUNK_ZERO.match(text)
            if zero is not None:
                digits = sum(character.isdigit() for character in zero.group())
                without = _valid(dialled[:digits] + dialled[digits + 1 :])
                if without is not None:
                    return self._checked(without)
            return dialled if self._phone_check == "format" else PhoneReason.NOT_VALID
        return self._checked(number)

    def _guess(self, digits: str, regions: Sequence[str]) -> str | PhoneReason:
        for number in _readings(digits, regions):
            return self._checked(number)
        return PhoneReason.NOT_VALID_IN_REGION if regions else PhoneReason.NO_REGION

    def _checked(self, number: phonenumbers.PhoneNumber) -> str | PhoneReason:
        if self._phone_check == "mobile" and phonenumbers.number_type(number) not in _SMS_TYPES:
            return PhoneReason.NOT_MOBILE
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _is_region(region: object) -> bool:
    return isinstance(region, str) and region.strip().upper() in phonenumbers.SUPPORTED_REGIONS


def _checked_region(region: object) -> str:
    if not _is_region(region):
        raise ValueError(f"default_region {region!r} is not a region: write an ISO 3166-1 code such as 'FR'")
    return str(region).strip().upper()


def _written(value: object) -> str | PhoneReason:
    """Write a value as text without losing a digit."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return PhoneReason.NOT_TEXT
    if isinstance(value, decimal.Decimal):
        if not value.is_finite() or value != value.to_integral_value():
            return PhoneReason.NOT_WHOLE
    elif isinstance(value, float | np.floating):
        number = float(value)
        if not number.is_integer() or abs(number) >= _FLOAT_MAX:
            return PhoneReason.NOT_WHOLE
    elif not isinstance(value, int | np.integer):
        return PhoneReason.NOT_TEXT
    whole = int(value)
    return PhoneReason.NEGATIVE if whole < 0 else str(whole)


def _dialled(text: str) -> str | PhoneReason:
    """Reduce text to a plus, where it begins with one, and digits; or say what else it holds."""
    text = _plain(text).strip().removeprefix("'").strip()
    if text[:4].casefold() == "tel:":
        text = text[4:].lstrip()
        context = _CONTEXT.search(text)
        if context is not None:
            text = text[: context.start()] + text[context.end() :]
            if not text.startswith("+"):
                text = context.group(1) + text
    whole = _WHOLE_FLOAT.fullmatch(text)
    if whole is not None:
        return whole.group(1)
    if _FRACTION.fullmatch(text):
        return PhoneReason.NOT_WHOLE
    if _SCIENTIFIC.fullmatch(text):
        return PhoneReason.SCIENTIFIC
    if re.fullmatch(r"-[0-9.]+", text):
        return PhoneReason.NEGATIVE
    digits = "".join(character for character in text if character.isdecimal())
    if _EXTENSION_WORD.search(text) and digits:
        return PhoneReason.EXTENSION
    if any(character.isalpha() for character in text):
        return PhoneReason.LETTERS
    numbers_in_it = [
        part
        for part in re.split(r"[/|;,\n]|(?<=[0-9)])\s*(?=\+)", text)
        if sum(map(str.isdecimal, part)) >= _ENOUGH_FOR_A_NUMBER
    ]
    if len(numbers_in_it) > 1:
        return PhoneReason.TWO_NUMBERS
    if _EXTENSION_SIGN.search(text):
        return PhoneReason.EXTENSION
    rest = text.translate(_WITHOUT_PUNCTUATION)
    if "+" in rest.removeprefix("+"):
        return PhoneReason.PLUS_INSIDE
    if rest.removeprefix("+") != digits:
        return PhoneReason.CHARACTERS
    return rest if digits else PhoneReason.NO_DIGITS


_WITHOUT_PUNCTUATION = {ord(character): None for character in (*_PUNCTUATION, "\n")}


def _plain(text: str) -> str:
    """Write the digits, signs and blanks of Unicode as those of ASCII; drop invisible marks."""
    if text.isascii():
        return text.translate({9: " ", 11: " ", 12: " ", 13: "\n"}) if not text.isprintable() else text
    plain = []
    for character in text:
        digit = unicodedata.decimal(character, None)
        category = unicodedata.category(character)
        if digit is not None:
            plain.append(str(digit))
        elif character in "\n\r" or category in ("Zl", "Zp"):
            plain.append("\n")
        elif category in ("Zs", "Cc"):
            plain.append(" ")
        elif category == "Cf":
            continue
        elif category == "Pd" or character in "\u2212\u02d7\uff5e":
            plain.append("-")
        else:
            plain.append(_ASCII_OF.get(character, character))
    return "".join(plain)


_ASCII_OF = {
    **dict.fromkeys("\uff0b\ufe62", "+"),
    **dict.fromkeys("\uff08\u207d", "("),
    **dict.fromkeys("\uff09\u207e", ")"),
    **dict.fromkeys("\uff0f\u2044\u2215", "/"),
    **dict.fromkeys("\uff0e\u2024\u2022\u00b7\u30fb", "."),
    **dict.fromkeys("\u2019\uff07", "'"),
    "\uff0c": ",",
    "\uff1b": ";",
    "\uff1a": ":",
    "\uff03": "#",
}


def _readings(digits: str, regions: Sequence[str]) -> Iterator[phonenumbers.PhoneNumber]:
    """Give the valid numbers that digits without a plus may stand for, the likeliest first."""
    if digits.startswith("00"):
        number = _valid(f"+{digits[2:]}")
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
            yield number
    number = _valid(f"+{digits}")
    if number is not None:
        yield number


def _valid(international: str) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(international)
    except NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None
