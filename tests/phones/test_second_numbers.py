from __future__ import annotations

import random
from typing import Any

import phonenumbers
import pytest
from phonenumbers import PhoneNumberType

from airflow_provider_octopush.phones.reader import PhoneReader
from airflow_provider_octopush.phones.reasons import PhoneReason
from tests.phones.numbers import (
    REGIONS,
    digits_of,
    e164,
    international,
    invented,
    is_grouped,
    is_valid,
    national,
    parsed,
)

ORDINARY = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE)
NOT_SENT = {PhoneReason.TWO_NUMBERS, PhoneReason.EXTENSION}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("+33612345678 ext 5", PhoneReason.EXTENSION),
        ("+33612345678 Extension: 12", PhoneReason.EXTENSION),
        ("+33612345678 \u0434\u043e\u0431. 5", PhoneReason.EXTENSION),
        ("+33612345678x5", PhoneReason.EXTENSION),
        ("+33612345678#5", PhoneReason.EXTENSION),
        ("+33612345678~5", PhoneReason.EXTENSION),
        ("+33612345678,5", PhoneReason.EXTENSION),
        ("+33612345678;5", PhoneReason.EXTENSION),
        ("tel:+33612345678;ext=5", PhoneReason.EXTENSION),
        ("tel:+33612345678;isub=12", PhoneReason.EXTENSION),
        ("01 49 70 65 65 poste 12", PhoneReason.EXTENSION),
        ("+1 514 499 0159-107", PhoneReason.EXTENSION),
        ("+33612345678 (0)", PhoneReason.EXTENSION),
        ("+43 664 1234567 (2)", PhoneReason.EXTENSION),
        ("+39 312 345678 [ 12 ].", PhoneReason.EXTENSION),
        ("+372 520 6896 (2)", PhoneReason.EXTENSION),
        ("+683 4567 (2)", PhoneReason.EXTENSION),
        ("+43 1 512345 (12345)", PhoneReason.EXTENSION),
        ("+43 664 1234567 (0664 1234568)", PhoneReason.TWO_NUMBERS),
        ("+33 6 12 34 56 78 12", PhoneReason.EXTENSION),
        ("+33612345678\n12", PhoneReason.EXTENSION),
        ("0033612345678-12", PhoneReason.EXTENSION),
        ("+33612345678 / +33612345679", PhoneReason.TWO_NUMBERS),
        ("+33612345678, +33612345679", PhoneReason.TWO_NUMBERS),
        ("+33612345678 +33612345679", PhoneReason.TWO_NUMBERS),
        ("+33 6 12 34 56 78-+34 612 34 56 78", PhoneReason.TWO_NUMBERS),
        ("+33612345678\n+33612345679", PhoneReason.TWO_NUMBERS),
        ("06 12 34 56 78 / 06 12 34 56 79", PhoneReason.TWO_NUMBERS),
        ("06 12 34 56 78 ou 07 12 34 56 78", PhoneReason.TWO_NUMBERS),
        ("0612345678 & 0712345678", PhoneReason.TWO_NUMBERS),
        ("0612345678 0712345678", PhoneReason.TWO_NUMBERS),
        ("+33 6 12 34 56 78 - 07 12 34 56 78", PhoneReason.TWO_NUMBERS),
        ("+33 6 12 34 56 78 07 12 34 56 78", PhoneReason.TWO_NUMBERS),
        ("+354 611 2345 611 2346", PhoneReason.TWO_NUMBERS),
        ("+33612345678/79", PhoneReason.TWO_NUMBERS),
        ("+49 171 1234567/8", PhoneReason.TWO_NUMBERS),
    ],
)
def test_more_than_one_number_is_seen_without_knowing_a_region(value: str, reason: PhoneReason) -> None:
    for reader in (PhoneReader(), PhoneReader(["GB", "DE"]), PhoneReader(number_format="international")):
        assert reader.read(value) is reason


@pytest.mark.parametrize(
    ("value", "region", "read"),
    [
        ("06 12 34 56 78 07 12 34 56 78", "FR", PhoneReason.TWO_NUMBERS),
        ("06 12 34 56 78/79", "FR", PhoneReason.TWO_NUMBERS),
        ("06 12 34 56/78", "FR", "+33612345678"),
        ("06/12/34/56/78", "FR", "+33612345678"),
        ("06 12 34 56 78 12", "FR", PhoneReason.EXTENSION),
        ("514 499 0159-107", "CA", PhoneReason.EXTENSION),
        ("512345 (2)", "AT", PhoneReason.EXTENSION),
        ("611 2345 611 2346", "IS", PhoneReason.TWO_NUMBERS),
        ("75.12.34/75.12.35", "NC", PhoneReason.TWO_NUMBERS),
        ("030 12345 030 12346", "DE", PhoneReason.TWO_NUMBERS),
        ("030 12345-030 12346", "DE", PhoneReason.TWO_NUMBERS),
        ("(030) 12345 (030) 12346", "DE", PhoneReason.TWO_NUMBERS),
        ("030 12345 0049 30 12346", "DE", PhoneReason.TWO_NUMBERS),
        ("+49 30 12345 030 12346", "DE", PhoneReason.TWO_NUMBERS),
        ("+49 (0)30 12345 (0)30 12346", "DE", PhoneReason.TWO_NUMBERS),
        ("030 123456/78", "DE", PhoneReason.TWO_NUMBERS),
        ("030 1234567/68/69", "DE", PhoneReason.TWO_NUMBERS),
        ("030/1234567", "DE", "+49301234567"),
        ("033701/12345", "DE", "+493370112345"),
        ("030 1234567-12", "DE", "+4930123456712"),
        ("+49 30 1234567-12", "DE", "+4930123456712"),
        ("030 1234567-0", "DE", "+493012345670"),
        ("0151 230 01234", "DE", "+4915123001234"),
        ("2345\n2346", "LU", PhoneReason.TWO_NUMBERS),
        ("23 45\n23 46", "LU", PhoneReason.TWO_NUMBERS),
        ("23 45 23 46", "LU", "+35223452346"),
        ("08/12 34 56 78", "SE", "+46812345678"),
        ("030 123456 / 234567", "DE", PhoneReason.TWO_NUMBERS),
        ("030 123456 - 234567", "DE", PhoneReason.TWO_NUMBERS),
        ("030 123456; 234567", "DE", PhoneReason.TWO_NUMBERS),
        ("+49 30 123456 / 234567", "DE", PhoneReason.TWO_NUMBERS),
        ("+49 30 1234567 - 12", "DE", "+4930123456712"),
        ("030 / 123456", "DE", "+4930123456"),
        ("0171 / 1234567", "DE", "+491711234567"),
        ("030 123456\n78", "DE", PhoneReason.EXTENSION),
        ("030\n123456", "DE", "+4930123456"),
    ],
)
def test_a_cut_between_two_valid_numbers_makes_two(value: str, region: str, read: Any) -> None:
    assert PhoneReader(region).read(value) == read
    assert PhoneReader().read(value, region) == read


