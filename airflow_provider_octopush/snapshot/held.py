"""Contacts that a list holds, sealed, to be looked up and compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_octopush.snapshot.marks import CONFIRMED, are
from airflow_provider_octopush.snapshot.records import Array, Records
from airflow_provider_octopush.snapshot.sealing import Keys

if TYPE_CHECKING:
    from airflow_provider_octopush.payloads import ContactPayload


@dataclass(eq=False, kw_only=True)
class Held:
    """
    What a list holds.

    :param keys: of all secrets; the first one writes.
    :param meaning: what, beside a contact's fields, decides what they mean to Octopush.
    :param records: of its contacts, indexed.
    """

    keys: Sequence[Keys]
    meaning: bytes
    records: Records

    @property
    def size(self) -> int:
        """How many contacts there are to look up: those that the list held before this try."""
        return self.records.count

    def find(self, numbers: Sequence[int]) -> tuple[Array, Array]:
        """
        Look up numbers.

        :return: the position of each, or -1 where it is not there; and its record, sealed in any case.
        """
        sealed = self.keys[0].seal(numbers)
        positions, found = self.records.find(sealed)
        missing = positions < 0
        found[missing] = sealed[missing]
        return positions, found

    def compare(self, payloads: Sequence[ContactPayload], found: Array) -> tuple[Array, Array]:
        """
        Compare what would be sent of contacts with what was sent.

        :param found: their records.
        :return: for each, whether it is the same; and its digest.
        """
        digests = self.keys[0].digests(payloads, self.meaning)
        return are(found, CONFIRMED) & (found["digest"] == digests), digests

    def records_at(self, positions: Array) -> Iterator[Array]:
        """
        Give the records at positions.

        :param positions: ascending.
        """
        for start in range(0, len(positions), 10_000):
            yield self.records.at(positions[start : start + 10_000])

    def numbers(self, records: Array) -> list[int]:
        """
        Open the numbers of records.

        :raises SnapshotUnreadableError: when one cannot be opened.
        """
        return self.keys[0].open(records)
