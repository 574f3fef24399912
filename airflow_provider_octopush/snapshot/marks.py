"""What is known about a contact, as a mark in its record; and how marks change when records are read and written."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from airflow_provider_octopush import api

_Array: TypeAlias = npt.NDArray[Any]


class Mark(IntEnum):
    """What is known about a contact, in the lower four bits."""

    #: The list has the contact as its digest says.
    KNOWN = 0
    #: The list may have the contact, with any fields.
    UNKNOWN = 1
    #: Confirmed in the current run, with this status.
    ADDED = 2
    UPDATED = 3
    SKIPPED = 4
    #: A request to remove the contact was refused, so the list has it, unless that was carried out all the same.
    REFUSED = 5
    #: A request to remove it had no answer yet: the list may still have the contact. The removal was allowed, so no
    #: limit counts it again.
    REMOVING = 6
    #: An earlier try of the same run was about to remove it, and had no answer.
    OWN_REMOVING = 7
    #: Removed from the list.
    REMOVED = 8
    #: As UNKNOWN, but new to the list: the run that was about to add it did not come to its end.
    ADDING = 9
    #: An earlier try of the same run was about to add it.
    OWN_ADDING = 10


#: Beside a mark: a request of another process may still arrive, which adds the contact, or which removes it. It stays
#: beside the mark until a run has come to its end, in all of its tries. What was confirmed since keeps the first of
#: them for one run more.
ADDED_LATE, REMOVED_LATE, _ADDED_BEFORE = 16, 32, 64
MAY_BE_ADDED = ADDED_LATE | _ADDED_BEFORE
_MARKS, _BESIDE = 15, MAY_BE_ADDED | REMOVED_LATE

STATUSES = dict(zip(api.STATUSES, (Mark.ADDED, Mark.UPDATED, Mark.SKIPPED), strict=True))
_NAMES = {int(mark): status for status, mark in STATUSES.items()}

#: The list has the contact as its digest says. A refused removal may have been carried out all the same.
CONFIRMED = (Mark.KNOWN, *STATUSES.values())
_HELD = (*CONFIRMED, Mark.REFUSED)

#: No run that came to its end has put the contact on the list.
NEW = (Mark.REMOVED, Mark.ADDING, Mark.OWN_ADDING)

#: The list may or may not have the contact: a removal was begun, and its outcome is not known.
MAY_BE_THERE = (Mark.UNKNOWN, Mark.ADDING, Mark.OWN_ADDING)
MAY_BE_GONE = (Mark.REMOVING, Mark.OWN_REMOVING)


def are(records: _Array, marks: Collection[int]) -> _Array:
    """Tell which records have one of some marks."""
    return np.isin(records["mark"] & _MARKS, list(marks))


def mark_of(record: _Array) -> int:
    """Return the mark of one record."""
    return int(record["mark"]) & _MARKS


def beside(records: _Array, flags: int) -> _Array:
    """Return which of some flags the records have beside their marks."""
    found: _Array = records["mark"] & flags
    return found


def marked(records: _Array, mark: Any) -> _Array:
    """Return a copy of records with another mark, or one for each."""
    copy = records.copy()
    copy["mark"] = mark
    return copy


def about_to_send(records: _Array) -> _Array:
    """Mark records as about to be sent. A removal that had no answer may still arrive."""
    may_arrive = np.where(are(records, MAY_BE_GONE), REMOVED_LATE, beside(records, REMOVED_LATE))
    return marked(records, np.where(are(records, NEW), Mark.ADDING, Mark.UNKNOWN) | may_arrive)


def about_to_remove(records: _Array) -> _Array:
    """Mark records as about to be removed. What another process sends may still arrive."""
    return marked(records, Mark.REMOVING | beside(records, MAY_BE_ADDED))


def statuses_of(records: _Array) -> list[str | None]:
    """Return the status with which an earlier try of this run confirmed each record; None if it did not."""
    return [_NAMES.get(mark) for mark in (records["mark"] & _MARKS).tolist()]


def _table(changes: Mapping[int, int], stay: int = _BESIDE) -> _Array:
    """
    Return a table of what each mark becomes; marks that are not named stay.

    :param stay: the flags that stay beside a mark.
    """
    return np.array([changes.get(one & _MARKS, one & _MARKS) | (one & stay) for one in range(256)], np.uint8)


AS_THEY_ARE = _table({})

#: How marks change that an earlier try of this run has recorded; that another run has recorded; and that runs have
#: recorded in an unknown order.
_IN_FLIGHT: Mapping[int, int] = {
    Mark.UNKNOWN: Mark.UNKNOWN | ADDED_LATE,
    Mark.ADDING: Mark.ADDING | ADDED_LATE,
    Mark.REMOVING: Mark.REMOVING | REMOVED_LATE,
}
OF_THIS_RUN = _table(
    {
        **_IN_FLIGHT,
        Mark.ADDING: Mark.OWN_ADDING | ADDED_LATE,
        Mark.REMOVING: Mark.OWN_REMOVING | REMOVED_LATE,
    }
)
OF_ANOTHER_RUN = _table({**_IN_FLIGHT, **dict.fromkeys(STATUSES.values(), Mark.KNOWN)})
OUT_OF_ORDER = _table({**_IN_FLIGHT, **dict.fromkeys((*_HELD, Mark.REMOVED), Mark.UNKNOWN | ADDED_LATE)})

#: What is made of marks in a snapshot that an earlier try of this run has written: the next run is another one.
OWN_SNAPSHOT = _table({Mark.UNKNOWN: Mark.UNKNOWN | ADDED_LATE | REMOVED_LATE})
for _mark in _HELD:
    OWN_SNAPSHOT[_mark | _ADDED_BEFORE] = _mark | ADDED_LATE

#: How marks change in a snapshot if it is not known what happened since it was written.
OUTDATED = _table(dict.fromkeys(_HELD, Mark.UNKNOWN))

#: How marks are written to the next snapshot.
KEPT = _table(
    {
        **dict.fromkeys(STATUSES.values(), Mark.KNOWN),
        **dict.fromkeys((Mark.ADDING, Mark.OWN_ADDING), Mark.UNKNOWN),
        Mark.OWN_REMOVING: Mark.REMOVING,
    },
    stay=ADDED_LATE,
)
for _mark in _HELD:
    KEPT[_mark | ADDED_LATE] = KEPT[_mark] | _ADDED_BEFORE
