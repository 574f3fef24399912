"""A raw value of a phone number → E.164, or the reason why not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, get_args

from airflow_provider_octopush.phones.libphonenumber import (
    REGIONS,
    after_another_country_code,
    country_code,
    country_code_of,
    e164,
    has_trunk_prefix_zero,
    is_grouped,
    is_mobile,
    is_personal,
    is_too_short,
    unreadable,
    without_trunk_zero,
)
from airflow_provider_octopush.phones.numbering_plan import NumberingPlans
from airflow_provider_octopush.phones.options import NumberFormat, PhoneCheck
from airflow_provider_octopush.phones.readings import (
    dialled_abroad,
    from_abroad,
    has_zero_after_country_code,
    in_regions,
    international,
)
from airflow_provider_octopush.phones.reasons import PhoneReason
from airflow_provider_octopush.phones.regions import checked_regions, is_region, names_nothing, region_code
from airflow_provider_octopush.phones.second_numbers import after_valid, within_valid
from airflow_provider_octopush.phones.written import (
    E164_DIGITS,
    MAX_DIGITS,
    MIN_DIGITS,
    OCTOPUSH_DIGITS,
    Dialled,
    read_written,
)

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

# Groups of digits with blanks or dashes between them, or with dots that cannot be the point of a fraction. Anything
# that needs judgement (a zero in brackets, an extension, a second number) is not of this form, or is searched for.
_GROUPED = re.compile(r"\+?[0-9]++(?:(?:[ -][0-9]++)*+|(?:\.[0-9]{2,4}){2,})")
# Groups of digits that begin like a date, or are an IP address.
_MAY_BE_DATE_OR_ADDRESS = re.compile(
    r"(?:[0-9]{4}[ ._-][0-3]?[0-9][ ._-][0-3]?[0-9]|[0-3]?[0-9][ ._-][0-3]?[0-9][ ._-][0-9]{4})(?![0-9])"
    r"|(?:(?:19|20)[0-9]{2}-[01]?[0-9]|[01]?[0-9]-(?:19|20)[0-9]{2})\Z"
    r"|[0-9]++(?:\.[0-9]++){3}\Z"
)


class PhoneReader:
    """
    Reads phone numbers.

    The country of a number is written, or the caller gives it; the digits alone never decide:

    - A number with a plus, with ``00`` or with the international prefix of a region that is asked for (such as ``011``
      in the US) has its country written. If it can be read as a number of two countries, it is of neither, unless the
      one after ``00`` is asked for.
    - Any other number is of a region that the caller names. It is in national form, or has lost its plus. It must be
      valid in that region itself, and of a type that a person can have: landline, mobile, VoIP, personal. The regions
      are tried in their order, and in each the national form first. But if that is not a mobile, and in any of the
      regions a number that lost its plus is, that one is meant (4915123456789 in DE is not a landline of Leer with the
      area code 4915, and 33612345678 in DE and FR is a French mobile). An international prefix other than ``00`` counts
      only if the digits are not a number of a region that is asked for.
    - With ``number_format="international"`` a number without a plus or ``00`` begins with its country code and must be
      valid; regions do not matter then.

    A number that libphonenumber considers valid is returned in libphonenumber's E.164. One with a plus that is not
    valid is returned digit for digit, if ``phone_check`` allows it, because libphonenumber does not know new ranges;
    only a trunk prefix 0 after the country code is dropped. It must be at least as long as the shortest number of its
    country, and no valid number may end at a blank or a sign within it. No number has more than 15 digits (16 after a
    plus with nothing between them, as in Octopush's own documentation).

    If libphonenumber cannot tell one region's numbers from another's, the region that is asked for counts: a number of
    Jersey is not valid in GB, and one of Réunion is not valid in FR.

    :param default_region: region (ISO 3166-1 alpha-2, such as ``FR``) of numbers in national form, or several of them:
        the first in which a number is valid wins.
    :param phone_check: ``format``: as above. ``valid``: only numbers that libphonenumber considers valid. ``mobile``:
        valid, and mobile, or in a range that mobiles and landlines share, as in the US; of several readings, the first
        such one. Pagers, VoIP and personal numbers are rejected, because the number does not tell whether they receive
        SMS.
    :param number_format: how to read a number without a plus. ``national``: as one of a region that is asked for.
        ``international``: as one that begins with its country code.
    :raises ValueError: when a region or a choice does not exist.
    """

    def __init__(
        self,
        default_region: str | Sequence[str] = (),
        phone_check: PhoneCheck = "format",
        number_format: NumberFormat = "national",
    ) -> None:
        self._default_regions = checked_regions(default_region)
        _check_choice("phone_check", phone_check, get_args(PhoneCheck))
        _check_choice("number_format", number_format, get_args(NumberFormat))
        self._perhaps_abroad = _beginnings(["00", *map(country_code_of, self._default_regions[1:])])
        self._phone_check = phone_check
        self._mobile = phone_check == "mobile"
        self._plans = NumberingPlans(self._mobile)
        self._needs_no_plus = number_format == "international"

    def read(self, value: object, region: object = None) -> str | PhoneReason:
        """
        Read one number.

        :param value: text or a number, as a warehouse holds it.
        :param region: the region of this number, which then decides alone; if it is missing (blank, "N/A", …),
            ``default_region`` does.
        :return: ``+`` and digits, or the reason why it is not a number.
        """
        return self.read_all((value,), (region,))[0]

    def read_all(self, values: Iterable[object], regions: Iterable[object]) -> list[str | PhoneReason]:
        """
        Read a column of numbers.

        :param values: values, each as :meth:`read` takes it.
        :param regions: the region of each value.
        :return: the result of :meth:`read` for each of them.
        """
        recognised = self._recognised
        numbers: list[str | PhoneReason] = []
        for value, region in zip(values, regions, strict=True):
            number = None
            if type(value) is str:
                # Most numbers are valid, and nothing but digits and blanks: these take a short path, all others the
                # long one.
                digits = value.replace(" ", "")
                # If there was nothing to replace, Python returns the same object.
                grouped = "" if digits is value else value.strip(" ")
                number = recognised(digits, grouped, region)
                if number is None and not digits[1:].isdigit() and _GROUPED.fullmatch(value):
                    number = recognised(digits.replace("-", "").replace(".", ""), value, region)
            numbers.append(self._read(value, region) if number is None else number)
        return numbers

    def _recognised(self, digits: str, grouped: str, region: object) -> str | None:
        """
        Read a number that a numbering plan recognises.

        :param digits: the digits, without the signs between them.
        :param grouped: the same with these signs; empty if there are none.
        :param region: as for :meth:`read`.
        :return: E.164; None if nothing is known.
        """
        if grouped and (
            len(digits) > E164_DIGITS
            or "  " in grouped
            or (grouped[0] != "+" and _MAY_BE_DATE_OR_ADDRESS.match(grouped) is not None)
        ):
            return None  # perhaps two numbers, or a date, or an IP address
        if digits[:1] == "+":
            if not grouped:
                return digits if self._plans.international(digits) else None
            others = self._regions(region) or () if region is not None else self._default_regions
            return digits if self._plans.international(digits, grouped, others) else None
        if self._needs_no_plus:
            number = f"+{digits}"
            return number if self._plans.international(number, grouped) else None
        if digits[:2] in self._perhaps_abroad:
            return None
        named = region if type(region) is str and region in REGIONS else self._first_region(region)
        return None if named is None else self._plans.national(digits, named, grouped, self._default_regions)

    def _first_region(self, region: object) -> str | None:
        """Return the region that is tried first."""
        regions = self._regions(region)
        return regions[0] if regions else None

    def _regions(self, region: object) -> Sequence[str] | None:
        """Return the regions that are asked for; None if the given one does not exist."""
        if type(region) is str and region in REGIONS:
            return (region,)
        if region is None:
            return self._default_regions
        if is_region(region):  # this comes first, because NA is Namibia
            return [region_code(region)]
        return self._default_regions if names_nothing(region) else None

    def _read(self, value: object, region: object) -> str | PhoneReason:
        dialled = read_written(value)
        if isinstance(dialled, PhoneReason):
            return dialled
        # A number that begins with its country code is read in the same way everywhere.
        regions = () if self._needs_no_plus else self._regions(region)
        with_country, of_regions = self._readings(dialled, regions or ())
        readings = [*with_country, *of_regions]
        if dialled.looks_like is not None and not any(is_grouped(number, dialled.groups) for number in readings):
            return dialled.looks_like
        if not readings:
            return self._without_reading(dialled, regions)
        if len(with_country) > 1:
            return PhoneReason.AMBIGUOUS
        possible = [*with_country, *filter(is_personal, of_regions)]
        if self._mobile:
            possible = [number for number in possible if is_mobile(number)]
        if not possible:
            return PhoneReason.NOT_MOBILE if self._mobile else PhoneReason.NOT_PERSONAL
        number = next((number for number in possible if _fits(dialled, e164(number))), possible[0])
        reason = within_valid(dialled, number, regions or (), needs_no_plus=self._needs_no_plus)
        if reason is not None:
            return reason
        return e164(number) if _fits(dialled, e164(number)) else PhoneReason.TOO_LONG

    def _readings(self, dialled: Dialled, regions: Sequence[str]) -> tuple[list[PhoneNumber], list[PhoneNumber]]:
        """Return the valid numbers whose country is written, or else those of the regions, the likeliest first."""
        if dialled.plus or self._needs_no_plus:
            abroad = [] if dialled.plus else from_abroad(dialled, ())
            number = None if abroad else international(dialled)
            return abroad if number is None else [number], []
        abroad = from_abroad(dialled, regions)
        # 014 is an international prefix in Israel, and begins a number of Wales in GB.
        of_regions = [] if abroad else in_regions(dialled, regions)
        return abroad if abroad or of_regions else dialled_abroad(dialled, regions), of_regions

    def _without_reading(self, dialled: Dialled, regions: Sequence[str] | None) -> str | PhoneReason:
        """Tell why a value is not a valid number; or return it as it is written, if it has a plus."""
        digits = dialled.digits
        if dialled.plus:
            return self._as_written(dialled, regions or ())
        if len(digits) < MIN_DIGITS:
            return PhoneReason.TOO_SHORT
        is_abroad = digits.startswith("00")
        if not self._needs_no_plus and not is_abroad and regions is None:
            return PhoneReason.UNKNOWN_REGION
        reason = after_valid(dialled, regions or (), needs_no_plus=self._needs_no_plus)
        if reason is not None:
            return reason
        if len(digits) > MAX_DIGITS:
            return PhoneReason.TOO_LONG
        if is_abroad:
            return unreadable(digits[2:]) or PhoneReason.NOT_VALID
        if self._needs_no_plus:
            return PhoneReason.NOT_VALID if country_code(digits) else PhoneReason.NO_COUNTRY_CODE
        return PhoneReason.NOT_VALID_IN_REGION if regions else PhoneReason.NO_REGION

    def _as_written(self, dialled: Dialled, regions: Sequence[str]) -> str | PhoneReason:
        """Decide about a number with a plus that libphonenumber does not consider valid."""
        reason = after_valid(dialled, regions) or unreadable(dialled.digits)
        if reason is not None:
            return reason
        if has_zero_after_country_code(dialled):
            if has_trunk_prefix_zero(country_code(dialled.digits)):
                dialled = dialled.without_zero()
            elif dialled.zero is not None and dialled.zero.alone:
                return PhoneReason.ZERO_IN_BRACKETS
        number = f"+{without_trunk_zero(dialled.digits)}"
        if not _fits(dialled, number):
            return PhoneReason.TOO_LONG
        if is_too_short(number[1:]):
            return PhoneReason.TOO_SHORT
        is_sent = self._phone_check == "format" and not after_another_country_code(dialled.digits)
        return number if is_sent else PhoneReason.NOT_VALID


def _fits(dialled: Dialled, number: str) -> bool:
    """Tell whether a number is short enough to be sent."""
    is_unbroken = dialled.plus and dialled.groups == (number[1:],)
    return len(number) - len("+") <= (OCTOPUSH_DIGITS if is_unbroken else E164_DIGITS)


def _beginnings(codes: Iterable[str]) -> frozenset[str]:
    """Return the first two digits that numbers with these country codes may have."""
    return frozenset(f"{code}{digit}"[:2] for code in codes for digit in "0123456789")


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}: write one of {', '.join(map(repr, choices))}")
