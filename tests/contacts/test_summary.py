from __future__ import annotations

import json

import pytest

from airflow_provider_octopush.contacts.mapping import Rejection, Stage
from airflow_provider_octopush.contacts.summary import OUTCOMES, Summary


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
        "duplicates", "chunks", "requests", "retries", "duration_seconds", "reasons",
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
