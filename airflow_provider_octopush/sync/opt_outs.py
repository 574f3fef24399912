"""Reads opt-outs, and checks that none seem to be missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_octopush.contacts.duplicates import SeenNumbers
from airflow_provider_octopush.contacts.rejection import Rejection
from airflow_provider_octopush.exceptions import OptOutsMissingError, TooManyRejectedError
from airflow_provider_octopush.limits import Limit
from airflow_provider_octopush.outcomes import Outcome
from airflow_provider_octopush.phones.reasons import PhoneReason

if TYPE_CHECKING:
    from airflow_provider_octopush.contacts.opt_out_reader import OptOutReader
    from airflow_provider_octopush.sync.create import Frames
    from airflow_provider_octopush.sync.diff import Diff
    from airflow_provider_octopush.sync.rejects import RejectsFile

#: This many opt-outs may be taken back from one night to the next, whatever their share.
FEW = 10


@dataclass(frozen=True)
class OptOuts:
    """
    The source of the numbers that must not be on the list.

    :param open_frames: opens their rows.
    :param reader: reads the numbers in a frame.
    :param rejects: the file for those that cannot be read; None writes none.
    :param rejects_path: its URI.
    """

    open_frames: Callable[[], Frames]
    reader: OptOutReader
    rejects: RejectsFile | None = None
    rejects_path: str | None = None

    def read(self, diff: Diff) -> OptOutsRead:
        """Read all of them, and block in the diff every number that they may stand for."""
        read, seen = OptOutsRead(rejects_path=self.rejects_path), SeenNumbers()
        with closing(self.open_frames()) as frames:
            for frame in frames:
                found = self.reader.read(frame)
                rejections = [
                    Rejection(row, Outcome.INVALID, one.possible.reason.value, one.values)
                    for row, one in enumerate(found, read.rows + 1)
                    if one.possible.reason not in (None, PhoneReason.MISSING)
                ]
                if self.rejects is not None and rejections:
                    self.rejects.write(rejections)
                reasons = [one.possible.reason for one in found]
                read.rows += len(found)
                read.blank += reasons.count(PhoneReason.MISSING)
                read.invalid += len(rejections)
                read.reasons.update(rejection.reason for rejection in rejections)
                read.readable += sum(
                    seen.add_all([min(one.possible.numbers) for one in found if not one.possible.reason])
                )
                diff.opt_out(
                    {number for one in found for number in one.possible.numbers},
                    {one.possible.elsewhere for one in found if one.possible.elsewhere is not None},
                )
        return read


@dataclass
class OptOutsRead:
    """
    The counts of opt-outs.

    :param rows: rows read.
    :param blank: of these, rows without a number.
    :param invalid: of these, rows whose number cannot be read.
    :param readable: different opt-outs that can be read.
    :param reasons: why numbers cannot be read → how many rows.
    :param rejects_path: URI of the file that has these rows; None if there is none.
    """

    rows: int = 0
    blank: int = 0
    invalid: int = 0
    readable: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    rejects_path: str | None = None

    def check_whole(self, last: int, least: Limit | None) -> None:
        """
        Check that they can be read, and that there are not too few.

        :param last: how many opt-outs there were the last time that this check passed.
        :param least: how many there must be; None for nine tenths of ``last``.
        :raises TooManyRejectedError: when none can be read.
        :raises OptOutsMissingError: when some must be missing.
        """
        if self.invalid == self.rows - self.blank > 0:
            raise TooManyRejectedError(
                f"none of {self.invalid:,} opt-outs can be read: {self._why()}. Nothing was sent, because it is not "
                "known which contacts they are"
            )
        if least is not None:
            is_enough = self.readable >= least.least(last)
            asked = f"min_opted_out ({least}) asks for {least.least(last):,}"
        else:
            # A few always take their opt-out back.
            is_few = last - self.readable <= FEW and self.readable > 0
            is_enough = is_few or self.readable * 10 >= last * 9
            asked = f"nine tenths are {-(-last * 9 // 10):,}"
        if not is_enough:
            raise OptOutsMissingError(
                f"{self.readable:,} opt-outs were read, and {last:,} the last time; {asked}. That looks like a failed "
                "reload, not consent. Nothing was sent. Look at the table; if it is right, trigger a run with "
                f"min_opted_out={self.readable}"
            )

    def check_readable(self, max_rejected: Limit, *, is_dry_run: bool = False) -> None:
        """
        Check that not too many are unreadable, and that they are not mostly blank, as in a wrong column.

        :param is_dry_run: whether those that can be read were left on the list as well.
        :raises TooManyRejectedError: when they are.
        """
        if self.blank * 2 > self.rows:
            raise TooManyRejectedError(
                f"{self.blank:,} of {self.rows:,} opt-outs have no number: check that the right column is read, and "
                "that each row has a number. Nothing was sent, because it is not known which contacts they are"
            )
        most = max_rejected.most(self.rows)
        share = "" if max_rejected.share is None else f" ({max_rejected})"
        if self.invalid > most:
            raise TooManyRejectedError(
                f"{self.invalid:,} of {self.rows:,} opt-outs cannot be read; max_rejected{share} allows {most:,}: "
                f"{self._why()}. Nothing was sent, because it is not known which contacts they are"
                f"{'' if is_dry_run else ', and all other opt-outs were removed'}. Correct them where they come from"
            )

    def _why(self) -> str:
        where = f" (they are in {self.rejects_path})" if self.rejects_path else ""
        return "; ".join(f"{number:,} × {reason}" for reason, number in sorted(self.reasons.items())) + where
