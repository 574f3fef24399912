"""What a request holds, checked: Octopush would cast, cut or ignore without a word what is not as documented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated

import msgspec

from airflow_provider_octopush.api import CONTACT_FIELDS, check_names
from airflow_provider_octopush.payloads import ContactPayload

#: A contact, as a caller of the hook may write it.
ContactLike = ContactPayload | Mapping[str, str | None]


class _Body(msgspec.Struct):
    contacts: Annotated[list[ContactPayload], msgspec.Meta(min_length=1)]


def _as_builtin(value: object) -> object:
    if isinstance(value, str):  # numpy's, or an enumeration's
        return str.__str__(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


_encoder = msgspec.json.Encoder(enc_hook=_as_builtin)
_decoder = msgspec.json.Decoder(_Body)


def contacts_body(
    contacts: Sequence[ContactLike],
    *,
    list_name: str | None,
    tag_name: str | None,
    auto_remove_blacklisted_numbers: bool | None,
    do_not_overwrite: bool | None,
) -> bytes:
    """
    Write the body of ``contact/create``; what is None is left out.

    :return: JSON in UTF-8.
    :raises ValueError: when a name is too long or a contact is not as described.
    """
    check_names(list_name=list_name, tag_name=tag_name)
    options = {
        "list_name": list_name,
        "tag_name": tag_name,
        "auto_remove_blacklisted_numbers": auto_remove_blacklisted_numbers,
        "do_not_overwrite": do_not_overwrite,
    }
    given = {name: value for name, value in options.items() if value is not None}
    with suppress(msgspec.MsgspecError, TypeError, ValueError):
        body = _encoder.encode({"contacts": contacts, **given})
        # What is checked is what is sent.
        _decoder.decode(body)
        return body
    _check_contacts(contacts)
    raise ValueError("contacts or options cannot be written as JSON: hand over a list of dicts, and True or False")


def list_body(list_name: str) -> bytes:
    """
    Write the body of ``contact-list/create``.

    :raises ValueError: when the name is blank or too long.
    """
    check_names(list_name=list_name)
    return _encoder.encode({"list_name": list_name})


def _check_contacts(contacts: Sequence[ContactLike]) -> None:
    """Say what is wrong with contacts that cannot be sent."""
    if not contacts:
        raise ValueError("contacts is empty: contact/create needs at least one")
    for position, contact in enumerate(contacts):
        fields = contact if isinstance(contact, Mapping) else msgspec.structs.asdict(contact)
        _check_contact(f"contacts[{position}]", fields)


def _check_contact(name: str, contact: Mapping[str, str | None]) -> None:
    unknown = ", ".join(sorted(map(repr, contact.keys() - set(CONTACT_FIELDS))))
    if unknown:
        raise ValueError(f"{name} has the field {unknown}, Octopush has {', '.join(CONTACT_FIELDS)}")
    if not contact.get("phone_number"):
        raise ValueError(f"{name} has no phone_number")
    for field_name, value in contact.items():
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{name}: {field_name} is of type {type(value).__name__}, Octopush takes text or None")
        if value is not None and value.encode(errors="replace") != value.encode(errors="surrogatepass"):
            raise ValueError(f"{name}: {field_name} is text that is not valid Unicode")
