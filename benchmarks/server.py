"""
The API, as lean as it can be: ``contact/create`` answers in the documented shape, after a fixed time.

It checks nothing and keeps nothing but counts, so that what a benchmark measures is its client. ``GET /counts`` gives
what came in since it was last asked, and when the first and the last request did.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import re
import sys
import time

_PHONE_NUMBER = re.compile(rb'"phone_number"\s*:\s*"([^"]*)"')
_CONTENT_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_END_OF_HEAD = b"\r\n\r\n"


class Counts:
    """What came in."""

    def __init__(self) -> None:
        self._requests = 0
        self._contacts = 0
        self._first = self._last = 0.0

    def add(self, contacts: int) -> None:
        """Count a request."""
        self._last = time.time()
        self._first = self._first or self._last
        self._requests += 1
        self._contacts += contacts

    def take(self) -> bytes:
        """Return the counts as JSON, and start from zero."""
        counts = {"requests": self._requests, "contacts": self._contacts, "first": self._first, "last": self._last}
        self._requests = self._contacts = 0
        self._first = self._last = 0.0
        return json.dumps(counts).encode()


class Connection(asyncio.Protocol):
    """One keep-alive connection; a client sends its next request when it has the answer to the last one."""

    def __init__(self, latency: float, counts: Counts) -> None:
        self._latency = latency
        self._counts = counts
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer once a request is complete."""
        self._received += data
        end = self._received.find(_END_OF_HEAD)
        if end < 0:
            return
        length = _CONTENT_LENGTH.search(self._received, 0, end)
        body_from = end + len(_END_OF_HEAD)
        if len(self._received) < body_from + (int(length[1]) if length else 0):
            return
        if self._received.startswith(b"GET"):
            self._write(b"200 OK", self._counts.take())
        elif self._latency:
            # The clock starts when the request is there, not when it is read.
            due = asyncio.get_running_loop().time() + self._latency
            answer = self._answer(body_from)
            asyncio.get_running_loop().call_at(due, self._write, b"201 CREATED", answer)
        else:
            self._write(b"201 CREATED", self._answer(body_from))
        self._received.clear()

    def _answer(self, body_from: int) -> bytes:
        numbers = _PHONE_NUMBER.findall(self._received, body_from)
        self._counts.add(len(numbers))
        items = b'","email":null,"status":"added"},{"phone_number":"'.join(numbers)
        return b'{"items":[{"phone_number":"%b","email":null,"status":"added"}]}' % items

    def _write(self, status: bytes, body: bytes) -> None:
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
        assert isinstance(self._transport, asyncio.WriteTransport)  # noqa: S101 - for the type checker
        self._transport.write(head + body)


async def serve(latency: float) -> None:
    """
    Serve on a free port of 127.0.0.1, which is written to stdout, until the process is ended.

    :param latency: seconds from a request to its answer.
    """
    counts = Counts()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(latency, counts), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    gc.freeze()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.1, help="seconds from a request to its answer")
    asyncio.run(serve(parser.parse_args().latency))
