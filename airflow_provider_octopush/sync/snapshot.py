"""
What a list holds, as far as Octopush confirmed it: read before a run, noted while it goes on, replaced at its end.

A snapshot is one file (:mod:`~airflow_provider_octopush.sync.snapshot_file`), whose generation rises each time that it
is replaced, and beside it some additions: what runs noted while they went on. A run that ends well puts its additions
into the next generation. Those of a run that was killed stay where they are, and the next run goes on from there.

Object stores have no compare-and-swap, so two runs at a time cannot be kept apart; but they are found out, before a
number is removed and before the snapshot is replaced. Nothing that was noted is lost by it: additions to another
generation, or of runs that did not know of each other, count as "on the list, nobody knows how", so that such contacts
are sent again, or removed if they are no longer among the rows.
"""

from __future__ import annotations

import logging
import secrets
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np

from airflow_provider_octopush.exceptions import (
    OlderRunError,
    SnapshotConflictError,
    SnapshotMismatchError,
    SnapshotUnreadableError,
)
from airflow_provider_octopush.sync.records import CONFIRMED, Array, Mark, Records, Spool, merged
from airflow_provider_octopush.sync.sealing import Keys, NotSealedError
from airflow_provider_octopush.sync.snapshot_file import (
    Header,
    Identity,
    Opened,
    open_file,
    read_header,
    seal_identity,
    write,
)

if TYPE_CHECKING:
    from airflow_provider_octopush.payloads import ContactPayload

log = logging.getLogger(__name__)

#: Seconds after which what was confirmed is noted. A process that is killed forgets at most what came after.
NOTED_AFTER = 10.0

#: Records after which it is noted, whatever the time.
NOTED_TOGETHER = 100_000

#: The addition that only says which generation was the last one.
TIP = "last"

_STATUS_MARKS = {"added": Mark.ADDED, "updated": Mark.UPDATED, "skipped": Mark.SKIPPED}
_STATUSES = {int(mark): status for status, mark in _STATUS_MARKS.items()}


class Store(Protocol):
    """Where a snapshot is kept; every method may raise what the place raises."""

    @property
    def name(self) -> str:
        """What the snapshot is called in messages."""

    def fetch(self) -> BinaryIO | None:
        """Open the snapshot, in a file of this machine; None when there is none."""

    def fetch_beginning(self) -> bytes | None:
        """Return what holds the header of the snapshot that is there now; None when there is none."""

    def put(self, file: IO[bytes]) -> None:
        """Put a named file in the snapshot's place, whole or not at all."""

    def additions(self) -> list[str]:
        """Return the names of all additions."""

    def fetch_addition(self, name: str) -> BinaryIO | None:
        """Open an addition, in a file of this machine; None when it has gone meanwhile."""

    def put_addition(self, name: str, file: IO[bytes]) -> None:
        """Put a named file among the additions, whole or not at all."""

    def remove_additions(self, names: Iterable[str]) -> None:
        """Remove additions; those that are not there any more are no error."""


@dataclass(frozen=True)
class Run:
    """
    A run, as far as the snapshot minds it.

    :param tries: the same for all tries of the run, and for no other.
    :param date: ISO 8601 in UTC; a snapshot of a later run is left alone. None: whatever the snapshot is of.
    :param reading: how phone numbers are read; JSON. None: as it says there.
    :param meaning: what, beside a contact's fields, decides what they mean to Octopush.
    """

    tries: str
    date: str | None = None
    reading: Mapping[str, Any] | None = None
    meaning: bytes = b""


@dataclass(frozen=True)
class Noted:
    """
    What a run has noted. One takes the place of another at once, so that a signal finds either of them and nothing in
    between.

    :param records: how many records of the spool hold.
    :param before: contacts that the list held before the run.
    :param noted: of the contacts that were noted, those that it did not hold.
    :param removed: contacts that were removed.
    :param counts: what else is counted, for the summary of the next try.
    """

    records: int = 0
    before: int = 0
    noted: int = 0
    removed: int = 0
    counts: Mapping[str, float] = field(default_factory=dict)


