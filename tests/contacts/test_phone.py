from __future__ import annotations

import decimal
import random
from typing import Any

import numpy as np
import pandas as pd
import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from airflow_provider_octopush.contacts.phone import PhoneReader, PhoneReason

FRENCH = ["FR", "RE", "GP", "GF", "MQ", "YT"]
TYPES = [
    PhoneNumberType.MOBILE,
    PhoneNumberType.FIXED_LINE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE,
    PhoneNumberType.TOLL_FREE,
    PhoneNumberType.PREMIUM_RATE,
    PhoneNumberType.SHARED_COST,
    PhoneNumberType.VOIP,
    PhoneNumberType.PERSONAL_NUMBER,
    PhoneNumberType.PAGER,
    PhoneNumberType.UAN,
    PhoneNumberType.VOICEMAIL,
]
EXAMPLES = [
    (region, kind, example)
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    for kind in TYPES
    if (example := phonenumbers.example_number_for_type(region, kind)) is not None
    and phonenumbers.is_valid_number(example)
]


def e164(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


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
        ("33612345678", "+33612345678"),
        ("33612345678.0", "+33612345678"),
        (33612345678, "+33612345678"),
        (33612345678.0, "+33612345678"),
        (np.int64(33612345678), "+33612345678"),
        (np.float64(33612345678), "+33612345678"),
        (decimal.Decimal("33612345678.00"), "+33612345678"),
        ("+111222233334444", "+111222233334444"),
        ("+2222333334444555", "+2222333334444555"),
        ("+3735555555560", "+3735555555560"),
        ("+33 0 999", "+330999"),
    ],
)
def test_a_number_is_read_without_knowing_a_region(value: Any, number: str) -> None:
    assert PhoneReader().read(value) == number


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
        ("0694123456", "+594694123456"),
        ("0639012345", "+262639012345"),
        ("+34612345678", "+34612345678"),
        ("0034612345678", "+34612345678"),
        ("34612345678", "+34612345678"),
    ],
)
def test_the_first_region_in_which_a_national_number_is_valid_wins(value: Any, number: str) -> None:
    assert PhoneReader(FRENCH).read(value) == number


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, PhoneReason.MISSING),
        (float("nan"), PhoneReason.MISSING),
        (pd.NA, PhoneReason.MISSING),
        (pd.NaT, PhoneReason.MISSING),
        (" \u00a0 ", PhoneReason.MISSING),
        (True, PhoneReason.NOT_TEXT),
        (b"+33612345678", PhoneReason.NOT_TEXT),
        (["+33612345678"], PhoneReason.NOT_TEXT),
        ({"number": "+33612345678"}, PhoneReason.NOT_TEXT),
        (pd.Timestamp("2026-11-23"), PhoneReason.NOT_TEXT),
        (33612345678.5, PhoneReason.NOT_WHOLE),
        (float("inf"), PhoneReason.NOT_WHOLE),
        (2.0**53, PhoneReason.NOT_WHOLE),
        (decimal.Decimal("33612345678.5"), PhoneReason.NOT_WHOLE),
        ("33612345678.5", PhoneReason.NOT_WHOLE),
        ("3.36E+10", PhoneReason.SCIENTIFIC),
        ("3,36e10", PhoneReason.SCIENTIFIC),
        ("336E8", PhoneReason.SCIENTIFIC),
        (-33612345678, PhoneReason.NEGATIVE),
        ("-33612345678", PhoneReason.NEGATIVE),
        ("O612345678", PhoneReason.LETTERS),
        ("+1 800 FLOWERS", PhoneReason.LETTERS),
        ("n/a", PhoneReason.LETTERS),
        ("+33612345678 (mobile)", PhoneReason.LETTERS),
        ("+33 6\u00b2 12345678", PhoneReason.CHARACTERS),
        ("+33*612345678", PhoneReason.CHARACTERS),
        ("?", PhoneReason.CHARACTERS),
        ("+", PhoneReason.NO_DIGITS),
        ("--", PhoneReason.NO_DIGITS),
        ("+33612345678 ext 5", PhoneReason.EXTENSION),
        ("+33612345678 Extension: 12", PhoneReason.EXTENSION),
        ("+33612345678x5", PhoneReason.EXTENSION),
        ("+33612345678#5", PhoneReason.EXTENSION),
        ("+33612345678,5", PhoneReason.EXTENSION),
        ("+33612345678;5", PhoneReason.EXTENSION),
        ("tel:+33612345678;ext=5", PhoneReason.EXTENSION),
        ("01 49 70 65 65 poste 12", PhoneReason.EXTENSION),
        ("+33612345678 / +33612345679", PhoneReason.TWO_NUMBERS),
        ("06 12 34 56 78 / 06 12 34 56 79", PhoneReason.TWO_NUMBERS),
        ("+33612345678, +33612345679", PhoneReason.TWO_NUMBERS),
        ("+33612345678 +33612345679", PhoneReason.TWO_NUMBERS),
        ("+33612345678\n+33612345679", PhoneReason.TWO_NUMBERS),
        ("06+12345678", PhoneReason.PLUS_INSIDE),
        ("++33612345678", PhoneReason.PLUS_INSIDE),
        ("+331", PhoneReason.TOO_SHORT),
        ("+33612345678901234567890", PhoneReason.TOO_LONG),
        ("+999123456789", PhoneReason.UNKNOWN_COUNTRY_CODE),
        ("0612345678", PhoneReason.NO_REGION),
        ("0033999", PhoneReason.NO_REGION),
    ],
)
def test_what_is_no_number_has_its_own_reason(value: Any, reason: PhoneReason) -> None:
    assert PhoneReader().read(value) is reason


