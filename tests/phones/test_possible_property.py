"""Whatever a reader of rows reads, in whichever configuration, is among the numbers that are possible."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import product
from typing import get_args

import phonenumbers
import pytest
from phonenumbers import PhoneNumber

from airflow_provider_octopush.phones.options import NumberFormat, PhoneCheck
from airflow_provider_octopush.phones.possible import Possible, PossibleNumbers, line_forms, numbers_in
from airflow_provider_octopush.phones.reader import PhoneReader
from airflow_provider_octopush.phones.reasons import PhoneReason
from tests.phones.numbers import (
    DESCRIPTIONS,
    REGIONS,
    digits_of,
    e164,
    has_country_written,
    international,
    invent,
    metadata_of,
    national,
    parsed,
)

#: Pairs of regions that are tried; raise it to 60,025 to try all, or beyond to try them with other numbers.
SEEDS = int(os.environ.get("POSSIBLE_SEEDS", "40"))
START = int(os.environ.get("POSSIBLE_START", "0"))

PAIRS = list(product(REGIONS, REGIONS))
random.Random(7).shuffle(PAIRS)
CHECKS: tuple[PhoneCheck, ...] = get_args(PhoneCheck)
CHOICES: tuple[NumberFormat, ...] = get_args(NumberFormat)


def code_of(region: str) -> int:
    return phonenumbers.country_code_for_region(region)


def country_code_of(number: str) -> int:
    digits = number.removeprefix("+")
    return next(code for n in (1, 2, 3) if (code := int(digits[:n])) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


def begins_with_country_code(digits: str) -> bool:
    return any(int(digits[:n] or 0) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE for n in (1, 2, 3))


def trunk_prefixes(code: int) -> list[str]:
    regions = [one for one in phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code] if one in REGIONS]
    return [prefix for region in regions if (prefix := metadata_of(region).national_prefix)]


def invented(region: str, rng: random.Random) -> PhoneNumber | None:
    """A number of a region: invented, or libphonenumber's example."""
    kinds = list(DESCRIPTIONS)
    kind = rng.choice(kinds[:2]) if rng.random() < 0.6 else rng.choice(kinds)
    number = invent(region, kind, rng) if rng.random() < 0.8 else None
    if number is None:
        number = phonenumbers.example_number_for_type(region, kind)
    if number is None or not phonenumbers.is_valid_number(number) or len(e164(number)) > 16:
        return None
    return number


def seeded(seeds: int) -> Iterator[tuple[int, random.Random, str, PhoneNumber]]:
    """Seeds, with the generator of each, and a number of any region."""
    for seed in range(START, START + seeds):
        rng = random.Random(seed)
        region = rng.choice(REGIONS)
        number = invented(region, rng)
        if number is not None:
            yield seed, rng, region, number


def prefixes_abroad(region: str) -> str:
    """An international prefix of a region; 00 where only a pattern is known."""
    prefix = metadata_of(region).preferred_international_prefix or metadata_of(region).international_prefix or "00"
    prefix = "".join(filter(str.isdecimal, prefix)) if "~" in prefix else prefix
    return prefix if prefix.isdecimal() else "00"


def dressed(digits: str, rng: random.Random) -> str:
    """The same digits with something between them that is no number of its own."""
    # With one point, or in two groups of which one has zeros, they would be a fraction.
    sign = rng.choice((" ", "-", "\u00a0", "/", *("." if len(digits) > 6 else "")))
    groups = [digits[:3]]
    groups += [digits[at : at + 3] for at in range(3, len(digits), 3)]
    return rng.choice((digits, sign.join(groups), f"({groups[0]}) " + " ".join(groups[1:]), f" '{digits}"))


