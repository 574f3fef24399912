"""What a run does to each contact, as rows of a CSV: for a person to read before approving a plan, and afterwards."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import chain, islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from airflow_provider_octopush.contacts.csv_injection import escape_formulas, unescape_formulas
from airflow_provider_octopush.contacts.duplicates import SeenNumbers
from airflow_provider_octopush.snapshot.marks import MAY_BE_GONE, Mark, are
from airflow_provider_octopush.sync.contact_file import ContactFile, records_of
from airflow_provider_octopush.sync.csv_file import CsvFile

if TYPE_CHECKING:
    from airflow_provider_octopush.contacts.contact import Contact
    from airflow_provider_octopush.snapshot.records import Array
    from airflow_provider_octopush.snapshot.snapshot import Snapshot

HEADER = ("phone_number", "change", "state", "run", "time")

#: How many contacts are looked up at a time.
_TOGETHER = 1_000


class Change(StrEnum):
    """What a run does to a contact."""

    ADDED = "added"
    UPDATED = "updated"
    REMOVED = "removed"
    OPTED_OUT = "opted_out"
    KEPT = "kept"


class ChangeState(StrEnum):
    """How far that change has come."""

    PLANNED = "planned"
    DONE = "done"
    REFUSED = "refused"
    UNCONFIRMED = "unconfirmed"


_Row: TypeAlias = tuple[int, Change, ChangeState]


class ChangesFile(CsvFile):
    """
    A CSV file of the contacts that a run changes.

    Columns: ``phone_number``, ``change``, ``state``, ``run``, and ``time``: when the row was written, in UTC.
    """

    holds = "changes"
    parameter = "changes_path"

    def __init__(self, path: Path, run: str) -> None:
        self._run = escape_formulas(run)
        super().__init__(path, HEADER)

    def write(self, rows: Iterable[_Row]) -> None:
        """Append contacts, all of them or none."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        self._append([(escape_formulas(f"+{number}"), change, state, self._run, now) for number, change, state in rows])

    def numbers(self) -> Iterator[int]:
        """Give the numbers in the file."""
        self._cut()
        with self._part.open(newline="", encoding="utf-8") as file:
            for number, *_ in islice(csv.reader(file), 1, None):
                yield int(unescape_formulas(number))


class Changes:
    """
    Writes the outcome of each contact as soon as it is known, and what was planned but not done; without a file,
    nothing.
    """

    def __init__(self, snapshot: Snapshot, file: ChangesFile | None = None) -> None:
        self._snapshot = snapshot
        self._file = file
        self._to_send: ContactFile | None = None
        self._to_remove: list[tuple[Array, Change]] = []
        self._is_asked = np.zeros(0 if file is None else snapshot.size, bool)

    def plan_to_send(self, contacts: ContactFile) -> None:
        """Add contacts to send to the plan, after all rows were read."""
        self._to_send = contacts

    def plan_to_remove(self, positions: Array, change: Change) -> None:
        """Add contacts to remove to the plan."""
        self._to_remove.append((positions, change))

    def mark_asked(self, positions: Sequence[int]) -> None:
        """Mark contacts for which a request to remove is about to be sent."""
        if self._file is not None:
            self._is_asked[positions] = True

    def write_sent(self, contacts: Sequence[Contact], state: ChangeState) -> None:
        """Write contacts that were sent."""
        if self._file is not None and contacts:
            self._file.write(self._rows(contacts, repeat(state)))

    def write_sent_before(self, contacts: Sequence[tuple[Contact, str]]) -> None:
        """Write contacts that an earlier try of the run has sent, each with Octopush's answer."""
        if self._file is not None:
            self._file.write(
                (contact.number, _sent(status != "added"), ChangeState.DONE) for contact, status in contacts
            )

    def write_removals(self, removals: Sequence[tuple[str, Change]], state: ChangeState) -> None:
        """Write contacts that Octopush was asked to remove: each with its number and its change."""
        if self._file is not None and removals:
            self._file.write((int(number), change, state) for number, change in removals)

    def write_kept(self, positions: Array) -> None:
        """Write contacts that should be removed, but for which no request is sent."""
        if self._file is not None:
            for numbers, _ in self._at(positions):
                self._file.write((number, Change.KEPT, ChangeState.PLANNED) for number in numbers)

    def write_rest(self, begun: int) -> None:
        """
        Write planned changes that have no row yet.

        :param begun: how many of the contacts to send, counted from the first, were sent or are under way.
        """
        if self._file is None:
            return
        written, numbers = SeenNumbers(), self._file.numbers()
        while together := list(islice(numbers, _TOGETHER)):
            written.add_all(together)
        for rows in chain(self._rest_to_send(begun), self._rest_to_remove()):
            is_written = written.have_all([number for number, _, _ in rows])
            self._file.write(row for row, is_known in zip(rows, is_written, strict=True) if not is_known)

    def _rest_to_send(self, begun: int) -> Iterator[list[_Row]]:
        contacts = iter(()) if self._to_send is None else self._to_send.contacts()
        is_asked = chain(repeat(True, begun), repeat(False))
        while together := list(islice(contacts, _TOGETHER)):
            yield self._rows(together, map(_not_done, is_asked))

    def _rows(self, contacts: Sequence[Contact], states: Iterable[ChangeState]) -> list[_Row]:
        numbers = [contact.number for contact in contacts]
        is_held = records_of(contacts)["mark"] != Mark.REMOVED
        # The numbers come first, so that their end takes no state from the other iterator.
        return list(zip(numbers, map(_sent, is_held.tolist()), states, strict=False))

    def _rest_to_remove(self) -> Iterator[list[_Row]]:
        for positions, change in self._to_remove:
            for numbers, is_asked in self._at(positions):
                yield list(zip(numbers, repeat(change), map(_not_done, is_asked.tolist()), strict=False))

    def _at(self, positions: Array) -> Iterator[tuple[list[int], Array]]:
        """Give the numbers at positions, and whether a request of this run or an earlier one may have removed each."""
        for start in range(0, len(positions), _TOGETHER):
            part = positions[start : start + _TOGETHER]
            (records,) = self._snapshot.records_at(part)
            yield self._snapshot.numbers(records), self._is_asked[part] | are(records, MAY_BE_GONE)


def _sent(is_held: bool) -> Change:
    return Change.UPDATED if is_held else Change.ADDED


def _not_done(is_asked: bool) -> ChangeState:
    return ChangeState.UNCONFIRMED if is_asked else ChangeState.PLANNED
