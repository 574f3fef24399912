"""The rules of how numbers are read, over all regions: each with numbers that nobody chose."""

from __future__ import annotations

import datetime as dt
import random
import re
from functools import cache
from typing import Any, get_args

import phonenumbers
import pytest
from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    CountryCodeSource,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberType,
)

from airflow_provider_octopush.phones.options import NumberFormat, PhoneCheck
from airflow_provider_octopush.phones.reader import PhoneReader
from airflow_provider_octopush.phones.reasons import PhoneReason
from tests.phones.numbers import (
    CASES,
    DESCRIPTIONS,
    E164_DIGITS,
    PERSONAL,
    REGIONS,
    SMS_TYPES,
    digits_of,
    e164,
    has_country_written,
    international,
    invented,
    is_of_one,
    is_valid,
    metadata_of,
    national,
    parsed,
)

ORDINARY = (PhoneNumberType.MOBILE, PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE)


@cache
def reader(*regions: str, phone_check: PhoneCheck = "format", number_format: NumberFormat = "national") -> PhoneReader:
    return PhoneReader(regions, phone_check, number_format)


def without_country(number: PhoneNumber, rng: random.Random) -> str:
    """Write a number in one of the usual forms that do not name its country, or that lost its plus."""
    written = national(number)
    significant = phonenumbers.national_significant_number(number)
    return rng.choice([written, digits_of(written), significant, e164(number)[1:], written.replace(" ", "-")])


def test_without_a_written_country_a_number_is_of_a_region_that_was_asked_for() -> None:
    rng = random.Random(1)
    sent = strangers = 0
    for region, number in invented(rng, *ORDINARY, *DESCRIPTIONS):
        text = without_country(number, rng)
        asked = rng.sample(REGIONS, k=rng.choice([1, 1, 2, 5]))
        if rng.random() < 0.1:
            asked[-1] = region
        read = reader(*asked, phone_check=rng.choice(get_args(PhoneCheck))).read(text)
        if isinstance(read, str) and not has_country_written(text, asked):
            sent += 1
            strangers += not is_of_one(read, asked)
            assert phonenumbers.number_type(phonenumbers.parse(read)) in PERSONAL, (asked, text)
        assert reader().read(text, asked[0]) == reader(asked[0]).read(text)
    assert sent > CASES / 50
    assert strangers == 0


def test_without_a_written_country_and_a_region_nothing_is_sent() -> None:
    rng = random.Random(2)
    for _, number in invented(rng):
        text = without_country(number, rng)
        if not has_country_written(text, []):
            assert isinstance(reader().read(text), PhoneReason), text


def test_a_mobile_that_lost_its_plus_is_nobody_s_landline_where_its_region_is_asked_for() -> None:
    rng = random.Random(12)
    read_right = 0
    for region, number in invented(rng, PhoneNumberType.MOBILE):
        asked = [*rng.sample([*REGIONS, "DE", "AT", "ID"], k=rng.randrange(1, 4)), region]
        rng.shuffle(asked)
        read = reader(*asked).read(rng.choice([e164(number), international(number)])[1:])
        if isinstance(read, str):
            assert phonenumbers.number_type(phonenumbers.parse(read)) in SMS_TYPES, (asked, number)
            read_right += read == e164(number)
    assert read_right > CASES * 0.9


def test_a_valid_number_of_a_region_that_is_asked_for_is_not_dialled_abroad_from_another() -> None:
    rng = random.Random(13)
    with_other_prefixes = [region for region in REGIONS if metadata_of(region).international_prefix != "00"]
    prefixed = 0
    for region, number in invented(rng):
        written = national(number)
        text = rng.choice([written, digits_of(written), phonenumbers.national_significant_number(number)])
        meant = parsed(digits_of(text), region)
        if meant is None or has_country_written(text, [region]):
            continue
        if not phonenumbers.is_valid_number_for_region(meant, region):
            continue
        asked = [region, rng.choice(with_other_prefixes)]
        rng.shuffle(asked)
        prefixed += has_country_written(text, asked)
        read = reader(*asked, phone_check=rng.choice(get_args(PhoneCheck))).read(text)
        assert isinstance(read, PhoneReason) or is_of_one(read, asked), (asked, text)
    assert prefixed


