"""What is asked of libphonenumber."""

from __future__ import annotations

import phonenumbers
from phonenumbers import CountryCodeSource, NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from airflow_provider_octopush.phones.reasons import PhoneReason

REGIONS: frozenset[str] = frozenset(phonenumbers.SUPPORTED_REGIONS)

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


def e164(number: PhoneNumber) -> str:
    """Write a number as it is sent."""
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))


def is_mobile(number: PhoneNumber) -> bool:
    """Tell whether a valid number is of a type that can receive SMS."""
    return phonenumbers.number_type(number) in _SMS_TYPES


def unreadable(digits: str) -> PhoneReason | None:
    """Tell why digits after a plus are not even a number, valid or not; None when they are."""
    try:
        phonenumbers.parse(f"+{digits}")
    except NumberParseException as error:
        return _PARSE_REASONS[error.error_type]
    return None


def in_region(digits: str, region: str) -> PhoneNumber | None:
    """
    Read a number as it is dialled within a region: in national form, or through the region's own international prefix.

    :return: None when it is not valid, or in national form and not of the very region.
    """
    try:
        number = phonenumbers.parse(digits, region, keep_raw_input=True)
    except NumberParseException:
        return None
    if number.country_code_source == CountryCodeSource.FROM_NUMBER_WITH_IDD:
        return number if phonenumbers.is_valid_number(number) else None
    return number if phonenumbers.is_valid_number_for_region(number, region) else None


def valid(digits: str, zero: int | None = None) -> PhoneNumber | None:
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
    return valid(digits[:zero] + digits[zero + 1 :])
