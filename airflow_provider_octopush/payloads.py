"""The objects of ``contact/create``: what is sent of a contact, and what is answered of it."""

from __future__ import annotations

from typing import Annotated

import msgspec


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
    """What the answer of ``contact/create`` says of a contact; ``email``, which no request has, is left out."""

    phone_number: str
    status: str
