"""Valid numbers of all regions and types, invented; and what libphonenumber says of numbers that are sent."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterable, Iterator
from functools import cache

import phonenumbers
from phonenumbers import (
    CountryCodeSource,
    NumberParseException,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberType,
)
from phonenumbers.phonemetadata import PhoneNumberDesc

#: Cases that each property is tried with; raise it to try as many as one likes.
CASES = int(os.environ.get("PHONE_CASES", "500"))

#: The most digits of a number in E.164; libphonenumber considers longer ones valid in some regions.
E164_DIGITS = 15

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)

#: Type → its description in libphonenumber's metadata.
DESCRIPTIONS = {
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.FIXED_LINE: "fixed_line",
    PhoneNumberType.VOIP: "voip",
    PhoneNumberType.PERSONAL_NUMBER: "personal_number",
    PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.PREMIUM_RATE: "premium_rate",
    PhoneNumberType.SHARED_COST: "shared_cost",
    PhoneNumberType.PAGER: "pager",
    PhoneNumberType.UAN: "uan",
    PhoneNumberType.VOICEMAIL: "voicemail",
}

#: Types of numbers that a person can have.
PERSONAL = {
    PhoneNumberType.FIXED_LINE,
    PhoneNumberType.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE,
    PhoneNumberType.VOIP,
    PhoneNumberType.PERSONAL_NUMBER,
}

SMS_TYPES = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


def e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def international(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)


def national(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)


def digits_of(text: str) -> str:
    return "".join(filter(str.isdecimal, text))


@cache
def metadata_of(region: str) -> PhoneMetadata:
    metadata = PhoneMetadata.metadata_for_region(region, None)
    assert metadata is not None
    return metadata


def examples(*kinds: int) -> list[tuple[str, int, PhoneNumber]]:
    """Return libphonenumber's own examples: region, type, number."""
    return [
        (region, kind, example)
        for region in REGIONS
        for kind in kinds or PhoneNumberType.values()
        if (example := phonenumbers.example_number_for_type(region, kind)) is not None
        and phonenumbers.is_valid_number(example)
    ]


def invent(region: str, kind: int, rng: random.Random) -> PhoneNumber | None:
    """Invent a valid number that E.164 has room for; None when a region has none of a type, or none was found."""
    metadata = metadata_of(region)
    description: PhoneNumberDesc | None = getattr(metadata, DESCRIPTIONS[kind])
    if description is None or not description.example_number or not description.national_number_pattern:
        return None
    example = description.example_number
    lengths = [length for length in description.possible_length if length > 0] or [len(example)]
    for _ in range(40):
        kept = rng.choice((0, 1, 2, 3, 4, 5, len(example)))
        digits = (example[:kept] + "".join(rng.choices("0123456789", k=20)))[: rng.choice(lengths)]
        if re.fullmatch(description.national_number_pattern, digits):
            number = parsed(f"+{metadata.country_code}{digits}")
            if (
                number is not None
                and phonenumbers.national_significant_number(number) == digits
                and len(e164(number)) <= len("+") + E164_DIGITS
                and phonenumbers.is_valid_number(number)
                and phonenumbers.is_valid_number_for_region(number, region)
            ):
                return number
    return None


def invented(rng: random.Random, *kinds: int, cases: int | None = None) -> Iterator[tuple[str, PhoneNumber]]:
    """
    Invent valid numbers of all regions.

    :param kinds: types, each as often as it is named; all when none is.
    :param cases: how many, :data:`CASES` by default.
    """
    kinds = kinds or tuple(DESCRIPTIONS)
    found = 0
    while found < (CASES if cases is None else cases):
        region = rng.choice(REGIONS)
        number = invent(region, rng.choice(kinds), rng)
        if number is not None:
            found += 1
            yield region, number


def parsed(text: str, region: str | None = None) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region, keep_raw_input=True)
    except NumberParseException:
        return None


def is_valid(text: str) -> bool:
    number = parsed(text)
    return number is not None and phonenumbers.is_valid_number(number)


def is_grouped(e164: str, text: str) -> bool:
    """Tell whether libphonenumber writes a number in just the groups of digits that a text has."""
    number = parsed(e164)
    assert number is not None
    groups = [
        " ".join("".join(c if c.isdigit() else " " for c in f(number)).split()) for f in (national, international)
    ]
    wanted = " ".join("".join(c if c.isdigit() else " " for c in text).split())
    return wanted in (*groups, groups[1].partition(" ")[2])


def is_of_one(e164: str, regions: Iterable[str]) -> bool:
    """Tell whether a number that is sent is valid in one of these very regions."""
    number = phonenumbers.parse(e164)
    return any(phonenumbers.is_valid_number_for_region(number, region) for region in regions)


def has_country_written(text: str, regions: Iterable[str]) -> bool:
    """Tell whether a text begins with a plus, with 00, or with an international prefix of one of these regions."""
    digits = digits_of(text)
    if "+" in text or digits.startswith("00"):
        return True
    numbers = [parsed(digits, region) for region in regions]
    return any(n is not None and n.country_code_source == CountryCodeSource.FROM_NUMBER_WITH_IDD for n in numbers)
