"""A raw value of a phone number → E.164, or the reason why not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import get_args

from phonenumbers import PhoneNumber

from airflow_provider_octopush.phones.characters import plain
from airflow_provider_octopush.phones.library import REGIONS, e164, in_region, is_mobile, unreadable, valid
from airflow_provider_octopush.phones.numbering_plan import read_international, read_national
from airflow_provider_octopush.phones.options import PhoneCheck
from airflow_provider_octopush.phones.reasons import PhoneReason
from airflow_provider_octopush.phones.written import MAX_DIGITS, MIN_DIGITS, Dialled, read_written
from airflow_provider_octopush.values import is_missing

# Groups of digits with blanks or dashes between them, or with dots where they cannot be the point of a fraction. What
# needs judgement (a zero in brackets, an extension, two numbers) is not of this form.
_GROUPED = re.compile(r"\+?[0-9]++(?:(?:[ -][0-9]++)*+|(?:\.[0-9]{2,4}){2,})")


class PhoneReader:
    """
    Reads phone numbers.

    A number in international form (with a plus) need only parse, unless ``phone_check`` asks for more; if
    libphonenumber holds it valid, it comes in libphonenumber's E.164, if not, digit for digit as it was written. A
    number without a plus is always a guess and needs to be valid where it is guessed to be. The guesses are, in this
    order: ``00`` before an international number, a national number in each region (or dialled from there abroad, such
    as ``011`` in the US), an international number that lost its plus. The regions come before the lost plus because
    the caller has said that the numbers are from there. Only where both readings are of the same country and one of
    them alone is mobile, that one is meant: 4915123456789 in DE is not a landline of Leer with an area code 4915.

    Where libphonenumber cannot tell one region's numbers from another's, it is the region that is asked for that
    counts: a number of Jersey is not valid in GB, one of Réunion not in FR.

    :param default_region: region (ISO 3166-1 alpha-2, such as ``FR``) of numbers in national form, or several of them:
        the first in which a number is valid wins.
    :param phone_check: ``format``: as above. ``valid``: libphonenumber must hold every number valid. ``mobile``: valid,
        and mobile, or of a range that mobiles and landlines share, as in the US. Pagers, VoIP and personal numbers are
        not taken, for nobody can tell from the number whether they receive SMS.
    :raises ValueError: when a region or the check does not exist.
    """

    def __init__(self, default_region: str | Sequence[str] = (), phone_check: PhoneCheck = "format") -> None:
        regions = [default_region] if isinstance(default_region, str) else default_region
        self._default_regions = [_checked_region(region) for region in regions]
        if phone_check not in get_args(PhoneCheck):
            raise ValueError(
                f"phone_check is {phone_check!r}: write one of {', '.join(map(repr, get_args(PhoneCheck)))}"
            )
        self._phone_check = phone_check
        self._mobile = phone_check == "mobile"

    def read(self, value: object, region: object = None) -> str | PhoneReason:
        """
        Read one number.

        :param value: text or a number, as a warehouse holds it.
        :param region: the region of this number, which then decides alone; when missing, ``default_region`` does.
        :return: ``+`` and digits, or the reason why it is none.
        """
        return self.read_all((value,), (region,))[0]

    def read_all(self, values: Iterable[object], regions: Iterable[object]) -> list[str | PhoneReason]:
        """
        Read a column of numbers.

        :param values: of which each is what :meth:`read` takes.
        :param regions: one for each value.
        :return: what :meth:`read` gives for each of them.
        """
        mobile = self._mobile
        numbers: list[str | PhoneReason] = []
        for value, region in zip(values, regions, strict=True):
            number = None
            if type(value) is str and "  " not in value:
                # Most numbers are digits and blanks, and valid: their way is a short one, and what it does not know
                # goes the long way.
                digits = value.replace(" ", "")
                if not digits[1:].isdigit() and _GROUPED.fullmatch(value):
                    digits = digits.replace("-", "").replace(".", "")
                if digits[:1] == "+":
                    number = digits if read_international(digits[1:], mobile=mobile) else None
                elif digits[:2] != "00":
                    if type(region) is str and region in REGIONS:
                        number = read_national(digits, region, mobile=mobile)
                    elif (first := self._first_region(region)) is not None:
                        number = read_national(digits, first, mobile=mobile)
            numbers.append(self._read(value, region) if number is None else number)
        return numbers

    def _first_region(self, region: object) -> str | None:
        """Return the region in which a number is looked for first."""
        if region is None or _is_blank(region):
            return self._default_regions[0] if self._default_regions else None
        return _region(region) if _is_region(region) else None

    def _read(self, value: object, region: object) -> str | PhoneReason:
        dialled = read_written(value)
        if isinstance(dialled, PhoneReason):
            return dialled
        if dialled.plus:
            return self._international(dialled)
        regions = self._default_regions
        if not _is_blank(region):
            if not _is_region(region):
                return PhoneReason.UNKNOWN_REGION
            regions = [_region(region)]
        return self._guess(dialled, regions)

    def _international(self, dialled: Dialled) -> str | PhoneReason:
        number = valid(dialled.digits, dialled.zero)
        if number is not None:
            return self._checked(number)
        reason = unreadable(dialled.digits)
        if reason is not None:
            return reason
        return f"+{dialled.digits}" if self._phone_check == "format" else PhoneReason.NOT_VALID

    def _guess(self, dialled: Dialled, regions: Sequence[str]) -> str | PhoneReason:
        for number in _readings(dialled, regions):
            return self._checked(number)
        if len(dialled.digits) < MIN_DIGITS:
            return PhoneReason.TOO_SHORT
        if len(dialled.digits) > MAX_DIGITS:
            return PhoneReason.TOO_LONG
        if regions:
            return PhoneReason.NOT_VALID_IN_REGION
        return PhoneReason.NOT_VALID if dialled.digits.startswith("00") else PhoneReason.NO_REGION

    def _checked(self, number: PhoneNumber) -> str | PhoneReason:
        return PhoneReason.NOT_MOBILE if self._mobile and not is_mobile(number) else e164(number)


def _readings(dialled: Dialled, regions: Sequence[str]) -> Iterator[PhoneNumber]:
    """Give the valid numbers that digits without a plus may stand for, the likeliest first."""
    digits, zero = dialled.digits, dialled.zero
    if digits.startswith("00"):
        number = valid(digits[2:], None if zero is None else zero - 2)
        if number is not None:
            yield number
    for region in regions:
        number = in_region(digits, region)
        if number is not None:
            yield _mobile_that_lost_its_plus(digits, number) or number
    number = valid(digits, zero)
    if number is not None:
        yield number


def _mobile_that_lost_its_plus(digits: str, national: PhoneNumber) -> PhoneNumber | None:
    if not digits.startswith(str(national.country_code)) or is_mobile(national):
        return None
    number = valid(digits)
    return number if number is not None and is_mobile(number) else None


def _is_blank(value: object) -> bool:
    return not plain(value).strip() if isinstance(value, str) else is_missing(value)


def _region(region: object) -> str:
    return plain(str(region)).strip().upper()


def _is_region(region: object) -> bool:
    return isinstance(region, str) and _region(region) in REGIONS


def _checked_region(region: object) -> str:
    if not _is_region(region):
        raise ValueError(f"default_region {region!r} is not a region: write an ISO 3166-1 code such as 'FR'")
    return _region(region)
