"""Tells one number from more: an extension, a second number, an alternative to the last digits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_provider_octopush.phones.libphonenumber import is_grouped, region_of, trunk_prefix
from airflow_provider_octopush.phones.readings import international, is_number
from airflow_provider_octopush.phones.reasons import PhoneReason
from airflow_provider_octopush.phones.written import (
    ALTERNATIVE_DIGITS,
    ENOUGH_FOR_A_NUMBER,
    ENOUGH_WITHOUT_AREA_CODE,
    Dialled,
)

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber


def within_valid(
    dialled: Dialled, number: PhoneNumber, regions: Sequence[str], *, needs_no_plus: bool = False
) -> PhoneReason | None:
    """
    Find a second number, or an extension, within digits that are a valid number as a whole.

    There is a second number if a cut leaves two valid ones, and the second begins with 00 or with the country's trunk
    prefix; if a slash, or a dash between blanks, follows a number, and then digits that may be another number without
    its area code, or replace the last ones; and if anything follows it in another line. Digits in one line that
    libphonenumber itself groups in the same way are one number. (A German direct-dial tail, as in "+49 30 1234567-12",
    is a part of its number.)

    :param number: the number that the whole is read as.
    :param regions: those that are asked for.
    :param needs_no_plus: whether a number may begin with its country code without a plus.
    """
    region = region_of(number)
    named = list(dict.fromkeys((region, *regions)))
    prefixes = tuple(filter(None, ("00", trunk_prefix(region))))
    for cut in dialled.cuts():
        ends_line, is_another = cut in dialled.line_ends, _offers_another(dialled, cut)
        if not (ends_line or is_another or dialled.digits.startswith(prefixes, cut)):
            continue
        is_second = is_another or is_number(dialled.after(cut), named, needs_no_plus=needs_no_plus)
        if not (ends_line or is_second):
            continue
        if is_number(dialled.before(cut), named, needs_no_plus=needs_no_plus):
            if not ends_line and is_grouped(number, dialled.groups):
                return None
            return PhoneReason.TWO_NUMBERS if is_second else PhoneReason.EXTENSION
    return None


def after_valid(dialled: Dialled, regions: Sequence[str], *, needs_no_plus: bool = False) -> PhoneReason | None:
    """
    Find a second number, or an extension, in digits that are not a valid number as a whole, but begin with one.

    :param regions: those that are asked for.
    :param needs_no_plus: whether a number may begin with its country code without a plus.
    :return: the reason; None if they do not begin with a valid number.
    """
    for cut in dialled.cuts():
        before, after = dialled.before(cut), dialled.after(cut)
        if not is_number(before, regions, needs_no_plus=needs_no_plus):
            continue
        first = international(before) if before.plus else None
        named = regions if first is None else [*regions, region_of(first)]
        is_second = (
            len(after.digits) >= ENOUGH_FOR_A_NUMBER
            or _offers_another(dialled, cut)
            or is_number(after, named, needs_no_plus=needs_no_plus)
        )
        return PhoneReason.TWO_NUMBERS if is_second else PhoneReason.EXTENSION
    return None


def _offers_another(dialled: Dialled, cut: int) -> bool:
    """Tell whether a cut is at a sign, with another number after it, without its area code or by its last digits."""
    return _offers_number(dialled, cut) or _offers_alternative(dialled, cut)


def _offers_number(dialled: Dialled, cut: int) -> bool:
    """Tell whether digits that may be a number without its area code follow a slash, or a dash between blanks."""
    signs = dialled.slashes | dialled.dashes
    if cut not in signs:
        return False
    next_sign = min((place for place in signs if place > cut), default=len(dialled.digits))
    return next_sign - cut >= ENOUGH_WITHOUT_AREA_CODE


def _offers_alternative(dialled: Dialled, cut: int) -> bool:
    """Tell whether a slash, and digits that may replace a number's last ones, follow a cut."""
    if cut not in dialled.slashes or cut < ENOUGH_FOR_A_NUMBER:
        return False
    next_cut = next((place for place in dialled.cuts() if place > cut), len(dialled.digits))
    return next_cut - cut <= ALTERNATIVE_DIGITS
