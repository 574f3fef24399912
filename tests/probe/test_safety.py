"""What a probe never does, whatever a server answers and however it ends."""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.probe.account import PREFIX, Account
from airflow_provider_octopush.probe.questions import IMPOSSIBLE, NO_NUMBER
from airflow_provider_octopush.simulator import Behaviour, Simulator
from tests.conftest import SetConnection
from tests.hostile.server import HANG, KEEP_ALIVE, RESET, HostileServer, Received, Step, Steps, answer, items
from tests.probe.conftest import NUMBERS, Probe

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
        # Those that the probe created, and those that may be there, as far as it can know.
        self._created: set[str] = set()
        self._perhaps: set[str] = set()
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
            self._carry_out(request, name, is_accepted=steps is None or accepts(steps))
        if name is not None and (status is None or not 400 <= status < 500):
            self._perhaps.add(name)
        self._is_stopped = self._is_stopped or (status in STOPS and request.line != DELETE_LIST)
        right_steps: list[Step] = [right(request), KEEP_ALIVE]
        yield from right_steps if steps is None else steps

    def _carry_out(self, request: Received, name: str, *, is_accepted: bool) -> None:
        if request.line in (CREATE, CREATE_LIST):
            self.lists.add(name)
        if request.line == CREATE_LIST and is_accepted:
            self._created.add(name)
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
            "a list deleted that is none": request.line != DELETE_LIST or name in self._perhaps,
            "a question after the end": request.line == DELETE_LIST or not self._is_stopped,
        }
        self.wrongs += [f"{wrong}: {request}" for wrong, is_kept in rules.items() if not is_kept]


def status_of(steps: list[Step]) -> int | None:
    """Return the status that steps answer with; None when they do not."""
    first = steps[0] if steps else None
    return int(first.split()[1]) if isinstance(first, bytes) else None


def accepts(steps: list[Step]) -> bool:
    """Whether steps are the API's own success: no page, and no error."""
    first = steps[0]
    if not isinstance(first, bytes) or (len(steps) > 1 and steps[1] is RESET):
        return False
    body = first.partition(b"\r\n\r\n")[2]
    return not body or (body[:1] == b"{" and b"message" not in body)


def right(request: Received) -> bytes:
    if request.line in (DELETE, DELETE_LIST):
        return answer(b"", "204 No Content", length=False)
    if request.line == BALANCE:
        return answer({"amount": 12.54, "unit": "euros"}, "200 OK")
    return answer(items(request) if request.line == CREATE else {})


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


def nothing(_: int, __: Received) -> None:
    """Twist nothing."""


@pytest.fixture
def whole(serve: Serve, probe: Probe) -> int:
    """How many requests a probe takes that nothing ends early, without those that clean up."""
    octopush = serve(nothing)
    assert probe("--yes").code == 0
    assert (octopush.lists, octopush.wrongs) == (set(), [])
    assert [request.line for request in octopush.requests[-2:]] == [DELETE_LIST] * 2
    return len(octopush.requests) - 2


@pytest.mark.parametrize("status", sorted(STOPS))
def test_the_first_401_403_or_429_ends_it_and_it_cleans_up(serve: Serve, probe: Probe, whole: int, status: int) -> None:
    for position in range(whole):
        octopush = serve(at(position, say(status, {"code": 101, "message": f"{NUMBERS[0]} {LOGIN}"})))
        done = probe("--yes", "--json")
        assert (octopush.lists, octopush.wrongs) == (set(), []), position
        assert (done.code, f"HTTP {status}" in done.errors) == (1, True), done
        json.loads(done.output)
        assert len([request for request in octopush.requests if request.line != DELETE_LIST]) == position + 1


