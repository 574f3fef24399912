"""
Records of sealed contacts in files: looked up in batches, merged in order, never all of them in memory.

The records are a numpy array in a file, sorted by sealed number and read at the wanted positions. Sealed numbers are as
good as random, so an index of a few bits locates a record within some sixteen others. Measured with 10 million contacts
on two cores:

============================  ==========  ==============  ==================  =======================
container                     on disk     written in      1 M look-ups        memory while looking up
============================  ==========  ==============  ==================  =======================
this                          350 MB      1.2 s           1.0 s               22 MB
the array mapped to memory    350 MB      1.2 s           41 s                418 MB (pages count)
SQLite                        392 MB      76 s            5.0 s               30 MB
Arrow, mapped to memory       340 MB      0.2 s           1.5 s               181 MB, and 200 MB to install
============================  ==========  ==============  ==================  =======================

If the file is cut meanwhile, reading it raises an error; a mapped file would end the process.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import pairwise
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from airflow_provider_octopush.snapshot.marks import Mark

Array: TypeAlias = npt.NDArray[Any]

#: A sealed number is its first three fields: 16 bytes that tell it from all others, and 10 that hold it.
SEALED = np.dtype([("high", "<u8"), ("low", "<u8"), ("number", "V10")])
RECORD = np.dtype([*SEALED.descr, ("digest", "<u8"), ("mark", "u1")])

#: How many records are read or written at a time.
BLOCK = 65_536

#: How many records are sorted at a time.
_TOGETHER = 262_144

#: How many records share a place in the index.
_PLACE = 16


class Records:
    """
    Records in a file, sorted by sealed number.

    :param file: the file that holds them; it is read at given positions, never from the current one.
    :param offset: offset of the first record, in bytes.
    :param count: how many records there are.
    """

    def __init__(self, file: BinaryIO, offset: int, count: int) -> None:
        self._file = file
        self._offset = offset
        self.count = count
        self._bits, self._starts = 0, np.zeros(2, np.uint32)

    def blocks(self) -> Iterator[Array]:
        """Give the records in their order, some ten thousand at a time."""
        for start in range(0, self.count, BLOCK):
            yield self.read(start, min(BLOCK, self.count - start))

    def read(self, start: int, number: int) -> Array:
        """
        Read consecutive records.

        :param start: the position of the first one, from 0.
        :raises EOFError: when the file ends too early.
        """
        return self._read([(start, number)], number)

    def at(self, positions: Array) -> Array:
        """Return the records at positions, in the order of the positions."""
        return self._read(((position, 1) for position in positions.tolist()), len(positions))

    def index(self) -> None:
        """Index the records, so that they can be found; this reads all of them."""
        self._bits = _bits(self.count, _PLACE)
        self._starts = self.starts(self._bits)

    def starts(self, bits: int) -> Array:
        """
        Return the positions from which sorted records begin with 0, with 1, and so on; and the position after the last
        record.

        :param bits: the length of these beginnings.
        """
        counts = np.zeros(2**bits + 1, np.uint32)
        for block in self.blocks():
            places = _places(block["high"], bits)
            first = int(places[0])
            found = np.bincount(places - first)
            counts[first + 1 : first + 1 + len(found)] += found.astype(np.uint32)
        return np.cumsum(counts, dtype=np.uint32)

    def find(self, wanted: Array) -> tuple[Array, Array]:
        """
        Look up sealed numbers; :meth:`index` comes first.

        :param wanted: records of which only the sealed number matters.
        :return: for each, the position of its record, or -1 where there is none; and a copy of that record.
        """
        positions = np.full(len(wanted), -1, np.int64)
        found = np.zeros(len(wanted), RECORD)
        high, low = wanted["high"].copy(), wanted["low"].copy()
        places = _places(high, self._bits)
        starts = self._starts[places].astype(np.int64)
        sizes = self._starts[places + 1] - starts
        near = self._read(zip(starts.tolist(), sizes.tolist(), strict=True), int(sizes.sum()))
        owners = np.repeat(np.arange(len(wanted)), sizes)
        hits = np.flatnonzero((near["high"] == high[owners]) & (near["low"] == low[owners]))
        owners_hit = owners[hits]
        within = hits - (np.cumsum(sizes) - sizes)[owners_hit]
        positions[owners_hit] = starts[owners_hit] + within
        found[owners_hit] = near[hits]
        return positions, found

    def _read(self, parts: Iterable[tuple[int, int]], number: int) -> Array:
        """Read parts, each as a position and a number of records; their sum is ``number``."""
        file, size = self._file.fileno(), RECORD.itemsize
        content = b"".join([os.pread(file, count * size, self._offset + start * size) for start, count in parts])
        if len(content) != number * size:
            raise EOFError("the file ends before its last record")
        return np.frombuffer(content, RECORD)


class Spool:
    """Records in the order in which they were written, in a temporary file that ends with its process."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="octopush-")  # noqa: SIM115 - as long as the spool
        self._end = 0

    def close(self) -> None:
        """Close the file, which deletes it."""
        self._file.close()

    def append(self, records: Array) -> None:
        """Write records after all others; raises OSError if the disk is full."""
        self._end = self.write(records, self._end)

    def extend(self, blocks: Iterable[Array]) -> Records:
        """Write blocks of records after all others, and return these records."""
        start = self._end
        for block in blocks:
            self.append(block)
        return self.records(start)

    def write(self, records: Array, position: int) -> int:
        """Write records from a position on, and return the position after them; raises OSError if the disk is full."""
        rest, place = memoryview(records.tobytes()), position * RECORD.itemsize
        while rest:
            written = os.pwrite(self._file.fileno(), rest, place)
            rest, place = rest[written:], place + written
        return position + len(records)

    def records(self, start: int = 0, end: int | None = None) -> Records:
        """Return the records from one position to another, as they were written; None means to the last."""
        return Records(self._file, start * RECORD.itemsize, (self._end if end is None else end) - start)


def merged(old: Records, later: Records) -> Iterator[Array]:
    """Merge sorted and later records: give the last one of each number, sorted, without those that were removed."""
    bits = _bits(old.count + later.count, _TOGETHER)
    with closing(Spool()) as spool:
        runs = [old, *_sorted_runs(later, spool)]
        starts = np.array([run.starts(bits) for run in runs]).T.tolist()
        for first, end in pairwise(starts):
            yield _last_of_each(
                np.concatenate([run.read(a, b - a) for run, a, b in zip(runs, first, end, strict=True)])
            )


def _sorted_runs(records: Records, spool: Spool) -> Iterator[Records]:
    """Sort records block by block; those of one number keep their order."""
    for start in range(0, records.count, _TOGETHER):
        run = records.read(start, min(_TOGETHER, records.count - start))
        yield spool.extend([run[np.argsort(run["high"], kind="stable")]])


def _last_of_each(records: Array) -> Array:
    records = records[np.lexsort((records["low"], records["high"]))]
    is_last = np.ones(len(records), bool)
    is_last[:-1] = (records["high"][1:] != records["high"][:-1]) | (records["low"][1:] != records["low"][:-1])
    there: Array = records[is_last & (records["mark"] != Mark.REMOVED)]
    return there


def _bits(count: int, together: int) -> int:
    """Return how many bits an index needs if each place holds this many records, or half as many."""
    return max(0, (-(-count // together) - 1).bit_length())


def _places(high: Array, bits: int) -> Array:
    if not bits:
        return np.zeros(len(high), np.int64)
    return (high >> np.uint64(64 - bits)).astype(np.int64)
