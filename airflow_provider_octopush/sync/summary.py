"""The counts of a run, their XCom form, and their table in the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from airflow_provider_octopush.contacts.rejection import Rejection
from airflow_provider_octopush.exceptions import SET_REJECTS_PATH, TooManyRejectedError
from airflow_provider_octopush.limits import Limit
from airflow_provider_octopush.outcomes import CONFIRMED, OUTCOMES, Outcome

#: A server may give each refusal its own code, but XCom must not grow with the table.
REASONS_MAX = 50
OTHER_REASONS = "other reasons"

#: This many contacts missing from a run's answers may all be blacklisted, however few were sent.
BLACKLISTED_IN_SMALL_RUNS = 5


@dataclass
class Summary:
    """
    The counts of a run of any operator; ``read`` is the sum of its outcomes.

    :param list_name: the list of the contacts; None if they are on none, or were removed from the account.
    :param read: how many rows were read.
    :param invalid: rows rejected here, before anything is sent.
    :param duplicates: rows with the same canonical number as an earlier row.
    :param requests: how many requests were sent, including repetitions.
    :param retries: how many of these repeated one that failed temporarily.
    :param duration_seconds: seconds from asking for the first row to the last answer.
    :param dry_run: whether it was a dry run: nothing was sent or removed, and what would be is counted.
    :param rejects_path: URI of the file of rejected rows, if there is one.
    :param reasons: reason → how many rows were invalid or refused for it.
    """

    #: What the run did: ``create``, ``sync`` or ``delete``.
    operation: ClassVar[str]
    #: The outcomes of rows; and the other counts that are added up when parts are merged.
    outcomes: ClassVar[tuple[str, ...]]
    more_counts: ClassVar[tuple[str, ...]] = ()
    #: The metrics besides the outcomes.
    more_metrics: ClassVar[tuple[str, ...]] = ()
    _what_dry_run_means: ClassVar[str]

    list_name: str | None = None
    read: int = 0
    invalid: int = 0
    duplicates: int = 0
    requests: int = 0
    retries: int = 0
    duration_seconds: float = 0.0
    dry_run: bool = False
    rejects_path: str | None = None
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def written(self) -> int:
        """Contacts that Octopush has added or updated."""
        return 0

    @property
    def is_mostly_invalid(self) -> bool:
        """Whether more than half of the rows read are invalid."""
        return self.invalid * 2 > self.read

    @property
    def _has_words(self) -> bool:
        """Whether Octopush said something about the rejected rows, which only the rejects file may hold."""
        return False

    def count(self, outcome: str, number: int = 1) -> None:
        """
        Count rows by their outcome.

        :param outcome: one of :attr:`outcomes`.
        """
        setattr(self, outcome, getattr(self, outcome) + number)

    def count_rejection(self, rejection: Rejection) -> None:
        """Count a rejected row, and its reason if it is invalid or refused."""
        self.count(rejection.outcome)
        if rejection.outcome in (Outcome.INVALID, Outcome.REFUSED):
            self.count_reason(rejection.reason)

    def count_reason(self, reason: str, number: int = 1) -> None:
        """Count rows by the reason why they are invalid or were refused."""
        known = reason in self.reasons or len(self.reasons) < REASONS_MAX
        self.reasons[reason if known else OTHER_REASONS] += number

    def check_rejected(self, max_rejected: Limit | int | str, *, removes_blacklisted: bool = False) -> None:
        """
        Check that no more rows were rejected than allowed: invalid, refused, unconfirmed, or other.

        Blacklisted numbers that Octopush removed are missing from the answers. Missing contacts are taken to be
        blacklisted if they are at most a tenth of those that the answers are about, or in a small run at most five and
        at most half. If more are missing, none is taken to be blacklisted.

        :param max_rejected: a number of rows, or a share of the rows read, such as ``"5%"``.
        :param removes_blacklisted: whether Octopush was asked to remove blacklisted numbers.
        :raises LimitError: when ``max_rejected`` is neither.
        :raises TooManyRejectedError: when there are more; the message counts the reasons.
        """
        limit = Limit.of("max_rejected", max_rejected) or Limit(number=0)
        rejected, reasons = self._rejected(removes_blacklisted=removes_blacklisted)
        if rejected <= limit.most(self.read):
            return
        reasons = [*(f"{number:,} × {reason}" for reason, number in self.reasons.most_common()), *reasons]
        where = ""
        if self.rejects_path:
            where = f". The rejected rows are in {self.rejects_path}"
        elif self._has_words:
            where = f". {SET_REJECTS_PATH}"
        allows = f"max_rejected{'' if limit.share is None else f' ({limit})'} allows {limit.most(self.read):,}"
        raise TooManyRejectedError(
            f"{rejected:,} of {self.read:,} rows were rejected; {allows}: {'; '.join(reasons)}{where}. "
            f"{self._what_to_do_about(rejected)}"
        )

    def _what_to_do_about(self, rejected: int) -> str:
        share = -(-rejected * 100 // self.read)
        return f'If that many may be rejected, write max_rejected={rejected}, or a share, such as "{share}%"'

    def _rejected(self, *, removes_blacklisted: bool) -> tuple[int, list[str]]:  # noqa: ARG002 - CreateSummary uses it
        """Return how many rows were rejected; and the reasons that :attr:`reasons` does not count."""
        return self.invalid, []

    def check(self) -> None:
        """
        Check that the counts add up: every row read ended in exactly one outcome.

        :raises RuntimeError: when it did not, which is a bug of this provider.
        """
        outcomes = {name: getattr(self, name) for name in self.outcomes}
        if self.read != sum(outcomes.values()):
            counted = " + ".join(f"{number} {name}" for name, number in outcomes.items())
            raise RuntimeError(
                f"the counts do not add up: {self.read} rows read, but {counted}. "
                "This is a bug of airflow-provider-octopush: please report it with this message"
            )

    @classmethod
    def from_xcom(cls, values: Mapping[str, Any]) -> Summary:
        """
        Make a summary from its XCom form.

        :param values: the result of :meth:`as_xcom`.
        :raises ValueError: when it is something else.
        """
        kind = _KINDS.get(str(values.get("operation"))) if isinstance(values, Mapping) else None
        if kind is not None and values.keys() == kind().as_xcom().keys():
            counts = {name: value for name, value in values.items() if name != "operation"}
            return kind(**{**counts, "reasons": Counter(values["reasons"])})
        raise ValueError(
            f"expected a summary as an operator returns it, but got {type(values).__name__}: hand over what its tasks "
            "returned"
        )

    def as_xcom(self) -> dict[str, Any]:
        """Return a flat dict that JSON can write, without personal data; the most frequent reason comes first."""
        # In the order of the table, which begins with what people look for.
        first = ("list_name", "tag_name", "read", *self.outcomes)
        names = sorted((one.name for one in fields(self)), key=lambda name: first.index(name) if name in first else 99)
        return {
            "operation": self.operation,
            **{name: getattr(self, name) for name in names},
            "duration_seconds": round(self.duration_seconds, 3),
            "reasons": dict(self.reasons.most_common()),
        }

    def table(self) -> str:  # pragma: no mutate block
        """Return the counts as a table of a few lines, for readers of the log."""
        rows: list[tuple[str, str]] = [
            *([("dry_run", self._what_dry_run_means)] if self.dry_run else []),
            ("list", self.list_name or "(none)"),
            *self._about(),
            ("read", f"{self.read:,}"),
            *((f"  {name}", f"{getattr(self, name):,}") for name in self.outcomes),
            *self._more_rows(),
            ("requests", f"{self.requests:,} ({self.retries:,} of them retries)"),
            ("duration", f"{self.duration_seconds:,.1f} s"),
            *([("rejected rows", self.rejects_path)] if self.rejects_path else []),
        ]
        width = max(len(label) for label, _ in rows)
        lines = [f"{label:<{width}}  {value}" for label, value in rows]
        if self.reasons:
            # The number comes first: reasons are sentences, and would push all counts above to the right.
            lines += ["reasons", *(f"{number:>{width},}  {reason}" for reason, number in self.reasons.most_common())]
        return "\n".join(lines)

    def _about(self) -> list[tuple[str, str]]:
        """Return the table's rows about the run, after its list."""
        return []

    def _more_rows(self) -> list[tuple[str, str]]:
        """Return the table's rows between the outcomes and the requests."""
        return []


