"""
Names and limits of Octopush's API, as documented, that more than one module needs; they cost nothing to import.

Source, unless another one is given: https://dev.octopush.com/en/sms-gateway-api-documentation/, page "Add a contact".
"""

from __future__ import annotations

import re

DEFAULT_BASE_URL = "https://api.octopush.com/v1/public"

#: The fields of a contact in ``contact/create``; ``payloads.ContactPayload`` has each of them.
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

#: The most numbers in one request to ``contact/delete``; for ``contact/create`` no limit is documented.
DELETE_MAX_NUMBERS = 200

LIST_NAME_MAX_LENGTH = 30
TAG_NAME_MAX_LENGTH = 20

#: The documented values of ``status`` in the answer of ``contact/create``.
STATUSES = ("added", "updated", "skipped")

#: The 4xx that can be about contacts, or about how many there are; all others are about the request itself. Octopush
#: does not document which of them it uses.
CONTENT_REFUSED = frozenset({400, 409, 413, 414, 422})

#: Those with which ``contact/delete`` may say that a number is not there.
NOT_THERE = frozenset({400, 404, 422})

#: A return code → what it means, and what to do. These are codes of Octopush's older API. For this one no list is
#: documented, and only some of them were seen, so they are only a hint for people, and nothing may depend on them.
#: Source: https://octopush.com/en/sms-gateway-api-documentation/return-codes/, in our words.
RETURN_CODES = {
    101: "login or key is wrong; correct the connection",
    104: "there is no credit; top up, or ask Octopush, as contacts should cost nothing",
    105: "there is not enough credit; top up, or ask Octopush, as contacts should cost nothing",
    108: "the login is missing; correct the connection",
    109: "the key is missing; correct the connection",
    110: "there is no contact in the request; report it as a bug of this provider",
    113: "the account is not validated; log in to Octopush",
    114: "the account is under investigation; log in to Octopush",
    117: "there is no correct number among the contacts; look at the country codes",
    125: "undefined error; try again later",
    150: "no country has this prefix; take these numbers out",
    151: "the country is not served; take these numbers out",
    207: "the account has no access to this function; ask Octopush for the right",
    300: "lists may not be managed by API; ask Octopush for the right",
    301: "there are too many lists; delete one",
    302: "the list exists already; check list_name",
    303: "the list does not exist; check list_name",
    304: "the list is full; use another one",
    305: "there are too many contacts in one request; set a smaller chunk_size",
    500: "the request cannot be processed; try again later",
    501: "the request cannot be processed; try again later",
}

#: Octopush's codes have three digits at most. A larger number may be a part of a phone number.
CODE_MAX = 999


#: Characters that Octopush is unlikely to delete from a name.
_SURELY_ALLOWED = re.compile("[A-Za-z0-9]")


def check_names(*, list_name: str | None = None, tag_name: str | None = None) -> None:
    """
    Refuse names that the API would silently cut or ignore.

    :param list_name: at most 30 characters, one of them an ASCII letter or digit; None is no name and passes.
        Octopush deletes characters that it does not allow, and does not document which. A name that is gone would put
        contacts on no list, and let a removal reach the whole account.
    :param tag_name: at most 20 characters; None is no name and passes.
    :raises ValueError: when a name is blank or too long, or may be gone after Octopush has deleted characters from it.
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
    if list_name is not None and not _SURELY_ALLOWED.search(list_name):
        raise ValueError(
            f"list_name {list_name!r} has none of A-Z, a-z and 0-9: Octopush may silently delete all other "
            "characters, and a removal without a name reaches the whole account. Write a name with at least one of "
            "them"
        )


def describe_answer(status_code: int | None, code: int | None) -> str:
    """
    Say how Octopush refused a request, in our own words.

    :param status_code: the HTTP status code.
    :param code: the API's own code, from 0 to 999; None if the answer had none.
    :return: both, with the documented meaning of the code.
    """
    if code is None:
        return f"HTTP {status_code}, without a return code"
    meaning = RETURN_CODES.get(code)
    documented = f"in Octopush's older API: {meaning}" if meaning else "no meaning of it is documented"
    return f"HTTP {status_code}, code {code} ({documented})"
