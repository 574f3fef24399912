"""Each promise about a request's bounds, against a server that does what it can to break it."""

from __future__ import annotations

import gc
import gzip
import json
import logging
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
import requests
import trustme

from airflow_provider_octopush.exceptions import (
    OctopushAbortedError,
    OctopushAnswerError,
    OctopushConnectionConfigError,
    OctopushCredentialsError,
    OctopushError,
    OctopushRateLimitError,
    OctopushRequestError,
    OctopushServerError,
)
from airflow_provider_octopush.hooks.octopush import TEST_CONNECTION_SECONDS, OctopushHook
from airflow_provider_octopush.payloads import ContactItem
from tests.conftest import SetConnection
from tests.hooks.conftest import Serve
from tests.hostile.search import everything, tells
from tests.hostile.server import (
    HANG,
    KEEP_ALIVE,
    RESET,
    HostileServer,
    Received,
    Script,
    Steps,
    TlsProxy,
    answer,
    behave,
    bomb,
    drip,
    forever,
    items,
    say,
)

#: Three of them are the deadline of a request.
TIMEOUT = 0.2
DEADLINE = 3 * TIMEOUT
#: Seconds that a busy machine may take on top; what has no end goes on for far longer.
SLACK = 2.0

CONTACT = {"phone_number": "+33612345678", "first_name": "Zoé"}
HEAD = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"
#: More than any socket takes by itself.
LARGE = [{"phone_number": f"+3361234{i:04}", "param1": "x" * 500_000} for i in range(40)]


def post(hook: OctopushHook, contacts: list[dict[str, str]] | None = None) -> list[ContactItem]:
    return hook.post_contacts(hook.encode_contacts(contacts or [CONTACT]))


def script(*steps: Any) -> Script:
    """Make a script of steps and of iterables of them."""

    def play(_: Received) -> Steps:
        for step in steps:
            if isinstance(step, bytes | float) or step in (RESET, HANG, KEEP_ALIVE):
                yield step
            else:
                yield from step

    return play


Start = Callable[[Serve, pytest.MonkeyPatch, float], HostileServer]


def phase(*steps: Any, **kwargs: Any) -> Start:
    """A server that plays these steps for each request."""
    return lambda serve, _, timeout: serve(script(*steps), timeout=timeout, **kwargs)


def through_a_proxy(*steps: Any) -> Start:
    """A proxy that has its own idea of ``CONNECT``."""

    def start(serve: Serve, monkeypatch: pytest.MonkeyPatch, timeout: float) -> HostileServer:
        proxy = serve(script(*steps), timeout=timeout, host="https://api.example.com")
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        return proxy

    return start


def names_that_nobody_knows(serve: Serve, monkeypatch: pytest.MonkeyPatch, timeout: float) -> HostileServer:
    """A look-up of a name that takes as long as it likes: no timeout of Python reaches it."""
    server = serve(timeout=timeout)

    def look_up(*_: Any, **__: Any) -> Any:
        server.is_reached.set()
        time.sleep(4)
        raise socket.gaierror(socket.EAI_AGAIN, "late")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return server


