"""A raw value → every phone number that it may stand for; one number too many is better than one missed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import phonenumbers

from airflow_provider_octopush.phones.characters import plain
from airflow_provider_octopush.phones.countries import (
    Country,
    after_any_international_prefix,
    all_dialled,
    country,
    country_codes,
    digit_for_digit,
    international,
    known_countries,
    may_be_sent,
    written,
)
from airflow_provider_octopush.phones.libphonenumber import (
    after_another_country_code,
    country_code,
    country_code_of,
    e164,
    is_grouped,
    is_too_short,
    unreadable,
    without_trunk_zero,
)
from airflow_provider_octopush.phones.line_forms import line_forms
from airflow_provider_octopush.phones.numbering_plan import NumberingPlans
from airflow_provider_octopush.phones.numbers_within import numbers_within, runs
from airflow_provider_octopush.phones.options import NumberFormat
from airflow_provider_octopush.phones.readings import has_zero_after_country_code
from airflow_provider_octopush.phones.readings import international as read_international
from airflow_provider_octopush.phones.reasons import PhoneReason
from airflow_provider_octopush.phones.regions import checked_regions, is_region, names_nothing, region_code
from airflow_provider_octopush.phones.written import E164_DIGITS, MAX_DIGITS, MIN_DIGITS, OCTOPUSH_DIGITS, Dialled

__all__ = ["Possible", "PossibleNumbers", "country_codes", "line_forms", "numbers_abroad", "numbers_in"]

_PLANS = NumberingPlans()

_PLUS_INSIDE = re.compile(r"[0-9][^0-9]*\+")


class Possible(NamedTuple):
    """
    The numbers that a value may stand for.

    :param numbers: the digits of E.164, with every form of the same line.
    :param elsewhere: the digits, if they may also be a number of some other country, as :func:`numbers_in` takes them.
        If the value holds several numbers, there are blanks between them. None if the country is written, or given.
    :param reason: why a row with this value could not be sent: it is missing; its region does not exist; libphonenumber
        does not know the number; it is more than a number. ``numbers`` still holds what it may stand for.
    :param unlikely: where nothing is guessed: numbers that begin with their country code and that libphonenumber does
        not know, if the digits are also a valid number in another reading.
    """

    numbers: frozenset[int]
    elsewhere: str | None
    reason: PhoneReason | None
    unlikely: frozenset[int] = frozenset()

    @property
    def from_anywhere(self) -> frozenset[int]:
        """The numbers, and those that ``elsewhere`` reaches with any country's international prefix."""
        return self.numbers if self.elsewhere is None else self.numbers | numbers_abroad(self.elsewhere)


