"""
What a list holds, as far as it is known: read before a run, written down before anything is done, replaced at its end.

A snapshot is one file (:mod:`~airflow_provider_octopush.snapshot.snapshot_file`), whose generation rises each time that
it is replaced. Beside it are the sign of each run, the journal of what it is about to send and remove, what was
confirmed since, and a small head with what has to be remembered although the snapshot stays as it is. Whoever the
server may hold through this task is in one of these at every moment. A run that ends well puts all of it into the next
generation. What a run leaves that was killed stays where it is, and the next run goes on from there.

Object stores have no compare-and-swap, so two runs at a time cannot be kept apart; but the newer one wins: each looks
for a newer sign after it has put its journal, now and then while it sends, before it removes, and before it replaces.
Nothing that was noted is lost by it (see :mod:`~airflow_provider_octopush.snapshot.opening`).
"""

from __future__ import annotations

import logging
import re
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from airflow_provider_octopush.exceptions import (
    SnapshotConflictError,
    SnapshotError,
    SupersededError,
)
from airflow_provider_octopush.snapshot.marks import CONFIRMED, KEPT, OF_OLDER_SECRET, STATUSES, Mark, are
from airflow_provider_octopush.snapshot.opening import Noted, Opening, Run, names_of
from airflow_provider_octopush.snapshot.records import Array, Records, Spool, merged
from airflow_provider_octopush.snapshot.sealing import Keys
from airflow_provider_octopush.snapshot.snapshot_file import (
    Header,
    Identity,
    read_header,
    read_identity,
    seal_identity,
    write,
)
from airflow_provider_octopush.snapshot.store import ONE_AT_A_TIME, TIP, Store

if TYPE_CHECKING:
    from airflow_provider_octopush.payloads import ContactPayload

log = logging.getLogger(__name__)

#: What was confirmed is noted when it is by this part more than what was noted, and after so many seconds: dozens of
#: times in the longest run. It only saves work: what may be on the list is in the journal.
GROWN_BY = 0.1
NOTED_AFTER = 30.0

#: Seconds between two looks whether a newer run has begun.
LOOKED_AFTER = 30.0

#: The sign of a run is a name that rises with time. Who erases has one of another kind, which ends no run.
_SIGN = re.compile(r"([0-9a-f]{16})[0-9a-f]{8}(e?)-[0-9]+")