@pytest.mark.parametrize("seed", range(40))
def test_whatever_a_server_answers_no_deletion_goes_astray(serve: Serve, probe: Probe, seed: int) -> None:
    rng = random.Random(seed)
    page = b"<html>log in</html>"
    answers: list[list[Step]] = [
        *[say(status, {"code": 303, "message": "no"}) for status in (400, 404, 409, 422, 500, 503)],
        *[say(status, page) for status in (200, 302, 404, 502)],
        *[say(status, {"code": 303, "message": "no"}) for status in (200, 201)],
        *[say(200, text) for text in ("[]", "null", '"ok"', '{"items": {}}', '{"items": [{"phone_number": 1}]}')],
        say(204),
        [RESET],
        [b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{", RESET],
    ]
    share = rng.choice([0.1, 0.3, 0.6, 1.0])

    def twist(_: int, request: Received) -> list[Step] | None:
        # That the end is right, too, is another test.
        return rng.choice(answers) if request.line != DELETE_LIST and rng.random() < share else None

    octopush = serve(twist)
    done = probe("--yes", "--json")
    assert (octopush.lists, octopush.wrongs) == (set(), []), done
    assert done.code == 0
    json.loads(done.output)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_cleans_up_when_a_signal_ends_it_at_any_request(
    serve: Serve, probe: Probe, whole: int, number: signal.Signals
) -> None:
    for position in range(0, whole, 1 if number is signal.SIGINT else 7):

        def twist(at: int, _: Received, position: int = position) -> None:
            if at == position:
                os.kill(os.getpid(), number)
                time.sleep(0.05)

        octopush = serve(twist)
        done = probe("--yes")
        assert (octopush.lists, octopush.wrongs) == (set(), []), position
        assert (done.code, done.output) == (128 + number, "")
        # What was under way was waited for, and nothing was asked after that.
        assert len([request for request in octopush.requests if request.line != DELETE_LIST]) == position + 1


def test_a_second_signal_ends_a_request_that_hangs_and_it_cleans_up(serve: Serve, probe: Probe) -> None:
    def twist(at: int, _: Received) -> list[Step] | None:
        if at != 6:
            return None
        for _time in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
        return [HANG]

    octopush = serve(twist)
    began = time.monotonic()
    done = probe("--yes")
    assert time.monotonic() - began < 4
    assert (octopush.lists, octopush.wrongs, done.code) == (set(), [], 130)
    # Octopush may carry out what was given up.
    assert "whether it is there again" in done.errors


def test_nothing_ends_the_cleaning_up(serve: Serve, probe: Probe) -> None:
    def twist(at: int, request: Received) -> None:
        if at == 9 or request.line == DELETE_LIST:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)

    octopush = serve(twist)
    assert probe("--yes").code == 130
    assert (octopush.lists, octopush.wrongs) == (set(), [])


@pytest.mark.parametrize("first", [say(429, b"", "Retry-After: 0"), say(500), [RESET], say(200, b"<html></html>")])
def test_a_deletion_of_the_list_that_fails_in_passing_is_repeated(
    serve: Serve, probe: Probe, first: list[Step]
) -> None:
    deletions = itertools.count()

    def twist(_: int, request: Received) -> list[Step] | None:
        return first if request.line == DELETE_LIST and next(deletions) == 0 else None

    octopush = serve(twist)
    assert probe("--yes").code == 0
    assert len([request for request in octopush.requests if request.line == DELETE_LIST]) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 429])
def test_a_list_that_cannot_be_deleted_is_named(serve: Serve, probe: Probe, status: int) -> None:
    octopush = serve(lambda _, request: say(status, b"", "Retry-After: 0") if request.line == DELETE_LIST else None)
    done = probe("--yes", "--json")
    assert (done.code, len(octopush.lists)) == (1, 2)
    assert "perhaps not deleted: " + ", ".join(sorted(octopush.lists)) in done.errors
    # What was found is not lost.
    assert json.loads(done.output)["success_status"] == 201


def test_no_list_is_deleted_but_a_probes_own(octopush: Simulator) -> None:
    hook = OctopushHook()
    hook.create_contacts([{"phone_number": NUMBERS[0]}], list_name="Customers")
    before = octopush.requests_total
    account = Account(hook, hook, NUMBERS, "Customers")
    account.create_list()
    with pytest.raises(ValueError, match="only lists whose name begins with airflow-probe-"):
        account.delete(NUMBERS)
    with pytest.raises(ValueError, match="only lists whose name begins with airflow-probe-"):
        account.clean_up()
    assert octopush.requests_total == before + 1
    assert octopush.lists == {"Customers": {NUMBERS[0]}}


