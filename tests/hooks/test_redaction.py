"""Nothing of what was sent is in an error, in what led to it, or in a log, whatever a server makes of it."""

from __future__ import annotations

import copy
import logging
import pickle
import re
import time
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_octopush.api import RETURN_CODES
from airflow_provider_octopush.exceptions import OctopushError
from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.hooks.redaction import REDACTED, redacted, storable
from airflow_provider_octopush.payloads import ContactPayload
from tests.hooks.conftest import KEY, LOGIN, Serve
from tests.hostile.quotes import PERSON, QUOTES, Person
from tests.hostile.search import everything, tells
from tests.hostile.server import KEEP_ALIVE, RESET, Received, Script, Steps, answer, refuse, say

#: Requests that hold somebody.
REQUESTS: dict[str, Callable[[OctopushHook], Any]] = {
    "create": lambda hook: hook.create_contacts([PERSON.row]),
    "take off a list": lambda hook: hook.delete_contacts([PERSON.number], list_name="Customers"),
    "delete from the account": lambda hook: hook.delete_contacts_from_account([PERSON.number]),
}


def failure(hook: OctopushHook, request: str = "create") -> OctopushError:
    with pytest.raises(OctopushError) as caught:
        REQUESTS[request](hook)
    return caught.value


@pytest.mark.parametrize(
    "way", ["as it is", "decomposed", "glued", "the number", "with slashes", "the key, cut", "cut"]
)
def test_the_search_finds_what_is_there(way: str) -> None:
    assert tells(f"x {QUOTES[way](PERSON)} y")


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("way", QUOTES)
def test_no_way_of_quoting_a_request_gets_through(
    serve: Serve, hook: OctopushHook, caplog: pytest.LogCaptureFixture, way: str, request_: str
) -> None:
    quoted = QUOTES[way](PERSON)
    server = serve(refuse(f"Contact {quoted} is not valid.", 117))
    with caplog.at_level(logging.DEBUG):
        error = failure(hook, request_)
    endpoint = server.requests[0].line.partition("/public/")[2]
    said = f"HTTP 400, code 117 (in Octopush's older API: {RETURN_CODES[117]})"
    assert str(error) == f"{endpoint}: localhost:{server.port} answered {said}"
    assert error.message is None
    assert not tells(everything(error))
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
        "plain text": answer(raw, "400 Bad Request"),
        "keys of JSON": answer({"code": 1, quoted: {quoted: quoted}, "message": quoted}, "400 Bad Request"),
        "a list": answer([{"code": 1, "message": quoted}], "400 Bad Request"),
        "a redirect": answer({"message": quoted}, "307 Moved", "Location: /"),
        "a status of HTTP that is none": answer({"code": 1, "message": quoted}, "612 Zo\xe9"),
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
    *("an interim answer", "a page", "plain text", "keys of JSON", "a list", "a redirect"),
    *("a status of HTTP that is none", "a success that is none", "a success of something else", "the body, cut"),
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


@pytest.mark.parametrize(
    "code",
    [33612345678, -33612345678, 612345678, 45678, 5678, 1000, -1, 10**400, 1e9, 101.0, "101", "Zoé", True, None, [1]],
    ids=lambda code: repr(code)[:20],
)
def test_a_code_that_can_be_a_number_of_somebody_is_left_out(serve: Serve, hook: OctopushHook, code: Any) -> None:
    serve(refuse("not valid", code))
    error = failure(hook)
    assert error.code is None
    assert str(error).endswith("answered HTTP 400, without a return code")


@pytest.mark.parametrize("code", [*RETURN_CODES])
def test_a_code_of_the_older_api_is_explained(serve: Serve, hook: OctopushHook, code: int) -> None:
    serve(refuse("not valid", code))
    error = failure(hook)
    assert error.code == code
    assert str(error).endswith(f"HTTP 400, code {code} (in Octopush's older API: {RETURN_CODES[code]})")


@pytest.mark.parametrize("code", [0, 7, 999])
def test_of_any_other_code_it_is_said_that_nothing_is_documented(serve: Serve, hook: OctopushHook, code: int) -> None:
    serve(refuse("not valid", code))
    error = failure(hook)
    assert error.code == code
    assert str(error).endswith(f"HTTP 400, code {code} (no meaning of it is documented)")


def test_the_full_message_can_be_asked_for_and_is_no_part_of_the_error(serve: Serve, hook: OctopushHook) -> None:
    message = f"{PERSON.first_name}: {PERSON.number} is not valid"
    serve(refuse(message))
    error = failure(hook)
    assert error.full_message() == message
    for same in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own
        assert not tells(everything(same))
        assert (same.full_message() == message) == (same is error)


def ask(hook: OctopushHook) -> OctopushError:
    """Do a request that holds nobody, and fail."""
    with pytest.raises(OctopushError) as caught:
        hook.check_balance()
    return caught.value


@pytest.mark.parametrize("status", ["400 Bad", "401 Unauthorized", "500 Oops"])
def test_the_words_about_a_request_that_holds_nobody_are_shown(serve: Serve, hook: OctopushHook, status: str) -> None:
    serve(refuse("Your account isn't validated: see api-key, or ask us (24 hours)!", 113, status))
    error = ask(hook)
    assert error.message == "Your account isn't validated: see api-key, or ask us *** hours)!"
    assert f"code 113 (in Octopush's older API: {RETURN_CODES[113]}): {error.message}" in str(error)
    assert error.full_message() is None
    with pytest.raises(OctopushError, match="isn't validated"):
        hook.create_contact_list("Customers")


