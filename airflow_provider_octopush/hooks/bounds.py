"""
Sends and receives within bounds: http.client and urllib3 under a deadline.

A socket's timeout is not a bound, because it starts anew with each byte. So everything here waits a fraction of a
second at a time, and checks in between whether the request's time is up, and whether it was told to end. Steps that
cannot be interrupted (looking up a name, a proxy, TLS: everything until the connection is there) run in a thread, which
is waited for in the same way.
"""

from __future__ import annotations

import functools
import http.client
import io
import math
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    from urllib3 import PoolManager

#: How many times the connection's ``timeout`` a whole request may take.
DEADLINE_IN_TIMEOUTS = 3

#: Seconds between two checks while waiting for the network.
_LOOK_UP = 0.2

BUFFER_SIZE = 65536
_PIECE = 16384


class _AbortedError(ConnectionAbortedError):
    """The request was ended from this side."""


class TooLongError(OSError):
    """The answer has more bytes than it may have."""

    def __str__(self) -> str:
        return "the answer does not end"


class Abort:
    """Whether all requests must end. A plain flag, which a signal handler may set at any time."""

    is_wanted = False


class Bounds:
    """
    What a request may still take, and how far it has come: whether anything has left this machine, and the answer's
    status.

    :param timeout: seconds between two signs of life.
    :param abort: tells whether it must end now.
    :param within: seconds for all of it, from now on, if that is less than usual.
    :param max_bytes: the most bytes that its answer may have.
    """

    def __init__(self, timeout: float, abort: Abort, *, within: float = math.inf, max_bytes: int = sys.maxsize) -> None:
        self.timeout = min(timeout, within)
        self.deadline = time.monotonic() + min(DEADLINE_IN_TIMEOUTS * timeout, within)
        self.max_bytes = max_bytes
        self.has_begun = False
        self.status_code: int | None = None
        self._bytes_left = max_bytes
        self._abort = abort

    def next_sign_of_life(self) -> float:
        """Return the time on the monotonic clock by which the other side must have done something."""
        return min(time.monotonic() + self.timeout, self.deadline)

    def wait(self, until: float) -> float:
        """
        Return how many seconds to wait before the next check.

        :raises ConnectionAbortedError: when the request must end.
        :raises TimeoutError: when its time is up.
        """
        if self._abort.is_wanted:
            raise _AbortedError
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left, _LOOK_UP)

    def take(self, number: int) -> None:
        """
        Count bytes of the answer.

        :raises OSError: when there are too many.
        """
        self._bytes_left -= number
        if self._bytes_left < 0:
            raise TooLongError


class _BoundedReader(io.RawIOBase):
    """Reads from a socket, within the bounds of the request."""

    def __init__(self, sock: Any, raw: io.RawIOBase, bounds: Bounds) -> None:
        self._sock = sock
        self._raw = raw
        self._bounds = bounds

    def readable(self) -> bool:
        """Return True, for the buffer around it."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the bytes that are there, or wait for some."""
        until = self._bounds.next_sign_of_life()
        while True:
            self._sock.settimeout(self._bounds.wait(until))
            try:
                number: int = self._sock.recv_into(buffer)
            except TimeoutError:
                continue
            self._bounds.take(number)
            return number

    def close(self) -> None:
        """Close it, and release the socket."""
        super().close()
        self._raw.close()


