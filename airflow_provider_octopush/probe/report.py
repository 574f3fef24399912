"""The findings of a probe, for a person and for the simulator."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_octopush.exceptions import OctopushError
from airflow_provider_octopush.probe.account import NOT_SHOWN, Account, UntoldError
from airflow_provider_octopush.probe.questions import QUESTIONS, SIZES_QUESTION, Question

#: Questions that cannot be asked, or not without harm: those with a switch of the simulator, and those without.
NOT_ASKED = {
    "null_clears": "whether a field that is null clears the old value: no endpoint reads a contact back",
    "forbidden_in_names": "which characters lists and tags may not have: no endpoint reads a name back",
    "removed_in_items": "what an answer says of blacklisted numbers: that takes a number that has opted out",
    "missing_list_status": "the deletion of a contact from a list that is not there: it may reach the whole account",
    "too_many_numbers_status": "the deletion of more numbers than the documented 200",
    "max_parallel": "how many requests at once are too many: that takes too many, and the first 429 ends the probe",
    "requests_per_second": "the same for requests in a second",
    "max_body_bytes": "the same for the size of a request",
    "credentials_body": "what a wrong key is answered: that takes a wrong key",
    "other_status_rate": "how many numbers get a status that is not documented: that takes many numbers",
}
NO_SWITCH = {
    "what is stored": "whether an accepted list was created, a text cut, a character deleted: nothing reads it back",
    "opt-outs": "what Octopush pushes for a STOP, and when: no request asks for it",
}

_CHUNK_SIZE, _MOST_SUGGESTED = 200, 500

#: If a request takes this many seconds, waiting for one answer at a time takes most of a run.
_SLOW = 0.3


@dataclass
class Report:
    """
    The findings of a probe.

    :param found: switches and other findings; None is a question that could not be answered.
    :param reasons: why a switch could not be told, if that is known.
    :param stopped: what stopped it early; None if nothing did.
    """

    questions: Sequence[Question]
    found: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    stopped: str | None = None

    def as_json(self) -> str:
        """Write it for the simulator: its switches, null for those that could not be told."""
        asked = [name for question in (*QUESTIONS, SIZES_QUESTION) for name in question.switches]
        told = {name: value for name, value in self.found.items() if value != NOT_SHOWN}
        return json.dumps({name: told.get(name) for name in (*asked, *NOT_ASKED)}, indent=2) + "\n"

    def as_table(self) -> Iterator[str]:
        """Write it for a person."""
        names = [name for question in self.questions for name in question.switches]
        yield "What the account does (the simulator's switches)\n"
        for name in names:
            value = self.found.get(name)
            yield _row(
                name, f"not told: {self.reasons.get(name, 'no answer said it')}" if value is None else _said(value)
            )
        yield "\nWhat else was seen\n"
        for name, value in self.found.items():
            if name not in names and value is not None:
                yield _row(name, _said(value))
        yield "\nSuggested\n"
        yield _row("chunk_size", self._chunk_size())
        yield _row("concurrency", self._concurrency())
        yield "\nWhat no probe can ask\n"
        for name, why in (NOT_ASKED | NO_SWITCH).items():
            yield _row(name, why)

    def _chunk_size(self) -> str:
        limit, largest = self.found.get("max_contacts"), self.found.get("largest request")
        if limit is not None:
            return (
                f"{min(limit, _MOST_SUGGESTED)}, because {limit} contacts are accepted at once and more are refused; "
                "they were numbers only, so with more fields it may be fewer"
            )
        if largest is None or largest < _CHUNK_SIZE:
            return f"{_CHUNK_SIZE}, the default: nothing as large was asked about (--sizes, with 200 numbers or 500)"
        return f"{largest}, the largest request that was asked about: it was accepted"

    def _concurrency(self) -> str:
        latency = self.found.get("latency")
        if self.stopped is not None:
            return "1, because the probe was stopped"
        if "headers that tell of a limit" in self.found:
            return "1, because the headers tell of a limit: read them first"
        if latency is None:
            return "1, because it is not known how fast ten requests are answered"
        if latency < _SLOW:
            return f"1, because a request takes {latency} s: one at a time is fast enough"
        return f"2, because a request takes {latency} s, and ten in a row met no limit; more at once were not tried"


def ask(account: Account, numbers: Sequence[str], questions: Sequence[Question], report: Report) -> None:
    """
    Ask the questions, one after the other, and write down the answers.

    The first 401, 403 or 429 ends it, and so does a request without an answer, or a signal.
    """
    for at, question in enumerate(questions):
        try:
            report.found.update(question.ask(account, numbers))
        except UntoldError as error:
            report.reasons.update(dict.fromkeys(question.switches, str(error)))
        except OctopushError as error:
            report.stopped = str(error)
            unasked = [name for left in questions[at:] for name in left.switches]
            report.reasons.update(dict.fromkeys(unasked, "the probe was stopped"))
            break
    if account.limit_headers:
        shown = ", ".join(f"{name}: {value}" for name, value in sorted(account.limit_headers.items()))
        report.found["headers that tell of a limit"] = shown


def _row(name: str, said: str) -> str:
    return f"  {name:<36} {said}\n"


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