#: Wherever a request can be: nothing comes, or too slowly, or without an end.
PHASES: dict[str, Start] = {
    "the name is looked up": names_that_nobody_knows,
    "nobody accepts the connection": phase(listens=False),
    "TLS: nothing": phase(greeting=lambda: [HANG], host="https://localhost:{port}"),
    "TLS: drip": phase(
        greeting=lambda: [b"\x16\x03\x03\x40\x00", *drip(b"\x02" * 16384)], host="https://localhost:{port}"
    ),
    "proxy: nothing": through_a_proxy(HANG),
    "proxy: drip": through_a_proxy(b"HTTP/1.1 200 OK\r\n", forever(b"X: 1\r\n", 0.05)),
    "nobody reads the request": phase(greeting=lambda: [HANG]),
    "no answer": phase(HANG),
    "status: drip": phase(drip(b"HTTP/1.1 201 " + b"x" * 1000)),
    "100 Continue without end": phase(forever(b"HTTP/1.1 100 Continue\r\n\r\n", 0.02)),
    "early hints without end": phase(forever(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 0.02)),
    "headers: nothing": phase(HEAD, HANG),
    "headers: drip": phase(HEAD, drip(b"X-Slow: " + b"x" * 1000)),
    "headers without end": phase(HEAD, forever(b"X-Slow: 1\r\n", 0.05)),
    "body: nothing": phase(HEAD, b"Content-Length: 100\r\n\r\n", HANG),
    "body: drip": phase(HEAD, b"Content-Length: 1000\r\n\r\n", drip(b"x" * 1000)),
    "body: drip until the connection ends": phase(HEAD, b"\r\n", drip(b"x" * 1000)),
    "body: drip, and the connection is closed": phase(HEAD, b"Connection: close\r\n\r\n", drip(b"x" * 1000)),
    "body: drip of chunks": phase(HEAD, b"Transfer-Encoding: chunked\r\n\r\n", forever(b"1\r\nx\r\n", 0.05)),
    "body: a chunk's length: drip": phase(HEAD, b"Transfer-Encoding: chunked\r\n\r\n", drip(b"0" * 1000)),
    "body: trailers without end": phase(
        HEAD, b"Transfer-Encoding: chunked\r\n\r\n0\r\n", forever(b"X-Trailer: 1\r\n", 0.05)
    ),
}


