from __future__ import annotations

import decimal
import random
from typing import Any, get_args

import numpy as np
import pandas as pd
import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat

from airflow_provider_octopush.phones.options import NumberFormat, PhoneCheck
from airflow_provider_octopush.phones.reader import PhoneReader
from airflow_provider_octopush.phones.reasons import PhoneReason
from tests.phones.numbers import PERSONAL, e164, examples

FRENCH = ["FR", "RE", "GP", "GF", "MQ", "YT"]
EXAMPLES = examples()


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("+33612345678", "+33612345678"),
        ("+33 01 49 70 65 65", "+33149706565"),
        ("+33 (0)6 12 34 56 78", "+33612345678"),
        ("+34 (0)612 34 56 78", "+34612345678"),
        ("+39 (0)6 1234 5678", "+390612345678"),
        ("+1 (403) 262-3443", "+14032623443"),
        ("tel:+33-6-12-34-56-78", "+33612345678"),
        ("TEL: +33612345678", "+33612345678"),
        ("tel:0612345678;phone-context=+33", "+33612345678"),
        ("+33.6.12.34.56.78", "+33612345678"),
        ("+33\u00a06\u202f12\u200934 56\u200b78", "+33612345678"),
        ("\u202a+33612345678\u202c", "+33612345678"),
        ("+33\u20116\u201312\u22123456-78", "+33612345678"),
        ("\uff0b\uff13\uff13\uff16\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18", "+33612345678"),
        ("+\u0663\u0663\u0666\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668", "+33612345678"),
        ("'+33612345678", "+33612345678"),
        ("0033612345678", "+33612345678"),
        ("00 33 6 12 34 56 78", "+33612345678"),
        ("+111222233334444", "+111222233334444"),
        ("+2222333334444555", "+2222333334444555"),
        ("+3735555555560", "+3735555555560"),
        (" +34-(0)612345678", "+34612345678"),
        ("+34 \uff080\uff09612345678", "+34612345678"),
        ("0034 (0)612345678", "+34612345678"),
        ("+39 (0)335 1234567", "+393351234567"),
        ("+34 612 (0) 345 678", "+346120345678"),
        ("+33/6/12/34/56/78", "+33612345678"),
        ("+81\uff5e90\uff5e1234\uff5e5678", "+819012345678"),
        ("+81\uff3b90\uff3d1234\u30fc5678", "+819012345678"),
        ("tel:06-12-34-56-78;phone-context=+33", "+33612345678"),
        ("tel:+33612345678;phone-context=+33", "+33612345678"),
        ("+33612345678.0", "+33612345678"),
        ("+33 6 12 34 56 78 ( )", "+33612345678"),
        ("+683 (4567)", "+6834567"),
        (np.str_("+33612345678"), "+33612345678"),
    ],
)
def test_a_number_is_read_without_knowing_a_region(value: Any, number: str) -> None:
    assert PhoneReader().read(value) == number


