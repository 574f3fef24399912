from __future__ import annotations

import json

import pytest

from airflow_provider_octopush.contacts.mapping import Rejection, Stage
from airflow_provider_octopush.contacts.summary import OUTCOMES, Summary
from airflow_provider_octopush.exceptions import TooManyRejectedError


def rejection(reason: str, stage: Stage = Stage.INVALID) -> Rejection:
    return Rejection(1, stage, reason, ("+33612345678",))


def test_the_counts_add_up_or_the_run_fails() -> None:
    summary = Summary(read=2)
    summary.count("added")
    with pytest.raises(RuntimeError, match="2 rows read, but 1 added"):
        summary.check()
    summary.count_rejection(rejection("no number"))
    summary.check()


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_is_a_term_of_the_law(outcome: str) -> None:
    summary = Summary(read=3)
    summary.count(outcome, 3)
    summary.check()


def test_the_xcom_form_is_flat_json_with_the_most_frequent_reason_first() -> None:
    summary = Summary(list_name="L", read=3, duration_seconds=1.23456)
    for reason in ("rare", "often", "often"):
        summary.count_rejection(rejection(reason))
    xcom = summary.as_xcom()
    assert json.loads(json.dumps(xcom)) == xcom
    assert list(xcom) == [
        "list_name", "tag_name", "read", "added", "updated", "skipped", "other", "unconfirmed", "refused", "invalid",
        "duplicates", "chunks", "requests", "retries", "duration_seconds", "validate_only", "rejects_path", "reasons",
    ]  # fmt: skip
    assert list(xcom["reasons"].items()) == [("often", 2), ("rare", 1)]
    assert xcom["duration_seconds"] == 1.235


def test_reasons_are_for_what_is_invalid_or_refused() -> None:
    summary = Summary()
    for stage in Stage:
        summary.count_rejection(rejection(str(stage), stage))
    assert summary.reasons == {"invalid": 1, "refused": 1}


def test_reasons_stay_few_however_many_messages_the_api_has() -> None:
    summary = Summary(read=1000)
    for number in range(1000):
        summary.count_rejection(rejection(f"message {number}", Stage.REFUSED))
    assert len(summary.reasons) == 51
    assert summary.reasons["other reasons"] == 950
    assert summary.reasons.total() == summary.refused == 1000


def test_the_table_shows_every_count() -> None:
    summary = Summary(list_name="Customers", read=1234, added=1234, requests=7, retries=2)
    table = summary.table().splitlines()
    rows = {line.split("  ")[0].strip() or line.split()[0]: line.split(maxsplit=1)[1].strip() for line in table}
    assert (rows["list"], rows["read"], rows["added"]) == ("Customers", "1,234", "1,234")
    assert rows["requests"] == "7 (2 of them retries)"
    assert rows.keys() >= set(OUTCOMES)


@pytest.mark.parametrize(
    ("max_rejected", "passes"), [(0, False), (2, False), (3, True), (0.29, False), (0.3, True), (1.0, True), (1, False)]
)
def test_rows_may_be_rejected_up_to_a_number_or_a_share(max_rejected: float, passes: bool) -> None:
    summary = Summary(read=10, added=7, unconfirmed=1)
    summary.count_rejection(rejection("no number"))
    summary.count_rejection(rejection("bad", Stage.REFUSED))
    summary.check()
    if passes:
        summary.check_rejected(max_rejected)
    else:
        with pytest.raises(TooManyRejectedError, match="3 of 10 rows were rejected"):
            summary.check_rejected(max_rejected)


def test_what_was_rejected_is_counted_by_reason_and_can_be_found() -> None:
    summary = Summary(read=10_000, unconfirmed=2, rejects_path="s3://bucket/rejects.csv")
    for reason in ("rare", "often", "often"):
        summary.count_rejection(rejection(reason))
    with pytest.raises(TooManyRejectedError) as caught:
        summary.check_rejected(0)
    assert str(caught.value) == (
        "5 of 10,000 rows were rejected, max_rejected=0 allows 0: 2 × often; 1 × rare; 2 × not in Octopush's answer. "
        "The rejected rows are in s3://bucket/rejects.csv"
    )


def test_duplicates_and_blacklisted_numbers_that_were_to_be_removed_are_not_rejected() -> None:
    summary = Summary(read=2, unconfirmed=1)
    summary.count_rejection(rejection("again", Stage.DUPLICATE))
    summary.check_rejected(0, unconfirmed_is_rejected=False)
    with pytest.raises(TooManyRejectedError):
        summary.check_rejected(0)
