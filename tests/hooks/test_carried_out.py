"""What counts as the API's own word that something was done, where it says nothing else: removals, and a new list."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_octopush.exceptions import (
    OctopushAnswerError,
    OctopushError,
    OctopushRequestError,
    OctopushServerError,
)
from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.simulator import Behaviour, Fault, Simulator
from tests.conftest import SetConnection
from tests.hooks.conftest import Serve
from tests.hostile.server import KEEP_ALIVE, RESET, HostileServer, Script, Step, answer, behave, say

NUMBERS = ["+33612345678", "+33612345679"]
PERSONAL = "Zoé Dupont-Ray +33612345678"
HTTP_200 = "200 OK"

REQUESTS: dict[str, Callable[[OctopushHook], None]] = {
    "off a list": lambda hook: hook.delete_contacts(NUMBERS, list_name="Customers"),
    "out of the account": lambda hook: hook.delete_contacts_from_account(NUMBERS),
    "a new list": lambda hook: hook.create_contact_list("Customers"),
}

PAGE = f"""<!DOCTYPE html>
<html><head><title>Sign in</title></head><body><form method="post">{PERSONAL}</form></body></html>"""

NO_ANSWERS: dict[str, bytes] = {
    "a page": PAGE.encode(),
    "a page with a BOM": b"\xef\xbb\xbf" + PAGE.encode(),
    "text": b"ok",
    "an array": b"[]",
    "an array of objects": b'[{"code": 0}]',
    "a string": b'"deleted"',
    "a number": b"204",
    "true": b"true",
    "null": b"null",
    "no UTF-8": b'{"result": "\xff"}',
    "zeros": b"\x00\x00\x00\x00",
    "nothing but a BOM": b"\xef\xbb\xbf",
    "two objects": b"{}{}",
    "an object and a page": b"{}<html>",
    "a control character": b'{"result": "a\x00b"}',
    "an object that does not end": b'{"code": 0',
    "one that nests as no answer does": b'{"a":' * 100_000,
    "a number without end": b'{"a": ' + b"9" * 100_000 + b"}",
    "an error": json.dumps({"code": 101, "message": PERSONAL}).encode(),
    "an error with a code of text": b'{"code": "E101", "message": "no"}',
    "an error with a negative code": b'{"code": -1, "message": "no"}',
    "an error with nothing but a code": b'{"code": 303}',
    "an error in capitals": b'{"Error": "x"}',
    "no success": b'{"success": false, "message": "the list is locked"}',
    "no success within": b'{"data": [{"success": false}]}',
    "an error within": b'{"data": {"errorMessage": "locked"}}',
    "an error by its code": b'{"error_code": 117}',
    "a code within": b'{"result": {"code": 117}}',
    "a code by another name": b'{"returnCode": "101"}',
    "a code that is no success of HTTP": b'{"code": "2xx"}',
    "a code with a fraction": b'{"code": 2.0}',
    "an error without words": b'{"code": 101, "message": null}',
    "another error": json.dumps({"error": PERSONAL}).encode(),
    "an error of several": json.dumps({"errors": [{"detail": PERSONAL}]}).encode(),
    "an error beside a good code": b'{"code": 0, "message": "ok", "error": {"of": "a proxy"}}',
}

ANSWERS: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b" \r\n\t\n",
    "an object": b"{}",
    "an object and blanks": b"\r\n{ }\n",
    "a code": b'{"code": 0}',
    "a code with a message": b'{"code": 0, "message": "OK"}',
    "a code that is none": b'{"code": null, "message": "OK"}',
    "no errors": b'{"error": null, "errors": []}',
    "no error": b'{"error": false, "result": "ok"}',
    "a BOM": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "items": b'{"items": [{"phone_number": "+33612345678", "status": "deleted"}]}',
    "a code alone": b'{"code": 200}',
    "nothing within": b'{"data": {"errors": [], "code": 0, "deleted": 2}}',
}


def attempt(request: str, hook: OctopushHook) -> OctopushError | None:
    """Do a request; return how it failed."""
    try:
        REQUESTS[request](hook)
    except OctopushError as error:
        return error
    return None


def check_is_no_answer(error: OctopushError | None, body: bytes) -> None:
    assert type(error) is OctopushAnswerError, body
    assert error.status_code == 200
    assert (error.code, error.message, error.full_message()) == (None, None, None)
    assert error.__context__ is error.__cause__ is None
    for word in (*PERSONAL.split(), "html", "Sign in"):
        assert word not in f"{error}{error!r}{vars(error)}"


@pytest.mark.parametrize("what", NO_ANSWERS)
@pytest.mark.parametrize("request_", REQUESTS)
def test_what_the_api_does_not_say_is_not_believed(serve: Serve, hook: OctopushHook, request_: str, what: str) -> None:
    server = serve(say(NO_ANSWERS[what], HTTP_200))
    check_is_no_answer(attempt(request_, hook), NO_ANSWERS[what])
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [HTTP_200, "201 Created", "202 Accepted", "299 Whatever"])
@pytest.mark.parametrize("what", ANSWERS)
@pytest.mark.parametrize("request_", REQUESTS)
def test_nothing_or_an_object_without_an_error_is_an_answer(
    serve: Serve, hook: OctopushHook, request_: str, what: str, status: str
) -> None:
    serve(say(ANSWERS[what], status))
    assert attempt(request_, hook) is None


@pytest.mark.parametrize("request_", REQUESTS)
def test_compressed_it_is_the_same(serve: Serve, hook: OctopushHook, request_: str) -> None:
    server = serve(say(gzip.compress(b'{"code": 0}'), HTTP_200, "Content-Encoding: gzip"))
    assert attempt(request_, hook) is None
    server.script = say(gzip.compress(PAGE.encode()), HTTP_200, "Content-Encoding: gzip")
    check_is_no_answer(attempt(request_, hook), b"a page")
    server.script = say(gzip.compress(b'{"code": 0}')[:-5], HTTP_200, "Content-Encoding: gzip")
    assert type(attempt(request_, hook)) is OctopushAnswerError


WHOLE = {
    "no content": b"HTTP/1.1 204 No Content\r\nServer: nginx\r\n\r\n",
    "a length": answer(b'{"code": 0}', HTTP_200),
    "no length": answer(b'{"code": 0}', HTTP_200, "Connection: close", length=False),
    "chunks": answer(b'3\r\n{"c\r\n8\r\node": 0}\r\n0\r\n\r\n', HTTP_200, "Transfer-Encoding: chunked", length=False),
    "an empty chunk": answer(b"0\r\n\r\n", HTTP_200, "Transfer-Encoding: chunked", length=False),
    "a page": answer(PAGE, HTTP_200),
    "a page without a length": answer(PAGE, HTTP_200, "Connection: close", length=False),
}


def cut(*steps: Step) -> Script:
    return lambda _: steps


@pytest.mark.parametrize("ends", ["closes", "is reset"])
@pytest.mark.parametrize("what", WHOLE)
def test_an_answer_that_is_cut_is_none_wherever_it_is_cut(
    serve: Serve, hook: OctopushHook, what: str, ends: str
) -> None:
    whole = WHOLE[what]
    head = whole.index(b"\r\n\r\n") + 4
    # Without a length, nobody can tell a body of nothing from one that did not come; and the last blank says nothing.
    innocent = {len(whole)} | ({head} if b"close" in whole and ends == "closes" else set())
    if "chunk" in what:
        innocent.add(len(whole) - 2)
    if "page" in what:
        innocent.discard(len(whole))
    server = serve()
    for length in range(len(whole) + 1 if ends == "closes" else head):
        server.script = cut(whole[:length], RESET if ends == "is reset" else b"")
        error = attempt("off a list", hook)
        if length in innocent:
            assert error is None, whole[:length]
        else:
            assert type(error) in (OctopushAnswerError, OctopushServerError), whole[:length]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=10,
)
OBJECTS = st.dictionaries(st.text(), JSON) | st.fixed_dictionaries(
    {},
    optional={
        "code": st.sampled_from([0, 0.0, None, 1, 101, -1, "0", "", "x", [], True, False]),
        "message": JSON,
        "error": JSON,
        "errors": JSON,
        "items": JSON,
    },
)
BODIES = (
    st.binary(max_size=60)
    | st.text(max_size=60).map(lambda text: text.encode(errors="replace"))
    | JSON.map(lambda content: json.dumps(content).encode())
    | OBJECTS.map(lambda content: json.dumps(content).encode())
    | OBJECTS.map(lambda content: json.dumps({"data": [content]}).encode())
    | OBJECTS.map(lambda content: json.dumps(content, ensure_ascii=False).encode(errors="surrogatepass"))
    | st.tuples(OBJECTS, st.integers(1, 40)).map(lambda cut: json.dumps(cut[0]).encode()[: -cut[1]])
    | st.text(max_size=60).map(lambda text: f"<html>{text}</html>".encode(errors="replace"))
)


def is_the_apis(body: bytes) -> bool:
    """Say in other words than the hook what is believed."""
    if not body.strip(b" \t\r\n\x0b\x0c"):
        return True
    try:
        content = json.loads(body)
    except ValueError:
        return False
    if type(content) is not dict:
        return False
    to_look_at: list[tuple[str, object]] = [("", content)]
    while to_look_at:
        name, value = to_look_at.pop()
        if re.match("(?i)error", name):
            if value:
                return False
            continue
        if value is False or (re.search("(?i)code$", name) and value and not re.fullmatch(r"0|2\d\d", str(value))):
            return False
        if isinstance(value, dict):
            to_look_at.extend(value.items())
        elif isinstance(value, list):
            to_look_at.extend(("", one) for one in value)
    return True


@given(body=BODIES, request_=st.sampled_from([*REQUESTS]))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_it_is_believed_only_as_the_apis_own_word(
    one_server: tuple[HostileServer, OctopushHook], body: bytes, request_: str
) -> None:
    server, hook = one_server
    server.script = say(body, HTTP_200)
    error = attempt(request_, hook)
    if is_the_apis(body):
        assert error is None, body
    else:
        assert type(error) is OctopushAnswerError, body


@pytest.fixture
def one_server(serve: Serve) -> tuple[HostileServer, OctopushHook]:
    return serve(), OctopushHook()


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Moved", "308 Moved"])
@pytest.mark.parametrize("request_", REQUESTS)
def test_nobody_is_led_to_a_login_page(serve: Serve, hook: OctopushHook, request_: str, status: str) -> None:
    elsewhere = HostileServer(lambda _: [answer(b"", HTTP_200), KEEP_ALIVE])
    with elsewhere:
        server = serve(say(b"", status, f"Location: http://localhost:{elsewhere.port}/login"))
        error = attempt(request_, hook)
        assert type(error) is OctopushRequestError
        server.script = say(b"", status, "Location: /login")
        assert type(attempt(request_, hook)) is OctopushRequestError
        assert elsewhere.requests == []
    assert [request.line.split()[1] for request in server.requests if "login" in request.line] == []


@pytest.mark.parametrize("request_", REQUESTS)
def test_the_simulator_plays_it(octopush: Simulator, connect: SetConnection, hook: OctopushHook, request_: str) -> None:
    connect()
    octopush.behaviour = Behaviour(missing_list_status=204)
    hook.create_contacts([{"phone_number": number} for number in NUMBERS], list_name="Others")
    before = octopush.contacts
    octopush.fail_next(Fault.login_page(), Fault(status=200, body="json"), Fault.other_json("[]"))
    for _ in range(2):
        assert type(attempt(request_, hook)) is OctopushAnswerError
        assert octopush.contacts == before
        assert octopush.lists.keys() == {"Others"}
    assert type(attempt(request_, hook)) is OctopushAnswerError
    assert attempt(request_, hook) is None


def test_contacts_are_created_as_before(serve: Serve, hook: OctopushHook) -> None:
    serve(behave)
    assert hook.create_contacts([{"phone_number": NUMBERS[0]}])[0]["status"] == "added"