def forms(number: PhoneNumber, abroad: str, rng: random.Random) -> Iterator[object]:
    """Write a number in every way in which tables hold it."""
    digits = e164(number)[1:]
    significant = phonenumbers.national_significant_number(number)
    assert number.country_code is not None
    main = phonenumbers.region_code_for_country_code(number.country_code)
    region = phonenumbers.region_code_for_number(number) or main
    yield e164(number)
    yield international(number)
    yield international(number).replace(" ", "-").replace("-", " ", 1)
    yield f"tel:{e164(number)}"
    yield f"00{digits}"
    yield f"00 {international(number)[1:]}"
    yield prefixes_abroad(abroad) + digits
    yield digits
    yield dressed(digits, rng)
    if len(digits) <= 15:
        yield int(digits)
        yield float(int(digits))
        yield Decimal(digits)
    if region == "001":
        return
    yield national(number)
    yield digits_of(national(number))
    yield significant
    yield dressed(significant, rng)
    if significant[0] != "0":
        yield float(int(significant))
    trunk = metadata_of(region).national_prefix or ""
    yield trunk + significant
    yield dressed(trunk + significant, rng)
    if trunk == "0" and significant[0] != "0":
        yield f"+{number.country_code} (0){significant}"
        yield f"+{number.country_code} 0{significant}"
        yield int(significant)


def with_too_much_in_front(number: PhoneNumber) -> Iterator[str]:
    """Write a number with a plus, zeros or a country code too many, in front or in the wrong place."""
    digits, code = e164(number)[1:], str(number.country_code)
    for before, between in product(
        ("+", "", "00", "0", "+0", "+00", "000", "++", "0+"), ("", code, f"00{code}", "0", "+")
    ):
        yield f"{before}{between}{digits}"
    significant = phonenumbers.national_significant_number(number)
    yield f"{code}+{significant}"
    yield f"+0{significant}"


def spoiled(value: object, rng: random.Random) -> object:
    """Change a digit, so that what libphonenumber does not know is tried too."""
    if not isinstance(value, str) or rng.random() < 0.7:
        return value
    at = rng.choice([i for i, character in enumerate(value) if character.isdecimal()] or [0])
    return value[:at] + rng.choice(("0", "1", "5", "9", "", "00")) + value[at + 1 :]


COUNT = {"rows": 0, "read": 0, "pairs": 0}


def check_pair(first: str, second: str, rng: random.Random) -> None:
    number = invented(first, rng)
    if number is None:
        return
    regions = [first, second, *rng.sample(REGIONS, rng.choice((0, 0, 1, 3)))]
    rng.shuffle(regions)
    countries = {code_of(region) for region in regions}
    # A reader has some of the regions, perhaps others with the same country codes.
    alike = [r for code in countries for r in phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]]
    possible = PossibleNumbers(regions[0], countries) if rng.random() < 0.5 else PossibleNumbers(regions)
    assert possible.countries == countries
    later = rng.choice(sorted(countries))
    fewer = PossibleNumbers((), countries - {later})
    for value in [spoiled(value, rng) for value in forms(number, second, rng)]:
        COUNT["rows"] += 1
        given = rng.sample(alike, rng.randint(0, min(4, len(alike))))
        own = rng.choice((None, None, rng.choice(alike)))
        number_format = rng.choice(CHOICES)
        context = (value, given, own, number_format, countries)
        found = possible.read(value)
        check_laws(value, found, fewer, later, rng)
        read = PhoneReader(given, rng.choice(CHECKS), number_format).read(value, own)
        if not isinstance(read, str):
            continue
        COUNT["read"] += 1
        is_written = number_format == "international" or has_country_written(
            str(value), [*given, *([own] if own else [])]
        )
        assert country_code_of(read) in countries or is_written, context
        assert found.reason is None, (context, read, found)
        assert line_forms(int(read[1:])) <= found.numbers, (context, read, found)
        if own is not None and number_format == "national":
            assert int(read[1:]) in possible.read(value, own).numbers, (context, read)
        check_forms(read, possible, second, rng)


