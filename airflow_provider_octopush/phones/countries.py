"""
Digits → every number of a country that they may stand for.

libphonenumber chooses one of several readings; here, all are wanted, in all regions that share a country code. So this
module applies its metadata without choosing: it reads a number both with and without a prefix, and either counts if it
is valid in any of the regions. That is also many times faster than asking for each region.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from airflow_provider_octopush.phones.libphonenumber import (
    begin_with_zero,
    country_code,
    is_too_short,
    unreadable,
    without_trunk_zero,
)
from airflow_provider_octopush.phones.line_forms import CHANGED_COUNTRY_CODES, FORMER_TRUNK_PREFIXES, line_forms
from airflow_provider_octopush.phones.numbering_plan import national_numbers
from airflow_provider_octopush.phones.written import OCTOPUSH_DIGITS


class Numbers(NamedTuple):
    """
    The numbers that digits may stand for.

    :param valid: numbers that are valid, or were before their country changed its numbering plan.
    :param unknown: if there are no valid ones: numbers of a length that occurs in the country. libphonenumber does not
        know new ranges, and such a number with a plus is sent all the same.
    """

    valid: set[str]
    unknown: set[str]

    def likeliest(self) -> set[str]:
        """Return those that are valid; if there are none, the others."""
        return self.valid or self.unknown


class _Rule(NamedTuple):
    """A trunk prefix, and what libphonenumber writes in its place, such as the area code of an island."""

    prefix: re.Pattern[str]
    instead: str | None


class Country:
    """
    All regions of one country code.

    :param code: an existing country code, such as ``33``.
    """

    def __init__(self, code: str) -> None:
        regions = COUNTRY_CODE_TO_REGION_CODE[int(code)]
        plans = [PhoneMetadata.metadata_for_region_or_calling_code(int(code), region) for region in regions]
        known = [plan for plan in plans if plan is not None]
        self.code = code
        self._is_national_number = national_numbers(int(code)).match
        self._has_other_forms = code in CHANGED_COUNTRY_CODES
        self._begin_with_zero = begin_with_zero(code)
        self._lengths = {n for plan in known if plan.general_desc for n in plan.general_desc.possible_length if n > 0}
        # libphonenumber applies the first region's rules after a plus.
        self._main_rules = _rules(known[:1])
        self._rules = _rules(known)
        if code in FORMER_TRUNK_PREFIXES:
            self._rules.append(_Rule(re.compile(FORMER_TRUNK_PREFIXES[code]), None))
        prefixes = dict.fromkeys(plan.international_prefix for plan in known if plan.international_prefix)
        self._international_prefixes = [re.compile(prefix) for prefix in prefixes]
        self._trunk_prefixes = tuple({plan.national_prefix for plan in known if plan.national_prefix})

    def international(self, digits: str) -> Numbers:
        """
        Read digits from the country code on.

        A zero after it is not part of the number if the number is not valid with it: a country's trunk prefix, or
        "(0)".

        :param digits: ASCII digits that begin with this country code.
        """
        national = digits[len(self.code) :]
        candidates = [national, *_without_prefix(national, self._main_rules)]
        if national[:1] == "0" and not self._is_valid(national):
            after = national[1:]
            candidates += [after, *_without_prefix(after, self._main_rules)]
        # If the country code is also the trunk prefix, it must not be dropped twice. PhoneReader does the same.
        twice = national[len(self.code) :] if national.startswith(self.code) else None
        return self._numbers(candidate for candidate in dict.fromkeys(candidates) if candidate != twice)

    def dialled(self, digits: str) -> Numbers:
        """
        Read digits as they are dialled in any region of the country, or as numbers of it that lost their plus.

        :param digits: ASCII digits. If they begin with an international prefix of the country, the number may be of
            another one.
        """
        after = self._after_international_prefix(digits)
        abroad = Numbers(set(), set()) if after is None else written(after)
        candidates = [digits, *_without_prefix(digits, self._rules)]
        if digits.startswith(self.code):
            national = digits[len(self.code) :]
            once = [national, *_without_prefix(national, self._rules)]
            # After the country code, libphonenumber takes off a prefix, and then another one.
            candidates += once
            candidates += [twice for candidate in once[1:] for twice in _without_prefix(candidate, self._rules)]
            lost_plus = self.international(digits)
            abroad = Numbers(abroad.valid | lost_plus.valid, abroad.unknown | lost_plus.unknown)
        # In Israel, 014 is dialled before a number abroad, and some numbers there begin with it.
        is_new = after is None and not digits.startswith("00")
        within = self._numbers(dict.fromkeys(candidates), is_new=is_new)
        unknown = within.unknown | abroad.unknown
        # In an integer, a zero is lost, of the number (+225 07 01 23 45 67) or of a prefix (06 in Hungary).
        zero = f"0{digits}"
        corrected = [zero, *_without_prefix(zero, self._rules)]
        # One zero is too many where none is dialled, or none any longer: 0601 123 456 in Czechia.
        if digits.startswith("0") and not digits.startswith("00"):
            corrected.append(digits[1:])
        unknown |= {f"{self.code}{national}" for national in filter(self._is_valid, corrected)}
        return Numbers(within.valid | abroad.valid, unknown)

    def is_dialled_with_trunk_prefix(self, digits: str) -> bool:
        """Tell whether digits are a valid number as it is dialled within the country, such as 06… or, in Russia, 8…"""
        return digits.startswith(self._trunk_prefixes) and bool(self.dialled(digits).valid)

    def _after_international_prefix(self, digits: str) -> str | None:
        for prefix in self._international_prefixes:
            match = prefix.match(digits)
            # No country code begins with a zero; libphonenumber then reads a number of the country.
            if match is not None and digits[match.end() : match.end() + 1] not in ("", "0"):
                return digits[match.end() :]
        return None

    def _numbers(self, candidates: Iterable[str], *, is_new: bool = True) -> Numbers:
        """
        Judge national significant numbers.

        :param is_new: whether they may be in a range that libphonenumber does not know.
        """
        candidates = list(candidates)
        valid = {f"{self.code}{national}" for national in candidates if self._is_valid(national)}
        if valid or not is_new:
            return Numbers(valid, set())
        return Numbers(valid, {f"{self.code}{national}" for national in candidates if self._may_be_new(national)})

    def _may_be_new(self, national: str) -> bool:
        return len(national) in self._lengths and (national[0] != "0" or self._begin_with_zero)

    def _is_valid(self, national: str) -> bool:
        if self._is_national_number(national) is not None:
            return True
        if not self._has_other_forms or not national:
            return False
        forms = (str(form)[len(self.code) :] for form in line_forms(int(self.code + national)))
        return any(self._is_national_number(form) is not None for form in forms)


def _rules(plans: Iterable[PhoneMetadata]) -> list[_Rule]:
    rules: dict[tuple[str, str | None], None] = {}
    for plan in plans:
        if plan.national_prefix_for_parsing:
            rules[plan.national_prefix_for_parsing, plan.national_prefix_transform_rule or None] = None
        # In Colombia, libphonenumber takes "03" for a carrier, but "03…" may also be a mobile with a trunk prefix.
        if plan.national_prefix:
            rules[plan.national_prefix, None] = None
    return [_Rule(re.compile(prefix), instead) for prefix, instead in rules]


def _without_prefix(digits: str, rules: Iterable[_Rule]) -> Iterator[str]:
    for prefix, instead in rules:
        match = prefix.match(digits)
        if match is None:
            continue
        # libphonenumber's own condition: the last group decides whether anything replaces the prefix.
        is_replaced = instead is not None and match.groups()[-1] is not None
        yield (match.expand(instead) if is_replaced and instead else "") + digits[match.end() :]


@functools.cache
def country(code: str) -> Country:
    """Return the country of a country code that exists."""
    return Country(code)


def international(digits: str) -> Numbers:
    """
    Read digits from the country code on, whatever the country.

    :param digits: ASCII digits; if they do not begin with a country code, no numbers are found.
    """
    code = country_code(digits)
    return country(code).international(digits) if code else Numbers(set(), set())


def written(digits: str) -> Numbers:
    """
    Read digits after an international prefix, in the same way as after a plus.

    :return: ``unknown`` has the number that would be sent digit for digit, if it had a plus.
    """
    valid = international(digits).valid
    as_written = without_trunk_zero(digits)
    # A number with a plus keeps a zero that is not a trunk prefix, so either form may be meant.
    keeps_zero = digits == as_written and digits not in valid and digits.removeprefix(country_code(digits))[:1] == "0"
    if not valid or keeps_zero:
        unknown = set(filter(may_be_sent, (as_written,)))
        return Numbers(valid | unknown, set()) if valid else Numbers(valid, unknown)
    return Numbers(valid, set())


def all_dialled(digits: str, countries: Iterable[Country], *, is_any_country: bool) -> tuple[set[str], bool]:
    """
    Read digits without a plus.

    :param is_any_country: whether they may begin with any country code.
    :return: the numbers, and whether any of them is valid.
    """
    found = [one.dialled(digits) for one in countries]
    if digits.startswith("00"):
        found.append(written(digits[2:]))
    elif is_any_country:
        found.append(international(digits)._replace(unknown=set()))
    return {number for one in found for number in one.likeliest()}, any(one.valid for one in found)


def digit_for_digit(digits: str, countries: Iterable[Country]) -> set[str]:
    """Return the number that would be sent digit for digit if its plus were there, also if the digits are another."""
    return written(digits).unknown if any(digits.startswith(one.code) for one in countries) else set()


def after_any_international_prefix(digits: str) -> set[str]:
    """
    Read digits that may begin with an international prefix of any country, such as ``011`` or ``0011``.

    :param digits: ASCII digits.
    :return: the digits of E.164.
    """
    ends = {match.end() for prefix in _all_international_prefixes() if (match := prefix.match(digits))}
    # No country code begins with a zero.
    after = (written(digits[end:]) for end in ends if digits[end : end + 1] not in ("", "0"))
    return {number for numbers in after for number in numbers.valid | numbers.unknown}


@functools.cache
def _all_international_prefixes() -> list[re.Pattern[str]]:
    plans = [
        PhoneMetadata.metadata_for_region_or_calling_code(code, region)
        for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()
        for region in regions
    ]
    prefixes = {plan.international_prefix for plan in plans if plan is not None}
    return [re.compile(prefix) for prefix in prefixes if prefix]


def may_be_sent(digits: str) -> bool:
    """Tell whether digits after a plus are sent as they are although they are not a valid number."""
    return len(digits) <= OCTOPUSH_DIGITS and unreadable(digits) is None and not is_too_short(digits)


def known_countries(codes: Iterable[int]) -> list[Country]:
    """Return the countries of those country codes that exist."""
    return [country(str(code)) for code in sorted(set(codes)) if code in COUNTRY_CODE_TO_REGION_CODE]


def country_codes(numbers: Iterable[int]) -> set[int]:
    """
    Return the country codes of numbers.

    :param numbers: the digits of E.164; numbers without a known country code have none.
    """
    codes = map(country_code, {str(number)[:3] for number in numbers})
    return {int(code) for code in codes if code}
