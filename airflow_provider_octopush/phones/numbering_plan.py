"""
Numbering plans as regular expressions, made at run time from libphonenumber's own metadata.

They accept only numbers that libphonenumber considers valid, and most of these, many times faster. If they do not
accept a number, that tells nothing. ``tests/phones/test_numbering_plan.py`` compares both.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata
from phonenumbers.phonemetadata import PhoneNumberDesc

from airflow_provider_octopush.phones.written import E164_DIGITS

_NOTHING = re.compile(r"(?!)")

#: How many digits the shortest valid number of any region has, with a trunk prefix, and with 00 and a country code.
_FEWEST_DIALLED = 5
_FEWEST_ABROAD = 7

#: Descriptions that come before those of landlines and mobiles when libphonenumber decides on a number's type, in its
#: order: numbers that no person has, numbers that a person can have, and again numbers that no person has.
_FIRST = ("premium_rate", "toll_free", "shared_cost")
_PERSONAL = ("voip", "personal_number")
_LAST = ("pager", "uan", "voicemail")
_SPECIAL = (*_FIRST, *_PERSONAL, *_LAST)


class NumberingPlans:
    """
    All numbering plans.

    :param mobile: True accepts only types that can receive SMS.
    """

    def __init__(self, mobile: bool = False) -> None:
        self._abroad = _ByFirstDigits(mobile)
        self._within = _ByRegion(mobile)

    def international(self, digits: str, written: str = "", regions: Sequence[str] = ()) -> bool:
        """
        Recognise a valid number with its country code.

        :param digits: ASCII digits after a plus.
        :param written: the digits as they are written, if there are blanks, dashes or dots between them.
        :param regions: where a second number among them may be of, beside the same country.
        :return: True: libphonenumber considers these digits valid and writes them as the same E.164, and no second
            number begins within the text. False: nothing is known.
        """
        match, begin, second = self._abroad[digits[1:4]]
        if written and second is not None and second.begins_in(written, regions):
            return False
        return match(digits, begin) is not None

    def national(self, digits: str, region: str, written: str = "", regions: Sequence[str] = ()) -> str | None:
        """
        Recognise a valid number as it is dialled within a region, of a type that a person can have.

        :param digits: ASCII digits.
        :param region: one of libphonenumber's regions, in upper case.
        :param written: the digits as they are written, if there are blanks, dashes or dots between them.
        :param regions: where a second number among them may be of, beside the same country.
        :return: E.164, if libphonenumber reads the digits as this number and considers it valid for the region, and no
            second number begins within the text; None if nothing is known.
        """
        fullmatch, plus_country_code, second = self._within[region]
        if written and second is not None and second.begins_in(written, regions):
            return None
        match = fullmatch(digits, 0)
        return None if match is None else plus_country_code + match[match.lastindex or 0]


_Match = Callable[[str, int], re.Match[str] | None]

_COUNTRY_CODES = frozenset(map(str, COUNTRY_CODE_TO_REGION_CODE))


class _ByFirstDigits(dict[str, "tuple[_Match, int, _Second | None]"]):
    """
    The first three digits of a number → its country's plan, and where it begins in a number with a plus.

    A dict, because looking up a cached function's result takes longer than the plan takes to recognise a number.
    """

    def __init__(self, mobile: bool) -> None:
        super().__init__()
        self._mobile = mobile

    def __missing__(self, first_digits: str) -> tuple[_Match, int, _Second | None]:
        for length in (1, 2, 3):
            country_code = first_digits[:length]
            if country_code in _COUNTRY_CODES:
                pattern = _international(country_code, self._mobile)
                self[first_digits] = plan = pattern.match, len("+") + length, _second(int(country_code))
                return plan
        # Not kept, because there may be any number of these.
        return _NOTHING.match, 0, None


class _ByRegion(dict[str, "tuple[_Match, str, _Second | None]"]):
    """A region → its plan, and its country code after a plus."""

    def __init__(self, mobile: bool) -> None:
        super().__init__()
        self._mobile = mobile

    def __missing__(self, region: str) -> tuple[_Match, str, _Second | None]:
        pattern, plus_country_code, second = _national(region, self._mobile)
        self[region] = plan = pattern.fullmatch, plus_country_code, second
        return plan


@functools.cache
def _international(country_code: str, mobile: bool) -> re.Pattern[str]:
    regions = COUNTRY_CODE_TO_REGION_CODE[int(country_code)]
    plans = [PhoneMetadata.metadata_for_region_or_calling_code(int(country_code), region) for region in regions]
    alternatives = []
    passed_over = ""
    for metadata in plans:
        if metadata is None:
            return _NOTHING
        numbers = _numbers(metadata, mobile=mobile)
        # If several regions share a country code, the one with the leading digits decides alone.
        if len(plans) > 1 and metadata.leading_digits is not None:
            alternatives.append(f"{passed_over}(?={metadata.leading_digits}){numbers}")
            passed_over += f"(?!{metadata.leading_digits})"
        else:
            alternatives.append(f"{passed_over}{numbers}")
            if mobile:
                # A valid number of this region that is not mobile must not be taken for a mobile of the next one.
                passed_over += f"(?!{_numbers(metadata, mobile=False)})"
    # Digits that the main region's dialling rules might take off the front are left to libphonenumber.
    main = plans[0]
    prefix = main.national_prefix_for_parsing if main is not None else None
    untouched = f"(?!{prefix})" if prefix else ""
    return re.compile(f"{untouched}(?:{'|'.join(alternatives)})", re.ASCII)


@functools.cache
def _national(region: str, mobile: bool) -> tuple[re.Pattern[str], str, _Second | None]:
    metadata = PhoneMetadata.metadata_for_region(region, None)
    if metadata is None:
        return _NOTHING, "", None
    if metadata.national_prefix_transform_rule:
        return _NOTHING, "", None
    prefix = metadata.national_prefix_for_parsing
    numbers = _numbers(metadata, mobile=mobile, personal=True)
    # Digits that may be an international prefix or a country code are left to libphonenumber.
    abroad = f"(?!{metadata.international_prefix})" if metadata.international_prefix else ""
    # Atomic, because libphonenumber takes off the first prefix that it finds, whatever remains.
    dialled = f"(?>{prefix})({numbers})|(?!{prefix})({numbers})" if prefix else f"({numbers})"
    pattern = re.compile(f"{abroad}(?!{metadata.country_code})(?:{dialled})", re.ASCII)
    return pattern, f"+{metadata.country_code}", _second(metadata.country_code)


@functools.cache
def national_numbers(country_code: int) -> re.Pattern[str]:
    """
    Return a pattern of a country code's national significant numbers: those that are valid in any of its regions.

    :return: a pattern for ``match``, which goes to the end of the text.
    """
    regions = COUNTRY_CODE_TO_REGION_CODE[country_code]
    plans = [PhoneMetadata.metadata_for_region_or_calling_code(country_code, region) for region in regions]
    alternatives = [_numbers(metadata, mobile=False) for metadata in plans if metadata is not None]
    return re.compile("|".join(alternatives), re.ASCII)


class _Second:
    """
    Finds a second number after a short one.

    :param regions: the regions of the first number's country.
    :param prefixes: the country's trunk prefixes.
    """

    def __init__(self, regions: Sequence[str], prefixes: Iterable[str]) -> None:
        self._regions = regions
        self._begin = re.compile(rf"[ .-](?=00|{'|'.join(prefixes)})" if prefixes else "[ .-](?=00)")

    def begins_in(self, text: str, regions: Sequence[str]) -> bool:
        """
        Tell whether one may begin within a text: after a blank, a dash or a dot, with a trunk prefix or 00.

        :param regions: the regions that it may be of, besides the same country.
        """
        begin = self._begin.search(text)
        while begin is not None:
            digits = text[begin.end() :].translate(_WITHOUT_SEPARATORS)
            if digits.startswith("00") and len(digits) >= _FEWEST_ABROAD:
                return True
            if any(_dialled(region).fullmatch(digits) for region in (*self._regions, *regions)):
                return True
            begin = self._begin.search(text, begin.end())
        return False


_WITHOUT_SEPARATORS = dict.fromkeys(map(ord, " .-"))


@functools.cache
def _second(country_code: int) -> _Second | None:
    """Return a finder of second numbers; None if a country's longest number is too short for two."""
    regions = COUNTRY_CODE_TO_REGION_CODE[country_code]
    plans = [PhoneMetadata.metadata_for_region_or_calling_code(country_code, region) for region in regions]
    lengths = [length for plan in plans if plan and plan.general_desc for length in plan.general_desc.possible_length]
    if not lengths or min(lengths) + _FEWEST_DIALLED > max(lengths):
        return None
    return _Second(regions, {plan.national_prefix for plan in plans if plan and plan.national_prefix})


