"""What a person may ask of a snapshot: what it says of itself, whether it holds numbers, and all that it holds."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

import numpy as np

from airflow_provider_octopush.exceptions import SnapshotConflictError, SnapshotMissingError
from airflow_provider_octopush.phones.possible import PossibleNumbers
from airflow_provider_octopush.snapshot.marks import DOUBTFUL, MAY_BE_GONE
from airflow_provider_octopush.snapshot.opening import Opening, Run
from airflow_provider_octopush.snapshot.records import Array
from airflow_provider_octopush.snapshot.sealing import Keys
from airflow_provider_octopush.snapshot.snapshot_file import FORMAT, Identity
from airflow_provider_octopush.snapshot.store import Store

#: How often a snapshot is opened whose additions a run tidies away meanwhile.
_ATTEMPTS = 3

#: Lines looked up at a time, and the characters of one that may hold a number.
_TOGETHER = 10_000
_LINE_MAX = 100

#: The name of what a run has put beside the snapshot: when it began, and whether it erases.
_RUN = re.compile(r"([0-9a-f]{16})[0-9a-f]{8}(e?)")


class State(StrEnum):
    """What a snapshot says of a number."""

    HAS = "has"
    MAY_BE_THERE = "may be there"
    MAY_BE_GONE = "may be gone"
    NOT_THERE = "not there"


#: Of several forms of one line, the first of these counts.
_SUREST_FIRST = list(State)


class Found(NamedTuple):
    """
    What came of a line.

    :param line: its number, from 1.
    :param text: what stands in it.
    :param state: what the snapshot says of it; None where the line is no number with a plus.
    """

    line: int
    text: str
    state: State | None


@contextmanager
def looking_into(store: Store, keys: Sequence[Keys], account: str | None) -> Iterator[Opening]:
    """
    Open a snapshot with all that runs have noted beside it, and leave everything as it is.

    :param keys: of all secrets.
    :param account: that it has to be of.
    :raises SnapshotMissingError: when there is nothing.
    :raises SnapshotError: another of its subclasses, when it cannot be relied on.
    """
    attempt = 1
    while True:
        with ExitStack() as resources:
            try:
                opening = Opening(store, keys, Identity(account, None, None), Run(""), "", resources)
            except SnapshotConflictError:
                # A run that ends meanwhile takes its additions away: they are in the snapshot then.
                if attempt == _ATTEMPTS:
                    raise
                attempt += 1
                continue
            if opening.base is None and not opening.others_were_there:
                raise SnapshotMissingError(
                    f"there is no snapshot at {store.name}, and no run has noted anything beside it: check the path. "
                    "SyncListOperator writes one at the end of its first run"
                )
            yield opening
        return


def described(opening: Opening, name: str) -> Iterator[str]:
    """
    Give what a snapshot says of itself, in words and without any number of a person.

    :param name: what it is called.
    """
    base = opening.base
    dates = [header.date for header in (base, opening.head) if header is not None and header.date]
    yield f"snapshot: {name}"
    yield f"format: {FORMAT if base is None else base.format}"
    yield f"generation: {opening.generation}" + " (no run has come to its end yet)" * (base is None)
    yield f"date of the run: {max(dates, default='none')}"
    yield f"list: {opening.identity.list_name}"
    yield f"task: {opening.identity.writer}"
    yield f"numbers were read: {_reading(opening)}"
    yield f"countries: {', '.join(f'+{code}' for code in sorted(opening.remembered.countries)) or 'none'}"
    yield f"opted out: {opening.remembered.opted_out:,}"
    counts = dict.fromkeys(State, 0)
    for block in opening.records.blocks():
        for mark, number in zip(*np.unique(block["mark"], return_counts=True), strict=True):
            counts[state_of(int(mark))] += int(number)
    del counts[State.NOT_THERE]
    yield f"contacts: {opening.records.count:,}"
    for state, number in counts.items():
        yield f"  {state}: {number:,}"
    yield from _runs(opening)


def looked_up(opening: Opening, keys: Keys, lines: Iterable[str]) -> Iterator[Found]:
    """
    Look up numbers.

    :param keys: of the newest secret.
    :param lines: with one number each, with a plus. Blank ones are left out.
    """
    possible = PossibleNumbers()
    remaining = enumerate(lines, 1)
    while together := list(islice(remaining, _TOGETHER)):
        texts = [(number, " ".join(line.split())) for number, line in together if line.strip()]
        forms = [_forms(possible, text) for _, text in texts]
        wanted = sorted(set().union(*forms))
        positions, found = opening.records.find(keys.seal(wanted))
        states = {
            number: state_of(mark)
            for number, position, mark in zip(wanted, positions.tolist(), found["mark"].tolist(), strict=True)
            if position >= 0
        }
        for (line, text), numbers in zip(texts, forms, strict=True):
            of_each = [states.get(number, State.NOT_THERE) for number in numbers]
            yield Found(line, text, min(of_each, key=_SUREST_FIRST.index, default=None))


def contacts(opening: Opening, keys: Keys) -> Iterator[list[tuple[str, State]]]:
    """
    Give all contacts, some ten thousand at a time: the number, and what is known of it.

    :param keys: of the newest secret.
    :raises SnapshotUnreadableError: when a number cannot be opened.
    """
    for block in opening.records.blocks():
        yield [(f"+{number}", state) for number, state in zip(keys.open(block), _states(block), strict=True)]


def state_of(mark: int) -> State:
    """Return what a record's mark says; a contact whose removal was refused is there."""
    if mark in MAY_BE_GONE:
        return State.MAY_BE_GONE
    return State.MAY_BE_THERE if mark in DOUBTFUL else State.HAS


def _states(block: Array) -> list[State]:
    states = {mark: state_of(mark) for mark in np.unique(block["mark"]).tolist()}
    return [states[mark] for mark in block["mark"].tolist()]


def _forms(possible: PossibleNumbers, text: str) -> frozenset[int]:
    if text[:1] != "+" or len(text) > _LINE_MAX:
        return frozenset()
    read = possible.read(text)
    return read.numbers if read.reason is None else frozenset()


def _reading(opening: Opening) -> str:
    readings = [reading for n, reading in enumerate(opening.readings) if reading not in opening.readings[:n]]
    return "; or ".join(map(_in_words, filter(None, readings))) or "not known"


def _in_words(reading: dict[str, object]) -> str:
    words = []
    for name, value in reading.items():
        if isinstance(value, dict):
            words += [f"{field} from {column}" for field, column in value.items() if column is not None]
        elif isinstance(value, list):
            words.append(f"{name} {', '.join(map(str, value)) or 'none'}")
        else:
            words.append(f"{name} {value}")
    return "; ".join(words)


def _runs(opening: Opening) -> Iterator[str]:
    """Tell of runs that have put something beside the snapshot that is not in it."""
    before = {} if opening.base is None else opening.base.included
    signs = {name.partition("-")[0] for name in opening.stale} - before.keys()
    runs = sorted(signs | opening.included.keys())
    if not runs:
        yield "runs: none is under way, and none was killed"
    for run in runs:
        match = _RUN.fullmatch(run)
        what = "an erasure" if match is not None and match[2] else "a run"
        began = f" that began at {_time(match[1])}" if match is not None else ""
        noted = "has noted what it does" if run in opening.included else "has noted nothing yet"
        yield f"runs: {what}{began} is under way, or was killed; it {noted}"


def _time(stamp: str) -> str:
    seconds = int(stamp, 16) // 1_000_000_000
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()
