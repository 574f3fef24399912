"""
How many contacts a request may hold. Octopush does not document it, so it is learned from what is refused.

A chunk is judged when each of its contacts has its outcome. If a request for many of them was refused, and in the end
all of them were accepted in smaller ones, it may have been too large. It may as well have been refused in passing, or
for one large contact. So that is believed once a second chunk says the same, with none in between of which as many were
accepted at once; and then a request holds as many contacts as the largest that was accepted in either. After ten chunks
whole ones are sent again, and one that says the same is enough: so a limit that was lifted is left behind.
"""

from __future__ import annotations

import logging
import threading
from typing import NamedTuple

log = logging.getLogger(__name__)

#: Chunks after which what is believed is tried again.
BELIEVED_FOR = 10


class _Limit(NamedTuple):
    """So many contacts were accepted in one request, and so many refused."""

    accepted: int
    refused: int


class RequestSize:
    """How many contacts a request may hold, as far as it is known. Several threads may ask at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._believed: _Limit | None = None
        self._suspected: _Limit | None = None
        self._chunks = 0
        self._told = 0

    def fits(self, number: int) -> bool:
        """Tell whether a request may hold so many contacts."""
        believed = self._believed
        return believed is None or number <= believed.accepted

    def note_chunk(self, accepted: int, refused: int) -> None:
        """
        Note a chunk whose contacts have their outcomes.

        :param accepted: contacts in its largest request that was accepted.
        :param refused: contacts in its largest request that was refused, though each of them was accepted in the end; 0
            where there was none.
        """
        with self._lock:
            if refused > accepted:
                self._note_too_many(_Limit(accepted, refused))
            elif self._suspected is not None and accepted >= self._suspected.refused:
                self._suspected = None
            if self._believed is not None:
                self._chunks += 1
                if self._chunks > BELIEVED_FOR:
                    self._suspected, self._believed = self._believed, None

    def _note_too_many(self, limit: _Limit) -> None:
        if self._suspected is None:
            self._suspected = limit
            return
        accepted = max(limit.accepted, self._suspected.accepted)
        self._believed, self._suspected = _Limit(accepted, limit.refused), None
        self._chunks = 0
        if accepted != self._told:
            self._told = accepted
            log.warning("Octopush refuses larger requests: sending at most %d contacts in one for now", accepted)
