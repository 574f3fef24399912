"""What the simulator holds, as a page for a person; what came in requests is text in it, never markup."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from html import escape
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from airflow_provider_octopush.simulator.account import Account
from airflow_provider_octopush.simulator.behaviour import Behaviour
from airflow_provider_octopush.simulator.faults import Fault
from airflow_provider_octopush.simulator.request_log import Request
from airflow_provider_octopush.simulator.store import StoredContact

#: What is shown of contacts and of requests; the JSON form has all.
CONTACTS_SHOWN = 50
REQUESTS_SHOWN = 50
_TEXT_SHOWN = 200

_CSS = """
:root { background: light-dark(#fff, #111); color-scheme: light dark; font: 94%/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 75rem; padding: 1rem; }
a { color: light-dark(#0b5cad, #7db7f5); }
p { overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
div { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid #8885; padding: .2rem 1rem .2rem 0; text-align: left; vertical-align: top; }
td { max-width: 28rem; overflow-wrap: break-word; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font-size: .9em; }
summary { cursor: pointer; margin: .5rem 0; }
.bad { color: light-dark(#b3261e, #ff8a80); }
.quiet { opacity: .75; }
"""

#: For the header of the page: it runs nothing, loads nothing, and is shown in no other page.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()}'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


def render(account: Account, url: str, list_name: str | None = None) -> str:
    """
    Make the page.

    :param account: what to show.
    :param url: base URL of the API.
    :param list_name: show the contacts of this list only.
    """
    lists, contacts = account.lists, account.contacts
    shown = contacts if list_name is None else {n: contacts[n] for n in sorted(lists.get(list_name, ()))}
    of_list = "" if list_name is None else f" on the list {escape(list_name)}"
    body = [
        "<h1>Octopush simulator</h1>",
        f"<p>The API is at <code>{escape(url)}</code>. It sends no SMS and knows no account: what you see was sent to "
        "this machine, and is gone when it stops. Reload the page to look again. A program that asks for this address "
        "gets all of it, as JSON.</p>",
        f"<h2>Lists: {len(lists):,}</h2>",
        _lists(lists, len(contacts)),
        f"<h2>Contacts{of_list}: {len(shown):,}</h2>",
        _contacts(shown),
        f"<h2>Requests: {account.requests_total:,}</h2>",
        _requests(account.requests[-REQUESTS_SHOWN:][::-1]),
        "<h2>How it behaves</h2>",
        _behaviour(account.behaviour),
    ]
    return (
        "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>Octopush simulator</title>"
        f"<meta name='viewport' content='width=device-width'><style>{_CSS}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>"
    )


def _lists(lists: dict[str, set[str]], all_contacts: int) -> str:
    if not lists:
        return "<p class='quiet'>None yet: a request to <code>contact/create</code> that names one makes it.</p>"
    rows = [
        f"<tr><td><a href='/simulator?{escape(urlencode({'list': name}, errors='replace'))}'>{escape(name)}</a></td>"
        f"{_number(len(numbers))}</tr>"
        for name, numbers in sorted(lists.items())
    ]
    rows.append(f"<tr><td><a href='/simulator'>all contacts</a></td>{_number(all_contacts)}</tr>")
    return _table("Lists", ("list", "contacts"), rows)


def _contacts(contacts: dict[str, StoredContact]) -> str:
    if not contacts:
        return "<p class='quiet'>None.</p>"
    first = list(islice(contacts.values(), CONTACTS_SHOWN))
    names = sorted({name for contact in first for name in contact.fields})
    rows = [
        "<tr>"
        + _cell(contact.phone_number)
        + "".join(_cell(contact.fields.get(name)) for name in names)
        + _cell(", ".join(sorted(contact.lists)))
        + _cell(", ".join(sorted(contact.tags)))
        + "</tr>"
        for contact in first
    ]
    more = len(contacts) - len(first)
    note = f"<p class='quiet'>and {more:,} more</p>" if more else ""
    return _table("Contacts", ("phone_number", *names, "lists", "tags"), rows) + note


def _requests(requests: Sequence[Request]) -> str:
    if not requests:
        return "<p class='quiet'>None yet.</p>"
    now = time.monotonic()
    rows = [
        "<tr>"
        + f"<td class='number'>{now - request.arrived:,.1f} s ago</td>"
        + _cell(f"{request.method} {request.path}")
        + _number(request.contact_count)
        + _cell(json.dumps(request.options, ensure_ascii=False) if request.options else "")
        + _answer(request)
        + _cell(_words(request.fault) if request.fault else "")
        + "</tr>"
        for request in requests
    ]
    note = f"<p class='quiet'>The newest {len(rows)}, the newest first.</p>"
    return _table("Requests", ("when", "request", "contacts", "options", "answer", "fault"), rows) + note


def _answer(request: Request) -> str:
    stored = "stored" if request.stored else "nothing stored"
    if request.ended is None:
        return _cell("under way")
    took = f"{(request.ended - request.arrived) * 1000:,.0f} ms"
    if request.status is None:
        return f"<td class='bad'>no whole answer, {stored}, {took}</td>"
    is_bad = " class='bad'" if request.status >= 400 else ""
    return f"<td{is_bad}>{request.status}, {stored}, {took}</td>"


def _behaviour(behaviour: Behaviour) -> str:
    usual = Behaviour()
    values = {switch.name: getattr(behaviour, switch.name) for switch in fields(behaviour)}
    set_values = {name: value for name, value in values.items() if value != getattr(usual, name)}
    rest = {name: value for name, value in values.items() if name not in set_values}
    set_part = _switches("Switches", set_values) if set_values else "<p>Every switch is at its default.</p>"
    title = f"{len(rest)} switches at their defaults"
    return f"{set_part}<details><summary>{title}</summary>{_switches(title, rest)}</details>"


def _switches(title: str, values: dict[str, Any]) -> str:
    rows = [f"<tr>{_cell(name)}{_cell(_words(value))}</tr>" for name, value in values.items()]
    return _table(title, ("switch", "value"), rows)


def _words(value: Any) -> str:
    if isinstance(value, Fault):
        usual = asdict(Fault())
        changed = {name: one for name, one in asdict(value).items() if one != usual[name]}
        return ", ".join(f"{name} {_words(one)}" for name, one in changed.items()) or "status 500"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_words(one)}" for key, one in value.items()) or "none"
    if isinstance(value, str) or not isinstance(value, Iterable):
        return "none" if value is None else str(value)
    return "; ".join(_words(one) for one in (value if isinstance(value, tuple) else sorted(value))) or "none"


def _table(title: str, names: Iterable[str], rows: Iterable[str]) -> str:
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in names)
    # What is wider than the screen is scrolled; without a mouse, it has to have the focus for that.
    return (
        f"<div role='region' aria-label='{escape(title)}' tabindex='0'><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(text: str | None) -> str:
    shown = "" if text is None else text
    return f"<td>{escape(shown if len(shown) <= _TEXT_SHOWN else f'{shown[:_TEXT_SHOWN]}…')}</td>"


def _number(number: int) -> str:
    return f"<td class='number'>{number:,}</td>"
