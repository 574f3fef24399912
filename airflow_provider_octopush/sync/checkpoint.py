"""
What has been confirmed, so that a retry of the task sends only the rest.

A checkpoint says: the first *n* contacts of the input were sent, and these were they (a keyed digest over what was
sent), and all of them were answered for, but for chunks that were still under way, and for a few (their positions) that
the answer did not confirm. On a retry the rows are read again; only if the first *n* contacts are exactly the same are
they passed over. So the order of the rows, or a row that changed, can cost a repetition but never a contact. Its size
does not depend on the number of contacts.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
from pyroaring import FrozenBitMap

from airflow_provider_octopush.contacts.contact import Contact

VERSION = 2

#: Bytes that the positions of unconfirmed contacts may take. With more of them the checkpoint stays where it is, and a
#: retry sends what came after once more. Airflow recommends at most 64 KB for a whole value.
UNCONFIRMED_MAX_BYTES = 48_000


class Store(Protocol):
    """Keeps one JSON value from one try of a task to the next."""

    def get(self) -> Any:
        """Return the value; None when there is none."""

    def set(self, value: Mapping[str, Any]) -> None:
        """Replace the value."""

    def delete(self) -> None:
        """Forget the value."""


@dataclass(frozen=True)
class Progress:
    """
    How far a run has come.

    :param contacts: number of contacts, from the first, that were sent.
    :param digest: of exactly these contacts in exactly this order.
    :param unconfirmed: positions, from 0, of those among them that no answer confirmed; they are sent again.
    :param under_way: chunks among them, from one position to before another, that were not answered for yet; they are
        sent again as well.
    :param counts: what the summary counts of the confirmed ones and of the requests.
    """

    contacts: int = 0
    digest: str = ""
    unconfirmed: FrozenBitMap = field(default_factory=FrozenBitMap)
    under_way: list[tuple[int, int]] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)


class ContactDigest:
    """
    A digest over contacts in their order.

    :param secret: keys the digest. Without it, the few billion numbers there are could be tried one after another.
    """

    def __init__(self, secret: bytes) -> None:
        self._hash = hashlib.blake2b(digest_size=16, key=hashlib.sha256(secret).digest())

    def update(self, contacts: Sequence[Contact]) -> None:
        """
        Go on to the next contacts.

        :param contacts: at least one; how many come at a time makes no difference.
        """
        # Without the brackets, and with a comma after the last one, it is the same whatever comes at a time.
        self._hash.update(msgspec.json.encode([contact.payload for contact in contacts])[1:-1] + b",")

    def hexdigest(self) -> str:
        """Return the digest of all contacts until here."""
        return self._hash.hexdigest()


class Checkpoint:
    """
    Keeps the progress of one run in a store.

    :param store: where it is kept.
    :param run: everything that makes a run another one: query, parameters, columns, list, options. JSON values.
    :param secret: keys all digests.
    """

    def __init__(self, store: Store, run: Mapping[str, Any], secret: bytes) -> None:
        self._store = store
        self._secret = secret
        identity = json.dumps(run, sort_keys=True, default=str).encode()
        self._run = hashlib.blake2b(identity, digest_size=16, key=hashlib.sha256(secret).digest()).hexdigest()

    def digest(self) -> ContactDigest:
        """Return a digest of no contacts."""
        return ContactDigest(self._secret)

    def load(self) -> Progress | None:
        """Return the progress of an earlier try of this very run; None when there is none."""
        value = self._store.get()
        if not isinstance(value, dict) or value.get("version") != VERSION or value.get("run") != self._run:
            return None
        return Progress(
            contacts=value["contacts"],
            digest=value["digest"],
            unconfirmed=_unpack(value["unconfirmed"]),
            under_way=[(start, stop) for start, stop in value["under_way"]],
            counts=value["counts"],
        )

    def save(self, progress: Progress) -> bool:
        """
        Keep the progress.

        :return: False when it has too many unconfirmed contacts to be kept; the store then stays as it is.
        """
        unconfirmed = _pack(progress.unconfirmed)
        if len(unconfirmed) > UNCONFIRMED_MAX_BYTES:
            return False
        self._store.set(
            {
                "version": VERSION,
                "run": self._run,
                "contacts": progress.contacts,
                "digest": progress.digest,
                "unconfirmed": unconfirmed,
                # Lists: Airflow takes no tuple for JSON.
                "under_way": [list(bounds) for bounds in progress.under_way],
                "counts": progress.counts,
            }
        )
        return True

    def clear(self) -> None:
        """Forget the progress: the run is over."""
        self._store.delete()


def _pack(positions: FrozenBitMap) -> str:
    return base64.b85encode(zlib.compress(positions.serialize())).decode() if positions else ""


def _unpack(packed: str) -> FrozenBitMap:
    return FrozenBitMap.deserialize(zlib.decompress(base64.b85decode(packed))) if packed else FrozenBitMap()
