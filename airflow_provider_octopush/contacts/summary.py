"""The counts of a run, their XCom form, and their table in the log."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_octopush.contacts.mapping import Rejection, Stage
from airflow_provider_octopush.exceptions import TooManyRejectedError

#: Every row read ends in exactly one of these.
OUTCOMES = ("added", "updated", "skipped", "other", "unconfirmed", "refused", "invalid", "duplicates")

#: What the API said of a contact that it accepted.
CONFIRMED = ("added", "updated", "skipped", "other")

#: The API's messages are its own; should each be different, XCom must not grow with the table.
REASONS_MAX = 50
OTHER_REASONS = "other reasons"

_COUNT_OF_STAGE = {
    Stage.INVALID: "invalid",
    Stage.DUPLICATE: "duplicates",
    Stage.REFUSED: "refused",
    Stage.UNCONFIRMED: "unconfirmed",
}


@dataclass
class Summary:
    """
    The counts of a run; ``read`` is the sum of the eight outcomes.

    :param list_name: the list that the contacts are on.
    :param tag_name: the tag attached to them.
    :param read: rows read.
    :param added: new on the list, says Octopush.
    :param updated: known before and overwritten, says Octopush.
    :param skipped: known before and left as they were, says Octopush.
    :param other: accepted with a status that this provider does not know.
    :param unconfirmed: sent in an accepted request, but not in its answer.
    :param refused: sent, and the API said no.
    :param invalid: rejected here, before sending.
    :param duplicates: the same canonical number as an earlier row.
    :param chunks: chunks that were answered for.
    :param requests: requests sent to ``contact/create``, repetitions included.
    :param retries: requests that were repetitions of one that failed in passing.
    :param duration_seconds: from the first row asked for to the last answer.
    :param validate_only: nothing was sent; what would have been counts as skipped.
    :param rejects_path: URI of the rejected rows, where they were written.
    :param reasons: reason → number of rows, for what is invalid or refused.
    """

    list_name: str | None = None
    tag_name: str | None = None
    read: int = 0
    added: int = 0
    updated: int = 0
    skipped: int = 0
    other: int = 0
    unconfirmed: int = 0
    refused: int = 0
    invalid: int = 0
    duplicates: int = 0
    chunks: int = 0
    requests: int = 0
    retries: int = 0
    duration_seconds: float = 0.0
    validate_only: bool = False
    rejects_path: str | None = None
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def confirmed(self) -> int:
        """Contacts that Octopush said it has."""
        return sum(getattr(self, name) for name in CONFIRMED)

    def count(self, outcome: str, number: int = 1) -> None:
        """
        Count rows that ended in an outcome.

        :param outcome: one of :data:`OUTCOMES`.
        """
        setattr(self, outcome, getattr(self, outcome) + number)

    def count_rejection(self, rejection: Rejection) -> None:
        """Count a row that was rejected, and its reason when it is invalid or refused."""
        self.count(_COUNT_OF_STAGE[rejection.stage])
        if rejection.stage in (Stage.INVALID, Stage.REFUSED):
            known = rejection.reason in self.reasons or len(self.reasons) < REASONS_MAX
            self.reasons[rejection.reason if known else OTHER_REASONS] += 1

    def check_rejected(self, max_rejected: float, *, unconfirmed_is_rejected: bool = True) -> None:
        """
        Check that no more rows were rejected than may be: invalid, refused, or unconfirmed.

        :param max_rejected: rows (an int), or a share of the rows read (a float from 0 to 1).
        :param unconfirmed_is_rejected: False where Octopush was asked to remove blacklisted numbers: it then does not
            confirm them.
        :raises TooManyRejectedError: when there are more; it counts the reasons.
        """
        rejected = self.invalid + self.refused + (self.unconfirmed if unconfirmed_is_rejected else 0)
        allowed = max_rejected if isinstance(max_rejected, int) else max_rejected * self.read
        if rejected <= allowed:
            return
        reasons = [f"{number:,} × {reason}" for reason, number in self.reasons.most_common()]
        if self.unconfirmed and unconfirmed_is_rejected:
            reasons.append(f"{self.unconfirmed:,} × not in Octopush's answer")
        where = f". The rejected rows are in {self.rejects_path}" if self.rejects_path else ""
        raise TooManyRejectedError(
            f"{rejected:,} of {self.read:,} rows were rejected, max_rejected={max_rejected} allows "
            f"{math.floor(allowed):,}: {'; '.join(reasons)}{where}"
        )

    def check(self) -> None:
        """
        Check the law of the counts: every row read ended in exactly one outcome.

        :raises RuntimeError: when it did not, which is a bug of this provider.
        """
        outcomes = {name: getattr(self, name) for name in OUTCOMES}
        if self.read != sum(outcomes.values()):
            counted = " + ".join(f"{number} {name}" for name, number in outcomes.items())
            raise RuntimeError(
                f"the counts do not add up: {self.read} rows read, but {counted}. "
                "This is a bug of airflow-provider-octopush: please report it with this message"
            )

    def as_xcom(self) -> dict[str, Any]:
        """Return a flat dict that JSON can write, without personal data; the most frequent reason comes first."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            **values,
            "duration_seconds": round(self.duration_seconds, 3),
            "reasons": dict(self.reasons.most_common()),
        }

    def table(self) -> str:
        """Return the counts as a table of a few lines, for a person who reads the log."""
        rows: list[tuple[str, str]] = [
            *(
                [("validate_only", "nothing was sent; what would have been counts as skipped")]
                if self.validate_only
                else []
            ),
            ("list", self.list_name or "(none)"),
            ("tag", self.tag_name or "(none)"),
            ("read", f"{self.read:,}"),
            *((f"  {name}", f"{getattr(self, name):,}") for name in OUTCOMES),
            ("chunks", f"{self.chunks:,}"),
            ("requests", f"{self.requests:,} ({self.retries:,} of them retries)"),
            ("duration", f"{self.duration_seconds:,.1f} s"),
            *([("rejected rows", self.rejects_path)] if self.rejects_path else []),
            *((f"reason: {reason}", f"{number:,}") for reason, number in self.reasons.most_common()),
        ]
        width = max(len(label) for label, _ in rows)
        return "\n".join(f"{label:<{width}}  {value}" for label, value in rows)