@dataclass
class CreateSummary(Summary):
    """
    The counts of a run that creates contacts.

    The parameters of :class:`Summary` mean the same here.

    :param tag_name: the tag attached to the contacts.
    :param added: contacts that are new, as Octopush says.
    :param updated: contacts that were known and overwritten, as Octopush says.
    :param skipped: contacts that were known and left as they were, as Octopush says.
    :param other: contacts answered with a status that is not documented; their outcome is not known.
    :param unconfirmed: contacts sent in an accepted request, but missing from its answer.
    :param refused: contacts that the API refused.
    :param unsent: rows that would have been sent, if this had not been a dry run.
    :param chunks: how many chunks were answered.
    """

    operation: ClassVar[str] = "create"
    outcomes: ClassVar[tuple[str, ...]] = OUTCOMES["create"]
    more_counts: ClassVar[tuple[str, ...]] = ("chunks",)
    _what_dry_run_means: ClassVar[str] = "nothing was sent; what would be counts as unsent"

    tag_name: str | None = None
    added: int = 0
    updated: int = 0
    skipped: int = 0
    other: int = 0
    unconfirmed: int = 0
    refused: int = 0
    unsent: int = 0
    chunks: int = 0

    @property
    def confirmed(self) -> int:
        """Contacts that Octopush said it has."""
        return sum(getattr(self, name) for name in CONFIRMED)

    @property
    def written(self) -> int:
        """Contacts that Octopush has added or updated."""
        return self.added + self.updated

    @property
    def _has_words(self) -> bool:
        return bool(self.refused or self.other)

    def _rejected(self, *, removes_blacklisted: bool) -> tuple[int, list[str]]:
        unconfirmed, reasons = self.unconfirmed, []
        if removes_blacklisted and unconfirmed <= self._most_blacklisted():
            unconfirmed = 0
        if self.other:
            reasons.append(f"{self.other:,} × a status that is not documented")
        if unconfirmed:
            too_many = ", too many to be all blacklisted" if removes_blacklisted else ""
            reasons.append(f"{unconfirmed:,} × not in Octopush's answer{too_many}")
        return self.invalid + self.refused + self.other + unconfirmed, reasons

    def _most_blacklisted(self) -> float:
        asked = self.confirmed + self.other + self.unconfirmed
        return max(asked / 10, min(BLACKLISTED_IN_SMALL_RUNS, asked / 2))

    def _about(self) -> list[tuple[str, str]]:
        return [("tag", self.tag_name or "(none)")]

    def _more_rows(self) -> list[tuple[str, str]]:
        return [("chunks", f"{self.chunks:,}")]


