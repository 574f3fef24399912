"""
Contacts that are planned to be sent, kept until they are.

They are in a temporary file without a name, sealed with a key that only this process has: no other process can read it,
and nothing of it is left when the process ends.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO

import msgspec
import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.payloads import ContactPayload
from airflow_provider_octopush.snapshot.records import RECORD, Array, Records, Spool

_NONCE_BYTES = 12
_LENGTH_BYTES = 4

_Row = tuple[int, str, str | None, str | None, str | None, str | None, str | None, str | None, str | None]


class ContactFile:
    """
    Contacts in a temporary file, in the order in which they were written.

    :param width: how many values each contact's row has; those that are not sent come back as None.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="octopush-")  # noqa: SIM115 - as long as the run
        self._spool = Spool()
        self._cipher = AESGCM(AESGCM.generate_key(256))
        self._start = secrets.token_bytes(_NONCE_BYTES - 8)
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(list[_Row]).decode
        self._blocks = 0

    def close(self) -> None:
        """Close the file, which deletes it."""
        self._file.close()
        self._spool.close()

    @property
    def records(self) -> Records:
        """The snapshot's records of all contacts, in their order."""
        return self._spool.records()

    @property
    def count(self) -> int:
        """How many contacts it holds."""
        return self.records.count

    def write(self, contacts: Sequence[Contact]) -> None:
        """
        Append contacts.

        :raises OSError: when the disk is full; the message says which one.
        """
        if not contacts:
            return
        rows = [(contact.row, *map(contact.payload.__getattribute__, _FIELDS)) for contact in contacts]
        sealed = self._cipher.encrypt(self._nonce(self._blocks), self._encode(rows), None)
        try:
            self._file.write(len(sealed).to_bytes(_LENGTH_BYTES, "big") + sealed)
            self._spool.append(records_of(contacts))
        except OSError as error:
            failure = OSError(
                f"the contacts to send could not be written to {tempfile.gettempdir()} ({error.strerror}): make room "
                "there, or name another folder with the environment variable TMPDIR. Nothing was sent"
            )
            raise failure from None
        self._blocks += 1

    def contacts(self) -> Iterator[Contact]:
        """Give all contacts; of their rows, only the values that are sent."""
        self._file.flush()
        self._file.seek(0)
        position, size = 0, RECORD.itemsize
        for block in range(self._blocks):
            length = int.from_bytes(self._file.read(_LENGTH_BYTES), "big")
            rows = self._decode(self._cipher.decrypt(self._nonce(block), self._file.read(length), None))
            records = self.records.read(position, len(rows)).tobytes()
            position += len(rows)
            for place, (row, number, *fields) in enumerate(rows):
                values = (number, *fields, None)[: self._width]
                record = records[place * size : (place + 1) * size]
                yield Contact(row, int(number), ContactPayload(number, *fields), values, record)

    def _nonce(self, block: int) -> bytes:
        return self._start + block.to_bytes(8, "big")


def records_of(contacts: Sequence[Contact]) -> Array:
    """Return the snapshot's records of contacts."""
    return np.frombuffer(b"".join([contact.record for contact in contacts]), RECORD)


_FIELDS = tuple(field.name for field in msgspec.structs.fields(ContactPayload))
