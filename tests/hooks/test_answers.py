from __future__ import annotations

import datetime as dt
import email.utils
import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_octopush.exceptions import (
    OctopushAnswerError,
    OctopushError,
    OctopushRateLimitError,
    OctopushRequestError,
)
from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.payloads import ContactItem
from tests.hooks.conftest import Serve
from tests.hostile.server import KEEP_ALIVE, answer, items, refuse, say

CONTACTS = [{"phone_number": f"+3361234567{i}", "first_name": "Zoé"} for i in range(3)]
GOOD = [{"phone_number": contact["phone_number"], "status": "added"} for contact in CONTACTS]

ODD_ITEMS: list[Any] = [
    None,
    "x",
    7,
    [],
    {},
    ["phone_number", "status"],
    {"status": "added"},
    {"phone_number": "+33612345671"},
    {"phone_number": None, "status": "added"},
    {"phone_number": "+33612345671", "status": None},
    {"phone_number": 33612345671, "status": "added"},
    {"phone_number": 33612345671.0, "status": "added"},
    {"phone_number": "+33612345671", "status": 1},
    {"phone_number": "+33612345671", "status": True},
    {"phone_number": ["+33612345671"], "status": "added"},
    {"phone_number": "+33612345671", "status": {"text": "added"}},
    {"Phone_Number": "+33612345671", "Status": "added"},
]


def post(hook: OctopushHook) -> list[ContactItem]:
    return hook.post_contacts(hook.encode_contacts(CONTACTS))


def good(*numbers: int) -> list[ContactItem]:
    return [ContactItem(**GOOD[number]) for number in numbers]


@pytest.mark.parametrize("odd", ODD_ITEMS, ids=repr)
def test_an_odd_item_says_nothing_of_its_contact_and_all_others_count(
    serve: Serve, hook: OctopushHook, odd: Any
) -> None:
    serve(say({"items": [GOOD[0], odd, GOOD[2]]}))
    assert post(hook) == good(0, 2)
    assert hook.create_contacts(CONTACTS) == [GOOD[0], GOOD[2]]


@pytest.mark.parametrize("odd", ODD_ITEMS, ids=repr)
def test_an_answer_of_nothing_but_an_odd_item_is_still_an_answer(serve: Serve, hook: OctopushHook, odd: Any) -> None:
    serve(say({"items": [odd]}))
    assert post(hook) == []
    assert hook.create_contacts(CONTACTS) == []


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf%b",
        b" \r\n\t%b\n",
    ],
)
def test_what_stands_around_an_answer_does_not_matter(serve: Serve, hook: OctopushHook, content: bytes) -> None:
    serve(say(content % json.dumps({"code": 0, "items": GOOD}).encode()))
    assert post(hook) == good(0, 1, 2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_an_answer_is_read_in_whatever_encoding_json_may_have(serve: Serve, hook: OctopushHook, encoding: str) -> None:
    content = json.dumps({"items": GOOD, "name": "Zoé"}, ensure_ascii=False).encode(encoding)
    serve(say(content, "201 Created", "Content-Type: application/json; charset=iso-8859-1"))
    assert post(hook) == good(0, 1, 2)


@pytest.mark.parametrize(
    "more",
    [
        b'"email": null',
        '"email": "zoë@example.com"'.encode(),
        '"email": "zoë@example.com"'.encode("latin-1"),
        b'"email": "\xff\xfe"',
        b'"email": "\\ud800"',
        b'"email": "\\u0000"',
        b'"email": "line\nbreak"',
        b'"email": "\\ud800", "phone_number": "+33612345670"',
        b'"cost": NaN',
        b'"cost": ' + b"9" * 4000,
        b'"nested": ' + b"[" * 500 + b"]" * 500,
    ],
)
def test_what_else_stands_in_an_item_does_not_matter(serve: Serve, hook: OctopushHook, more: bytes) -> None:
    serve(say(b'{"items": [{"phone_number": "+33612345670", "status": "added", %b}]}' % more))
    assert post(hook) == good(0)
    assert hook.create_contacts(CONTACTS)[0]["status"] == "added"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ok",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"items": null}',
        b'{"items": {"a": 1}}',
        b'{"items": "x"}',
        b'{"Items": []}',
        b"<html>502</html>",
        b"[" * 200_000,
        b'{"items":' * 100_000,
        b'{"items": [' + b"9" * 100_000 + b"]}",
    ],
    ids=lambda content: repr(content[:20]),
)
def test_a_success_that_is_not_the_documented_answer_is_an_error(
    serve: Serve, hook: OctopushHook, content: bytes
) -> None:
    serve(say(content, "200 OK"))
    for request in (lambda: post(hook), lambda: hook.create_contacts(CONTACTS)):
        with pytest.raises(OctopushAnswerError) as caught:
            request()
        assert caught.value.status_code == 200
        assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "content",
    [b"[" * 200_000, b'{"message":' * 100_000, b'{"code": ' + b"9" * 100_000 + b"}", b"\xff{"],
    ids=lambda content: repr(content[:20]),
)
def test_a_refusal_that_nobody_can_read_is_a_refusal(serve: Serve, hook: OctopushHook, content: bytes) -> None:
    serve(say(content, "400 Bad Request"))
    with pytest.raises(OctopushRequestError) as caught:
        post(hook)
    assert (caught.value.code, caught.value.full_message()) == (None, None)


