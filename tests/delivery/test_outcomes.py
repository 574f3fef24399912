from __future__ import annotations

import random

import pytest

from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.contacts.rejection import Stage
from airflow_provider_octopush.delivery.outcomes import ChunkResult, answered, refused
from airflow_provider_octopush.exceptions import OctopushRequestError
from airflow_provider_octopush.payloads import ContactItem, ContactPayload

NUMBERS = [f"+3360000000{n}" for n in range(8)]


def contacts(number: int) -> list[Contact]:
    return [
        Contact(row, int(phone), ContactPayload(phone), ("as it was", row))
        for row, phone in enumerate(NUMBERS[:number], 1)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_every_contact_gets_the_status_of_its_number_whatever_the_order_of_the_answer(seed: int) -> None:
    rng = random.Random(seed)
    statuses = ["added", "updated", "skipped", "error", "", "ADDED", None, "error"]
    rng.shuffle(statuses)
    items = [
        ContactItem(number, status) for number, status in zip(NUMBERS, statuses, strict=True) if status is not None
    ]
    rng.shuffle(items)
    result = answered(contacts(8), items)
    assert result.confirmed == {"added": 1, "updated": 1, "skipped": 1}
    assert result.unknown_statuses == {"error": 2, "": 1, "ADDED": 1}
    expected = [
        (row, Stage.UNCONFIRMED if status is None else Stage.OTHER, ("as it was", row))
        for row, status in enumerate(statuses, 1)
        if status not in ("added", "updated", "skipped")
    ]
    assert [(r.row, r.stage, r.values) for r in result.rejections] == expected


@pytest.mark.parametrize("status", ["+33600000000", "Zoé", "error"])
def test_a_status_that_is_not_documented_may_quote_the_contact_so_no_reason_does(status: str) -> None:
    (rejection,) = answered(contacts(1), [ContactItem(NUMBERS[0], status)]).rejections
    assert (rejection.stage, rejection.reason) == (Stage.OTHER, "a status that is not documented")
    assert (rejection.code, rejection.message) == (None, None)


@pytest.mark.parametrize("written", ["336 00 00 00 00", "+33600000000", "33-600000000", "(33)600000000"])
def test_numbers_are_compared_by_their_digits(written: str) -> None:
    assert answered(contacts(1), [ContactItem(written, "added")]).confirmed == {"added": 1}


def test_digits_of_other_scripts_are_no_number_of_ours() -> None:
    assert answered(contacts(1), [ContactItem("٣٣٦٠٠٠٠٠٠٠٠", "added")]).confirmed == {}


def test_the_first_of_two_statuses_for_one_number_counts() -> None:
    items = [ContactItem("33600000000", "updated"), ContactItem("+33600000000", "error")]
    assert answered(contacts(1), items).confirmed == {"updated": 1}


def test_numbers_that_were_not_sent_are_left_aside() -> None:
    items = [ContactItem("+33699999999", "added"), ContactItem(NUMBERS[0], "added")]
    result = answered(contacts(2), items)
    assert result.confirmed == {"added": 1}
    assert [(r.row, r.stage, r.reason) for r in result.rejections] == [
        (2, Stage.UNCONFIRMED, "not in Octopush's answer")
    ]


def test_a_refused_contact_keeps_the_api_s_code_and_message() -> None:
    error = OctopushRequestError("refused", status_code=400, code=101, message="bad number")
    rejection = refused(contacts(1)[0], error)
    assert (rejection.row, rejection.stage, rejection.values) == (1, Stage.REFUSED, ("as it was", 1))
    assert (rejection.code, rejection.message) == (101, "bad number")
    assert rejection.reason == "refused by Octopush: code 101: bad number"


def test_the_full_message_is_for_the_rejects_file_alone() -> None:
    error = OctopushRequestError("refused", status_code=400, message="*** is bad", full_message="Zoé is bad")
    rejection = refused(contacts(1)[0], error)
    assert (rejection.message, rejection.reason) == ("Zoé is bad", "refused by Octopush: HTTP 400: *** is bad")
    assert error.take_full_message() is None


@pytest.mark.parametrize(
    ("code", "reason"), [(None, "refused by Octopush: HTTP 422"), (0, "refused by Octopush: code 0")]
)
def test_a_refusal_without_words_names_what_there_is(code: int | None, reason: str) -> None:
    assert refused(contacts(1)[0], OctopushRequestError("refused", status_code=422, code=code)).reason == reason


def test_what_became_of_several_requests_is_added_up() -> None:
    whole = ChunkResult()
    for status in ("added", "added", "error"):
        whole.add(answered(contacts(1), [ContactItem(NUMBERS[0], status)]))
    whole.add(answered(contacts(1), [ContactItem(NUMBERS[0], "error")]))
    assert (whole.confirmed, whole.unknown_statuses, len(whole.rejections)) == ({"added": 2}, {"error": 2}, 2)
