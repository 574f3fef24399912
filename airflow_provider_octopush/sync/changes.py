"""What a run does to each contact, as rows of a CSV: for a person to read before approving a plan, and afterwards."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from airflow_provider_octopush.contacts.csv_injection import escape_formulas
from airflow_provider_octopush.snapshot.marks import NEW, are
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


class Changes:
    """
    Writes the outcome of each contact as soon as it is known, and the plan of a run that only makes one, or is held;
    without a file, nothing.
    """

    def __init__(self, snapshot: Snapshot, file: ChangesFile | None = None) -> None:
        self._snapshot = snapshot
        self._file = file

    def write_sent(self, contacts: Sequence[Contact], state: ChangeState) -> None:
        """Write contacts that were sent."""
        if self._file is not None and contacts:
            is_held = ~are(records_of(contacts), NEW)
            self._file.write(
                (contact.number, _sent(held), state) for contact, held in zip(contacts, is_held.tolist(), strict=True)
            )

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

    def write_to_send(self, contacts: ContactFile) -> None:
        """Write contacts that should be sent, but are not."""
        if self._file is not None:
            planned = contacts.contacts()
            while together := list(islice(planned, _TOGETHER)):
                self.write_sent(together, ChangeState.PLANNED)

    def write_to_remove(self, positions: Array, change: Change) -> None:
        """Write contacts that should be removed, but for which no request is sent."""
        if self._file is not None:
            for start in range(0, len(positions), _TOGETHER):
                (records,) = self._snapshot.records_at(positions[start : start + _TOGETHER])
                self._file.write((number, change, ChangeState.PLANNED) for number in self._snapshot.numbers(records))


def _sent(is_held: bool) -> Change:
    return Change.UPDATED if is_held else Change.ADDED