class PossibleNumbers:
    """
    Reads every number that a value may stand for.

    :class:`~airflow_provider_octopush.phones.reader.PhoneReader` decides on one reading, by its regions and their
    order, its check and its ``number_format``. This class gives all readings, whatever these are:

    - With a plus: the international number. If the value has a region of another country, also the number of that
      country.
    - With a region of its own: numbers of that region's country, in national form or with its country code, and those
      that are dialled there with an international prefix. A reader with ``number_format="international"`` ignores
      regions, so with it the value is also read as if it had none.
    - Else: the same for each of the countries, and digits from their country code on, whatever the country.

    A country is all regions with one country code: a number may be valid in any of them. Digits that are not a valid
    number of a country, but have a length that occurs there, may be a number that libphonenumber does not know.

    :param default_region: region of numbers in national form, or several, as ``PhoneReader`` takes it.
    :param countries: more country codes in which rows are read, such as 33.
    :param number_format: how rows are read.
    :param guesses: whether digits may begin with any country code, and a number may be within other text.
    :raises ValueError: when a region does not exist.
    """

    def __init__(
        self,
        default_region: str | Sequence[str] = (),
        countries: Iterable[int] = (),
        number_format: NumberFormat = "national",
        *,
        guesses: bool = True,
    ) -> None:
        self._ignores_regions = number_format == "international"
        self._guesses = guesses
        regions = checked_regions(default_region)
        #: The country codes of the regions, and the given ones.
        self.countries = frozenset((*map(int, map(country_code_of, regions)), *map(int, countries)))
        self._countries = known_countries(self.countries)
        # All regions that a row may be read in; they decide whether a second number begins among its digits.
        self._regions = [phonenumbers.region_code_for_country_code(int(known.code)) for known in self._countries]

    def without_guesses(self) -> PossibleNumbers:
        """Return a reader for the same countries that guesses nothing."""
        number_format: NumberFormat = "international" if self._ignores_regions else "national"
        return PossibleNumbers((), self.countries, number_format, guesses=False)

    def read(self, value: object, region: object = None) -> Possible:
        """
        Read one value.

        :param value: text or a number, as a warehouse holds it.
        :param region: the region of this value, which then counts alone; if it is missing (blank, "N/A", …) or does not
            exist, ``default_region`` and ``countries`` count.
        """
        own = country(country_code_of(region_code(region))) if region is not None and is_region(region) else None
        if own is not None and self._ignores_regions:
            with_region, without = self._read(value, region, own), self._read(value, None, None)
            return without._replace(numbers=without.numbers | with_region.numbers)
        return self._read(value, region, own)

    def _read(self, value: object, region: object, own: Country | None) -> Possible:
        if own is None and type(value) is str:
            number = self._recognised(value)
            if number is not None:
                return Possible(line_forms(number), None, self._reason_of(region))
        dialled, reason = numbers_within(value)
        if reason is PhoneReason.MISSING or (reason is not None and not self._guesses):
            return Possible(frozenset(), None, reason)
        text = plain(value) if isinstance(value, str) else ""
        numbers, elsewhere, is_sendable = self._numbers(dialled if self._guesses else dialled[:1], own)
        if dialled:
            looks_like = dialled[0].looks_like
            if reason is None and looks_like is not None and not _is_grouped(dialled[0], numbers):
                reason = looks_like
        if self._guesses and (reason is not None or not self._is_valid(dialled[0], own)):
            are_several = reason is PhoneReason.TWO_NUMBERS or _holds_more_than_one(text)
            found, digits, begins = self._numbers_within(value, own, are_several=are_several)
            numbers |= found
            elsewhere = " ".join(dict.fromkeys(filter(None, (elsewhere, *digits)))) or None
            # After a valid number comes an extension, or a second number.
            reason = reason or (PhoneReason.EXTENSION if begins else None)
        if reason is None and not is_sendable:
            reason = self._unknown(dialled[0], own)
        # With a region, digits after a wrong plus may be valid in another form.
        is_wrong = "+" in text and not (
            dialled and self._is_valid(dialled[0], own) and not after_another_country_code(dialled[0].digits)
        )
        if self._guesses and text and (is_wrong or not any(international(number).valid for number in numbers)):
            valid, together = self._numbers_together(text, own)
            numbers |= valid
            elsewhere = elsewhere or together
        countries = self._countries if own is None else [own]
        unknown = [one.digits for one in dialled if one.digits not in numbers]
        unlikely = {number for digits in unknown for number in digit_for_digit(digits, countries)}
        if self._guesses:
            numbers |= unlikely
        return Possible(
            _with_line_forms(numbers), elsewhere, self._reason_of(region, reason), _with_line_forms(unlikely)
        )

    def _is_valid(self, dialled: Dialled, own: Country | None) -> bool:
        """Whether digits are a valid number as a whole."""
        if dialled.plus:
            return bool(international(dialled.digits).valid) or read_international(dialled) is not None
        countries = self._countries if own is None else [own]
        return all_dialled(dialled.digits, countries, is_any_country=own is None)[1]

    def _numbers_together(self, text: str, own: Country | None) -> tuple[set[str], str | None]:
        """
        Read all digits of a text together, if they do not begin with a valid number, and a plus or zeros are
        superfluous: before a zero or another trunk prefix, before digits that no country code begins with, among the
        digits, or with one country code before another.

        :return: the valid numbers, of the value's own country if it has one; and the digits whose country is not known.
        """
        digits = re.sub("[^0-9]", "", text)
        rest = digits.lstrip("0")
        in_front = after_another_country_code(rest)
        is_wrong = "+" in text and self._is_wrong_after_plus(digits, own)
        is_too_many = is_wrong or digits.startswith("0") or _PLUS_INSIDE.search(text) or in_front
        if not is_too_many or not MIN_DIGITS <= len(rest) <= MAX_DIGITS:
            return set(), None
        valid = international(rest).valid | international(in_front).valid
        if own is not None:
            valid = {number for number in valid if country_code(number) == own.code}
        if "+" not in text:
            # They are read as they are dialled anyway.
            return valid, None
        for known in self._countries if own is None else [own]:
            valid |= known.dialled(digits).valid | known.dialled(f"0{rest}").valid
        return valid, f"{digits} 0{rest}" if own is None else None

    def _is_wrong_after_plus(self, digits: str, own: Country | None) -> bool:
        """Whether no country code begins the digits, or they are dialled so within a country, and not from abroad."""
        code = country_code(digits)
        if not code:
            return True
        countries = [one for one in (self._countries if own is None else [own]) if one.code != code]
        return any(one.is_dialled_with_trunk_prefix(digits) for one in countries) and not international(digits).valid

    def _numbers_within(
        self, value: object, own: Country | None, *, are_several: bool
    ) -> tuple[set[str], list[str], bool]:
        """
        Read all numbers in a value that has something else besides a number.

        :param are_several: whether it holds several numbers, so that a plus may be about one of them only.
        :return: the valid numbers; the digits whose country is not known; whether the value begins with a valid number.
        """
        numbers: set[str] = set()
        elsewhere: list[str] = []
        found = runs(value)
        with_plus = [run for run in found if run.plus]
        wrong = {run.digits for run in with_plus if self._is_wrong_after_plus(run.digits, own)}
        codes = {country_code(run.digits) for run in with_plus if run.digits not in wrong}
        is_written = own is not None or (bool(codes) and not are_several)
        begins = False
        #: Where a number with a plus begins → where it ends, or the shortest one if several end differently.
        ends: dict[int, int] = {}
        for run in with_plus:
            valid = international(run.digits).valid
            if run.digits in wrong:
                together, digits = self._numbers_together(f"+{run.digits}", own)
                valid |= together
                if digits:
                    elsewhere.append(digits)
            elif own is not None and country_code(run.digits) != own.code:
                valid |= own.dialled(run.digits).valid
            if valid:
                ends[run.start] = min(run.end, ends.get(run.start, run.end))
            numbers |= valid
            begins = begins or (run.begins and bool(valid))
        # What stands beside a number with a plus is dialled in the same country.
        countries = [own] if own is not None else [*map(country, codes), *(() if is_written else self._countries)]
        is_one = bool(wrong) and not are_several
        for run in found:
            # Parts of a number with a plus are no numbers of their own.
            if run.plus or is_one or any(start <= run.start <= end for start, end in ends.items()):
                continue
            valid = {number for known in countries for number in known.dialled(run.digits).valid}
            if run.digits.startswith("00"):
                valid |= written(run.digits[2:]).valid
            if not is_written:
                elsewhere.append(run.digits)
            numbers |= valid
            begins = begins or (run.begins and bool(valid))
        return numbers, elsewhere, begins

    def _recognised(self, text: str) -> int | None:
        """Read a number with a plus that is valid as it is written, as nearly all are."""
        digits = text.replace(" ", "")
        if digits[:1] != "+":
            return None
        grouped = "" if digits is text else text
        # Longer text may be two numbers.
        if grouped and ("  " in grouped or len(digits) >= OCTOPUSH_DIGITS):
            return None
        return int(digits) if _PLANS.international(digits, grouped, self._regions) else None

    def _numbers(self, dialled: Sequence[Dialled], own: Country | None) -> tuple[set[str], str | None, bool]:
        """
        Read all numbers of one value.

        :return: the numbers; the digits of those whose country is not known; whether any of them may be sent.
        """
        numbers: set[str] = set()
        elsewhere: list[str] = []
        is_sendable = False
        with_plus = [one for one in dialled if one.plus]
        for one in with_plus:
            found, is_one_sendable = _after_plus(one)
            numbers |= found
            is_sendable = is_sendable or is_one_sendable
        codes = {country_code(number) for number in numbers}
        # What stands beside a number with a plus is dialled in the same country.
        countries = [own] if own is not None else [*map(country, codes)] if with_plus else self._countries
        for one in dialled:
            if one.plus and (own is None or not self._guesses or (is_sendable and codes == {own.code})):
                continue
            is_any_country = own is None and not with_plus
            # "0039 (0)331…" may be a mobile, as after a plus.
            for digits in dict.fromkeys((one.digits, _without_zero(one).digits)):
                guess = is_any_country and (self._guesses or self._ignores_regions)
                found, is_one_sendable = all_dialled(digits, countries, is_any_country=guess)
                numbers |= found
                is_sendable = is_sendable or is_one_sendable
                if is_any_country:
                    elsewhere.append(digits)
        return numbers, " ".join(elsewhere) or None, is_sendable

    def _unknown(self, dialled: Dialled, own: Country | None) -> PhoneReason:
        """Tell why digits are no number that may be sent."""
        digits = dialled.digits
        is_abroad = digits.startswith("00")
        if len(digits) < MIN_DIGITS:
            return PhoneReason.TOO_SHORT
        if len(digits) > MAX_DIGITS:
            return PhoneReason.TOO_LONG
        if dialled.plus or is_abroad:
            after = digits if dialled.plus else digits[2:]
            reason = unreadable(after)
            if reason is None and len(after) > OCTOPUSH_DIGITS:
                reason = PhoneReason.TOO_LONG
            elif reason is None and is_too_short(after):
                reason = PhoneReason.TOO_SHORT
            return reason or PhoneReason.NOT_VALID
        return PhoneReason.NOT_VALID_IN_REGION if own or self._countries else PhoneReason.NO_REGION

    def _reason_of(self, region: object, reason: PhoneReason | None = None) -> PhoneReason | None:
        is_unknown = region is not None and not is_region(region) and not names_nothing(region)
        return PhoneReason.UNKNOWN_REGION if is_unknown else reason