def test_a_typo_does_not_lead_abroad() -> None:
    rng = random.Random(3)
    for region, number in invented(rng, PhoneNumberType.MOBILE):
        text = rng.choice([national(number), digits_of(national(number))])
        for typo in typos(text, rng):
            read = reader(region).read(typo)
            if isinstance(read, str) and not digits_of(typo).startswith("00"):
                assert is_of_one(read, [region]), (region, text, typo, read)


def typos(text: str, rng: random.Random) -> list[str]:
    """Leave a digit out, write one twice, swap two."""
    places = [i for i, character in enumerate(text) if character.isdecimal()]
    missing, doubled, neighbour = rng.choice(places), rng.choice(places), rng.randrange(len(places) - 1)
    first, second = places[neighbour], places[neighbour + 1]
    return [
        text[:missing] + text[missing + 1 :],
        text[:doubled] + text[doubled] + text[doubled:],
        text[:first] + text[second] + text[first + 1 : second] + text[first] + text[second + 1 :],
    ]


def test_a_valid_number_that_a_person_can_have_is_read_in_its_region_in_every_usual_form() -> None:
    rng = random.Random(4)
    for region, number in invented(rng):
        written = national(number)
        significant = phonenumbers.national_significant_number(number)
        for text in (written, digits_of(written), significant, written.replace(" ", "-"), f'="{written}"'):
            meant = parsed(digits_of(text), region)
            if meant is None or not phonenumbers.is_valid_number_for_region(meant, region):
                continue  # libphonenumber does not read it either
            read = reader(region).read(text)
            if phonenumbers.number_type(meant) in PERSONAL:
                assert read == e164(meant) or read == f"+{digits_of(text)}", (region, text)
            else:
                assert read in (PhoneReason.NOT_PERSONAL, f"+{digits_of(text)}"), (region, text)


def test_a_valid_number_with_its_country_written_is_read_whatever_its_type_and_the_regions() -> None:
    rng = random.Random(5)
    for region, number in invented(rng):
        asked = rng.sample(REGIONS, k=2)
        significant = phonenumbers.national_significant_number(number)
        forms = [e164(number), international(number), international(number).replace(" ", "-")]
        if phonenumbers.ndd_prefix_for_region(region, True) == "0":
            forms += [f"+{number.country_code} (0){significant}", f"+{number.country_code} (0) {significant}"]
        for text in forms:
            assert reader(*asked).read(text) == e164(number), text
            assert reader(number_format="international").read(text) == e164(number), text


def test_00_says_a_country_and_what_may_be_another_one_is_sent_to_neither() -> None:
    rng = random.Random(6)
    ambiguous = 0
    with_other_prefixes = [region for region in REGIONS if metadata_of(region).international_prefix != "00"]
    for region, number in invented(rng, *ORDINARY):
        asked = rng.choice([region, rng.choice(REGIONS), rng.choice(with_other_prefixes)])
        text = rng.choice(
            [f"00{e164(number)[1:]}", f"00 {international(number)[1:]}", f"00{international(number)[1:]}"]
        )
        read = reader(asked).read(text)
        if read is PhoneReason.AMBIGUOUS:
            ambiguous += 1
            other = parsed(digits_of(text), asked)
            assert other is not None
            assert phonenumbers.is_valid_number(other)
            assert e164(other) != e164(number)
            assert asked != region
        else:
            assert read == e164(number), (asked, text)
        assert reader().read(text) == e164(number)
    assert 0 < ambiguous < CASES / 10


def test_the_prefixes_of_two_regions_that_lead_to_two_countries_lead_to_neither() -> None:
    rng = random.Random(17)
    ambiguous = 0
    prefixed = {
        region: prefix
        for region in REGIONS
        if (prefix := metadata_of(region).preferred_international_prefix or metadata_of(region).international_prefix)
        and prefix.isdecimal()
        and prefix != "00"
    }
    for _, number in invented(rng, *ORDINARY):
        first, *others = rng.sample(sorted(prefixed), k=3)
        text = f"{prefixed[first]}{e164(number)[1:]}"
        read = reader(first, *others).read(text)
        alone = {e164(meant) for region in (first, *others) if (meant := abroad(text, region)) is not None}
        if read is PhoneReason.AMBIGUOUS:
            ambiguous += 1
        elif isinstance(read, str) and not is_of_one(read, (first, *others)) and not text.startswith("00"):
            assert alone == {read}, (first, others, text)
    assert ambiguous
    assert reader("BO", "GY", "KG").read("00146793550616") is PhoneReason.AMBIGUOUS