@pytest.mark.parametrize(
    "value",
    [
        "33612345678",
        "33 6 12 34 56 78",
        "33612345678.0",
        "33612345678.00",
        33612345678,
        33612345678.0,
        np.int64(33612345678),
        np.uint64(33612345678),
        np.float64(33612345678),
        decimal.Decimal("33612345678.00"),
    ],
)
def test_a_number_that_lost_its_plus_is_one_of_a_region_that_is_asked_for(value: Any) -> None:
    assert PhoneReader("FR").read(value) == "+33612345678"
    assert PhoneReader(["ES", "FR"]).read(value) == "+33612345678"
    assert PhoneReader().read(value, "FR") == "+33612345678"
    assert PhoneReader("FR").read(value, "ES") is PhoneReason.NOT_VALID_IN_REGION
    assert PhoneReader().read(value) is PhoneReason.NO_REGION


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("33612345678", "+33612345678"),
        (33612345678.0, "+33612345678"),
        (12025550123, "+12025550123"),
        ("44 (0)7400 123456", "+447400123456"),
        ("33800123456", "+33800123456"),
        ("+33612345678", "+33612345678"),
        ("+3735555555560", "+3735555555560"),
        ("0033612345678", "+33612345678"),
        ("3735555555560", PhoneReason.NOT_VALID),
        ("612345678", PhoneReason.NOT_VALID),
        ("0612345678", PhoneReason.NO_COUNTRY_CODE),
        ("01133612345678", PhoneReason.NO_COUNTRY_CODE),
        ("33612345678 12", PhoneReason.EXTENSION),
        ("49 30 12345 030 12346", PhoneReason.TWO_NUMBERS),
        ("12", PhoneReason.TOO_SHORT),
    ],
)
def test_a_number_number_format_may_begin_with_its_country_code(value: Any, read: Any) -> None:
    assert PhoneReader(number_format="international").read(value) == read
    assert PhoneReader("FR", number_format="international").read(value, "US") == read
    assert PhoneReader(number_format="international").read(value, "France") == read


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("0612345678", "+33612345678"),
        ("06.12.34.56.78", "+33612345678"),
        (612345678, "+33612345678"),
        (612345678.0, "+33612345678"),
        ("(01) 49 70 65 65", "+33149706565"),
        ("0692123456", "+262692123456"),
        ("0690123456", "+590690123456"),
        ("0696123456", "+596696123456"),
        ("0694201234", "+594694201234"),
        ("0639012345", "+262639012345"),
        ("+34612345678", "+34612345678"),
        ("0034612345678", "+34612345678"),
        ("262692123456", "+262692123456"),
    ],
)
def test_the_first_region_in_which_a_national_number_is_valid_wins(value: Any, number: str) -> None:
    assert PhoneReader(FRENCH).read(value) == number


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("+331", PhoneReason.TOO_SHORT),
        ("+33 3631", PhoneReason.TOO_SHORT),
        ("+33 0 999", PhoneReason.TOO_SHORT),
        ("+33 0 12345678", PhoneReason.TOO_SHORT),
        ("+225 01234567", PhoneReason.TOO_SHORT),
        ("+33612345678901234567890", PhoneReason.TOO_LONG),
        ("+22223333344445556", PhoneReason.TOO_LONG),
        ("+2222 333334444555", PhoneReason.TOO_LONG),
        ("+2222-3333344445", "+222233333" + "44445"),
        ("+999123456789", PhoneReason.UNKNOWN_COUNTRY_CODE),
        ("+0033612345678", PhoneReason.UNKNOWN_COUNTRY_CODE),
        ("+44 (0)7700 900123", "+447700900123"),
        ("+44 (07700) 900123", "+447700900123"),
        ("+44 [0]7700 900123", "+447700900123"),
        ("+44 7700 (0) 900123", "+4477000900123"),
        ("+44 7700 900123", "+447700900123"),
        ("+56 (0)2 635 4444", PhoneReason.ZERO_IN_BRACKETS),
        ("+56 (02) 635 4444", "+5602635" + "4444"),
        ("+33 (0)6 12 34 56 7", PhoneReason.TOO_SHORT),
        ("0612345678", PhoneReason.NO_REGION),
        ("0033999", PhoneReason.NOT_VALID),
        ("00999123456789", PhoneReason.UNKNOWN_COUNTRY_CODE),
        ("003735555555560", PhoneReason.NOT_VALID),
    ],
)
def test_a_number_that_libphonenumber_does_not_know_is_sent_within_bounds(value: str, read: Any) -> None:
    assert PhoneReader().read(value) == read
    if isinstance(read, str):
        assert PhoneReader(phone_check="valid").read(value) is PhoneReason.NOT_VALID


@pytest.mark.parametrize("value", ["0999999999", "0612345678 ", "331234567"])
def test_a_number_without_a_written_country_has_to_be_valid_in_a_region_that_is_asked_for(value: str) -> None:
    assert PhoneReader(["GB"]).read(value) is PhoneReason.NOT_VALID_IN_REGION


