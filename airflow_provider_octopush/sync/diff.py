"""Compares contacts with the snapshot: new, changed, unchanged or opted out; and, after the last row, missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import chain, compress, islice
from typing import TYPE_CHECKING

import numpy as np

from airflow_provider_octopush.api import STATUSES
from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.contacts.duplicates import SeenNumbers
from airflow_provider_octopush.phones.possible import country_codes, numbers_abroad, numbers_in
from airflow_provider_octopush.snapshot.marks import Mark, are, statuses_of
from airflow_provider_octopush.snapshot.records import RECORD, Array
from airflow_provider_octopush.sync.changes import Changes, ChangeState
from airflow_provider_octopush.sync.contact_file import records_of

if TYPE_CHECKING:
    from airflow_provider_octopush.contacts.rejection import Rejection
    from airflow_provider_octopush.delivery.chunk_result import ChunkResult
    from airflow_provider_octopush.snapshot.snapshot import Snapshot

#: How many numbers are looked up at a time.
TOGETHER = 1_000


class Diff:
    """
    Compares the contacts of a run with the snapshot, and records the outcomes of those that differ.

    :param snapshot: the opened snapshot.
    :param changes: records the outcome of each contact.
    :param countries: country codes in which the texts of opt-outs are read.
    :param read_in: country codes of the regions in rows so far; it grows while rows are read.
    :param full_refresh: whether unchanged contacts are sent too.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        changes: Changes,
        countries: Iterable[int] = (),
        read_in: Collection[int] = (),
        *,
        full_refresh: bool = False,
    ) -> None:
        self._snapshot = snapshot
        self._changes = changes
        self.full_refresh = full_refresh
        self._is_seen = np.zeros(snapshot.size, bool)
        self._has_opted_out = np.zeros(snapshot.size, bool)
        self._is_taken = np.zeros(snapshot.size, bool)
        self._opted_out = SeenNumbers()
        self._elsewhere = SeenNumbers()
        self._elsewhere_apart: set[str] = set()
        self._countries = set(countries)
        self._read_in = read_in
        self._unchanged: tuple[Contact, int] | None = None
        #: Contacts to send: those that nothing is known of, those that a run which did not end was about to add, and
        #: those that are on the list with other values.
        self.new = self.begun = self.changed = 0

    def opt_out(self, numbers: Collection[int], elsewhere: Collection[str] = ()) -> None:
        """
        Block numbers that opted out; called before the first row.

        :param numbers: all numbers that an opt-out may stand for.
        :param elsewhere: digits that may also be a number of a country that is not known yet.
        """
        # Text takes ten times as much memory; a digit in front keeps the zeros.
        self._elsewhere.add_all([int(f"1{digits}") for digits in elsewhere if digits.isdigit()])
        self._elsewhere_apart.update(digits for digits in elsewhere if not digits.isdigit())
        # The country that they are dialled in may show only in the last row.
        self._block([*numbers, *chain.from_iterable(map(numbers_abroad, elsewhere))])

    def _block(self, numbers: list[int]) -> None:
        self._opted_out.add_all(numbers)
        self._mark(self._has_opted_out, numbers)

    def _mark(self, flags: Array, numbers: Sequence[int]) -> None:
        for start in range(0, len(numbers), TOGETHER):
            positions, _ = self._snapshot.find(numbers[start : start + TOGETHER])
            flags[positions[positions >= 0]] = True

    def screen(
        self, contacts: list[Contact], rejections: list[Rejection]
    ) -> tuple[list[Contact], list[Rejection], int]:
        """
        Take out the rows about numbers that opted out; the numbers of all others are not missing.

        :param rejections: the rejected rows, with all numbers that each may be about.
        :return: the others, and how many rows were taken out.
        """
        numbers = [contact.number for contact in contacts]
        self._look_in([*numbers, *(number for rejection in rejections for number in rejection.numbers)])
        is_out = self._opted_out.have_all(numbers)
        opted_out = sum(is_out)
        if opted_out:
            contacts = [contact for contact, out in zip(contacts, is_out, strict=True) if not out]
        # A row that may also be about another number stays rejected, and protects that one.
        kept = [
            rejection
            for rejection in rejections
            if not rejection.numbers or not all(self._opted_out.have_all(list(rejection.numbers)))
        ]
        opted_out += len(rejections) - len(kept)
        self._mark(self._is_seen, [number for rejection in kept for number in rejection.numbers])
        return contacts, kept, opted_out

    def _look_in(self, numbers: Sequence[int]) -> None:
        """Read the texts of opt-outs in the countries that have just appeared, too."""
        codes = country_codes(numbers).union(self._read_in)
        if not codes <= self._snapshot.countries:
            self._snapshot.add_countries(codes)
        new = codes - self._countries
        if not new:
            return
        self._countries |= new
        texts = chain((str(digits)[1:] for digits in self._elsewhere), self._elsewhere_apart)
        while together := list(islice(texts, TOGETHER)):
            self._block(list(chain.from_iterable(numbers_in(digits, new) for digits in together)))

    def select(self, contacts: Sequence[Contact]) -> tuple[list[Contact], Counter[str]]:
        """
        Tell which contacts are to be sent.

        :param contacts: screened contacts; no earlier call had their numbers.
        :return: the contacts to send, with their records; and for the others, outcome → how many.
        """
        positions, records = self._snapshot.find([contact.number for contact in contacts])
        is_there = positions >= 0
        self._is_seen[positions[is_there]] = True
        is_same, digests = self._snapshot.compare([contact.payload for contact in contacts], records)
        if is_same.any():
            first = int(is_same.argmax())
            self._unchanged = contacts[first], int(positions[first])
        # A contact that an earlier try of this run sent has a status, and is not sent again.
        statuses = statuses_of(records)
        if self.full_refresh:
            is_same &= np.array([status is not None for status in statuses], bool)
        found = Counter(compress(statuses, is_same.tolist()))
        counts = Counter({status or "unchanged": number for status, number in found.items()})
        if counts.keys() - {"unchanged"}:
            before = list(compress(zip(contacts, statuses, strict=True), is_same.tolist()))
            self._changes.write_sent_before([(contact, status) for contact, status in before if status is not None])
        is_sent = ~is_same
        is_begun = are(records, (Mark.ADDING,))
        self.new += int((~is_there).sum())
        self.begun += int(is_begun.sum())
        self.changed += int((is_there & is_sent & ~is_begun).sum())
        records["digest"] = digests
        content, size = records[is_sent].tobytes(), RECORD.itemsize
        to_send = [
            Contact(one.row, one.number, one.payload, one.values, content[start : start + size])
            for one, start in zip(compress(contacts, is_sent.tolist()), range(0, len(content), size), strict=True)
        ]
        return to_send, counts

    @property
    def known_good(self) -> Contact | None:
        """
        A contact that the list has exactly as its row says, confirmed by an answer; None where none is known.

        It is not a contact to remove: it has a row, so it is not missing, and it has not opted out.
        """
        if self._unchanged is None or self._has_opted_out[self._unchanged[1]]:
            return None
        return self._unchanged[0]

    def record(self, contacts: Sequence[Contact], result: ChunkResult) -> None:
        """
        Record the outcomes of a chunk's contacts.

        Contacts whose every request was refused are as they were. Contacts that no answer confirms stay as the journal
        has them: their outcome is not known.
        """
        for together, answers in result.answers:
            statuses = [status for status in answers if status in STATUSES]
            confirmed = list(compress(together, [status in STATUSES for status in answers]))
            if confirmed:
                self._snapshot.record_confirmed(records_of(confirmed), statuses)
                self._changes.write_sent(confirmed, ChangeState.DONE)
        if result.refused:
            _, before = self._snapshot.find_sealed(records_of(result.refused))
            self._snapshot.record_as_before(before)
            self._changes.write_sent(result.refused, ChangeState.REFUSED)
        unconfirmed = {rejection.row for rejection in result.rejections}
        unconfirmed.difference_update(contact.row for contact in result.refused)
        left = [contact for contact in contacts if contact.row in unconfirmed] if unconfirmed else []
        self._changes.write_sent(left, ChangeState.UNCONFIRMED)

    def missing(self) -> Array:
        """Return the positions of contacts without a row that have not opted out; called after the last row."""
        return np.flatnonzero(~self._is_seen & ~self._has_opted_out)

    def take_opted_out(self) -> Array:
        """Give, once each, the positions of contacts that are known to have opted out by now."""
        positions = np.flatnonzero(self._has_opted_out & ~self._is_taken)
        self._is_taken[positions] = True
        return positions