@functools.cache
def _dialled(region: str) -> re.Pattern[str]:
    """
    Return a pattern of digits that may be a number when dialled within a region; it also matches some that are not.
    """
    metadata = PhoneMetadata.metadata_for_region(region, None)
    if metadata is None or metadata.national_prefix_transform_rule:
        return re.compile(".*")
    prefix = metadata.national_prefix_for_parsing or ""
    abroad = metadata.international_prefix or "(?!)"
    numbers = _numbers(metadata, mobile=False)
    return re.compile(f"(?:{abroad})[0-9]{{5,}}|(?:{metadata.country_code})?(?:{prefix})?{numbers}")


def _numbers(metadata: PhoneMetadata, *, mobile: bool, personal: bool = False) -> str:
    """
    Return a pattern of valid national significant numbers, or of those of some types; it goes to the end of the text.
    """
    lengths = metadata.general_desc.possible_length if metadata.general_desc else ()

    def of(names: Iterable[str]) -> str:
        return _any_of((getattr(metadata, name) for name in names), lengths)

    general = f"(?={_any_of([metadata.general_desc])})"
    most = E164_DIGITS - len(str(metadata.country_code))
    if max(lengths, default=0) > most:
        general += rf"(?=[0-9]{{1,{most}}}\Z)"
    if mobile:
        can_receive = metadata.fixed_line if metadata.same_mobile_and_fixed_line_pattern else metadata.mobile
        return f"{general}(?!{of(_SPECIAL)}){_any_of([can_receive], lengths)}"
    # The most frequent ones first.
    ordinary = of(("mobile", "fixed_line"))
    if personal:
        return f"{general}(?!{of(_FIRST)})(?:(?!{of(_LAST)}){ordinary}|{of(_PERSONAL)})"
    return f"{general}(?:{ordinary}|{of(_SPECIAL)})"


def _any_length(lengths: Iterable[int]) -> str:
    """Return a pattern of digits with one of some lengths; consecutive lengths are one range, which is tried once."""
    ranges = []
    for _, same in groupby(enumerate(sorted(lengths)), lambda numbered: numbered[1] - numbered[0]):
        consecutive = [length for _, length in same]
        ranges.append(f"[0-9]{{{consecutive[0]},{consecutive[-1]}}}")
    return "|".join(ranges)


def _any_of(descriptions: Iterable[PhoneNumberDesc | None], checked_lengths: tuple[int, ...] = ()) -> str:
    """Return a pattern of the numbers of some descriptions; only numbers of the checked lengths are matched with it."""
    alternatives = []
    for description in descriptions:
        if description is None or not description.national_number_pattern:
            continue
        lengths = _any_length(length for length in description.possible_length if length > 0)
        if description.possible_length and not lengths:
            continue
        is_checked = not lengths or description.possible_length == checked_lengths
        pattern = rf"(?:{description.national_number_pattern})\Z"
        # Most numbers have another description, which their first digits show sooner than their length.
        alternatives.append(pattern if is_checked else rf"(?={pattern})(?:{lengths})\Z")
    return f"(?:{'|'.join(alternatives)})" if alternatives else "(?!)"
