"""Looking at the simulator, and steering it, from another process."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aiohttp import web

from airflow_provider_octopush.simulator.behaviour import Behaviour
from airflow_provider_octopush.simulator.faults import Fault

if TYPE_CHECKING:
    from airflow_provider_octopush.simulator.server import Simulator


class Inspection:
    """
    The endpoints below ``/simulator``, outside the API's path.

    :param simulator: the one to look at.
    """

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def routes(self) -> list[web.RouteDef]:
        """What to add to an application."""
        return [
            web.get("/simulator", self._show),
            web.post("/simulator/reset", self._reset),
            web.put("/simulator/behaviour", self._set_behaviour),
            web.post("/simulator/faults", self._set_faults),
        ]

    async def _show(self, _: web.Request) -> web.Response:
        simulator = self._simulator
        contacts = [
            {
                "phone_number": contact.phone_number,
                **contact.fields,
                "lists": sorted(contact.lists),
                "tags": sorted(contact.tags),
            }
            for contact in simulator.contacts.values()
        ]
        shown = {
            "lists": {name: sorted(numbers) for name, numbers in simulator.lists.items()},
            "contacts": contacts,
            "requests": [request.summary() for request in simulator.requests],
            "requests_total": simulator.requests_total,
            "max_in_flight": simulator.max_in_flight,
            "behaviour": asdict(simulator.behaviour),
        }
        return web.json_response(text=json.dumps(shown, default=_json_form))

    async def _reset(self, request: web.Request) -> web.Response:
        try:
            self._simulator.reset(Behaviour.from_json(await request.json()) if request.can_read_body else None)
        except ValueError as error:
            return _refusal(str(error))
        return web.json_response({})

    async def _set_behaviour(self, request: web.Request) -> web.Response:
        try:
            self._simulator.behaviour = Behaviour.from_json(await request.json())
        except ValueError as error:
            return _refusal(str(error))
        return web.json_response({})

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            faults = await request.json()
            if not isinstance(faults, list):
                return _refusal("expected a JSON array of faults")
            self._simulator.fail_next(*(None if fault is None else Fault.from_json(fault) for fault in faults))
        except ValueError as error:
            return _refusal(str(error))
        return web.json_response({})


def _refusal(message: str) -> web.Response:
    return web.json_response({"message": message}, status=400)


def _json_form(value: Any) -> Any:
    return asdict(value) if isinstance(value, Fault) else sorted(value)
