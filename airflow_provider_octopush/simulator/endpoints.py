"""The API's endpoints, and what goes wrong with them."""

from __future__ import annotations

import asyncio
import email.utils
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from airflow_provider_octopush.simulator.behaviour import Behaviour
from airflow_provider_octopush.simulator.faults import Fault
from airflow_provider_octopush.simulator.parsing import parsed_or_none
from airflow_provider_octopush.simulator.reading import (
    RefusedError,
    read_contacts_request,
    read_delete_request,
    read_list_name,
)
from airflow_provider_octopush.simulator.request_log import Request
from airflow_provider_octopush.simulator.state import State
from airflow_provider_octopush.simulator.store import Store

LOGIN = "demo@example.com"
KEY = "demo-key"
BASE_PATH = "/v1/public"

#: The largest body that is read, in bytes.
MAX_BODY_BYTES = 64 * 1024 * 1024

_PAGE = "<html><body><h1>502 Bad Gateway</h1></body></html>"
_BALANCE = {"amount": 12.54, "unit": "euros"}

_Answered = tuple[int, dict[str, Any]]


class Api:
    """
    Answers the requests to the API.

    :param current_state: gives what the simulator holds at the time.
    :param lock: held while that is read or changed.
    """

    def __init__(self, current_state: Callable[[], State], lock: threading.Lock) -> None:
        self._current_state = current_state
        self._lock = lock

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, whatever its method and path."""
        state = self._current_state()
        entry = Request(
            method=request.method,
            path=request.path.removeprefix(f"{BASE_PATH}/"),
            user_agent=request.headers.get("User-Agent", ""),
            connection=state.connection_number(request.transport),
            arrived=time.monotonic(),
        )
        with self._lock:
            state.begin()
        try:
            return await self._answer(request, entry, state)
        finally:
            with self._lock:
                state.end()
                entry.ended = time.monotonic()

    async def _answer(self, request: web.Request, entry: Request, state: State) -> web.StreamResponse:
        entry.content = await request.read()
        body = parsed_or_none(entry.content)
        entry.contact_count = _count(body)
        with self._lock:
            behaviour = state.behaviour
            state.log.add(entry)
            request_number = state.log.total
            is_over_limit = state.is_over_limit()
            fault = entry.fault = state.next_fault()
        if is_over_limit:
            limited = Fault.rate_limited(behaviour.limit_retry_after)
            return _error(entry, limited, 429, 107, "Too many requests.")
        if behaviour.latency:
            await asyncio.sleep(behaviour.latency)
        if fault is not None and not fault.stored:
            await asyncio.sleep(fault.delay)
            if fault.drop:
                return _dropped(request)
            return _error(entry, fault, fault.status or 500, 1, "Something went wrong.")
        if (
            request.headers.get("api-login") != LOGIN
            or request.headers.get("api-key") != KEY
            or (behaviour.credentials_last is not None and request_number > behaviour.credentials_last)
        ):
            refusal = Fault(status=behaviour.credentials_status, body=behaviour.credentials_body)
            return _error(entry, refusal, behaviour.credentials_status, 101, "Login or key is wrong.")
        try:
            status, answer = self._carry_out(request, entry, body, behaviour, state)
        except RefusedError as error:
            status, answer = error.status, {"code": error.code, "message": error.message}
        if fault is None:
            return _json(entry, status, answer)
        await asyncio.sleep(fault.delay)
        if fault.drop:
            return _dropped(request)
        if fault.body == "half":
            return await _cut(request, status, answer)
        if fault.body == "json" and (fault.status is None or fault.status < 300):
            return _json(entry, fault.status or status, answer)
        return _error(entry, fault, fault.status or status, 1, "Something went wrong.")

    def _carry_out(
        self, request: web.Request, entry: Request, body: Any, behaviour: Behaviour, state: State
    ) -> _Answered:
        if behaviour.max_body_bytes is not None and len(entry.content) > behaviour.max_body_bytes:
            raise RefusedError(413, 305, f"At most {behaviour.max_body_bytes} bytes at once.")
        if (request.method, entry.path) == ("GET", "wallet/check-balance"):
            return 200, _BALANCE
        change = _CHANGES.get((request.method, entry.path))
        if change is None:
            raise RefusedError(404, 404, "There is no such endpoint.")
        with self._lock:
            answered = change(body, behaviour, state.store)
            entry.stored = True
        return answered


def _create_contacts(body: Any, behaviour: Behaviour, store: Store) -> _Answered:
    contacts = read_contacts_request(body, behaviour)
    if contacts.list_name and behaviour.unknown_lists == "refuse" and not store.has_list(contacts.list_name):
        raise RefusedError(400, 303, "The list does not exist.")
    return behaviour.success_status, {"items": store.create_contacts(contacts, behaviour)}


def _delete_contacts(body: Any, behaviour: Behaviour, store: Store) -> _Answered:
    store.delete_contacts(read_delete_request(body, behaviour), behaviour)
    return 204, {}


def _create_list(body: Any, behaviour: Behaviour, store: Store) -> _Answered:
    store.create_list(read_list_name(body, behaviour))
    return behaviour.success_status, {}


def _delete_list(body: Any, behaviour: Behaviour, store: Store) -> _Answered:
    store.delete_list(read_list_name(body, behaviour), behaviour)
    return 204, {}


_CHANGES = {
    ("POST", "contact/create"): _create_contacts,
    ("DELETE", "contact/delete"): _delete_contacts,
    ("POST", "contact-list/create"): _create_list,
    ("DELETE", "contact-list/delete"): _delete_list,
}


def _count(body: Any) -> int:
    people = (body.get("contacts") or body.get("phone_numbers")) if isinstance(body, dict) else None
    return len(people) if isinstance(people, list) else 0


def _json(entry: Request, status: int, answer: dict[str, Any]) -> web.Response:
    entry.status = status
    if status == 204:
        return web.Response(status=status)
    return web.Response(status=status, body=json.dumps(answer).encode(), content_type="application/json")


def _error(entry: Request, fault: Fault, status: int, code: int, message: str) -> web.Response:
    entry.status = status
    headers = {}
    if fault.retry_after is not None:
        headers["Retry-After"] = fault.retry_after
    if fault.retry_after_date is not None:
        headers["Retry-After"] = email.utils.formatdate(time.time() + fault.retry_after_date, usegmt=True)
    if fault.body == "empty":
        return web.Response(status=status, headers=headers)
    if fault.body == "html":
        return web.Response(status=status, text=_PAGE, content_type="text/html", headers=headers)
    text = fault.text if fault.body == "text" else json.dumps({"code": code, "message": message})
    return web.Response(status=status, body=text.encode(), content_type="application/json", headers=headers)


async def _cut(request: web.Request, status: int, answer: dict[str, Any]) -> web.StreamResponse:
    if status == 204:  # of which there is no half
        return _dropped(request)
    content = json.dumps(answer).encode()
    response = web.StreamResponse(status=status, headers={"Content-Type": "application/json"})
    response.content_length = len(content)
    await response.prepare(request)
    await response.write(content[: len(content) // 2])
    _dropped(request)
    return response


def _dropped(request: web.Request) -> web.Response:
    transport = request.transport
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
    return web.Response()
