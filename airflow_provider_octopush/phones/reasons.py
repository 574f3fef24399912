"""The reasons why a value is not a phone number."""

from __future__ import annotations

import enum


class PhoneReason(enum.Enum):
    """
    Why a value is not a phone number, in words that a person reads beside a count, and that quote nothing of the row.
    """

    MISSING = "phone number missing"
    ANOTHER_COLUMN = "phone number missing in its column, but another one has some: give it the same name"
    NOT_TEXT = "phone number is neither text nor a number"
    NOT_WHOLE = "phone number is not a whole number: digits are lost, read the column as text"
    IMPRECISE = "phone number in a float too small for it: digits are lost, read the column as text"
    SCIENTIFIC = "phone number in scientific notation: digits are lost, read the column as text"
    NEGATIVE = "phone number is negative"
    LETTERS = "phone number has letters"
    CHARACTERS = "phone number has characters that no phone number has"
    MASKED = "phone number has signs in place of digits, such as .. or __"
    DATE = "a date, not a phone number"
    ADDRESS = "an IP address, not a phone number"
    NO_DIGITS = "phone number has no digits"
    EXTENSION = "phone number has an extension"
    CONTEXT = "phone number is not valid within the phone-context of its tel: link"
    TWO_NUMBERS = "two phone numbers in one value"
    PLUS_INSIDE = "phone number has a plus that is not at its start"
    TOO_SHORT = "phone number too short"
    TOO_LONG = "phone number too long"
    UNKNOWN_COUNTRY_CODE = "phone number with a country code that does not exist"
    UNKNOWN_REGION = "region is not a country code: write two letters, such as FR (GB for the United Kingdom)"
    NO_COUNTRY_CODE = "phone number without a plus does not begin with a country code"
    NO_REGION = (
        "phone number without a plus and no region is known: set default_region if numbers are in national form, "
        "or number_format if they begin with their country code"
    )
    AMBIGUOUS = "phone number may be of two countries: write it with a plus"
    NOT_VALID_IN_REGION = "phone number is not valid in any region it may be of"
    NOT_VALID = "phone number is not valid in its country"
    NOT_PERSONAL = (
        "phone number is of a type that no person has, such as toll free or voicemail: write a plus if it is meant"
    )
    ZERO_IN_BRACKETS = "phone number has a zero in brackets that its country does not use"
    NOT_MOBILE = "phone number cannot receive SMS: its type is not mobile"
