from __future__ import annotations

import random

import pytest

from airflow_provider_octopush.contacts.contact import Contact
from airflow_provider_octopush.delivery.chunk_result import ChunkResult, answered, refused
from airflow_provider_octopush.exceptions import OctopushRequestError
from airflow_provider_octopush.outcomes import Outcome
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
    expected = [
        (row, Outcome.UNCONFIRMED if status is None else Outcome.OTHER, ("as it was", row), status)
        for row, status in enumerate(statuses, 1)
        if status not in ("added", "updated", "skipped")
    ]
    assert [(r.row, r.outcome, r.values, r.message) for r in result.rejections] == expected


@pytest.mark.parametrize("statuses", [("added", "rejected"), ("rejected", "added")])
def test_of_two_items_that_contradict_each_other_the_one_that_confirms_nothing_counts(
    statuses: tuple[str, str],
) -> None:
    result = answered(contacts(1), [ContactItem(NUMBERS[0], status) for status in statuses])
    assert not result.confirmed
    assert [one.message for one in result.rejections] == ["rejected"]


@pytest.mark.parametrize("status", ["+33600000000", "Zoé", "error"])
def test_a_status_that_is_not_documented_may_quote_the_contact_so_it_is_for_the_rejects_file_alone(
    status: str,
) -> None:
    (rejection,) = answered(contacts(1), [ContactItem(NUMBERS[0], status)]).rejections
    assert (rejection.outcome, rejection.reason) == (Outcome.OTHER, "a status that is not documented")
    assert (rejection.code, rejection.message) == (None, status)


def test_of_a_status_that_is_no_word_the_beginning_is_kept() -> None:
    (rejection,) = answered(contacts(1), [ContactItem(NUMBERS[0], "x" * 1_000_000)]).rejections
    assert rejection.message == "x" * 100


@pytest.mark.parametrize("written", ["336 00 00 00 00", "+33600000000", "33-600000000", "(33)600000000"])
def test_numbers_are_compared_by_their_digits(written: str) -> None:
    assert answered(contacts(1), [ContactItem(written, "added")]).confirmed == {"added": 1}


def test_digits_of_other_scripts_are_no_number_of_ours() -> None:
    assert answered(contacts(1), [ContactItem("٣٣٦٠٠٠٠٠٠٠٠", "added")]).confirmed == {}


def test_the_first_of_two_documented_statuses_for_one_number_counts() -> None:
    items = [ContactItem("33600000000", "updated"), ContactItem("+33600000000", "skipped")]
    assert answered(contacts(1), items).confirmed == {"updated": 1}


def test_numbers_that_were_not_sent_are_left_aside() -> None:
    items = [ContactItem("+33699999999", "added"), ContactItem(NUMBERS[0], "added")]
    result = answered(contacts(2), items)
    assert result.confirmed == {"added": 1}
    assert [(r.row, r.outcome, r.reason) for r in result.rejections] == [
        (2, Outcome.UNCONFIRMED, "not in Octopush's answer")
    ]


def test_a_refused_contact_keeps_the_api_s_code_and_message() -> None:
    error = OctopushRequestError("refused", status_code=400, code=117, full_message="+33600000000 is bad")
    rejection = refused(contacts(1)[0], error)
    assert (rejection.row, rejection.outcome, rejection.values) == (1, Outcome.REFUSED, ("as it was", 1))
    assert (rejection.code, rejection.message) == (117, "+33600000000 is bad")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (None, "HTTP 422, without a return code"),
        (0, "HTTP 422, code 0 (no meaning of it is documented)"),
        (304, "HTTP 422, code 304 (in Octopush's older API: the list is full; use another one)"),
    ],
)
def test_the_reason_is_what_is_known_of_the_code_and_no_word_of_the_api(code: int | None, reason: str) -> None:
    error = OctopushRequestError("refused", status_code=422, code=code, full_message="Zoé is bad")
    assert refused(contacts(1)[0], error).reason == f"refused by Octopush: {reason}"


def test_what_became_of_several_requests_is_added_up() -> None:
    whole = ChunkResult()
    for status in ("added", "added", "error"):
        whole.add(answered(contacts(1), [ContactItem(NUMBERS[0], status)]))
    whole.add(answered(contacts(1), [ContactItem(NUMBERS[0], "error")]))
    assert (whole.confirmed, len(whole.rejections)) == ({"added": 2}, 2)
