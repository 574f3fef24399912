from __future__ import annotations

import datetime as dt
import decimal
import ipaddress
import random
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest

from airflow_provider_octopush.phones.options import NumberFormat
from airflow_provider_octopush.phones.reader import PhoneReader
from airflow_provider_octopush.phones.reasons import PhoneReason
from tests.phones.numbers import CASES, REGIONS, e164, invented, is_grouped, national


@pytest.mark.parametrize(
    "value",
    [
        None,
        float("nan"),
        decimal.Decimal("nan"),
        np.timedelta64("NaT"),
        pd.NA,
        pd.NaT,
        "",
        " \u00a0 ",
        "\u200b\ufeff",
        "\0",
        '""',
        "'",
        0,
        0.0,
        -0.0,
        decimal.Decimal("0.00"),
        decimal.Decimal("0E+3"),
        "0",
        "0.0",
        "0,00",
        "0000000000",
        "000-000-0000",
        "(000) 000 0000",
        "-",
        "--",
        "\u2014",
        "?",
        "???",
        "...",
        "n/a",
        "N/A",
        "NA",
        "n.a.",
        "#N/A",
        "#N/A N/A",
        "<NA>",
        "NaN",
        "-nan",
        "NaT",
        "null",
        "NULL",
        "(null)",
        "[null]",
        "None",
        "nil",
        "undefined",
        r"\N",
        "'NULL'",
        '="n/a"',
    ],
)
def test_what_stands_for_nothing_is_missing(value: Any) -> None:
    for reader in (PhoneReader(), PhoneReader(["FR", "DE"]), PhoneReader(number_format="international")):
        assert reader.read(value) is PhoneReason.MISSING


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("'", ""),
        ("'", "'"),
        ('"', '"'),
        ('="', '"'),
        ("=", ""),
        (' "', '" '),
        ('"""', '"""'),
        ("`", "`"),
        ("\u201c", "\u201d"),
        ("\u201e", "\u201c"),
        ("\u00ab ", " \u00bb"),
        ("\u2018", "\u2019"),
        ('="', '"\u200b'),
        ("\uff02", "\uff02"),
    ],
)
def test_what_spreadsheets_and_exports_put_around_a_value_is_taken_off(before: str, after: str) -> None:
    for number in ("+33612345678", "0612345678", "tel:+33612345678", "06 12 34 56 78"):
        assert PhoneReader("FR").read(f"{before}{number}{after}") == "+33612345678"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (True, PhoneReason.NOT_TEXT),
        (np.bool_(True), PhoneReason.NOT_TEXT),
        (b"+33612345678", PhoneReason.NOT_TEXT),
        (["+33612345678"], PhoneReason.NOT_TEXT),
        ({"number": "+33612345678"}, PhoneReason.NOT_TEXT),
        (pd.Timestamp("2026-11-23"), PhoneReason.DATE),
        (np.datetime64("2026-11-23"), PhoneReason.DATE),
        (dt.datetime(2026, 11, 23), PhoneReason.DATE),  # noqa: DTZ001 - of no zone
        (dt.date(2026, 11, 23), PhoneReason.DATE),
        (dt.time(6, 12), PhoneReason.NOT_TEXT),
        (np.timedelta64(33612345678, "s"), PhoneReason.NOT_TEXT),
        (33612345678.5, PhoneReason.NOT_WHOLE),
        (float("inf"), PhoneReason.NOT_WHOLE),
        (decimal.Decimal("inf"), PhoneReason.NOT_WHOLE),
        (decimal.Decimal("33612345678.5"), PhoneReason.NOT_WHOLE),
        ("33612345678.5", PhoneReason.NOT_WHOLE),
        ("33612345678.123", PhoneReason.NOT_WHOLE),
        ("12345.5", PhoneReason.NOT_WHOLE),
        ("1234.56", PhoneReason.NOT_WHOLE),
        (2.0**53, PhoneReason.IMPRECISE),
        (np.float32(33612345678), PhoneReason.IMPRECISE),
        (np.float16(6124), PhoneReason.IMPRECISE),
        ("1234567890123456.0", PhoneReason.IMPRECISE),
        ("+3.36E+10", PhoneReason.SCIENTIFIC),
        ("3.36E+10", PhoneReason.SCIENTIFIC),
        ("3,36e10", PhoneReason.SCIENTIFIC),
        ("336E8", PhoneReason.SCIENTIFIC),
        (decimal.Decimal("3.36123E+10"), PhoneReason.SCIENTIFIC),
        (-33612345678, PhoneReason.NEGATIVE),
        (decimal.Decimal(-33612345678), PhoneReason.NEGATIVE),
        ("-33612345678", PhoneReason.NEGATIVE),
        ("\u221233612345678.0", PhoneReason.NEGATIVE),
        pytest.param(10**5000, PhoneReason.TOO_LONG, id="an integer of 5001 digits"),
        (decimal.Decimal("1E+999999999"), PhoneReason.TOO_LONG),
        ("1" * 30, PhoneReason.TOO_LONG),
        ("12", PhoneReason.TOO_SHORT),
        ("x0612345678", PhoneReason.LETTERS),
        ("O612345678", PhoneReason.LETTERS),
        ("nullnull", PhoneReason.LETTERS),
        ("+1 800 FLOWERS", PhoneReason.LETTERS),
        ("+33612345678 (mobile)", PhoneReason.LETTERS),
        ("tel:tel:+33612345678", PhoneReason.LETTERS),
        ("33,612,345,678", PhoneReason.CHARACTERS),
        ("+33 6\u00b2 12345678", PhoneReason.CHARACTERS),
        ("+33*612345678", PhoneReason.CHARACTERS),
        ("+33612345678\x1b", PhoneReason.CHARACTERS),
        ('"+33612345678', PhoneReason.CHARACTERS),
        ("\u20ac 12345678", PhoneReason.CHARACTERS),
        *((f"0664 12345{signs}", PhoneReason.MASKED) for signs in ("..", "--", "__", "_", " - - -", ". .")),
        ("+43 664 ____", PhoneReason.MASKED),
        ("+43 664 12 .. 567", PhoneReason.MASKED),
        ("..6 12 34 56 78", PhoneReason.MASKED),
        ("+43 664 12345\u2013\u2014", PhoneReason.MASKED),
        ("+43 664 12345\u2026", PhoneReason.CHARACTERS),
        ("+", PhoneReason.NO_DIGITS),
        ("( )", PhoneReason.MISSING),
        ("tel:+", PhoneReason.NO_DIGITS),
        ("06+12345678", PhoneReason.PLUS_INSIDE),
        ("++33612345678", PhoneReason.PLUS_INSIDE),
        pytest.param("1 " * 50_000, PhoneReason.TOO_LONG, id="a text of 100,000 characters"),
        pytest.param("call " * 20_000, PhoneReason.LETTERS, id="words of 100,000 characters"),
        ("tel:7042;phone-context=example.com", PhoneReason.CONTEXT),
        ("tel:12;phone-context=+33612", PhoneReason.CONTEXT),
    ],
)
def test_what_is_no_number_has_its_own_reason(value: Any, reason: PhoneReason) -> None:
    assert PhoneReader().read(value) is reason
    assert PhoneReader("FR").read(value) is reason


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("612345678.0", "+33612345678"),
        ("612345678.00", "+33612345678"),
        ("612345678,0", "+33612345678"),
        ("612345678,00", "+33612345678"),
        (decimal.Decimal("612345678.00"), "+33612345678"),
        ("(06 12 34 56 78)", "+33612345678"),
        ("+33 6 (12345678)", "+33612345678"),
        ("[612345678.0]", "+33612345678"),
        ("(612345678.0)", "+33612345678"),
        ("[6.12345678e+08]", "+33612345678"),
        ("-0612345678", "+33612345678"),
        ("- 06 12 34 56 78", "+33612345678"),
        ("- +33 6 12 34 56 78", "+33612345678"),
        ("\u2013 06 12 34 56 78", "+33612345678"),
        ("0612.345678", "+33612345678"),
    ],
)
def test_what_only_looks_like_another_thing_is_read(value: Any, number: str) -> None:
    assert PhoneReader("FR").read(value) == number


