"""Opt-outs: read, and found to be all that there are."""

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

#: So many opt-outs may be taken back from one night to the next, whatever share of all they are.
FEW = 10


@dataclass(frozen=True)
class OptOuts:
    """
    Where numbers come from that must not be on the list.

    :param open_frames: gives their rows.
    :param reader: reads the numbers in a frame.
    :param rejects: where those are written that cannot be read; None writes them nowhere.
    """

    open_frames: Callable[[], Frames]
    reader: OptOutReader
    rejects: RejectsFile | None = None

    def read(self, diff: Diff) -> OptOutsRead:
        """Read all of them, and block in the diff every number that one may stand for."""
        read, seen = OptOutsRead(), SeenNumbers()
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
    What was read of opt-outs.

    :param rows: read.
    :param blank: of these, rows in which no number stands.
    :param invalid: of these, rows whose number cannot be read.
    :param readable: different people whose number can be read.
    :param reasons: why numbers cannot be read → rows.
    """

    rows: int = 0
    blank: int = 0
    invalid: int = 0
    readable: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def check_whole(self, last: int, least: Limit | None) -> None:
        """
        Check that they can be read, and that there are no fewer than there should be.

        :param last: how many people had opted out, the last time that this was found to be right.
        :param least: how many there must be; None for nine tenths of these.
        :raises TooManyRejectedError: when none can be read.
        :raises OptOutsMissingError: when some must be missing.
        """
        if self.invalid == self.rows - self.blank > 0:
            raise TooManyRejectedError(
                f"none of {self.invalid:,} numbers of people who opted out can be read: {self._why()}. Nothing was "
                "sent, because it is not known which contacts they are"
            )
        if least is not None:
            is_enough = self.readable >= least.least(last)
            asked = f"min_opted_out ({least}) asks for {least.least(last):,}"
        else:
            # Some always change their minds.
            is_few = last - self.readable <= FEW and self.readable > 0
            is_enough = is_few or self.readable * 10 >= last * 9
            asked = f"nine tenths are {-(-last * 9 // 10):,}"
        if not is_enough:
            raise OptOutsMissingError(
                f"{self.readable:,} people have opted out, and {last:,} had the last time; {asked}. That looks like a "
                "failed reload, not consent. Nothing was sent. Look at the table; if it is right, run the task once "
                f"with min_opted_out={self.readable}"
            )

    def check_readable(self, max_rejected: Limit) -> None:
        """
        Check that no more are unreadable than may be, and that not most of them are blank, as in a wrong column.

        :raises TooManyRejectedError: when there are more.
        """
        if self.blank * 2 > self.rows:
            raise TooManyRejectedError(
                f"{self.blank:,} of {self.rows:,} opt-outs have no number: check the column, and that each row has it. "
                "Nothing was sent, because it is not known which contacts they are"
            )
        most = max_rejected.most(self.rows)
        share = "" if max_rejected.share is None else f" ({max_rejected})"
        if self.invalid > most:
            raise TooManyRejectedError(
                f"{self.invalid:,} of {self.rows:,} numbers of people who opted out cannot be read; "
                f"max_rejected{share} allows {most:,}: {self._why()}. Nothing was sent, because it is not "
                "known which contacts they are; all other opt-outs are removed all the same"
            )

    def _why(self) -> str:
        return "; ".join(f"{number:,} × {reason}" for reason, number in sorted(self.reasons.items()))
