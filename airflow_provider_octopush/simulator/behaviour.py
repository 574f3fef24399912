"""How the simulated API behaves: what Octopush does not document is a switch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal


@dataclass(frozen=True)
class Fault:
    """
    Something that goes wrong with one request.

    :param status: HTTP status to answer with; None answers as if nothing were wrong.
    :param body: what the answer's body holds: the API's JSON, a gateway's page, nothing, JSON of another shape, or
        the first half of the right answer before the connection ends.
    :param retry_after: value of the header ``Retry-After``; None sends none.
    :param stored: whether the contacts are stored all the same.
    :param drop: whether the connection is closed instead of answering.
    :param delay: seconds before anything is sent.
    """

    status: int | None = None
    body: Literal["json", "html", "empty", "other_json", "half"] = "json"
    retry_after: str | None = None
    stored: bool = False
    drop: bool = False
    delay: float = 0.0

    @classmethod
    def rate_limited(cls, retry_after: str | None = "0") -> Fault:
        """429, with ``Retry-After`` in seconds or as an HTTP date."""
        return cls(status=429, retry_after=retry_after)

    @classmethod
    def server_error(cls, status: int = 503, body: Literal["json", "html", "empty"] = "json") -> Fault:
        """Answer with a 5xx, or another status, and store nothing."""
        return cls(status=status, body=body)

    @classmethod
    def dropped(cls) -> Fault:
        """Close the connection before anything was stored."""
        return cls(drop=True)

    @classmethod
    def answer_lost(cls) -> Fault:
        """Store the contacts, then close the connection without an answer."""
        return cls(drop=True, stored=True)

    @classmethod
    def answer_cut(cls) -> Fault:
        """Store the contacts, then close the connection in the middle of the answer."""
        return cls(body="half", stored=True)

    @classmethod
    def not_json(cls) -> Fault:
        """Store the contacts, and answer 200 with an HTML page."""
        return cls(status=200, body="html", stored=True)

    @classmethod
    def other_json(cls) -> Fault:
        """Store the contacts, and answer 200 with JSON that is not the documented answer."""
        return cls(status=200, body="other_json", stored=True)

    @classmethod
    def slow(cls, seconds: float) -> Fault:
        """Store the contacts and answer, but late."""
        return cls(stored=True, delay=seconds)


@dataclass(frozen=True)
class Behaviour:
    """
    Switches for all that the API's documentation leaves open; the defaults are what it says, or its mildest reading.

    :param max_contacts: contacts in one request (unknown; neighbouring endpoints take 200 and 500).
    :param too_many_status: status of a request with more of them (unknown).
    :param order: order of ``items`` in the answer (unknown).
    :param number_format: how numbers come back: as they were sent, without plus, or in groups (unknown).
    :param success_status: 201 is documented, 200 was seen on other endpoints.
    :param blacklisted: numbers that ``auto_remove_blacklisted_numbers`` removes.
    :param removed_in_items: whether removed numbers appear in ``items``, with the status ``removed`` (unknown).
    :param unmentioned: numbers that are stored, but missing from ``items`` (unknown whether that happens).
    :param statuses: number → status to report for it instead of ``added``, ``updated`` or ``skipped``.
    :param refused: numbers that make every request that holds one fail; nothing of that request is stored.
    :param refused_fields: the same for values of any other field.
    :param refusal_status: status of such a failure (unknown; 400 is documented for errors in general).
    :param refusal_code: its ``code`` (unknown).
    :param refusal_message: its ``message``; ``{phone_number}`` and the other fields stand for the contact's own.
    :param repair: True: bad input is repaired without a word, as Octopush describes it (wrong types cast, forbidden
        characters deleted, long names cut, unknown fields ignored). False: it is refused with 400.
    :param unknown_lists: whether a list that does not exist is created or the request refused (unknown).
    :param null_clears: whether a field that is null in an update clears the old value (unknown).
    :param credentials_status: status for a wrong login or key (401 is documented elsewhere, 403 was seen).
    :param latency: seconds that every request takes.
    :param fault_rate: probability, 0 to 1, that a request meets one of ``faults``.
    :param faults: what then goes wrong.
    :param seed: of everything that is random.
    """

    max_contacts: int = 500
    too_many_status: int = 400
    order: Literal["sent", "reversed", "shuffled"] = "sent"
    number_format: Literal["sent", "digits", "groups"] = "sent"
    success_status: int = 201
    blacklisted: frozenset[str] = frozenset()
    removed_in_items: bool = False
    unmentioned: frozenset[str] = frozenset()
    statuses: Mapping[str, str] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()
    refused_fields: Mapping[str, str] = field(default_factory=dict)
    refusal_status: int = 400
    refusal_code: int = 101
    refusal_message: str = "A contact is not valid."
    repair: bool = True
    unknown_lists: Literal["create", "refuse"] = "create"
    null_clears: bool = True
    credentials_status: int = 401
    latency: float = 0.0
    fault_rate: float = 0.0
    faults: tuple[Fault, ...] = (
        Fault.rate_limited(),
        Fault.server_error(),
        Fault.server_error(502, "html"),
        Fault.dropped(),
        Fault.answer_lost(),
        Fault.answer_cut(),
    )
    seed: int = 0

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Behaviour:
        """
        Read the JSON form: the fields by their names, sets as arrays, faults as objects.

        :raises ValueError: when there is no such switch.
        """
        known = {switch.name for switch in fields(cls)}
        unknown = sorted(values.keys() - known)
        if unknown:
            raise ValueError(f"no such switch: {', '.join(unknown)}; there are {', '.join(sorted(known))}")
        read = dict(values)
        for name in ("blacklisted", "unmentioned", "refused"):
            if name in read:
                read[name] = frozenset(read[name])
        if "faults" in read:
            read["faults"] = tuple(Fault(**fault) for fault in read["faults"])
        return cls(**read)
