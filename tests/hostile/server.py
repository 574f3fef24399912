"""
A server that misbehaves on the wire, in any way that can be written as bytes and pauses.

The simulator plays the API: whatever it does is HTTP. This one is a socket and a script. A script is given the request
that came in, and yields what to do: bytes are sent, a number is a pause in seconds, :data:`RESET` drops the connection,
:data:`HANG` waits until the other side gives up. When it ends, the connection is closed, unless it yields
:data:`KEEP_ALIVE`:

.. code-block:: python

    def cut_in_the_middle(request: Received) -> Steps:
        yield b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"
        yield 0.1
        yield RESET

    with HostileServer(cut_in_the_middle) as server:
        connect_to(server)
        ...

Everything it does ends with the ``with`` block, and by itself after :data:`LONGEST` seconds.
"""

from __future__ import annotations

import gzip
import json
import selectors
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any

#: Seconds after which a script is ended, whatever it is at.
LONGEST = 20.0


class Deed(Enum):
    """What a script can do beside sending and waiting."""

    RESET = "drop the connection"
    HANG = "do nothing more"
    KEEP_ALIVE = "read the next request"


RESET, HANG, KEEP_ALIVE = Deed


@dataclass(frozen=True)
class Received:
    """A request, as far as a server has to understand it."""

    head: str = ""
    body: bytes = b""

    @property
    def line(self) -> str:
        """Method and path."""
        return self.head.partition(" HTTP/")[0]

    @property
    def sent(self) -> dict[str, Any]:
        """What the body says."""
        content: dict[str, Any] = json.loads(self.body or b"{}")
        return content

    @property
    def contacts(self) -> list[dict[str, str]]:
        """The contacts in it."""
        contacts: list[dict[str, str]] = self.sent.get("contacts", [])
        return contacts


Step = bytes | float | Deed
Steps = Iterable[Step]
Script = Callable[[Received], Steps]


def answer(
    body: bytes | str | dict[str, Any] | list[Any] = b"",
    status: str = "201 Created",
    *headers: str,
    length: bool = True,
) -> bytes:
    """Write a whole answer; dicts and lists as JSON."""
    if isinstance(body, dict | list):
        body = json.dumps(body)
    content = body.encode() if isinstance(body, str) else body
    framing = (f"Content-Length: {len(content)}",) if length else ()
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *framing, *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content


def items(request: Received) -> dict[str, Any]:
    """Say of each contact that it was added."""
    return {"items": [{"phone_number": contact["phone_number"], "status": "added"} for contact in request.contacts]}


def behave(request: Received) -> Steps:
    """Answer as the API documents it."""
    yield answer(items(request))
    yield KEEP_ALIVE


def say(content: bytes | str | dict[str, Any] | list[Any], status: str = "201 Created", *headers: str) -> Script:
    """Make a script that answers with this, whatever the request."""
    return lambda _: [answer(content, status, *headers), KEEP_ALIVE]


def refuse(message: str, code: Any = 101, status: str = "400 Bad Request", *headers: str) -> Script:
    """Make a script that refuses with this message."""
    return say({"code": code, "message": message}, status, *headers)


@dataclass(frozen=True)
class drip:  # noqa: N801 - reads as a verb in a script
    """Send byte by byte."""

    data: bytes
    every: float = 0.05

    def __iter__(self) -> Iterator[Step]:
        for byte in self.data:
            yield bytes([byte])
            yield self.every


@dataclass(frozen=True)
class forever:  # noqa: N801 - reads as an adverb in a script
    """Send the same again and again."""

    data: bytes
    every: float = 0.0

    def __iter__(self) -> Iterator[Step]:
        while True:
            yield self.data
            yield self.every


def bomb(megabytes: int) -> bytes:
    """Compress so many megabytes of blanks, a thousand to one."""
    return gzip.compress(b" " * (megabytes * 1_000_000))


