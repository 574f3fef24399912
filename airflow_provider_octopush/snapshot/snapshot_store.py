"""The interface of a store that keeps a snapshot and its journal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, BinaryIO, Protocol

#: How many bytes are enough to hold a file's header.
BEGINNING = 256 * 1024

#: The entry that holds the last generation, and what was remembered since.
HEAD = "head"

#: What to do about two runs at a time.
ONE_AT_A_TIME = "Let one run at a time write it (max_active_runs=1), then run this task again"

#: What to do if a list's snapshot is lost, and if a snapshot does not open.
FIRST_RUN = "run once with full_refresh=True: a first run, which sends everything and removes nothing"
BEGIN_ANEW = f"delete it with its journal, and {FIRST_RUN}"
RESTORE = f"restore it from a backup, or {BEGIN_ANEW}"


class SnapshotStore(Protocol):
    """Keeps a snapshot; every method may raise whatever the underlying storage raises."""

    @property
    def name(self) -> str:
        """The snapshot's name in messages."""

    def fetch(self) -> BinaryIO | None:
        """Open the snapshot, in a file of this machine; None when there is none."""

    def fetch_beginning(self) -> bytes | None:
        """Return the beginning of the current snapshot, with its header; None if there is none."""

    def put(self, file: IO[bytes]) -> None:
        """Put a named file in the snapshot's place, whole or not at all."""

    def entries(self) -> list[str]:
        """Return the names of all entries of the journal."""

    def fetch_entry(self, name: str) -> BinaryIO | None:
        """Open an entry, in a file of this machine; None if it has gone meanwhile."""

    def put_entry(self, name: str, file: IO[bytes]) -> None:
        """Put a named file in the journal, whole or not at all."""

    def remove_entries(self, names: Iterable[str]) -> None:
        """Remove entries; an entry that is gone already is not an error."""
