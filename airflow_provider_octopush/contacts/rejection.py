"""A row that cannot be sent, or that Octopush did not accept, with its outcome."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_octopush.outcomes import Outcome

#: The columns of a rejects file besides the contact's fields; rows that have all of them come from such a file.
ABOUT_THE_ROW = ("row", "outcome", "reason", "code", "message")


@dataclass(slots=True)
class Rejection:
    """
    A row whose contact is not on the list, or may not be.

    :param row: the row's number in the whole input, from 1.
    :param outcome: the row's outcome.
    :param reason: why, in words that quote nothing of the row.
    :param values: the row's fields as they were read, in the order of :attr:`ContactMapper.fields`.
    :param code: the API's own code, if it refused the contact.
    :param message: the API's own words: its message if it refused the contact, or a status that is not documented. They
        may quote the row, so only the rejects file may hold them.
    :param numbers: every number that the row may be about, if that was asked for.
    """

    row: int
    outcome: Outcome
    reason: str
    values: tuple[object, ...]
    code: int | None = None
    message: str | None = None
    numbers: frozenset[int] = frozenset()
