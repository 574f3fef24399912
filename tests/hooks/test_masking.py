"""Nothing of what was sent is in an error, in what led to it, or in a log, whatever a server makes of it."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
import re
import time
import traceback
from typing import Any

import pytest

from airflow_provider_octopush.exceptions import OctopushError, OctopushRequestError
from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.payloads import ContactPayload
from airflow_provider_octopush.words import fold
from tests.hooks.conftest import KEY, LOGIN, Serve
from tests.hostile.quotes import QUOTES, Person
from tests.hostile.server import KEEP_ALIVE, RESET, Received, Script, Steps, answer, refuse, say

PERSON = Person(login=LOGIN, key=KEY)
CONTACT = {
    "phone_number": PERSON.number,
    "first_name": PERSON.first_name,
    "last_name": PERSON.last_name,
    "param1": PERSON.param,
}

#: Pieces by which a person could be told, folded and without punctuation.
TELLING = re.compile(r"zoe|dupon|lefevre|eglantine|jeanne|martin|5ecret|k3y|abcdef01|612345678|45678|3b9|7a6f")


def everything(error: BaseException) -> str:
    """All that a tool finds that looks into an exception, but for the stack and its variables."""
    found: list[str] = ["".join(traceback.format_exception(error))]
    seen: set[int] = set()
    left: list[Any] = [error]
    while left:
        value = left.pop()
        if id(value) in seen or value is None or isinstance(value, type):
            continue
        seen.add(id(value))
        if isinstance(value, BaseException):
            found += [str(value), repr(value)]
            left += [value.args, vars(value), value.__cause__, value.__context__, value.__reduce__()]
        elif isinstance(value, dict):
            left += [*value, *value.values()]
        elif isinstance(value, list | tuple | set):
            left += value
        else:
            found += [str(value), repr(value)]
    return "\n".join(found)


def tells(text: str) -> str | None:
    """Find a piece of a person, however it is punctuated."""
    # The port is a number, too.
    text = re.sub(r"localhost:\d+", "", text)
    match = TELLING.search(fold(text)) or TELLING.search(re.sub(r"[\W_]+", "", fold(text)))
    return match and match[0]


def failure(hook: OctopushHook) -> OctopushError:
    with pytest.raises(OctopushError) as caught:
        hook.create_contacts([CONTACT])
    return caught.value


@pytest.mark.parametrize(
    "way", ["as it is", "decomposed", "glued", "the number", "with slashes", "the key, cut", "cut"]
)
def test_the_search_finds_what_is_there(way: str) -> None:
    assert tells(f"x {QUOTES[way](PERSON)} y")


@pytest.mark.parametrize("way", QUOTES)
def test_no_way_of_quoting_a_request_gets_through(
    serve: Serve, hook: OctopushHook, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    quoted = QUOTES[way](PERSON)
    serve(refuse(f"Contact {quoted} is not valid."))
    with caplog.at_level(logging.DEBUG):
        error = failure(hook)
    assert error.message is not None
    assert re.sub(r"\*\*\* (first_name|phone_number|invalid) ", "", error.message) == "Contact *** is not valid."
    assert not tells(everything(error))
    assert quoted not in everything(error)
    assert not tells(caplog.text)


def quoting(place: str, quoted: str) -> Script:
    """Quote somebody at a place of an answer where libraries look, and complain aloud."""
    raw = quoted.encode()
    ok = b"Content-Length: 2\r\n\r\n{}"
    whole = {
        "reason phrase": b"HTTP/1.1 400 %b\r\n%b" % (raw, ok),
        "status": b"HTTP/1.1 %b Bad\r\n%b" % (raw, ok),
        "protocol": b"%b 400 Bad\r\n%b" % (raw, ok),
        "a header": b"HTTP/1.1 400 Bad\r\nX-Contact: %b\r\n%b" % (raw, ok),
        "the name of a header": b"HTTP/1.1 400 Bad\r\n%b: x\r\n%b" % (raw, ok),
        "a header that is none": b"HTTP/1.1 400 Bad\r\n%b no header\r\n%b" % (raw, ok),
        "a header that is continued": b"HTTP/1.1 400 Bad\r\nX: y\r\n %b\r\n%b" % (raw, ok),
        "Location": b"HTTP/1.1 302 Found\r\nLocation: http://[%b\r\n%b" % (raw, ok),
        "Retry-After": b"HTTP/1.1 429 Slow\r\nRetry-After: %b\r\n%b" % (raw, ok),
        "Set-Cookie": b"HTTP/1.1 503 Later\r\nSet-Cookie: %b=%b; expires=%b; domain=%b\r\n%b"
        % (raw, raw, raw, raw, ok),
        "Content-Type": b"HTTP/1.1 400 Bad\r\nContent-Type: multipart/%b; boundary=%b\r\n%b" % (raw, raw, ok),
        "Content-Encoding": b"HTTP/1.1 201 Created\r\nContent-Encoding: %b\r\n%b" % (raw, ok),
        "Content-Length": b"HTTP/1.1 201 Created\r\nContent-Length: %b\r\n\r\n{}" % raw,
        "two Content-Lengths": b"HTTP/1.1 201 Created\r\nContent-Length: %b\r\n%b" % (raw, ok),
        "Transfer-Encoding": b"HTTP/1.1 201 Created\r\nTransfer-Encoding: %b\r\n\r\n{}" % raw,
        "both framings": b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nX: %b\r\n%b" % (raw, ok),
        "a chunk's length": b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n%b\r\n{}" % raw,
        "an interim answer": b"HTTP/1.1 103 %b\r\n%b no header\r\n\r\nHTTP/1.1 400 Bad\r\n%b" % (raw, raw, ok),
        "a page": answer(b"<html>%b</html>" % raw, "400 Bad Request"),
        "a success that is none": answer(raw),
        "a success of something else": answer({"items": quoted}),
        "the body, cut": b"HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n%b" % raw,
        "the body, compressed, it says": answer(raw, "201 Created", "Content-Encoding: gzip"),
        "the code, as text": answer({"code": quoted, "message": "no"}, "400 Bad Request"),
        "more in an error": answer({"code": 1, "message": "no", "contact": quoted}, "400 Bad Request"),
        "the message, as a list": answer({"code": 1, "message": [quoted]}, "400 Bad Request"),
        "credentials": answer({"code": 1, "message": quoted}, "401 Unauthorized"),
        "a rate": answer({"code": 1, "message": quoted}, "429 Slow"),
        "a failure": answer({"code": 1, "message": quoted}, "500 Oops"),
    }[place]

    def play(_: Received) -> Steps:
        yield whole
        yield 0.05
        yield RESET if place == "the body, cut" else KEEP_ALIVE

    return play


PLACES = [
    *("reason phrase", "status", "protocol", "a header", "the name of a header", "a header that is none"),
    *("a header that is continued", "Location", "Retry-After", "Set-Cookie", "Content-Type", "Content-Encoding"),
    *("Content-Length", "two Content-Lengths", "Transfer-Encoding", "both framings", "a chunk's length"),
    *("an interim answer", "a page", "a success that is none", "a success of something else", "the body, cut"),
    *("the body, compressed, it says", "the code, as text", "more in an error", "the message, as a list"),
    *("credentials", "a rate", "a failure"),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("way", ["both names", "the number", "the key", "without accents", "the login's local part"])
def test_wherever_an_answer_quotes_a_request_nothing_gets_through(
    serve: Serve, hook: OctopushHook, caplog: pytest.LogCaptureFixture, place: str, way: str
) -> None:
    serve(quoting(place, QUOTES[way](PERSON)), timeout=0.2)
    with caplog.at_level(logging.DEBUG):
        error = failure(hook)
    assert not tells(everything(error))
    assert not tells(caplog.text)


@pytest.mark.parametrize("code", [33612345678, -33612345678, 612345678, 100_000, -100_000, 1e9, "101", True, None, [1]])
def test_a_code_that_can_be_a_number_of_somebody_is_left_out(serve: Serve, hook: OctopushHook, code: Any) -> None:
    serve(refuse("not valid", code))
    error = failure(hook)
    assert error.code is None
    assert "code" not in str(error)


@pytest.mark.parametrize("code", [0, 101, 99_999, -99_999])
def test_a_code_of_the_api_is_shown(serve: Serve, hook: OctopushHook, code: int) -> None:
    serve(refuse("not valid", code))
    error = failure(hook)
    assert error.code == code
    assert f"code {code}:" in str(error)


def test_a_word_on_the_list_is_hidden_where_somebody_is_called_so(serve: Serve, hook: OctopushHook) -> None:
    serve(refuse("Contact List is not valid, contact the list"))
    with pytest.raises(OctopushRequestError) as caught:
        hook.create_contacts([{"phone_number": "+33612345678", "last_name": "Contact"}])
    assert caught.value.message == "*** List is not valid, *** the list"


@pytest.mark.parametrize(
    ("login", "key"), [("contact@example.com", "k"), ("l", "sk-contact-1234"), ("mycontacts", "k")]
)
def test_a_word_on_the_list_is_hidden_where_login_or_key_hold_it(
    serve: Serve, hook: OctopushHook, monkeypatch: pytest.MonkeyPatch, login: str, key: str
) -> None:
    serve(refuse("Contact is not valid", 101, "401 Unauthorized"))
    connection = json.loads(os.environ["AIRFLOW_CONN_OCTOPUSH_DEFAULT"])
    monkeypatch.setenv("AIRFLOW_CONN_OCTOPUSH_DEFAULT", json.dumps({**connection, "login": login, "password": key}))
    assert failure(hook).message == "*** is not valid"


def test_names_of_lists_are_no_secret(serve: Serve, hook: OctopushHook) -> None:
    serve(refuse("The list is unknown"))
    with pytest.raises(OctopushRequestError) as caught:
        hook.create_contacts([CONTACT], list_name="The list", tag_name="unknown")
    assert caught.value.message == "The list is unknown"


def test_numbers_that_are_deleted_are_hidden_as_those_that_are_sent(serve: Serve, hook: OctopushHook) -> None:
    serve(refuse("contact param1 does not exist"))
    with pytest.raises(OctopushRequestError) as caught:
        hook.delete_contacts(["param1"], list_name="Customers")
    assert caught.value.message == "contact *** does not exist"


def test_the_full_message_can_be_taken_once_and_is_no_part_of_the_error(serve: Serve, hook: OctopushHook) -> None:
    message = f"{PERSON.first_name}: {PERSON.number} is not valid"
    serve(refuse(message))
    error = failure(hook)
    for same in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own
        assert same.message == "*** is not valid"
        assert not tells(everything(same))
    assert copy.copy(error).take_full_message() is None
    assert error.take_full_message() == message
    assert error.take_full_message() is None


def test_a_balance_is_a_number_and_a_unit(serve: Serve) -> None:
    for amount, unit, shown in (
        (12.54, "euros", "12.54 euros"),
        (12, "€", "12 €"),
        (33612345678, "euros", "*** euros"),
        (12.54, "Zoé", "12.54 ***"),
        ("Zoé", None, "*** ***"),
        (float("nan"), "euros", "*** euros"),
    ):
        serve(say({"amount": amount, "unit": unit}, "200 OK"))
        assert OctopushHook().test_connection() == (True, f"connected, balance {shown}")


def test_a_message_of_a_megabyte_costs_next_to_nothing(serve: Serve, hook: OctopushHook) -> None:
    hostile = (PERSON.first_name + " is not valid ") * 45_000
    serve(refuse(hostile))
    started = time.perf_counter()
    error = failure(hook)
    assert time.perf_counter() - started < 1
    assert len(str(error)) < 500
    assert len(error.take_full_message() or "") == 32_000


SURROGATE = "Zo\ud800é +33612345678"


@pytest.mark.parametrize(
    "contact",
    [
        {"phone_number": SURROGATE},
        {"phone_number": "+33612345678", "first_name": SURROGATE},
        {"phone_number": "+33612345678", "first_name": ["Zoé"]},
        {"phone_number": "+33612345678", "first_name": {"Zoé": "Zoé"}},
        {"phone_number": 33612345678},
        {"phone_number": b"+33612345678"},
        {"Zoé +33612345678": "phone_number"},
        {33612345678: "phone_number"},
        {"phone_number": "", "first_name": "Zoé"},
        ContactPayload("+33612345678", SURROGATE),
        ContactPayload(33612345678),  # type: ignore[arg-type] # what is tested
        "Zoé +33612345678",
        ("Zoé", "+33612345678"),
        None,
    ],
    ids=lambda contact: type(contact).__name__,
)
def test_what_cannot_be_sent_is_not_in_the_error(
    hook: OctopushHook, caplog: pytest.LogCaptureFixture, contact: Any
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(ValueError, match=r"contacts\[1\]") as caught:
        hook.create_contacts([CONTACT, contact])
    assert not tells(everything(caught.value))
    assert not tells(caplog.text)
    assert type(caught.value) is ValueError


@pytest.mark.parametrize("option", ["auto_remove_blacklisted_numbers", "do_not_overwrite"])
@pytest.mark.parametrize("value", [0, 1, 1.0, "false", "no", [1]], ids=repr)
def test_what_is_no_flag_is_not_sent(hook: OctopushHook, option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{option} is of type {type(value).__name__}: write True, False or None"):
        hook.encode_contacts([{"phone_number": "+33612345678"}], **{option: value})


@pytest.mark.parametrize("number", [SURROGATE, 33612345678, b"+33612345678", None, ["Zoé"], " "], ids=type)
def test_a_number_that_cannot_be_deleted_is_not_in_the_error(hook: OctopushHook, number: Any) -> None:
    with pytest.raises(ValueError, match=r"numbers\[1\]") as caught:
        hook.delete_contacts([PERSON.number, number], list_name="Customers")
    assert not tells(everything(caught.value))
