"""Numbers a second, by our reader and by libphonenumber; writes JSON."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from airflow_provider_octopush.phones.reader import PhoneReader
from benchmarks.customers import customers

NUMBER = 20_000
ROUNDS = 5

Numbers = list[tuple[str, str | None]]


def national(region: str) -> Numbers:
    """Invent numbers as they are dialled within a region."""
    rows = (row for row in customers(NUMBER * 12) if row[1] == region and not row[0].startswith("+"))
    return [(number, region) for (number, *_), _ in zip(rows, range(NUMBER), strict=False)]


def international() -> Numbers:
    """Invent valid mobiles of all regions, as libphonenumber writes them internationally."""
    chance = random.Random(1)  # noqa: S311 - repeatable, guards no secret
    numbers: Numbers = []
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        example = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
        if example is None:
            continue
        wanted = NUMBER // len(phonenumbers.SUPPORTED_REGIONS)
        for _ in range(wanted * 20):
            digits = str(example.national_number)
            digits = digits[:-4] + f"{chance.randrange(10_000):04d}"
            number = phonenumbers.PhoneNumber(example.country_code, int(digits))
            if phonenumbers.is_valid_number_for_region(number, region):
                numbers.append((phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL), None))
                wanted -= 1
            if not wanted:
                break
    chance.shuffle(numbers)
    return numbers


def e164(numbers: Numbers) -> Numbers:
    """Write numbers as they are sent."""
    return [(by_libphonenumber(*number), None) for number in numbers]


def by_libphonenumber(text: str, region: str | None) -> str:
    """Read, check and write a number."""
    number = phonenumbers.parse(text, region)
    if not phonenumbers.is_valid_number(number):
        raise ValueError(text)
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))


def a_second(read: Callable[[str, str | None], object], numbers: Numbers) -> float:
    """Return the most numbers a second of some rounds."""
    shortest = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for text, region in numbers:
            read(text, region)
        shortest = min(shortest, time.perf_counter() - started)
    return len(numbers) / shortest


if __name__ == "__main__":
    reader = PhoneReader(phone_check="valid")
    everywhere = international()
    sets = {
        "national, FR": national("FR"),
        "national, ES": national("ES"),
        "national, GB": national("GB"),
        "international, all regions": everywhere,
        "E.164 already, all regions": e164(everywhere),
    }
    for numbers in sets.values():
        if any(reader.read(*number) != by_libphonenumber(*number) for number in numbers):
            raise SystemExit("the reader and libphonenumber disagree")
    measured = {
        name: {"ours": a_second(reader.read, numbers), "libphonenumber": a_second(by_libphonenumber, numbers)}
        for name, numbers in sets.items()
    }
    sys.stdout.write(f"{json.dumps(measured)}\n")
