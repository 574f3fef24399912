from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from airflow_provider_octopush.probe.__main__ import main
from airflow_provider_octopush.probe.account import PREFIX
from tests.conftest import SetConnection
from tests.hostile.server import KEEP_ALIVE, RESET, HostileServer, Received, Step, Steps, answer, items

NUMBERS = ("+33612345671", "+33612345672", "+33612345673", "+33612345674", "+33612345675")


class Done(NamedTuple):
    """What came of a probe."""

    code: int
    output: str
    errors: str

    @property
    def said(self) -> str:
        """All that it has said."""
        return self.output + self.errors


Probe = Callable[..., Done]


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Probe:
    """Run a probe in this process: ``probe("--json", "--yes", numbers=…)``, or what else is typed as ``stdin``."""

    def probe(*arguments: str, numbers: Iterable[str] = NUMBERS, stdin: str | None = None) -> Done:
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join([*numbers, ""]) if stdin is None else stdin))
        capsys.readouterr()
        return Done(main(arguments), *capsys.readouterr())

    return probe


LOGIN, KEY = "jeanne.martin@example.com", "k3y-5ECRET-abcdef0123456789"

CREATE_LIST, DELETE_LIST = "POST /v1/public/contact-list/create", "DELETE /v1/public/contact-list/delete"
CREATE, DELETE = "POST /v1/public/contact/create", "DELETE /v1/public/contact/delete"
BALANCE = "GET /v1/public/wallet/check-balance"

STOPS = {401, 403, 429}

#: A request, and which one it is, from 0 → what comes instead of the right answer; None lets it pass.
Twist = Callable[[int, Received], list[Step] | None]


class Octopush:
    """
    Answers as the API does, but for what is twisted, and checks each request.

    :param twist: says what is twisted.
    """

    def __init__(self, twist: Twist) -> None:
        self.twist = twist
        self.requests: list[Received] = []
        self.lists: set[str] = set()
        self.wrongs: list[str] = []
        # Those that the probe created, and those whose creation was accepted, be it by that of a contact.
        self._created: set[str] = set()
        self._accepted: set[str] = set()
        self._is_stopped = False

    def __call__(self, request: Received) -> Steps:
        """Answer a request."""
        at = len(self.requests)
        self.requests.append(request)
        self._check(request)
        steps = self.twist(at, request)
        status = None if steps is None else status_of(steps)
        name = request.sent.get("list_name")
        if name is not None and (status is None or status < 300):
            # What has no answer may be carried out, and so it is.
            self._carry_out(request, name, is_accepted=steps is None or accepts(request, steps))
        is_end = status in STOPS or (steps is not None and (status is None or RESET in steps))
        is_end = is_end or (request.line == CREATE_LIST and name not in self._created)
        self._is_stopped = self._is_stopped or (is_end and request.line != DELETE_LIST)
        right_steps: list[Step] = [right(request), KEEP_ALIVE]
        yield from right_steps if steps is None else steps

    def _carry_out(self, request: Received, name: str, *, is_accepted: bool) -> None:
        if request.line in (CREATE, CREATE_LIST):
            self.lists.add(name)
        if request.line == CREATE_LIST and is_accepted:
            self._created.add(name)
        if request.line in (CREATE, CREATE_LIST) and is_accepted:
            self._accepted.add(name)
        if request.line == DELETE_LIST:
            self.lists.discard(name)

    def _check(self, request: Received) -> None:
        name = request.sent.get("list_name")
        numbers = request.sent.get("phone_numbers")
        rules = {
            "an endpoint that is none of its": request.line in (BALANCE, CREATE, DELETE, CREATE_LIST, DELETE_LIST),
            "a list that is not its own": request.line == BALANCE or str(name).startswith(PREFIX),
            "a deletion from a list that it has not created": request.line != DELETE or name in self._created,
            "a deletion of others": request.line != DELETE or (numbers and set(numbers) <= set(NUMBERS)),
            "a deletion of a list whose creation was not accepted": request.line != DELETE_LIST
            or name in self._accepted,
            "a question after the end": request.line == DELETE_LIST or not self._is_stopped,
        }
        self.wrongs += [f"{wrong}: {request}" for wrong, is_kept in rules.items() if not is_kept]


def status_of(steps: list[Step]) -> int | None:
    """Return the status that steps answer with; None when they do not."""
    first = steps[0] if steps else None
    return int(first.split()[1]) if isinstance(first, bytes) else None


def accepts(request: Received, steps: list[Step]) -> bool:
    """Whether steps are the API's own success: no page, and no error."""
    first = steps[0]
    if not isinstance(first, bytes) or (len(steps) > 1 and steps[1] is RESET):
        return False
    body = first.partition(b"\r\n\r\n")[2]
    if request.line == CREATE:
        return b'"items": [' in body
    return not body or (body[:1] == b"{" and b"message" not in body)


def right(request: Received) -> bytes:
    if request.line in (DELETE, DELETE_LIST):
        return answer(b"", "204 No Content", length=False)
    if request.line == BALANCE:
        return answer({"amount": 12.54, "unit": "euros"}, "200 OK")
    return answer(items(request) if request.line == CREATE else {})


def named(done: Done) -> set[str]:
    """Return the lists that may be left."""
    line = next((line for line in done.errors.splitlines() if line.startswith("perhaps left: ")), "")
    return set(re.findall(rf"{PREFIX}[0-9a-fu-]+", line))


def say(status: int, body: Any = b"", *headers: str) -> list[Step]:
    return [answer(body, f"{status} Whatever", *headers), KEEP_ALIVE]


def at(position: int, steps: list[Step]) -> Twist:
    return lambda number, _: steps if number == position else None


@pytest.fixture
def serve(set_connection: SetConnection) -> Iterator[Callable[[Twist], Octopush]]:
    """Put an Octopush with a twist behind ``octopush_default``."""
    with ExitStack() as servers:

        def serve(twist: Twist) -> Octopush:
            octopush = Octopush(twist)
            server = servers.enter_context(HostileServer(octopush))
            set_connection(
                "octopush_default",
                conn_type="octopush",
                host=server.url,
                login=LOGIN,
                password=KEY,
                extra={"timeout": 5},
            )
            return octopush

        yield serve


Serve = Callable[[Twist], Octopush]
