"""
The questions: a function for each, which makes what it asks about itself.

Each returns its findings: values of the simulator's switches, and findings without a switch under other names. None
means that it could not tell.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from airflow_provider_octopush.api import STATUSES
from airflow_provider_octopush.probe.account import Account, Reply, UntoldError, digits_of

Found = Mapping[str, Any]

#: No country code begins with 0, so this cannot be anyone's number; and text that is not a number at all.
IMPOSSIBLE = "+0000000000"
NO_NUMBER = "n/a"

#: How many of the person's numbers are asked about. Three can come back in an order that is neither as sent nor
#: reversed.
ASKED_ABOUT = 3
TIMES = 10
LONGEST = 1000
SIZES = (1, 200, 500)


class Question(NamedTuple):
    """
    A question.

    :param ask: asks it, with the person's numbers.
    :param requests: how many requests it takes at most.
    :param switches: the simulator's switches that it is about.
    """

    ask: Callable[[Account, Sequence[str]], Found]
    requests: int
    switches: tuple[str, ...] = ()


def own_list(account: Account, _: Sequence[str]) -> Found:
    """Are login and key right, and can a list be created? Everything that follows uses this one."""
    account.create_list()
    return {}


def unknown_list(account: Account, numbers: Sequence[str]) -> Found:
    """Is a list created if it does not exist?"""
    if account.create(numbers[:1], list_name=account.unknown_list_name).is_accepted:
        return {"unknown_lists": "create"}
    # The same contact must be accepted on a list that exists.
    account.create(numbers[:1]).accepted()
    return {"unknown_lists": "refuse"}


def number_with_a_blank(account: Account, numbers: Sequence[str]) -> Found:
    """Is a number with a blank repaired, and in which form does it come back?"""
    number = numbers[0]
    written = f"{number[:4]} {number[4:]}"
    reply = account.create([written])
    is_refused, is_repaired = not reply.is_accepted, reply.status_of(number) in STATUSES
    if not is_repaired:
        reply = account.create([number]).accepted()
    forms = {written: "sent", number: "stored" if is_repaired else None, number[1:]: "digits"}
    shown = {forms.get(item["phone_number"], "groups") for item in reply.of(number)}
    repair = False if is_refused else is_repaired or None
    return {"repair": repair, "number_format": shown.pop() if len(shown) == 1 else None}


def number_twice(account: Account, numbers: Sequence[str]) -> Found:
    """Does a number that is twice in a request have two items?"""
    items = account.create([numbers[0], numbers[0]]).accepted().of(numbers[0])
    return {"duplicates_in_items": {1: False, 2: True}.get(len(items))}


def overwriting(account: Account, numbers: Sequence[str]) -> Found:
    """200 or 201, what does an item hold, and which way round is ``do_not_overwrite``?"""
    first = account.create(numbers[:1]).accepted()
    fields = sorted({account.shown(name) for item in first.items for name in item})
    without = account.create(numbers[:1]).accepted().status_of(numbers[0])
    asked = account.create(numbers[:1], do_not_overwrite=True).accepted().status_of(numbers[0])
    readings = {
        ("updated", "skipped"): "keeps",
        ("skipped", "updated"): "overwrites",
        ("updated", "updated"): "ignored",
    }
    return {
        "success_status": first.status_code,
        "fields of an item": ", ".join(fields) or None,
        "do_not_overwrite": readings.get((without or "", asked or "")),
    }


def impossible_number(account: Account, numbers: Sequence[str]) -> Found:
    """What happens to an impossible number, alone and beside a good one?"""
    text, alone = account.create([NO_NUMBER]), account.create([IMPOSSIBLE])
    beside = account.create([numbers[0], IMPOSSIBLE])
    if not beside.is_accepted:
        # A request of this size must be accepted without it.
        account.create([numbers[0], numbers[0]]).accepted()
    refusal = next((reply for reply in (beside, alone, text) if not reply.is_accepted), None)
    return {
        "refusal_status": refusal and refusal.status_code,
        "refusal_code": refusal and refusal.code,
        "an impossible number alone": "accepted" if alone.is_accepted else f"refused with HTTP {alone.status_code}",
        **_impossible_beside(account, beside, numbers[0]),
    }


def _impossible_beside(account: Account, reply: Reply, number: str) -> Found:
    if not reply.is_accepted:
        return {"refused": [IMPOSSIBLE]}
    status = reply.status_of(IMPOSSIBLE)
    if reply.status_of(number) is None or account.statuses - set(STATUSES):
        # Good numbers are answered in the same way, so this tells nothing.
        return {"refused": []}
    if status is None:
        return {"refused": [], "unmentioned": [IMPOSSIBLE]}
    if status in STATUSES:
        return {"refused": [], "unmentioned": [], "rejected": []}
    return {
        "refused": [],
        "unmentioned": [],
        "rejected": [IMPOSSIBLE],
        "rejected_status": account.shown(status),
    }


def length_of_param1(account: Account, numbers: Sequence[str]) -> Found:
    """How long may a param be before it is refused?"""

    def ask(length: int) -> Reply:
        return account.create([{"phone_number": numbers[0], "param1": "x" * length}])

    refusal = ask(LONGEST)
    if refusal.is_accepted:
        raise UntoldError(f"{LONGEST:,} characters are accepted; no answer tells whether they are cut")
    ask(1).accepted()
    limit = _largest(1, LONGEST, refusal, ask)
    # What is accepted must be so again, or the length was not the reason.
    ask(limit).accepted()
    return {"max_field_length": limit}


def ten_requests(account: Account, numbers: Sequence[str]) -> Found:
    """How long do consecutive requests take, and in which order are their items?"""
    asked_about = sorted(numbers[:ASKED_ABOUT])
    # Neither ascending nor descending, so that no order by number looks like the one as sent.
    asked_about[:2] = asked_about[1::-1]
    replies = [account.create(asked_about).accepted() for _ in range(TIMES)]
    seconds = [reply.seconds for reply in replies]
    return {
        "latency": round(statistics.median(seconds), 2),
        "slowest of ten requests": round(max(seconds), 2),
        "order": _order(replies, asked_about),
    }


def _order(replies: Sequence[Reply], numbers: Sequence[str]) -> str | None:
    sent = [digits_of(number) for number in numbers]
    orders = [[digits_of(item["phone_number"]) for item in reply.items] for reply in replies]
    if len(sent) < ASKED_ABOUT or any(sorted(order) != sorted(sent) for order in orders):
        return None
    if any(order != orders[0] for order in orders):
        return "shuffled"
    return "sent" if orders[0] == sent else "reversed" if orders[0] == sent[::-1] else None


def deletion_of_missing(account: Account, numbers: Sequence[str]) -> Found:
    """How is the deletion of a number that is not there answered?"""
    return {"missing_status": _take_off(account, numbers[0])}


def deletion_among_others(account: Account, numbers: Sequence[str]) -> Found:
    """The same if another number of the request is there; and is that one deleted?"""
    if len(numbers) < 2:
        raise UntoldError("that takes two numbers")
    missing, there = numbers[:2]
    _refused_deletion(account, there)  # it can be deleted itself
    status = _refused_deletion(account, missing)
    _put(account, there)
    if not _is_missing(account, [missing, there], status):
        return {"missing_among_others": False}
    return {"missing_among_others": True, "missing_removes_others": _is_missing(account, [there], status)}


def skipped_contact(account: Account, numbers: Sequence[str]) -> Found:
    """Does an existing contact that is not overwritten join the list?"""
    for do_not_overwrite in (True, None):  # whichever way round it is
        status = _refused_deletion(account, numbers[0])
        reply = account.create(numbers[:1], do_not_overwrite=do_not_overwrite).accepted()
        if reply.status_of(numbers[0]) == "skipped":
            return {"skipped_join": not _is_missing(account, numbers[:1], status)}
    raise UntoldError("no contact was skipped")


def unknown_status(account: Account, _: Sequence[str]) -> Found:
    """Did a number have a status that is not documented?"""
    unknown = account.statuses - set(STATUSES)
    if not unknown:
        raise UntoldError("none was seen")
    shown = sorted({account.shown(status) for status in unknown})
    return {
        "other_status": shown[0] if len(shown) == 1 else None,
        "statuses that are not documented": ", ".join(shown),
    }


def sizes(account: Account, numbers: Sequence[str]) -> Found:
    """How many contacts may a request hold? If a size is refused, look for the limit between it and the last."""
    largest = 0
    for size in sorted({min(size, len(numbers)) for size in SIZES}):
        reply = account.create(numbers[:size])
        if not reply.is_accepted:
            limit = _largest(largest, size, reply, lambda number: account.create(numbers[:number]))
            if not limit or not account.create(numbers[1 : limit + 1]).is_accepted:
                raise UntoldError("something else than how many there are may be the reason of the refusal")
            return {"max_contacts": limit, "too_many_status": reply.status_code, "largest request": limit}
        largest = size
    return {"largest request": largest}


def _put(account: Account, number: str) -> None:
    """
    Put a number on the list.

    :raises UntoldError: when no answer says that it is there: a skipped contact may not have joined.
    """
    for do_not_overwrite in (None, True):  # whichever way round it is
        status = account.create([number], do_not_overwrite=do_not_overwrite).accepted().status_of(number)
        if status in ("added", "updated"):
            return
    raise UntoldError("no answer said that the number is on the list")


def _take_off(account: Account, number: str) -> int:
    """
    Put a number on the list, take it off, then take it off again, when it is not there.

    :return: the status of the last request.
    :raises UntoldError: when the first removal was refused.
    """
    _put(account, number)
    first = account.delete([number])
    if first >= 300:
        raise UntoldError(f"a number that is there cannot be deleted: HTTP {first}")
    return account.delete([number])


def _refused_deletion(account: Account, number: str) -> int:
    status = _take_off(account, number)
    if status < 300:
        raise UntoldError("a deletion has the same answer whether the number is there or not")
    return status


def _is_missing(account: Account, numbers: Sequence[str], refusal: int) -> bool:
    """Delete numbers; return whether that is refused in the same way as for a number that is not there."""
    status = account.delete(numbers)
    if status >= 300 and status != refusal:
        raise UntoldError(f"HTTP {status}, where {refusal} was the refusal")
    return status == refusal


def _largest(accepted: int, refused: int, refusal: Reply, ask: Callable[[int], Reply]) -> int:
    """
    Find the largest value that is accepted, between one that is and one that is not.

    :raises UntoldError: when another is refused in another way.
    """
    while refused - accepted > 1:
        middle = (accepted + refused) // 2
        reply = ask(middle)
        if reply.is_accepted:
            accepted = middle
        elif (reply.status_code, reply.code) == (refusal.status_code, refusal.code):
            refused = middle
        else:
            raise UntoldError("refused in more than one way")
    return accepted


QUESTIONS = (
    Question(own_list, 2),
    Question(unknown_list, 2, ("unknown_lists",)),
    Question(overwriting, 3, ("success_status", "do_not_overwrite")),
    Question(number_with_a_blank, 2, ("number_format", "repair")),
    Question(number_twice, 1, ("duplicates_in_items",)),
    Question(skipped_contact, 11, ("skipped_join",)),
    Question(length_of_param1, 13, ("max_field_length",)),
    Question(ten_requests, TIMES, ("order", "latency")),
    Question(
        impossible_number,
        4,
        ("refusal_status", "refusal_code", "refused", "rejected", "rejected_status", "unmentioned"),
    ),
    Question(deletion_of_missing, 4, ("missing_status",)),
    Question(deletion_among_others, 12, ("missing_among_others", "missing_removes_others")),
    Question(unknown_status, 0, ("other_status",)),
)

#: Asked with ``--sizes``: three requests, some more if one is refused, and one to show that its size was the reason.
SIZES_QUESTION = Question(sizes, 13, ("max_contacts", "too_many_status"))
