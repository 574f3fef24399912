"""The simulated API on a socket of localhost."""

from __future__ import annotations

import asyncio
import json
import threading
from types import TracebackType

from aiohttp import web

from airflow_provider_octopush.simulator.account import Account
from airflow_provider_octopush.simulator.behaviour import Behaviour
from airflow_provider_octopush.simulator.endpoints import BASE_PATH, KEY, LOGIN, MAX_BODY_BYTES, Api
from airflow_provider_octopush.simulator.inspection import Inspection


class Simulator(Account):
    """
    The Octopush API on localhost, in a thread of its own.

    .. code-block:: python

        with Simulator(Behaviour(latency=0.1)) as simulator:
            headers = {"api-login": simulator.login, "api-key": simulator.key}
            requests.get(f"{simulator.url}/wallet/check-balance", headers=headers, timeout=10)

    Outside the API's path, ``GET /simulator`` shows lists, contacts, requests and behaviour: as a page to a browser, as
    JSON to a program. Three more steer it:
    ``POST /simulator/reset`` (nothing, or fields of :class:`Behaviour`), ``PUT /simulator/behaviour`` (fields of
    :class:`Behaviour`; the others get their defaults) and ``POST /simulator/faults`` (an array, for each of the next
    requests fields of :class:`Fault`, or null).

    What its properties give are copies, taken at one moment, that do not change later.

    :param behaviour: what the documentation of the API leaves open.
    :param port: port on 127.0.0.1; 0 takes a free one.
    :raises OSError: on entering, when the port is taken.
    """

    login = LOGIN
    key = KEY

    def __init__(self, behaviour: Behaviour | None = None, port: int = 0) -> None:
        super().__init__(behaviour or Behaviour())
        self.port = port
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Simulator:
        self._thread = threading.Thread(target=self._serve, name="octopush-simulator", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._thread is None or self._loop is None or self._stop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._thread = None

    @property
    def url(self) -> str:
        """The base URL, for the connection's host."""
        return f"http://127.0.0.1:{self.port}{BASE_PATH}"

    @property
    def connection(self) -> str:
        """
        The Airflow connection that leads here, as JSON: a value for ``AIRFLOW_CONN_OCTOPUSH_DEFAULT``.

        It has a ``snapshot_secret``, which is the same each time, for lists that are kept in step.
        """
        fields = {
            "conn_type": "octopush",
            "host": self.url,
            "login": self.login,
            "password": self.key,
            "extra": {"snapshot_secret": "a simulator has no secrets but 32 characters"},
        }
        return json.dumps(fields)

    def _serve(self) -> None:
        try:
            asyncio.run(self._serve_until_stopped())
        except BaseException as error:  # noqa: BLE001 - raised again where the simulator is entered
            self._failure = error
        finally:
            self._ready.set()

    async def _serve_until_stopped(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.add_routes(Inspection(self).routes())
        app.router.add_route("*", "/{path:.*}", Api(lambda: self._state, self._lock).answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            self.port = runner.addresses[0][1]
            self._ready.set()
            await self._stop.wait()
        finally:
            await runner.cleanup()
