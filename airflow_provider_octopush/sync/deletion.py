"""One run that removes contacts: rows are read as they are for sending, and their numbers removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import compress
from typing import TYPE_CHECKING

from airflow_provider_octopush.contacts.duplicates import SeenNumbers
from airflow_provider_octopush.contacts.rejection import Rejection, Stage
from airflow_provider_octopush.delivery.delivery import StoppedError
from airflow_provider_octopush.exceptions import ContactsKeptError
from airflow_provider_octopush.sync.removal import NUMBERS_MAX, Candidate, Removal
from airflow_provider_octopush.sync.summary import DeletionSummary
from airflow_provider_octopush.sync.sync import Frames, KilledError

if TYPE_CHECKING:
    from airflow_provider_octopush.contacts.mapping import ContactMapper
    from airflow_provider_octopush.sync.sync import Rejects


class ContactDeletion:
    """
    Removes the numbers of rows.

    :param mapper: turns rows into contacts.
    :param make_removal: makes the part that removes.
    :param summary: with nothing counted yet.
    :param rejects: where rejected rows are written; None writes them nowhere.
    """

    def __init__(
        self,
        mapper: ContactMapper,
        make_removal: Callable[..., Removal],
        summary: DeletionSummary,
        rejects: Rejects | None = None,
    ) -> None:
        self._mapper = mapper
        self._rejects = rejects
        self._removal = make_removal(note=self._note)
        self.summary = summary
        #: The numbers that are gone.
        self.gone: list[int] = []

    def kill(self) -> None:
        """End the run, from another thread: nothing more is sent."""
        self._removal.stop()

    def run(self, open_frames: Callable[[], Frames]) -> DeletionSummary:
        """
        Remove the numbers.

        :param open_frames: gives the rows.
        :return: the counts, which add up.
        :raises OctopushError: when the run cannot go on; :attr:`gone` then says who is gone.
        :raises KilledError: when it was told to end.
        """
        started = time.monotonic()
        summary = self.summary
        with closing(open_frames()) as frames:
            candidates = self._candidates(frames)
            if summary.validate_only:
                summary.removed = sum(1 for _ in candidates)
                summary.requests = -(-summary.removed // NUMBERS_MAX)
            else:
                try:
                    kept = self._removal.remove(candidates)
                except StoppedError:
                    raise KilledError("told to end while contacts were removed: run the task again") from None
                summary.absent, summary.kept = kept.presumed, len(kept.kept)
                summary.removed = len(self.gone) - summary.absent
                summary.requests, summary.retries = self._removal.requests, self._removal.retries
                self._said = kept.said
        summary.duration_seconds = time.monotonic() - started
        summary.check()
        return summary

    _said: str | None = None

    def check(self, max_rejected: float) -> None:
        """
        Check that all numbers are gone.

        :raises TooManyRejectedError: when more rows could not be read than may be.
        :raises ContactsKeptError: when Octopush refused to remove numbers.
        """
        self.summary.check_rejected(max_rejected)
        if self.summary.kept:
            raise ContactsKeptError(
                f"Octopush refused to remove {self.summary.kept:,} of {self.summary.read:,} contacts, and nothing "
                f"shows that they are gone already ({self._said}): check that the list is there under this name, or "
                "look for them in Octopush's own pages. All others are gone"
            )

    def _candidates(self, frames: Frames) -> Iterator[Candidate]:
        seen = SeenNumbers()
        for frame in frames:
            contacts, rejections = self._mapper.map(frame, self.summary.read + 1)
            self.summary.read += len(frame)
            is_new = seen.add_all([contact.number for contact in contacts])
            rejections += [
                Rejection(contact.row, Stage.DUPLICATE, "same number as an earlier row", contact.values)
                for contact, new in zip(contacts, is_new, strict=True)
                if not new
            ]
            for rejection in rejections:
                self.summary.count_rejection(rejection)
            if self._rejects is not None and rejections:
                self._rejects.write(rejections)
            for contact in compress(contacts, is_new):
                yield Candidate(contact.payload.phone_number, record=contact.number)

    def _note(self, candidates: Sequence[Candidate]) -> None:
        self.gone += [candidate.record for candidate in candidates]
