"""
The rules and the plan of a run, as plain data, and the limits that a plan is compared with before anything is done.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from airflow_provider_octopush.exceptions import TooManyRejectedError
from airflow_provider_octopush.limits import Limit
from airflow_provider_octopush.sync.summary import ListSummary


class _Default(NamedTuple):
    """
    A default limit: the list divided by a number (by 10 is a tenth), at least some number; and the words for when it
    is exceeded.
    """

    divisor: int
    least: int
    text: str
    what: str
    check: str


_DEFAULTS = {
    "max_removed": _Default(
        10, 10, "a tenth, at least 10", "{number} of {size} contacts{share} are missing from the rows", "the query"
    ),
    "max_opted_out": _Default(
        10, 10, "a tenth, at least 10", "{number} of {size} contacts{share} have opted out", "the query of the opt-outs"
    ),
    "max_added": _Default(
        4, 100, "a quarter, at least 100", "{number} contacts would be added to a list of {size}", "the query"
    ),
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
class Rules:
    """
    What a run may do.

    :param max_rejected: how many rows may be rejected, a number or a share.
    :param remove_missing: whether contacts that are missing from the rows are removed.
    :param limits: how many may be added and removed.
    :param min_opted_out: how many readable opt-outs there must be; None for the default.
    :param removes_blacklisted: whether Octopush was asked to remove blacklisted numbers.
    :param is_dry_run: whether the run only makes a plan.
    :param is_approved: whether the limits are the numbers of a plan, so that they are about all that is done.
    :param is_not_whole: why the rows may not be the whole audience, so that no missing contact is removed; None where
        they are.
    :param may_be_empty: whether a source without rows is no failure by itself.
    """

    max_rejected: Limit
    remove_missing: bool = True
    limits: Limits = field(default_factory=Limits)
    min_opted_out: Limit | None = None
    removes_blacklisted: bool = False
    is_dry_run: bool = False
    is_approved: bool = False
    is_not_whole: str | None = None
    may_be_empty: bool = False

    def check_rejected(self, summary: ListSummary) -> None:
        """
        Check that no more rows were rejected than ``max_rejected`` allows.

        :raises TooManyRejectedError: when there are more.
        """
        summary.check_rejected(self.max_rejected, removes_blacklisted=self.removes_blacklisted)

    def rejected(self, summary: ListSummary) -> TooManyRejectedError | None:
        """Return the error of a run that has not sent anything, and has more rejected rows than allowed."""
        try:
            self.check_rejected(summary)
        except TooManyRejectedError as error:
            if not summary.is_mostly_invalid:
                return error
            return TooManyRejectedError(f"{error}. More than half of the rows are invalid, so nothing was sent")
        return None

    def why_missing_stay(self, rows: int, *, reads_differently: bool) -> tuple[str, bool] | None:
        """
        Return why no missing contact is removed although the rules ask for it, and whether that fails the run; None
        where they are removed.

        :param rows: how many rows were read.
        :param reads_differently: whether phone numbers are read differently than last time.
        """
        if not rows:
            return (
                "no rows were read, and an empty source does not empty a list. If the list is to be emptied, use "
                "DeleteContactsOperator"
            ), not self.may_be_empty
        if self.is_not_whole is not None:
            return self.is_not_whole, True
        if reads_differently:
            return (
                "phone numbers are read differently than last time (their column, default_region, phone_check, or the "
                "version of phonenumbers), so contacts may only seem to be missing; the next run removes those that "
                "still are"
            ), False
        return None


@dataclass(frozen=True)
class Plan:
    """
    What a run is going to do.

    :param size: how many contacts the list held before the first try of the run.
    :param is_first: whether nothing is known of the list, so that a share of it means nothing.
    :param new: how many contacts to send that nothing is known of.
    :param begun: how many contacts to send that a run that did not end was about to add.
    :param added: how many contacts earlier tries of the run have added.
    :param missing: how many contacts to remove because they are missing from the rows.
    :param missing_allowed: how many of these no limit counts: an earlier run had begun to remove them.
    :param missing_before: how many contacts were removed for that reason by earlier tries of the run.
    :param opted_out: how many contacts to remove because they opted out.
    :param opted_out_allowed: how many of these no limit counts, in the same way.
    :param opted_out_before: how many contacts this run has removed for that reason already.
    :param limits: how many contacts may be added and removed.
    """

    size: int
    is_first: bool
    new: int = 0
    begun: int = 0
    added: int = 0
    missing: int = 0
    missing_allowed: int = 0
    missing_before: int = 0
    opted_out: int = 0
    opted_out_allowed: int = 0
    opted_out_before: int = 0
    limits: Limits = field(default_factory=Limits)

    def exceeded(self) -> list[str]:
        """Return a sentence about each limit that the plan exceeds."""
        limits = self.limits
        opted_out, missing = self.opted_out - self.opted_out_allowed, self.missing - self.missing_allowed
        found = [
            self._exceeded("max_opted_out", limits.max_opted_out, opted_out, self.opted_out_before),
            self._exceeded("max_removed", limits.max_removed, missing, self.missing_before),
            self._exceeded("max_added", limits.max_added, self.new + self.begun, self.added),
        ]
        return [one for one in found if one is not None]

    def _exceeded(self, parameter: str, limit: Limit | None, number: int, before: int) -> str | None:
        default = _DEFAULTS[parameter]
        if parameter == "max_added":
            is_share = limit is None or limit.number is None
            if is_share and self.is_first:
                return None
            # A share of a list that has become empty means nothing.
            limit = None if is_share and not self.size else limit
        elif limit is not None and limit.share == 1:
            # A limit that allows all also allows those that earlier tries of the run have added.
            return None
        allowed = max(default.least, self.size // default.divisor) if limit is None else limit.most(self.size)
        in_all_tries = number + before
        if not number or in_all_tries <= allowed:
            return None
        share = f" ({in_all_tries / self.size:.1%})" if self.size else ""
        return (
            f"{default.what.format(number=f'{in_all_tries:,}', size=f'{self.size:,}', share=share)}; {parameter} "
            f"({limit or default.text}) allows {allowed:,}. Check {default.check}; if it is right, trigger a run with "
            f"{parameter}={in_all_tries}"
        )
