"""Folds what a dead run has left beside a snapshot into it, where no run will come any more that would."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from airflow_provider_octopush.snapshot.queries import look_into
from airflow_provider_octopush.snapshot.sealing import Keys
from airflow_provider_octopush.snapshot.store import Store
from airflow_provider_octopush.snapshot.tries import Run


def recover(store: Store, keys: Sequence[Keys], account: str) -> int | None:
    """
    Put what dead runs have noted into the snapshot, as the next run would; so a run that still goes on ends.

    What the next run may do stays the same: which runs are older, and whether numbers are read otherwise.

    :param keys: of all secrets; the first one writes.
    :param account: that the snapshot has to be of.
    :return: how many contacts it holds now; None when no run has left anything.
    :raises SupersededError: when another run has begun meanwhile, which does the same itself.
    :raises SnapshotError: another of its subclasses, when the snapshot cannot be relied on.
    """
    with look_into(store, keys, account, Run(f"recover {secrets.token_hex(8)}")) as snapshot:
        return snapshot.replace() if snapshot.unfinished and not snapshot.is_blank else None