def test_what_it_will_do_is_said_and_done(octopush: Simulator, probe: Probe) -> None:
    done = probe("--sizes", stdin="\n".join([*NUMBERS, "", "yes", ""]))
    assert done.code == 0
    most = int(done.errors.partition("at most ")[2].split()[0])
    assert octopush.requests_total <= most
    assert f"created ({len(NUMBERS)} of them), and THEIR FIELDS ARE OVERWRITTEN" in done.errors
    sent = {number for request in octopush.requests for number in request.contacts}
    written = f"{NUMBERS[0][:4]} {NUMBERS[0][4:]}"
    assert sent == {*NUMBERS, written, IMPOSSIBLE, NO_NUMBER}
    names = {str(request.options["list_name"]) for request in octopush.requests if request.options}
    assert all(name in done.errors and len(name) <= 30 for name in names)
    assert octopush.lists == {}


def test_only_numbers_that_it_asks_about_are_sent(octopush: Simulator, probe: Probe) -> None:
    assert probe("--yes").code == 0
    sent = {number for request in octopush.requests for number in request.contacts}
    assert not sent & set(NUMBERS[3:])


@pytest.mark.parametrize("typed", ["no", "", "y", "yes please", "+33612345671"])
def test_without_a_yes_nothing_is_sent(octopush: Simulator, probe: Probe, typed: str) -> None:
    done = probe(stdin="\n".join([*NUMBERS, "", typed, ""]))
    assert (done.code, done.output, octopush.requests_total) == (2, "", 0)
    assert "nothing was sent" in done.errors
    assert "33612345671" not in done.said


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("", "there are no numbers"),
        ("\n\n", "there are no numbers"),
        ("+33612345671\n0612345678", "line 2 is not a number with a plus"),
        ("phone_number\n+33612345671", "line 1 is not a number with a plus"),
        ("+33 6 12 34 56 71", "line 1 is not a number with a plus"),
        ("+33612345671;Zoé", "line 1 is not a number with a plus"),
    ],
)
@pytest.mark.parametrize("is_file", [True, False])
def test_numbers_that_are_none_are_refused_and_not_shown(
    octopush: Simulator, probe: Probe, tmp_path: Path, typed: str, complaint: str, is_file: bool
) -> None:
    path = tmp_path / "numbers.txt"
    path.write_text(typed, encoding="utf-8")
    done = probe("--yes", "--numbers", str(path)) if is_file else probe("--yes", stdin=typed)
    assert (done.code, done.output, done.errors.count("\n")) == (2, "", 1), done
    assert done.errors.startswith(complaint)
    assert not {"336123", "061234", "Zo", "6 12"} & {done.errors[at : at + 6] for at in range(len(done.errors))}
    assert octopush.requests_total == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["--numbers", "/nowhere/+33612345671"],
            "the file given with --numbers cannot be read (No such file or directory)",
        ),
        (["+33612345671"], "unrecognized arguments: see"),
        (["--conn-id", "elsewhere"], "Airflow has no connection 'elsewhere'"),
        (["--conn-id", "incomplete"], "connection 'incomplete': login is missing"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    octopush: Simulator, probe: Probe, set_connection: SetConnection, arguments: list[str], complaint: str
) -> None:
    set_connection("incomplete", conn_type="octopush", host=octopush.url, password=KEY)
    done = probe("--yes", *arguments)
    assert (done.code, done.output, done.errors.count("\n")) == (2, "", 1), done
    assert done.errors.startswith(complaint)
    assert not {"33612345671", KEY} & set(done.errors.split())
    assert octopush.requests_total == 0


