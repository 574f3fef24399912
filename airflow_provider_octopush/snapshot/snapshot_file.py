"""
A file of a snapshot: a line of JSON, which a person can read, a line with a checksum, and the records.

``head -1`` shows the first. Without the secret, the file tells which run wrote it, when, how many records it has, and
how phone numbers were read. Its account, list and task are sealed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from typing import IO, Any, BinaryIO, NamedTuple

import msgspec

from airflow_provider_octopush.exceptions import (
    SnapshotFormatError,
    SnapshotSecretError,
    SnapshotUnreadableError,
)
from airflow_provider_octopush.snapshot.records import RECORD, Array, Records
from airflow_provider_octopush.snapshot.sealing import Keys
from airflow_provider_octopush.snapshot.snapshot_store import BEGIN_ANEW, BEGINNING, RESTORE

FORMAT = 4

_CHECKSUM_LENGTH = 64


class Identity(NamedTuple):
    """
    The account, list and task that a snapshot belongs to.

    :param account: the Octopush account. None means any, here and below.
    :param list_name: the list.
    :param writer: the task that writes it.
    """

    account: str | None
    list_name: str | None
    writer: str | None


class Progress(msgspec.Struct, frozen=True):
    """
    What a run has recorded. Never changed, only replaced, so that a signal finds either the old or the new one.

    :param records: how many records this try has written.
    :param before: how many contacts the list held before the run.
    :param recorded: how many of the contacts that were sent, or are about to be, it did not hold.
    :param removed: how many contacts were removed.
    :param removed_opted_out: how many of these opted out.
    """

    records: int = 0
    before: int = 0
    recorded: int = 0
    removed: int = 0
    removed_opted_out: int = 0

    @property
    def after(self) -> int:
        """How many contacts the list now holds."""
        return self.before + self.recorded - self.removed


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """
    The first line of a file, before the records.

    :param format: format of the file; a newer one is refused.
    :param secret: identifies the secret that the file was written with.
    :param identity: what the file is about, sealed.
    :param generation: how often the snapshot was replaced; in an entry of the journal, the generation that the entry
        adds to.
    :param try_name: unique name of the try that wrote the file; these names rise with time.
    :param date: Airflow's date of the run, in ISO 8601 and UTC; None if it has none.
    :param opted_out: how many opt-outs there were the last time that their number was found to be right.
    :param reading: how phone numbers were read; empty if that is not known (``adopt``).
    :param countries: country codes of all numbers that it ever held.
    :param dag_run: text that all instances of a mapped task share in one run of the Dag, and no other run has.
    :param map_index: map index of the instance; -1 if the task is not mapped.
    :param beside: in a head, the try that wrote the snapshot that the head is beside.
    :param included: try → the last of its entries that these records include.
    :param sequence: the number of an entry among those of its try, from 0.
    :param run: text that all tries of one run share.
    :param progress: what the run had recorded when the file was written.
    """

    format: int = FORMAT
    secret: str
    identity: str = ""
    generation: int = 0
    try_name: str
    date: str | None = None
    opted_out: int = 0
    reading: dict[str, Any] = {}
    countries: list[int] = []
    dag_run: str = ""
    map_index: int = -1
    beside: str = ""
    included: dict[str, int] = {}
    sequence: int = 0
    run: str = ""
    progress: Progress = Progress()


class _Format(msgspec.Struct):
    format: int


class Opened(NamedTuple):
    """
    A file that has been checked to be whole.

    :param header: its header.
    :param identity: the account, list and task that it belongs to.
    :param records: its records.
    :param keys: which of the given secrets it was written with, by position.
    """

    header: Header
    identity: Identity
    records: Records
    keys: int


def write(header: Header, keys: Keys, blocks: Iterable[Array]) -> tuple[IO[bytes], int]:
    """
    Write a temporary file.

    :return: the file, which has a name while it is open, and how many records it holds.
    :raises RuntimeError: when no later run could open it, because its header says too little or too much.
    """
    line = msgspec.json.encode(header) + b"\n"
    if not header.identity or len(line) + _CHECKSUM_LENGTH >= BEGINNING:
        raise RuntimeError("a file of a snapshot would not open again: please report this as a bug")
    file = tempfile.NamedTemporaryFile(prefix="octopush-snapshot-")  # noqa: SIM115 - the caller closes it
    try:
        checksum, number = keys.checksum(), 0
        checksum.update(line)
        file.write(line + b" " * _CHECKSUM_LENGTH + b"\n")
        for block in blocks:
            content = block.tobytes()
            checksum.update(content)
            file.write(content)
            number += len(block)
        file.seek(len(line))
        file.write(checksum.hexdigest().encode())
        file.flush()
    except BaseException:
        file.close()
        raise
    return file, number


def read_header(content: bytes, what: str) -> Header:
    """
    Read the header at the beginning of a file, unchecked.

    :param what: the file, for error messages.
    :raises SnapshotFormatError: when the format is another one.
    :raises SnapshotUnreadableError: when there is no header.
    """
    line, _, _ = content.partition(b"\n")
    try:
        found = msgspec.json.decode(line, type=_Format).format
        if found != FORMAT:
            todo = "install the version that wrote it, or a newer one" if found > FORMAT else RESTORE
            raise SnapshotFormatError(
                f"{what} has format {found}, but this version of airflow-provider-octopush knows {FORMAT}: {todo}"
            )
        return msgspec.json.decode(line, type=Header)
    except (msgspec.MsgspecError, ValueError):
        raise SnapshotUnreadableError(f"{what} is damaged or not a snapshot: {RESTORE}") from None


def open_file(file: BinaryIO, keys: Sequence[Keys], what: str) -> Opened:
    """
    Open a file, and check that it is whole.

    :param what: the file, for error messages.
    :raises SnapshotError: one of its subclasses, when it is not.
    """
    beginning = os.pread(file.fileno(), BEGINNING, 0)
    header = read_header(beginning, what)
    place = next((place for place, one in enumerate(keys) if one.name == header.secret), None)
    if place is None:
        raise SnapshotSecretError(
            f"{what} was written with a snapshot_secret that the connection does not have: put it back, after a comma "
            f"if there is a newer one. Without it the snapshot cannot be read; to begin anew, {BEGIN_ANEW}"
        )
    line, _, following = beginning.partition(b"\n")
    second, _, _ = following.partition(b"\n")
    offset = len(line) + len(second) + 2
    count, rest = divmod(os.fstat(file.fileno()).st_size - offset, RECORD.itemsize)
    records = Records(file, offset, count)
    checksum = keys[place].checksum()
    checksum.update(line + b"\n")
    for block in records.blocks():
        checksum.update(block.tobytes())
    if rest or checksum.hexdigest().encode() != second:
        raise SnapshotUnreadableError(f"{what} is damaged: {RESTORE}")
    identity = msgspec.json.decode(keys[place].open_text(header.identity), type=Identity)
    return Opened(header, identity, records, place)