def test_each_reason_is_a_sentence_of_its_own() -> None:
    sentences = [reason.value for reason in PhoneReason]
    assert len(sentences) == len(set(sentences)) == len(PhoneReason.__members__)
    assert not any(character.isdigit() for character in "".join(sentences))


@pytest.mark.parametrize(
    ("value", "region", "number"),
    [
        ("011 33 6 12 34 56 78", "US", "+33612345678"),
        ("0011 33 6 12 34 56 78", "AU", "+33612345678"),
        ("8 10 33 6 12 34 56 78", "RU", "+33612345678"),
        ("202 555 0123", "US", "+12025550123"),
        ("202 555 0123", "CA", PhoneReason.NOT_VALID_IN_REGION),
        ("07797 712345", "JE", "+447797712345"),
        ("07797 712345", "GB", PhoneReason.NOT_VALID_IN_REGION),
        ("0692123456", "RE", "+262692123456"),
        ("0692123456", "YT", PhoneReason.NOT_VALID_IN_REGION),
        ("312345", "AD", "+376312345"),
        ("31234.0", "AD", PhoneReason.NOT_VALID_IN_REGION),
        ("(604) 555-1234", "US", PhoneReason.NOT_VALID_IN_REGION),
        ("(604) 555-1234", "CA", "+16045551234"),
        ("876 555 0123", "US", PhoneReason.NOT_VALID_IN_REGION),
        ("138 0013 8000", "US", PhoneReason.NOT_VALID_IN_REGION),
        ("32834567821", "IT", PhoneReason.NOT_PERSONAL),
        ("0800 123456", "GB", PhoneReason.NOT_PERSONAL),
        ("033612345678", "WS", "+33612345678"),
        ("001 33 6 12 34 56 78", "KR", "+33612345678"),
        ("0057 301 234 5678", "CO", "+573012345678"),
        ("005 57 301 234 5678", "CO", "+573012345678"),
        (612345678, "IT", PhoneReason.NOT_VALID_IN_REGION),
    ],
)
def test_a_national_number_has_to_be_of_the_very_region(value: Any, region: str, number: Any) -> None:
    assert PhoneReader(region).read(value) == number
    assert PhoneReader().read(value, region) == number


def test_what_two_countries_can_be_read_from_is_of_neither() -> None:
    text = "001 47 22 12 34 56"
    with_prefix = phonenumbers.parse(text, "KR")
    if with_prefix.country_code != 47 or not phonenumbers.is_valid_number(phonenumbers.parse("+14722123456")):
        pytest.skip("this version of phonenumbers knows one reading only")
    assert PhoneReader("KR").read(text) == PhoneReason.AMBIGUOUS


def test_the_national_form_comes_before_a_lost_plus_and_one_region_before_the_next() -> None:
    assert PhoneReader("DE").read("33612345678") == "+4933612345678"
    assert PhoneReader(["DE", "FR"]).read("33149706565") == "+4933149706565"
    assert PhoneReader(["FR", "DE"]).read("33149706565") == "+33149706565"
    assert PhoneReader("DE").read("+33612345678") == "+33612345678"


def test_a_mobile_that_lost_its_plus_is_no_landline_of_the_same_country() -> None:
    assert PhoneReader("DE").read(4915123456789) == "+4915123456789"
    assert PhoneReader("ID").read("62812345678") == "+62812345678"
    assert PhoneReader("DE").read("04915 123456") == "+494915123456"
    assert PhoneReader("IT").read("3933512345") == "+393933512345"