def check_laws(value: object, found: Possible, fewer: PossibleNumbers, later: int, rng: random.Random) -> None:
    """A region that is known later blocks no less; a country that is written or given blocks no other."""
    before = fewer.read(value)
    added = numbers_in(before.elsewhere, [later]) if before.elsewhere is not None else frozenset()
    # A text that no country is known of is looked through for parts that may be numbers, too: that may block more.
    assert before.numbers | added >= found.numbers, (value, later)
    own = rng.choice(REGIONS)
    with_region = fewer.read(value, own)
    assert with_region.elsewhere is None
    text = str(value)
    if "+" in text and before.elsewhere is not None:
        # A plus too many: before a trunk prefix or digits that no country code begins with, or among the digits.
        digits = re.sub("[^0-9]", "", text)
        trunks = tuple(trunk for code in fewer.countries for trunk in trunk_prefixes(code))
        is_wrong = not begins_with_country_code(digits) or digits.startswith(("0", *trunks))
        # A second number may begin with a zero, or after as many digits as a number has.
        may_be_two = "00" in digits or "(0)" in text or len(digits) > 15
        assert is_wrong or may_be_two or re.search(r"[0-9][^0-9]*\+", text), value
    elif "+" in text:
        assert len({country_code_of(str(n)) for n in before.numbers}) <= 1, value
    elif not has_country_written(text, [own]):
        assert {country_code_of(str(n)) for n in with_region.numbers} <= {code_of(own)}, (value, own)


def check_forms(read: str, possible: PossibleNumbers, abroad: str, rng: random.Random) -> None:
    """Whatever form somebody opts out in, of a number that a row is sent to."""
    number = parsed(read)
    assert number is not None
    is_known = phonenumbers.is_valid_number(number) and number.country_code in possible.countries
    for value in forms(number, abroad, rng):
        is_abroad = has_country_written(str(value), []) and digits_of(str(value)).endswith(read[1:])
        if not is_abroad and not is_known:
            continue
        if not phonenumbers.is_valid_number(number) and e164(number) != read:
            continue
        COUNT["pairs"] += 1
        assert int(read[1:]) in possible.read(value).numbers, (read, value, possible.countries)


def test_prefixes_that_are_written_twice_are_taken_off_as_libphonenumber_does() -> None:
    rng = random.Random(START)
    read = 0
    for region in REGIONS:
        number = phonenumbers.example_number(region)
        assert number is not None
        code, significant = number.country_code, phonenumbers.national_significant_number(number)
        prefixes = ("", "0", "1", "8", "9", "15", str(code), metadata_of(region).national_prefix or "")
        for before, behind in product(prefixes, prefixes):
            digits = f"{code}{before}{behind}{significant[rng.choice((0, 0, -7)) :]}"
            found = PhoneReader(region).read(digits)
            read += isinstance(found, str)
            assert isinstance(found, PhoneReason) or int(found) in numbers_in(digits, [code_of(region)]), digits
    assert read > 1000


def test_a_region_of_its_own_takes_none_of_its_numbers_away() -> None:
    compared = 0
    for seed, rng, region, number in seeded(SEEDS):
        possible, code = PossibleNumbers(region), code_of(region)
        for value in (*with_too_much_in_front(number), *(spoiled(value, rng) for value in forms(number, region, rng))):
            found = possible.read(value).numbers
            of_region = {digits for digits in found if country_code_of(str(digits)) == code}
            compared += len(of_region)
            assert of_region <= possible.read(value, region).numbers, (f"POSSIBLE_START={seed}", region, value)
    assert compared > 10 * SEEDS


def test_what_a_row_may_be_read_as_is_possible_in_every_form() -> None:
    for seed in range(START, START + SEEDS):
        first, second = PAIRS[seed % len(PAIRS)]
        try:
            check_pair(first, second, random.Random(seed))
        except AssertionError as error:
            pytest.fail(f"POSSIBLE_START={seed} POSSIBLE_SEEDS=1: {error}")
    print(COUNT)  # noqa: T201  -- shown with pytest -s


def test_a_reading_that_guesses_no_country_has_none_that_is_neither_written_nor_named() -> None:
    tried = 0
    for seed in range(START, START + SEEDS):
        rng = random.Random(seed)
        number = invented(rng.choice(REGIONS), rng)
        if number is None:
            continue
        named = {code_of(region) for region in rng.sample(REGIONS, rng.choice((0, 1, 2)))}
        strict, wide = PossibleNumbers((), named, guesses=False), PossibleNumbers((), named)
        abroad = rng.choice(REGIONS)
        for value in [spoiled(value, rng) for value in forms(number, abroad, rng)]:
            found = strict.read(value).numbers
            assert found <= wide.read(value).numbers, (seed, value)
            text = str(value)
            if "+" in text or digits_of(text).startswith("0") or has_country_written(text, REGIONS):
                continue
            tried += 1
            assert {country_code_of(str(one)) for one in found} <= named, (f"POSSIBLE_START={seed}", named, value)
    assert tried > SEEDS


