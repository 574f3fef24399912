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
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.probe.account import PREFIX, Account
from airflow_provider_octopush.probe.questions import IMPOSSIBLE, NO_NUMBER
from airflow_provider_octopush.simulator import Behaviour, Simulator
from tests.conftest import SetConnection
from tests.hostile.server import HANG, KEEP_ALIVE, RESET, Received, Step, answer, items
from tests.probe.conftest import (
    BALANCE,
    CREATE,
    CREATE_LIST,
    DELETE_LIST,
    KEY,
    LOGIN,
    NUMBERS,
    STOPS,
    Probe,
    Serve,
    at,
    named,
    say,
)


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


@pytest.mark.parametrize(
    "steps",
    [
        [RESET],
        [b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{", RESET],
        [b"HTTP/1.1 429 Wait\r\nContent-Length: 5, 6\r\n\r\nhello"],
    ],
)
def test_the_first_request_without_an_answer_ends_it_and_its_list_is_named(
    serve: Serve, probe: Probe, whole: int, steps: list[Step]
) -> None:
    for position in range(0, whole, 3):
        octopush = serve(at(position, steps))
        done = probe("--yes", "--json")
        assert octopush.lists <= named(done)
        assert (done.code, "the probe was stopped" in done.errors) == (1, True)
        asked = [request for request in octopush.requests if request.line != DELETE_LIST]
        assert len(asked) == position + 1
        assert len(named(done)) == (asked[-1].line in (CREATE, CREATE_LIST))


@pytest.mark.parametrize(
    "refusal",
    [
        *[say(status, {"code": 302, "message": "The list exists already"}) for status in (400, 409, 429, 200)],
        say(504, b"<html>Gateway Time-out</html>"),
        say(302),
        say(200, b"<html>log in</html>"),
        [RESET],
    ],
)
def test_a_list_whose_creation_was_not_accepted_ends_it_and_is_named_but_not_deleted(
    serve: Serve, probe: Probe, refusal: list[Step]
) -> None:
    octopush = serve(lambda _, request: refusal if request.line == CREATE_LIST else None)
    done = probe("--yes", "--json")
    assert [request.line for request in octopush.requests] == [BALANCE, CREATE_LIST]
    assert named(done) == {octopush.requests[-1].sent["list_name"]}
    assert (done.code, octopush.wrongs) == (1, [])


@pytest.mark.parametrize("steps", [say(504), say(302), say(202, {"queued": True}), say(429)])
def test_a_list_that_a_request_may_still_create_is_named(serve: Serve, probe: Probe, steps: list[Step]) -> None:
    octopush = serve(at(4, steps))
    done = probe("--yes")
    assert octopush.requests[4].line == CREATE
    assert named(done) == {octopush.requests[4].sent["list_name"]}
    assert octopush.wrongs == []


@pytest.mark.parametrize("body", [{"status": "error"}, {"result": {"success": False}}, b"<html></html>"])
def test_a_list_whose_deletion_is_not_answered_as_documented_is_named(serve: Serve, probe: Probe, body: Any) -> None:
    octopush = serve(lambda _, request: say(200, body) if request.line == DELETE_LIST else None)
    done = probe("--yes")
    assert named(done) == {f"{request.sent['list_name']}" for request in octopush.requests if request.line == CREATE}
    assert done.code == 1


def test_no_two_probes_have_the_same_list(octopush: Simulator, probe: Probe) -> None:
    names = []
    for _time in range(2):
        octopush.reset(Behaviour())
        assert probe("--yes").code == 0
        names.append({str(request.options["list_name"]) for request in octopush.requests if request.options})
    assert len(names[0] | names[1]) == 4


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
    assert octopush.wrongs == [], done
    assert octopush.lists <= named(done)
    assert done.code == (1 if named(done) or "was stopped" in done.errors else 0)
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
        assert (octopush.lists, octopush.wrongs, named(done)) == (set(), [], set()), position
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
    assert len(named(done)) == 1


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
    assert named(done) == octopush.lists
    # What was found is not lost.
    assert json.loads(done.output)["success_status"] == 201


def test_no_list_is_deleted_but_a_probes_own(octopush: Simulator) -> None:
    hook = OctopushHook()
    hook.create_contacts([{"phone_number": NUMBERS[0]}], list_name="Customers")
    before = octopush.requests_total
    account = Account(hook, hook, NUMBERS, "Customers")
    account.create_list()
    with pytest.raises(ValueError, match="only lists that it has created"):
        account.delete(NUMBERS)
    with pytest.raises(ValueError, match="only lists that it has created"):
        account.clean_up()
    account = Account(hook, hook, NUMBERS, f"{PREFIX}other")
    with pytest.raises(ValueError, match="only lists that it has created"):
        account.delete(NUMBERS)
    assert octopush.requests_total == before + 2
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
        ([LOGIN], "unrecognized arguments: see"),
        ([f"--key={KEY}"], "unrecognized arguments: see"),
        ([f"--json={KEY}"], "argument --json: ignored explicit argument: see"),
        (["--conn-id", "+33612345671"], "Airflow has no connection with the id given with --conn-id"),
        (["--conn-id", "incomplete"], "connection 'incomplete': login is missing"),
        (["--conn-id", "impatient"], "connection 'impatient': extra 'timeout' is wrong: write seconds as a number"),
        (["--conn-id", "astray"], "connection 'astray': host is wrong: write http or https"),
    ],
)
@pytest.mark.usefixtures("airflow_db")
def test_what_is_wrong_is_said_in_a_sentence(
    octopush: Simulator, probe: Probe, set_connection: SetConnection, arguments: list[str], complaint: str
) -> None:
    set_connection("incomplete", conn_type="octopush", host=octopush.url, password=KEY)
    whole = {"conn_type": "octopush", "login": LOGIN, "password": KEY}
    set_connection("impatient", **whole, extra={"timeout": KEY})
    set_connection("astray", **whole, host=f"{KEY}://here")
    done = probe("--yes", *arguments)
    assert (done.code, done.output, done.errors.count("\n")) == (2, "", 1), done
    assert done.errors.startswith(complaint)
    assert not [secret for secret in ("33612345671", KEY.casefold(), LOGIN) if secret in done.errors.casefold()]
    assert octopush.requests_total == 0