DATE_FORMS = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y %m %d",
    "%Y_%m_%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%d-%m-%Y",
    "%m/%d/%Y",
    "%m-%d-%Y",
    "%d %m %Y",
    "%d. %m. %Y",
    "%d. %m. %Y.",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%M:%S.000Z",
    "%Y-%m-%d %H:%M:%S+00:00",
    "%Y-%m-%d-%H-%M-%S",
    "%Y-%m-%d %H.%M",
    "%d.%m.%Y %H:%M",
    "%m/%d/%Y %I:%M %p",
    "%Y-%m-%d %H",
    "%Y-%m",
    "%Y/%m",
    "%Y.%m",
    "%m/%Y",
    "%m.%Y",
    "%m-%Y",
    "%Y/%Y",
    "(%Y-%m-%d)",
    "%d.%m.%Y, %H:%M",
]


def dates(rng: random.Random) -> tuple[str, dt.datetime]:
    date = dt.datetime(1900, 1, 1) + dt.timedelta(minutes=rng.randrange(200 * 365 * 24 * 60))  # noqa: DTZ001 - of no zone
    text = date.strftime(rng.choice(DATE_FORMS))
    return (text.replace("/0", "/").replace(".0", ".") if rng.random() < 0.3 else text), date


def test_a_date_is_no_number_unless_libphonenumber_groups_its_digits_so() -> None:
    rng = random.Random(1)
    reasons = set()
    for _ in range(CASES):
        text, _ = dates(rng)
        region = rng.choice(REGIONS)
        read = PhoneReader(region, number_format=rng.choice(["national", "international"])).read(text)
        if isinstance(read, str):
            assert is_grouped(read, text), (text, region, read)
        else:
            reasons.add(read)
    assert reasons == {PhoneReason.DATE}