#: What people write behind a number.
BEHIND = ("", " STOP 20/11/2026", " ext. 5", " poste 12", " (2)", " / +33698765432", "; 0698765432", " home", ".")


def test_a_plus_too_many_hides_no_number_whatever_stands_behind_it() -> None:
    tried = 0
    for seed, rng, region, number in seeded(5 * SEEDS):
        digits, significant = e164(number)[1:], phonenumbers.national_significant_number(number)
        trunk = metadata_of(region).national_prefix or ""
        text = rng.choice((f"{trunk}{significant}", significant, f"00{digits}", f"0{digits}"))
        after_plus = parsed(f"+{text}")
        # With its own country's code in front, it is a number of that country, whatever is left of it.
        if text.startswith(str(number.country_code)) or (after_plus and phonenumbers.is_valid_number(after_plus)):
            continue
        groups = rng.choice((text, f"{text[:2]} {text[2:5]} {text[5:]}", f"{text[:1]} ({text[1:4]}) {text[4:]}"))
        value = f"+{groups}{rng.choice(BEHIND)}"
        is_dialled = trunk and text.startswith(trunk) and not trunk.startswith(str(number.country_code))
        is_no_code = not begins_with_country_code(text)
        if is_no_code:
            later = PossibleNumbers().read(value)
            known = later.numbers | numbers_in(later.elsewhere or "", [code_of(region)])
            assert int(digits) in known, (f"POSSIBLE_START={seed}", region, value)
        owns = (region, None) if is_dialled or is_no_code else (region,)
        for own in owns:
            tried += 1
            found = PossibleNumbers(region).read(value, own).numbers
            assert int(digits) in found, (f"POSSIBLE_START={seed}", region, own, value)
    assert tried > SEEDS


def test_signs_behind_a_plus_hide_no_number_whatever_stands_behind_it() -> None:
    for seed, rng, region, number in seeded(SEEDS):
        code, rest = number.country_code, phonenumbers.national_significant_number(number)
        opened, closed = rng.choice(("()", "[]", ("(", ") "), ("-", "-"), (". ", "."), ("~", "/")))
        cut = rng.randrange(1, len(rest))
        value = f"+{opened}{code}{closed}{rest[:cut]}{rng.choice('/-. ')}{rest[cut:]}{rng.choice(BEHIND)}"
        for default, own in ((region, region), (region, None), ((), None), ((), rng.choice(REGIONS))):
            found = PossibleNumbers(default).read(value, own).numbers
            assert int(e164(number)[1:]) in found, (f"POSSIBLE_START={seed}", default, own, value)


def test_however_short_a_number_is_it_is_found_beside_words() -> None:
    for region in REGIONS:
        number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        if number is None:
            continue
        digits, possible = phonenumbers.national_significant_number(number), PossibleNumbers(region)
        for value in (f"{digits} (home)", f"tel {digits}", [digits], {digits}):
            assert int(e164(number)[1:]) in possible.read(value).numbers, (region, value)


def test_a_zero_in_brackets_may_be_one_or_not_with_and_without_a_plus() -> None:
    for region in REGIONS:
        number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        if number is None or phonenumbers.national_significant_number(number).startswith("0"):
            continue
        code, rest = number.country_code, phonenumbers.national_significant_number(number)
        for value in (f"+{code} (0){rest}", f"00{code} (0){rest}", f"00{code} [0] {rest}", f"{code} (0){rest}"):
            assert int(e164(number)[1:]) in PossibleNumbers(region).read(value).numbers, (region, value)


def test_a_number_that_begins_with_a_zero_may_have_lost_it() -> None:
    found = set()
    for region in REGIONS:
        number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        if number is None or not phonenumbers.national_significant_number(number).startswith("0"):
            continue
        found.add(region)
        assert int(e164(number)[1:]) in PossibleNumbers(region).read(int(number.national_number or 0)).numbers, region
    assert {"CI", "GA"} <= found
