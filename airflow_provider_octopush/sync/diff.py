"""Contacts against the snapshot: new, changed, unchanged or opted out; and, after the last row, missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import chain, compress, islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from airflow_provider_octopush.contacts.duplicates import SeenNumbers
from airflow_provider_octopush.phones.possible import country_codes, numbers_abroad, numbers_in
from airflow_provider_octopush.snapshot.marks import statuses_of
from airflow_provider_octopush.snapshot.records import Array, Spool
from airflow_provider_octopush.sync.changes import Changes, ChangeState

if TYPE_CHECKING:
    from airflow_provider_octopush.contacts.contact import Contact
    from airflow_provider_octopush.contacts.rejection import Rejection
    from airflow_provider_octopush.snapshot.snapshot import Snapshot

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


class Screened(NamedTuple):
    """
    Rows without those of people who have opted out.

    :param contacts: those that can be sent.
    :param rejections: those that cannot.
    :param opted_out: rows of people who have opted out.
    """

    contacts: list[Contact]
    rejections: list[Rejection]
    opted_out: int


class Diff:
    """
    Compares the contacts of a run with the snapshot.

    :param snapshot: opened.
    :param countries: country codes in which texts of opt-outs are read.
    :param read_in: country codes of the regions that rows have named; more come while rows are read.
    :param resend: whether contacts are sent although they are unchanged.
    :param changes: where what becomes of contacts is written; None writes it nowhere.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        countries: Iterable[int] = (),
        read_in: Collection[int] = (),
        *,
        resend: bool = False,
        changes: Changes | None = None,
    ) -> None:
        self._snapshot = snapshot
        self._changes = Changes(snapshot) if changes is None else changes
        self._resend = resend
        self._is_seen = np.zeros(snapshot.size, bool)
        self._has_opted_out = np.zeros(snapshot.size, bool)
        self._is_dealt_with = np.zeros(snapshot.size, bool)
        self._opted_out = SeenNumbers()
        self._elsewhere = SeenNumbers()
        self._elsewhere_apart: set[str] = set()
        self._countries = set(countries)
        self._read_in = read_in
        self._unchanged: tuple[Contact, int] | None = None
        #: Contacts that the snapshot does not hold, and those that it holds otherwise.
        self.new = self.changed = 0
        #: The records of all contacts to send.
        self.to_send = Spool()

    def opt_out(self, numbers: Collection[int], elsewhere: Collection[str] = ()) -> None:
        """
        Take note of people who have opted out; before the first row.

        :param numbers: all that they may have.
        :param elsewhere: digits that may be a number of yet another country, too.
        """
        # Text takes ten times as much memory; a digit in front keeps the zeros.
        self._elsewhere.add_all([int(f"1{digits}") for digits in elsewhere if digits.isdigit()])
        self._elsewhere_apart.update(digits for digits in elsewhere if not digits.isdigit())
        # In which country they are dialled may show only with the last row.
        self._block([*numbers, *chain.from_iterable(map(numbers_abroad, elsewhere))])

    def _block(self, numbers: list[int]) -> None:
        self._opted_out.add_all(numbers)
        for start in range(0, len(numbers), TOGETHER):
            positions, _ = self._snapshot.find(numbers[start : start + TOGETHER])
            self._has_opted_out[positions[positions >= 0]] = True

    def screen(self, contacts: list[Contact], rejections: list[Rejection]) -> Screened:
        """
        Take out the rows of people who have opted out; of all others, take note that the table has them.

        :param rejections: with all numbers that each may be about: who is among these is not missing.
        """
        numbers = [contact.number for contact in contacts]
        self._look_in([*numbers, *(number for rejection in rejections for number in rejection.numbers)])
        is_out = self._opted_out.have_all(numbers)
        opted_out = sum(is_out)
        if opted_out:
            contacts = [contact for contact, out in zip(contacts, is_out, strict=True) if not out]
        kept = [rejection for rejection in rejections if not any(self._opted_out.have_all(list(rejection.numbers)))]
        opted_out += len(rejections) - len(kept)
        about = [number for rejection in kept for number in rejection.numbers]
        for start in range(0, len(about), TOGETHER):
            positions, _ = self._snapshot.find(about[start : start + TOGETHER])
            self._is_seen[positions[positions >= 0]] = True
        return Screened(contacts, kept, opted_out)

    def _look_in(self, numbers: Sequence[int]) -> None:
        """Read the texts of opt-outs also in the countries that appear for the first time."""
        codes = country_codes(numbers).union(self._read_in)
        if not codes <= self._snapshot.countries:
            self._snapshot.note_countries(codes)
        new = codes - self._countries
        if not new:
            return
        self._countries |= new
        texts = chain((str(digits)[1:] for digits in self._elsewhere), self._elsewhere_apart)
        while together := list(islice(texts, TOGETHER)):
            self._block(list(chain.from_iterable(numbers_in(digits, new) for digits in together)))

    def select(self, contacts: Sequence[Contact]) -> Selected:
        """
        Tell which contacts are to be sent.

        :param contacts: screened, with numbers that no earlier call had.
        """
        counts: Counter[str] = Counter()
        numbers = [contact.number for contact in contacts]
        positions, found = self._snapshot.find(numbers)
        is_there = positions >= 0
        self._is_seen[positions[is_there]] = True
        is_same, digests = self._snapshot.compare([contact.payload for contact in contacts], found)
        is_same &= is_there
        if is_same.any():
            first = int(is_same.argmax())
            self._unchanged = contacts[first], int(positions[first])
        statuses = Counter(compress(statuses_of(found), is_same.tolist()))
        unchanged = statuses.pop(None, 0)
        if self._resend and unchanged:
            # What an earlier try of this run has sent is not sent again.
            is_same &= np.array([status is not None for status in statuses_of(found)])
        elif unchanged:
            counts["unchanged"] = unchanged
        for status, number in statuses.items():
            counts[str(status)] = number
        if statuses:
            before = zip(contacts, statuses_of(found), strict=True)
            self._changes.write_sent_before(list(compress(before, is_same.tolist())))
        records = found[~is_same]
        records["digest"] = digests[~is_same]
        self.to_send.append(records)
        self.new += int((~is_there).sum())
        self.changed += int((is_there & ~is_same).sum())
        return Selected(list(compress(contacts, (~is_same).tolist())), counts)

    @property
    def known_good(self) -> Contact | None:
        """
        A contact that the list has, as an answer confirmed, exactly as its row says; None where none is known.

        It is nobody who has opted out, and as its row is there, nobody who is missing: nobody who is to be removed.
        """
        if self._unchanged is None or self._has_opted_out[self._unchanged[1]]:
            return None
        return self._unchanged[0]

    def note(self, contacts: Sequence[Contact], statuses: Sequence[str]) -> None:
        """
        Note contacts that Octopush confirmed.

        :param statuses: for each ``added``, ``updated`` or ``skipped``.
        """
        if not contacts:
            return
        _, found = self._snapshot.find([contact.number for contact in contacts])
        _, digests = self._snapshot.compare([contact.payload for contact in contacts], found)
        self._snapshot.note(found, digests, statuses)
        self._changes.write_sent(contacts, ChangeState.DONE)

    def put_back(self, contacts: Sequence[Contact]) -> None:
        """Note that contacts are as they were: every request with them was refused."""
        positions, found = self._snapshot.find([contact.number for contact in contacts])
        self._snapshot.note_as_before(found, positions >= 0)
        self._changes.write_sent(contacts, ChangeState.REFUSED)

    def leave(self, contacts: Sequence[Contact]) -> None:
        """Leave contacts as the journal has them: nobody knows what became of them."""
        self._changes.write_sent(contacts, ChangeState.UNCONFIRMED)

    def close(self) -> None:
        """Give back the file of what is to be sent."""
        self.to_send.close()

    def take_missing(self) -> Array:
        """Give, once, the positions of those whom no row was about, after the last row; without opt-outs."""
        return self._take(~self._is_seen & ~self._has_opted_out)

    def take_opted_out(self) -> Array:
        """Give, once, the positions of those who have opted out, as far as it is known now."""
        return self._take(self._has_opted_out)

    def _take(self, chosen: Array) -> Array:
        positions = np.flatnonzero(chosen & ~self._is_dealt_with)
        self._is_dealt_with[positions] = True
        return positions
