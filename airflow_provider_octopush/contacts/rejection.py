"""A row that cannot be sent, or that Octopush did not take, and what it ended in."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_octopush.outcomes import Outcome

#: The columns of a rejects file beside the contact's fields; rows that have all of them come from such a file.
ABOUT_THE_ROW = ("row", "outcome", "reason", "code", "message")


@dataclass(slots=True)
class Rejection:
    """
    A row that is not on the list, or may not be.

    :param row: the row's number in the whole input, from 1.
    :param outcome: what it ended in.
    :param reason: why, in words that hold nothing of the row itself.
    :param values: the row's fields as they were read, in the order of :attr:`ContactMapper.fields`.
    :param code: the API's own code, where the API refused the contact.
    :param message: the API's own words: its message where it refused the contact, else a status that is not documented.
        They may quote the row, so they are for the rejects file alone.
    :param numbers: every number that the row may be about, where they were asked for.
    """

    row: int
    outcome: Outcome
    reason: str
    values: tuple[object, ...]
    code: int | None = None
    message: str | None = None
    numbers: frozenset[int] = frozenset()