def numbers_in(digits: str, countries: Iterable[int]) -> frozenset[int]:
    """
    Return the numbers that digits without a plus may stand for in some countries.

    :param digits: ASCII digits; blanks divide those of several numbers.
    :param countries: country codes, such as 33.
    :return: the numbers, with every form of their lines: those of these countries, and those dialled there with an
        international prefix.
    """
    known = known_countries(countries)
    return _with_line_forms(
        number
        for one in digits.split()
        for number in (*all_dialled(one, known, is_any_country=False)[0], *digit_for_digit(one, known))
    )


def numbers_abroad(digits: str) -> frozenset[int]:
    """
    Return the numbers that digits without a plus may stand for if they begin with any country's international prefix.

    :param digits: ASCII digits; blanks divide those of several numbers.
    :return: the numbers, with every form of their lines.
    """
    return _with_line_forms(number for one in digits.split() for number in after_any_international_prefix(one))


def _with_line_forms(numbers: Iterable[str]) -> frozenset[int]:
    return frozenset(form for number in numbers for form in line_forms(int(number)))


def _holds_more_than_one(text: str) -> bool:
    """Whether a text has a plus among its digits, or more digits than a number."""
    return _PLUS_INSIDE.search(text) is not None or sum(map(str.isdecimal, text)) > E164_DIGITS


