"""
How many contacts a request may hold. Octopush does not document it, so it is learned from refusals.

A chunk is judged when each of its contacts has its outcome. If a request for many of them was refused, but all of them
were accepted in smaller requests, it may have been too large. Or it was refused temporarily, or for one large contact.
So a limit is assumed only when a second chunk shows the same, and none in between had as many contacts accepted at
once. From then on, a request holds as many contacts as the largest one accepted from either chunk. After ten chunks,
whole chunks are tried again, and one that shows the same is enough to assume the limit again: so a limit that was
lifted does not last.
"""

from __future__ import annotations

import logging
import threading
from typing import NamedTuple

log = logging.getLogger(__name__)

#: After how many chunks an assumed limit is tried again.
BELIEVED_FOR = 10


class _Limit(NamedTuple):
    """How many contacts were accepted in one request, and how many were refused."""

    accepted: int
    refused: int


class RequestSize:
    """How many contacts a request may hold, by what is known. Several threads may ask at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._believed: _Limit | None = None
        self._suspected: _Limit | None = None
        self._chunks = 0
        self._told = 0

    def fits(self, number: int) -> bool:
        """Tell whether a request may hold this many contacts."""
        believed = self._believed
        return believed is None or number <= believed.accepted

    def note_chunk(self, accepted: int, refused: int) -> None:
        """
        Learn from a chunk whose contacts have their outcomes.

        :param accepted: how many contacts its largest accepted request had.
        :param refused: how many contacts its largest refused request had, if each of them was accepted in the end; 0 if
            there was none.
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