def abroad(text: str, region: str) -> PhoneNumber | None:
    """Read a valid number behind the international prefix of a region."""
    number = parsed(text, region)
    if number is None or number.country_code_source != CountryCodeSource.FROM_NUMBER_WITH_IDD:
        return None
    behind = re.sub(f"^(?:{metadata_of(region).international_prefix})", "", text)
    is_twice = behind == f"{number.country_code}{e164(number)[1:]}"
    return number if phonenumbers.is_valid_number(number) and not is_twice else None


def test_the_last_digit_of_an_international_prefix_is_no_country_code() -> None:
    for _, number in invented(random.Random(21), *ORDINARY):
        digits = e164(number)[1:]
        for region, prefix in (("US", "011"), ("AU", "0011"), ("KR", "001"), ("RU", "810")):
            if prefix[-1] == digits[0]:
                assert reader(region).read(f"{prefix}{digits}") == f"+{digits}", (region, digits)
    assert reader("US").read("011 1 604 555 0123") == "+16045550123"
    assert reader("AU").read("0011 1 212 555 0123") == "+12125550123"
    assert reader("TH").read("001 1 212 555 0123") == "+12125550123"


def test_a_country_code_that_is_there_twice_is_no_trunk_prefix() -> None:
    rng = random.Random(18)
    codes = [code for code in COUNTRY_CODE_TO_REGION_CODE if code < 1000]
    for _, number in invented(rng, *ORDINARY):
        code = number.country_code if rng.random() < 0.5 else rng.choice(codes)
        significant = phonenumbers.national_significant_number(number)
        for text in (f"+{code}{code}{significant}", f"00{code} {code} {significant}", f"{code}{code}{significant}"):
            for number_format in get_args(NumberFormat):
                assert reader(number_format=number_format).read(text) != f"+{code}{significant}", text
    assert reader("AU").read("0011 507 519 4826") == "+5075194826"
    assert isinstance(reader("GB").read("0011 507 519 4826"), PhoneReason)


def test_blanks_around_a_value_change_nothing() -> None:
    rng = random.Random(19)
    dates = 0
    for region, number in invented(rng):
        date = dt.date(1900, 1, 1) + dt.timedelta(days=rng.randrange(47_000))
        written = rng.choice([international(number), national(number), f"{rng.choice(DATES)}"])
        text = date.strftime(written) if "%" in written else written
        expected = reader(region).read(text)
        dates += expected is PhoneReason.DATE
        for around in (f" {text}", f"{text} ", f"  {text}   ", f"\t{text}", f"\u00a0{text}"):
            for number_format in get_args(NumberFormat):
                with_plus = reader(region, number_format=number_format)
                assert with_plus.read(around) == with_plus.read(text), (region, around)
    assert dates > CASES / 5


DATES = ["%Y %m %d", "%d %m %Y", "%Y-%m-%d", "%d.%m.%Y", "%d-%m-%Y", "%Y-%m"]


def test_where_numbers_begin_with_their_country_code_regions_do_not_matter() -> None:
    rng = random.Random(20)
    numbers = list(invented(rng, *ORDINARY))
    outcomes = set()
    for (region, first), (other, second) in zip(numbers, reversed(numbers), strict=True):
        texts = [rng.choice([e164, international, national])(number) for number in (first, second)]
        texts += [f"00{e164(first)[1:]}", international(first)[1:], "".join(rng.choices("0123456789", k=7))]
        text = rng.choice([" ", " / ", "-"]).join(rng.sample(texts, k=rng.choice([1, 1, 2])))
        read = reader(number_format="international").read(text)
        outcomes.add(read if isinstance(read, PhoneReason) else str)
        for asked in ([region], [other, region], rng.sample(REGIONS, k=3)):
            assert reader(*asked, number_format="international").read(text) == read, (asked, text)
            assert reader(number_format="international").read(text, asked[0]) == read, (asked, text)
    assert outcomes >= {str, PhoneReason.TWO_NUMBERS, PhoneReason.NOT_VALID}


