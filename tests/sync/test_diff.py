"""Which contact of a list is known to be good."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.payloads import ContactPayload
from airflow_provider_octopush.snapshot.snapshot import Snapshot
from airflow_provider_octopush.sync.changes import Changes
from airflow_provider_octopush.sync.diff import Diff
from tests.snapshot.snapshots import MemoryStore, open_snapshot, record

ONE, TWO, THREE = 33612340001, 33612340002, 33612340003


@pytest.fixture
def snapshot() -> Iterator[Snapshot]:
    """A snapshot that holds two contacts."""
    store = MemoryStore()
    with open_snapshot(store) as first:
        record(first, {ONE: "Zoé", TWO: "Zoé"})
        first.replace()
    with open_snapshot(store, "run 2") as second:
        yield second


def contact(number: int, name: str = "Zoé") -> Contact:
    return Contact(1, number, ContactPayload(f"+{number}", name), ())


def select(diff: Diff, *contacts: Contact) -> list[Contact]:
    screened, _, _ = diff.screen(list(contacts), [])
    return diff.select(screened)[0]


@pytest.mark.parametrize("full_refresh", [False, True])
def test_it_is_one_whose_row_says_what_the_list_has(snapshot: Snapshot, *, full_refresh: bool) -> None:
    diff = Diff(snapshot, Changes(snapshot), full_refresh=full_refresh)
    select(diff, contact(ONE, "Ana"), contact(THREE))
    known_good = [diff.known_good]
    select(diff, contact(TWO))
    assert [*known_good, diff.known_good] == [None, contact(TWO)]


def test_it_is_none_that_opted_out(snapshot: Snapshot) -> None:
    diff = Diff(snapshot, Changes(snapshot))
    diff.opt_out([ONE])
    assert select(diff, contact(ONE)) == []
    known_good = [diff.known_good]
    select(diff, contact(TWO))
    known_good.append(diff.known_good)
    # Whenever that becomes known.
    diff.opt_out([TWO])
    assert [*known_good, diff.known_good] == [None, contact(TWO), None]
