"""What a run is about to do to a list, as plain data; and the limits that look at it before anything is done."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider_octopush.api import DELETE_MAX_NUMBERS
from airflow_provider_octopush.limits import Limit

#: What may be removed, and what may be added, where nobody says otherwise: a share, and a number that always may.
USUAL_REMOVED, USUAL_ADDED = (10, 10), (4, 100)


@dataclass(frozen=True)
class Exceeded:
    """
    A limit that holds a run.

    :param parameter: that allows how many.
    :param number: contacts that the plan is about, over all tries of the run.
    :param size: contacts that the list held before the run.
    :param allowed: how many may be.
    :param limit: what was written; None for the default.
    :param usual: the default, in words.
    """

    parameter: str
    number: int
    size: int
    allowed: int
    limit: Limit | None
    usual: str

    def __str__(self) -> str:
        share = f", {self.number / self.size:.1%}" if self.size else ""
        what = _WHAT[self.parameter].format(number=f"{self.number:,}", size=f"{self.size:,}", share=share)
        return (
            f"{what}; {self.parameter} ({self.limit or self.usual}) allows {self.allowed:,}. "
            f"{_LOOK[self.parameter]}; if it is right, trigger a run with {self.parameter}={self.number}"
        )


_WHAT = {
    "max_removed": "{number} of {size} contacts{share} are missing from the rows",
    "max_opted_out": "{number} of {size} contacts{share} have opted out",
    "max_added": "{number} contacts would be added to a list of {size}",
}
_LOOK = {
    "max_removed": "Check the query",
    "max_opted_out": "Check the query of the opt-outs",
    "max_added": "Check the query",
}


@dataclass(frozen=True)
class Limits:
    """
    How many contacts a run may add and remove; None is the default of each.

    :param max_removed: contacts that are missing from the rows: a tenth of the list, at least 10.
    :param max_opted_out: contacts that opted out: the same.
    :param max_added: contacts that are new: a quarter of the list, at least 100.
    """

    max_removed: Limit | None = None
    max_opted_out: Limit | None = None
    max_added: Limit | None = None


@dataclass(frozen=True)
class Plan:
    """
    What a run is about to do.

    :param size: contacts that the list held before the first try of the run.
    :param is_first: whether nothing is known of the list, so that a share of it says nothing.
    :param to_send: contacts to send.
    :param new: of these, contacts that the list is not known to hold.
    :param added: contacts that earlier tries of the run have added.
    :param missing: contacts to remove because no row is about them.
    :param missing_before: contacts that this run has removed for that reason already, or was about to.
    :param opted_out: contacts to remove because they opted out.
    :param opted_out_before: contacts that this run has removed for that reason already.
    :param limits: how many there may be.
    """

    size: int
    is_first: bool
    to_send: int = 0
    new: int = 0
    added: int = 0
    missing: int = 0
    missing_before: int = 0
    opted_out: int = 0
    opted_out_before: int = 0
    limits: Limits = field(default_factory=Limits)

    def exceeded(self) -> list[Exceeded]:
        """Return the limits that hold the run."""
        return [
            *self._removed("max_opted_out", self.opted_out, self.opted_out_before, self.limits.max_opted_out),
            *self._removed("max_removed", self.missing, self.missing_before, self.limits.max_removed),
            *self._added_exceeded(),
        ]

    def requests(self, chunk_size: int) -> int:
        """Return how many requests it takes, if none is refused."""
        return sum(
            -(-number // together)
            for number, together in (
                (self.to_send, chunk_size),
                (self.opted_out, DELETE_MAX_NUMBERS),
                (self.missing, DELETE_MAX_NUMBERS),
            )
        )

    def _removed(self, parameter: str, number: int, before: int, limit: Limit | None) -> list[Exceeded]:
        share, least = USUAL_REMOVED
        allowed = max(least, self.size // share) if limit is None else limit.most(self.size)
        # Where all may go, so may those that earlier tries of the run have added.
        is_all = limit is not None and limit.share == 1
        if not number or is_all or number + before <= allowed:
            return []
        usual = f"a tenth, at least {least}"
        return [Exceeded(parameter, number + before, self.size, allowed, limit, usual)]

    def _added_exceeded(self) -> list[Exceeded]:
        limit, number = self.limits.max_added, self.new + self.added
        share, least = USUAL_ADDED
        if not self.new or (self.is_first and (limit is None or limit.number is None)):
            return []
        # Of a list that holds nobody any more, a share says nothing either.
        if limit is None or (limit.number is None and not self.size):
            allowed = max(least, self.size // share)
        else:
            allowed = limit.most(self.size)
        if number <= allowed:
            return []
        return [Exceeded("max_added", number, self.size, allowed, limit, f"a quarter, at least {least}")]
