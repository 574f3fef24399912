"""Looking at the simulator, and steering it, from another process."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from aiohttp import web

from airflow_provider_octopush.simulator.account import Account
from airflow_provider_octopush.simulator.behaviour import Behaviour
from airflow_provider_octopush.simulator.faults import Fault


class Inspection:
    """
    The endpoints below ``/simulator``, outside the API's path.

    :param account: the one to look at.
    """

    def __init__(self, account: Account) -> None:
        self._account = account

    def routes(self) -> list[web.RouteDef]:
        """What to add to an application."""
        return [
            web.get("/simulator", self._show),
            web.post("/simulator/reset", self._reset),
            web.put("/simulator/behaviour", self._set_behaviour),
            web.post("/simulator/faults", self._set_faults),
        ]

    async def _show(self, _: web.Request) -> web.Response:
        account = self._account
        contacts = [
            {
                "phone_number": contact.phone_number,
                **contact.fields,
                "lists": sorted(contact.lists),
                "tags": sorted(contact.tags),
            }
            for contact in account.contacts.values()
        ]
        shown = {
            "lists": {name: sorted(numbers) for name, numbers in account.lists.items()},
            "contacts": contacts,
            "requests": [request.summary() for request in account.requests],
            "requests_total": account.requests_total,
            "max_in_flight": account.max_in_flight,
            "behaviour": asdict(account.behaviour),
        }
        return web.json_response(text=json.dumps(shown, default=_json_form))

    async def _reset(self, request: web.Request) -> web.Response:
        try:
            self._account.reset(Behaviour.from_json(await request.json()) if request.can_read_body else None)
        except ValueError as error:
            return _refusal(str(error))
        return web.json_response({})

    async def _set_behaviour(self, request: web.Request) -> web.Response:
        try:
            self._account.behaviour = Behaviour.from_json(await request.json())
        except ValueError as error:
            return _refusal(str(error))
        return web.json_response({})

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            faults = await request.json()
            if not isinstance(faults, list):
                return _refusal("expected a JSON array of faults")
            self._account.fail_next(*(None if fault is None else Fault.from_json(fault) for fault in faults))
        except ValueError as error:
            return _refusal(str(error))
        return web.json_response({})


def _refusal(message: str) -> web.Response:
    return web.json_response({"message": message}, status=400)


def _json_form(value: Any) -> Any:
    return asdict(value) if isinstance(value, Fault) else sorted(value)