@pytest.mark.parametrize("name", PHASES)
def test_a_request_ends_at_its_deadline_whatever_it_is_at(
    name: str, serve: Serve, hook: OctopushHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    PHASES[name](serve, monkeypatch, TIMEOUT)
    body = hook.encode_contacts(LARGE if name == "nobody reads the request" else [CONTACT])
    started = time.monotonic()
    with pytest.raises(OctopushServerError, match="no answer in time"):
        hook.post_contacts(body)
    assert time.monotonic() - started < DEADLINE + SLACK


@pytest.mark.parametrize("name", PHASES)
def test_abort_ends_a_request_whatever_it_is_at(
    name: str, serve: Serve, hook: OctopushHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = PHASES[name](serve, monkeypatch, 10)
    body = hook.encode_contacts(LARGE if name == "nobody reads the request" else [CONTACT])
    failures: list[OctopushError] = []

    def request() -> None:
        try:
            hook.post_contacts(body)
        except OctopushError as error:
            failures.append(error)

    thread = threading.Thread(target=request)
    thread.start()
    assert server.is_reached.wait(5)
    time.sleep(0.1)
    aborted = time.monotonic()
    hook.abort()
    thread.join(5)
    assert time.monotonic() - aborted < 2
    assert [type(failure) for failure in failures] == [OctopushAbortedError]


def test_abort_ends_the_requests_of_all_threads_and_lets_no_other_begin(serve: Serve, hook: OctopushHook) -> None:
    server = serve(script(HANG), timeout=10)
    failures: list[OctopushError] = []

    def request() -> None:
        try:
            post(hook)
        except OctopushError as error:
            failures.append(error)

    threads = [threading.Thread(target=request) for _ in range(8)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 5
    while len(server.requests) < len(threads) and time.monotonic() < until:
        time.sleep(0.01)
    hook.abort()
    for thread in threads:
        thread.join(2)
    assert [type(failure) for failure in failures] == [OctopushAbortedError] * len(threads)
    with pytest.raises(OctopushAbortedError, match="nothing was sent"):
        post(hook)
    assert len(server.requests) == len(threads)


def test_abort_reaches_a_request_over_tls(serve: Serve, hook: OctopushHook, over_tls: ssl.SSLContext) -> None:
    server = serve(script(HEAD, b"Content-Length: 100\r\n\r\n", HANG), timeout=10, tls=over_tls)
    aborted: list[float] = []

    def abort() -> None:
        server.is_reached.wait(5)
        time.sleep(0.1)
        aborted.append(time.monotonic())
        hook.abort()

    threading.Thread(target=abort).start()
    with pytest.raises(OctopushAbortedError, match="not known"):
        post(hook)
    assert time.monotonic() - aborted[0] < 2
    assert len(server.requests) == 1


@pytest.mark.parametrize("contacts", [[CONTACT], LARGE[:4]])
def test_a_request_over_tls_ends_at_its_deadline(
    serve: Serve, hook: OctopushHook, over_tls: ssl.SSLContext, contacts: list[dict[str, str]]
) -> None:
    serve(script(HEAD, b"Content-Length: 1000\r\n\r\n", drip(b"x" * 1000)), timeout=TIMEOUT, tls=over_tls)
    started = time.monotonic()
    with pytest.raises(OctopushServerError, match="no answer in time"):
        post(hook, contacts)
    assert time.monotonic() - started < DEADLINE + SLACK


def test_tls_within_tls_is_bounded_as_well(
    serve: Serve, over_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = script(HEAD, b"Content-Length: 1000\r\n\r\n", drip(b"x" * 1000))
    for server, ends in ((serve(tls=over_tls), False), (serve(slow, timeout=TIMEOUT, tls=over_tls), True)):
        with TlsProxy(over_tls, server.port) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            started = time.monotonic()
            if ends:
                with pytest.raises(OctopushServerError, match="no answer in time"):
                    post(OctopushHook())
                assert time.monotonic() - started < DEADLINE + TIMEOUT + SLACK
            else:
                # More than one piece.
                assert len(post(OctopushHook(), LARGE[:2])) == 2


@pytest.mark.parametrize("contacts", [[CONTACT], LARGE[:4]])
def test_a_pause_does_not_hurt_a_request(
    serve: Serve, over_tls: ssl.SSLContext, contacts: list[dict[str, str]]
) -> None:
    def slow(request: Received) -> Steps:
        whole = answer(items(request))
        yield 0.3
        yield whole[:30]
        yield 0.3
        yield whole[30:]
        yield KEEP_ALIVE

    for tls in (None, over_tls):
        serve(slow, tls=tls)
        assert len(post(OctopushHook(), contacts)) == len(contacts)


def test_a_session_that_is_handed_out_is_bounded_as_well(serve: Serve, hook: OctopushHook) -> None:
    server = serve(script(HEAD, b"\r\n", drip(b"x" * 1000)), timeout=TIMEOUT)
    started = time.monotonic()
    with pytest.raises(requests.exceptions.ConnectionError):
        hook.get_conn().get(server.url)
    assert time.monotonic() - started < DEADLINE + SLACK
    with pytest.raises(requests.exceptions.ConnectionError):
        hook.get_conn().get(server.url, timeout=(0.1, 0.2))
    hook.abort()
    with pytest.raises(requests.exceptions.ConnectionError):
        hook.get_conn().get(server.url)


@pytest.mark.parametrize("timeout", [1, 60])
def test_the_test_button_waits_for_ten_seconds_at_most(
    serve: Serve, hook: OctopushHook, monkeypatch: pytest.MonkeyPatch, timeout: float
) -> None:
    monkeypatch.setattr("airflow_provider_octopush.hooks.octopush.TEST_CONNECTION_SECONDS", 1.0)
    serve(script(0.4, HEAD, drip(b"X-Slow: " + b"x" * 1000)), timeout=timeout)
    started = time.monotonic()
    worked, message = hook.test_connection()
    assert time.monotonic() - started < 1 + SLACK
    assert not worked
    assert message.endswith("no answer in time")


def test_what_the_test_button_waits_is_what_the_docs_say() -> None:
    assert TEST_CONNECTION_SECONDS == 10


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"

#: Answers with more bytes than anybody needs.
TOO_LONG: dict[str, Script] = {
    "a body without end": script(HEAD, b"\r\n", forever(b" " * 65536)),
    "a body of chunks without end": script(HEAD, CHUNKED, forever(b"10000\r\n" + b" " * 65536 + b"\r\n")),
    "a body of small chunks without end": script(HEAD, CHUNKED, forever(b"8\r\n        \r\n" * 5000)),
    "trailers without end": script(HEAD, CHUNKED, b"0\r\n", forever(b"X-Trailer: 1\r\n" * 4000)),
    "a length of a terabyte": script(HEAD, b"Content-Length: 1000000000000\r\n\r\n", forever(b" " * 65536)),
    "a chunk of a terabyte": script(HEAD, CHUNKED, b"E8D4A51000\r\n", forever(b" " * 65536)),
    "a bomb": say(bomb(1000), "201 Created", "Content-Encoding: gzip"),
    "a bomb of zlib": say(zlib.compress(b" " * 200_000_000), "201 Created", "Content-Encoding: deflate"),
}


@pytest.mark.parametrize("name", TOO_LONG)
def test_an_answer_is_read_up_to_its_limit(name: str, serve: Serve, hook: OctopushHook) -> None:
    server = serve(TOO_LONG[name])
    started = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(OctopushAnswerError, match="answered HTTP 201, but the answer does not end") as caught:
            post(hook)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.status_code == 201
    assert peak < 12_000_000
    # What the sockets on both sides hold, beside what was read.
    assert server.bytes_sent < 12_000_000
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n", HEAD]
)
def test_what_comes_before_an_answer_is_read_up_to_the_limit(interim: bytes, serve: Serve, hook: OctopushHook) -> None:
    serve(script(forever(interim * 1000)))
    started = time.monotonic()
    with pytest.raises(OctopushServerError):
        post(hook)
    assert time.monotonic() - started < 10


def test_an_answer_may_be_as_long_as_its_contacts_need(serve: Serve, hook: OctopushHook) -> None:
    contacts = [{"phone_number": f"+336{i:08}", "param1": '"phone_number":'} for i in range(500)]

    def talkative(size: int) -> Script:
        return lambda request: [answer({**items(request), "padding": " " * size}), KEEP_ALIVE]

    serve(talkative(1_900_000))
    assert len(post(hook, contacts)) == 500
    serve(talkative(2_000_000))
    with pytest.raises(OctopushAnswerError, match="does not end"):
        post(OctopushHook(), contacts)


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "429 Slow Down", "503 Unavailable"])
@pytest.mark.parametrize(
    "body",
    [
        [b"\r\n", forever(b" " * 65536)],
        [b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxyz"],
        [b"Content-Length: 100\r\n\r\n{", RESET],
        [b"Content-Length: 100\r\n\r\n", HANG],
    ],
)
def test_the_status_says_what_to_do_even_if_the_rest_cannot_be_read(
    serve: Serve, hook: OctopushHook, status: str, body: list[Any]
) -> None:
    serve(script(f"HTTP/1.1 {status}\r\nRetry-After: 7\r\n".encode(), *body), timeout=TIMEOUT)
    with pytest.raises(OctopushError) as caught:
        post(hook)
    kinds = {
        400: OctopushRequestError,
        401: OctopushCredentialsError,
        429: OctopushRateLimitError,
        503: OctopushServerError,
    }
    assert type(caught.value) is kinds[int(status[:3])]
    assert (caught.value.full_message(), caught.value.retry_after) == (None, 7.0)


@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early Hints", "199 Anything"])
def test_what_is_no_answer_yet_is_passed_over(serve: Serve, hook: OctopushHook, interim: str) -> None:
    def hesitate(request: Received) -> Steps:
        yield f"HTTP/1.1 {interim}\r\nLink: </style.css>\r\nContent-Length: 7\r\n\r\n".encode() * 3
        yield from behave(request)

    server = serve(hesitate)
    for _ in range(2):
        assert post(hook) == [ContactItem("+33612345678", "added")]
    assert len(server.requests) == 2


def test_answers_are_decompressed(serve: Serve) -> None:
    content = json.dumps(items(Received(body=hook_body()))).encode()
    for coding, compressed in (
        ("gzip", gzip.compress(content)),
        ("x-gzip", gzip.compress(content)),
        ("GZIP", gzip.compress(content)),
        ("deflate", zlib.compress(content)),
        ("identity", content),
        ("", content),
    ):
        server = serve(say(compressed, "201 Created", f"Content-Encoding: {coding}"))
        assert post(OctopushHook()) == [ContactItem("+33612345678", "added")], coding
        assert "Accept-Encoding: gzip\r\n" in server.requests[0].head


DAMAGED = {
    "something else": ("gzip", b"not gzip"),
    "cut": ("gzip", gzip.compress(b'{"items": []}')[:-9]),
    "empty": ("gzip", b""),
    "a coding nobody asked for": ("br", b"{}"),
    "twice": ("gzip, gzip", gzip.compress(gzip.compress(b'{"items": []}'))),
}


@pytest.mark.parametrize("how", DAMAGED)
def test_what_cannot_be_decompressed_is_no_answer(serve: Serve, hook: OctopushHook, how: str) -> None:
    coding, content = DAMAGED[how]
    serve(say(content, "201 Created", f"Content-Encoding: {coding}"))
    with pytest.raises(OctopushAnswerError, match="cannot be decompressed"):
        post(hook)


#: What libraries below us were seen to make of it: ValueError, LocationParseError, UnicodeDecodeError, InvalidHeader …
CONFUSING: dict[str, tuple[Script, type[OctopushError]]] = {
    "a redirect to no URL": (say(b"", "302 Found", "Location: http://[bad"), OctopushRequestError),
    "a redirect to other bytes": (say(b"", "302 Found", "Location: http://\xff\xfe"), OctopushRequestError),
    "a redirect to itself": (say(b"", "307 Again", "Location: /v1/public/contact/create"), OctopushRequestError),
    "two lengths": (
        script(HEAD, b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
        OctopushServerError,
    ),
    "a length that is none": (script(HEAD, b"Content-Length: many\r\n\r\n{}"), OctopushAnswerError),
    "a chunk's length that is none": (script(HEAD, CHUNKED, b"xyz\r\n{}\r\n"), OctopushServerError),
    "a chunk's length without end": (script(HEAD, CHUNKED, forever(b"0" * 65536)), OctopushServerError),
    "no HTTP": (script(b"SSH-2.0-OpenSSH_9.2\r\n"), OctopushServerError),
    "HTTP of the future": (script(b"HTTP/9.9 201 Created\r\n\r\n{}"), OctopushServerError),
    "a status that is none": (script(b"HTTP/1.1 abc Created\r\n\r\n"), OctopushServerError),
    "a status of four digits": (script(b"HTTP/1.1 2010 Created\r\n\r\n"), OctopushServerError),
    "a status nobody knows": (say(b"", "799 Strange"), OctopushServerError),
    "nothing": (script(), OctopushServerError),
    "a reset": (script(RESET), OctopushServerError),
    "a reset in the headers": (script(HEAD, RESET), OctopushServerError),
    "a reset in the body": (script(HEAD, b"Content-Length: 9\r\n\r\n{", RESET), OctopushServerError),
    "a body that is cut": (script(HEAD, b"Content-Length: 9\r\n\r\n{"), OctopushServerError),
    "a chunk that is cut": (script(HEAD, CHUNKED, b"9\r\n{"), OctopushServerError),
    "headers that are cut": (script(b"HTTP/1.1 201 Created\r\nContent-Le"), OctopushServerError),
    "a header of two megabytes": (script(HEAD, b"X: " + b"x" * 2_000_000), OctopushServerError),
    "a thousand headers": (script(HEAD, b"X: y\r\n" * 1000, b"\r\n"), OctopushServerError),
    "headers that are none": (script(HEAD, b"\x00\xff no header\r\n\r\n{}"), OctopushAnswerError),
    "cookies that are none": (
        say(b"", "503 Later", 'Set-Cookie: a="; expires=99999999999999999999', "Set-Cookie: \x00"),
        OctopushServerError,
    ),
    "a charset that is none": (
        script(b"HTTP/1.1 503 Later\r\nContent-Type: text/html; charset=no-such\r\n\r\n\xff"),
        OctopushServerError,
    ),
}


@pytest.mark.parametrize("name", CONFUSING)
def test_whatever_comes_back_the_error_is_one_of_ours_and_holds_nothing_of_the_request(
    name: str, serve: Serve, hook: OctopushHook, caplog: pytest.LogCaptureFixture
) -> None:
    confuse, expected = CONFUSING[name]
    serve(confuse, timeout=TIMEOUT)
    with caplog.at_level(logging.DEBUG), pytest.raises(OctopushError) as caught:
        post(hook)
    assert type(caught.value) is expected
    assert caught.value.__context__ is None
    assert not tells(everything(caught.value))
    assert not tells(caplog.text)


@pytest.mark.parametrize(
    "host",
    [
        f"http://{'a' * 64}.example.com",
        f"http://{'a.' * 200}com",
        "http://a..b",
        "http://.",
        "http://exa mple",
        "http://\u2100",
        "http://127.0.0.1:99999",
        "http://xn--\u00e9",
        "http://\u0661\u0300",
        "http://*",
        "http://[bad",
    ],
)
def test_a_host_that_can_be_none_is_final(serve: Serve, hook: OctopushHook, host: str) -> None:
    serve(host=host.replace("{", "{{"))
    with pytest.raises(OctopushConnectionConfigError, match="'octopush_default'"):
        post(hook)


@pytest.mark.parametrize(
    "proxy", ["http://", "http://[bad", "socks9://localhost", f"http://{'a' * 64}.example.com:3128", "http://a..b:1"]
)
def test_a_proxy_that_can_be_none_is_final(
    serve: Serve, hook: OctopushHook, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    serve(host="http://api.example.com")
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(OctopushConnectionConfigError, match="HTTPS_PROXY"):
        post(hook)


def test_certificates_that_are_not_there_are_final(
    serve: Serve, hook: OctopushHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(host="https://localhost:{port}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file")
    with pytest.raises(OctopushConnectionConfigError, match="REQUESTS_CA_BUNDLE"):
        post(hook)


def test_a_proxy_forwards_requests(serve: Serve, hook: OctopushHook, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = serve(host="http://api.example.com")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    assert post(hook) == [ContactItem("+33612345678", "added")]
    assert proxy.requests[0].line == "POST http://api.example.com/v1/public/contact/create"


def test_an_answer_that_comes_before_the_request_was_read_counts(serve: Serve, hook: OctopushHook) -> None:
    refusal = answer({"code": 108, "message": "too large"}, "413 Payload Too Large", "Connection: close")
    serve(greeting=lambda: [refusal, 0.2, RESET])
    with pytest.raises((OctopushRequestError, OctopushServerError)) as caught:
        post(hook, LARGE)
    assert caught.value.status_code in (413, None)


def test_a_connection_is_kept_unless_the_server_closes_it(serve: Serve, hook: OctopushHook) -> None:
    served: list[int] = []

    def now_and_then(request: Received) -> Steps:
        served.append(len(request.contacts))
        yield answer(items(request), "201 Created", *(["Connection: close"] if len(served) == 2 else []))
        if len(served) != 2:
            yield KEEP_ALIVE

    serve(now_and_then)
    for _ in range(4):
        assert post(hook) == [ContactItem("+33612345678", "added")]
    assert len(served) == 4


def test_cookies_do_not_come_back(serve: Serve, hook: OctopushHook) -> None:
    server = serve(lambda request: [answer(items(request), "201 Created", "Set-Cookie: track=me"), KEEP_ALIVE])
    for _ in range(2):
        post(hook)
        hook.get_conn().get(server.url)
    assert not [request for request in server.requests if "Cookie" in request.head]


def eventually(is_true: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < until
        time.sleep(0.02)


def late(seconds: float) -> Any:
    """Look names up so many seconds late."""
    look_up = socket.getaddrinfo

    def look_up_late(*args: Any, **kwargs: Any) -> Any:
        time.sleep(seconds)
        return look_up(*args, **kwargs)

    return look_up_late


def connecting() -> int:
    """How many threads are at connecting."""
    return sum(thread.name == "octopush-connect" for thread in threading.enumerate())


def test_who_was_left_at_connecting_gives_up(serve: Serve, hook: OctopushHook, monkeypatch: pytest.MonkeyPatch) -> None:
    PHASES["proxy: drip"](serve, monkeypatch, TIMEOUT)
    for _ in range(2):
        with pytest.raises(OctopushServerError):
            post(hook)
        eventually(lambda: connecting() == 0, 0.5)


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning", "error::ResourceWarning")
def test_a_connection_that_stands_too_late_is_closed(
    set_connection: SetConnection, hook: OctopushHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", late(DEADLINE + 0.2))
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        host = f"http://127.0.0.1:{server.getsockname()[1]}"
        set_connection(
            "octopush_default", conn_type="octopush", host=host, login="l", password="k", extra={"timeout": TIMEOUT}
        )
        with pytest.raises(OctopushServerError, match="no answer in time"):
            post(hook)
        server.settimeout(5)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(5)
            assert connection.recv(1) == b""
    gc.collect()


@pytest.fixture
def over_tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> ssl.SSLContext:
    """TLS with a certificate that is trusted."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    return context


def hook_body() -> bytes:
    return json.dumps({"contacts": [CONTACT]}).encode()
