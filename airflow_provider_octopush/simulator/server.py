"""The simulated API on a socket of localhost."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections import deque
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any

from aiohttp import web

from airflow_provider_octopush.simulator.behaviour import Behaviour, Fault
from airflow_provider_octopush.simulator.store import Contact, RefusedError, Store

LOGIN = "demo@example.com"
KEY = "demo-key"
BASE_PATH = "/v1/public"

#: The newest requests that are kept to be looked at.
REQUESTS_KEPT = 10_000

_MAX_BODY_BYTES = 64 * 1024 * 1024
_PAGE = "<html><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass
class Request:
    """
    One request that arrived.

    :param path: below the base path, such as ``contact/create``.
    :param contacts: numbers of the contacts that it held.
    :param options: the rest of its body.
    :param user_agent: header ``User-Agent``.
    :param connection: number of the TCP connection it came on.
    :param status: HTTP status of the answer; None when none was sent.
    :param stored: whether it changed the account.
    """

    path: str
    contacts: list[str]
    options: dict[str, Any]
    user_agent: str
    connection: int
    status: int | None = None
    stored: bool = False


class Simulator:
    """
    The Octopush API on localhost, in a thread of its own.

    .. code-block:: python

        with Simulator(Behaviour(latency=0.1)) as simulator:
            requests.get(simulator.url + "/wallet/check-balance", headers=...)

    Outside the API's path: ``GET /simulator`` shows lists, contacts and requests; ``POST /simulator/reset``,
    ``PUT /simulator/behaviour`` (fields of :class:`Behaviour`) and ``POST /simulator/faults`` (an array of
    :class:`Fault`, one for each of the next requests) steer it.

    :param behaviour: what the documentation of the API leaves open.
    :param port: port on 127.0.0.1; 0 takes a free one.
    """

    login = LOGIN
    key = KEY

    def __init__(self, behaviour: Behaviour | None = None, port: int = 0) -> None:
        self.port = port
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failure: OSError | None = None
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="octopush-simulator", daemon=True)
        self.reset(behaviour or Behaviour())

    def __enter__(self) -> Simulator:
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def url(self) -> str:
        """The base URL, for the connection's host."""
        return f"http://127.0.0.1:{self.port}{BASE_PATH}"

    @property
    def contacts(self) -> dict[str, Contact]:
        """The account's contacts by their number with plus."""
        with self._lock:
            return {contact.phone_number: contact for contact in self._store.contacts.values()}

    @property
    def lists(self) -> dict[str, set[str]]:
        """List → numbers of its contacts."""
        with self._lock:
            return {name: set(numbers) for name, numbers in self._store.lists.items()}

    @property
    def requests(self) -> list[Request]:
        """The newest requests, in the order in which they arrived."""
        with self._lock:
            return list(self._requests)

    @property
    def max_in_flight(self) -> int:
        """The most requests that were under way at one time."""
        return self._max_in_flight

    @property
    def behaviour(self) -> Behaviour:
        """The switches; assign others at any time."""
        return self._behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        with self._lock:
            self._behaviour = behaviour

    def fail_next(self, *faults: Fault | None) -> None:
        """Let each of the next requests meet one of these; None lets one pass."""
        with self._lock:
            self._next_faults.extend(faults)

    def reset(self, behaviour: Behaviour | None = None) -> None:
        """
        Forget contacts, lists, requests and faults.

        :param behaviour: the switches from here on; None leaves them as they are.
        """
        with self._lock:
            if behaviour is not None:
                self._behaviour = behaviour
            self._store = Store(self._behaviour.seed)
            self._requests: deque[Request] = deque(maxlen=REQUESTS_KEPT)
            self._next_faults: deque[Fault | None] = deque()
            self._random = random.Random(self._behaviour.seed)  # noqa: S311 - a seeded simulation, no secret
            self._in_flight = 0
            self._max_in_flight = 0
            self._connections: dict[int, int] = {}

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve_until_stopped())
        finally:
            self._ready.set()
            rest = asyncio.all_tasks(self._loop)
            for task in rest:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
            self._loop.close()

    async def _serve_until_stopped(self) -> None:
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        app.add_routes(
            [
                web.post(f"{BASE_PATH}/contact/create", self._answer),
                web.post(f"{BASE_PATH}/contact-list/create", self._answer),
                web.get(f"{BASE_PATH}/wallet/check-balance", self._answer),
                web.get("/simulator", self._show),
                web.post("/simulator/reset", self._reset),
                web.put("/simulator/behaviour", self._set_behaviour),
                web.post("/simulator/faults", self._set_faults),
            ]
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", self.port)
            await site.start()
            self.port = runner.addresses[0][1]
            self._ready.set()
            await self._stop.wait()
        except OSError as error:
            self._failure = error
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        with self._lock:
            behaviour = self._behaviour
            self._in_flight += 1
            self._max_in_flight = max(self._max_in_flight, self._in_flight)
        try:
            return await self._answer_as(request, behaviour)
        finally:
            with self._lock:
                self._in_flight -= 1

    async def _answer_as(self, request: web.Request, behaviour: Behaviour) -> web.StreamResponse:
        path = request.path.removeprefix(f"{BASE_PATH}/")
        try:
            body = json.loads(await request.read() or b"null")
        except ValueError:
            body = None
        entry = self._log(request, path, body)
        with self._lock:
            fault = self._next_fault(behaviour)
        if behaviour.latency or (fault and fault.delay):
            await asyncio.sleep(behaviour.latency + (fault.delay if fault else 0.0))
        if fault is not None and not fault.stored:
            return await self._fail(request, entry, fault)
        if request.headers.get("api-login") != LOGIN or request.headers.get("api-key") != KEY:
            entry.status = behaviour.credentials_status
            return web.json_response({"code": 100, "message": "Login or key is wrong."}, status=entry.status)
        try:
            with self._lock:
                status, answer = self._carry_out(path, body, behaviour)
        except RefusedError as error:
            entry.status = error.status
            return web.json_response({"code": error.code, "message": error.message}, status=error.status)
        entry.stored = path != "wallet/check-balance"
        if fault is not None and (fault.drop or fault.status or fault.body != "json"):
            return await self._fail(request, entry, fault, answer)
        entry.status = status
        return web.json_response(answer, status=status)

    def _log(self, request: web.Request, path: str, body: Any) -> Request:
        options = dict(body) if isinstance(body, dict) else {}
        contacts = options.pop("contacts", [])
        numbers = [
            str(contact.get("phone_number")) if isinstance(contact, dict) else str(contact)
            for contact in (contacts if isinstance(contacts, list) else [])
        ]
        with self._lock:
            connection = self._connections.setdefault(id(request.transport), len(self._connections) + 1)
            entry = Request(path, numbers, options, request.headers.get("User-Agent", ""), connection)
            self._requests.append(entry)
        return entry

    def _next_fault(self, behaviour: Behaviour) -> Fault | None:
        if self._next_faults:
            return self._next_faults.popleft()
        if behaviour.fault_rate and self._random.random() < behaviour.fault_rate:
            return self._random.choice(behaviour.faults)
        return None

    def _carry_out(self, path: str, body: Any, behaviour: Behaviour) -> tuple[int, dict[str, Any]]:
        if path == "contact/create":
            return behaviour.success_status, {"items": self._store.create_contacts(body, behaviour)}
        if path == "contact-list/create":
            self._store.create_list(body, behaviour)
            return behaviour.success_status, {}
        return 200, {"amount": 12.54, "unit": "euros"}

    async def _fail(
        self, request: web.Request, entry: Request, fault: Fault, answer: dict[str, Any] | None = None
    ) -> web.StreamResponse:
        if fault.drop:
            _abort(request)
            return web.Response()
        if fault.body == "half":
            text = json.dumps(answer).encode()
            response = web.StreamResponse(status=201, headers={"Content-Type": "application/json"})
            response.content_length = len(text)
            await response.prepare(request)
            await response.write(text[: len(text) // 2])
            _abort(request)
            return response
        entry.status = fault.status or 500
        headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
        if fault.body == "html":
            return web.Response(status=entry.status, text=_PAGE, content_type="text/html", headers=headers)
        if fault.body == "empty":
            return web.Response(status=entry.status, headers=headers)
        if fault.body == "other_json":
            return web.json_response({"result": "ok"}, status=entry.status, headers=headers)
        error = {"code": 1, "message": "Something went wrong."}
        return web.json_response(error, status=entry.status, headers=headers)

    async def _show(self, _: web.Request) -> web.Response:
        contacts = [
            {
                "phone_number": contact.phone_number,
                **contact.fields,
                "lists": sorted(contact.lists),
                "tags": sorted(contact.tags),
            }
            for contact in self.contacts.values()
        ]
        return web.json_response(
            {
                "lists": {name: sorted(numbers) for name, numbers in self.lists.items()},
                "contacts": contacts,
                "requests": [asdict(request) for request in self.requests],
                "max_in_flight": self.max_in_flight,
                "behaviour": asdict(self.behaviour),
            },
            dumps=lambda value: json.dumps(value, default=sorted),
        )

    async def _reset(self, _: web.Request) -> web.Response:
        self.reset()
        return web.json_response({})

    async def _set_behaviour(self, request: web.Request) -> web.Response:
        try:
            self.behaviour = Behaviour.from_json(await request.json())
        except (TypeError, ValueError) as error:
            return web.json_response({"message": str(error)}, status=400)
        return web.json_response({})

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            self.fail_next(*(Fault(**fault) for fault in await request.json()))
        except (TypeError, ValueError) as error:
            return web.json_response({"message": str(error)}, status=400)
        return web.json_response({})


def _abort(request: web.Request) -> None:
    transport = request.transport
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
