"""
Whether a run is alone with its snapshot.

Object stores have no compare-and-swap, so two runs at a time cannot be kept apart; but the newer one wins. Each looks
for a newer one after it has put its journal, every few seconds while it is at work, before a request if the last look
is longer ago, before it removes, before it replaces and afterwards.
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

#: Seconds between two looks; and how many more until no request is begun without one.
LOOKED_AFTER = 5.0
LATE = 3.0


@dataclass(eq=False)
class OtherRuns:
    """
    Looks for other runs that write a snapshot.

    :param store: where it is kept.
    :param own: the try that looks.
    :param base: the try that wrote the snapshot which this one has read; empty where there was none.
    :param known: tries that were there when this one began.
    :param erases: whether it erases people: it ends no run, but fails when one has come.
    """

    store: SnapshotStore
    own: Try
    base: str
    known: Collection[str]
    erases: bool
    _looked_at: float = field(default_factory=lambda: time.monotonic(), init=False)

    def check_alone(self) -> None:
        """
        Check that this run is the newest that works with the snapshot, and that no other one has replaced it.

        :raises SupersededError: when a newer run has begun; to an erasure that is a SnapshotConflictError.
        :raises SnapshotConflictError: when the snapshot is another one.
        """
        if not self.own.writes:
            return
        self.check_none_newer()
        now = writer_of_snapshot(self.store)
        if now != self.base:
            raise self._superseded() if self.erases or self._is_newer(now) else self.replaced()

    def check_none_newer(self) -> None:
        """
        Check that no newer run has begun.

        :raises SnapshotError: when one has, or has come to its end since.
        """
        if (newer := self._newer()) is not None:
            raise newer

    @property
    def is_look_due(self) -> bool:
        """Whether the last look is long enough ago."""
        return time.monotonic() - self._looked_at >= LOOKED_AFTER

    def look(self) -> SnapshotError | None:
        """
        Look whether a newer run has begun. A store that fails is asked again by the next look.

        :return: what says that one has.
        """
        self._looked_at = time.monotonic()
        try:
            return self._newer() if self.own.writes else None
        except Exception as error:  # noqa: BLE001 - whatever the store raises
            log.warning("whether another run writes %s is not known: %s", self.store.name, type(error).__name__)
            return None

    def check_newest(self) -> None:
        """
        Look whether a newer run has begun, if the last look is long ago: the process may have been stopped since.

        :raises SnapshotError: when one has.
        """
        is_late = time.monotonic() - self._looked_at >= LOOKED_AFTER + LATE
        if is_late and (newer := self.look()) is not None:
            raise newer

    def _newer(self) -> SnapshotError | None:
        if not self.erases and (head := writer_of_head(self.store)) > self.own.name:
            # It has come to its end, and its sign is gone.
            return self.replaced() if erases(head) else self._superseded()
        now = entries_of(self.store.entries()).keys() - {self.own.name}
        # To an erasure: whatever has come since, a sign that took long to be put included.
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
            f"a newer run of the task took over {self.store.name}, and reads the whole audience: this one has ended "
            "for good. Let one run at a time write it (max_active_runs=1)"
        )

    def replaced(self) -> SnapshotError:
        """Return what says that another run has replaced the snapshot."""
        return SnapshotConflictError(
            f"another run has replaced {self.store.name} meanwhile: what this run did is recorded. {ONE_AT_A_TIME}"
        )
