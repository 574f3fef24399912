from __future__ import annotations

import decimal
import random
import re
from collections import deque
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import phonenumbers
import pytest

from airflow_provider_octopush.phones.possible import Possible, PossibleNumbers, country_codes, line_forms, numbers_in
from airflow_provider_octopush.phones.reader import PhoneReader
from airflow_provider_octopush.phones.reasons import PhoneReason
from tests.phones.numbers import digits_of


def numbers(value: object, *countries: int, region: object = None) -> set[int]:
    return set(PossibleNumbers(countries=countries).read(value, region).numbers)


@pytest.mark.parametrize(
    "value",
    [
        "+33612345678",
        "+33 6 12 34 56 78",
        "+33 (0)6 12 34 56 78",
        "tel:+33-6-12-34-56-78",
        "0033612345678",
        "33612345678",
        "06 12 34 56 78",
        "06.12.34.56.78",
        "'0612345678",
        "\uff10\uff16 12 34 56 78",
        612345678,
        33612345678.0,
        decimal.Decimal(33612345678),
    ],
)
def test_whatever_a_number_is_written_as_it_is_found_in_its_country(value: object) -> None:
    possible = PossibleNumbers("FR").read(value)
    assert possible.numbers == {33612345678}
    assert possible.reason is None


def test_digits_are_numbers_of_each_country() -> None:
    assert numbers("0612345678", 33, 41) == {33612345678, 41612345678}  # a mobile in France, a landline of Basel
    assert numbers("0151 23456789", 33, 49) == {4915123456789}
    assert numbers("0691 123456", 49, 43) >= {43691123456, 49691123456}


def test_digits_may_begin_with_any_country_code() -> None:
    possible = PossibleNumbers("FR").read("34612345678")
    assert possible.numbers == {34612345678}
    assert possible.elsewhere == "34612345678"


def test_a_text_with_a_plus_has_its_country_written() -> None:
    possible = PossibleNumbers(["DE", "FR"], [39]).read("+34 612 345 678")
    assert possible == Possible(frozenset({34612345678}), None, None)


def test_a_new_range_is_what_is_sent_for_it() -> None:
    for text in ("+33 3 00 00 00 00", "+44 (0)1000 123456", "+44 0 1000 123456", "+685 031015"):
        sent = PhoneReader().read(text)
        assert isinstance(sent, str)
        assert int(sent) in numbers(text)


def test_a_zero_that_is_sent_behind_a_plus_is_kept_behind_00_too() -> None:
    assert PhoneReader().read("+685 031015") == "+685031015"
    assert numbers("00685 031015", 33) == {685031015, 68531015}


def test_a_new_range_in_national_form_counts_as_unreadable_and_blocks_all_the_same() -> None:
    sent = PhoneReader().read("+49 1010 123456")
    assert sent == "+491010123456"
    possible = PossibleNumbers("DE").read("01010 123456")
    assert possible.reason is PhoneReason.NOT_VALID_IN_REGION
    assert possible.numbers == {491010123456}


def test_a_plus_against_a_region_stands_for_both() -> None:
    assert numbers("+33612345678", region="DE") == {33612345678, 4933612345678}
    assert numbers("+33612345678", region="FR") == {33612345678}


def test_a_region_of_its_own_counts_alone() -> None:
    possible = PossibleNumbers("DE", [34]).read("06 12 34 56 78", "fr")
    assert possible == Possible(frozenset({33612345678}), None, None)
    assert numbers("34612345678", 34, region="FR") == set()


@pytest.mark.parametrize("region", [None, "", " ", "N/A", float("nan")])
def test_a_region_that_is_missing_leaves_the_default(region: object) -> None:
    assert PossibleNumbers("FR").read("0612345678", region) == Possible(frozenset({33612345678}), "0612345678", None)


@pytest.mark.parametrize("region", ["UK", "France", 33])
@pytest.mark.parametrize("value", ["0612345678", "+33612345678"])
def test_a_region_that_does_not_exist_is_none_and_is_told(region: object, value: str) -> None:
    possible = PossibleNumbers("FR").read(value, region)
    assert possible.numbers == {33612345678}
    assert possible.reason is PhoneReason.UNKNOWN_REGION


@pytest.mark.parametrize(
    "value",
    ["+33 612345678 (2)", "+353 861234567 [12]", "+61 412345678 (3).", "+43 664 1234567 (2)", "+4367612345 ext. 6"],
)
def test_beside_an_extension_no_part_of_a_number_is_another_one(value: str) -> None:
    found = PossibleNumbers(["DE", "AT", "FR", "ES", "IE", "AU"]).read(value)
    assert found.elsewhere is None
    assert {str(number) for number in found.numbers} <= {digits_of(value), digits_of(re.split("[([e]", value)[0])}


