"""
What a list may hold when a run begins: what the snapshot says, and what runs put beside it without coming to their end.

Additions count in full only where they follow each other and the snapshot. Additions to another generation, or of runs
that did not know of each other, count as "on the list, nobody knows how", so that such contacts are sent again, or
removed if they are no longer among the rows.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_octopush.exceptions import (
    OlderRunError,
    SnapshotConflictError,
    SnapshotMismatchError,
    SnapshotUnreadableError,
)
from airflow_provider_octopush.snapshot.marks import (
    CONFIRMED,
    OF_ANOTHER_RUN,
    OF_THIS_RUN,
    OUT_OF_ORDER,
    OUTDATED,
    Mark,
    are,
)
from airflow_provider_octopush.snapshot.records import Array, Records, Spool, merged
from airflow_provider_octopush.snapshot.sealing import Keys
from airflow_provider_octopush.snapshot.snapshot_file import Header, Identity, Opened, open_file
from airflow_provider_octopush.snapshot.store import BEGIN_ANEW, ONE_AT_A_TIME, RESTORE, TIP, Store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """
    A run, as far as the snapshot minds it.

    :param tries: the same for all tries of the run, and for no other.
    :param date: ISO 8601 in UTC; a snapshot of a later run is left alone. None: whatever the snapshot is of.
    :param reading: how phone numbers are read; JSON. None: as it says there.
    :param meaning: what, beside a contact's fields, decides what they mean to Octopush.
    :param dag_run: the same for all instances of a mapped task in one run of the Dag; empty where there is none.
    :param map_index: of the instance; -1 where the task is not mapped.
    :param erases: whether it erases people, so that nothing of them may be left anywhere.
    """

    tries: str
    date: str | None = None
    reading: Mapping[str, Any] | None = None
    meaning: bytes = b""
    dag_run: str = ""
    map_index: int = -1
    erases: bool = False


@dataclass(frozen=True)
class Noted:
    """
    What a run has noted. One takes the place of another at once, so that a signal finds either of them and nothing in
    between.

    :param records: how many records of the spool hold.
    :param before: contacts that the list held before the run.
    :param noted: of the contacts that were sent, or are about to be, those that it did not hold.
    :param removed: contacts that were removed.
    :param counts: what else is counted, for the summary of the next try.
    """

    records: int = 0
    before: int = 0
    noted: int = 0
    removed: int = 0
    counts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Remembered:
    """
    What holds for the next run too, though this one should fail.

    :param opted_out: how many people had opted out, the last time that this was found to be right.
    :param countries: country codes of the numbers that were ever held.
    """

    opted_out: int = 0
    countries: frozenset[int] = frozenset()


@dataclass
class _Try:
    """The additions of one try."""

    parts: list[Opened]

    @property
    def header(self) -> Header:
        return self.parts[-1].header


class Opening:
    """
    The snapshot and its additions, read once.

    :param store: where they are kept.
    :param keys: of all secrets; records come as the first one seals them.
    :param identity: what they have to be about; what is None there is taken from them.
    :param run: that goes on.
    :param this_try: the name of its try, whose additions do not count.
    :param resources: what gives back the files.
    :raises SnapshotError: one of its subclasses, when they cannot be relied on.
    """

    def __init__(
        self, store: Store, keys: Sequence[Keys], identity: Identity, run: Run, this_try: str, resources: ExitStack
    ) -> None:
        self._store = store
        self._keys = keys
        self._run = run
        self._this_try = this_try
        self._resources = resources
        self.identity = identity
        #: The additions that were there; those of them that are not needed once the snapshot is replaced.
        self.known: set[str] = set()
        self.stale: list[str] = []
        #: Whether there are additions of runs that may still go on.
        self.others_were_there = False
        #: The records of all additions, so that none of these stays open.
        self._copies = _spool(resources)
        names = store.additions()
        base = self._fetch()
        #: The header of the snapshot; None when there is none.
        self.base = None if base is None else base.header
        self.generation = 0 if base is None else base.header.generation
        #: What was remembered since the snapshot was written; None when nothing was.
        self.head: Header | None = None
        self._dates = [] if base is None else [base.header.date]
        #: How phone numbers were read by the runs that wrote it.
        self.readings = [] if base is None else [base.header.reading]
        tries, was_restored = self._read_additions(names, {} if base is None else base.header.included)
        if self.date is not None and run.date is not None and self.date > run.date:
            raise OlderRunError(
                f"this run is of {run.date}, and the run of {self.date} has written {store.name} already: what this "
                "one would do is done. If that later date was a mistake, put back the snapshot from before it, or "
                f"{BEGIN_ANEW}"
            )
        #: Whether what happened since is not known.
        self.was_restored = was_restored
        in_order = None if was_restored else _in_order(tries, self.generation)
        own = [] if in_order is None else _last_of_run(in_order, names_of(run, keys))
        headers = [part.header for one in (tries if in_order is None else in_order) for part in one.parts]
        headers += [header for header in (self.base, self.head) if header is not None]
        self.remembered = _remembered(headers, is_ordered=in_order is not None)
        #: Whether what the snapshot holds is no longer all that is known.
        self.is_outdated = self.base is None or bool(base and base.keys) or bool(tries) or was_restored
        #: Whether there is no snapshot, and nothing beside it; a sign tells only that a run has begun.
        self.is_blank = self.base is None and self.head is None and not tries and not was_restored
        #: Try → its last addition that is in the records.
        self.included = {one.header.run: one.header.sequence for one in tries}
        #: What the list holds.
        self.records = _spool(resources).records() if base is None else base.records
        if (base is not None and base.keys) or tries or was_restored:
            self.records = self._put_together(base, in_order, tries, own, was_restored=was_restored)
        #: What earlier tries of this run have noted.
        self.noted = Noted(before=self.records.count)
        if own:
            self.noted = _noted_by(own[-1].header)
            log.info("an earlier try of this run has noted what it did: going on from there")
        elif self.base is not None and not tries and self.base.run_of_tries in names_of(run, keys):
            # It has come to its end, but for the last steps.
            self.noted = _noted_by(self.base)
        self.records.index()

    @property
    def date(self) -> str | None:
        """The date of the newest run that is in it."""
        return max(filter(None, self._dates), default=None)

    def _fetch(self) -> Opened | None:
        file = self._store.fetch()
        if file is None:
            return None
        self._resources.callback(file.close)
        opened = open_file(file, self._keys, self._store.name)
        self._check_origin(opened)
        return opened

    def _check_origin(self, opened: Opened) -> None:
        found, wanted, header = opened.identity, self.identity, opened.header
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
        is_same_run = header.dag_run in [one.digest_text(self._run.dag_run.encode()) for one in self._keys]
        if self._run.dag_run and is_same_run and header.map_index != self._run.map_index:
            raise SnapshotMismatchError(
                f"{self._store.name} was written in this run of the Dag by the instance with map index "
                f"{header.map_index}, and each instance would remove the contacts of the others: give each instance a "
                "list and a snapshot_path of its own"
            )
        self.identity = found

    def _read_additions(self, names: Sequence[str], included: Mapping[str, int]) -> tuple[list[_Try], bool]:
        """Return the tries whose additions are not in the snapshot, and whether it was a later one that is gone."""
        parts: dict[str, dict[int, str]] = {}
        tip = self.generation
        for name in names:
            self.known.add(name)
            run, _, number = name.partition("-")
            if name == TIP:
                head = self._open_addition(name).header
                base_run = "" if self.base is None else self.base.run
                if head.beside == base_run:
                    self.head = head
                    self._dates.append(head.date)
                elif base_run < head.run:
                    # Not merely a process that died before it wrote the head anew.
                    tip = max(head.generation, self.generation + 1)
            elif run == self._this_try or not number.isdecimal():
                continue
            elif int(number) <= included.get(run, 0):
                if run not in included:
                    self.others_were_there = True
                    self._check_alone_to_erase(self._open_addition(name).header)
                self.stale.append(name)
            else:
                parts.setdefault(run, {})[int(number)] = name
        tries = []
        for run, of_run in parts.items():
            start = included.get(run, 0) + 1
            found = _Try([self._open_addition(of_run[number]) for number in sorted(of_run)])
            # What a run writes that was taken over long ago is no more than a hint.
            is_late = all(part.header.generation < self.generation for part in found.parts)
            if sorted(of_run) != list(range(start, start + len(of_run))) and not is_late:
                raise SnapshotUnreadableError(
                    f"{self._store.name} is not whole, as one of its additions is missing: {RESTORE}"
                )
            tries.append(found)
            self._check_alone_to_erase(found.header)
            self.stale.extend(of_run.values())
            self.others_were_there = True
        was_restored = tip > self.generation
        if was_restored:
            log.warning(
                "%s is of generation %d, but the last one was %d: it was restored or is gone, so what happened since "
                "is not known, and everything is sent again",
                self._store.name,
                self.generation,
                tip,
            )
            self.generation = tip
        self._dates += [one.header.date for one in tries]
        self.readings += [part.header.reading for one in tries for part in one.parts if part.header.reading]
        return tries, was_restored

    def _check_alone_to_erase(self, header: Header) -> None:
        if self._run.erases and header.run_of_tries not in names_of(self._run, self._keys):
            raise SnapshotConflictError(
                f"a run that writes {self._store.name} is under way or was killed, and would bring back who is erased "
                "now: let it end, or run it again, first. Nobody was removed"
            )

    def _open_addition(self, name: str) -> Opened:
        file = self._store.fetch_addition(name)
        if file is None:
            raise SnapshotConflictError(f"another run has just ended that writes {self._store.name}: {ONE_AT_A_TIME}")
        with file:
            opened = open_file(file, self._keys, f"an addition to {self._store.name}")
            self._check_origin(opened)
            return opened._replace(records=self._copies.extend(opened.records.blocks()))

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
        old = _spool(self._resources).records()
        with closing(Spool()) as later:
            if base is not None and not base.keys and not was_restored:
                old = base.records
            elif base is not None:
                for block in base.records.blocks():
                    later.append(self._of_today(block, base.keys, OUTDATED if was_restored else None))
            for one in tries if in_order is None else in_order:
                marks = OUT_OF_ORDER if in_order is None else OF_THIS_RUN if one in own else OF_ANOTHER_RUN
                for block in (block for part in one.parts for block in part.records.blocks()):
                    later.append(self._of_today(block, one.parts[0].keys, marks))
            return _spool(self._resources).extend(merged(old, later.records()))

    def _of_today(self, records: Array, keys: int, marks: Array | None) -> Array:
        """
        Return records as the newest secret seals them, and with no more certainty than there is.

        :param marks: what is made of each mark; None: all stay.
        """
        today = records.copy()
        if keys:
            today = self._keys[0].seal(self._keys[keys].open(records))
            today["digest"] = records["digest"]
        today["mark"] = records["mark"] if marks is None else marks[records["mark"]]
        if keys:
            today["mark"][are(today, CONFIRMED)] = Mark.OLDER_SECRET + keys
        return today


def names_of(run: Run, keys: Sequence[Keys]) -> list[str]:
    """Return what may stand in a header for all tries of a run: what each secret makes of it, the newest first."""
    return [one.digest_text(run.tries.encode()) for one in keys]


def _noted_by(header: Header) -> Noted:
    counts = dict(header.counts)
    before, noted, removed = (int(counts.pop(name)) for name in ("before", "noted", "removed"))
    return Noted(0, before, noted, removed, counts)


def _remembered(headers: Sequence[Header], *, is_ordered: bool) -> Remembered:
    # The names of tries rise with time.
    counts = [header.opted_out for header in sorted(headers, key=lambda header: (header.run, header.sequence))]
    return Remembered(
        opted_out=(counts[-1] if is_ordered else max(counts)) if counts else 0,
        countries=frozenset(code for header in headers for code in header.countries),
    )


def _in_order(tries: Sequence[_Try], generation: int) -> list[_Try] | None:
    """Put tries in the order in which they followed each other; None when they did not."""
    ordered = sorted(tries, key=lambda one: len(one.header.included))
    before: dict[str, int] = {}
    for one in ordered:
        if one.header.generation != generation or one.header.included != before:
            return None
        before[one.header.run] = one.header.sequence
    return ordered


def _last_of_run(tries: Sequence[_Try], names: Sequence[str]) -> list[_Try]:
    """Return the tries of a run, unless another run came after them."""
    own: list[_Try] = []
    for one in reversed(tries):
        if one.header.run_of_tries not in names:
            break
        own.insert(0, one)
    return own


def _spool(resources: ExitStack) -> Spool:
    return resources.enter_context(closing(Spool()))