@dataclass
class ListSummary(CreateSummary):
    """
    The counts of a run that keeps a list in step; ``snapshot_after`` is ``snapshot_before`` plus newly recorded
    contacts, minus ``removed``.

    The parameters of :class:`CreateSummary` mean the same here; ``requests`` and ``retries`` include those to
    ``contact/delete``, and with ``dry_run`` rows and contacts count as they would be if nothing held the run.

    :param unchanged: contacts that are on the list already, exactly like this; nothing was sent for them.
    :param opted_out: rows with numbers that opted out; nothing was sent for them.
    :param unsent: rows that would have been sent if nothing had held the run.
    :param opted_out_invalid: opt-outs that cannot be read.
    :param opted_out_blank: opt-outs without a number.
    :param removed: contacts that were removed from the list.
    :param removed_opted_out: how many of these opted out.
    :param kept: contacts that should have been removed but were not.
    :param kept_reason: why they were not.
    :param unsettled: contacts that Octopush refused to remove but that may be gone already, or that it removed but that
        a killed process may still send; a later run removes them once more.
    :param exceeded: what held the run, as sentences; with ``dry_run``, what would hold or fail a run.
    :param first_run: whether there was no snapshot, so that nothing was known of the list.
    :param generation: generation of the snapshot that the run found: how often it had been replaced; 0 if there was
        none, and in the summary of several lists.
    :param snapshot_before: how many contacts the snapshot held before the run.
    :param snapshot_after: how many contacts it holds afterwards.
    :param changes_path: URI of the file of changes, if there is one.
    """

    operation: ClassVar[str] = "sync"
    outcomes: ClassVar[tuple[str, ...]] = OUTCOMES["sync"]
    more_counts: ClassVar[tuple[str, ...]] = (
        "chunks",
        "opted_out_invalid",
        "opted_out_blank",
        "removed",
        "removed_opted_out",
        "kept",
        "unsettled",
        "snapshot_before",
        "snapshot_after",
    )
    more_metrics: ClassVar[tuple[str, ...]] = ("removed", "kept")

    _what_dry_run_means: ClassVar[str] = "nothing was sent or removed; rows and contacts count as they would"

    unchanged: int = 0
    opted_out: int = 0
    opted_out_invalid: int = 0
    opted_out_blank: int = 0
    removed: int = 0
    removed_opted_out: int = 0
    kept: int = 0
    kept_reason: str | None = None
    unsettled: int = 0
    exceeded: list[str] = field(default_factory=list)
    first_run: bool = False
    generation: int = 0
    snapshot_before: int = 0
    snapshot_after: int = 0
    changes_path: str | None = None

    def _more_rows(self) -> list[tuple[str, str]]:
        return [
            ("removed", f"{self.removed:,} ({self.removed_opted_out:,} of them opted out)"),
            *([("kept", f"{self.kept:,}: {self.kept_reason}")] if self.kept else []),
            *[("limit", one) for one in self.exceeded],
            *([("unsettled", f"{self.unsettled:,}: perhaps gone, a later run asks again")] if self.unsettled else []),
            *([("opted out, not readable", f"{self.opted_out_invalid:,}")] if self.opted_out_invalid else []),
            *([("opted out, blank", f"{self.opted_out_blank:,}")] if self.opted_out_blank else []),
            (
                "snapshot",
                f"{self.snapshot_before:,} before{', the first run' * self.first_run}, {self.snapshot_after:,} after",
            ),
            *([("changes", self.changes_path)] if self.changes_path else []),
            *super()._more_rows(),
        ]


