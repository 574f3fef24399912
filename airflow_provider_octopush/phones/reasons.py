"""Why a value is no phone number."""

from __future__ import annotations

import enum


class PhoneReason(enum.Enum):
    """Why a value is no phone number; the value is what a person reads beside a count, and holds nothing of the row."""

    MISSING = "phone number missing"
    NOT_TEXT = "phone number is neither text nor a number"
    NOT_WHOLE = "phone number is not a whole number: digits are lost, read the column as text"
    IMPRECISE = "phone number in a float too small for it: digits are lost, read the column as text"
    SCIENTIFIC = "phone number in scientific notation: digits are lost, read the column as text"
    NEGATIVE = "phone number is negative"
    LETTERS = "phone number has letters"
    CHARACTERS = "phone number has characters that no phone number has"
    NO_DIGITS = "phone number has no digits"
    EXTENSION = "phone number has an extension"
    CONTEXT = "phone number is not valid within the phone-context of its tel: link"
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
