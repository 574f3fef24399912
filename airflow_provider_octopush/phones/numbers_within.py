"""A raw value → all numbers in it, while :mod:`~airflow_provider_octopush.phones.written` wants exactly one."""

from __future__ import annotations

import decimal
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from airflow_provider_octopush.phones.characters import plain
from airflow_provider_octopush.phones.reasons import PhoneReason
from airflow_provider_octopush.phones.written import (
    ALTERNATIVE_DIGITS,
    BRACKETS_AT_THE_END,
    E164_DIGITS,
    ENOUGH_FOR_A_NUMBER,
    MAX_DIGITS,
    MIN_DIGITS,
    Dialled,
    read_written,
)

#: What text may be besides phone numbers, where some are in it.
_MORE_THAN_A_NUMBER = frozenset(
    (
        PhoneReason.LETTERS,
        PhoneReason.CHARACTERS,
        PhoneReason.MASKED,
        PhoneReason.EXTENSION,
        PhoneReason.CONTEXT,
        PhoneReason.TWO_NUMBERS,
        PhoneReason.PLUS_INSIDE,
    )
)
_BETWEEN = re.compile(rf"[^0-9+ .()\[\]_~-]+|\s+-+\s+|\s{{2,}}|(?=\+)|(?={BRACKETS_AT_THE_END.pattern})")
_RUN = re.compile(rf"\+?[0-9]{{{ENOUGH_FOR_A_NUMBER},{MAX_DIGITS}}}")

#: Text is searched up to this length; a longer cell is a document.
_MAX_CHARACTERS = 10_000


def numbers_within(value: object) -> tuple[list[Dialled], PhoneReason | None]:
    """
    Find all numbers in a value.

    A second number, or an extension, may follow a sign, a letter or the end of a line. After a mere blank, it counts
    only if the digits are too many for one number, or if it begins with a zero. Countries play no part here, because
    they become known later.

    :param value: text or a number, as a warehouse holds it.
    :return: the numbers, the whole value first; and why it is not exactly one number, if that can be seen.
    """
    whole = read_written(value)
    if isinstance(whole, Dialled):
        return [whole, *(part for part in _within(whole) if len(part.digits) >= ENOUGH_FOR_A_NUMBER)], None
    if whole not in _MORE_THAN_A_NUMBER or not isinstance(value, str):
        return [], whole
    return [part for text in _BETWEEN.split(plain(value)) for part in _numbers_of(text)], whole


class Run(NamedTuple):
    """
    Groups of digits that may be a number by themselves, with anything between them.

    :param plus: whether a plus is in front of them.
    :param digits: the digits of all groups.
    :param start: the number of their first group within the value.
    :param end: the number of their last group.
    :param begins: whether they begin with the value's first digit, and end before the last.
    """

    plus: bool
    digits: str
    start: int
    end: int
    begins: bool


def runs(value: object) -> list[Run]:
    """
    Find all digits in a value that may be a number by themselves: each run of groups of digits, with anything between.

    :param value: as :func:`numbers_within` takes it; also a list, bytes, or anything else.
    """
    text = plain(_written(value))[:_MAX_CHARACTERS]
    groups = [(bool(match[1]), match[2]) for match in re.finditer(r"(\+?)[\s.()\[\]_~/-]*([0-9]+)", text)]
    found: list[Run] = []
    for start, (has_plus, _) in enumerate(groups):
        digits = ""
        for end in range(start, len(groups)):
            digits += groups[end][1]
            if len(digits) > MAX_DIGITS:
                break
            if len(digits) < MIN_DIGITS:
                continue
            begins = start == 0 and end < len(groups) - 1 and len(digits) >= ENOUGH_FOR_A_NUMBER
            # A plus may also separate two numbers.
            found += [Run(plus, digits, start, end, begins) for plus in {has_plus, has_plus and start == 0}]
    return found


def _written(value: object) -> str:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("latin-1")
    if isinstance(value, bool):
        return ""
    try:
        if isinstance(value, int | float | decimal.Decimal):
            # Digits after the point are not part of a number.
            return format(value, ".0f") if abs(value) < 10**MAX_DIGITS else ""
        if isinstance(value, Mapping):
            return " ; ".join(map(_written, value.values()))
        # A list, a set, an array, …
        return " ; ".join(map(_written, value)) if isinstance(value, Iterable) else str(value)
    except Exception:  # noqa: BLE001 - what cannot be written has no number to read
        return ""


def _numbers_of(text: str) -> Iterator[Dialled]:
    number = read_written(text)
    found = [number] if isinstance(number, Dialled) else map(read_written, _RUN.findall(text))
    for one in found:
        if isinstance(one, Dialled) and len(one.digits) >= ENOUGH_FOR_A_NUMBER:
            yield one


def _within(whole: Dialled) -> Iterator[Dialled]:
    signs = whole.slashes | whole.dashes | whole.line_ends
    digits = whole.digits
    for cut in whole.cuts():
        after = len(digits) - cut
        is_second = after >= ENOUGH_FOR_A_NUMBER and (digits[cut] == "0" or len(digits) > E164_DIGITS)
        if cut < ENOUGH_FOR_A_NUMBER or not (cut in signs or is_second):
            continue
        yield whole.before(cut)
        yield whole.after(cut)
        if cut in whole.slashes and after <= ALTERNATIVE_DIGITS:
            yield Dialled(whole.plus, (digits[: cut - after] + digits[cut:],))
