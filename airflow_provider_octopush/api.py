"""
What Octopush documents of its API and more than one module needs: names and limits, which cost nothing to import.

Source: https://dev.octopush.com/en/sms-gateway-api-documentation/, page "Add a contact".
"""

from __future__ import annotations

DEFAULT_BASE_URL = "https://api.octopush.com/v1/public"

#: What ``contact/create`` takes of a contact; ``payloads.ContactPayload`` has a field for each.
CONTACT_FIELDS = (
    "phone_number",
    "first_name",
    "last_name",
    "param1",
    "param2",
    "param3",
    "param4",
    "param5",
)

#: Numbers in one request to ``contact/delete``; for ``contact/create`` no limit is documented.
DELETE_MAX_NUMBERS = 200

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
