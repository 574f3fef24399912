"""A SQLite warehouse of invented customers, as messy as real ones: ``python demo/warehouse.py PATH``."""

from __future__ import annotations

import argparse
import datetime as dt
import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberType

COUNTRIES = {
    "FR": 45, "RE": 2, "GP": 2, "MQ": 1, "GF": 1, "ES": 12, "IT": 9, "GB": 9, "DE": 8, "BE": 5, "CH": 3, "PT": 3,
}  # fmt: skip
FIRST_NAMES = (
    "Zoé", "Noël", "Íñigo", "Chloë", "Jürgen", "Mário", "Aoife", "Søren", "Élodie", "François", "Núria", "Giulia",
    "Lukas", "Inês", "Sinéad", "Björn", "Maïa", "Tomás", "Ana", "Bob", "Léa", "Hugo", "Emma", "Nan",
)  # fmt: skip
LAST_NAMES = (
    "O'Brien", "Dupont-Ray", "Müller", "García López", "d'Angelo", "Núñez", "van der Berg", "Le Goff", "Smith", "Rossi",
    "Lefèvre", "Silva", "Weiß", "Ó Súilleabháin", "Fontaine", "Null", "Marín", "Schmidt", "Costa", "Petit",
)  # fmt: skip
TIERS = ("gold", "silver", "bronze", None)
RUBBISH = (None, None, None, "", " ", "n/a", "none", "à rappeler", "06 12 34", "0000000000", "3.36E+10")


def _number(country: str, kind: int, rng: random.Random) -> PhoneNumber:
    """Invent a number that is valid in a country, from libphonenumber's example of its kind."""
    example = phonenumbers.example_number_for_type(country, kind)
    if example is None:
        raise ValueError(f"libphonenumber has no example of kind {kind} for {country}")
    digits = str(example.national_number)
    for _ in range(50):
        national = digits[:4] + "".join(rng.choice("0123456789") for _ in digits[4:])
        number = PhoneNumber(country_code=example.country_code, national_number=int(national))
        if phonenumbers.is_valid_number_for_region(number, country):
            return number
    return example


def _written(number: PhoneNumber, rng: random.Random) -> str:
    """Write a number as people do."""
    international = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
    national = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    code, _, rest = international.partition(" ")
    return rng.choice(
        [
            e164,
            e164,
            international,
            international.replace(" ", "\u00a0"),
            international.replace(" ", "."),
            national,
            national,
            national.replace(" ", ""),
            national.replace(" ", "-"),
            f"00{e164[1:]}",
            e164[1:],
            phonenumbers.format_number(number, PhoneNumberFormat.RFC3966),
            f"{code} (0){rest}" if national.startswith("0") else international,
        ]
    )


def customers(number: int, seed: int, day: dt.date) -> Iterator[Sequence[object]]:
    """
    Invent customers.

    :param number: how many.
    :param seed: the same seed gives the same customers.
    :param day: the day on which four in five of them changed; the others changed before.
    :return: rows of the table ``customers``.
    """
    rng = random.Random(seed)
    midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
    known: list[tuple[str, PhoneNumber, str, str]] = []
    for customer in range(1, number + 1):
        country = rng.choices(list(COUNTRIES), list(COUNTRIES.values()))[0]
        first_name, last_name = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
        dice = rng.random()
        mobile: str | None
        if dice < 0.03:
            mobile = rng.choice(RUBBISH)
        elif dice < 0.08 and known:
            country, phone, first_name, last_name = rng.choice(known)
            mobile = _written(phone, rng)
        else:
            kind = PhoneNumberType.FIXED_LINE if dice < 0.13 else PhoneNumberType.MOBILE
            phone = _number(country, kind, rng)
            known.append((country, phone, first_name, last_name))
            mobile = _written(phone, rng) + (" ext. 12" if dice > 0.995 else "")
        seconds = rng.randrange(86_400) - (0 if rng.random() < 0.8 else 30 * 86_400)
        updated_at = (midnight + dt.timedelta(seconds=seconds)).isoformat(" ")
        yield customer, first_name, last_name, mobile, country, rng.choice(TIERS), updated_at


def make(path: Path, number: int, seed: int, day: dt.date) -> None:
    """Make the warehouse anew."""
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY, first_name TEXT, last_name TEXT, mobile TEXT, "
            "country TEXT, loyalty_tier TEXT, updated_at TEXT)"
        )
        connection.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?, ?)", customers(number, seed, day))
        connection.execute("CREATE TABLE sms_stops (number TEXT)")
        _stop(connection, every=97)
    connection.close()


def pass_a_day(path: Path) -> None:
    """Let customers change their tier, leave, and send STOP."""
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE customers SET loyalty_tier = 'platinum' WHERE id % 60 = 7")
        connection.execute("DELETE FROM customers WHERE id % 100 = 3")
        _stop(connection, every=89)
    connection.close()


def _stop(connection: sqlite3.Connection, every: int) -> None:
    """Let some customers send STOP: their numbers come from the SMS gateway, in E.164."""
    for mobile, country in connection.execute(
        "SELECT mobile, country FROM customers WHERE id % ? = 0", (every,)
    ).fetchall():
        with suppress(phonenumbers.NumberParseException):
            number = phonenumbers.parse(mobile, country)
            if phonenumbers.is_valid_number(number):
                e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
                connection.execute("INSERT INTO sms_stops VALUES (?)", (e164,))


def main() -> None:
    """Read the command line and make the warehouse."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--customers", type=int, default=3000, help="how many (default 3000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same customers (default 1)")
    parser.add_argument(
        "--day",
        type=dt.date.fromisoformat,
        default=dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1),
        help="day on which most of them changed (default yesterday)",
    )
    options = parser.parse_args()
    make(options.path, options.customers, options.seed, options.day)


if __name__ == "__main__":
    main()
