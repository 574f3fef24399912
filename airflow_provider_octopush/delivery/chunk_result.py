"""An answer's items → the outcome of each contact."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from airflow_provider_octopush.api import STATUSES, describe_answer
from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.contacts.rejection import Rejection
from airflow_provider_octopush.exceptions import OctopushError
from airflow_provider_octopush.outcomes import Outcome
from airflow_provider_octopush.payloads import ContactItem

_NOT_DIGITS = re.compile(r"\D+", re.ASCII)

#: A status is a word. Of a longer text, this many characters are kept.
_STATUS_MAX_LENGTH = 100


@dataclass
class ChunkResult:
    """
    The outcomes of the contacts of a chunk, or of a request.

    :param confirmed: ``added``, ``updated`` or ``skipped`` → number of contacts.
    :param rejections: the contacts that were refused, that the answer does not mention, or that it mentions with a
        status that is not documented.
    :param answers: the contacts of each accepted request, with the status of each in the answer; None if it has none.
    :param refused: the contacts whose every request was refused, so that the server has nothing of them.
    """

    confirmed: Counter[str] = field(default_factory=Counter)
    rejections: list[Rejection] = field(default_factory=list)
    answers: list[tuple[Sequence[Contact], Sequence[str | None]]] = field(default_factory=list)
    refused: list[Contact] = field(default_factory=list)

    def add(self, other: ChunkResult) -> None:
        """Add another result's contacts."""
        self.confirmed.update(other.confirmed)
        self.rejections.extend(other.rejections)
        self.answers.extend(other.answers)
        self.refused.extend(other.refused)


def answered(contacts: Sequence[Contact], items: Sequence[ContactItem]) -> ChunkResult:
    """
    Give each contact the status that the answer has for its number; by digits, because the order is not documented.

    :param contacts: the contacts that were sent, with different numbers.
    :param items: the answer's items.
    :return: exactly one outcome for each contact.
    """
    numbers = [contact.payload.phone_number for contact in contacts]
    statuses: list[str | None]
    if numbers == [item.phone_number for item in items]:
        statuses = [item.status for item in items]
    else:
        by_digits: dict[str, str] = {}
        for item in items:
            # Of two that contradict each other, the one that confirms nothing counts.
            said = by_digits.setdefault(_digits(item.phone_number), item.status)
            if said in STATUSES and item.status not in STATUSES:
                by_digits[_digits(item.phone_number)] = item.status
        statuses = [by_digits.get(number[1:]) for number in numbers]
    result = ChunkResult(answers=[(contacts, statuses)])
    for status, count in Counter(statuses).items():
        if status in STATUSES:
            result.confirmed[status] = count
    if result.confirmed.total() < len(contacts):
        result.rejections = [
            _not_confirmed(contact, status)
            for contact, status in zip(contacts, statuses, strict=True)
            if status not in STATUSES
        ]
    return result


def refused(contact: Contact, error: OctopushError) -> Rejection:
    """
    Reject a refused contact: with the API's own words for the rejects file, and ours everywhere else.

    :param contact: the contact, which was sent alone.
    :param error: the API's refusal.
    """
    reason = f"refused by Octopush: {describe_answer(error.status_code, error.code)}"
    return Rejection(contact.row, Outcome.REFUSED, reason, contact.values, error.code, error.full_message())


def _not_confirmed(contact: Contact, status: str | None) -> Rejection:
    if status is None:
        return Rejection(contact.row, Outcome.UNCONFIRMED, "not in Octopush's answer", contact.values)
    # The status itself may quote the contact, so only the rejects file may hold it.
    reason = "a status that is not documented"
    return Rejection(contact.row, Outcome.OTHER, reason, contact.values, None, status[:_STATUS_MAX_LENGTH])


def _digits(number: str) -> str:
    digits = number.removeprefix("+")
    return digits if digits.isascii() and digits.isdigit() else _NOT_DIGITS.sub("", number)
