"""The whole way of the rows of one run: mapping, duplicates out, chunks, delivery, counts."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from airflow_provider_octopush.contacts.delivery import Delivered, Delivery
from airflow_provider_octopush.contacts.duplicates import SeenNumbers
from airflow_provider_octopush.contacts.mapping import Contact, ContactMapper, Rejection, Stage
from airflow_provider_octopush.contacts.summary import Summary

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 10.0
UNKNOWN_STATUSES_LOGGED = 10


class ContactSync:
    """
    Brings the rows of one run to one list.

    :param mapper: turns rows into contacts.
    :param delivery: sends chunks of contacts.
    :param chunk_size: contacts in a chunk.
    :param list_name: the list, for the summary.
    :param tag_name: the tag, for the summary.
    """

    def __init__(
        self,
        mapper: ContactMapper,
        delivery: Delivery,
        *,
        chunk_size: int,
        list_name: str | None = None,
        tag_name: str | None = None,
    ) -> None:
        self._mapper = mapper
        self._delivery = delivery
        self._chunk_size = chunk_size
        self._seen = SeenNumbers()
        self._unknown_statuses: Counter[str] = Counter()
        self._started = self._progress_told = time.monotonic()
        self.summary = Summary(list_name=list_name, tag_name=tag_name)

    def run(self, frames: Iterable[pd.DataFrame]) -> Summary:
        """
        Send everything, and count what became of it.

        :param frames: the rows, as DataFrames of dtype object.
        :return: the counts, which add up.
        :raises ColumnError: when a column that is asked for is not there.
        :raises OctopushError: when the run cannot go on. :attr:`summary` then holds what had an outcome until then.
        """
        self._started = self._progress_told = time.monotonic()
        try:
            for chunk in self._chunks(frames):
                self.summary.chunks += 1
                self._settle(self._delivery.deliver(chunk))
                self._tell_progress()
        finally:
            self.summary.requests = self._delivery.requests
            self.summary.retries = self._delivery.retries
            self.summary.duration_seconds = time.monotonic() - self._started
        self.summary.check()
        self._tell_unknown_statuses()
        return self.summary

    def _chunks(self, frames: Iterable[pd.DataFrame]) -> Iterator[list[Contact]]:
        chunk: list[Contact] = []
        for frame in frames:
            for contact in self._contacts(frame):
                chunk.append(contact)
                if len(chunk) == self._chunk_size:
                    yield chunk
                    chunk = []
            self._tell_progress()
        if chunk:
            yield chunk

    def _contacts(self, frame: pd.DataFrame) -> Iterator[Contact]:
        for row in self._mapper.map(frame, self.summary.read + 1):
            self.summary.read += 1
            if isinstance(row, Rejection):
                self._reject(row)
            elif self._seen.add(row.number):
                yield row
            else:
                self._reject(Rejection(row.row, Stage.DUPLICATE, "same number as an earlier row", row.values))

    def _settle(self, delivered: Delivered) -> None:
        for outcome, number in delivered.confirmed.items():
            self.summary.count(outcome, number)
        for rejection in delivered.rejections:
            self._reject(rejection)
        self._unknown_statuses.update(delivered.unknown_statuses)

    def _reject(self, rejection: Rejection) -> None:
        self.summary.count_rejection(rejection)

    def _tell_progress(self) -> None:
        now = time.monotonic()
        if now - self._progress_told >= PROGRESS_SECONDS:
            self._progress_told = now
            confirmed = self.summary.confirmed
            log.info(
                "%d rows read, %d contacts confirmed, %.0f contacts a second",
                self.summary.read,
                confirmed,
                confirmed / (now - self._started),
            )

    def _tell_unknown_statuses(self) -> None:
        if self._unknown_statuses:
            log.warning(
                "%d contacts were answered with statuses that are not documented, so what became of them is not "
                "known; they are counted as other: %s",
                self._unknown_statuses.total(),
                ", ".join(
                    f"{status[:40]!r}: {number}"
                    for status, number in self._unknown_statuses.most_common(UNKNOWN_STATUSES_LOGGED)
                ),
            )