def test_the_region_of_a_row_decides_alone_and_falls_back_when_missing() -> None:
    reader = PhoneReader(["FR"])
    assert reader.read("612345678", "ES") == "+34612345678"
    assert reader.read("612345678", " es ") == "+34612345678"
    assert reader.read("0612345678", "ES") is PhoneReason.NOT_VALID_IN_REGION
    words = ("N/A", "n/a", "-", "null", "NULL", "none", "?", "#N/A", "nan")
    for missing in (None, "", " ", "\u200b", float("nan"), pd.NA, pd.NaT, *words):
        assert reader.read("0612345678", missing) == "+33612345678"
    assert reader.read("0612345678", "NA") == reader.read("0612345678", " na ") == "+264612345678"
    for unknown in ("France", "XX", 33, "FRA", "250", "\u00df", "\ufb01", "\uff46\uff52", "UK"):
        assert reader.read("0612345678", unknown) is PhoneReason.UNKNOWN_REGION
        assert reader.read("n/a", unknown) is PhoneReason.MISSING
        assert reader.read("+33612345678", unknown) == "+33612345678"
        assert reader.read("0033612345678", unknown) == "+33612345678"
        assert reader.read("0033999", unknown) is PhoneReason.NOT_VALID


@pytest.mark.parametrize(
    ("value", "valid", "mobile"),
    [
        ("+33612345678", "+33612345678", "+33612345678"),
        ("+33149706565", "+33149706565", PhoneReason.NOT_MOBILE),
        ("+33800123456", "+33800123456", PhoneReason.NOT_MOBILE),
        ("+33891123456", "+33891123456", PhoneReason.NOT_MOBILE),
        ("+12015550123", "+12015550123", "+12015550123"),
        ("+5511961234567", "+5511961234567", "+5511961234567"),
        ("+447012345678", "+447012345678", PhoneReason.NOT_MOBILE),
        ("+33912345678", "+33912345678", PhoneReason.NOT_MOBILE),
        ("+447640123456", "+447640123456", PhoneReason.NOT_MOBILE),
        ("+111222233334444", PhoneReason.NOT_VALID, PhoneReason.NOT_VALID),
        ("0149706565", "+33149706565", PhoneReason.NOT_MOBILE),
    ],
)
def test_more_can_be_asked_of_a_number(value: str, valid: Any, mobile: Any) -> None:
    assert PhoneReader("FR", "valid").read(value) == valid
    assert PhoneReader("FR", "mobile").read(value) == mobile


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("XX",), "default_region is 'XX', which is not a country code: write a code of two letters, such as 'FR'"),
        (("FRA",), "default_region is 'FRA', which is not a country code: write a code of two letters, such as 'FR'"),
        (("ß",), "default_region is 'ß', which is not a country code: write a code of two letters, such as 'FR'"),
        (
            (5,),
            "default_region is 5, which is not a country code: write a code of two letters, such as 'FR', or a list of "
            "them",
        ),
        (("uk",), "default_region is 'uk', which is not a country code: write 'GB' for the United Kingdom"),
        (
            ("FR,RE",),
            r"default_region is 'FR,RE', which is not a country code: write several as a list, such as \['FR', 'RE'\]",
        ),
        (("['FR', 'RE']",), "write several as a list.* render_template_as_native_obj=True"),
        ((["FR", "France"],), "default_region is 'France', which is not a country code"),
        (("FR", "strict"), "phone_check is 'strict'"),
        (("FR", "format", "msisdn"), "number_format is 'msisdn': write one of 'national', 'international'"),
    ],
)
def test_a_wrong_setting_is_named(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PhoneReader(*arguments)


def test_every_example_of_every_region_and_type_is_read_right() -> None:
    assert len(EXAMPLES) > 800
    wrong = []
    for region, kind, number in EXAMPLES:
        international = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
        forms = (
            e164(number),
            international,
            international.replace(" ", "\u00a0").replace("-", "\u2010"),
            phonenumbers.format_number(number, PhoneNumberFormat.RFC3966),
            f"00{e164(number)[1:]}",
        )
        wrong += [(region, kind, text) for text in forms if PhoneReader().read(text) != e164(number)]
        digits = e164(number)[1:]
        if PhoneReader(number_format="international").read(digits) != e164(number):
            wrong.append((region, kind, digits))
        national = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
        read = PhoneReader(region).read(national)
        if not phonenumbers.is_valid_number_for_region(number, region):
            continue
        if phonenumbers.number_type(number) in PERSONAL:
            if read != e164(number):
                wrong.append((region, kind, national))
        elif isinstance(read, str):
            wrong.append((region, kind, national))
    assert wrong == []


def test_a_zero_in_brackets_is_read_as_libphonenumber_has_it_in_the_country() -> None:
    for region, kind, number in EXAMPLES:
        nsn = phonenumbers.national_significant_number(number)
        read = PhoneReader().read(f"+{number.country_code} (0){nsn.removeprefix('0')}")
        # In Italy, say, a landline with the zero is another number than a mobile without, and both are valid.
        with_zero = phonenumbers.parse(f"+{number.country_code}0{nsn}")
        assert read in (e164(number), phonenumbers.is_valid_number(with_zero) and e164(with_zero)), (region, kind)


SEPARATORS = [
    " ",
    "-",
    ".",
    "(",
    ")",
    " - ",
    "[",
    "]",
    "_",
    "\u00a0",
    "\u2009",
    "\u2013",
    "\u200b",
    "\u2011",
    "\uff0d",
    "\t",
]
PREFIXES = ["+", "\uff0b", "+ ", " +", "tel:+", "TEL: +", "(+", "00", "00 ", "'+", "\u200e+"]
SCRIPTS = ["0", "\uff10", "\u0660", "\u06f0", "\u0966"]


@given(
    st.sampled_from(EXAMPLES),
    st.sampled_from(PREFIXES),
    st.sampled_from(SCRIPTS),
    st.lists(st.sampled_from(SEPARATORS), min_size=2),
    st.randoms(use_true_random=False),
)
def test_a_valid_number_reads_back_however_it_is_written(
    example: tuple[str, int, phonenumbers.PhoneNumber],
    prefix: str,
    zero: str,
    separators: list[str],
    rng: random.Random,
) -> None:
    _, _, number = example
    written = [chr(ord(zero) + int(digit)) for digit in e164(number)[1:]]
    # Not two separators where there is but one: a number with a single dot is a float.
    places = rng.sample(range(1, len(written)), min(len(separators), len(written) - 1))
    # At most one in a place, as two blanks divide two numbers.
    for position, separator in zip(places, separators, strict=False):
        # Brackets around a zero have a meaning of their own.
        written[position] = (separator if separator not in "()[]" else " ") + written[position]
    text = prefix + "".join(written)
    if text.count(".") != 1:
        assert PhoneReader(phone_check="valid").read(text) == e164(number)


@given(st.sampled_from(EXAMPLES), st.randoms(use_true_random=False))
def test_a_national_number_reads_back_in_its_region(
    example: tuple[str, int, phonenumbers.PhoneNumber], rng: random.Random
) -> None:
    region, _, number = example
    if phonenumbers.number_type(number) not in PERSONAL:
        return
    national = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
    abroad = phonenumbers.format_out_of_country_calling_number(number, "US")
    # From the US, another region with the same country code is dialled as one dials at home.
    there = PhoneReader(["US", region]) if number.country_code == 1 else PhoneReader("US")
    for text, reader in ((national, PhoneReader(region)), (abroad, there)):
        # Older metadata writes Slovak numbers with a slash, and a slash between long halves means two numbers.
        written = "".join(rng.choice([" ", "-", "\u00a0", ". "]) if c in " -/" else c for c in text)
        assert reader.read(written) == e164(number)


@given(
    st.sampled_from(EXAMPLES),
    st.sampled_from(["+", "+ ", "", "0", "00", "0 0", " +"]),
    st.lists(st.sampled_from([" ", " ", "-", ".", "  ", "+", "/"]), max_size=5),
    st.sampled_from(get_args(PhoneCheck)),
    st.sampled_from(get_args(NumberFormat)),
    st.randoms(use_true_random=False),
)
def test_the_short_way_of_most_numbers_leads_where_the_long_one_does(
    example: tuple[str, int, phonenumbers.PhoneNumber],
    prefix: str,
    separators: list[str],
    phone_check: PhoneCheck,
    number_format: NumberFormat,
    rng: random.Random,
) -> None:
    region, _, number = example
    digits = list(rng.choice([str(number.country_code), ""]) + phonenumbers.national_significant_number(number))
    for separator in separators:
        digits.insert(rng.randrange(len(digits) + 1), separator)
    text = prefix + "".join(digits)
    reader = PhoneReader([region, "FR"], phone_check, number_format)
    # A spreadsheet's mark for text is taken off on the long way only.
    assert reader.read(text) == reader.read(f"'{text}")
    for written in (region, f" {region.lower()}", "", "XX"):
        assert reader.read(text, written) == reader.read(f"'{text}", written)


VALUES = st.one_of(
    st.text(),
    st.text(alphabet="+0123456789 ().-/;,#~xeE'\u00a0\n"),
    st.from_regex(r"(tel:)?[+]?[0-9 ]{5,15}(;phone-context=[+]?[0-9a-z.]*|;ext=[0-9]|)", fullmatch=True),
    st.integers(),
    st.floats(),
    st.floats(width=32).map(np.float32),
    st.decimals(),
    st.booleans(),
    st.dates(),
    st.timedeltas(),
    st.binary(),
    st.lists(st.text()),
)


@given(VALUES, VALUES)
def test_whatever_comes_is_a_number_or_a_reason(value: Any, region: Any) -> None:
    read = PhoneReader(FRENCH).read(value, region)
    if isinstance(read, PhoneReason):
        return
    assert read[0] == "+"
    assert read[1:].isascii()
    assert read[1:].isdecimal()


@given(st.text(alphabet="+0123456789 ().-/;,#~xeE\u00a0\u0664\uff18\uff0b", min_size=5, max_size=25))
def test_no_digit_is_lost_or_made_up(text: str) -> None:
    read = PhoneReader(["FR", "DE", "US"]).read(text)
    if isinstance(read, PhoneReason):
        return
    digits = "".join(str(int(character)) for character in text if character.isdecimal())
    if read == f"+{digits}":
        return
    without_fraction = digits.removesuffix("0").removesuffix("0") if "." in text else digits
    without_a_zero = {digits[:i] + digits[i + 1 :] for i in range(len(digits)) if digits[i] == "0" and "(" in text}
    assert read in {
        reading
        for written in {digits, digits.removesuffix("0"), without_fraction, *without_a_zero}
        for reading in readings(written)
    }


def readings(digits: str) -> set[str]:
    """All that libphonenumber considers valid of these digits."""
    found = set()
    for text, region in [(f"+{digits}", None), (f"+{digits[2:]}", None), *((digits, r) for r in ("FR", "DE", "US"))]:
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            found.add(e164(number))
    return found


@given(st.text(alphabet="0123456789 .-()", min_size=6, max_size=20))
def test_an_international_number_that_is_not_valid_loses_no_digit(text: str) -> None:
    read = PhoneReader().read(f"+{text}")
    digits = "".join(filter(str.isdecimal, text))
    if isinstance(read, str) and not phonenumbers.is_valid_number(phonenumbers.parse(read)):
        without_fraction = {digits.removesuffix("0"), digits.removesuffix("00")} if "." in text else set()
        # Behind a country code, a zero is none of the number: a trunk prefix, or one that opens a bracket.
        without_zero = {digits[:i] + digits[i + 1 :] for i in (1, 2, 3) if digits[i : i + 1] == "0"}
        without_two = {digits[:i] + digits[i + 2 :] for i in (1, 2, 3) if digits[i : i + 2] == "00" and "(" in text}
        assert read[1:] in {digits, *without_fraction, *without_zero, *without_two}