def test_number_format_international_reads_what_is_valid_behind_a_plus_and_nothing_else() -> None:
    rng = random.Random(7)
    for region, number in invented(rng):
        for text in (e164(number)[1:], international(number)[1:], without_country(number, rng)):
            asked = rng.choice([(), (region,), tuple(rng.sample(REGIONS, k=2))])
            read = reader(*asked, number_format="international").read(text)
            digits = digits_of(text)
            expected = digits.removeprefix("00")
            if is_valid(f"+{expected}"):
                assert read == e164(phonenumbers.parse(f"+{expected}")), text
            else:
                assert isinstance(read, PhoneReason), text


def test_the_first_mobile_wins_where_mobiles_are_asked_for() -> None:
    rng = random.Random(8)
    both = 0
    for region, number in invented(rng, *ORDINARY):
        asked = [*rng.sample(REGIONS, k=3), region]
        rng.shuffle(asked)
        text = rng.choice([national(number), digits_of(national(number))])
        readings = [reader(one, phone_check="mobile").read(text) for one in asked]
        mobiles = [read for read in readings if isinstance(read, str)]
        read = reader(*asked, phone_check="mobile").read(text)
        # A number dialled abroad, as it may also be read, gives way to those of the regions.
        theirs = [read for read in mobiles if is_of_one(read, asked)]
        if theirs and not digits_of(text).startswith("00"):
            both += len(set(theirs)) > 1
            assert read == theirs[0], (asked, text)
        elif PhoneReason.NOT_MOBILE in readings:
            assert read is PhoneReason.NOT_MOBILE, (asked, text)
        else:
            assert mobiles or isinstance(read, PhoneReason)
    assert both


def test_mobile_finds_the_mobile_behind_a_landline_of_an_earlier_region() -> None:
    assert reader("DE", "FR").read("0612345678") == "+49612345678"
    assert reader("DE", "FR", phone_check="mobile").read("0612345678") == "+33612345678"
    assert reader("DE", phone_check="mobile").read("0612345678") is PhoneReason.NOT_MOBILE


@pytest.mark.parametrize("separators", ["", " ", "-", ".", "/", " -./()"])
def test_an_unknown_number_behind_a_plus_is_sent_only_within_the_bounds(separators: str) -> None:
    rng = random.Random(9)
    sent = 0
    for _ in range(CASES):
        code = rng.choice(list(COUNTRY_CODE_TO_REGION_CODE))
        digits = f"{code}{''.join(rng.choices('0123456789', k=rng.randrange(1, 17)))}"
        groups = [digits]
        for _ in range(rng.randrange(5) if separators else 0):
            cut = rng.randrange(len(groups[-1]) + 1)
            groups[-1:] = [groups[-1][:cut], groups[-1][cut:]]
        groups = [group for group in groups if group]
        text = f"+{rng.choice(separators or [''])}".strip() + rng.choice(separators or " ").join(groups)
        read = reader().read(text)
        if isinstance(read, PhoneReason) or is_valid(read):
            continue
        sent += 1
        lengths = _lengths(code)
        assert len(read) - 1 <= 15 or (len(read) - 1 == 16 and groups == [read[1:]]), text
        assert len(read) - 1 - len(str(code)) >= min(lengths), text
        assert not any(is_valid(f"+{''.join(groups[:i])}") for i in range(1, len(groups))), text
        rest = digits.removeprefix(str(code))
        assert read in (f"+{digits}", f"+{code}{rest.removeprefix('0') if has_trunk_zero(code) else rest}"), text
        assert reader(phone_check="valid").read(text) is PhoneReason.NOT_VALID
    assert sent > CASES / 20