@pytest.mark.parametrize("value", ["0999999999", "0612345678 ", "331234567", "00331234567"])
def test_a_guess_has_to_be_valid(value: str) -> None:
    assert PhoneReader(["GB"]).read(value) is PhoneReason.NOT_VALID_IN_REGION


def test_the_region_of_a_row_decides_alone_and_falls_back_when_missing() -> None:
    reader = PhoneReader(["FR"])
    assert reader.read("612345678", "ES") == "+34612345678"
    assert reader.read("612345678", " es ") == "+34612345678"
    assert reader.read("0612345678", "ES") is PhoneReason.NOT_VALID_IN_REGION
    for missing in (None, "", " ", float("nan"), pd.NA):
        assert reader.read("0612345678", missing) == "+33612345678"
    for unknown in ("France", "XX", 33):
        assert reader.read("0612345678", unknown) is PhoneReason.UNKNOWN_REGION
    assert reader.read("+33612345678", "France") == "+33612345678"


@pytest.mark.parametrize(
    ("value", "valid", "mobile"),
    [
        ("+33612345678", "+33612345678", "+33612345678"),
        ("+33149706565", "+33149706565", PhoneReason.NOT_MOBILE),
        ("+33800123456", "+33800123456", PhoneReason.NOT_MOBILE),
        ("+33891123456", "+33891123456", PhoneReason.NOT_MOBILE),
        ("+12015550123", "+12015550123", "+12015550123"),
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
        (("XX",), "default_region 'XX' is not a region"),
        ((["FR", "France"],), "default_region 'France' is not a region"),
        (("FR", "strict"), "phone_check is 'strict'"),
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
        national = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
        read = PhoneReader(region).read(national)
        if phonenumbers.is_valid_number_for_region(number, region) and read != e164(number):
            wrong.append((region, kind, national))
    assert wrong == []


@given(st.sampled_from(EXAMPLES), st.randoms(use_true_random=False))
def test_a_valid_number_reads_back_however_it_is_written(
    example: tuple[str, int, phonenumbers.PhoneNumber], rng: random.Random
) -> None:
    _, _, number = example
    digits = e164(number)[1:]
    written = "".join(
        digit + (rng.choice([" ", "-", ".", "\u00a0", "\u2009", "\u2013", "\u200b"]) if rng.random() < 0.3 else "")
        for digit in digits
    )
    assert PhoneReader(phone_check="valid").read(rng.choice(["+", "\uff0b", "+ ", " +", "tel:+"]) + written) == e164(
        number
    )


@given(st.one_of(st.text(), st.text(alphabet="+0123456789 ().-/;,#xe'\u00a0"), st.integers(), st.floats(), st.binary()))
def test_whatever_comes_is_a_number_or_a_reason(value: Any) -> None:
    read = PhoneReader(FRENCH).read(value)
    if isinstance(read, PhoneReason):
        return
    assert read[0] == "+"
    assert read[1:].isascii()
    assert read[1:].isdecimal()


@given(st.text(alphabet="0123456789 .-()", min_size=6, max_size=20))
def test_an_international_number_that_is_not_valid_loses_no_digit(text: str) -> None:
    read = PhoneReader().read(f"+{text}")
    digits = "".join(filter(str.isdecimal, text))
    if isinstance(read, str) and not phonenumbers.is_valid_number(phonenumbers.parse(read)):
        assert read == f"+{digits}"
