"""
Makes a snapshot's data about people unreadable without the secret.

A number is sealed with AES-SIV (RFC 5297): the same number looks the same each night, so that it can be looked up, and
the secret opens it again. A payload is only digested, with keyed BLAKE2b. Both need a key, because without one the few
billion numbers that exist could be tried one by one. Each purpose has its own key (HKDF, RFC 5869).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec
import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from airflow_provider_octopush.exceptions import SnapshotUnreadableError
from airflow_provider_octopush.payloads import ContactPayload
from airflow_provider_octopush.snapshot.records import RECORD, SEALED, Array
from airflow_provider_octopush.snapshot.snapshot_store import RESTORE

#: How many bytes a number has before it is sealed: 24 digits, while E.164 has 15 at most.
_NUMBER_BYTES = 10
_FIELDS = [name for name, *_ in SEALED.descr]

_NOT_SEALED = f"a snapshot holds data that its secret does not open: {RESTORE}"


class Keys:
    """
    The keys derived from one secret.

    :param secret: the secret, at least 32 characters.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._numbers = AESSIV(self._derive("number", 64))
        self._texts = AESSIV(self._derive("text", 64))
        self._payload_key = self._derive("digest", 32)
        self._checksum_key = self._derive("checksum", 32)
        #: Identifies the secret, and tells nothing else about it.
        self.name = self._derive("name", 8).hex()

    def seal(self, numbers: Iterable[int]) -> Array:
        """
        Seal numbers.

        :return: records without digests and marks, in the order of the numbers.
        """
        encrypt = self._numbers.encrypt
        sealed = b"".join([encrypt(number.to_bytes(_NUMBER_BYTES, "big"), None) for number in numbers])
        fields = np.frombuffer(sealed, SEALED)
        records = np.zeros(len(fields), RECORD)
        records[_FIELDS] = fields
        return records

    def open(self, records: Array) -> list[int]:
        """
        Open the numbers of records.

        :raises SnapshotUnreadableError: when one was not sealed with this secret, or is damaged.
        """
        fields = np.zeros(len(records), SEALED)
        fields[:] = records[_FIELDS]
        sealed, size, decrypt = fields.tobytes(), SEALED.itemsize, self._numbers.decrypt
        try:
            return [
                int.from_bytes(decrypt(sealed[start : start + size], None), "big")
                for start in range(0, len(sealed), size)
            ]
        except InvalidTag:
            raise SnapshotUnreadableError(_NOT_SEALED) from None

    def digests(self, payloads: Iterable[ContactPayload], meaning: bytes) -> Array:
        """
        Return the digest of each payload: 8 bytes, the same for two different payloads once in 18 billion billion.

        :param meaning: what, besides a payload, decides what Octopush makes of it.
        :return: 64-bit integers.
        """
        key = hashlib.blake2b(meaning, key=self._payload_key, digest_size=32).digest()
        start, encode = hashlib.blake2b(key=key, digest_size=8), msgspec.json.Encoder().encode
        digests = []
        for payload in payloads:
            started = start.copy()
            started.update(encode(payload))
            digests.append(started.digest())
        return np.frombuffer(b"".join(digests), "<u8")

    def checksum(self) -> hashlib.blake2b:
        """Return an empty keyed checksum."""
        return hashlib.blake2b(key=self._checksum_key, digest_size=32)

    def digest_text(self, text: bytes) -> str:
        """Return a keyed digest of text."""
        return hashlib.blake2b(text, key=self._checksum_key, digest_size=16, person=b"text").hexdigest()

    def seal_text(self, text: bytes) -> str:
        """Seal text, which must not be empty."""
        return self._texts.encrypt(text, None).hex()

    def open_text(self, sealed: str) -> bytes:
        """
        Open text.

        :raises SnapshotUnreadableError: when it was not sealed with this secret, or is damaged.
        """
        try:
            return self._texts.decrypt(bytes.fromhex(sealed), None)
        except (InvalidTag, ValueError):
            raise SnapshotUnreadableError(_NOT_SEALED) from None

    def _derive(self, purpose: str, length: int) -> bytes:
        info = f"airflow-provider-octopush snapshot {purpose}".encode()
        return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(self._secret)
