"""
Removes contacts, and decides whether a contact whose removal is refused is gone.

Other modules decide which contacts are removed, and how many may be. Octopush does not document what it answers for a
number that is not there. So a number that is refused alone is taken to be gone only if there is evidence that the
requests themselves are right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from airflow_provider_octopush.api import CONTENT_REFUSED, DELETE_MAX_NUMBERS, NOT_THERE
from airflow_provider_octopush.delivery.bisection import Bisection
from airflow_provider_octopush.delivery.breaker import REFUSALS_MAX
from airflow_provider_octopush.delivery.retry import Backoff, Sender
from airflow_provider_octopush.exceptions import OctopushRequestError

#: The caller's own data about a number.
Record = TypeVar("Record")


@dataclass
class Candidate(Generic[Record]):
    """
    A number to be removed.

    :param number: ``+`` and digits.
    :param record: the caller's own data about it.
    :param may_be_gone: whether an earlier request to remove it was sent, or may have been, and had no answer.
    :param is_unconfirmed: whether nothing has ever confirmed that it is there.
    :param was_refused: whether Octopush refused an earlier run's request to remove it.
    :param was_asked: whether an earlier try of the same run was about to remove it, and had no answer.
    :param is_guess: whether it may never have been there, so that its removal is no evidence for others.
    """

    number: str
    record: Record
    may_be_gone: bool = False
    is_unconfirmed: bool = False
    was_refused: bool = False
    was_asked: bool = False
    is_guess: bool = False
    #: Whether a request of this run had no answer.
    is_unanswered: bool = field(default=False, init=False)
    #: Whether it was refused alone but is taken to be gone.
    is_presumed: bool = field(default=False, init=False)

    @property
    def is_certain(self) -> bool:
        """Whether it is there, by all that is known."""
        return not (self.may_be_gone or self.is_unconfirmed or self.is_unanswered)


@dataclass
class NotRemoved(Generic[Record]):
    """
    The candidates of which it is not known that they are gone, and why not.

    :param kept: those that are there, by all that is known, and were refused.
    :param unsettled: those that may be gone, or were never confirmed, and were refused: nothing shows whether they are
        gone.
    :param said: how the first of them was refused; None if none was.
    :param full_message: Octopush's own words about that one, which may quote contacts.
    :param presumed: how many of those taken to be gone were refused alone.
    """

    kept: list[Candidate[Record]] = field(default_factory=list)
    unsettled: list[Candidate[Record]] = field(default_factory=list)
    said: str | None = None
    full_message: str | None = None
    presumed: int = 0


class Removal(Sender, Generic[Record]):
    """
    Removes numbers, one request at a time.

    :param delete: removes 1 to 200 numbers; raises a subclass of OctopushError.
    :param backoff: how often and how late a request that failed temporarily is repeated.
    :param begin: called before the first request for candidates.
    :param note: called with those that are gone.
    :param restore: called with those that are not gone, unless a request for them had no answer.
    :param has_removed: whether an earlier try of the run has removed contacts, which shows that the requests are right.
    :param believes_refusals: whether a number that an earlier try of the run was about to remove is taken to be gone as
        soon as it is refused alone. If False, another removal of the run has to be accepted first: a key without rights
        must not make the snapshot forget a list.
    """

    def __init__(
        self,
        delete: Callable[[Sequence[str]], None],
        backoff: Backoff,
        *,
        begin: Callable[[Sequence[Candidate[Record]]], None] = lambda _: None,
        note: Callable[[Sequence[Candidate[Record]]], None] = lambda _: None,
        restore: Callable[[Sequence[Candidate[Record]]], None] = lambda _: None,
        has_removed: bool = False,
        believes_refusals: bool = False,
    ) -> None:
        self._delete = delete
        super().__init__(backoff)
        self._begin = begin
        self._note = note
        self._restore = restore
        self._has_removed = self._has_evidence = has_removed
        self._believes_refusals = believes_refusals
        self._refused: Counter[bool] = Counter()
        self._start_over()

    def _start_over(self) -> None:
        self._undecided: list[Candidate[Record]] = []
        self._not_removed = NotRemoved[Record]()

    @property
    def not_removed(self) -> NotRemoved[Record]:
        """The last candidates that are not known to be gone, so far."""
        return self._not_removed

    def remove(self, candidates: Iterable[Candidate[Record]]) -> NotRemoved[Record]:
        """
        Remove numbers.

        Those that may not be there, or were refused before, are sent apart from the others. Octopush does not document
        what it answers if one of many is not there; that answer must not hide that the others were removed.

        :param candidates: candidates with different numbers, taken one request's worth at a time. Those that are there
            should come first, because they tell about those that may not be.
        :return: those that are not known to be gone; all others are gone.
        :raises OctopushError: when the server keeps failing, or the request itself is refused. Those that were removed
            by then are noted.
        :raises StoppedError: when it was asked to stop.
        """
        self._start_over()
        alike: dict[tuple[bool, bool], list[Candidate[Record]]] = {}
        for candidate in candidates:
            together = alike.setdefault((candidate.is_certain, candidate.was_refused), [])
            together.append(candidate)
            if len(together) == DELETE_MAX_NUMBERS:
                self._remove_together(together.copy())
                together.clear()
        for rest in alike.values():
            if rest:
                self._remove_together(rest)
        if self._has_evidence:
            self._are_presumed_gone(self._undecided)
        else:
            self._are_kept(self._undecided)
        self._undecided = []
        return self._not_removed

    def _remove_together(self, candidates: Sequence[Candidate[Record]]) -> None:
        if not self._gives_up(candidates):
            self._check_not_stopped()
            self._begin(candidates)
        waiting = Bisection(candidates)
        while waiting:
            asked = waiting.take()
            if self._gives_up(asked):
                self._are_kept(asked)
                continue
            try:
                self._send(
                    partial(self._delete, [candidate.number for candidate in asked]),
                    partial(_note_unanswered, asked),
                )
            except BaseException as error:
                if not isinstance(error, OctopushRequestError) or error.status_code not in CONTENT_REFUSED | NOT_THERE:
                    self._put_back([asked, *waiting])
                    raise
                if self._not_removed.said is None:
                    self._not_removed.said, self._not_removed.full_message = str(error), error.full_message()
                if len(asked) > 1:
                    self._count_refusal(asked)
                    waiting.halve(asked)
                else:
                    self._is_refused_alone(asked[0], error)
            else:
                self._has_removed = True
                self._has_evidence |= not all(candidate.is_guess for candidate in asked)
                self._are_gone(asked)
                if self._has_evidence:
                    self._are_presumed_gone(self._undecided)
                    self._undecided = []

    def _is_refused_alone(self, candidate: Candidate[Record], error: OctopushRequestError) -> None:
        if error.status_code not in NOT_THERE:
            self._count_refusal([candidate])
            self._are_kept([candidate])
        elif self._has_evidence or self._is_evidence(candidate):
            self._are_presumed_gone([candidate])
        else:
            self._count_refusal([candidate])
            self._undecided.append(candidate)

    def _is_evidence(self, candidate: Candidate[Record]) -> bool:
        return self._believes_refusals and candidate.was_asked

    def _count_refusal(self, candidates: Sequence[Candidate[Record]]) -> None:
        # A refusal because a number is gone says nothing about numbers that are there.
        self._refused[candidates[0].is_certain] += not all(map(self._is_evidence, candidates))

    def _gives_up(self, candidates: Sequence[Candidate[Record]]) -> bool:
        """Tell whether every request is refused, so that the numbers cannot be the reason."""
        return not self._has_removed and self._refused[candidates[0].is_certain] >= REFUSALS_MAX

    def _are_gone(self, candidates: Sequence[Candidate[Record]]) -> None:
        if candidates:
            self._note(candidates)

    def _are_presumed_gone(self, candidates: Sequence[Candidate[Record]]) -> None:
        for candidate in candidates:
            candidate.is_presumed = True
        self._not_removed.presumed += len(candidates)
        self._are_gone(candidates)

    def _are_kept(self, candidates: Sequence[Candidate[Record]]) -> None:
        for candidate in candidates:
            (self._not_removed.kept if candidate.is_certain else self._not_removed.unsettled).append(candidate)
        self._put_back([candidates])

    def _put_back(self, requests: Sequence[Sequence[Candidate[Record]]]) -> None:
        answered = [candidate for candidates in requests for candidate in candidates if not candidate.is_unanswered]
        if answered:
            self._restore(answered)


def _note_unanswered(candidates: Sequence[Candidate[Record]]) -> None:
    for candidate in candidates:
        candidate.is_unanswered = True
