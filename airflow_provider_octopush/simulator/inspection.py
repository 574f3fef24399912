"""Looking at the simulator, and steering it, from another process."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from aiohttp import web

from airflow_provider_octopush.simulator.account import Account
from airflow_provider_octopush.simulator.behaviour import Behaviour
from airflow_provider_octopush.simulator.endpoints import BASE_PATH
from airflow_provider_octopush.simulator.faults import Fault
from airflow_provider_octopush.simulator.page import CONTENT_SECURITY_POLICY, render
from airflow_provider_octopush.simulator.parsing import parse


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

    async def _show(self, request: web.Request) -> web.Response:
        headers = {"Vary": "Accept", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
        if "text/html" not in request.headers.get("Accept", ""):
            return web.json_response(text=self._as_json(), headers=headers)
        page = render(self._account, f"http://{request.host}{BASE_PATH}", request.query.get("list"))
        headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        # JSON can name half a character, which no encoding has.
        body = page.encode(errors="backslashreplace")
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)

    def _as_json(self) -> str:
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
        return json.dumps(shown, default=_json_form)

    async def _reset(self, request: web.Request) -> web.Response:
        try:
            content = await request.read()
            self._account.reset(Behaviour.from_json(parse(content)) if content else None)
        except ValueError as error:
            return _refusal(str(error))
        return web.json_response({})

    async def _set_behaviour(self, request: web.Request) -> web.Response:
        try:
            self._account.behaviour = Behaviour.from_json(parse(await request.read()))
        except ValueError as error:
            return _refusal(str(error))
        return web.json_response({})

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            faults = parse(await request.read())
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
