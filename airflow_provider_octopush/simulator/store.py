"""What the simulated account holds, and the rules by which a request changes it."""

from __future__ import annotations

import random
import zlib
from collections.abc import Container
from dataclasses import dataclass

from airflow_provider_octopush.simulator.behaviour import Behaviour
from airflow_provider_octopush.simulator.reading import ContactsRequest, DeleteRequest, RefusedError

Item = dict[str, str]

_NONE: frozenset[str] = frozenset()
_Membership = tuple[frozenset[str], frozenset[str]]


@dataclass(slots=True)
class StoredContact:
    """
    A contact as the account holds it.

    :param phone_number: plus and digits.
    :param fields: its other fields by the API's names; None where null was sent.
    :param lists: names of its lists.
    :param tags: names of its tags.
    """

    phone_number: str
    fields: dict[str, str | None]
    lists: frozenset[str] = _NONE
    tags: frozenset[str] = _NONE


class Store:
    """
    An account's contacts, by the digits of their numbers, and its lists.

    :param seed: of the order in which shuffled items come.
    """

    def __init__(self, seed: int) -> None:
        # One shared tuple for all contacts of the same lists and tags: hundreds of thousands of objects less.
        self._fields: dict[str, dict[str, str | None]] = {}
        self._memberships: dict[str, _Membership] = {}
        self._lists: dict[str, set[str]] = {}
        self._random = random.Random(seed)  # noqa: S311 - a seeded simulation, no secret

    def contacts(self) -> dict[str, StoredContact]:
        """A copy of the contacts, by their numbers with plus."""
        return {
            f"+{digits}": StoredContact(f"+{digits}", dict(fields), *self._memberships[digits])
            for digits, fields in self._fields.items()
        }

    def lists(self) -> dict[str, set[str]]:
        """List → numbers, with plus, of its contacts; a copy."""
        return {name: {f"+{digits}" for digits in members} for name, members in self._lists.items()}

    def has_list(self, name: str) -> bool:
        """Whether there is a list of this name."""
        return name in self._lists

    def create_list(self, name: str) -> None:
        """Create a list, unless there is one of this name."""
        self._lists.setdefault(name, set())

    def delete_list(self, name: str, behaviour: Behaviour) -> None:
        """
        Delete a list; its contacts stay in the account.

        :raises RefusedError: when there is none of this name, unless that is to pass.
        """
        if name not in self._lists:
            _refuse_missing_list(behaviour)
        for digits in self._lists.pop(name, ()):
            lists, tags = self._memberships[digits]
            self._memberships[digits] = (lists - {name}, tags)

    def delete_contacts(self, request: DeleteRequest, behaviour: Behaviour) -> None:
        """
        Remove the numbers of a request from its list, or from the account.

        :raises RefusedError: when it is refused.
        """
        list_name = request.list_name
        if list_name is not None and list_name not in self._lists:
            _refuse_missing_list(behaviour)
            return
        held: Container[str] = self._fields if list_name is None else self._lists[list_name]
        there = {digits for digits in request.numbers if digits in held}
        missing = len(there) < len(set(request.numbers))
        refuses = missing and behaviour.missing_status >= 300 and (behaviour.missing_among_others or not there)
        if not refuses or behaviour.missing_removes_others:
            for digits in there:
                self._delete(digits, list_name)
        if refuses:
            raise RefusedError(behaviour.missing_status, 117, "A contact does not exist.")

    def _delete(self, digits: str, list_name: str | None) -> None:
        lists, tags = self._memberships[digits]
        if list_name is not None:
            self._lists[list_name].remove(digits)
            self._memberships[digits] = (lists - {list_name}, tags)
            return
        for name in lists:
            self._lists[name].discard(digits)
        del self._fields[digits], self._memberships[digits]

    def create_contacts(self, request: ContactsRequest, behaviour: Behaviour) -> list[Item]:
        """
        Add or update the contacts of a request.

        :return: the answer's items.
        """
        lists = frozenset({request.list_name}) if request.list_name else _NONE
        tags = frozenset({request.tag_name}) if request.tag_name else _NONE
        removed = behaviour.digits["blacklisted"] if request.remove_blacklisted else _NONE
        rejected, unmentioned = behaviour.digits["rejected"], behaviour.digits["unmentioned"]
        statuses = behaviour.statuses_by_digits
        form = behaviour.number_format
        known_fields, memberships, joining = self._fields, self._memberships, (lists, tags)
        joined: list[str] = []
        items: list[Item] = []
        mentioned: set[str] = set()
        for digits, sent, fields in request.contacts:
            if digits in removed:
                if not behaviour.removed_in_items:
                    continue
                status = behaviour.removed_status
            elif digits in rejected:
                status = behaviour.rejected_status
            else:
                known = known_fields.get(digits)
                if known is None:
                    known_fields[digits] = fields
                    memberships[digits] = joining
                    status = "added"
                    joined.append(digits)
                else:
                    status = _update(known, fields, request.keep_old, behaviour)
                    if status != "skipped" or behaviour.skipped_join:
                        had = memberships[digits]
                        if had != joining:
                            memberships[digits] = (had[0] | lists, had[1] | tags)
                        joined.append(digits)
                if behaviour.other_status_rate and _share(digits, behaviour.seed) < behaviour.other_status_rate:
                    status = behaviour.other_status
            if digits in unmentioned:
                continue
            if not behaviour.duplicates_in_items:
                if digits in mentioned:
                    continue
                mentioned.add(digits)
            if statuses:
                status = statuses.get(digits, status)
            number = sent if form == "sent" else _shown(digits, form)
            items.append({"phone_number": number, "email": "", "status": status})
        if request.list_name:
            self._lists.setdefault(request.list_name, set()).update(joined)
        if behaviour.order == "reversed":
            items.reverse()
        elif behaviour.order == "shuffled":
            self._random.shuffle(items)
        return items


def _refuse_missing_list(behaviour: Behaviour) -> None:
    if behaviour.missing_list_status >= 300:
        raise RefusedError(behaviour.missing_list_status, 303, "The list does not exist.")


def _update(known: dict[str, str | None], fields: dict[str, str | None], keep_old: bool, behaviour: Behaviour) -> str:
    if keep_old:
        return "skipped"
    known.update((name, value) for name, value in fields.items() if value is not None or behaviour.null_clears)
    return "updated"


def _share(digits: str, seed: int) -> float:
    """Where in 0 to 1 a number stands: the same for the same seed, so that a repeated request is answered alike."""
    return zlib.crc32(f"{seed}:{digits}".encode()) / 2**32


def _shown(digits: str, form: str) -> str:
    if form == "digits":
        return digits
    number = f"+{digits}"
    if form == "groups":
        return " ".join(number[start : start + 3] for start in range(0, len(number), 3))
    return number
