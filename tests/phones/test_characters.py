from __future__ import annotations

import sys
import unicodedata

import pytest

from airflow_provider_octopush.phones.characters import plain
from airflow_provider_octopush.phones.reader import PhoneReader
from airflow_provider_octopush.phones.reasons import PhoneReason

#: Of Default_Ignorable_Code_Point, what is of no general category that says so: letters, marks, and unassigned.
IGNORABLE = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180f\u2065\u3164\ufe00\ufe0f\uffa0\ufff0\U000e0000\U000e01ef\U000e0fff"
)


@pytest.mark.parametrize("character", [*IGNORABLE, "\0", "\x7f", "\u00ad", "\u200b", "\u200e", "\ufeff"])
def test_what_cannot_be_seen_is_no_character(character: str) -> None:
    for text in (f"{character}+33612345678", f"+336{character}12345678", f"+33612345678{character}"):
        assert PhoneReader().read(text) == "+33612345678"


@pytest.mark.parametrize("character", [*IGNORABLE, "\0", "\x7f", "\u200b", "\0\u200b\0"])
def test_what_cannot_be_seen_joins_no_two_numbers(character: str) -> None:
    for text in ("+33612345678{}999", "+33612345678{}0612345679", "0612345678{}99", "+3361234567812{}3456"):
        written = text.format(character)
        assert PhoneReader("FR").read(written) == PhoneReader("FR").read(text.format(" "))
        assert isinstance(PhoneReader("FR").read(written), PhoneReason)


@pytest.mark.parametrize("blank", [" ", "\t", "\u00a0", "\u2007", "\u202f", "\u3000", "\u2800"])
def test_a_blank_is_a_blank_in_any_form(blank: str) -> None:
    assert plain(f"1{blank}2") == "1 2"
    assert PhoneReader().read(f"+33{blank}612345678") == "+33612345678"


def test_every_decimal_digit_of_unicode_is_one_of_ascii() -> None:
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if unicodedata.category(character) == "Nd":
            assert plain(character) == str(unicodedata.decimal(character))


def test_what_can_be_seen_and_means_nothing_here_stays() -> None:
    text = "aé²Ⅷ€中*\x1b\ud800"
    assert plain(text) == text


def test_plain_text_is_plain_already() -> None:
    for code in range(0x3100):
        written = plain(chr(code))
        assert plain(written) == written