def test_a_month_or_two_years_are_no_number_in_any_region() -> None:
    rng = random.Random(4)
    for _ in range(CASES):
        month, year, sign = rng.randrange(1, 13), rng.randrange(1900, 2099), rng.choice("-./")
        written = rng.choice([str(month), f"{month:02d}"])
        text = rng.choice([f"{written}{sign}{year}", f"{year}{sign}{written}", f"{year}/{year + 1}"])
        for number_format in get_args(NumberFormat):
            reader = PhoneReader([rng.choice(REGIONS), "AT"], number_format=number_format)
            assert reader.read(text) is PhoneReason.DATE, text


def test_scientific_notation_is_a_number_where_all_digits_are_there() -> None:
    rng = random.Random(5)
    for _ in range(CASES):
        digits = str(rng.randrange(10**5, 10**15))
        fraction = digits[1:] + "0" * rng.randrange(3)
        exponent = rng.choice(["E", "e", "E+", "e+"]) + str(len(digits) - 1)
        text = f"{digits[0]}{rng.choice('.,')}{fraction}{exponent}"
        asked = rng.sample(REGIONS, k=2)
        for sign in ("", "+"):
            assert PhoneReader(asked).read(f"{sign}{text}") == PhoneReader(asked).read(f"{sign}{digits}"), text
        assert PhoneReader(asked).read(f"{digits[0]}.{digits[1:-1]}{exponent}") is PhoneReason.SCIENTIFIC
        assert PhoneReader(asked).read(f"-{text}") is PhoneReason.NEGATIVE
        assert PhoneReader(asked).read(f"{digits[0]}.{digits[1:]}5{exponent}") is PhoneReason.NOT_WHOLE


def test_a_decimal_in_scientific_notation_is_read_where_python_writes_all_its_digits() -> None:
    rng = random.Random(6)
    for _, number in invented(rng, cases=CASES // 3):
        whole = decimal.Decimal(e164(number)[1:])
        text = f"{whole:E}"
        assert PhoneReader().read(f"+{text}") == e164(number), text


def test_an_ip_address_is_no_number_unless_libphonenumber_groups_its_digits_so() -> None:
    rng = random.Random(2)
    reasons = set()
    for _ in range(CASES):
        address = ".".join(str(rng.choice([rng.randrange(256), rng.randrange(100)])) for _ in range(4))
        text = f"{ipaddress.IPv4Address(address)}{rng.choice(['', '', f'/{rng.randrange(33)}', ':8080'])}"
        region = rng.choice(REGIONS)
        read = PhoneReader(region).read(text)
        if isinstance(read, str):
            assert is_grouped(read, text), (text, region, read)
        elif address.count("0") < 3 and not address.startswith("0"):
            reasons.add(read)
    assert PhoneReason.ADDRESS in reasons
    assert reasons <= {PhoneReason.ADDRESS, PhoneReason.NOT_PERSONAL, PhoneReason.NOT_VALID}


@pytest.mark.parametrize(
    ("value", "region", "number"),
    [
        ("20.12.34.56", "DK", "+4520123456"),
        ("75.12.34", "NC", "+687751234"),
        ("02.345.67.89", "BE", "+3223456789"),
        ("20240115", "DK", "+4520240115"),
        ("20 24 01 15", "DK", "+4520240115"),
        ("+20 2 2024 0115", "FR", "+20220240115"),
    ],
)
def test_what_is_grouped_as_numbers_are_there_is_a_number(value: str, region: str, number: str) -> None:
    assert PhoneReader(region).read(value) == number


@pytest.mark.parametrize(
    "value", ["32.01.2024", "15.13.2024", "15.00.2024", "2024-13", "2024/13", "13/2024", "15.01.24", "06 12 3456"]
)
def test_digits_are_no_date_without_a_day_a_month_and_a_year(value: str) -> None:
    assert PhoneReader("FR").read(value) is PhoneReason.NOT_VALID_IN_REGION


def test_a_number_in_dots_is_one_where_libphonenumber_groups_it_so() -> None:
    for region, number in invented(random.Random(3), cases=CASES // 3):
        dotted = national(number).replace(" ", ".").replace("-", ".")
        read = PhoneReader(region).read(dotted)
        assert read not in (PhoneReason.ADDRESS, PhoneReason.DATE), (region, dotted)
