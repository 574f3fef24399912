"""One request and its answer: a session for each thread, no redirects, a limit of bytes, and our own exceptions."""

from __future__ import annotations

import math
import ssl
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

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
from airflow_provider_octopush.hooks.bounds import BUFFER_SIZE, Abort, BoundedAdapter, Bounds, TooLongError
from airflow_provider_octopush.hooks.connection import Settings

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

#: How many bytes an answer may have, and how many more for each contact sent; compressed or not.
ANSWER_MAX_BYTES = 1_000_000
ANSWER_MAX_BYTES_PER_CONTACT = 2_000


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
    """The answer is compressed in a way that was not asked for, or it is damaged."""

    def __str__(self) -> str:
        return "the answer cannot be decompressed"


class _OctopushAuth(AuthBase):
    """Sets the two headers; as an ``auth`` it also keeps requests from looking for credentials in ``.netrc``."""

    def __init__(self, login: str, key: str) -> None:
        self._headers = {"api-login": login, "api-key": key}

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


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

    def session(self) -> requests.Session:
        """Return the session of this thread, because requests does not promise that one can be shared."""
        session: requests.Session | None = getattr(self._of_thread, "session", None)
        if session is None:
            session = requests.Session()
            session.auth = _OctopushAuth(self._settings.login, self._settings.key)
            session.headers["User-Agent"] = f"airflow-provider-octopush/{__version__}"
            session.headers["Accept"] = "application/json"
            # The other encodings that requests would accept depend on what is installed.
            session.headers["Accept-Encoding"] = "gzip"
            for prefix in ("https://", "http://"):
                session.mount(prefix, BoundedAdapter(self._settings.timeout, self._abort))
            self._of_thread.session = session
            self._of_thread.prepared = {}
        return session

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
        :return: the answer, whatever its status.
        :raises OctopushError: one of its subclasses, when there is no answer that can be read. No other exception.
        """
        max_bytes = ANSWER_MAX_BYTES + ANSWER_MAX_BYTES_PER_CONTACT * contacts
        bounds = Bounds(self._settings.timeout, self._abort, within=within, max_bytes=max_bytes)
        try:
            return self._exchange(method, f"{self._settings.base_url}/{endpoint}", body, bounds)
        except Exception as error:  # noqa: BLE001 - the boundary: callers know only our classes
            failure = self._failure(endpoint, error, bounds)
        # Raised out here, without a context: requests' exceptions hold the request, and their text quotes broken
        # answers.
        raise failure

    def _exchange(self, method: str, url: str, body: bytes | None, bounds: Bounds) -> Answer:
        bounds.wait(bounds.deadline)
        session = self.session()
        prepared = self._of_thread.prepared
        if (method, url) not in prepared:
            # Headers, proxies and certificates are worked out once, because they are the same for every request, and
            # take requests longer than everything else.
            headers = {} if body is None else {"Content-Type": "application/json"}
            template = session.prepare_request(requests.Request(method, url, headers))
            settings = session.merge_environment_settings(url, {}, True, None, None)
            prepared[method, url] = template, settings
        template, settings = prepared[method, url]
        request = template.copy()
        request.prepare_body(body, None)
        adapter = session.get_adapter(url)
        # Not through the session, which would follow a redirect, or at least work out its target: a redirected POST
        # becomes a GET, and another host would see the key.
        timeout: Any = bounds if isinstance(adapter, BoundedAdapter) else bounds.timeout
        response = adapter.send(request, timeout=timeout, **settings)
        bounds.status_code = response.status_code
        answer = Answer(response.status_code, b"", response.headers.get("Retry-After", ""), response.headers)
        try:
            content = _content(response.raw, bounds.max_bytes)
        except Exception:
            response.close()
            if answer.is_success or self._abort.is_wanted:
                raise
            # The status says what to do.
            return answer
        return answer._replace(content=content)

    def _failure(self, endpoint: str, error: Exception, bounds: Bounds) -> OctopushError:
        """Make an error by what a caller would do next, without quoting anything of the exchange."""
        host, causes = self._settings.host, list(_causes(error))
        if self._abort.is_wanted:
            known = f"it is not known whether {host} carried it out" if bounds.has_begun else "nothing was sent"
            return OctopushAbortedError(f"{endpoint}: ended from this side, {known}")
        unreadable = next((cause for cause in causes if isinstance(cause, TooLongError | _UnreadableError)), None)
        if unreadable is not None and bounds.status_code is not None:
            return OctopushAnswerError(
                f"{endpoint}: {host} answered HTTP {bounds.status_code}, but {unreadable}: its outcome is not known",
                status_code=bounds.status_code,
            )
        correct = f"correct the connection {self._conn_id!r}"
        is_local = not bounds.has_begun and isinstance(error, OSError | ValueError)
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


def _content(raw: BaseHTTPResponse, max_bytes: int) -> bytes:
    """
    Read a body.

    :raises OSError: when it is too long, or cannot be decompressed.
    """
    content = b"".join(iter(lambda: raw.read(BUFFER_SIZE, decode_content=False), b""))
    coding = raw.headers.get("Content-Encoding", "").strip().lower()
    return content if coding in ("", "identity") else _decompressed(content, coding, max_bytes)


def _decompressed(content: bytes, coding: str, max_bytes: int) -> bytes:
    # urllib3 accepts more codings, also several on top of each other, and has no limit.
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise _UnreadableError
    decompressor = zlib.decompressobj(zlib.MAX_WBITS | 32)  # recognizes both formats
    try:
        plain = decompressor.decompress(content, max_bytes + 1)
    except zlib.error:
        raise _UnreadableError from None
    if len(plain) > max_bytes:
        raise TooLongError
    if not decompressor.eof:
        raise _UnreadableError
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
        if isinstance(cause, TooLongError):
            return str(cause)
        # A library's classes may use these attributes for something else.
        if isinstance(cause, OSError) and isinstance(cause.errno, int) and isinstance(cause.strerror, str):
            return cause.strerror
    return type(causes[-1]).__name__
