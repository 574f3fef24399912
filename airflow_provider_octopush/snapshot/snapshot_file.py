"""
A file of a snapshot: a line of JSON, which a person can read, a line with a checksum, and the records.

``head -1`` shows the first. Without the secret, the file tells when which run wrote how many records, and how phone
numbers were read; of which account, list and task it is, is sealed.
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
    What a snapshot is about.

    :param account: the Octopush account. None, here and below, is any.
    :param list_name: the list.
    :param writer: the task that writes it.
    """

    account: str | None
    list_name: str | None
    writer: str | None


class Counts(msgspec.Struct, frozen=True):
    """What a run has counted that a retry cannot count itself; the names are its summary's."""

    chunks: int = 0
    requests: int = 0
    retries: int = 0
    duration_seconds: float = 0.0
    removed_opted_out: int = 0


class Progress(msgspec.Struct, frozen=True):
    """
    What a run has recorded. One takes the place of another at once, so that a signal finds either of them and nothing
    in between.

    :param records: how many records this try has written.
    :param before: contacts that the list held before the run.
    :param recorded: of the contacts that were sent, or are about to be, those that it did not hold.
    :param removed: contacts that were removed.
    """

    records: int = 0
    before: int = 0
    recorded: int = 0
    removed: int = 0
    counts: Counts = Counts()

    @property
    def after(self) -> int:
        """How many contacts the list holds by it."""
        return self.before + self.recorded - self.removed


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """
    What stands before the records.

    :param format: of the file; a newer one is refused.
    :param secret: tells which secret the file was written with.
    :param identity: what the file is about, sealed.
    :param generation: how often the snapshot was replaced; that of an entry of the journal is the one which it adds to.
    :param try_name: tells the try that wrote it from all others; these names rise with time.
    :param date: of the run, as Airflow dates it; ISO 8601 in UTC, None where it has none.
    :param opted_out: how many people had opted out, the last time that this was found to be right.
    :param reading: how phone numbers were read; empty where that is not known (``adopt``).
    :param countries: country codes of the numbers that were ever held.
    :param dag_run: the same for all instances of a mapped task in one run of the Dag, and for no other run.
    :param map_index: of the instance; -1 where the task is not mapped.
    :param beside: of a head: the try that wrote the snapshot beside which it stands.
    :param included: try → its last entry that is in these records.
    :param sequence: the number of an entry among those of its try, from 0.
    :param run: the same for all tries of one run.
    :param progress: what the run had recorded by then.
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
    A file that was found to be whole.

    :param header: what it says of itself.
    :param identity: what it is about.
    :param records: what it holds.
    :param keys: the place of the secret that it was written with among those that were given.
    """

    header: Header
    identity: Identity
    records: Records
    keys: int


def write(header: Header, keys: Keys, blocks: Iterable[Array]) -> tuple[IO[bytes], int]:
    """
    Write a file, beside all others.

    :return: a temporary file, with a name as long as it is open, and how many records it holds.
    :raises RuntimeError: when no later run could open it, as it does not say what it is about, or says too much.
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
                f"{what} has the format {found}, this version of airflow-provider-octopush knows {FORMAT}: {todo}"
            )
        return msgspec.json.decode(line, type=Header)
    except (msgspec.MsgspecError, ValueError):
        raise SnapshotUnreadableError(f"{what} is torn or is not a snapshot: {RESTORE}") from None


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
            f"{what} was written with another snapshot_secret than the connection has: put that one back, behind a "
            "comma where there is a newer one. Without it the snapshot cannot be read; to begin anew, "
            f"{BEGIN_ANEW}"
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
        raise SnapshotUnreadableError(f"{what} is torn or damaged: {RESTORE}")
    identity = msgspec.json.decode(keys[place].open_text(header.identity), type=Identity)
    return Opened(header, identity, records, place)