class Snapshot:
    """
    An opened snapshot, and what a run notes on top of it.

    :param store: where it is kept.
    :param keys: of all secrets; the first one writes.
    :param identity: what it has to be about.
    :param run: that goes on.
    :param writes: False leaves the store as it is.
    :raises SnapshotError: one of its subclasses, when it cannot be relied on.
    """

    def __init__(
        self, store: Store, keys: Sequence[Keys], identity: Identity, run: Run, *, writes: bool = True
    ) -> None:
        self._store = store
        self._keys = keys
        self._identity = identity
        self._run = run
        self._writes = writes
        # Later than all others, though the clocks of workers should differ.
        signs = [
            int(match[1], 16) for name in (store.additions() if writes else ()) if (match := _SIGN.fullmatch(name))
        ]
        stamp = max([time.time_ns(), *(sign + 1 for sign in signs)])
        self._try = f"{stamp:016x}{secrets.token_hex(4)}{'e' * run.erases}"
        self._part = 0
        self._looked_at = time.monotonic()
        #: Of what is noted: a run that a limit holds leaves it to an older one to do the same.
        self._date: str | None = None
        self._flushing = threading.Lock()
        self._flushed = Noted()
        self._flushed_at = time.monotonic()
        self._resources = ExitStack()
        try:
            self._spool = self._resources.enter_context(closing(Spool()))
            if run.erases and (content := store.fetch_beginning()) is not None:
                self._identity = read_identity(content, keys, store.name)
            if writes and None not in self._identity:
                # First of all, so that of two runs at least one sees the other.
                self._put_addition(Noted(), [])
            opening = Opening(store, keys, identity, run, self._try, self._resources)
        except BaseException:
            self.close()
            raise
        self._opening = opening
        self._identity = opening.identity
        self._records = opening.records
        self._noted = opening.noted
        base = opening.base
        #: Whether there was no snapshot.
        self.first_run = base is None
        #: Whether nothing stands beside it either.
        self.is_blank = opening.is_blank
        self._remembered = opening.remembered
        self._reading = dict(run.reading or ({} if base is None else base.reading))
        differing = [reading for reading in opening.readings if reading != self._reading]
        #: Whether phone numbers are read otherwise than when it, or what was noted beside it, was written. Where no
        #: reading is known, as in one that was adopted, nothing speaks against tonight's.
        self.reads_otherwise = any(differing)
        self._is_outdated = opening.is_outdated or bool(differing)

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back all files; what was noted but not replaced stays among the additions."""
        self._resources.close()
        if self._part == 1:
            with suppress(Exception):
                # Nothing but the sign that a run is under way.
                self._store.remove_additions([self._addition(0)])

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self._store.name

    @property
    def noted(self) -> Noted:
        """What was noted until now, by this try and by those before it."""
        return self._noted

    @property
    def size(self) -> int:
        """How many contacts there are to look up: those that the list held before this try."""
        return self._records.count

    @property
    def opted_out(self) -> int:
        """How many people had opted out, the last time that this was found to be right."""
        return self._remembered.opted_out

    @property
    def generation_before(self) -> int:
        """The generation that the run found, in the first of its tries; 0 where there was no snapshot."""
        base = self._opening.base
        # An earlier try may have ended after it had replaced the snapshot.
        is_own = base is not None and base.run_of_tries in names_of(self._run, self._keys)
        return self._opening.generation - int(is_own)

    @property
    def countries(self) -> frozenset[int]:
        """Country codes of the numbers that were ever held."""
        return self._remembered.countries

    @property
    def has_leftovers(self) -> bool:
        """Whether an earlier try of this run has left something beside it."""
        return bool(self._opening.stale)

    @property
    def size_now(self) -> int:
        """How many contacts it would hold if it were replaced now."""
        return self._noted.before + self._noted.noted - self._noted.removed

    @property
    def size_for_limits(self) -> int:
        """
        How many contacts the list held before all tries of the run.

        What runs have added that did not come to their end does not count: their rows may not have been right.
        """
        base = self._opening.base
        if base is None or base.run_of_tries in names_of(self._run, self._keys):
            return self._noted.before
        return min(self._noted.before, base.records)

    # What is asked of it.

    def find(self, numbers: Sequence[int]) -> tuple[Array, Array]:
        """
        Look up numbers.

        :return: the position of each, or -1 where it is not there; and its record, sealed in any case.
        """
        sealed = self._keys[0].seal(numbers)
        positions, found = self._records.find(sealed)
        missing = positions < 0
        found[missing] = sealed[missing]
        return positions, found

    def compare(self, payloads: Sequence[ContactPayload], found: Array) -> tuple[Array, Array]:
        """
        Compare what would be sent of contacts with what was sent.

        :param found: their records.
        :return: for each, whether it is the same; and its digest.
        """
        digests = self._keys[0].digests(payloads, self._run.meaning)
        same = are(found, CONFIRMED) & (found["digest"] == digests)
        for keys in range(1, len(self._keys)):
            older = np.flatnonzero(found["mark"] == Mark.OLDER_SECRET + keys)
            if len(older):
                of_older = [payloads[position] for position in older.tolist()]
                then = self._keys[keys].digests(of_older, self._run.meaning)
                same[older] = found["digest"][older] == then
        return same, digests

    def records_at(self, positions: Array) -> Iterator[Array]:
        """
        Give the records at positions.

        :param positions: ascending.
        """
        for start in range(0, len(positions), 10_000):
            yield self._records.at(positions[start : start + 10_000])

    def numbers(self, records: Array) -> list[int]:
        """
        Open the numbers of records.

        :raises SnapshotUnreadableError: when one cannot be opened.
        """
        return self._keys[0].open(records)

    # What is noted.

    def note_journal(self, to_send: Records, newly: int, to_remove: Array, *, is_whole: bool = True) -> None:
        """
        Note, before anything is sent and so that it outlives this process, all that is about to be sent and removed.

        :param to_send: records of contacts.
        :param newly: how many of them the snapshot does not hold.
        :param to_remove: positions.
        :param is_whole: whether this is all that the run does, so that an older run has nothing left to do.
        :raises Exception: what the store raises; nothing may be sent or removed then.
        """
        before = self._noted.records
        if is_whole:
            self._date = self._run.date
        for block in to_send.blocks():
            self.note_about_to_send(block, 0)
        self._noted = replace(self._noted, noted=self._noted.noted + newly)
        for records in self.records_at(to_remove):
            self._note(_marked(records, Mark.REMOVING))
        if self._noted.records > before:
            self.flush()

    def note_about_to_send(self, records: Array, newly: int) -> None:
        """
        Note that contacts are about to be sent: the list may have them from now on, nobody knows how.

        :param newly: how many of them the snapshot does not hold.
        """
        self._note(_marked(records, Mark.UNKNOWN), noted=self._noted.noted + newly)

    def note(self, found: Array, digests: Array, statuses: Sequence[str | None]) -> None:
        """
        Note contacts as the list has them.

        :param found: their records.
        :param digests: of what it has.
        :param statuses: ``added``, ``updated`` or ``skipped``, as Octopush confirmed it; None: it has that since an
            earlier run.
        """
        records = found.copy()
        records["digest"] = digests
        records["mark"] = [Mark.KNOWN if status is None else STATUSES[status] for status in statuses]
        self._note(records)

    def note_as_before(self, records: Array, is_there: Array) -> None:
        """
        Note that contacts are as they were: nothing that was sent of them, or to remove them, had an effect.

        :param records: as they were.
        :param is_there: whether the snapshot holds each.
        """
        as_before = records.copy()
        as_before["mark"][~is_there] = Mark.REMOVED
        self._note(as_before, noted=self._noted.noted - int((~is_there).sum()))

    def note_opted_out(self, number: int) -> None:
        """
        Note, so that it outlives this process, how many people have opted out.

        :raises Exception: what the store raises; nothing may be sent then.
        """
        self._remembered = replace(self._remembered, opted_out=number)
        self._put_head(self._opening.generation, self._opening.date)

    def note_countries(self, codes: Iterable[int]) -> None:
        """Note country codes of numbers that are about to be sent."""
        self._remembered = replace(self._remembered, countries=self._remembered.countries.union(codes))

    def note_kept(self, records: Array) -> None:
        """Note that contacts are as they were: a request to remove them was refused."""
        kept = records.copy()
        kept["mark"][records["mark"] == Mark.KNOWN] = Mark.REFUSED
        self._note(kept)

    def note_removing(self, records: Array) -> None:
        """
        Note, before it is done and so that it outlives this process, that contacts are removed.

        :raises Exception: what the store raises; nothing may be removed then.
        """
        self._note(_marked(records, Mark.REMOVING))
        self.flush()

    def note_removed(self, records: Array, **counts: float) -> None:
        """
        Note that contacts were removed.

        :param counts: what else is counted from here on.
        """
        # Who another process may still send is removed again by a later run.
        is_gone = records["mark"] != Mark.TAKEN_OVER
        self._note(
            _marked(records, np.where(is_gone, Mark.REMOVED, Mark.UNKNOWN)),
            removed=self._noted.removed + int(is_gone.sum()),
            counts={**self._noted.counts, **counts},
        )

    def note_counts(self, **counts: float) -> None:
        """Note what else is counted, for the summary of the next try."""
        self._noted = replace(self._noted, counts={**self._noted.counts, **counts})

    def _note(self, records: Array, **changes: Any) -> None:
        if len(records):
            end = self._spool.write(records, self._noted.records)
            self._noted = replace(self._noted, records=end, **changes)

    def flush_if_due(self) -> None:
        """
        Put what was noted where it outlives this process, when it is much and long enough after the last time.

        A store that fails costs a repetition at most if the process dies as well, so it does not end the run.
        """
        grown = self._noted.records - self._flushed.records
        if grown <= GROWN_BY * self._flushed.records or time.monotonic() - self._flushed_at < NOTED_AFTER:
            return
        self.flush_quietly()

    def flush_quietly(self) -> None:
        """Put what was noted where it outlives this process; a store that fails is told of in the log."""
        try:
            self.flush()
        except Exception as error:  # noqa: BLE001 - whatever the store raises
            self._flushed_at = time.monotonic()
            log.warning("what was confirmed could not be noted beside %s: %s", self._store.name, type(error).__name__)

    def flush(self) -> None:
        """Put what was noted where it outlives this process; may be called in any thread."""
        with self._flushing:
            noted = self._noted
            if self._writes and noted.records and noted is not self._flushed:
                self._put_addition(noted, self._spool.records(self._flushed.records, noted.records).blocks())
            self._flushed = noted
            self._flushed_at = time.monotonic()

    def check_alone(self) -> None:
        """
        Check that this run is the newest that works with the snapshot, and that nobody has replaced it.

        :raises SupersededError: when a newer run has begun; to an erasure that is a SnapshotConflictError.
        :raises SnapshotConflictError: when the snapshot is another one.
        """
        if not self._writes:
            return
        newer = self._newer_run()
        if newer is not None:
            raise newer
        content = self._store.fetch_beginning()
        now = None if content is None else read_header(content, self._store.name)[0]
        base = self._opening.base
        if (None if base is None else base.run) == (None if now is None else now.run):
            return
        if self._run.erases or (now is not None and now.run > self._try and not now.run.endswith("e")):
            raise self._superseded()
        raise SnapshotConflictError(
            f"another run has replaced {self._store.name} meanwhile: what this run did is noted. {ONE_AT_A_TIME}"
        )

    def newer_run_if_due(self) -> SnapshotError | None:
        """Look, now and then, whether a newer run has begun; a store that fails is asked again later."""
        if time.monotonic() - self._looked_at < LOOKED_AFTER:
            return None
        try:
            return self._newer_run()
        except Exception as error:  # noqa: BLE001 - whatever the store raises
            log.warning("whether another run writes %s is not known: %s", self._store.name, type(error).__name__)
            return None

    def _newer_run(self) -> SnapshotError | None:
        self._looked_at = time.monotonic()
        signs = [match for name in self._store.additions() if (match := _SIGN.fullmatch(name))]
        if self._run.erases:
            # Whatever has come since, a sign that took long to be put included.
            tries = {name.partition("-")[0] for name in self._opening.known} | {self._try}
            is_newer = any(match[0].partition("-")[0] not in tries for match in signs)
        else:
            is_newer = any(match[0].partition("-")[0] > self._try for match in signs if not match[2])
        return self._superseded() if is_newer else None

    def _superseded(self) -> SnapshotError:
        if self._run.erases:
            return SnapshotConflictError(
                f"a run that writes {self._store.name} has begun while people were erased, and may bring them back: "
                "run this task again once it has ended"
            )
        return SupersededError(
            f"a newer run of the task took over {self._store.name}, and reads the whole audience: this one has ended "
            "for good. Let one run at a time write it (max_active_runs=1)"
        )

    def put_head(self) -> None:
        """Put what has to be remembered beside the snapshot, which stays as it is, with its date."""
        self._put_head(self._opening.generation, self._opening.date)

    def _put_head(self, generation: int, date: str | None) -> None:
        if not self._writes:
            return
        base = self._opening.base
        beside = "" if base is None else base.run
        if generation != self._opening.generation:
            beside = self._try
        elif self._opening.was_restored:
            # Until it is replaced, each run has to see that.
            beside = _NOTHING_KNOWN
        header = msgspec.structs.replace(self._header(generation, date), beside=beside)
        file, _ = write(header, self._keys[0], [])
        with file:
            self._store.put_addition(TIP, file)

    def _header(self, generation: int, date: str | None) -> Header:
        return Header(
            secret=self._keys[0].name,
            identity=seal_identity(self._identity, self._keys[0]),
            generation=generation,
            run=self._try,
            date=date,
            opted_out=self.opted_out,
            reading=self._reading,
            countries=sorted(self.countries),
            **self._instance(),
        )

    def replace(self, *, opted_out: int | None = None, forgets: bool = False) -> int:
        """
        Put the next generation in the snapshot's place. Nothing may be flushed meanwhile.

        Where nothing has changed, only what has to be remembered is put beside it.

        :param opted_out: how many people have opted out; None: as many as is known.
        :param forgets: True: leave nothing behind of who was removed, even if another run might have wanted it.
        :return: how many contacts it holds.
        :raises SnapshotError: one of its subclasses, when another run works with the snapshot.
        :raises RuntimeError: when the counts do not add up, which is a bug of this provider.
        """
        self.check_alone()
        if opted_out is not None:
            self._remembered = replace(self._remembered, opted_out=opted_out)
        date = max(filter(None, [self._opening.date, self._run.date]), default=None)
        if not self._noted.records and not self._is_outdated and not forgets:
            self._put_head(self._opening.generation, date)
            self._tidy_up(forgets=False)
            return self.size
        noted = self._noted
        header = msgspec.structs.replace(
            self._header(self._opening.generation + 1, date),
            included={**self._still_there(), **self._opening.included, self._try: self._part - 1},
            run_of_tries=names_of(self._run, self._keys)[0],
            counts=self._counts(self._noted),
        )
        spool = self._spool.records(0, noted.records)
        file, number = write(header, self._keys[0], map(_as_kept, merged(self._records, spool)))
        with file:
            if number != noted.before + noted.noted - noted.removed:
                raise RuntimeError(
                    f"the counts of the snapshot do not add up: {noted.before} before, {noted.noted} newly noted and "
                    f"{noted.removed} removed, but {number} after. This is a bug of airflow-provider-octopush: please "
                    "report it with this message"
                )
            self._store.put(file)
        now = self._store.fetch_beginning()
        if now is None or read_header(now, self._store.name)[0].run != self._try:
            raise SnapshotConflictError(f"another run has replaced {self._store.name} meanwhile. {ONE_AT_A_TIME}")
        if forgets and (newer := self._newer_run()) is not None:
            raise newer
        self._put_head(header.generation, date)
        self._tidy_up(forgets=forgets)
        return number

    @staticmethod
    def _counts(noted: Noted) -> dict[str, float]:
        return {**noted.counts, "before": noted.before, "noted": noted.noted, "removed": noted.removed}

    def _instance(self) -> dict[str, Any]:
        return {
            "dag_run": self._keys[0].digest_text(self._run.dag_run.encode()) if self._run.dag_run else "",
            "map_index": self._run.map_index,
        }

    def _still_there(self) -> dict[str, int]:
        included = {} if self._opening.base is None else self._opening.base.included
        runs = {name.partition("-")[0] for name in self._opening.stale}
        return {run: number for run, number in included.items() if run in runs}

    def _tidy_up(self, *, forgets: bool) -> None:
        names = [*self._opening.stale, *(self._addition(number) for number in range(self._part))]
        self._part = 0
        try:
            self._store.remove_additions(names)
        except Exception as error:
            if forgets:
                raise
            log.warning("additions to %s were not removed: %s", self._store.name, type(error).__name__)

    def _addition(self, number: int) -> str:
        return f"{self._try}-{number:06}"

    def _put_addition(self, noted: Noted, records: Iterable[Array]) -> None:
        is_sign = not self._part
        header = Header(
            secret=self._keys[0].name,
            identity=seal_identity(self._identity, self._keys[0]),
            generation=0 if is_sign else self._opening.generation,
            run=self._try,
            date=self._date,
            sequence=self._part,
            run_of_tries=names_of(self._run, self._keys)[0],
            included={} if is_sign else self._opening.included,
            reading={} if is_sign or self._run.reading is None else self._reading,
            opted_out=0 if is_sign else self.opted_out,
            countries=[] if is_sign else sorted(self.countries),
            **self._instance(),
            counts=self._counts(noted),
        )
        file, _ = write(header, self._keys[0], records)
        with file:
            self._store.put_addition(self._addition(self._part), file)
        self._part += 1


#: What a head stands beside where the snapshot was restored, or is gone.
_NOTHING_KNOWN = "restored"

#: A digest that is nobody's: the list has the contact, and whatever is sent of it is something else.
_NO_DIGEST = 0


def _as_kept(records: Array) -> Array:
    """Return records as they stand in a snapshot: known, or not."""
    kept = records.copy()
    # A digest under an older secret says nothing any more, but the list has the contact.
    kept["digest"][are(records, OF_OLDER_SECRET)] = _NO_DIGEST
    kept["mark"] = KEPT[records["mark"]]
    return kept


def _marked(records: Array, mark: Any) -> Array:
    marked = records.copy()
    marked["mark"] = mark
    return marked
