"""What a row of a run ends in: each name once, and the outcomes that each kind of run has."""

from __future__ import annotations

from enum import StrEnum

from airflow_provider_octopush.api import STATUSES


class Outcome(StrEnum):
    """What a row ends in: exactly one of these, so that the outcomes of a run add up to the rows that it read."""

    # Octopush has the contact, and says so by one of its documented statuses.
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
    # Of a deletion.
    REMOVED = "removed"
    ABSENT = "absent"
    KEPT = "kept"
    AMBIGUOUS = "ambiguous"


#: What Octopush says of a contact that it has.
CONFIRMED = tuple(map(Outcome, STATUSES))

#: Of a run that creates contacts, in the order of its summary.
CREATE_OUTCOMES = (
    *CONFIRMED,
    Outcome.OTHER,
    Outcome.UNCONFIRMED,
    Outcome.REFUSED,
    Outcome.INVALID,
    Outcome.DUPLICATES,
    Outcome.UNSENT,
)

#: Of a run that keeps a list in step.
SYNC_OUTCOMES = (*CREATE_OUTCOMES[:-1], Outcome.UNCHANGED, Outcome.OPTED_OUT, Outcome.UNSENT)

#: Of a run that removes contacts.
DELETE_OUTCOMES = (
    Outcome.REMOVED,
    Outcome.ABSENT,
    Outcome.KEPT,
    Outcome.AMBIGUOUS,
    Outcome.INVALID,
    Outcome.DUPLICATES,
)

#: What each kind of run counts; the page of past runs is served this.
OUTCOMES = {"create": CREATE_OUTCOMES, "sync": SYNC_OUTCOMES, "delete": DELETE_OUTCOMES}