@pytest.mark.parametrize("status", [201, 400, 401, 429, 500])
def test_nothing_personal_is_shown_whatever_a_server_says(
    serve: Serve, probe: Probe, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    personal = [*NUMBERS, *(number[1:] for number in NUMBERS), LOGIN, KEY, "33612345", "jeanne", "5ECRET"]
    told = f"{' '.join(NUMBERS)} {LOGIN} {KEY}"

    def twist(at: int, request: Received) -> list[Step] | None:
        if at < 3 and status > 300:
            return None
        body = {
            "code": int(NUMBERS[0]),
            "message": told,
            told: told,
            "items": [
                {"phone_number": one, "status": word, "email": LOGIN, word: word, KEY: one}
                for one in [contact["phone_number"] for contact in request.contacts]
                for word in (told, NUMBERS[0], LOGIN, KEY, "jeanne", "pending")
            ],
        }
        headers = f"X-RateLimit-Limit: {NUMBERS[0][1:]}", f"X-RateLimit-{KEY}: 1", f"X-Quota: {LOGIN}"
        return say(status, body, "Retry-After: 0", *headers)

    serve(twist)
    with caplog.at_level("DEBUG"):
        for format_ in ([], ["--json"]):
            done = probe("--yes", *format_)
            shown = (done.said + caplog.text).casefold()
            assert not [word for word in personal if word.casefold() in shown], done


def test_headers_that_tell_of_a_limit_are_shown(serve: Serve, probe: Probe) -> None:
    def twist(_: int, request: Received) -> list[Step] | None:
        if request.line != CREATE:
            return None
        headers = "X-RateLimit-Limit: 100", "RateLimit-Remaining: 99", "X-Request-Id: 7"
        return [answer(items(request), "201 Created", *headers), KEEP_ALIVE]

    serve(twist)
    output = " ".join(probe("--yes").output.split())
    assert "headers that tell of a limit ratelimit-remaining: 99, x-ratelimit-limit: 100" in output
    assert "concurrency 1, because the headers tell of a limit" in output


def test_chunk_size_and_concurrency_are_suggested_with_a_reason(octopush: Simulator, probe: Probe) -> None:
    octopush.behaviour = Behaviour(max_contacts=250)
    many = [f"+3361235{number:04}" for number in range(500)]
    output = " ".join(probe("--yes", "--sizes", numbers=many).output.split())
    assert "chunk_size 250, because 250 contacts are accepted at once and more are refused" in output
    octopush.reset(Behaviour())
    output = " ".join(probe("--yes", "--sizes", numbers=many[:200]).output.split())
    assert "chunk_size 200, the largest request that was asked about" in output
    output = " ".join(probe("--yes", "--sizes", numbers=many[:50]).output.split())
    assert "largest request 50" in output
    assert "chunk_size 200, the default" in output
    assert "concurrency 1, because a request takes 0." in output


def test_of_slow_requests_two_at_once_are_suggested(serve: Serve, probe: Probe) -> None:
    serve(lambda _, request: time.sleep(0.35 if len(request.contacts) == 3 else 0))
    output = " ".join(probe("--yes").output.split())
    assert re.search(r"concurrency 2, because a request takes 0\.\d+ s, and ten in a row met no limit", output)


def test_it_is_a_process_whose_output_is_the_report(octopush: Simulator, tmp_path: Path) -> None:
    (tmp_path / "numbers.txt").write_text("\n".join(NUMBERS))
    command = [sys.executable, "-m", "airflow_provider_octopush.probe", "--numbers", str(tmp_path / "numbers.txt")]
    # Airflow says at once that it is in its mode for tests.
    environment = {name: value for name, value in os.environ.items() if name != "AIRFLOW__CORE__UNIT_TEST_MODE"}
    done = subprocess.run(
        [*command, "--json"], input="yes\n", capture_output=True, text=True, check=False, timeout=300, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert Behaviour.from_json({name: value for name, value in json.loads(done.stdout).items() if value is not None})
    assert octopush.lists == {}

    octopush.reset(Behaviour(latency=0.3))
    with subprocess.Popen(
        [*command, "--yes"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        while octopush.requests_total < 5:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=300)
    assert (process.returncode, output) == (130, "")
    assert "Traceback" not in errors
    assert octopush.requests_total < 12
    assert octopush.lists == {}