def test_no_number_is_longer_than_e_164_has_it_unless_it_is_an_unbroken_run_behind_a_plus() -> None:
    rng = random.Random(14)
    longest = 0
    for _ in range(CASES):
        region = rng.choice([*["DE", "AT", "RS", "LU", "ID", "CN"], *REGIONS])
        digits = "".join(rng.choices("0123456789", k=rng.randrange(9, 16)))
        code = str(metadata_of(region).country_code)
        text = rng.choice(["", "0", code, "00" + code, "+" + code, f"+{code} "]) + digits
        if rng.random() < 0.5:
            cut = rng.randrange(2, len(text))
            text = f"{text[:cut]}{rng.choice(' -/')}{text[cut:]}"
        for number_format in get_args(NumberFormat):
            read = reader(region, number_format=number_format).read(text)
            if isinstance(read, str):
                longest = max(longest, len(read))
                assert len(read) - 1 <= 15 or (text == read and len(read) - 1 == 16), (region, text)
    assert longest == 17


def _lengths(code: int) -> list[int]:
    plans = [
        PhoneMetadata.metadata_for_region_or_calling_code(code, region) for region in COUNTRY_CODE_TO_REGION_CODE[code]
    ]
    return [length for plan in plans if plan and plan.general_desc for length in plan.general_desc.possible_length]


def test_the_short_way_of_most_numbers_leads_where_the_long_one_does_with_whatever_is_added() -> None:
    rng = random.Random(11)
    numbers = list(invented(rng, *ORDINARY))
    outcomes = set()
    for (region, first), (other, second) in zip(numbers, reversed(numbers), strict=True):
        second = rng.choice([first, second])
        texts = [rng.choice([e164, international, national])(number) for number in (first, second)]
        texts += ["".join(rng.choices("0123456789", k=rng.randrange(1, 8))), rng.choice(["", "2024", "1999"])]
        text = "".join(f"{part}{rng.choice([' ', '-', '.', ''])}" for part in rng.sample(texts, k=rng.choice([1, 2])))
        asked = rng.choice([[region], [other, region], [region, "DE"], []])
        row_region = rng.choice([None, region, other, region.lower(), "France"])
        number_format = rng.choice(get_args(NumberFormat))
        read = reader(*asked, number_format=number_format).read(text, row_region)
        # A spreadsheet's mark for text is taken off on the long way only.
        assert read == reader(*asked, number_format=number_format).read(f"'{text}", row_region), (
            asked,
            row_region,
            text,
        )
        outcomes.add(read if isinstance(read, PhoneReason) else str)
    assert outcomes >= {str, PhoneReason.TWO_NUMBERS, PhoneReason.EXTENSION, PhoneReason.NOT_VALID_IN_REGION}


@pytest.mark.parametrize("digits", ["+111222233334444", "+2222333334444555", "+3735555555560", "+3735555555562"])
def test_the_numbers_of_octopush_s_own_page_pass_digit_for_digit(digits: str) -> None:
    for number_format in get_args(NumberFormat):
        for region in ((), ("FR",), ("MD", "US")):
            assert reader(*region, number_format=number_format).read(digits) == digits


def test_a_zero_in_brackets_is_dropped_where_the_country_dials_one_and_the_number_is_not_valid_with_it() -> None:
    rng = random.Random(10)
    outcomes: dict[str, int] = {}
    for _ in range(CASES):
        region = rng.choice(REGIONS)
        metadata = metadata_of(region)
        code, lengths = metadata.country_code, _lengths(metadata.country_code or 0)
        rest = "".join(rng.choices("0123456789", k=rng.choice(lengths)))
        text = f"+{code} {rng.choice(['(0)', '[0]', '( 0 )', '(0) '])}{rest}"
        read = reader().read(text)
        if is_valid(f"+{code}0{rest}") and e164(phonenumbers.parse(f"+{code}0{rest}")) == f"+{code}0{rest}":
            outcome, expected = "valid with it", f"+{code}0{rest}"
        elif is_valid(f"+{code}{rest}"):
            outcome, expected = "valid without", e164(phonenumbers.parse(f"+{code}{rest}"))
        elif is_valid(f"+{code}0{rest}"):
            # Dialled there with the zero, as one dials within the country.
            outcome, expected = "valid when dialled", e164(phonenumbers.parse(f"+{code}0{rest}"))
        elif has_trunk_zero(code or 0):
            if rest.startswith("0"):
                continue  # nobody dials two
            outcome, expected = "dropped", f"+{code}{rest}"
            if isinstance(read, PhoneReason):
                assert read in (PhoneReason.TOO_SHORT, PhoneReason.TOO_LONG), text
                continue
        else:
            outcome = "invalid"
            assert read is PhoneReason.ZERO_IN_BRACKETS, text
            continue
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        assert read == (expected if len(expected) <= len("+") + E164_DIGITS else PhoneReason.TOO_LONG), text
    assert set(outcomes) >= {"valid with it", "valid without", "dropped"}
    # Hungary's trunk prefix is 06: the bracket says what is left out, and no other digit is.
    assert reader().read("+36 (0)68 098 9964") == "+36680989964"
    assert reader().read("+36 (06) 20 123 4567") == reader().read("+36 06 20 123 4567") == "+36201234567"


