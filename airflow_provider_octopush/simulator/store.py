"""What the simulated account holds, and the rules by which a request changes it."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_octopush.api import CONTACT_FIELDS, LIST_NAME_MAX_LENGTH, TAG_NAME_MAX_LENGTH
from airflow_provider_octopush.simulator.behaviour import Behaviour

_NOT_DIGITS = re.compile(r"[^0-9]")
_DIGITS = str.maketrans("", "", "+")
_NAMES = (("list_name", LIST_NAME_MAX_LENGTH), ("tag_name", TAG_NAME_MAX_LENGTH))
_FLAGS = ("auto_remove_blacklisted_numbers", "do_not_overwrite")


class RefusedError(Exception):
    """A request that the API answers with an error."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass
class Contact:
    """A contact as the account holds it."""

    phone_number: str
    fields: dict[str, str | None]
    lists: set[str] = field(default_factory=set)
    tags: set[str] = field(default_factory=set)


class Store:
    """An account's contacts, by the digits of their numbers, and its lists."""

    def __init__(self, seed: int) -> None:
        self.contacts: dict[str, Contact] = {}
        self.lists: dict[str, set[str]] = {}
        self._random = random.Random(seed)  # noqa: S311 - a seeded simulation, no secret

    def create_list(self, body: Any, behaviour: Behaviour) -> None:
        """
        Carry out ``contact-list/create``.

        :raises RefusedError: when the request has no name for the list.
        """
        name = _name(body, "list_name", LIST_NAME_MAX_LENGTH, behaviour) if isinstance(body, dict) else None
        if not name:
            raise RefusedError(400, 104, "list_name is missing.")
        self.lists.setdefault(name, set())

    def create_contacts(self, body: Any, behaviour: Behaviour) -> list[dict[str, str]]:
        """
        Carry out ``contact/create``: all of it, or nothing.

        :return: the answer's items.
        :raises RefusedError: when the request is refused.
        """
        contacts = body.get("contacts") if isinstance(body, dict) else None
        if not isinstance(contacts, list) or not contacts:
            raise RefusedError(400, 103, "contacts is missing.")
        if len(contacts) > behaviour.max_contacts:
            raise RefusedError(behaviour.too_many_status, 102, f"At most {behaviour.max_contacts} contacts at once.")
        if not behaviour.repair:
            unknown = body.keys() - {"contacts", *(name for name, _ in _NAMES), *_FLAGS}
            if unknown or any(not isinstance(body.get(flag, False), bool) for flag in _FLAGS):
                raise RefusedError(400, 105, "A parameter is not valid.")
        list_name, tag_name = (_name(body, name, limit, behaviour) for name, limit in _NAMES)
        if list_name and list_name not in self.lists and behaviour.unknown_lists == "refuse":
            raise RefusedError(400, 106, "The list does not exist.")
        records = [_record(contact, behaviour) for contact in contacts]

        members = self.lists.setdefault(list_name, set()) if list_name else set()
        remove = bool(body.get("auto_remove_blacklisted_numbers"))
        keep_old = bool(body.get("do_not_overwrite"))
        items: list[dict[str, str]] = []
        for number, fields in records:
            if remove and number in behaviour.blacklisted:
                if behaviour.removed_in_items:
                    items.append(_item(number, "removed", behaviour))
                continue
            digits = number.translate(_DIGITS)
            status = self._upsert(digits, number, fields, keep_old, behaviour)
            contact = self.contacts[digits]
            if list_name:
                members.add(number)
                contact.lists.add(list_name)
            if tag_name:
                contact.tags.add(tag_name)
            if number not in behaviour.unmentioned:
                items.append(_item(number, behaviour.statuses.get(number, status), behaviour))
        if behaviour.order == "reversed":
            items.reverse()
        elif behaviour.order == "shuffled":
            self._random.shuffle(items)
        return items

    def _upsert(
        self, digits: str, number: str, fields: Mapping[str, str | None], keep_old: bool, behaviour: Behaviour
    ) -> str:
        known = self.contacts.get(digits)
        if known is None:
            self.contacts[digits] = Contact(number, dict(fields))
            return "added"
        if keep_old:
            return "skipped"
        for name, value in fields.items():
            if value is not None or behaviour.null_clears:
                known.fields[name] = value
        return "updated"


def _name(body: Mapping[str, Any], field_name: str, limit: int, behaviour: Behaviour) -> str | None:
    name = body.get(field_name)
    if name is None:
        return None
    if isinstance(name, str) and 0 < len(name) <= limit:
        return name
    if not behaviour.repair:
        raise RefusedError(400, 105, f"{field_name} is not valid.")
    return str(name)[:limit] or None


def _record(contact: Any, behaviour: Behaviour) -> tuple[str, dict[str, str | None]]:
    """Read one contact of a request: repaired without a word, or refused."""
    if not isinstance(contact, dict):
        raise RefusedError(400, 105, "A contact is not an object.")
    number: Any = contact.get("phone_number")
    fields = {name: value for name, value in contact.items() if name != "phone_number"}
    if not behaviour.repair:
        is_strict = isinstance(number, str) and number[:1] == "+" and number[1:].isdecimal()
        if not is_strict or any(
            name not in CONTACT_FIELDS or not (value is None or isinstance(value, str))
            for name, value in fields.items()
        ):
            raise RefusedError(400, behaviour.refusal_code, _message(contact, behaviour))
    elif not isinstance(number, str) or not number[1:].isdecimal():
        number = "+" + _NOT_DIGITS.sub("", str(number))
    if (
        len(number) < 2
        or number in behaviour.refused
        or (behaviour.refused_fields and any(fields.get(k) == v for k, v in behaviour.refused_fields.items()))
    ):
        raise RefusedError(behaviour.refusal_status, behaviour.refusal_code, _message(contact, behaviour))
    if behaviour.repair:
        fields = {
            name: value if value is None or isinstance(value, str) else str(value)
            for name, value in fields.items()
            if name in CONTACT_FIELDS
        }
    return number, fields


def _message(contact: Mapping[str, Any], behaviour: Behaviour) -> str:
    message = behaviour.refusal_message
    for name in CONTACT_FIELDS:
        message = message.replace(f"{{{name}}}", str(contact.get(name) or ""))
    return message


def _item(number: str, status: str, behaviour: Behaviour) -> dict[str, str]:
    if behaviour.number_format == "digits":
        number = number.translate(_DIGITS)
    elif behaviour.number_format == "groups":
        number = " ".join(number[i : i + 3] for i in range(0, len(number), 3))
    return {"phone_number": number, "email": "", "status": status}
