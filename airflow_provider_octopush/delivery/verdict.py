"""
Is it the contacts that are refused, or the request, whatever contact it holds? And when to stop.

A refusal does not say what it is about, and its words prove nothing: each may be worded differently. Only an accepted
request proves something: the request is fine, so what is refused is the contacts' fault.

- **Doubt** begins with the first refusal of a run in which nothing was accepted. While it lasts, contacts are asked
  about one by one, because a single contact is what is accepted most easily: two from anywhere in a chunk, then the
  chunk is set aside and the next one's turn comes. So the bad rows at the head of a table, where ``ORDER BY`` gathers
  them, are not all that is looked at: 60 requests reach more than 20 chunks beyond the first.
- **An acceptance ends it.** What was refused alone is to blame for it, and what was set aside is delivered.
- **A witness** is a contact that was accepted, in this try or an earlier one. After every 20 refusals in a row it is
  sent again, which changes nothing on the list. If it is accepted, there is no doubt. If it is refused, doubt begins,
  though not more than that, as a refusal may be one in passing: it is asked again after every 10.
- **The verdict** falls after 60 refusals in a row, the witness's being the last: the request itself is refused. It also
  falls when all contacts were asked about, at least 20 of them alone, and none was accepted. Fewer say too little:
  they count as refused.

So a task that gets nothing accepted stops after 60 requests, and two more for each that is under way besides. Contacts
that an earlier try has sent come last, so that those it saw refused are not the first that are looked at.
"""

from __future__ import annotations

import threading

from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.exceptions import OctopushRequestError

#: Refusals in a row after which the request is taken for refused.
REFUSALS_MAX = 60

#: Refusals in a row after which the witness is sent again, each time.
ASK_WITNESS_EVERY = 20

#: The same, once it was refused.
ASK_AGAIN_EVERY = 10

#: Contacts of a chunk that are asked about in doubt, before the next chunk's turn comes.
ASKED_OF_A_CHUNK = 2

#: Contacts that were refused alone, from which on it means something that these were all there are.
CONTACTS_MIN = 20

# Multiples of it, without their whole part, are spread evenly, and meet no pattern in the rows.
_GOLDEN_RATIO = 0.618033988749895


class Verdict:
    """Judges the refusals of one run. Several threads may ask at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._witness: Contact | None = None
        self._witness_is_refused = False
        self._witness_asked_at = 0
        self._refusals = 0
        self._refused_alone = 0
        self._places = 0
        self._latest: OctopushRequestError | None = None

    @property
    def is_in_doubt(self) -> bool:
        """Whether it is not known what the latest refusals were about."""
        with self._lock:
            return self._is_in_doubt()

    def place(self) -> float:
        """Return where in a chunk to ask next while in doubt: 0 is its first contact, 1 is behind its last one."""
        with self._lock:
            self._places += 1
            return self._places * _GOLDEN_RATIO % 1

    def note_accepted(self, contact: Contact) -> None:
        """
        Note that a request was accepted, now or in an earlier try.

        :param contact: any that it held.
        """
        with self._lock:
            self._witness = contact
            self._blame_contacts()

    def note_refused(self, number: int, error: OctopushRequestError) -> Contact | None:
        """
        Note that a request was refused, in a way that may be about its contacts.

        :param number: of contacts that it held.
        :param error: what the API said.
        :return: the witness, when it is time to send it again.
        :raises OctopushRequestError: when the request itself is refused.
        """
        with self._lock:
            self._count(number, error)
            if self._witness is None:
                self._fall_after(REFUSALS_MAX)
                return None
            every = ASK_AGAIN_EVERY if self._witness_is_refused else ASK_WITNESS_EVERY
            if self._refusals < min(self._witness_asked_at + every, REFUSALS_MAX - 1):
                return None
            self._witness_asked_at = self._refusals
            return self._witness

    def note_witness_refused(self, error: OctopushRequestError) -> None:
        """
        Note that the witness was sent again, and refused.

        :raises OctopushRequestError: when the request itself is refused.
        """
        with self._lock:
            self._count(1, error)
            self._witness_is_refused = True
            self._fall_after(REFUSALS_MAX)

    def conclude(self) -> None:
        """
        End the doubt: all contacts were asked about.

        :raises OctopushRequestError: when the request itself is refused; else it is the contacts.
        """
        with self._lock:
            if self._is_in_doubt() and self._refused_alone >= CONTACTS_MIN:
                self._fall_after(0)
            self._blame_contacts()

    def _is_in_doubt(self) -> bool:
        return self._refusals > 0 and (self._witness is None or self._witness_is_refused)

    def _count(self, number: int, error: OctopushRequestError) -> None:
        self._refusals += 1
        self._refused_alone += number == 1
        self._latest = error

    def _blame_contacts(self) -> None:
        self._witness_is_refused = False
        self._witness_asked_at = 0
        self._refusals = 0
        self._refused_alone = 0
        self._latest = None

    def _fall_after(self, refusals: int) -> None:
        error = self._latest
        if error is None or self._refusals < refusals:
            return
        raise OctopushRequestError(
            "Octopush refuses every request alike, down to single contacts, so it is not the contacts: "
            f"check list_name, tag_name and the options. {error}",
            status_code=error.status_code,
            code=error.code,
            message=error.message,
        )