def has_trunk_zero(code: int) -> bool:
    return phonenumbers.ndd_prefix_for_region(COUNTRY_CODE_TO_REGION_CODE[code][0], True) == "0"


#: Where 0 is dialled before numbers, and numbers may begin with 0 and another digit: Rwanda.
BEGIN_WITH_ZERO = {250}


def test_a_trunk_prefix_behind_the_country_code_is_dropped_however_it_is_written() -> None:
    rng = random.Random(15)
    dropped = kept = 0
    for _ in range(CASES):
        metadata = metadata_of(rng.choice(REGIONS))
        code = metadata.country_code or 0
        length = rng.choice([length for length in _lengths(code) if len(f"{code}0") + length <= 15])
        rest = rng.choice("123456789") + "".join(rng.choices("0123456789", k=length - 1))
        if is_valid(f"+{code}0{rest}"):
            continue
        forms = [f"+{code} 0{rest}", f"+{code} 0 {rest}", f"+{code}-0-{rest}", f"+{code}0{rest}", f"+{code} (0) {rest}"]
        read = {reader().read(form) for form in forms}
        if has_trunk_zero(code) and code not in BEGIN_WITH_ZERO:
            dropped += 1
            assert read in ({f"+{code}{rest}"}, {PhoneReason.TOO_SHORT}, {PhoneReason.EXTENSION}), forms
        else:
            kept += 1
            assert f"+{code}{rest}" not in {reader().read(form) for form in forms if "(" not in form}, forms
    assert dropped
    assert kept


def test_no_number_begins_with_a_zero_that_is_taken_for_a_trunk_prefix() -> None:
    for _, number in invented(random.Random(16)):
        code, significant = number.country_code or 0, phonenumbers.national_significant_number(number)
        if significant[0] == "0" != significant[1]:
            assert not has_trunk_zero(code) or code in BEGIN_WITH_ZERO, number


@pytest.mark.parametrize(
    ("value", "regions", "read"),
    [
        ("(604) 555-1234", ["US", "CA"], "+16045551234"),
        ("00 965 9872 9871", ["SG"], PhoneReason.AMBIGUOUS),
        (" 15 06 1990", ["SI"], PhoneReason.DATE),
        ("0612345678.0612345679", ["FR"], PhoneReason.TWO_NUMBERS),
        ("2024-01-15", ["SE"], PhoneReason.DATE),
        ("15.01.2024", ["SE"], PhoneReason.DATE),
        ("61.23.45.67", ["FR"], PhoneReason.ADDRESS),
        ("192.168.001.001", ["AT"], PhoneReason.ADDRESS),
    ],
)
def test_each_kind_that_once_went_astray_is_read_right(value: str, regions: list[str], read: Any) -> None:
    assert PhoneReader(regions).read(value) == read


def test_a_country_code_too_many_is_no_number_with_a_trunk_zero_either() -> None:
    """In each country whose numbers have a trunk prefix 0: +31 031 6… is not sent as +31 31 6…"""
    tried = 0
    for region in REGIONS:
        number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        if number is None:
            continue
        code, rest = number.country_code, phonenumbers.national_significant_number(number)
        found = PhoneReader().read(f"+{code} 0{code} {rest}")
        if isinstance(found, str) and phonenumbers.is_valid_number(phonenumbers.parse(found)):
            continue
        tried += 1
        assert isinstance(found, PhoneReason), (region, found)
    assert tried > 100