@pytest.mark.parametrize("way", QUOTES)
def test_of_these_words_none_tells_login_or_key(serve: Serve, caplog: pytest.LogCaptureFixture, way: str) -> None:
    of_the_connection = Person(first_name=LOGIN, last_name=KEY, param=f"{KEY} {LOGIN}", login=LOGIN, key=KEY)
    with caplog.at_level(logging.DEBUG):
        for person in (of_the_connection, PERSON):
            serve(refuse(f"Account {QUOTES[way](person)} is unknown."))
            error = ask(OctopushHook())
            assert not re.search("jeanne|martin|k3y|5ecret|abcdef", everything(error), re.IGNORECASE)
            assert error.message is not None
            assert not re.search(r"\d", error.message)
    assert not re.search("jeanne|martin|k3y|5ecret|abcdef", caplog.text, re.IGNORECASE)


def pieces(text: str) -> set[str]:
    """Return all that a secret can be told by: four letters or digits in a row, in either order."""
    letters = "".join(c for c in unicodedata.normalize("NFKD", text).casefold() if c.isalnum())
    found = {letters[start : start + 4] for start in range(len(letters) - 3)}
    return found | {piece[::-1] for piece in found}


SECRETS = st.text(min_size=1, max_size=30) | st.from_regex(r"[A-Za-zÀ-ÿ0-9._-]{4,40}@?", fullmatch=True)


@given(
    login=SECRETS,
    key=SECRETS,
    joint=st.sampled_from(["", " ", ".", "-", "\u200b", "\u00ad"]),
    cut=st.integers(0, 5),
    around=st.sampled_from(["{}", "Account {} is unknown", "a{}b", "<{}>", "{0} {0}"]),
    text=st.text(max_size=300),
)
@settings(max_examples=300, deadline=None)
def test_no_four_characters_in_a_row_of_a_secret_are_shown_and_no_digit(
    login: str, key: str, joint: str, cut: int, around: str, text: str
) -> None:
    for said in (around.format(joint.join(login[cut:])), around.format(key[::-1]), text):
        shown = redacted(said, login, key)
        assert not pieces(shown) & (pieces(login) | pieces(key))
        assert not any(character.isdigit() for character in shown)
        assert len(shown) <= 3 * 202
        assert storable(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Something went wrong.", "Something went wrong."),
        ("Le numéro n\u2019est pas \u00abvalide\u00bb", "Le numéro n\u2019est pas \u00abvalide\u00bb"),
        ("first_name: required", "first_name: required"),
        ("UNPROCESSABLE ENTITY", "UNPROCESSABLE ENTITY"),
        ("ask someone@sms.io or call 0613571113", f"ask {REDACTED} or call {REDACTED}"),
        ("token amVhbmVtYXJ", f"token {REDACTED}"),
        ("x\u00b2 \u2461 \u0663", f"{REDACTED} {REDACTED} {REDACTED}"),
        ("<html>no</html>", REDACTED),
        ("x" * 21, REDACTED),
        ("no " * 100, f"{'no ' * 66}no …"),
    ],
)
def test_a_word_is_letters_as_one_writes_them(text: str, shown: str) -> None:
    assert redacted(text, LOGIN, KEY) == shown


@given(st.text(st.characters(), max_size=50))
def test_whatever_can_be_stored_is_stored_as_it_is(text: str) -> None:
    kept = storable(text)
    assert len(kept) == len(text)
    assert kept.encode().decode() == kept
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", kept)
    assert storable(kept) == kept


def test_what_is_stored_fits_into_a_cell() -> None:
    assert storable("a\tb\r\n\U0001f419") == "a\tb\r\n\U0001f419"
    assert len(storable("x" * 100_000)) == 32_000


def test_a_balance_is_a_number_and_a_unit(serve: Serve) -> None:
    for amount, unit, shown in (
        (12.54, "euros", "12.54 euros"),
        (12, "€", "12 €"),
        (33612345678, "euros", "*** euros"),
        (12.54, "612345678 martin", "12.54 ***"),
        (12.54, 33612345678, "12.54 ***"),
        ("Zoé", None, "*** ***"),
        (float("nan"), "euros", "*** euros"),
    ):
        serve(say({"amount": amount, "unit": unit}, "200 OK"))
        assert OctopushHook().test_connection() == (True, f"connected, balance {shown}")


def test_a_message_of_a_megabyte_costs_next_to_nothing(serve: Serve, hook: OctopushHook) -> None:
    serve(refuse((PERSON.first_name + " is not valid ") * 45_000))
    started = time.perf_counter()
    errors = failure(hook), ask(hook)
    assert time.perf_counter() - started < 1
    assert max(len(str(error)) for error in errors) < 500
    assert len(errors[0].full_message() or "") == 32_000


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
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(ValueError, match=r"^contacts(: .*`\$\[1\]| cannot be written as JSON)") as caught,
    ):
        hook.create_contacts([PERSON.row, contact])
    assert not tells(everything(caught.value))
    assert not tells(caplog.text)
    assert type(caught.value) is ValueError


def test_a_payload_that_cannot_be_encoded_is_not_in_the_error(hook: OctopushHook) -> None:
    with pytest.raises(ValueError, match="cannot be written as JSON") as caught:
        hook.encode_contacts([ContactPayload(PERSON.number, SURROGATE)])
    assert caught.value.__context__ is None
    assert not tells(everything(caught.value))


@pytest.mark.parametrize("number", [SURROGATE, 33612345678, b"+33612345678", None, ["Zoé"], " "], ids=type)
def test_a_number_that_cannot_be_deleted_is_not_in_the_error(hook: OctopushHook, number: Any) -> None:
    with pytest.raises(ValueError, match=r"numbers\[1\]") as caught:
        hook.delete_contacts([PERSON.number, number], list_name="Customers")
    assert not tells(everything(caught.value))
