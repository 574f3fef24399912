"""What a place offers that keeps a snapshot and, beside it, its journal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, BinaryIO, Protocol

#: Bytes that hold the header of a file.
BEGINNING = 256 * 1024

#: The entry that says which generation was the last one, and what was remembered since.
HEAD = "head"

#: What to do about two runs at a time.
ONE_AT_A_TIME = "Let one run at a time write it (max_active_runs=1), then run this task again"

#: What to do about a list whose snapshot is lost, and about a snapshot that does not open.
FIRST_RUN = "run once with full_refresh=True: a first run, which sends everything and removes nothing"
BEGIN_ANEW = f"delete it with its journal, and {FIRST_RUN}"
RESTORE = f"restore it from a backup, or {BEGIN_ANEW}"


class SnapshotStore(Protocol):
    """Where a snapshot is kept; every method may raise what the place raises."""

    @property
    def name(self) -> str:
        """What the snapshot is called in messages."""

    def fetch(self) -> BinaryIO | None:
        """Open the snapshot, in a file of this machine; None when there is none."""

    def fetch_beginning(self) -> bytes | None:
        """Return what holds the header of the snapshot that is there now; None when there is none."""

    def put(self, file: IO[bytes]) -> None:
        """Put a named file in the snapshot's place, whole or not at all."""

    def entries(self) -> list[str]:
        """Return the names of all entries of the journal."""

    def fetch_entry(self, name: str) -> BinaryIO | None:
        """Open an entry, in a file of this machine; None when it has gone meanwhile."""

    def put_entry(self, name: str, file: IO[bytes]) -> None:
        """Put a named file in the journal, whole or not at all."""

    def remove_entries(self, names: Iterable[str]) -> None:
        """Remove entries; those that are not there any more are no error."""