@pytest.mark.parametrize("status", [201, 400, 401, 429, 500])
def test_nothing_personal_is_shown_whatever_a_server_says(
    serve: Serve, probe: Probe, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    personal = [*NUMBERS, *(number[1:] for number in NUMBERS), LOGIN, KEY, "33612345", "jeanne", "5ECRET"]
    personal += [NUMBERS[0][3:9], KEY[-6:], "Marie", "Keller", "33699", "3_6-99"]
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
                for word in (
                    told,
                    NUMBERS[0],
                    LOGIN,
                    KEY,
                    "jeanne",
                    "pending",
                    "Anna Keller",
                    "Marie",
                    "n33699999999",
                    "n_3-3_6-99",
                )
            ],
        }
        headers = (
            f"X-RateLimit-Limit: {NUMBERS[0][1:]}",
            f"X-RateLimit-{KEY}: 1",
            f"X-Quota: {LOGIN}",
            f"X-Quota-Rest: {NUMBERS[0][3:9]}",
            f"RateLimit: {KEY[-6:]}",
        )
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


def test_of_a_server_only_identifiers_and_small_numbers_are_shown_and_the_rest_is_told_not_to_be(
    serve: Serve, probe: Probe
) -> None:
    def twist(_: int, request: Received) -> list[Step] | None:
        if request.line != CREATE:
            return None
        body = items(request)
        for item in body["items"]:
            item.update({"status": "Anna Keller", "Marie Dupont": 1, "e-mail_2": ""})
        return say(201, body, "X-RateLimit-Reset: Mon, 30 Nov 2026 15:44:42 GMT", "X-Quota: \xb2", "RateLimit: 1000000")

    serve(twist)
    output = " ".join(probe("--yes").output.split())
    assert "fields of an item (not shown), e-mail_2, phone_number, status" in output
    assert "other_status (not shown)" in output
    # Any encoding can write it.
    assert output.isascii()
    headers = ("ratelimit: (not shown)", "x-quota: (not shown)", "x-ratelimit-reset: (not shown)")
    assert f"headers that tell of a limit {', '.join(headers)}" in output
    found = json.loads(probe("--yes", "--json").output)
    assert found["other_status"] is None


def test_chunk_size_and_concurrency_are_suggested_with_a_reason(octopush: Simulator, probe: Probe) -> None:
    octopush.behaviour = Behaviour(max_contacts=250)
    many = [f"+3361235{number:04}" for number in range(500)]
    output = " ".join(probe("--yes", "--sizes", numbers=many).output.split())
    assert "chunk_size 250, because 250 contacts are accepted at once and more are refused; they were numbers" in output
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

    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*command, "--yes"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=300,
            env=environment,
        )
    assert done.returncode == 2
    assert done.stderr.endswith("the report cannot be written to standard output (No space left on device)\n")
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
