"""Forms of one line: numbers that differ by a prefix that a country added or dropped, and ring the same phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple


class _Change(NamedTuple):
    """
    A prefix that a country added or dropped.

    :param country_code: the country's code.
    :param before: pattern of the digits between the country code and the prefix, such as an area code.
    :param prefix: the prefix that only one of the forms has.
    :param after: pattern of the digits after it.
    """

    country_code: str
    before: str
    prefix: str
    after: str


# A text may have been written before or after a change, so both forms are one line.
_CHANGES = (
    # Mobiles have a 9 when dialled from abroad, and none within the country: libphonenumber 9.0 (2025),
    # country_mobile_token(54).
    _Change("54", "", "9", "[1-8][0-9]{9}"),
    # Mobiles had a 1 from abroad until 3 August 2019: IFT (Mexico), as told by Fronteras (KJZZ) on 1 August 2019.
    _Change("52", "", "1", "[2-9][0-9]{9}"),
    # Mobiles got a ninth digit from 2012 on, the last of them on 6 November 2016: Anatel (Brazil), Resolução 553/2010.
    _Change("55", "[1-9][0-9]", "9", "[6-9][0-9]{7}"),
    # All numbers got 01 on 30 November 2024: ARCEP Bénin, as told by RFI that day.
    _Change("229", "", "01", "[0-9]{8}"),
    # Numbers of seven digits are written with a zero too, from abroad as well: libphonenumber 9.0 (2025), GA. On 15
    # November 2019 the zero became 6 or 7 for mobiles, 1 for landlines: ARCEP Gabon, as told by RFI that day;
    # libphonenumber's ranges tell which of the two.
    _Change("241", "", "0", "[1-7][0-9]{6}"),
    _Change("241", "", "6", "[256][0-9]{6}"),
    _Change("241", "", "7", "[47][0-9]{6}"),
    _Change("241", "", "1", "1[0-9]{6}"),
    # All numbers got two digits of their operator on 31 January 2021: ARTCI (Côte d'Ivoire), 28 July 2020. A mobile's
    # second digit tells the operator (0–3 Moov, 4–6 MTN, 7–9 Orange), and a landline's third one (8 Moov, 0 MTN).
    _Change("225", "", "01", "[04-9][0-3][0-9]{6}"),
    _Change("225", "", "05", "[04-9][4-6][0-9]{6}"),
    _Change("225", "", "07", "[04-9][7-9][0-9]{6}"),
    _Change("225", "", "21", "[23][0-9]8[0-9]{5}"),
    _Change("225", "", "25", "[23][0-9]0[0-9]{5}"),
    _Change("225", "", "27", "[23][0-9][1-79][0-9]{5}"),
)

#: Country code → pattern of trunk prefixes that are dialled no longer, and still written.
FORMER_TRUNK_PREFIXES = {
    # Within the country, 01, and 044 or 045 before mobiles, until 3 August 2019: as above.
    "52": "01|04[45]",
}

_PATTERNS = [
    (
        re.compile(f"({change.country_code}{change.before})({change.after})"),
        re.compile(f"({change.country_code}{change.before}){change.prefix}({change.after})"),
        change.prefix,
    )
    for change in _CHANGES
]

#: Codes of the countries that have lines with more than one form.
CHANGED_COUNTRY_CODES = frozenset(change.country_code for change in _CHANGES)

_BEGIN = tuple(CHANGED_COUNTRY_CODES)


def line_forms(number: int) -> frozenset[int]:
    """
    Return all forms of one line.

    :param number: the digits of E.164.
    :return: all forms, the number itself included; only that if its country has no other form.
    """
    digits = str(number)
    if not digits.startswith(_BEGIN):
        return frozenset((number,))
    forms = {digits}
    remaining = [digits]
    while remaining:  # Gabon added a prefix twice
        others = set(_others(remaining.pop())) - forms
        forms |= others
        remaining += others
    return frozenset(map(int, forms))


def _others(digits: str) -> Iterator[str]:
    for without, with_prefix, prefix in _PATTERNS:
        if (match := without.fullmatch(digits)) is not None:
            yield f"{match[1]}{prefix}{match[2]}"
        elif (match := with_prefix.fullmatch(digits)) is not None:
            yield f"{match[1]}{match[2]}"
