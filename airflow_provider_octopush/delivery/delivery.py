"""
Chunks → requests → exactly one outcome for each contact.

A refused chunk is halved until each refused contact is alone, so that one bad contact does not cost the others.
``breaker.py`` decides when the run ends because nothing is accepted any more; ``sizes.py``, how large a request may be;
``retry.py``, which failures are repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.delivery.bisection import Bisection
from airflow_provider_octopush.delivery.breaker import CircuitBreaker
from airflow_provider_octopush.delivery.chunk_result import ChunkResult, answered, refused
from airflow_provider_octopush.delivery.retry import Backoff, Sender
from airflow_provider_octopush.delivery.sizes import RequestSize
from airflow_provider_octopush.exceptions import OctopushRequestError
from airflow_provider_octopush.payloads import ContactItem, ContactPayload

#: Writes the body of a request.
Encode = Callable[[Sequence[ContactPayload]], bytes]

#: Posts one body and returns the answer's items; raises a subclass of OctopushError.
Post = Callable[[bytes], Sequence[ContactItem]]


class Chunk:
    """
    Contacts that are sent together, and their progress, which only a :class:`Delivery` uses.

    :param contacts: contacts with different numbers.
    :param body: the body of a request for all of them; None if it is not encoded yet.
    """

    def __init__(self, contacts: Sequence[Contact], body: bytes | None = None) -> None:
        self.contacts = contacts
        self.body = body
        self.waiting = Bisection(contacts)
        self.result = ChunkResult()
        self.is_deferred = False
        self.holds_refused = False
        self.unanswered: set[int] = set()
        self.most_accepted = self.most_refused = 0

    def note_unanswered(self, contacts: Sequence[Contact]) -> None:
        """Remember that the outcome of a request for some of them is not known."""
        self.unanswered.update(contact.number for contact in contacts)


class Delivery(Sender):
    """
    Delivers chunks, and uses what earlier chunks have shown. Several threads may deliver at a time.

    :param encode: writes the body of a request.
    :param post: posts one body.
    :param backoff: how often and how late a request that failed temporarily is repeated.
    """

    def __init__(self, encode: Encode, post: Post, backoff: Backoff) -> None:
        super().__init__(backoff)
        self._encode = encode
        self._post = post
        self._breaker = CircuitBreaker(self._post_again, self._check_not_stopped)
        self._sizes = RequestSize()

    @property
    def is_searching(self) -> bool:
        """Whether chunks are deferred because nothing was accepted yet."""
        return self._breaker.is_searching

    def note_known_good(self, contact: Contact) -> None:
        """
        Remember a contact that the list has exactly as it would be sent; a later one that is accepted replaces it.
        """
        self._breaker.note_known_good(contact)

    def prepare(self, contacts: Sequence[Contact]) -> Chunk:
        """
        Prepare a chunk, which can be done while others are under way.

        :param contacts: contacts with different numbers.
        """
        return Chunk(contacts, self._body(contacts) if self._sizes.fits(len(contacts)) else None)

    def deliver(self, chunk: Chunk) -> ChunkResult | None:
        """
        Send requests for a chunk, until each of its contacts has an outcome.

        :param chunk: a chunk that :meth:`prepare` made.
        :return: exactly one outcome for each of its contacts; None when the chunk is deferred: deliver it again once
            something was accepted (:attr:`is_searching`), or no other chunk is left. It is deferred only once.
        :raises OctopushError: when the run cannot go on; the outcome of the chunk is then not known.
        :raises StoppedError: when nothing more is to be sent, for instance because another chunk has failed.
        """
        try:
            return self._deliver(chunk)
        except BaseException:
            self.stop()
            raise

    def _deliver(self, chunk: Chunk) -> ChunkResult | None:
        # ORDER BY tends to gather bad rows at the head of a table, so the last row is asked about first.
        alone = [chunk.waiting.take_first, chunk.waiting.take_last]
        while chunk.waiting:
            if chunk.is_deferred or not self._breaker.is_searching:
                self._ask(chunk.waiting.take(), chunk)
            elif alone:
                self._ask(alone.pop()(), chunk)
            else:
                chunk.is_deferred = True
                return None
        # A request that was refused with a bad contact in it says nothing about the size.
        self._sizes.note_chunk(chunk.most_accepted, 0 if chunk.holds_refused else chunk.most_refused)
        return chunk.result

    def _ask(self, contacts: Sequence[Contact], chunk: Chunk) -> None:
        number = len(contacts)
        if not self._sizes.fits(number):
            chunk.waiting.halve(contacts)
            return
        body = chunk.body if chunk.body is not None and number == len(chunk.contacts) else self._body(contacts)
        answer = self._breaker.ask(
            contacts[0],
            partial(self._send, partial(self._post, body), partial(chunk.note_unanswered, contacts)),
        )
        if not isinstance(answer, OctopushRequestError):
            chunk.most_accepted = max(chunk.most_accepted, number)
            chunk.result.add(answered(contacts, answer))
        elif number > 1:
            chunk.most_refused = max(chunk.most_refused, number)
            chunk.waiting.halve(contacts)
        else:
            chunk.holds_refused = True
            chunk.result.rejections.append(refused(contacts[0], answer))
            if contacts[0].number not in chunk.unanswered:
                chunk.result.refused.append(contacts[0])

    def _body(self, contacts: Sequence[Contact]) -> bytes:
        return self._encode([contact.payload for contact in contacts])

    def _post_again(self, known_good: Contact) -> Sequence[ContactItem]:
        return self._send(partial(self._post, self._body([known_good])))
