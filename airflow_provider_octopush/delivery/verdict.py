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
  though not more than that, as a refusal may be one in passing: it is asked again after every 5.
- **The verdict** falls after 60 refusals in a row, the witness's among them: the request itself is refused. It also
  falls when all contacts were asked about, at least 20 of them alone, and none was accepted; a witness is then asked
  until it was refused 8 times. Fewer contacts say too little: they count as refused.
- **In a row** is what the server did, and answers of several threads come in another order. So a refusal does not count
  if its request began before the latest acceptance was known. And before a verdict falls, nothing new begins until all
  that is under way is answered: one of these answers may be an acceptance.

So a task that gets nothing accepted stops after 60 requests, and two more for each that is under way besides. Contacts
that an earlier try has sent come last, so that those it saw refused are not the first that are looked at.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.exceptions import OctopushRequestError

#: Refusals in a row after which the request is taken for refused.
REFUSALS_MAX = 60

#: Refusals in a row after which the witness is sent again, each time.
ASK_WITNESS_EVERY = 20

#: The same, once it was refused.
ASK_AGAIN_EVERY = 5

#: How often a witness was refused in a row, until that of all contacts says something of the request.
WITNESS_REFUSALS_MIN = 8

#: Contacts of a chunk that are asked about in doubt, before the next chunk's turn comes.
ASKED_OF_A_CHUNK = 2

#: Contacts that were refused alone, from which on it means something that these were all there are.
CONTACTS_MIN = 20

#: Seconds until who waits for a verdict looks whether the delivery was stopped.
_LOOK_UP = 0.2

# Multiples of it, without their whole part, are spread evenly, and meet no pattern in the rows.
_GOLDEN_RATIO = 0.618033988749895


class Verdict:
    """
    Judges the refusals of one run. Several threads may ask at a time.

    Each request begins with :meth:`begin`, and ends with exactly one of the methods that note what came of it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way = 0
        self._acceptances = 0
        self._witness: Contact | None = None
        self._witness_refusals = 0
        self._witness_asked_at = 0
        self._refusals = 0
        self._refused_alone = 0
        self._places = 0
        self._latest: OctopushRequestError | None = None

    @property
    def is_in_doubt(self) -> bool:
        """Whether it is not known what the latest refusals were about."""
        with self._changed:
            return self._is_in_doubt()

    def place(self) -> float:
        """Return where in a chunk to ask next while in doubt: 0 is its first contact, 1 is behind its last one."""
        with self._changed:
            self._places += 1
            return self._places * _GOLDEN_RATIO % 1

    def begin(self, check_not_stopped: Callable[[], None]) -> int:
        """
        Note that a request is about to be sent; when there is reason for a verdict, wait for all others to be answered.

        :param check_not_stopped: raises an exception when the request is not wanted any more.
        :return: how many requests were accepted until now, for :meth:`note_refused`.
        :raises OctopushRequestError: when the request itself is refused.
        """
        with self._changed:
            while self._is_due() and self._under_way:
                self._changed.wait(_LOOK_UP)
                check_not_stopped()
            self._fall_if_due()
            self._under_way += 1
            return self._acceptances

    def note_accepted_before(self, contact: Contact) -> None:
        """Note a contact that an earlier try has sent, and that was accepted."""
        with self._changed:
            self._witness = contact

    def note_accepted(self, contact: Contact) -> None:
        """
        Note that a request was accepted.

        :param contact: any that it held.
        """
        with self._changed:
            self._end()
            self._acceptances += 1
            self._witness = contact
            self._blame_contacts()

    def note_failed(self) -> None:
        """Note that a request was neither accepted nor refused in a way that may be about its contacts."""
        with self._changed:
            self._end()

    def note_refused(self, number: int, error: OctopushRequestError, accepted: int) -> Contact | None:
        """
        Note that a request was refused, in a way that may be about its contacts.

        :param number: of contacts that it held.
        :param error: what the API said.
        :param accepted: how many requests were accepted when it began.
        :return: the witness, when it is time to send it again.
        :raises OctopushRequestError: when the request itself is refused.
        """
        with self._changed:
            self._count(number, error, accepted)
            if self._witness is None:
                return None
            every = ASK_AGAIN_EVERY if self._witness_refusals else ASK_WITNESS_EVERY
            if self._refusals < min(self._witness_asked_at + every, REFUSALS_MAX - 1):
                return None
            self._witness_asked_at = self._refusals
            return self._witness

    def note_witness_refused(self, error: OctopushRequestError, accepted: int) -> None:
        """
        Note that the witness was sent again, and refused.

        :param error: what the API said.
        :param accepted: how many requests were accepted when that one began.
        :raises OctopushRequestError: when the request itself is refused.
        """
        with self._changed:
            self._witness_refusals += accepted == self._acceptances
            self._count(1, error, accepted)

    def doubted_witness(self) -> Contact | None:
        """Return the witness, when the doubt is about whether it would be accepted."""
        with self._changed:
            return self._witness if self._is_in_doubt() else None

    def conclude(self) -> None:
        """
        End the doubt: all contacts were asked about. It does not end as long as the witness was not asked often enough.

        :raises OctopushRequestError: when the request itself is refused; else it is the contacts.
        """
        with self._changed:
            if self._is_in_doubt() and self._refused_alone >= CONTACTS_MIN:
                if self._witness is not None and self._witness_refusals < WITNESS_REFUSALS_MIN:
                    return
                self._fall()
            self._blame_contacts()

    def _is_in_doubt(self) -> bool:
        return self._refusals > 0 and (self._witness is None or self._witness_refusals > 0)

    def _is_due(self) -> bool:
        return self._refusals >= REFUSALS_MAX and self._is_in_doubt()

    def _end(self) -> None:
        self._under_way -= 1
        self._changed.notify_all()

    def _count(self, number: int, error: OctopushRequestError, accepted: int) -> None:
        self._end()
        # Else it may have been refused before that acceptance.
        if accepted == self._acceptances:
            self._refusals += 1
            self._refused_alone += number == 1
            self._latest = error
        if not self._under_way:
            self._fall_if_due()

    def _blame_contacts(self) -> None:
        self._witness_refusals = 0
        self._witness_asked_at = 0
        self._refusals = 0
        self._refused_alone = 0
        self._latest = None

    def _fall_if_due(self) -> None:
        if self._is_due():
            self._fall()

    def _fall(self) -> None:
        error = self._latest
        if error is None:
            return
        raise OctopushRequestError(
            "Octopush refuses every request alike, down to single contacts, so it is not the contacts: "
            f"check list_name, tag_name and the options. {error}",
            status_code=error.status_code,
            code=error.code,
            full_message=error.full_message(),
        )