@pytest.mark.parametrize("is_escaped", [True, False])
@pytest.mark.parametrize("text", ["\ud800", "\x00", "\x1b[2J", "\x7f", "\x9b2J", "a\x00b\udfffc"])
def test_what_a_server_says_can_be_stored_anywhere(
    serve: Serve, hook: OctopushHook, text: str, is_escaped: bool
) -> None:
    item = {"phone_number": "+33612345670", "status": text, "email": {"of": [text]}, text: text}
    serve(say(json.dumps({"items": [item]}, ensure_ascii=is_escaped).encode(errors="surrogatepass")))
    (read,) = post(hook)
    serve(refuse(f"No: {text}"))
    with pytest.raises(OctopushRequestError) as caught:
        post(OctopushHook())
    message = caught.value.full_message()
    assert message is not None
    assert message.startswith("No: ")
    for stored in (read.status, message, str(caught.value)):
        assert stored.encode().decode().isprintable(), stored


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("0", 0.0),
        ("-5", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 0.0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
        ("9" * 400, 86_400.0),
        ("612345678", 86_400.0),
        ("33612345678.5", 86_400.0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 86_400.0),
        ("\xb2", None),
        ("Wed, 21 Oct 99999 07:28:00 GMT", None),
        ("Wed, 21 Oct 99999999999999999999 07:28:00 GMT", None),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 +9999999999", None),
        ("Wed, 21 Oct", None),
        (",", None),
        ("Zoé +33612345678", None),
    ],
)
def test_whatever_a_server_asks_to_wait_is_seconds_or_nothing(
    serve: Serve, hook: OctopushHook, value: str, seconds: float | None
) -> None:
    serve(refuse("slow", 1, "429 Slow Down", f"Retry-After: {value}"))
    with pytest.raises(OctopushRateLimitError) as caught:
        post(hook)
    assert caught.value.retry_after == seconds


def test_a_date_to_wait_for_is_as_far_as_it_is_from_now(serve: Serve, hook: OctopushHook) -> None:
    at = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=90)
    serve(refuse("slow", 1, "429 Slow Down", f"Retry-After: {email.utils.format_datetime(at, usegmt=True)}"))
    with pytest.raises(OctopushRateLimitError) as caught:
        post(hook)
    assert 80 < (caught.value.retry_after or 0) <= 90


def is_an_outcome(serve: Serve, raw: bytes) -> None:
    """Check that one of our outcomes comes of it, whatever it is."""
    serve(lambda _: [raw], timeout=0.5)
    hook = OctopushHook()
    for request in (post, lambda hook: hook.create_contacts(CONTACTS)):
        outcome: Any
        try:
            outcome = request(hook)
        except OctopushError as error:
            outcome = error
        assert isinstance(outcome, list) or (outcome.__context__ is None and outcome.__cause__ is None)


def mutated(raw: bytes, rng: random.Random) -> bytes:
    """Change some bytes of an answer, as a bad wire or a bad server would."""
    changed = bytearray(raw)
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(changed) + 1)
        to = min(len(changed), at + rng.randrange(1, 20))
        match rng.randrange(6):
            case 0:
                changed[at:to] = b""
            case 1:
                changed[at:at] = rng.randbytes(rng.randrange(1, 10))
            case 2:
                changed[at:at] = changed[at:to]
            case 3:
                changed[at : at + 1] = rng.choice(
                    (b"\r\n", b"\n", b"\x00", b'"', b"}", b"-", b"\xff", b"9", b"\\u0000")
                )
            case 4:
                del changed[at:]
            case 5:
                changed[at:at] = rng.choice(
                    (b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"HTTP/1.1 100\r\n")
                )
    return bytes(changed)


WHOLE = (
    answer({"items": GOOD}),
    answer({"items": GOOD}, "200 OK", "Transfer-Encoding: chunked", length=False),
    answer({"code": 101, "message": "Zoé is not valid: +33612345678"}, "400 Bad Request"),
    answer({"code": 101, "message": "slow"}, "429 Slow", "Retry-After: 1"),
    answer("<html>", "502 Bad Gateway", "Set-Cookie: a=b; path=/"),
)


@pytest.mark.parametrize("part", range(4))
def test_a_mutated_answer_is_an_outcome_of_ours(serve: Serve, part: int) -> None:
    for seed in range(100 * part, 100 * part + 100):
        rng = random.Random(seed)
        is_an_outcome(serve, mutated(rng.choice(WHOLE), rng))


@given(raw=st.binary(max_size=300), status=st.sampled_from(["200 OK", "201 Created", "400 Bad", "503 Later"]))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_bytes_are_an_outcome_of_ours(serve: Serve, raw: bytes, status: str) -> None:
    is_an_outcome(serve, raw)
    is_an_outcome(serve, answer(raw, status))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["added", "+33612345670"]),
    lambda values: (
        st.lists(values) | st.dictionaries(st.sampled_from(["items", "phone_number", "status", "code"]), values)
    ),
    max_leaves=20,
)


@given(content=JSON, status=st.sampled_from(["201 Created", "400 Bad"]))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_is_an_outcome_of_ours(serve: Serve, content: Any, status: str) -> None:
    is_an_outcome(serve, answer(json.dumps(content), status))


def test_an_answer_tells_of_each_contact(serve: Serve, hook: OctopushHook) -> None:
    server = serve(lambda request: [answer(items(request)), KEEP_ALIVE])
    assert post(hook) == good(0, 1, 2)
    assert len(server.requests) == 1
