"""Contacts against the snapshot: who is new, changed, unchanged or opted out; and, after the last row, who left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import compress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from airflow_provider_octopush.contacts.duplicates import SeenNumbers
from airflow_provider_octopush.sync.records import Array

if TYPE_CHECKING:
    from airflow_provider_octopush.contacts.contact import Contact
    from airflow_provider_octopush.sync.snapshot import Snapshot

#: Numbers looked up at a time.
TOGETHER = 1_000


class Selected(NamedTuple):
    """
    What is to be done with contacts.

    :param contacts: those to send.
    :param counts: outcome → how many others.
    """

    contacts: list[Contact]
    counts: Counter[str]


class Diff:
    """
    Compares the contacts of a run with the snapshot.

    :param snapshot: opened.
    :param resend: whether contacts are sent although they are unchanged.
    """

    def __init__(self, snapshot: Snapshot, *, resend: bool = False) -> None:
        self._snapshot = snapshot
        self._resend = resend
        self._is_seen = np.zeros(snapshot.size, bool)
        self._has_opted_out = np.zeros(snapshot.size, bool)
        self._opted_out = SeenNumbers()
        #: People who have opted out, each counted once.
        self.opted_out = 0
        #: Contacts that the snapshot does not hold, and those that it holds otherwise.
        self.new = self.changed = 0

    def opt_out(self, numbers: Sequence[int]) -> None:
        """Take note of people who have opted out; before the first row."""
        self.opted_out += sum(self._opted_out.add_all(numbers))
        for start in range(0, len(numbers), TOGETHER):
            positions, _ = self._snapshot.find(numbers[start : start + TOGETHER])
            self._has_opted_out[positions[positions >= 0]] = True

    def select(self, contacts: Sequence[Contact]) -> Selected:
        """
        Tell which contacts are to be sent.

        :param contacts: with numbers that no earlier call had.
        """
        counts: Counter[str] = Counter()
        numbers = [contact.number for contact in contacts]
        is_out = self._opted_out.have_all(numbers)
        if any(is_out):
            counts["opted_out"] = sum(is_out)
            contacts = list(compress(contacts, [not out for out in is_out]))
            numbers = [contact.number for contact in contacts]
        positions, found = self._snapshot.find(numbers)
        is_there = positions >= 0
        self._is_seen[positions[is_there]] = True
        is_same, digests = self._snapshot.compare([contact.payload for contact in contacts], found)
        is_same &= is_there
        statuses = Counter(compress(self._snapshot.statuses(found), is_same.tolist()))
        unchanged = statuses.pop(None, 0)
        if self._resend and unchanged:
            # What an earlier try of this run has sent is not sent again.
            is_same &= np.array([status is not None for status in self._snapshot.statuses(found)])
        elif unchanged:
            counts["unchanged"] = unchanged
        for status, number in statuses.items():
            counts[str(status)] = number
        older = is_same & self._snapshot.is_of_older_secret(found)
        self._snapshot.note_digests(found[older], digests[older])
        self.new += int((~is_there).sum())
        self.changed += int((is_there & ~is_same).sum())
        return Selected(list(compress(contacts, (~is_same).tolist())), counts)

    def note(self, contacts: Sequence[Contact], statuses: Sequence[str]) -> None:
        """
        Note contacts that Octopush confirmed.

        :param statuses: for each ``added``, ``updated`` or ``skipped``.
        """
        if not contacts:
            return
        positions, found = self._snapshot.find([contact.number for contact in contacts])
        _, digests = self._snapshot.compare([contact.payload for contact in contacts], found)
        self._snapshot.note(found, digests, statuses, int((positions < 0).sum()))

    def doubt(self, contacts: Sequence[Contact]) -> None:
        """
        Note that nobody knows how the list has contacts that it had: other fields were sent, and not confirmed.

        Without it, a row that is once more as it was before would count as unchanged.
        """
        if contacts:
            positions, found = self._snapshot.find([contact.number for contact in contacts])
            self._snapshot.note_doubt(found[positions >= 0])

    @property
    def leavers(self) -> Array:
        """Positions of those whom no row was about, after the last row; without those who have opted out."""
        return np.flatnonzero(~self._is_seen & ~self._has_opted_out)

    @property
    def leavers_opted_out(self) -> Array:
        """Positions of those who have opted out."""
        return np.flatnonzero(self._has_opted_out)