def _without_zero(dialled: Dialled) -> Dialled:
    """Leave out a zero that is alone in brackets."""
    return dialled.without_zero() if dialled.zero is not None and dialled.zero.alone else dialled


def _after_plus(dialled: Dialled) -> tuple[set[str], bool]:
    """
    Read digits after a plus, as ``PhoneReader`` does, or as another row may write the same number.

    :return: the numbers; whether one of them may be sent.
    """
    readings = [dialled.digits]
    valid = international(dialled.digits).valid
    if has_zero_after_country_code(dialled):
        # In Italy, "+39 (0)312…" is a landline, and without the zero a mobile.
        readings.append(dialled.without_zero().digits)
        valid |= international(readings[1]).valid
    if valid == {dialled.digits}:
        return valid, True
    if len(readings) > 1 and _PLANS.international(f"+{readings[1]}"):
        return valid | {readings[1]}, True  # "+33 (0)6…", which many write
    read = read_international(dialled)
    if read is not None:
        return valid | {e164(read)[1:]}, True
    # Digit for digit: libphonenumber does not know new ranges.
    sent = valid | set(filter(may_be_sent, map(without_trunk_zero, readings)))
    return sent, bool(valid) or any(not after_another_country_code(number) for number in sent)


def _is_grouped(dialled: Dialled, numbers: Iterable[str]) -> bool:
    parsed = (phonenumbers.parse(f"+{number}") for number in numbers if unreadable(number) is None)
    return any(is_grouped(number, dialled.groups) for number in parsed)
