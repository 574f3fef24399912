from __future__ import annotations

import datetime as dt
import decimal
import enum
import math
import unicodedata
import uuid

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_octopush.text import fold_name, is_missing, to_text


@pytest.mark.parametrize(
    "value",
    [
        None,
        math.nan,
        np.float64("nan"),
        np.float32("nan"),
        pd.NA,
        pd.NaT,
        np.datetime64("NaT"),
        decimal.Decimal("NaN"),
        "",
        "   ",
        "\t\n",
        "\u00a0",
        b"",
        b" ",
    ],
)
def test_a_missing_value_is_no_text(value: object) -> None:
    assert to_text(value) is None
    assert is_missing(value)


class Tier(enum.StrEnum):
    GOLD = "gold"


class OldTier(str, enum.Enum):  # noqa: UP042 - its str() is not its value, which is what is tried
    GOLD = "gold"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Zoë", "Zoë"),
        (" O'Brien ", " O'Brien "),
        ("nan", "nan"),
        ("None", "None"),
        (np.str_("x"), "x"),
        ("Zoé".encode(), "Zoé"),
        (bytearray(b"x"), "x"),
        (memoryview(b"x"), "x"),
        (Tier.GOLD, "gold"),
        (OldTier.GOLD, "gold"),
        (7, "7"),
        (0, "0"),
        (-3, "-3"),
        (10**20, "100000000000000000000"),
        (np.int64(7), "7"),
        (7.0, "7"),
        (np.float64(7.0), "7"),
        (1e22, "10000000000000000000000"),
        (0.1, "0.1"),
        (np.float32(0.1), "0.1"),
        (1e-7, "0.0000001"),
        (-2.5, "-2.5"),
        (decimal.Decimal("12.50"), "12.50"),
        (decimal.Decimal("1E+3"), "1000"),
        (dt.date(2026, 11, 23), "2026-11-23"),
        (dt.datetime(2026, 11, 23, 10, 30), "2026-11-23T10:30:00"),  # noqa: DTZ001 - databases have naive ones too
        (dt.datetime(2026, 11, 23, 10, 30, tzinfo=dt.UTC), "2026-11-23T10:30:00+00:00"),
        (pd.Timestamp("2026-11-23 10:30"), "2026-11-23T10:30:00"),
        (np.datetime64("2026-11-23T10:30"), "2026-11-23T10:30:00"),
        (dt.time(10, 30), "10:30:00"),
        (True, "true"),
        (np.bool_(False), "false"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_a_value_is_written_as_a_person_would(value: object, text: str) -> None:
    assert to_text(value) == text
    assert type(to_text(value)) is str


@pytest.mark.parametrize(
    "value",
    [b"secret\xff", memoryview(b"secret\xff"), ["secret"], {"secret": 1}, ("secret",),
     math.inf, decimal.Decimal("-inf"),
     "secret\ud800", object(), dt.timedelta(1), np.timedelta64(1, "s"),
     "secret\x00", "\x1bsecret", "secret\x7f", "secret\x85x", b"\x01", "\x1a", "\x0b", "\x1c",
     decimal.Decimal("1E+999999999"), decimal.Decimal("1E-999999999"),
     pytest.param(10**5000, id="an integer of 5001 digits"), -math.inf],
)  # fmt: skip
def test_what_has_no_sensible_text_is_refused_without_being_quoted(value: object) -> None:
    with pytest.raises(ValueError, match=r"text.*: give (it|them|NULL)") as caught:
        to_text(value)
    assert "secret" not in str(caught.value)
    assert not is_missing(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_reads_back_as_itself(value: float) -> None:
    assert float(to_text(value) or "") == value


def is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc" and character not in "\t\n\r"


@given(st.text())
def test_text_is_never_altered(value: str) -> None:
    if any(map(is_control, value)):
        value = "".join(character for character in value if not is_control(character))
    assert to_text(value) in (value, None)


@given(st.text(), st.characters(categories=["Cc"]), st.text())
def test_control_characters_are_no_text_but_for_those_that_lay_text_out(before: str, sign: str, behind: str) -> None:
    for value in (f"{before}{sign}{behind}", f"{before}{sign}{behind}".encode()):
        if any(map(is_control, before + sign + behind)):
            with pytest.raises(ValueError, match=r"^text with control characters.*: give it "):
                to_text(value)
        else:
            assert to_text(value) in (f"{before}{sign}{behind}", None)


def test_what_is_read_in_another_encoding_than_its_own_is_told_so() -> None:
    for text in ("l\u2019été", "5 \u20ac", "\u0160ime", "\u201cBob\u201d", "a\u2026"):
        value = text.encode("cp1252").decode("latin-1")
        with pytest.raises(ValueError, match="as when cp1252 is read as latin-1: give it in its own encoding"):
            to_text(value)


@pytest.mark.parametrize(
    ("one", "other"), [("Prénom", "pre\u0301nom"), ("STRASSE", "straße"), ("\u1e9e", "ss"), ("\u212b", "a\u030a")]
)
def test_names_are_compared_in_one_case_and_one_form(one: str, other: str) -> None:
    assert fold_name(one) == fold_name(other)
    assert fold_name(one) != fold_name(f"{other}x")
    assert fold_name("prénom") != fold_name("prenom")
