from __future__ import annotations

import os
import random

import phonenumbers
import pytest
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberType

from airflow_provider_octopush.phones.numbering_plan import NumberingPlans
from tests.phones.numbers import REGIONS, SMS_TYPES, e164, parsed

#: Numbers tried for each country code and region; raise it to try as many as one likes.
NUMBERS = int(os.environ.get("NUMBERS_PER_PLAN", "80"))


def examples(regions: tuple[str, ...] | list[str], country_code: int) -> list[str]:
    found = []
    for region in regions:
        for kind in PhoneNumberType.values():
            number = (
                phonenumbers.example_number_for_type(region, kind)
                if region != "001"
                else phonenumbers.example_number_for_non_geo_entity(country_code)
            )
            if number is not None:
                found.append(phonenumbers.national_significant_number(number))
    return sorted(set(found))


def nearby(seeds: list[str], rng: random.Random) -> str:
    """Invent digits that are close to valid ones: only then both answers occur."""
    if not seeds or rng.random() < 0.1:
        return "".join(rng.choices("0123456789", k=rng.randrange(3, 16)))
    digits = list(rng.choice(seeds))
    for _ in range(rng.randrange(len(digits) + 1)):
        digits[rng.randrange(len(digits))] = rng.choice("0123456789")
    if rng.random() < 0.1:
        digits.insert(rng.randrange(len(digits) + 1), rng.choice("0123456789"))
    elif rng.random() < 0.1:
        digits.pop(rng.randrange(len(digits)))
    return "".join(digits)


@pytest.mark.parametrize("mobile", [False, True])
def test_every_international_number_that_is_accepted_is_one_of_libphonenumber(mobile: bool) -> None:
    rng = random.Random(1)
    plans = NumberingPlans(mobile)
    accepted = valid = 0
    for country_code, regions in COUNTRY_CODE_TO_REGION_CODE.items():
        seeds = examples(list(regions), country_code)
        for _ in range(NUMBERS):
            digits = f"{country_code}{nearby(seeds, rng)}"
            number = parsed(f"+{digits}")
            is_valid = number is not None and phonenumbers.is_valid_number(number)
            if mobile and number is not None:
                is_valid = is_valid and phonenumbers.number_type(number) in SMS_TYPES
            valid += is_valid
            if plans.international(f"+{digits}"):
                accepted += 1
                assert number is not None
                assert (is_valid, e164(number)) == (True, f"+{digits}"), digits
    assert accepted > valid * 0.8 > 0


@pytest.mark.parametrize("mobile", [False, True])
def test_every_national_number_that_is_accepted_is_one_of_libphonenumber(mobile: bool) -> None:
    rng = random.Random(2)
    plans = NumberingPlans(mobile)
    accepted = valid = 0
    for region in REGIONS:
        metadata = PhoneMetadata.metadata_for_region(region, None)
        prefix = (metadata and metadata.national_prefix) or ""
        seeds = examples([region], 0)
        for _ in range(NUMBERS):
            digits = f"{prefix if rng.random() < 0.5 else ''}{nearby(seeds, rng)}"
            number = parsed(digits, region)
            is_valid = number is not None and phonenumbers.is_valid_number_for_region(number, region)
            if mobile and number is not None:
                is_valid = is_valid and phonenumbers.number_type(number) in SMS_TYPES
            valid += is_valid
            read = plans.national(digits, region)
            if read is not None:
                accepted += 1
                assert number is not None
                assert (is_valid, e164(number)) == (True, read), (region, digits)
    assert accepted > valid * 0.5 > 0


@pytest.mark.parametrize(
    ("digits", "region", "number"),
    [
        ("0612345678", "FR", "+33612345678"),
        ("612345678", "FR", "+33612345678"),
        ("612345678", "ES", "+34612345678"),
        ("07400123456", "GB", "+447400123456"),
        ("0612345678", "GB", None),
        ("0033612345678", "FR", None),
        ("", "FR", None),
    ],
)
def test_numbers_are_read_as_they_are_dialled(digits: str, region: str, number: str | None) -> None:
    assert NumberingPlans().national(digits, region) == number


@pytest.mark.parametrize("digits", ["", "0", "33", "999123456789", "33012345678", "111222233334444"])
def test_what_is_not_accepted_is_left_to_libphonenumber(digits: str) -> None:
    assert not NumberingPlans().international(f"+{digits}")
