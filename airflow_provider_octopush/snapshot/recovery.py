"""Folds what a dead run has left beside a snapshot into it, where no run will come any more that would."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_octopush.exceptions import SnapshotConflictError, SupersededError
from airflow_provider_octopush.snapshot.opening import Run
from airflow_provider_octopush.snapshot.queries import looking_into
from airflow_provider_octopush.snapshot.sealing import Keys
from airflow_provider_octopush.snapshot.snapshot import Snapshot
from airflow_provider_octopush.snapshot.store import Store


def recover(store: Store, keys: Sequence[Keys], account: str) -> int | None:
    """
    Put what dead runs have noted into the snapshot, as the next run would; so a run that still goes on ends.

    What the next run may do stays the same: which runs are older, and whether numbers are read otherwise.

    :param keys: of all secrets; the first one writes.
    :param account: that the snapshot has to be of.
    :return: how many contacts it holds now; None when no run has left anything.
    :raises SnapshotConflictError: when another run has begun meanwhile.
    :raises SnapshotError: another of its subclasses, when the snapshot cannot be relied on.
    """
    with looking_into(store, keys, account) as opening:
        if not opening.others_were_there:
            return None
        identity, reading = opening.identity, _reading_of_all(opening.readings)
    try:
        with Snapshot(store, keys, identity, Run(f"recover {secrets.token_hex(8)}", reading=reading)) as snapshot:
            return snapshot.replace()
    except SupersededError:
        raise SnapshotConflictError(
            f"a run that writes {store.name} has begun meanwhile, and takes over itself what was left: nothing was "
            "changed here, and there is nothing more to do"
        ) from None


def _reading_of_all(readings: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return how numbers were read; where that was not the same each time, something that is like no run's reading."""
    different: list[Mapping[str, Any]] = []
    for reading in readings:
        if reading and reading not in different:
            different.append(reading)
    if len(different) > 1:
        return {"in several ways": [dict(reading) for reading in different]}
    return different[0] if different else None