@dataclass
class _Try:
    """The additions of one try."""

    parts: list[Opened]

    @property
    def header(self) -> Header:
        return self.parts[-1].header


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
        self._try = secrets.token_hex(8)
        self._part = 0
        self._known: set[str] = set()
        self._stale: list[str] = []
        self._others_were_there = False
        self._flushing = threading.Lock()
        self._flushed = Noted()
        self._flushed_at = time.monotonic()
        self._digesters = [one.digester(run.meaning) for one in keys]
        self._noted = Noted()
        self._resources = ExitStack()
        try:
            self._spool = self._resources.enter_context(closing(Spool()))
            self._open()
        except BaseException:
            self.close()
            raise

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
    def noted(self) -> Noted:
        """What was noted until now, by this try and by those before it."""
        return self._noted

    @property
    def size(self) -> int:
        """How many contacts there are to look up: those that the list held before this try."""
        return self._records.count

    # How it is opened.

    def _open(self) -> None:
        if self._writes and None not in self._identity:
            # First of all, so that of two runs at least one sees the other.
            self._put_addition(Noted(), [])
        names = self._store.additions()
        base = self._fetch()
        self._base = None if base is None else base.header
        self._generation = 0 if base is None else base.header.generation
        self._dates = [] if base is None else [base.header.date]
        tries, was_restored = self._read_additions(names, {} if base is None else base.header.included)
        newest = max(filter(None, self._dates), default=None)
        if newest is not None and self._run.date is not None and newest > self._run.date:
            raise OlderRunError(
                f"{self._store.name} is of the run of {newest}, this one is of {self._run.date}: what it would do is "
                "done"
            )
        in_order = None if was_restored else _in_order(tries, self._generation)
        own = [] if in_order is None else _last_of_run(in_order, self._run_name())
        self._included = {one.header.run: one.header.sequence for one in tries}
        self._records = Records(_temporary(self._resources), 0, 0) if base is None else base.records
        if (base is not None and base.keys) or tries or was_restored:
            self._records = self._put_together(base, in_order, tries, own, was_restored=was_restored)
        if own:
            counts = dict(own[-1].header.counts)
            before, noted, removed = (int(counts.pop(name)) for name in ("before", "noted", "removed"))
            self._noted = Noted(0, before, noted, removed, counts)
            log.info("an earlier try of this run has noted what it did: going on from there")
        else:
            self._noted = Noted(before=self._records.count)
        #: Whether there was no snapshot.
        self.first_run = base is None
        #: How many people had opted out when it was written.
        self.opted_out = 0 if base is None else base.header.opted_out
        self._reading = dict(self._run.reading or ({} if base is None else base.header.reading))
        #: Whether phone numbers are read otherwise than when it was written.
        self.reads_otherwise = base is not None and base.header.reading != self._reading
        self._records.index()

    def _fetch(self) -> Opened | None:
        file = self._store.fetch()
        if file is None:
            return None
        self._resources.callback(file.close)
        opened = open_file(file, self._keys, self._store.name)
        self._take_identity(opened.identity)
        return opened

    def _take_identity(self, found: Identity) -> None:
        wanted = self._identity
        for what, one, other in (
            ("another Octopush account", found.account, wanted.account),
            (f"the list {found.list_name!r}, not of {wanted.list_name!r}", found.list_name, wanted.list_name),
            (f"the task {found.writer}, not of {wanted.writer}", found.writer, wanted.writer),
        ):
            if one != other and other is not None:
                raise SnapshotMismatchError(
                    f"{self._store.name} is the snapshot of {what}: give each list and each task a snapshot_path of "
                    "its own"
                )
        self._identity = found

    def _read_additions(self, names: Sequence[str], included: Mapping[str, int]) -> tuple[list[_Try], bool]:
        """Return the tries whose additions are not in the snapshot, and whether it was a later one that is gone."""
        parts: dict[str, dict[int, str]] = {}
        tip = self._generation
        for name in names:
            self._known.add(name)
            run, _, number = name.partition("-")
            if name == TIP:
                tip = self._open_addition(name).header.generation
            elif run == self._try or not number.isdecimal():
                continue
            elif int(number) <= included.get(run, 0):
                self._others_were_there |= run not in included
                self._stale.append(name)
            else:
                parts.setdefault(run, {})[int(number)] = name
        tries = []
        for run, of_run in parts.items():
            start = included.get(run, 0) + 1
            if sorted(of_run) != list(range(start, start + len(of_run))):
                raise SnapshotUnreadableError(
                    f"an addition to {self._store.name} is missing: restore it, or delete the snapshot with all of its "
                    "additions, and the next run is a first run"
                )
            tries.append(_Try([self._open_addition(of_run[number]) for number in sorted(of_run)]))
            self._stale.extend(of_run.values())
            self._others_were_there = True
        was_restored = tip > self._generation
        if was_restored:
            log.warning(
                "%s is of generation %d, but the last one was %d: it was restored or is gone, so what happened since "
                "is not known, and everything is sent again",
                self._store.name,
                self._generation,
                tip,
            )
            self._generation = tip
        self._dates += [one.header.date for one in tries]
        return tries, was_restored

    def _open_addition(self, name: str) -> Opened:
        file = self._store.fetch_addition(name)
        if file is None:
            raise SnapshotConflictError(f"another run has just ended that writes {self._store.name}: {_ONE_AT_A_TIME}")
        self._resources.callback(file.close)
        opened = open_file(file, self._keys, f"an addition to {self._store.name}")
        self._take_identity(opened.identity)
        return opened

    def _put_together(
        self,
        base: Opened | None,
        in_order: Sequence[_Try] | None,
        tries: Sequence[_Try],
        own: Sequence[_Try],
        *,
        was_restored: bool,
    ) -> Records:
        """Return what the list holds by the snapshot and its additions, as the newest secret seals it."""
        old = Records(_temporary(self._resources), 0, 0)
        file = _temporary(self._resources)
        number = 0
        with closing(Spool()) as later:
            if base is not None and not base.keys and not was_restored:
                old = base.records
            elif base is not None:
                for block in base.records.blocks():
                    later.append(self._of_today(block, base.keys, is_certain=not was_restored))
            for one in tries if in_order is None else in_order:
                for block in (block for part in one.parts for block in part.records.blocks()):
                    today = self._of_today(block, one.parts[0].keys, is_certain=in_order is not None)
                    if one not in own:
                        today["mark"][np.isin(today["mark"], CONFIRMED)] = Mark.KNOWN
                    later.append(today)
            for block in merged(old, later.records()):
                file.write(block.tobytes())
                number += len(block)
        file.flush()
        return Records(file, 0, number)

    def _of_today(self, records: Array, keys: int, *, is_certain: bool) -> Array:
        """Return records as the newest secret seals them, and with no more certainty than there is."""
        today = records.copy()
        if keys:
            try:
                today = self._keys[0].seal(self._keys[keys].open(records))
            except NotSealedError:
                raise SnapshotUnreadableError(f"{self._store.name} holds what cannot be opened") from None
            for name in ("digest", "mark"):
                today[name] = records[name]
        confirmed = np.isin(today["mark"], CONFIRMED)
        if not is_certain:
            today["mark"][today["mark"] == Mark.REMOVED] = Mark.DOUBTED
            today["mark"][confirmed] = Mark.UNKNOWN
        elif keys:
            today["mark"][confirmed] = Mark.OLDER_SECRET + keys
        return today

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
        digests = self._digesters[0].digests(payloads)
        same = np.isin(found["mark"], CONFIRMED) & (found["digest"] == digests)
        for keys in range(1, len(self._keys)):
            older = np.flatnonzero(found["mark"] == Mark.OLDER_SECRET + keys)
            if len(older):
                then = self._digesters[keys].digests([payloads[position] for position in older.tolist()])
                same[older] = found["digest"][older] == then
        return same, digests

    def is_of_older_secret(self, found: Array) -> Array:
        """Tell of which records the digest is to be written anew."""
        older: Array = found["mark"] >= Mark.OLDER_SECRET
        return older

    def may_be_gone(self, found: Array) -> Array:
        """Tell of which records a removal was begun whose end nobody knows."""
        begun: Array = found["mark"] == Mark.REMOVING
        return begun

    def statuses(self, found: Array) -> list[str | None]:
        """Tell with which status records were confirmed by an earlier try of this run; None where they were not."""
        return [_STATUSES.get(mark) for mark in found["mark"].tolist()]

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
        try:
            return self._keys[0].open(records)
        except NotSealedError:
            raise SnapshotUnreadableError(f"{self._store.name} holds what cannot be opened") from None

    # What is noted.

    def note(self, found: Array, digests: Array, statuses: Sequence[str], newly: int) -> None:
        """
        Note contacts that Octopush confirmed.

        :param found: their records.
        :param digests: of what was sent.
        :param statuses: for each ``added``, ``updated`` or ``skipped``.
        :param newly: how many of them the snapshot does not hold.
        """
        records = found.copy()
        records["digest"] = digests
        records["mark"] = [_STATUS_MARKS[status] for status in statuses]
        self._note(records, noted=self._noted.noted + newly)

    def note_digests(self, found: Array, digests: Array) -> None:
        """Note digests under the newest secret, of contacts that are unchanged."""
        records = found.copy()
        records["digest"] = digests
        records["mark"] = Mark.REKEYED
        self._note(records)

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
        self._note(
            _marked(records, Mark.REMOVED),
            removed=self._noted.removed + len(records),
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
        Put what was noted where it outlives this process, when enough or long enough was noted since.

        A store that fails costs a repetition at most if the process dies as well, so it does not end the run.
        """
        is_much = self._noted.records - self._flushed.records >= NOTED_TOGETHER
        if not is_much and time.monotonic() - self._flushed_at < NOTED_AFTER:
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
                self._put_addition(noted, self._spool.records(noted.records).blocks(self._flushed.records))
            self._flushed = noted
            self._flushed_at = time.monotonic()

    def check_alone(self) -> None:
        """
        Check that no other run works with the snapshot.

        :raises SnapshotConflictError: when one does.
        """
        others = [
            name for name in self._store.additions() if name not in self._known and not name.startswith(self._try)
        ]
        content = self._store.fetch_beginning()
        now = None if content is None else read_header(content, self._store.name)[0]
        same = (None, None) if self._base is None else (self._base.generation, self._base.run)
        if others or same != ((None, None) if now is None else (now.generation, now.run)):
            raise SnapshotConflictError(
                f"another run works with {self._store.name}: nothing is removed, and what this run did is noted. "
                f"{_ONE_AT_A_TIME}"
            )

    def replace(self, *, opted_out: int | None = None, forgets: bool = False) -> int:
        """
        Put the next generation in the snapshot's place.

        :param opted_out: how many people had opted out; None: as many as before.
        :param forgets: True: leave nothing behind of who was removed, even if another run might have wanted it.
        :return: how many contacts it holds.
        :raises SnapshotConflictError: when another run works with the snapshot.
        :raises RuntimeError: when the counts do not add up, which is a bug of this provider.
        """
        self.check_alone()
        if self._others_were_there and not forgets:
            # They may still go on, and replace what this run is about to write: then this is all that is left of it.
            self.flush()
        noted = self._noted
        header = Header(
            secret=self._keys[0].name,
            identity=seal_identity(self._identity, self._keys[0]),
            generation=self._generation + 1,
            run=self._try,
            date=max(filter(None, [*self._dates, self._run.date]), default=None),
            opted_out=self.opted_out if opted_out is None else opted_out,
            reading=self._reading,
            included={**self._still_there(), **self._included, self._try: self._part - 1},
        )
        spool = self._spool.records(noted.records)
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
            raise SnapshotConflictError(f"another run has replaced {self._store.name} meanwhile. {_ONE_AT_A_TIME}")
        file, _ = write(header, self._keys[0], [])
        with file:
            self._store.put_addition(TIP, file)
        self._tidy_up(forgets=forgets)
        return number

    def forget(self, numbers: Sequence[int]) -> int:
        """
        Forget people, and leave nothing of them behind: neither in the snapshot nor in its additions.

        :return: how many of them it held.
        :raises SnapshotConflictError: when another run works with the snapshot.
        """
        if self.first_run and not self._stale:
            return 0
        number = 0
        for start in range(0, len(numbers), 1_000):
            positions, found = self.find(numbers[start : start + 1_000])
            self.note_removed(found[positions >= 0])
            number += int((positions >= 0).sum())
        self.replace(forgets=True)
        return number

    def _still_there(self) -> dict[str, int]:
        included = {} if self._base is None else self._base.included
        runs = {name.partition("-")[0] for name in self._stale}
        return {run: number for run, number in included.items() if run in runs}

    def _tidy_up(self, *, forgets: bool) -> None:
        names = list(self._stale)
        # Otherwise the next run removes them.
        if forgets or not self._others_were_there:
            names += [self._addition(number) for number in range(self._part)]
            self._part = 0
        try:
            self._store.remove_additions(names)
        except Exception as error:
            if forgets:
                raise
            log.warning("additions to %s were not removed: %s", self._store.name, type(error).__name__)

    def _run_name(self) -> str:
        return self._keys[0].digest_text(self._run.tries.encode())

    def _addition(self, number: int) -> str:
        return f"{self._try}-{number:06}"

    def _put_addition(self, noted: Noted, records: Iterable[Array]) -> None:
        is_sign = not self._part
        header = Header(
            secret=self._keys[0].name,
            identity=seal_identity(self._identity, self._keys[0]),
            generation=0 if is_sign else self._generation,
            run=self._try,
            date=self._run.date,
            sequence=self._part,
            run_of_tries=self._run_name(),
            included={} if is_sign else self._included,
            counts={**noted.counts, "before": noted.before, "noted": noted.noted, "removed": noted.removed},
        )
        file, _ = write(header, self._keys[0], records)
        with file:
            self._store.put_addition(self._addition(self._part), file)
        self._part += 1


_ONE_AT_A_TIME = "Let one run at a time write it (max_active_runs=1), then run this task again"


def _in_order(tries: Sequence[_Try], generation: int) -> list[_Try] | None:
    """Put tries in the order in which they followed each other; None when they did not."""
    ordered = sorted(tries, key=lambda one: len(one.header.included))
    before: dict[str, int] = {}
    for one in ordered:
        if one.header.generation != generation or one.header.included != before:
            return None
        before[one.header.run] = one.header.sequence
    return ordered


def _last_of_run(tries: Sequence[_Try], run: str) -> list[_Try]:
    """Return the tries of a run, unless another run came after them."""
    own: list[_Try] = []
    for one in reversed(tries):
        if one.header.run_of_tries != run:
            break
        own.insert(0, one)
    return own


def _as_kept(records: Array) -> Array:
    """Return records as they stand in a snapshot: known, or not."""
    return _marked(records, np.where(np.isin(records["mark"], CONFIRMED), Mark.KNOWN, Mark.UNKNOWN))


def _marked(records: Array, mark: Any) -> Array:
    marked = records.copy()
    marked["mark"] = mark
    return marked


def _temporary(resources: ExitStack) -> BinaryIO:
    file: BinaryIO = resources.enter_context(tempfile.TemporaryFile(prefix="octopush-"))  # noqa: SIM115 - it is one
    return file
