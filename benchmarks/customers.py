"""The table that is synced: distinct valid mobiles of five countries, written as people write them."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

TABLE = "octopush_benchmark_customers"
COLUMNS = ("mobile", "country", "first_name", "last_name", "tier")
QUERY = f"SELECT {', '.join(COLUMNS)} FROM {TABLE}"
#: The same, with the API's names.
PEER_QUERY = f"SELECT mobile AS phone_number, first_name, last_name, tier AS param1 FROM {TABLE}"

#: Region, country code, what is dialled before a national number, its first digits; any six digits may follow.
_RANGES = (
    ("FR", "33", "0", "612"),
    ("FR", "33", "0", "620"),
    ("ES", "34", "", "612"),
    ("GB", "44", "0", "7400"),
    ("DE", "49", "0", "15123"),
    ("IT", "39", "", "3123"),
)
_FIRST_NAMES = ("Zoé", "Íñigo", "Anna", "Mohamed", "Chloë", "Jean-Pierre", "Łukasz", "Sofia")
_LAST_NAMES = ("Martin", "García", "Smith", "Müller", "D'Angelo", "Nguyễn", "de la Cruz", "O'Brien")
_TIERS = ("gold", "silver", "bronze", None)


def customers(number: int) -> Iterator[tuple[str, str, str, str, str | None]]:
    """
    Invent customers, the same ones each time.

    :param number: up to six millions.
    :return: rows of :data:`COLUMNS`; half of the numbers in national form.
    """
    chance = random.Random(1)  # noqa: S311 - repeatable, guards no secret
    # A walk with a step that has no factor in common with a million comes by each of them once.
    for i in range(number):
        region, country_code, prefix, first_digits = _RANGES[i % len(_RANGES)]
        last_digits = f"{i // len(_RANGES) * 387_077 % 1_000_000:06d}"
        yield (
            _written(country_code, prefix, first_digits + last_digits, i // len(_RANGES) % 4),
            region,
            chance.choice(_FIRST_NAMES),
            chance.choice(_LAST_NAMES),
            chance.choice(_TIERS),
        )


def _written(country_code: str, prefix: str, national: str, form: int) -> str:
    if form == 0:
        return f"{prefix}{national}"
    if form == 1:
        return " ".join([prefix + national[:3], national[3:6], national[6:]])
    return f"+{country_code}{national}" if form == 2 else f"+{country_code} {national[:3]} {national[3:]}"


def make_sqlite(path: Path, number: int) -> None:
    """Write customers into an SQLite database; one that is there already is taken as it is."""
    if path.exists():
        return
    unfinished = path.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    with sqlite3.connect(unfinished) as connection:
        connection.execute(f"CREATE TABLE {TABLE} ({', '.join(COLUMNS)})")
        connection.executemany(f"INSERT INTO {TABLE} VALUES (?, ?, ?, ?, ?)", customers(number))
    connection.close()
    unfinished.rename(path)


def fill(connection: Any, number: int) -> None:
    """
    Write customers into a new table of a database server.

    :param connection: of psycopg2 or MySQLdb, with autocommit.
    """
    cursor = connection.cursor()
    cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")
    cursor.execute(f"CREATE TABLE {TABLE} ({', '.join(f'{column} VARCHAR(40)' for column in COLUMNS)})")
    rows = customers(number)
    while batch := list(islice(rows, 5000)):
        places = ", ".join(["(%s, %s, %s, %s, %s)"] * len(batch))
        cursor.execute(f"INSERT INTO {TABLE} VALUES {places}", [value for row in batch for value in row])
    cursor.close()


def drop(connection: Any) -> None:
    """Remove the table."""
    cursor = connection.cursor()
    cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")
    cursor.close()
