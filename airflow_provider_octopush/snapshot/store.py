"""What a place offers that keeps a snapshot and its additions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, BinaryIO, Protocol

#: Bytes that hold the header of a file.
BEGINNING = 256 * 1024

#: The addition that says which generation was the last one, and what was remembered since.
TIP = "last"

#: What to do about two runs at a time.
ONE_AT_A_TIME = "Let one run at a time write it (max_active_runs=1), then run this task again"

#: What to do about a list whose snapshot is lost, and about a snapshot that does not open.
FIRST_RUN = "run once with resend=True: a first run, which sends everything and removes nobody"
BEGIN_ANEW = f"delete it with its additions, and {FIRST_RUN}"
RESTORE = f"restore it from a backup, or {BEGIN_ANEW}"


class Store(Protocol):
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

    def additions(self) -> list[str]:
        """Return the names of all additions."""

    def fetch_addition(self, name: str) -> BinaryIO | None:
        """Open an addition, in a file of this machine; None when it has gone meanwhile."""

    def put_addition(self, name: str, file: IO[bytes]) -> None:
        """Put a named file among the additions, whole or not at all."""

    def remove_additions(self, names: Iterable[str]) -> None:
        """Remove additions; those that are not there any more are no error."""