def test_a_second_number_of_another_region_that_is_asked_for_is_seen() -> None:
    text = "030 123 01 513450"
    for reader in (PhoneReader(["DE", "AT"]), PhoneReader(["AT", "DE"])):
        assert reader.read(text) is PhoneReason.TWO_NUMBERS
        assert reader.read("+49 30 123 01 513450") is PhoneReason.TWO_NUMBERS
    assert PhoneReader("DE").read(text) == "+493012301513450"


def test_an_extension_behind_a_plus_is_never_glued_on() -> None:
    rng = random.Random(1)
    reasons = set()
    for _, number in invented(rng):
        tail = "".join(rng.choices("0123456789", k=rng.randrange(1, 9)))
        text = f"{rng.choice([e164, international])(number)}{rng.choice([' ', '-', '.', '/', ' - ', ' (', ')'])}{tail}"
        read = PhoneReader(phone_check=rng.choice(["format", "valid"])).read(text)
        if is_valid(f"+{digits_of(text)}") or text.endswith((".0", ".00")):
            continue  # a direct-dial tail, where numbers may be longer; what a program made of a number
        reasons.add(read)
        assert read in NOT_SENT or (read is PhoneReason.NOT_WHOLE and text.count(".") == 1), text
    assert reasons >= NOT_SENT


def test_two_numbers_of_a_region_are_never_one() -> None:
    rng = random.Random(2)
    pool: dict[str, list[phonenumbers.PhoneNumber]] = {}
    tried = 0
    for region, number in invented(rng, *ORDINARY):
        for other in pool.setdefault(region, [])[-3:]:
            first, second = (rng.choice([national(n), digits_of(national(n))]) for n in (other, number))
            if rng.random() < 0.3:
                first = rng.choice([e164, international])(other)
            trunk = phonenumbers.ndd_prefix_for_region(region, True)
            text = f"{first}{rng.choice([' ', ' ', '  ', '-', ' - ', '/', ', ', ';', ' | ', '. '])}{second}"
            if not trunk or not digits_of(second).startswith(trunk):
                text = f"{first}{rng.choice([' ', '/', ', '])}{e164(number)}"
            read = PhoneReader(region).read(text)
            assert isinstance(read, PhoneReason), (region, text)
            tried += 1
        pool[region].append(number)
    assert tried > 100


def test_a_number_and_another_without_its_area_code_behind_a_sign_are_never_one() -> None:
    rng = random.Random(5)
    reasons = set()
    for region, number in invented(rng, *ORDINARY):
        first = rng.choice([national, international])(number)
        second = "".join(rng.choices("0123456789", k=rng.randrange(5, 9)))
        text = f"{first}{rng.choice(['/', ' / ', ' - ', ' -- ', '; ', ';', ', '])}{second}"
        for reader in (PhoneReader(region), PhoneReader([region, "DE"])):
            read = reader.read(text)
            assert isinstance(read, PhoneReason) or is_grouped(read, text), (region, text)
            reasons.add(read)
    assert PhoneReason.TWO_NUMBERS in reasons
    assert PhoneReason.EXTENSION not in reasons


def test_two_numbers_of_two_regions_are_never_one() -> None:
    rng = random.Random(3)
    numbers = list(invented(rng, *ORDINARY))
    for (region, first), (other, second) in zip(numbers, reversed(numbers), strict=True):
        text = (
            f"{rng.choice([e164, international, national])(first)}"
            f"{rng.choice([' ', '  ', '-', ' - ', '/', ', ', ';', ' | ', ' ou ', chr(10), ''])}"
            f"{rng.choice([e164, international])(second)}"
        )
        for reader in (PhoneReader(), PhoneReader([region, other])):
            assert isinstance(reader.read(text), PhoneReason), text


def test_what_libphonenumber_writes_is_one_number() -> None:
    rng = random.Random(4)
    for region, number in invented(rng, *ORDINARY):
        for text in (national(number), international(number)):
            assert PhoneReader(region).read(text) not in NOT_SENT, (region, text)
            with_slash = text.replace(" ", "/", 1)
            if parsed(text, region) == parsed(with_slash, region):
                assert PhoneReader(region).read(with_slash) not in NOT_SENT, (region, with_slash)
    assert REGIONS
