"""
What the API makes of the input of a request: repaired without a word, or refused.

The limits and names are stated here again, not imported: a mistake in the provider must not be played along with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_provider_octopush.simulator.behaviour import Behaviour, digits_of

_FIELDS = frozenset({"first_name", "last_name", "param1", "param2", "param3", "param4", "param5"})
_FLAGS = ("auto_remove_blacklisted_numbers", "do_not_overwrite")
_LIST_NAME_LENGTH = 30
_TAG_NAME_LENGTH = 20
_DELETE_PARAMETERS = frozenset({"phone_numbers", "list_name"})
_PARAMETERS = frozenset({"contacts", "list_name", "tag_name", *_FLAGS})


class RefusedError(Exception):
    """A request that the API answers with an error."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


#: A contact as it was understood: the digits of its number, the number as it was sent, the other fields.
ContactRecord = tuple[str, str, dict[str, str | None]]


class ContactsRequest(NamedTuple):
    """A request to ``contact/create`` as it was understood."""

    contacts: list[ContactRecord]
    list_name: str | None
    tag_name: str | None
    remove_blacklisted: bool
    keep_old: bool


class DeleteRequest(NamedTuple):
    """A request to ``contact/delete`` as it was understood: the digits of its numbers; without a list, the account."""

    numbers: list[str]
    list_name: str | None


def read_contacts_request(body: Any, behaviour: Behaviour) -> ContactsRequest:
    """
    Understand a request to ``contact/create``.

    :param body: parsed JSON; its objects are taken over.
    :raises RefusedError: when the request is refused.
    """
    contacts = body.get("contacts") if isinstance(body, dict) else None
    if not isinstance(contacts, list) or not contacts:
        raise RefusedError(400, 110, "contacts is missing.")
    if len(contacts) > behaviour.max_contacts:
        raise RefusedError(behaviour.too_many_status, 305, f"At most {behaviour.max_contacts} contacts at once.")
    if not behaviour.repair and (
        body.keys() - _PARAMETERS or any(not isinstance(body.get(flag, False), bool) for flag in _FLAGS)
    ):
        raise RefusedError(400, 100, "A parameter is not valid.")
    return ContactsRequest(
        list_name=_read_name(body, "list_name", _LIST_NAME_LENGTH, behaviour),
        tag_name=_read_name(body, "tag_name", _TAG_NAME_LENGTH, behaviour),
        contacts=[_read_contact(contact, behaviour) for contact in contacts],
        remove_blacklisted=bool(body.get("auto_remove_blacklisted_numbers")),
        keep_old=_keeps_old(bool(body.get("do_not_overwrite")), behaviour),
    )


def _keeps_old(asked: bool, behaviour: Behaviour) -> bool:
    return behaviour.do_not_overwrite != "ignored" and asked == (behaviour.do_not_overwrite == "keeps")


def read_delete_request(body: Any, behaviour: Behaviour) -> DeleteRequest:
    """
    Understand a request to ``contact/delete``.

    :param body: parsed JSON.
    :raises RefusedError: when the request is refused.
    """
    numbers = body.get("phone_numbers") if isinstance(body, dict) else None
    if not isinstance(numbers, list) or not numbers:
        raise RefusedError(400, 110, "phone_numbers is missing.")
    if len(numbers) > behaviour.max_numbers:
        status = behaviour.too_many_numbers_status
        raise RefusedError(status, 305, f"At most {behaviour.max_numbers} numbers at once.")
    if not behaviour.repair and (
        body.keys() - _DELETE_PARAMETERS or any(not isinstance(number, str) for number in numbers)
    ):
        raise RefusedError(400, 100, "A parameter is not valid.")
    digits = [digits_of(str(number)) for number in numbers]
    for number, sent in zip(digits, numbers, strict=True):
        if not number or number in behaviour.digits["undeletable"] or number in behaviour.digits["refused"]:
            raise RefusedError(behaviour.refusal_status, behaviour.refusal_code, _message(str(sent), {}, behaviour))
    return DeleteRequest(digits, _read_name(body, "list_name", _LIST_NAME_LENGTH, behaviour))


def read_list_name(body: Any, behaviour: Behaviour) -> str:
    """
    Understand a request to ``contact-list/create`` or ``contact-list/delete``.

    :param body: parsed JSON.
    :raises RefusedError: when it holds no name.
    """
    name = _read_name(body, "list_name", _LIST_NAME_LENGTH, behaviour) if isinstance(body, dict) else None
    if not name:
        raise RefusedError(400, 100, "list_name is missing.")
    return name


def _read_name(body: Mapping[str, Any], name: str, length: int, behaviour: Behaviour) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if behaviour.repair:
        if isinstance(value, dict | list):
            return None
        value = str(value)
        for character in behaviour.forbidden_in_names:
            value = value.replace(character, "")
        return value[:length] or None
    if isinstance(value, str) and 0 < len(value) <= length and not set(value) & set(behaviour.forbidden_in_names):
        return value
    raise RefusedError(400, 100, f"{name} is not valid.")


def _read_contact(contact: Any, behaviour: Behaviour) -> ContactRecord:
    if not isinstance(contact, dict):
        raise RefusedError(400, 100, "A contact is not an object.")
    number = contact.pop("phone_number", None)
    sent = number if isinstance(number, str) else "" if number is None else str(number)
    digits = sent[1:] if sent[:1] == "+" else sent
    is_clean = digits.isdecimal() and digits.isascii()
    if not is_clean:
        digits = digits_of(sent)
    is_valid = _are_valid(contact, behaviour.max_field_length)
    is_refused = not digits or digits in behaviour.digits["refused"]
    if behaviour.refused_fields:
        is_refused = is_refused or any(contact.get(name) == bad for name, bad in behaviour.refused_fields.items())
    if not behaviour.repair:
        is_refused = is_refused or not (is_clean and is_valid and sent is number and sent[:1] == "+")
    if is_refused:
        status = behaviour.refusal_status
        raise RefusedError(status, behaviour.refusal_code, _message(sent, contact, behaviour))
    return digits, sent, contact if is_valid else _repaired(contact, behaviour)


def _are_valid(fields: Mapping[str, Any], max_length: int | None) -> bool:
    for name, value in fields.items():
        if name not in _FIELDS:
            return False
        if value is not None and (value.__class__ is not str or (max_length is not None and len(value) > max_length)):
            return False
    return True


def _repaired(contact: Mapping[str, Any], behaviour: Behaviour) -> dict[str, str | None]:
    return {
        name: None if value is None else str(value)[: behaviour.max_field_length]
        for name, value in contact.items()
        if name in _FIELDS and not isinstance(value, dict | list)
    }


def _message(number: str, contact: Mapping[str, Any], behaviour: Behaviour) -> str:
    message = behaviour.refusal_message.replace("{phone_number}", number)
    for name in _FIELDS:
        message = message.replace(f"{{{name}}}", str(contact.get(name) or ""))
    return message
