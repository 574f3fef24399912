"""A first snapshot of contacts that are already on a list: read from a CSV, each marked *may be there*."""

from __future__ import annotations

import csv
import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from airflow_provider_octopush.contacts.duplicates import SeenNumbers
from airflow_provider_octopush.exceptions import SnapshotConflictError, SnapshotError
from airflow_provider_octopush.phones.possible import country_codes
from airflow_provider_octopush.phones.reader import PhoneReader
from airflow_provider_octopush.snapshot.journal import Run
from airflow_provider_octopush.snapshot.marks import Mark
from airflow_provider_octopush.snapshot.opening import open_snapshot
from airflow_provider_octopush.snapshot.records import Spool
from airflow_provider_octopush.snapshot.sealing import Keys
from airflow_provider_octopush.snapshot.snapshot_file import Identity
from airflow_provider_octopush.snapshot.snapshot_store import SnapshotStore

COLUMN = "phone_number"

#: How many rows are read at a time.
_TOGETHER = 10_000


def adopt(store: SnapshotStore, keys: Sequence[Keys], identity: Identity, path: Path) -> int:
    """
    Write a first snapshot.

    :param keys: the keys of all secrets; those of the first one write.
    :param identity: the account, list and task that it belongs to.
    :param path: path of a CSV in UTF-8, with commas and a column ``phone_number``: numbers with a plus. Repeated
        numbers count once.
    :return: how many contacts it holds.
    :raises SnapshotError: when the file is anything else (the message names a line, not a value), when something is
        there already, or when a run begins meanwhile.
    """
    not_blank = SnapshotConflictError(
        f"{store.name} or the journal beside it exists already, so nothing was written: adopt before the first run, "
        "or delete both first, which forgets all contacts that they hold"
    )
    if store.fetch_beginning() is not None or store.entries():
        raise not_blank
    with closing(Spool()) as people:
        countries = _read(path, keys[0], people)
        with open_snapshot(store, keys, identity, Run(f"adopt {secrets.token_hex(8)}")) as snapshot:
            # A run may have begun while the file was read.
            if not snapshot.is_blank or snapshot.unfinished:
                raise not_blank
            snapshot.add_countries(countries)
            for block in people.records().blocks():
                snapshot.record_sending(block)
            return snapshot.replace()


def _read(path: Path, keys: Keys, people: Spool) -> set[int]:
    """Seal the numbers of a file; return their country codes."""
    reader, seen = PhoneReader(), SeenNumbers()
    countries: set[int] = set()
    wrong = first_wrong = 0
    values = _values(path)
    while together := list(islice(values, _TOGETHER)):
        read = reader.read_all([text if text[:1] == "+" else "" for _, text in together], [None] * len(together))
        bad = [line for (line, _), number in zip(together, read, strict=True) if type(number) is not str]
        wrong += len(bad)
        first_wrong = first_wrong or next(iter(bad), 0)
        numbers = [int(number) for number in read if type(number) is str]
        countries |= country_codes(numbers)
        new = seen.add_all(numbers)
        sealed = keys.seal([number for number, is_new in zip(numbers, new, strict=True) if is_new])
        sealed["mark"] = Mark.REMOVED
        people.append(sealed)
    if wrong:
        raise SnapshotError(
            f"{wrong:,} rows of {path} have no phone number with a plus, the first one in line {first_wrong}: write "
            "each number with a plus and its country code. Nothing was written"
        )
    if not people.records().count:
        raise SnapshotError(
            f"{path} has no rows, so nothing was written: without contacts, a first run needs no snapshot"
        )
    return countries


def _values(path: Path) -> Iterator[tuple[int, str]]:
    """Give the line and the value of each row."""
    try:
        # Text that is not UTF-8 is not a number, and the codec's error would quote it.
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            rows = csv.DictReader(file, restval="", strict=True)
            if list(rows.fieldnames or ()).count(COLUMN) != 1:
                raise SnapshotError(
                    f"the first line of {path} does not name exactly one column {COLUMN}: write a CSV in UTF-8, with "
                    "commas"
                )
            for row in rows:
                yield rows.line_num, row[COLUMN].strip()
    except OSError as error:
        raise SnapshotError(f"{path} cannot be read ({error.strerror}): nothing was written") from None
    except csv.Error:
        raise SnapshotError(
            f"{path} is not a CSV from line {rows.reader.line_num} on: look for an unclosed quote. Nothing was written"
        ) from None
