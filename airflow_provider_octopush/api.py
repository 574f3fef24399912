"""
What Octopush documents of its API and more than one module needs: names and limits.

Source: https://dev.octopush.com/en/sms-gateway-api-documentation/, page "Add a contact".
"""

from __future__ import annotations

from typing import Annotated

import msgspec

DEFAULT_BASE_URL = "https://api.octopush.com/v1/public"


# Neither of the two can be a part of a reference cycle, so the garbage collector need not look at millions of them.
class ContactPayload(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """A contact as ``contact/create`` takes it; what is None is left out."""

    phone_number: Annotated[str, msgspec.Meta(min_length=1)]
    first_name: str | None = None
    last_name: str | None = None
    param1: str | None = None
    param2: str | None = None
    param3: str | None = None
    param4: str | None = None
    param5: str | None = None


class ContactItem(msgspec.Struct, frozen=True, gc=False):
    """What the answer of ``contact/create`` says of a contact; ``email``, which no request has, is left aside."""

    phone_number: str
    status: str


CONTACT_FIELDS = ContactPayload.__struct_fields__

LIST_NAME_MAX_LENGTH = 30
TAG_NAME_MAX_LENGTH = 20

#: The documented values of ``status`` in the answer of ``contact/create``.
STATUSES = ("added", "updated", "skipped")


def check_names(*, list_name: str | None = None, tag_name: str | None = None) -> None:
    """
    Refuse names that the API would cut or ignore without a word.

    :param list_name: at most 30 characters; None is no name and passes.
    :param tag_name: at most 20 characters; None is no name and passes.
    :raises ValueError: when a name is blank or too long.
    :raises TypeError: when a name is not text.
    """
    for field, name, limit in (
        ("list_name", list_name, LIST_NAME_MAX_LENGTH),
        ("tag_name", tag_name, TAG_NAME_MAX_LENGTH),
    ):
        if name is None:
            continue
        if not isinstance(name, str):
            raise TypeError(f"{field} must be text, got {type(name).__name__}")
        if not name.strip():
            raise ValueError(f"{field} is blank: write a name, or leave {field} out")
        if len(name) > limit:
            raise ValueError(f"{field} {name!r} has {len(name)} characters, Octopush allows {limit}: shorten it")