@dataclass
class DeletionSummary(Summary):
    """
    The counts of a run that removes contacts.

    The parameters of :class:`Summary` mean the same here; ``requests`` counts the requests to ``contact/delete``.

    :param removed: rows with a number that Octopush removed.
    :param absent: rows whose numbers it refused to remove, and which are taken to be gone already: it removed others in
        the same run, or this is the retry of a task that was killed after it had asked.
    :param kept: rows with a number that Octopush refused to remove.
    :param ambiguous: rows that may stand for more than one contact of the snapshot; none of these was removed.
    :param numbers: how many numbers Octopush was asked to remove; a row without a written country may stand for
        several.
    :param forgotten: how many contacts were erased from the snapshot.
    """

    operation: ClassVar[str] = "delete"
    outcomes: ClassVar[tuple[str, ...]] = OUTCOMES["delete"]
    more_counts: ClassVar[tuple[str, ...]] = ("numbers", "forgotten")
    _what_dry_run_means: ClassVar[str] = "nothing was removed; rows and contacts count as they would"

    removed: int = 0
    absent: int = 0
    kept: int = 0
    ambiguous: int = 0
    numbers: int = 0
    forgotten: int = 0

    def _what_to_do_about(self, rejected: int) -> str:  # noqa: ARG002 - to erase fewer is no way out
        return "These were not removed: correct them, and run the task again"


#: Operation → its summary.
_KINDS = {kind.operation: kind for kind in (CreateSummary, ListSummary, DeletionSummary)}
