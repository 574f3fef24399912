"""The questions that libphonenumber answers."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

import phonenumbers
from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    CountryCodeSource,
    NumberParseException,
    PhoneMetadata,
    PhoneNumberFormat,
    PhoneNumberType,
)

from airflow_provider_octopush.phones.reasons import PhoneReason

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

REGIONS: frozenset[str] = frozenset(phonenumbers.SUPPORTED_REGIONS)

_COUNTRY_CODES: dict[str, tuple[str, ...]] = {
    str(code): regions for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()
}

_PARSE_REASONS = {
    NumberParseException.INVALID_COUNTRY_CODE: PhoneReason.UNKNOWN_COUNTRY_CODE,
    NumberParseException.NOT_A_NUMBER: PhoneReason.TOO_SHORT,
    NumberParseException.TOO_SHORT_AFTER_IDD: PhoneReason.TOO_SHORT,
    NumberParseException.TOO_SHORT_NSN: PhoneReason.TOO_SHORT,
    NumberParseException.TOO_LONG: PhoneReason.TOO_LONG,
}

#: Where landlines and mobiles share ranges (as in the US), libphonenumber cannot tell them apart. Pagers, VoIP and
#: personal numbers may or may not receive SMS, so they do not count as mobiles.
_SMS_TYPES = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})

#: Types of numbers that a person can have.
_PERSONAL_TYPES = _SMS_TYPES | {PhoneNumberType.FIXED_LINE, PhoneNumberType.VOIP, PhoneNumberType.PERSONAL_NUMBER}


def e164(number: PhoneNumber) -> str:
    """Write a number as it is sent."""
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))


def is_mobile(number: PhoneNumber) -> bool:
    """Tell whether a valid number is of a type that can receive SMS."""
    return phonenumbers.number_type(number) in _SMS_TYPES


def is_personal(number: PhoneNumber) -> bool:
    """Tell whether a valid number is of a type that a person can have: not toll free, premium, voicemail, …"""
    return phonenumbers.number_type(number) in _PERSONAL_TYPES


def is_of(number: PhoneNumber, region: str) -> bool:
    """Tell whether a number is valid in this region itself, not only in another one with the same country code."""
    return bool(phonenumbers.is_valid_number_for_region(number, region))


def is_grouped(number: PhoneNumber, groups: tuple[str, ...]) -> bool:
    """Tell whether libphonenumber writes a number in exactly these groups of digits, nationally or internationally."""
    national = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
    international = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
    written = [tuple(re.findall("[0-9]+", text)) for text in (national, international)]
    return groups in (*written, written[1][1:])


def region_of(number: PhoneNumber) -> str:
    """Return the region of a valid number; if several share its country code, the first in which it is valid."""
    return str(phonenumbers.region_code_for_number(number))


def has_country_written(number: PhoneNumber) -> bool:
    """
    Tell whether a number that :func:`dialled_in` returned was written with an international prefix, and so its country.
    """
    return bool(number.country_code_source == CountryCodeSource.FROM_NUMBER_WITH_IDD)


@functools.cache
def trunk_prefix(region: str) -> str:
    """
    Return the prefix that is dialled before a number in national form, such as 0 in France; empty if there is none.
    """
    return phonenumbers.ndd_prefix_for_region(region, True) or ""


def country_code(digits: str) -> str:
    """Return the country code that digits begin with; empty if there is none."""
    return next((digits[:length] for length in (1, 2, 3) if digits[:length] in _COUNTRY_CODES), "")


@functools.cache
def country_code_of(region: str) -> str:
    """Return the country code of a region."""
    return str(phonenumbers.country_code_for_region(region))


def has_trunk_prefix_zero(code: str) -> bool:
    """Tell whether 0 is dialled before a number in national form, in the country of a country code."""
    return code in _COUNTRY_CODES and trunk_prefix(_COUNTRY_CODES[code][0]) == "0"


def without_trunk_zero(digits: str) -> str:
    """
    Drop a trunk prefix 0 after the country code that digits begin with.

    It stays if the country has no such prefix, or has numbers that begin with 0. Two zeros stay too: in some countries,
    numbers that cannot be dialled from abroad begin with them.
    """
    code = country_code(digits)
    national = digits.removeprefix(code)
    is_trunk_prefix = national[:1] == "0" and national[1:2] != "0" and has_trunk_prefix_zero(code)
    return f"{code}{national[1:]}" if is_trunk_prefix and not begin_with_zero(code) else digits


@functools.cache
def begin_with_zero(code: str) -> bool:
    """Tell whether numbers begin with a zero and another digit, in the country of a country code."""
    for plan in _plans(code):
        pattern = plan.general_desc.national_number_pattern if plan.general_desc else None
        lengths = plan.general_desc.possible_length if plan.general_desc else ()
        # In general descriptions, the first digits decide; the others may be any.
        tried = (f"0{second}".ljust(length, "1") for second in range(1, 10) for length in lengths)
        if pattern and any(re.fullmatch(pattern, digits) for digits in tried):
            return True
    return False


def is_too_short(digits: str) -> bool:
    """Tell whether digits that begin with a country code are shorter than any number there."""
    code = country_code(digits)
    national = digits.removeprefix(code)
    if has_trunk_prefix_zero(code):
        national = national.removeprefix("0")
    return len(national) < _fewest_digits(code)


@functools.cache
def _fewest_digits(code: str) -> int:
    return min(
        (length for plan in _plans(code) if plan.general_desc for length in plan.general_desc.possible_length),
        default=0,
    )


def _plans(code: str) -> list[PhoneMetadata]:
    plans = (PhoneMetadata.metadata_for_region_or_calling_code(int(code), region) for region in _COUNTRY_CODES[code])
    return [plan for plan in plans if plan is not None]


def unreadable(digits: str) -> PhoneReason | None:
    """Tell why digits after a plus are not even an invalid number; None if they are a number."""
    try:
        phonenumbers.parse(f"+{digits}")
    except NumberParseException as error:
        return _PARSE_REASONS[error.error_type]
    return None


def valid(digits: str) -> PhoneNumber | None:
    """
    Read an international number.

    :param digits: from the country code on.
    :return: the number; None if it is not valid.
    """
    try:
        number = phonenumbers.parse(f"+{digits}")
    except NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) and not _has_country_code_twice(number, digits) else None


def _has_country_code_twice(number: PhoneNumber, digits: str) -> bool:
    """
    Tell whether digits are a number with its country code written twice.

    If the country code is also the trunk prefix, libphonenumber drops the second one: 00 11 507… would be a number of
    Minnesota, but Australians dial 0011 507… for one of Panama.
    """
    code = str(number.country_code)
    return digits == f"{code}{code}{phonenumbers.national_significant_number(number)}"


def after_another_country_code(digits: str) -> str:
    """
    Return the number after a superfluous country code, as in +33 0033 6…, +33 033 6… and +33 33 6…

    :param digits: digits from the first country code on, which are not a valid number.
    :return: its digits; empty if there is no valid number.
    """
    code = country_code(digits)
    national = digits[len(code) :]
    is_abroad = national.startswith("00")
    number = national.removeprefix("00") if is_abroad else national.removeprefix("0")
    is_one = code and (is_abroad or number.startswith(code)) and valid(number) is not None
    return number if is_one else ""


def dialled_in(digits: str, region: str) -> PhoneNumber | None:
    """
    Read a number as it is dialled within a region: in national form, or abroad with the region's international prefix.

    :return: the number; None if it is not valid, or if it is in national form and not of this region itself.
    """
    try:
        number = phonenumbers.parse(digits, region, keep_raw_input=True)
    except NumberParseException:
        return None
    if has_country_written(number):
        after = _after_international_prefix(digits, region)
        is_number = phonenumbers.is_valid_number(number) and not _has_country_code_twice(number, after)
        return number if is_number else None
    return number if is_of(number, region) else None


def _after_international_prefix(digits: str, region: str) -> str:
    metadata = PhoneMetadata.metadata_for_region(region, None)
    prefix = re.match(metadata.international_prefix or "", digits) if metadata is not None else None
    return digits[prefix.end() :] if prefix is not None else digits
