"""
Tells whether a run is alone with its snapshot.

Airflow's ``ObjectStoragePath`` offers no conditional write, so two runs at a time cannot be kept apart, but the newer
one wins. Each looks for a newer one after it has written its journal, every few seconds while it works, before a
request if the last look is older than that, before it removes, and before and after it replaces the snapshot.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from airflow_provider_octopush.exceptions import SnapshotConflictError, SnapshotError, SupersededError
from airflow_provider_octopush.snapshot.journal import Try, entries_of, erases, writer_of_head, writer_of_snapshot
from airflow_provider_octopush.snapshot.snapshot_store import ONE_AT_A_TIME, SnapshotStore

log = logging.getLogger(__name__)

#: Seconds between two looks, and how many more until a request needs a new one.
LOOKED_AFTER = 5.0
LATE = 3.0


@dataclass(eq=False)
class OtherRuns:
    """
    Looks for other runs that write the snapshot.

    :param store: the store that keeps it.
    :param own: the try that looks.
    :param base: the try that wrote the snapshot that this one has read; empty where there was none.
    :param known: tries that were there when this one began.
    :param erases: whether this run erases contacts: it ends no other run, but fails if one has begun.
    """

    store: SnapshotStore
    own: Try
    base: str
    known: Collection[str]
    erases: bool
    _looked_at: float = field(default_factory=lambda: time.monotonic(), init=False)

    def check_alone(self) -> None:
        """
        Check that this run is the newest that uses the snapshot, and that no other one has replaced it.

        :raises SupersededError: when a newer run has begun; in an erasure, SnapshotConflictError.
        :raises SnapshotConflictError: when another run has replaced the snapshot.
        """
        if not self.own.writes:
            return
        self.check_none_newer()
        now = writer_of_snapshot(self.store)
        if now != self.base:
            raise self._superseded() if self.erases or self._is_newer(now) else self.conflict()

    def check_none_newer(self) -> None:
        """
        Check that no newer run has begun.

        :raises SnapshotError: when one has begun, or has even finished.
        """
        if (newer := self._newer()) is not None:
            raise newer

    @property
    def is_look_due(self) -> bool:
        """Whether it is time for the next look."""
        return time.monotonic() - self._looked_at >= LOOKED_AFTER

    def look(self) -> SnapshotError | None:
        """
        Look whether a newer run has begun. A store that fails is asked again by the next look.

        :return: the error to raise if one has.
        """
        self._looked_at = time.monotonic()
        try:
            return self._newer() if self.own.writes else None
        except Exception as error:  # noqa: BLE001 - whatever the store raises
            log.warning("it is not known whether another run writes %s: %s", self.store.name, type(error).__name__)
            return None

    def check_none_newer_if_late(self) -> None:
        """
        Look whether a newer run has begun, if the last look is old: the process may have been stopped since.

        :raises SnapshotError: when one has.
        """
        is_late = time.monotonic() - self._looked_at >= LOOKED_AFTER + LATE
        if is_late and (newer := self.look()) is not None:
            raise newer

    def _newer(self) -> SnapshotError | None:
        if not self.erases and (head := writer_of_head(self.store)) > self.own.name:
            # It has finished, and its sign is gone.
            return self.conflict() if erases(head) else self._superseded()
        now = entries_of(self.store.entries()).keys() - {self.own.name}
        # In an erasure, every run that was not there before counts, even if its sign took long to be written.
        is_newer = now - set(self.known) if self.erases else any(map(self._is_newer, now))
        return self._superseded() if is_newer else None

    def _is_newer(self, other: str) -> bool:
        return other > self.own.name and not erases(other)

    def _superseded(self) -> SnapshotError:
        if self.erases:
            return SnapshotConflictError(
                f"a run that writes {self.store.name} has begun while contacts were erased, and may bring them back: "
                "run this task again once it has ended"
            )
        return SupersededError(
            f"a newer run of the task took over {self.store.name}, and reads the whole audience, so this one has "
            "ended for good. Let one run at a time write it (max_active_runs=1)"
        )

    def conflict(self) -> SnapshotError:
        """Return the error that another run has replaced the snapshot."""
        return SnapshotConflictError(
            f"another run has replaced {self.store.name} meanwhile; this run's work is recorded. {ONE_AT_A_TIME}"
        )