class _Lines(io.BufferedReader):
    """Reads lines, and notices if the connection ended within one: http.client takes half a line for a whole one."""

    is_at_end = False

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read a line; empty if the connection has ended."""
        line = super().readline(size)
        self.is_at_end = not line
        if line and not line.endswith(b"\n") and len(line) != size:
            raise http.client.RemoteDisconnected("a line is cut")
        return line


class _BoundedResponse(http.client.HTTPResponse):
    """An answer that is read within bounds, and of which only the needed parts are kept."""

    def __init__(self, bounds: Bounds, sock: Any, debuglevel: int = 0, method: str | None = None) -> None:
        super().__init__(sock, debuglevel, method)
        self.fp = _Lines(_BoundedReader(sock, self.fp.detach(), bounds), BUFFER_SIZE)
        self._max_bytes = bounds.max_bytes

    def begin(self) -> None:
        """Read status and headers, past all interim answers: http.client takes those but 100 for the answer itself."""
        super().begin()
        while self.status < 200:
            self.headers = self.msg = None  # type: ignore[assignment]  # as before the first
            super().begin()
        if isinstance(self.fp, _Lines) and self.fp.is_at_end:
            # http.client would take the headers so far for all of them, and an answer that ends there for an empty one.
            raise http.client.RemoteDisconnected("the headers are cut")
        if self.length is not None and self.length > self._max_bytes:
            # It is not read to its end anyway, and urllib3 logs the length, which may be a person's number.
            self.length = self._max_bytes + 1
            del self.headers["Content-Length"]
            self.headers["Content-Length"] = str(self.length)
        # urllib3 would log headers that it cannot parse, word for word.
        self.headers.defects = []
        self.headers.set_payload("")
        # Cookies go too, as the API has no sessions: requests would fail on a broken one, and a session of get_conn
        # would send one back.
        del self.headers["Set-Cookie"], self.headers["Set-Cookie2"]


class _BoundedConnection:
    """
    Mixed into a connection of urllib3, to keep it within the bounds of the current request.

    :param under_way: the current request.
    """

    sock: Any

    def __init__(self, *args: Any, under_way: _UnderWay, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._under_way = under_way

    def response_class(self, sock: Any, debuglevel: int = 0, method: str | None = None) -> _BoundedResponse:
        """Make the reader of an answer; http.client calls it by this name."""
        return _BoundedResponse(self._under_way.bounds, sock, debuglevel, method)

    def connect(self) -> None:
        """Connect, in a thread that is abandoned if it takes too long."""
        bounds = self._under_way.bounds
        bounds.has_begun = True
        errors: list[BaseException] = []
        is_done, is_left = threading.Event(), False
        lock = threading.Lock()

        def connect() -> None:
            try:
                super(_BoundedConnection, self).connect()  # type: ignore[misc]  # of urllib3's class
            except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
                errors.append(error)
            with lock:
                is_done.set()
                if is_left:
                    self.close()  # type: ignore[attr-defined]  # of urllib3's class

        threading.Thread(target=connect, name="octopush-connect", daemon=True).start()
        try:
            while not is_done.wait(bounds.wait(bounds.deadline)):
                pass
        finally:
            with lock:
                is_left = not is_done.is_set()
        if errors:
            raise errors.pop()

    def send(self, data: Any) -> None:
        """Send, as fast as the other side takes it."""
        if self.sock is None:
            self.connect()
        bounds = self._under_way.bounds
        bounds.has_begun = True
        if not isinstance(data, bytes):
            # A body that is read while it is sent, which the hook never has.
            self.sock.settimeout(bounds.timeout)
            super().send(data)  # type: ignore[misc]  # of urllib3's class
            return
        rest = memoryview(data)
        while rest and not isinstance(self.sock, socket.socket):
            # TLS within TLS cannot go on after a pause: send a piece at a time.
            bounds.wait(bounds.deadline)
            self.sock.settimeout(bounds.timeout)
            self.sock.sendall(rest[:_PIECE])
            rest = rest[_PIECE:]
        until = bounds.next_sign_of_life()
        while rest:
            self.sock.settimeout(bounds.wait(until))
            try:
                rest = rest[self.sock.send(rest) :]
            except TimeoutError:
                continue
            until = bounds.next_sign_of_life()


class _UnderWay:
    """The current request of a session."""

    bounds: Bounds


@functools.cache
def _bounded(connection_class: Any) -> Any:
    return type(connection_class.__name__, (_BoundedConnection, connection_class), {})


class BoundedAdapter(HTTPAdapter):
    """
    Sends requests within bounds.

    :param timeout: seconds between two signs of life, for a request that comes without bounds.
    :param abort: tells whether it must end now.
    """

    def __init__(self, timeout: float, abort: Abort) -> None:
        self._timeout = timeout
        self._abort = abort
        self._under_way = _UnderWay()
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of connections to the API itself."""
        super().init_poolmanager(*args, **kwargs)
        self._bind(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make the pools of connections through a proxy."""
        is_new = proxy not in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **kwargs)
        if is_new:
            self._bind(manager)
        return manager

    def _bind(self, manager: PoolManager) -> None:
        """Let a manager make connections that know the bounds of their current request."""
        under_way = self._under_way

        def bound(pool_class: Any) -> Callable[..., Any]:
            connection_class = functools.partial(_bounded(pool_class.ConnectionCls), under_way=under_way)

            def make_pool(*args: Any, **kwargs: Any) -> Any:
                pool = pool_class(*args, **kwargs)
                pool.ConnectionCls = connection_class
                return pool

            return make_pool

        pools: Any = {scheme: bound(pool_class) for scheme, pool_class in manager.pool_classes_by_scheme.items()}
        manager.pool_classes_by_scheme = pools

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """
        Send a request.

        :param timeout: its bounds, or anything else that requests accepts as a timeout.
        """
        if isinstance(timeout, tuple):
            timeout = max(filter(None, timeout), default=None)
        bounds = timeout if isinstance(timeout, Bounds) else Bounds(timeout or self._timeout, self._abort)
        self._under_way.bounds = bounds
        return super().send(request, stream, bounds.timeout, verify, cert, proxies)
