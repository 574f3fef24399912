"""
Contacts that are to be sent, from the time when that is decided to the time when it is done.

They are in a temporary file without a name, sealed with a key that only this process has: nobody else reads it, and
nothing of it is left when the process ends.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator, Sequence
from itertools import starmap
from typing import IO

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.payloads import ContactPayload

_NONCE_BYTES = 12
_LENGTH_BYTES = 4

_Row = tuple[int, str, str | None, str | None, str | None, str | None, str | None, str | None, str | None]


class ContactFile:
    """
    Contacts in a temporary file, in the order in which they were written.

    :param width: values of each contact's row; those that are not sent come back as None.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="octopush-")  # noqa: SIM115 - as long as the run
        self._cipher = AESGCM(AESGCM.generate_key(256))
        self._start = secrets.token_bytes(_NONCE_BYTES - 8)
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(list[_Row]).decode
        self._blocks = 0
        #: How many contacts it holds.
        self.count = 0

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def write(self, contacts: Sequence[Contact]) -> None:
        """
        Append contacts.

        :raises OSError: when there is no room; it says where room is needed.
        """
        if not contacts:
            return
        rows = [(contact.row, *map(contact.payload.__getattribute__, _FIELDS)) for contact in contacts]
        sealed = self._cipher.encrypt(self._nonce(self._blocks), self._encode(rows), None)
        try:
            self._file.write(len(sealed).to_bytes(_LENGTH_BYTES, "big") + sealed)
        except OSError as error:
            failure = OSError(
                f"what is to be sent could not be written to {tempfile.gettempdir()} ({error.strerror}): make room "
                "there, or name another folder with the environment variable TMPDIR. Nothing was sent"
            )
            raise failure from None
        self._blocks += 1
        self.count += len(contacts)

    def contacts(self) -> Iterator[Contact]:
        """
        Give all contacts; the values of their rows are what is sent.

        :raises OSError: when the file cannot be read.
        """
        self._file.flush()
        self._file.seek(0)
        for block in range(self._blocks):
            length = int.from_bytes(self._file.read(_LENGTH_BYTES), "big")
            rows = self._decode(self._cipher.decrypt(self._nonce(block), self._file.read(length), None))
            yield from starmap(self._contact, rows)

    def _contact(self, row: int, number: str, *fields: str | None) -> Contact:
        values = (number, *fields, None)[: self._width]
        return Contact(row, int(number), ContactPayload(number, *fields), values)

    def _nonce(self, block: int) -> bytes:
        return self._start + block.to_bytes(8, "big")


_FIELDS = tuple(field.name for field in msgspec.structs.fields(ContactPayload))
