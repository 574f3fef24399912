"""A row that cannot be sent, or that Octopush did not take; and where its way ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """Where a row's way to the list ended."""

    INVALID = "invalid"
    DUPLICATE = "duplicate"
    REFUSED = "refused"
    UNCONFIRMED = "unconfirmed"
    OTHER = "other"
    AMBIGUOUS = "ambiguous"


@dataclass(slots=True)
class Rejection:
    """
    A row that is not on the list, or of which nobody knows whether it is.

    :param row: the row's number in the whole input, from 1.
    :param stage: where its way ended.
    :param reason: why, in words that hold nothing of the row itself.
    :param values: the row's fields as they were read, in the order of :attr:`ContactMapper.fields`.
    :param code: the API's own code, where the API refused the contact.
    :param message: the API's own words: its message where it refused the contact, else a status that is not documented.
        They may quote the row, so they are for the rejects file alone.
    :param numbers: every number that the row may be about, as far as somebody asked.
    """

    row: int
    stage: Stage
    reason: str
    values: tuple[object, ...]
    code: int | None = None
    message: str | None = None
    numbers: frozenset[int] = frozenset()