@dataclass
class HostileServer:
    """
    Plays a script for each request, on a free port of 127.0.0.1.

    :param script: what it does; may be exchanged while it runs.
    :param tls: makes it speak TLS.
    :param greeting: played on each new connection, before it listens.
    :param listens: False: connections are never accepted.
    """

    script: Script = behave
    tls: ssl.SSLContext | None = None
    greeting: Callable[[], Steps] | None = None
    listens: bool = True
    #: What came in.
    requests: list[Received] = field(default_factory=list)
    #: How many bytes went out.
    bytes_sent: int = 0
    #: Set when there was a request, or a connection that gets a greeting.
    is_reached: threading.Event = field(default_factory=threading.Event)
    _is_over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> HostileServer:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        if self.listens:
            self._socket.listen(16)
            threading.Thread(target=self._accept, daemon=True).start()
        else:
            # A queue that is full: the system answers to no further connection.
            self._socket.listen(0)
            self._queued = [socket.socket() for _ in range(4)]
            for queued in self._queued:
                queued.setblocking(False)
                queued.connect_ex(("127.0.0.1", self.port))
            self.is_reached.set()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._socket.close()
        if not self.listens:
            for queued in self._queued:
                queued.close()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http{'s' if self.tls else ''}://localhost:{self.port}/v1/public"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        until = time.monotonic() + LONGEST
        # The other side may leave at any time, and nobody here minds.
        with suppress(OSError), connection:
            # So that a script which goes on forever notices the end.
            connection.settimeout(0.5)
            if self.greeting is not None:
                self.is_reached.set()
                self._play(connection, self.greeting(), until)
                return
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection:
                received = b""
                while not self._is_over.is_set():
                    request, received = self._read(connection, received, until)
                    if request is None:
                        return
                    self.requests.append(request)
                    self.is_reached.set()
                    if not self._play(connection, self.script(request), until):
                        return

    def _read(self, connection: socket.socket, received: bytes, until: float) -> tuple[Received | None, bytes]:
        while not self._is_over.is_set() and time.monotonic() < until:
            head, end, body = received.partition(b"\r\n\r\n")
            if end:
                text = head.decode("latin-1")
                length = next(
                    (int(line[15:]) for line in text.split("\r\n") if line.lower().startswith("content-length:")), 0
                )
                if len(body) >= length:
                    return Received(text, body[:length]), body[length:]
            try:
                more = connection.recv(65536)
            except TimeoutError:
                continue
            if not more:
                break
            received += more
        return None, b""

    def _play(self, connection: socket.socket, steps: Steps, until: float) -> bool:
        """Do what a script says; return whether the connection goes on."""
        for step in steps:
            if self._is_over.is_set() or time.monotonic() > until:
                break
            if step is KEEP_ALIVE:
                return True
            if step is RESET:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                break
            if step is HANG:
                self._is_over.wait(until - time.monotonic())
                break
            if isinstance(step, bytes):
                connection.sendall(step)
                self.bytes_sent += len(step)
            elif isinstance(step, float):
                self._is_over.wait(step)
        return False


@dataclass
class TlsProxy:
    """
    A proxy that is itself spoken to in TLS, and passes on what it is given.

    :param tls: its certificate.
    :param port_behind: of 127.0.0.1, where everything goes to.
    """

    tls: ssl.SSLContext
    port_behind: int

    def __enter__(self) -> TlsProxy:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self._socket.accept()
                plain.settimeout(LONGEST)
                threading.Thread(target=self._pass_on, args=(plain,), daemon=True).start()

    def _pass_on(self, plain: socket.socket) -> None:
        with suppress(OSError), self.tls.wrap_socket(plain, server_side=True) as front:
            while b"\r\n\r\n" not in front.recv(65536):
                pass
            front.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            with socket.create_connection(("127.0.0.1", self.port_behind), timeout=LONGEST) as behind:
                _pass_on_both_ways(front, behind)


def _pass_on_both_ways(front: ssl.SSLSocket, behind: socket.socket) -> None:
    """Pass on what comes, until either side ends. One thread does it: two must not use one TLS connection at a time."""
    with selectors.DefaultSelector() as selector:
        for source, target in ((front, behind), (behind, front)):
            selector.register(source, selectors.EVENT_READ, (source, target))
        while ready := selector.select(LONGEST):
            for key, _ in ready:
                source, target = key.data
                while data := source.recv(65536):
                    target.sendall(data)
                    # What TLS has decrypted already, no selector tells of.
                    if source is behind or not front.pending():
                        break
                else:
                    return
