"""Writes and checks the bodies of requests: Octopush would silently cast, cut or ignore what is not as documented."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TypedDict

import msgspec

from airflow_provider_octopush.api import CONTACT_FIELDS, DELETE_MAX_NUMBERS, check_names
from airflow_provider_octopush.payloads import ContactPayload

#: A contact, as a caller of the hook may write it.
ContactLike = ContactPayload | Mapping[str, str | None]


class ContactOptions(TypedDict, total=False):
    """The options of ``contact/create``; :meth:`.OctopushHook.create_contacts` says what each means."""

    list_name: str | None
    tag_name: str | None
    auto_remove_blacklisted_numbers: bool | None
    do_not_overwrite: bool | None


def _as_builtin(value: object) -> object:
    if isinstance(value, str):  # numpy's, or an enumeration's
        return str.__str__(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


_encoder = msgspec.json.Encoder(enc_hook=_as_builtin)


def contacts_body(
    contacts: Sequence[ContactLike],
    *,
    list_name: str | None = None,
    tag_name: str | None = None,
    auto_remove_blacklisted_numbers: bool | None = None,
    do_not_overwrite: bool | None = None,
) -> bytes:
    """
    Write the body of ``contact/create``; options that are None are left out.

    :param contacts: the contacts; a list of payloads only is written unchecked, because a mapper makes only payloads
        that can be sent.
    :return: JSON in UTF-8.
    :raises ValueError: when a name is too long, an option is neither True nor False, or a contact is not as described.
        The message holds no value of a contact.
    """
    names = {"list_name": list_name, "tag_name": tag_name}
    flags = {
        "auto_remove_blacklisted_numbers": auto_remove_blacklisted_numbers,
        "do_not_overwrite": do_not_overwrite,
    }
    _check_names(**names)
    for name, flag in flags.items():
        if flag is not None and not isinstance(flag, bool):
            raise ValueError(f"{name} is of type {type(flag).__name__}: write True, False or None")
    if not contacts or set(map(type, contacts)) != {ContactPayload}:
        # msgspec would turn bytes, dates and more into text.
        _check_contacts(contacts)
    given = {name: value for name, value in {**names, **flags}.items() if value is not None}
    with suppress(msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        return _encoder.encode({"contacts": contacts, **given})
    # Raised out here, without a context: an encoder's errors carry what they could not encode.
    raise ValueError("contacts cannot be written as JSON: hand over a list of dicts with text in valid Unicode")


def list_body(list_name: str) -> bytes:
    """
    Write the body of ``contact-list/create``.

    :raises ValueError: when the name is blank or too long.
    """
    _check_names(list_name=list_name)
    return _encoder.encode({"list_name": list_name})


def deletion_body(numbers: Sequence[str], *, list_name: str | None) -> bytes:
    """
    Write the body of ``contact/delete``.

    :param list_name: None deletes from the whole account.
    :raises ValueError: when the name or a number is not as described. The message holds no number.
    """
    _check_names(list_name=list_name)
    if isinstance(numbers, str) or not 0 < len(numbers) <= DELETE_MAX_NUMBERS:
        given = "one text" if isinstance(numbers, str) else str(len(numbers))
        raise ValueError(f"numbers: contact/delete takes a list of 1 to {DELETE_MAX_NUMBERS} numbers, got {given}")
    for position, number in enumerate(numbers):
        problem = _problem_of_text(number)
        if problem is None and not number.strip():
            problem = "is blank"
        if problem is not None:
            raise ValueError(f"numbers[{position}] {problem}")
    # A plain list of plain text, even if it was given as something similar.
    content: dict[str, object] = {"phone_numbers": [str.__str__(number) for number in numbers]}
    return _encoder.encode(content if list_name is None else {**content, "list_name": list_name})


def _check_names(**names: str | None) -> None:
    check_names(**names)
    for field, name in names.items():
        problem = _problem_of_text(name)
        if name is not None and problem is not None:
            raise ValueError(f"{field} {problem}")


def _problem_of_text(value: object) -> str | None:
    if not isinstance(value, str):
        return f"is of type {type(value).__name__}, Octopush takes text"
    # Not by way of an exception, which would carry the text.
    if value.encode(errors="replace") != value.encode(errors="surrogatepass"):
        return "is text that is not valid Unicode"
    return None


def _check_contacts(contacts: Sequence[ContactLike]) -> None:
    if not contacts:
        raise ValueError("contacts is empty: contact/create needs at least one")
    said = None
    try:
        msgspec.convert(
            [msgspec.structs.asdict(one) if isinstance(one, ContactPayload) else one for one in contacts],
            list[ContactPayload],
        )
    except msgspec.ValidationError as error:
        # It quotes nothing but the name of an unknown field, which may be a person's value, mixed up with the key.
        said = re.sub("unknown field `.*` - at", "an unknown field - at", str(error), flags=re.DOTALL)
    if said is not None:
        raise ValueError(f"contacts: {said}: hand over dicts with text as {', '.join(CONTACT_FIELDS)}")
