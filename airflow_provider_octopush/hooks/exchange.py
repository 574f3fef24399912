"""
A request and its answer, in a thread that is waited for as long as the request may take, and then abandoned.

A socket's timeout is not a bound, because it starts anew with each byte; and some steps have no timeout at all, such as
looking up a name. Whoever waits for a thread can give up at any time. What was given up sends nothing more: its socket
is shut down, and a connection that stands too late is closed.
"""

from __future__ import annotations

import functools
import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from requests.adapters import HTTPAdapter

Result = TypeVar("Result")

#: How many times the connection's ``timeout`` a whole request may take.
DEADLINE_IN_TIMEOUTS = 3

#: Seconds between two checks while waiting.
_LOOK_UP = 0.2

#: How many bytes are sent at a time: each piece is a sign of life.
_PIECE = 65536


class Abort:
    """Whether all requests must end. A plain flag, which a signal handler may set at any time."""

    is_wanted = False


class _AbandonedError(ConnectionAbortedError):
    """The exchange was ended from this side."""


class Exchange(threading.Thread, Generic[Result]):
    """
    A request and its answer.

    ``has_begun`` is whether anything may have left this machine; ``is_abandoned``, whether nobody waits any more.

    :param carry_out: sends the request, and reads the answer; called in this thread.
    """

    def __init__(self, carry_out: Callable[[], Result]) -> None:
        super().__init__(name="octopush-exchange", daemon=True)
        self.has_begun = False
        self.is_abandoned = False
        self._carry_out = carry_out
        self._connection: Any = None
        self._results: list[Result] = []
        self._errors: list[BaseException] = []

    def run(self) -> None:
        """Carry it out."""
        try:
            self._results.append(self._carry_out())
        except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
            self._errors.append(error)

    def result(self, deadline: float, abort: Abort) -> Result:
        """
        Begin, and wait for the result.

        :param deadline: when to give up, on the monotonic clock.
        :param abort: tells whether to give up now.
        :raises ConnectionAbortedError: when it was asked to stop.
        :raises TimeoutError: when its time is up. Both, and whatever a signal handler raises, abandon it.
        """
        try:
            _seconds_left(deadline, abort)
            self.start()
            while self.is_alive():
                self.join(min(_seconds_left(deadline, abort), _LOOK_UP))
        except BaseException:
            self._abandon()
            raise
        if self._errors:
            raise self._errors.pop()
        return self._results.pop()

    def _abandon(self) -> None:
        self.is_abandoned = True
        # A connection of TLS within TLS has the socket inside.
        sock = getattr(self._connection, "sock", None)
        sock = getattr(sock, "socket", sock)
        if sock is not None:
            # TLS's own shutdown would let the other thread go on without encryption.
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def begin(self, connection: Any) -> None:
        """
        Note that a connection is about to be used.

        :raises ConnectionAbortedError: when nobody waits any more.
        """
        self._connection = connection
        # The connection is noted first: whoever abandons this meanwhile shuts it down.
        if self.is_abandoned:
            raise _AbandonedError
        self.has_begun = True


def _seconds_left(deadline: float, abort: Abort) -> float:
    left = deadline - time.monotonic()
    if abort.is_wanted:
        raise _AbandonedError
    if left <= 0:
        raise TimeoutError
    return left


class _ExchangeConnection:
    """Mixed into a connection of urllib3, which it keeps from sending for an exchange that was abandoned."""

    sock: Any

    def connect(self) -> None:
        """Connect."""
        _begin(self)
        super().connect()  # type: ignore[misc]  # of urllib3's class

    def send(self, data: bytes) -> None:
        """Send, as fast as the other side takes it."""
        if self.sock is None:
            self.connect()
        for start in range(0, len(data), _PIECE):
            _begin(self)
            super().send(data[start : start + _PIECE])  # type: ignore[misc]  # of urllib3's class


def _begin(connection: Any) -> None:
    exchange = threading.current_thread()
    if isinstance(exchange, Exchange):
        exchange.begin(connection)


@functools.cache
def _of_exchanges(connection_class: Any) -> Any:
    return type(connection_class.__name__, (_ExchangeConnection, connection_class), {})


class ExchangeAdapter(HTTPAdapter):
    """Sends requests in an exchange's thread, on connections that know their exchange."""

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pool of connections for a request."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if not issubclass(pool.ConnectionCls, _ExchangeConnection):
            pool.ConnectionCls = _of_exchanges(pool.ConnectionCls)
        return pool


def _is_of_others(_: logging.LogRecord) -> bool:
    return not isinstance(threading.current_thread(), Exchange)


# urllib3 logs an answer's length, and headers that it cannot parse: either may be personal.
for _module in ("connection", "connectionpool", "poolmanager", "response", "util.retry"):
    logging.getLogger(f"urllib3.{_module}").addFilter(_is_of_others)
