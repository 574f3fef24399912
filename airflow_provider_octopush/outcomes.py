"""The outcomes of rows: each name once, and the outcomes of each kind of run."""

from __future__ import annotations

from enum import StrEnum

from airflow_provider_octopush.api import STATUSES


class Outcome(StrEnum):
    """The outcome of a row. Each row has exactly one, so a run's outcomes add up to the rows that it read."""

    # Octopush has the contact, and says so with one of its documented statuses.
    ADDED = "added"
    UPDATED = "updated"
    SKIPPED = "skipped"
    # Sent; the answer has a status that is not documented, or leaves the contact out; or the API said no.
    OTHER = "other"
    UNCONFIRMED = "unconfirmed"
    REFUSED = "refused"
    # Not sent: `unsent` because a dry run, or a limit, holds it.
    INVALID = "invalid"
    DUPLICATES = "duplicates"
    UNCHANGED = "unchanged"
    OPTED_OUT = "opted_out"
    UNSENT = "unsent"
    # In a deletion.
    REMOVED = "removed"
    ABSENT = "absent"
    KEPT = "kept"
    AMBIGUOUS = "ambiguous"


#: The statuses of a contact that Octopush has.
CONFIRMED = tuple(map(Outcome, STATUSES))

#: The outcomes of a run that creates contacts, in the order of its summary.
CREATE_OUTCOMES = (
    *CONFIRMED,
    Outcome.OTHER,
    Outcome.UNCONFIRMED,
    Outcome.REFUSED,
    Outcome.INVALID,
    Outcome.DUPLICATES,
    Outcome.UNSENT,
)

#: The outcomes of a run that keeps a list in step.
SYNC_OUTCOMES = (*CREATE_OUTCOMES[:-1], Outcome.UNCHANGED, Outcome.OPTED_OUT, Outcome.UNSENT)

#: The outcomes of a run that removes contacts.
DELETE_OUTCOMES = (
    Outcome.REMOVED,
    Outcome.ABSENT,
    Outcome.KEPT,
    Outcome.AMBIGUOUS,
    Outcome.INVALID,
    Outcome.DUPLICATES,
)

#: The outcomes of each kind of run; also served to the page of past runs.
OUTCOMES = {"create": CREATE_OUTCOMES, "sync": SYNC_OUTCOMES, "delete": DELETE_OUTCOMES}
