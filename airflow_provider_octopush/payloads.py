"""The objects of ``contact/create``: a contact as it is sent, and as it is answered."""

from __future__ import annotations

from typing import Annotated

import msgspec


# Neither can be part of a reference cycle, so the garbage collector need not scan millions of them.
class ContactPayload(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """A contact as ``contact/create`` takes it; fields that are None are left out."""

    phone_number: Annotated[str, msgspec.Meta(min_length=1)]
    first_name: str | None = None
    last_name: str | None = None
    param1: str | None = None
    param2: str | None = None
    param3: str | None = None
    param4: str | None = None
    param5: str | None = None


class ContactItem(msgspec.Struct, frozen=True, gc=False):
    """A contact in the answer of ``contact/create``, without ``email``, which no request has."""

    phone_number: str
    status: str