@pytest.mark.parametrize(
    ("value", "region", "stranger"),
    [
        ("+0151 23456789", "DE", 4923456789),
        ("+0664 121143", "AT", 43121143),
        # A number of Vietnam, which would be one of Ryazan without the plus.
        ("+84912345678 ext. 5", "RU", 74912345678),
        ("+33 6 12 34 56 78 2026-11-20", "DE", 49612345678),
        ("+33 6 12 34 56 78 (2026-11-20 10:15)", "ES", 34612345678),
        ("+33612345678 / +33612345679", "DE", 4933612345679),
    ],
)
def test_after_a_plus_no_later_part_and_no_other_country_is_meant(value: str, region: str, stranger: int) -> None:
    assert stranger not in PossibleNumbers(region).read(value).numbers
    without = PossibleNumbers().read(value)
    code = phonenumbers.country_code_for_region(region)
    assert stranger not in without.numbers | numbers_in(without.elsewhere or "", [code])


@pytest.mark.parametrize("value", [None, "", " ", "n/a", "NULL", float("nan"), "-"])
def test_what_is_missing_says_so_whatever_the_region(value: object) -> None:
    for region in (None, "FR", "UK"):
        assert PossibleNumbers("FR").read(value, region) == Possible(frozenset(), None, PhoneReason.MISSING)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("abc", PhoneReason.LETTERS),
        ("123", PhoneReason.TOO_SHORT),
        ("+999 12345", PhoneReason.UNKNOWN_COUNTRY_CODE),
        ("2024-01-15", PhoneReason.DATE),
        (True, PhoneReason.NOT_TEXT),
        (0.5, PhoneReason.NOT_WHOLE),
        ("1" * 30, PhoneReason.TOO_LONG),
        ("06 12 34", PhoneReason.NOT_VALID_IN_REGION),
    ],
)
def test_what_is_no_number_says_why(value: object, reason: PhoneReason) -> None:
    possible = PossibleNumbers("FR").read(value)
    assert possible.numbers == frozenset()
    assert possible.reason is reason


def test_without_any_country_a_number_in_national_form_waits_for_one() -> None:
    possible = PossibleNumbers().read("06 12 34 56 78")
    assert (possible.numbers, possible.reason) == (frozenset(), PhoneReason.NO_REGION)
    assert 33612345678 in numbers_in(possible.elsewhere or "", [33])


@pytest.mark.parametrize(
    "value",
    [
        "06 12 34 56 78 / 07 12 34 56 78",
        "0612345678 ou 0712345678",
        "+33612345678, +33712345678",
        "+33612345678 / 07 12 34 56 78",
        "Jean: 06 12 34 56 78; Anne: 07 12 34 56 78",
        "06 12 34 56 78\n07 12 34 56 78",
        "06 12 34 56 78 07 12 34 56 78",
    ],
)
def test_of_several_numbers_in_one_value_each_counts(value: str) -> None:
    possible = PossibleNumbers("FR").read(value)
    assert possible.numbers >= {33612345678, 33712345678}
    if "+" not in value:
        assert numbers_in(possible.elsewhere or "", [33]) == possible.numbers


@pytest.mark.parametrize("value", ["+33612345678 ext 5", "06 12 34 56 78 poste 12", "tel:+33612345678;ext=5"])
def test_a_number_with_an_extension_counts_without_it(value: str) -> None:
    possible = PossibleNumbers("FR").read(value)
    assert possible.numbers == {33612345678}
    assert possible.reason is PhoneReason.EXTENSION


def test_digits_of_an_alternative_replace_the_last_ones() -> None:
    assert numbers("06 12 34 56 78/79", 33) >= {33612345678, 33612345679}


@pytest.mark.parametrize(
    ("value", "region", "number"),
    [
        ("464-1234", "AG", 12684641234),
        ("464-1234", "US", 12684641234),
        ("011 33 6 12 34 56 78", "US", 33612345678),
        ("0011 33 6 12 34 56 78", "AU", 33612345678),
        ("0692 12 34 56", "YT", 262692123456),
        ("07797 712345", "GB", 447797712345),
        ("0312 305 3808", "CO", 573123053808),
        ("011 15-2345-6789", "AR", 5491123456789),
        ("06 1234 5678", "IT", 390612345678),
        ("1 464 1234", "AG", 12684641234),
    ],
)
def test_what_is_dialled_in_a_country_counts_in_all_of_its_regions(value: str, region: str, number: int) -> None:
    assert number in numbers(value, region=region)


LINES = [
    {541123456789, 5491123456789},
    {525512345678, 5215512345678},
    {551187654321, 5511987654321},
    {22997123456, 2290197123456},
    {22507123456, 2250707123456},
    {22522412345, 2252722412345},
    {22522012345, 2252522012345},
    {22522812345, 2252122812345},
    {2416012379, 24106012379, 24166012379},
    {33612345678},
    {551131234567},  # a landline in Brazil
]


