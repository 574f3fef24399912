"""Digits to dial → the valid numbers that they may stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from airflow_provider_octopush.phones.libphonenumber import (
    country_code,
    country_code_of,
    dialled_in,
    e164,
    has_country_written,
    is_mobile,
    is_of,
    is_personal,
    valid,
    without_trunk_zero,
)

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

    from airflow_provider_octopush.phones.written import Dialled


def international(dialled: Dialled) -> PhoneNumber | None:
    """
    Read digits from the country code on.

    A zero that opens a bracket after the country code is not part of the number if the number is not valid with it: so
    in "+34 (0)612…", although Spain has no such prefix, but not in "+39 (0)6…". After a plus, a zero without brackets
    is not part of it either if it is the country's trunk prefix: "+44 0 20…".

    :return: the number; None if they are not a valid one.
    """
    number = valid(dialled.digits)
    if has_zero_after_country_code(dialled):
        # If a bracket says which digit may be left out, libphonenumber must not leave out another: "+36 (0)68…" has no
        # 06.
        is_as_written = number is not None and e164(number) == f"+{dialled.digits}"
        is_told = dialled.zero is not None and dialled.zero.alone
        if number is None or (is_told and not is_as_written):
            number = valid(dialled.without_zero().digits) or number
    if number is None and dialled.plus:
        digits = without_trunk_zero(dialled.digits)
        number = valid(digits) if digits != dialled.digits else None
    return number


def has_zero_after_country_code(dialled: Dialled) -> bool:
    """Tell whether the zero that opens a bracket comes right after the country code that the digits begin with."""
    zero = dialled.zero
    return zero is not None and zero.position > 0 and country_code(dialled.digits) == dialled.digits[: zero.position]


def from_abroad(dialled: Dialled, regions: Iterable[str]) -> list[PhoneNumber]:
    """
    Read digits that begin with ``00``, and so with a country.

    Some regions have international prefixes that begin with it, such as 0011, so two countries may be possible: then it
    is the one after ``00`` if that is asked for, or it is ambiguous.

    :param regions: those that are asked for.
    :return: the valid numbers: none if it is not one, more than one if it is ambiguous.
    """
    number = international(dialled.after(2)) if dialled.digits.startswith("00") else None
    if number is None:
        return []
    if any(is_of(number, region) for region in regions):
        return [number]
    return _distinct([number, *dialled_abroad(dialled, regions)])


def dialled_abroad(dialled: Dialled, regions: Iterable[str]) -> list[PhoneNumber]:
    """
    Read digits that begin with the international prefix of a region, and so with a country.

    :param regions: those that are asked for.
    :return: the valid numbers; more than one if it is not clear which region's prefix it is.
    """
    numbers = (dialled_in(dialled.digits, region) for region in regions)
    return _distinct(number for number in numbers if number is not None and has_country_written(number))


def _distinct(numbers: Iterable[PhoneNumber]) -> list[PhoneNumber]:
    return list({e164(number): number for number in numbers}.values())


def in_regions(dialled: Dialled, regions: Sequence[str]) -> list[PhoneNumber]:
    """
    Read digits as they are dialled within regions, or as numbers of these regions that lost their plus.

    The first is likeliest: the regions are tried in their order, and in each the national form first. But if that is
    not a mobile, and a number that lost its plus is, the latter is meant: in nearly every country, the digits of a
    foreign mobile are some landline's.

    :return: the numbers, the likeliest first. They are valid in these regions themselves.
    """
    numbers: list[PhoneNumber] = []
    lost_plus: list[PhoneNumber] = []
    for region in regions:
        number = dialled_in(dialled.digits, region)
        if number is not None and not has_country_written(number):
            numbers.append(number)
        number = _lost_plus(dialled, region)
        if number is not None:
            numbers.append(number)
            lost_plus.append(number)
    if lost_plus and not is_mobile(next(filter(is_personal, numbers), numbers[0])):
        numbers = [*filter(is_mobile, lost_plus), *numbers]
    return numbers


def _lost_plus(dialled: Dialled, region: str) -> PhoneNumber | None:
    if not dialled.digits.startswith(country_code_of(region)):
        return None
    number = international(dialled)
    return number if number is not None and is_of(number, region) else None


def is_number(dialled: Dialled, regions: Sequence[str], *, needs_no_plus: bool = False) -> bool:
    """
    Tell whether a part of a value is a valid number by itself.

    :param regions: the regions that it may be of, if its country is not written.
    :param needs_no_plus: whether it may begin with its country code without a plus.
    """
    if dialled.plus:
        return international(dialled) is not None
    if from_abroad(dialled, ()) or (needs_no_plus and international(dialled) is not None):
        return True
    return bool(in_regions(dialled, regions) or dialled_abroad(dialled, regions))
