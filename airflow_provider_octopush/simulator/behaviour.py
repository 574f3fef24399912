"""How the simulated API behaves: there is a switch for what Octopush does not document."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from airflow_provider_octopush.simulator.faults import Fault
from airflow_provider_octopush.simulator.values import (
    Count,
    ErrorStatus,
    HeaderText,
    Limit,
    Seconds,
    Share,
    Status,
    SuccessStatus,
    check_values,
    read_json,
)


@dataclass(frozen=True)
class Behaviour:
    """
    Switches for all that the API's documentation leaves open. The defaults are what it says, or its mildest reading.

    "Unknown" means that Octopush does not document it. Numbers are compared by their digits, so write them
    with their country code; a plus, blanks and dashes make no difference.

    :param max_contacts: the most contacts in one request (unknown; 500 by default, which is what the sending endpoints
        take, while contact/delete takes 200).
    :param too_many_status: status of a request with more contacts: 400 by default, or 413 (unknown).
    :param max_body_bytes: the largest body of a request; larger ones get 413. None by default: up to 64 MiB (unknown).
    :param max_parallel: the most requests under way at once; further ones get 429. None by default: any number
        (unknown).
    :param requests_per_second: the most requests in any second; further ones get 429. None by default: any number
        (unknown).
    :param limit_retry_after: ``Retry-After`` of these two limits; None sends none (unknown; "1" by default).
    :param success_status: 201 by default, as documented; 200 was seen on another endpoint.
    :param order: order of ``items`` in the answer; as sent by default (unknown).
    :param number_format: how numbers come back: as they were sent (default), in the stored form ``+`` and digits,
        without plus, or in groups (unknown).
    :param duplicates_in_items: whether a number that is twice in a request has two items (default), the first
        ``added`` and the second ``updated``, or only the first one (unknown; the last contact is stored either way).
    :param blacklisted: numbers that ``auto_remove_blacklisted_numbers`` removes; none by default.
    :param removed_in_items: whether removed numbers appear in ``items``; not by default (unknown).
    :param removed_status: their status there (unknown; the three documented ones do not fit).
    :param statuses: number → status to report for it instead of the true one (unknown whether there are more than
        ``added``, ``updated`` and ``skipped``).
    :param other_status_rate: share of all numbers, 0 (default) to 1, that get ``other_status``. Which ones depends on
        the number and the seed alone.
    :param other_status: the status that these get.
    :param rejected: numbers that a successful request leaves out: they are not stored, and appear in ``items`` with the
        status ``rejected_status`` (unknown whether refused contacts appear there).
    :param rejected_status: the status of ``rejected`` numbers.
    :param unmentioned: numbers that are missing from ``items``, stored or not (unknown whether that happens).
    :param refused: numbers that make every request with one of them fail; nothing of that request is stored.
    :param refused_fields: the same for values of other fields: field → value.
    :param refusal_status: status of such a failure (unknown; 400 is documented for errors in general).
    :param refusal_code: its ``code`` (unknown).
    :param refusal_message: its ``message`` (unknown). ``{phone_number}`` and the other fields stand for the contact's
        own, to prove that a client does not pass them on.
    :param repair: True (default): bad input is silently repaired, as Octopush describes it (wrong types cast, forbidden
        characters deleted, long names cut, unknown fields ignored). False: it is refused with 400.
    :param forbidden_in_names: characters that list and tag names may not have (unknown; none by default).
    :param max_field_length: the most characters in a first name, last name or param (unknown; None by default: any
        number; mail-merge fields of the sending endpoints have 50).
    :param unknown_lists: whether a list that does not exist is created (default) or the request refused (unknown).
    :param do_not_overwrite: whether the parameter of this name "keeps" an old record, as its name says (default),
        "overwrites" it, so that a request without it keeps it, or is "ignored" (documented two ways).
    :param skipped_join: whether a contact that ``do_not_overwrite`` leaves as it is joins the request's list and gets
        its tag; True by default (unknown).
    :param null_clears: whether a field that is null in an update clears the old value; True by default (unknown).
    :param credentials_status: status for a wrong login or key; 401 by default, which other endpoints document; 403 was
        seen.
    :param credentials_body: body of that answer (unknown; the JSON of other errors by default).
    :param credentials_last: after this many requests, the right login and key are refused as well; None by default:
        never.
    :param max_numbers: the most numbers in one request to ``contact/delete``: 200 by default, as documented.
    :param too_many_numbers_status: status of a request with more numbers (unknown; 400 by default).
    :param missing_status: how ``contact/delete`` answers for a number that is not there: 204 by default, as if it had
        been there, or 400 or 404 (unknown).
    :param missing_among_others: whether it answers so when the request also holds numbers that are there (unknown; True
        by default).
    :param missing_removes_others: whether it then removes those numbers all the same (unknown; not by default).
    :param missing_list_status: how it answers for a list that is not there, as ``contact-list/delete`` does (unknown;
        404 by default).
    :param undeletable: numbers that make every request to ``contact/delete`` with one of them fail, as ``refused`` ones
        do; none by default.
    :param latency: seconds that every request takes before it is carried out; 0 by default.
    :param fault_rate: probability, 0 (default) to 1, that a request meets one of ``faults``.
    :param faults: what then goes wrong.
    :param seed: seed of everything that is random.
    :raises ValueError: when a value is of another type, or out of its bounds; it names the switch, and what it may be.
    """

    max_contacts: Limit = 500
    too_many_status: ErrorStatus = 400
    max_body_bytes: Limit | None = None
    max_parallel: Limit | None = None
    requests_per_second: Limit | None = None
    limit_retry_after: HeaderText | None = "1"
    success_status: SuccessStatus = 201
    order: Literal["sent", "reversed", "shuffled"] = "sent"
    number_format: Literal["sent", "stored", "digits", "groups"] = "sent"
    duplicates_in_items: bool = True
    blacklisted: Set[str] = frozenset()
    removed_in_items: bool = False
    removed_status: str = "removed"
    statuses: Mapping[str, str] = field(default_factory=dict)
    other_status_rate: Share = 0.0
    other_status: str = "pending"
    rejected: Set[str] = frozenset()
    rejected_status: str = "rejected"
    unmentioned: Set[str] = frozenset()
    refused: Set[str] = frozenset()
    refused_fields: Mapping[str, str] = field(default_factory=dict)
    refusal_status: ErrorStatus = 400
    refusal_code: int = 117
    refusal_message: str = "A contact is not valid."
    repair: bool = True
    forbidden_in_names: str = ""
    max_field_length: Limit | None = None
    unknown_lists: Literal["create", "refuse"] = "create"
    do_not_overwrite: Literal["keeps", "overwrites", "ignored"] = "keeps"
    skipped_join: bool = True
    null_clears: bool = True
    credentials_status: ErrorStatus = 401
    credentials_body: Literal["json", "html", "empty"] = "json"
    credentials_last: Count | None = None
    max_numbers: Limit = 200
    too_many_numbers_status: ErrorStatus = 400
    missing_status: Status = 204
    missing_among_others: bool = True
    missing_removes_others: bool = False
    missing_list_status: Status = 404
    undeletable: Set[str] = frozenset()
    latency: Seconds = 0.0
    fault_rate: Share = 0.0
    faults: tuple[Fault, ...] = (
        Fault.rate_limited(),
        Fault.server_error(),
        Fault.server_error(502, "html"),
        Fault.dropped(),
        Fault.answer_lost(),
        Fault.answer_cut(),
    )
    seed: int = 0

    def __post_init__(self) -> None:
        check_values(self)

    @classmethod
    def from_json(cls, values: Any) -> Behaviour:
        """
        Read the JSON form: the fields by their names, sets as arrays, faults as objects.

        :raises ValueError: when there is no such switch, or a value has the wrong type or is out of its bounds.
        """
        if isinstance(values, Mapping) and isinstance(values.get("faults"), list):
            values = {**values, "faults": tuple(map(Fault.from_json, values["faults"]))}
        return read_json(cls, values)

    @cached_property
    def digits(self) -> Mapping[str, frozenset[str]]:
        """Switch → its numbers, digits only."""
        switches = ("blacklisted", "rejected", "unmentioned", "refused", "undeletable")
        return {name: frozenset(map(digits_of, getattr(self, name))) for name in switches}

    @cached_property
    def statuses_by_digits(self) -> dict[str, str]:
        """``statuses``, by the digits of the numbers."""
        return {digits_of(number): status for number, status in self.statuses.items()}


def digits_of(number: str) -> str:
    """Return only the digits 0 to 9 of a number."""
    return "".join(character for character in number if character in "0123456789")