@pytest.mark.parametrize("line", LINES)
def test_all_forms_of_a_line_are_one(line: set[int]) -> None:
    for number in line:
        assert line_forms(number) == line
        assert numbers(f"+{number}") == line
        assert numbers(str(number)) == line


@pytest.mark.parametrize(
    ("value", "region"),
    [("07 12 34 56", "CI"), ("97 12 34 56", "BJ"), ("(11) 8765-4321", "BR"), ("1 55 1234 5678", "MX")],
)
def test_an_old_form_is_read_in_its_country(value: str, region: str) -> None:
    possible = PossibleNumbers(region).read(value)
    assert possible.reason is None
    assert any(line <= possible.numbers for line in LINES if len(line) > 1)


def test_countries_are_country_codes() -> None:
    possible = PossibleNumbers(["FR", "JE"], [44, 1])
    assert possible.countries == {33, 44, 1}
    with pytest.raises(ValueError, match="write 'GB'"):
        PossibleNumbers("UK")


def test_country_codes_of_numbers_are_found() -> None:
    found = country_codes([33612345678, 12125550123, 3519123456, 9991234567, 10**15, 999, 0, 7, 10**30])
    assert found == {33, 1, 351, 7}
    assert country_codes([]) == set()


def test_a_zero_in_brackets_may_be_one_or_not() -> None:
    assert {393123456751, 3903123456751} <= PossibleNumbers().read("+39 (0) 312 345 6751").numbers


def test_country_codes_agree_with_libphonenumber() -> None:
    rng = random.Random(3)
    for _ in range(500):
        number = rng.randrange(10 ** rng.randrange(4, 16))
        code = next(
            (c for n in (1, 2, 3) if (c := int(str(number)[:n])) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE), 0
        )
        assert country_codes([number]) == ({code} - {0})


@pytest.mark.parametrize(
    "container", [list, tuple, set, frozenset, deque, np.array, pd.Series, lambda one: {"n": one[0]}]
)
@pytest.mark.parametrize("one", ["+33612345678", "0612345678", 33612345678, Fraction(33612345678)])
def test_a_number_in_a_container_is_found(container: Any, one: Any) -> None:
    possible = PossibleNumbers("FR").read(container([one]))
    assert 33612345678 in possible.numbers
    assert possible.reason is PhoneReason.NOT_TEXT


@pytest.mark.parametrize(
    "value",
    [
        "+32 470 12 34 56 / 06 12 34 56 78",
        "06 12 34 56 78 / +32 470 12 34 56",
        "+32 470 12 34 56; 0033 6 12 34 56 78",
        "+32470123456\t06 12 34 56 78",
        "+32470123456 06 12 34 56 78 (work)",
    ],
)
def test_a_plus_is_about_one_of_two_numbers(value: str) -> None:
    assert {33612345678, 32470123456} <= PossibleNumbers("FR").read(value).numbers
    before = PossibleNumbers().read(value)
    assert {33612345678, 32470123456} <= before.numbers | numbers_in(before.elsewhere or "", [33])


def test_a_short_number_beside_one_with_a_plus_is_found() -> None:
    assert {687751235, 33612345678} <= PossibleNumbers(["NC", "FR"]).read("75 12 35 / +33 6 12 34 56 78").numbers


def test_a_second_number_is_found_though_its_first_digits_fit_behind_the_first_one() -> None:
    found = PossibleNumbers("AT").read("+43 664 1234567 01-5123456 home").numbers
    assert {436641234567, 4315123456} <= found  # +43 664 1234567 01 is valid, too


@pytest.mark.parametrize("region", [None, "DE"])
def test_a_country_code_too_many_hides_no_number(region: str | None) -> None:
    for value in ("+49 0049 15123456783", "+49 0049 151 23456783", "+49 49 15123456783"):
        assert 4915123456783 in PossibleNumbers("DE").read(value, region).numbers, value


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_number_within_bytes_that_are_no_text_is_found(kind: type) -> None:
    assert PossibleNumbers("FR").read(kind(b"06 12 34 56 78 priv\xe9")).numbers == {33612345678}


class Odd:
    def __str__(self) -> str:
        raise RuntimeError("0612345678")


def test_no_value_raises_anything() -> None:
    possible = PossibleNumbers("FR")
    values: list[object] = ["\ud800 abc", b"0612345678", [1], {}, Odd(), float("inf"), 10**5000, "x" * 999]
    for value in values:
        assert possible.read(value).reason is not None
        assert possible.read("0612345678", value).numbers == {33612345678}
