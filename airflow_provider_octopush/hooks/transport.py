"""One request and its answer: a session for each thread, no redirects, a limit of bytes, and our own exceptions."""

from __future__ import annotations

import errno
import math
import ssl
import threading
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import requests
from requests.auth import AuthBase
from urllib3.exceptions import LocationValueError

from airflow_provider_octopush import __version__
from airflow_provider_octopush.exceptions import (
    OctopushAbortedError,
    OctopushAnswerError,
    OctopushConnectionConfigError,
    OctopushError,
    OctopushServerError,
)
from airflow_provider_octopush.hooks.connection import Settings
from airflow_provider_octopush.hooks.exchange import DEADLINE_IN_TIMEOUTS, Abort, Exchange, ExchangeAdapter

#: How many bytes an answer may have, and how many more for each contact sent; compressed or not.
ANSWER_MAX_BYTES = 1_000_000
ANSWER_MAX_BYTES_PER_CONTACT = 2_000

_BUFFER_SIZE = 65536
_TOO_LONG = "the answer does not end"


class Answer(NamedTuple):
    """
    An answer.

    :param status_code: the HTTP status code.
    :param content: the body, decompressed; empty if it could not be read and the status is not a success.
    :param retry_after: the header ``Retry-After``; empty if there is none.
    :param headers: all headers, found in upper or lower case.
    """

    status_code: int
    content: bytes
    retry_after: str
    headers: Mapping[str, str] = MappingProxyType({})

    @property
    def is_success(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status_code < 300


class _UnreadableError(OSError):
    """The answer cannot be read; the text says why."""


class _OctopushAuth(AuthBase):
    """Sets the two headers; as an ``auth`` it also keeps requests from looking for credentials in ``.netrc``."""

    def __init__(self, login: str, key: str) -> None:
        self._headers = {"api-login": login, "api-key": key}

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


def new_session(settings: Settings) -> requests.Session:
    """Return a session that is authenticated, and asks for nothing but JSON."""
    session = requests.Session()
    session.auth = _OctopushAuth(settings.login, settings.key)
    session.headers["User-Agent"] = f"airflow-provider-octopush/{__version__}"
    session.headers["Accept"] = "application/json"
    # The other encodings that requests would accept depend on what is installed.
    session.headers["Accept-Encoding"] = "gzip"
    return session


class _Channel:
    """The session of a thread, and the requests that it has prepared."""

    def __init__(self, settings: Settings) -> None:
        self._session = new_session(settings)
        for prefix in ("https://", "http://"):
            self._session.mount(prefix, ExchangeAdapter())
        self._prepared: dict[tuple[str, str], Any] = {}
        #: The last answer, without its content; None until it has come.
        self.head: Answer | None = None

    def forget_answer(self) -> None:
        """Forget the last answer."""
        self.head = None

    def exchange(self, method: str, url: str, body: bytes | None, *, timeout: float, max_bytes: int) -> Answer:
        """Send a request, and read its answer."""
        session = self._session
        if (method, url) not in self._prepared:
            # Headers, proxies and certificates are worked out once, because they are the same for every request, and
            # take requests longer than everything else.
            headers = {} if body is None else {"Content-Type": "application/json"}
            template = session.prepare_request(requests.Request(method, url, headers))
            settings = session.merge_environment_settings(url, {}, True, None, None)
            self._prepared[method, url] = template, settings
        template, settings = self._prepared[method, url]
        request = template.copy()
        request.prepare_body(body, None)
        # Not through the session, which would follow a redirect, or at least work out its target: a redirected POST
        # becomes a GET, and another host would see the key.
        response = session.get_adapter(url).send(request, timeout=timeout, **settings)
        try:
            self.head = _head(response)
            return self.head._replace(content=_content(response, max_bytes))
        except BaseException:
            response.close()
            raise


class Transport:
    """
    Sends requests, each within its bounds. Several threads may send at a time, each through its own session.

    :param settings: the connection's settings.
    :param conn_id: id of the connection, for errors.
    :param abort: tells whether all requests must end, and no other may begin.
    """

    def __init__(self, settings: Settings, conn_id: str, abort: Abort) -> None:
        self._settings = settings
        self._conn_id = conn_id
        self._abort = abort
        self._of_thread = threading.local()

    def send(
        self,
        method: str,
        endpoint: str,
        body: bytes | None = None,
        *,
        contacts: int = 0,
        within: float = math.inf,
    ) -> Answer:
        """
        Send one request, and read its answer.

        :param method: the HTTP method.
        :param endpoint: the endpoint, such as ``contact/create``.
        :param body: JSON in UTF-8; None sends none.
        :param contacts: how many contacts it holds, which limits the size of the answer.
        :param within: seconds for all of it, if that is less than usual.
        :return: the answer, whatever its status; without its content if that cannot be read and the status is not a
            success.
        :raises OctopushError: one of its subclasses, when there is no answer that can be read. No other exception.
        """
        timeout, url = self._settings.timeout, f"{self._settings.base_url}/{endpoint}"
        deadline = time.monotonic() + min(DEADLINE_IN_TIMEOUTS * timeout, within)
        # requests does not promise that threads can share a session.
        channel: _Channel = getattr(self._of_thread, "channel", None) or _Channel(self._settings)
        self._of_thread.channel = channel
        # An exchange that cannot even begin has no answer: not that of the request before.
        channel.forget_answer()
        max_bytes = ANSWER_MAX_BYTES + ANSWER_MAX_BYTES_PER_CONTACT * contacts
        carry_out = partial(channel.exchange, method, url, body, timeout=min(timeout, within), max_bytes=max_bytes)
        exchange = Exchange(carry_out)
        try:
            return exchange.result(deadline, self._abort)
        except Exception as error:  # noqa: BLE001 - the boundary: callers know only our classes
            failure = self._failure(endpoint, error, exchange, channel.head)
        finally:
            if exchange.is_abandoned:
                # Its thread may still use the session.
                self._of_thread.channel = None
        if channel.head is not None and not channel.head.is_success and not self._abort.is_wanted:
            # The status says what to do.
            return channel.head
        # Raised out here, without a context: requests' exceptions hold the request, and their text quotes broken
        # answers.
        raise failure

    def _failure(
        self, endpoint: str, error: Exception, exchange: Exchange[Answer], head: Answer | None
    ) -> OctopushError:
        """Make an error by what a caller would do next, without quoting anything of the exchange."""
        host, causes = self._settings.host, list(_causes(error))
        if self._abort.is_wanted:
            known = f"it is not known whether {host} carried it out" if exchange.has_begun else "nothing was sent"
            return OctopushAbortedError(f"{endpoint}: ended from this side, {known}")
        if isinstance(error, _UnreadableError) and head is not None:
            return OctopushAnswerError(
                f"{endpoint}: {host} answered HTTP {head.status_code}, but {error}: its outcome is not known",
                status_code=head.status_code,
            )
        correct = f"correct the connection {self._conn_id!r}"
        is_local = not exchange.has_begun and isinstance(error, OSError | ValueError)
        if is_local or any(isinstance(cause, LocationValueError) for cause in causes):
            # A failure on this machine will repeat itself.
            return OctopushConnectionConfigError(
                f"{endpoint}: nothing can be sent to {host} ({type(error).__name__}): {correct}, or the environment's "
                "proxies (HTTPS_PROXY) and certificates (REQUESTS_CA_BUNDLE)"
            )
        for cause in causes:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return OctopushConnectionConfigError(
                    f"{endpoint}: the certificate of {host} is not trusted ({cause.verify_message}): {correct}, or "
                    "name its authority in REQUESTS_CA_BUNDLE"
                )
        hint = ""
        if self._settings.has_own_port and any(isinstance(cause, ssl.SSLError) for cause in causes):
            hint = ". If that port speaks plain HTTP, write http:// in front of the connection's host"
        return OctopushServerError(f"{endpoint}: cannot reach {host}: {_network_failure(causes)}{hint}")


def _head(response: requests.Response) -> Answer:
    """
    Return an answer without its content.

    :raises ConnectionError: when the answer is still to come: it must not be taken for that of the next request.
    """
    if response.status_code < 200:
        raise ConnectionAbortedError(errno.ECONNABORTED, f"HTTP {response.status_code} is not an answer")
    return Answer(response.status_code, b"", response.headers.get("Retry-After", ""), response.headers)


def _content(response: requests.Response, max_bytes: int) -> bytes:
    """
    Read a body.

    :raises OSError: when it is too long, cannot be decompressed, or may be cut.
    """
    content = bytearray()
    while piece := response.raw.read(_BUFFER_SIZE, decode_content=False):
        content += piece
        if len(content) > max_bytes:
            raise _UnreadableError(_TOO_LONG)
    if not content and not response.raw.chunked and response.raw.length_remaining is None:
        # http.client takes a connection that ends within the headers for the end of the headers.
        raise ConnectionResetError(errno.ECONNRESET, "the answer may be cut")
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    return bytes(content) if coding in ("", "identity") else _decompressed(content, coding, max_bytes)


def _decompressed(content: bytearray, coding: str, max_bytes: int) -> bytes:
    # urllib3 accepts more codings, also several on top of each other, and has no limit.
    decompressor = zlib.decompressobj(zlib.MAX_WBITS | 32)  # recognizes both formats
    plain = b""
    with suppress(zlib.error):
        plain = decompressor.decompress(content, max_bytes + 1)
    if len(plain) > max_bytes:
        raise _UnreadableError(_TOO_LONG)
    if coding not in ("gzip", "x-gzip", "deflate") or not decompressor.eof:
        raise _UnreadableError("the answer cannot be decompressed")
    return plain


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give an exception and all of its causes."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__


def _network_failure(causes: Sequence[BaseException]) -> str:
    """Say what failed: in our words, in the operating system's, or by the class."""
    if any(isinstance(cause, TimeoutError) for cause in causes):
        return "no answer in time"
    for cause in causes:
        # A library's classes may use these attributes for something else.
        if isinstance(cause, OSError) and isinstance(cause.errno, int) and isinstance(cause.strerror, str):
            return cause.strerror
    return type(causes[-1]).__name__
