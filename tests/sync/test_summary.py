from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_octopush.contacts.rejection import Rejection
from airflow_provider_octopush.exceptions import SET_REJECTS_PATH, TooManyRejectedError
from airflow_provider_octopush.outcomes import CREATE_OUTCOMES, DELETE_OUTCOMES, Outcome
from airflow_provider_octopush.sync.merge import MissingSummaryError, merge_summaries
from airflow_provider_octopush.sync.summary import (
    REASONS_MAX,
    CreateSummary,
    DeletionSummary,
    ListSummary,
    Summary,
)


def rejection(reason: str, outcome: Outcome = Outcome.INVALID) -> Rejection:
    return Rejection(1, outcome, reason, ("+33612345678",))


def test_the_counts_add_up_or_the_run_fails() -> None:
    summary = CreateSummary(read=2)
    summary.count("added")
    with pytest.raises(RuntimeError, match="2 rows read, but 1 added"):
        summary.check()
    summary.count_rejection(rejection("no number"))
    summary.check()


@pytest.mark.parametrize("outcome", CREATE_OUTCOMES)
def test_every_outcome_is_a_term_of_the_law(outcome: Outcome) -> None:
    summary = CreateSummary(read=3)
    summary.count(outcome, 3)
    summary.check()


def test_the_xcom_form_is_flat_json_with_the_most_frequent_reason_first() -> None:
    summary = CreateSummary(list_name="L", read=3, duration_seconds=1.23456)
    for reason in ("rare", "often", "often"):
        summary.count_rejection(rejection(reason))
    xcom = summary.as_xcom()
    assert json.loads(json.dumps(xcom)) == xcom
    assert list(xcom) == [
        "operation", "list_name", "tag_name", "read", "added", "updated", "skipped", "other", "unconfirmed", "refused",
        "invalid", "duplicates", "unsent", "requests", "retries", "duration_seconds", "dry_run", "rejects_path",
        "reasons", "chunks",
    ]  # fmt: skip
    assert list(xcom["reasons"].items()) == [("often", 2), ("rare", 1)]
    assert xcom["duration_seconds"] == 1.235


def test_reasons_are_for_what_is_invalid_or_refused() -> None:
    summary = CreateSummary()
    for outcome in CREATE_OUTCOMES:
        summary.count_rejection(rejection(outcome, outcome))
    assert summary.reasons == {"invalid": 1, "refused": 1}


def test_reasons_stay_few_however_many_messages_the_api_has() -> None:
    summary = CreateSummary(read=1000)
    for number in range(1000):
        summary.count_rejection(rejection(f"message {number}", Outcome.REFUSED))
    assert len(summary.reasons) == 51
    assert summary.reasons["other reasons"] == 950
    assert summary.reasons.total() == summary.refused == 1000


def test_the_table_shows_every_count() -> None:
    summary = CreateSummary(list_name="Customers", read=1234, added=1234, requests=7, retries=2)
    table = summary.table().splitlines()
    rows = {line.split("  ")[0].strip() or line.split()[0]: line.split(maxsplit=1)[1].strip() for line in table}
    assert (rows["list"], rows["read"], rows["added"]) == ("Customers", "1,234", "1,234")
    assert rows["requests"] == "7 (2 of them retries)"
    assert rows.keys() >= set(CREATE_OUTCOMES)


def test_the_table_of_a_list_shows_what_was_removed_and_what_should_have_been() -> None:
    summary = ListSummary(
        list_name="Customers", tag_name="VIP", read=3, unchanged=2, opted_out=1, opted_out_invalid=4, opted_out_blank=7,
        removed=1200, removed_opted_out=5, kept=6, kept_reason="Octopush refused", unsettled=8, snapshot_before=10_000,
        snapshot_after=8_800, chunks=1_001, exceeded=["max_added allows 1"], changes_path="/changes.csv",
    )  # fmt: skip
    table = [" ".join(line.split()) for line in summary.table().splitlines()]
    assert table[:3] == ["list Customers", "tag VIP", "read 3"]
    begin = table.index("unsent 0") + 1
    assert table[begin : begin + 9] == [
        "removed 1,200 (5 of them opted out)",
        "kept 6: Octopush refused",
        "limit max_added allows 1",
        "unsettled 8: perhaps gone, a later run asks again",
        "opted out, not readable 4",
        "opted out, blank 7",
        "snapshot 10,000 before, 8,800 after",
        "changes /changes.csv",
        "chunks 1,001",
    ]
    quiet = [" ".join(line.split()) for line in ListSummary(first_run=True, snapshot_after=2).table().splitlines()]
    assert quiet[:3] == ["list (none)", "tag (none)", "read 0"]
    begin = quiet.index("unsent 0") + 1
    assert quiet[begin : begin + 3] == [
        "removed 0 (0 of them opted out)",
        "snapshot 0 before, the first run, 2 after",
        "chunks 0",
    ]


@pytest.mark.parametrize(
    ("max_rejected", "passes"),
    [(0, False), (2, False), ("3", True), ("29%", False), ("30%", True), ("100%", True), (1, False)],
)
def test_rows_may_be_rejected_up_to_a_number_or_a_share(max_rejected: int | str, passes: bool) -> None:
    summary = CreateSummary(read=10, added=7, unconfirmed=1)
    summary.count_rejection(rejection("no number"))
    summary.count_rejection(rejection("bad", Outcome.REFUSED))
    summary.check()
    if passes:
        summary.check_rejected(max_rejected)
    else:
        with pytest.raises(TooManyRejectedError, match="3 of 10 rows were rejected"):
            summary.check_rejected(max_rejected)


def test_what_was_rejected_is_counted_by_reason_and_can_be_found() -> None:
    summary = CreateSummary(read=10_000, unconfirmed=2, rejects_path="s3://bucket/rejects.csv")
    for reason in ("rare", "often", "often"):
        summary.count_rejection(rejection(reason))
    with pytest.raises(TooManyRejectedError) as caught:
        summary.check_rejected(0)
    assert str(caught.value) == (
        "5 of 10,000 rows were rejected; max_rejected allows 0: 2 × often; 1 × rare; 2 × not in Octopush's answer. "
        "The rejected rows are in s3://bucket/rejects.csv. If that many may be rejected, write max_rejected=5, or a "
        'share, such as "1%"'
    )


def test_duplicates_are_not_rejected() -> None:
    summary = CreateSummary(read=2, added=1)
    summary.count_rejection(rejection("again", Outcome.DUPLICATES))
    summary.check_rejected(0)


@pytest.mark.parametrize("outcome", ["invalid", "refused", "unconfirmed", "other"])
@pytest.mark.parametrize("removes_blacklisted", [False, True])
def test_what_is_not_known_to_be_delivered_is_rejected(outcome: str, removes_blacklisted: bool) -> None:
    summary = CreateSummary(read=40, added=20)
    summary.count(outcome, 20)
    summary.check()
    with pytest.raises(TooManyRejectedError, match="20 of 40 rows were rejected"):
        summary.check_rejected(19, removes_blacklisted=removes_blacklisted)
    summary.check_rejected(20, removes_blacklisted=removes_blacklisted)


def test_an_undocumented_status_is_named_among_the_reasons_and_told_from_a_missing_contact() -> None:
    with pytest.raises(TooManyRejectedError) as caught:
        CreateSummary(read=1_004, added=1_000, other=3, unconfirmed=1).check_rejected(0)
    assert str(caught.value) == (
        "4 of 1,004 rows were rejected; max_rejected allows 0: 3 × a status that is not documented; "
        f"1 × not in Octopush's answer. {SET_REJECTS_PATH}. If that many may be rejected, write max_rejected=4, or a "
        'share, such as "1%"'
    )


@pytest.mark.parametrize(
    ("answered", "missing", "are_blacklisted"),
    [
        (900, 100, True),
        (899, 100, False),
        (900, 101, False),
        (5, 5, True),
        (45, 5, True),
        (48, 6, False),
        (54, 6, True),
        (4, 5, False),
        (1, 1, True),
        (0, 1, False),
        (0, 100, False),
        (100, 400, False),
        (0, 0, True),
    ],
)
@pytest.mark.parametrize("outcome", ["added", "updated", "skipped"])
def test_few_missing_contacts_are_blacklisted_ones_that_were_to_be_removed(
    answered: int, missing: int, are_blacklisted: bool, outcome: str
) -> None:
    # What was not sent, or refused, says nothing of what the answers leave out.
    summary = CreateSummary(read=answered + missing + 9_999, duplicates=9_999, unconfirmed=missing)
    summary.count(outcome, answered)
    summary.check()
    if are_blacklisted:
        summary.check_rejected(0, removes_blacklisted=True)
    else:
        with pytest.raises(TooManyRejectedError, match="too many to be all blacklisted") as caught:
            summary.check_rejected(missing - 1, removes_blacklisted=True)
        assert f"{missing} of " in str(caught.value)
        summary.check_rejected(missing, removes_blacklisted=True)
    if missing:
        with pytest.raises(TooManyRejectedError):
            summary.check_rejected(missing - 1)


def test_contacts_with_an_undocumented_status_are_in_the_answers_too() -> None:
    CreateSummary(read=1_000, other=900, unconfirmed=100).check_rejected(900, removes_blacklisted=True)


def part(**values: Any) -> dict[str, Any]:
    """A part's summary as its task returned it; what is not said is added."""
    counted = sum(values.get(name, 0) for name in CREATE_OUTCOMES)
    return CreateSummary(**{"read": counted, **values, "reasons": Counter(values.get("reasons", ()))}).as_xcom()


# How fast a machine makes inputs says nothing of the code.
LOAD_IS_NO_FAILURE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NUMBERS = st.integers(0, 10**9)
PARTS = st.lists(
    st.builds(
        part,
        **dict.fromkeys((*CREATE_OUTCOMES, "chunks", "requests", "retries"), NUMBERS),
        duration_seconds=st.floats(0, 1e6),
        reasons=st.dictionaries(st.sampled_from([f"reason {n}" for n in range(90)]), st.integers(1, 99)),
    ),
    min_size=1,
    max_size=8,
)


@LOAD_IS_NO_FAILURE
@given(PARTS)
def test_what_parts_count_is_neither_lost_nor_counted_twice(parts: list[dict[str, Any]]) -> None:
    whole = merge_summaries(parts, parts=len(parts))
    assert whole["read"] == sum(whole[name] for name in CREATE_OUTCOMES)
    for name in ("read", *CREATE_OUTCOMES, "chunks", "requests", "retries"):
        assert whole[name] == sum(values[name] for values in parts)
    assert sum(whole["reasons"].values()) == sum(sum(values["reasons"].values()) for values in parts)
    assert len(whole["reasons"]) <= REASONS_MAX + 1
    assert json.loads(json.dumps(whole)) == whole
    assert whole.keys() == parts[0].keys()


@LOAD_IS_NO_FAILURE
@given(PARTS, PARTS)
def test_parts_may_be_merged_in_any_order_and_in_steps(some: list[dict[str, Any]], more: list[dict[str, Any]]) -> None:
    at_once = merge_summaries([*some, *more])
    in_steps = merge_summaries([merge_summaries(more), merge_summaries(some)])
    # Which reasons keep their names may depend on the order, where there are too many of them.
    assert {**at_once, "reasons": None} == {**in_steps, "reasons": None}
    assert sum(at_once["reasons"].values()) == sum(in_steps["reasons"].values())


def test_a_part_alone_is_the_whole() -> None:
    alone = part(
        list_name="L", tag_name="t", added=3, invalid=1, requests=2, rejects_path="s3://b/x.csv", reasons={"r": 1}
    )
    assert merge_summaries([alone]) == alone


def test_what_parts_share_is_kept_and_what_differs_is_null() -> None:
    whole = merge_summaries([part(list_name="L", tag_name="a"), part(list_name="L", tag_name="b"), part(list_name="L")])
    assert (whole["list_name"], whole["tag_name"]) == ("L", None)


def test_parts_side_by_side_take_as_long_as_the_longest_of_them() -> None:
    assert merge_summaries([part(duration_seconds=3.5), part(duration_seconds=2)])["duration_seconds"] == 3.5


@pytest.mark.parametrize(
    ("paths", "shared"),
    [
        (["s3://b/day/0.csv", "s3://b/day/1.csv", None], "s3://b/day"),
        (["s3://b/0.csv", "s3://b/1.csv"], "s3://b"),
        (["s3://b/day-1/0.csv", "s3://b/day-2/0.csv"], "s3://b"),
        (["file:///tmp/all.csv", "file:///tmp/all.csv"], "file:///tmp/all.csv"),
        (["/data/0.csv", "/data/1.csv"], "/data"),
        (["s3://a/0.csv", "s3://b/0.csv"], None),
        (["file:///a/0.csv", "file:///b/0.csv"], None),
        (["s3://b/0.csv", "gs://b/0.csv"], None),
        ([None, None], None),
    ],
)
def test_the_rejects_of_all_parts_are_in_the_folder_that_they_share(
    paths: list[str | None], shared: str | None
) -> None:
    assert merge_summaries([part(rejects_path=path) for path in paths])["rejects_path"] == shared


def test_the_most_frequent_reasons_of_all_parts_keep_their_names() -> None:
    often = {f"reason {n}": 100 for n in range(49)}
    whole = merge_summaries(
        [
            part(invalid=5030, reasons={**often, **{f"rare {n}": 1 for n in range(130)}}),
            part(invalid=10, reasons={"other reasons": 3, "often elsewhere": 7}),
        ]
    )
    assert {**often, "often elsewhere": 7, "other reasons": 133} == whole["reasons"]


def test_a_part_that_failed_before_it_had_a_summary_is_missed() -> None:
    with pytest.raises(MissingSummaryError, match="2 of 3 parts have a summary"):
        merge_summaries([part(), None, part()])
    with pytest.raises(MissingSummaryError, match="1 of 3 parts have a summary"):
        merge_summaries([part(), None, None])
    # As Airflow hands it over.
    with pytest.raises(MissingSummaryError, match="2 of 3 parts have a summary"):
        merge_summaries([part(), part()], parts=3)
    with pytest.raises(MissingSummaryError, match="2 of 1 parts have a summary"):
        merge_summaries([part(), part()], parts=1)
    with pytest.raises(MissingSummaryError, match="0 of 0 parts have a summary"):
        merge_summaries([])


def test_nothing_to_do_is_no_missing_part() -> None:
    assert merge_summaries([], parts=0) == CreateSummary().as_xcom()


def test_summaries_are_read_once_as_airflow_s_lazy_sequences_want_it() -> None:
    def lazily() -> Iterator[dict[str, Any]]:
        yield part(added=1)
        yield part(updated=1)

    assert merge_summaries(lazily(), parts=2)["read"] == 2


def test_a_part_whose_counts_do_not_add_up_is_not_merged() -> None:
    with pytest.raises(RuntimeError, match="5 rows read, but 3 added"):
        merge_summaries([part(added=1), part(read=5, added=3)])


def test_what_was_only_validated_is_not_added_to_what_was_sent() -> None:
    assert merge_summaries([part(dry_run=True, unsent=2), part(dry_run=True)])["dry_run"] is True
    with pytest.raises(ValueError, match="some parts were run with dry_run"):
        merge_summaries([part(dry_run=True), part()])


def of_list(**values: Any) -> dict[str, Any]:
    return ListSummary(read=values.get("unchanged", 0), **values).as_xcom()


def test_parts_that_keep_lists_in_step_say_together_what_each_says() -> None:
    whole = merge_summaries(
        [
            of_list(
                unchanged=2,
                removed=1,
                kept=3,
                kept_reason="a limit",
                exceeded=["one"],
                snapshot_before=5,
                snapshot_after=4,
                changes_path="s3://bucket/day/0.csv",
            ),
            of_list(unchanged=1, first_run=True, snapshot_after=1),
            of_list(
                kept=2,
                kept_reason="a limit",
                exceeded=["two", "three"],
                opted_out_invalid=1,
                removed_opted_out=1,
                removed=1,
                changes_path="s3://bucket/day/2.csv",
            ),
        ]
    )
    expected = {
        "read": 3, "unchanged": 3, "removed": 2, "removed_opted_out": 1, "kept": 5, "kept_reason": "a limit",
        "exceeded": ["one", "two", "three"], "opted_out_invalid": 1, "first_run": True, "snapshot_before": 5,
        "snapshot_after": 5, "changes_path": "s3://bucket/day",
    }  # fmt: skip
    assert {name: whole[name] for name in expected} == expected
    assert merge_summaries([of_list(), of_list(unchanged=1)])["first_run"] is False
    differ = [of_list(kept=1, kept_reason="a limit"), of_list(kept=1, kept_reason="Octopush refused")]
    assert merge_summaries(differ)["kept_reason"] is None


def test_errors_say_what_to_do_in_these_words() -> None:
    with pytest.raises(MissingSummaryError) as missing:
        merge_summaries([part(), None])
    assert str(missing.value) == (
        "1 of 2 parts have a summary: a part that fails early has none. The outcome of its rows is not known: look "
        "at its task's log, clear the task, then merge again"
    )
    with pytest.raises(ValueError, match="dry_run") as mixed:
        merge_summaries([part(dry_run=True), part()])
    assert str(mixed.value) == (
        "only some parts were run with dry_run: these count what was not done, so they cannot be added to the others"
    )
    with pytest.raises(ValueError, match="operations") as different:
        merge_summaries([part(), of_list()])
    assert str(different.value) == (
        "the parts are of different operations, create and sync: they do not have the same counts"
    )
    with pytest.raises(RuntimeError) as wrong:
        CreateSummary(read=2, added=1, refused=4).check()
    assert str(wrong.value) == (
        "the counts do not add up: 2 rows read, but 1 added + 0 updated + 0 skipped + 0 other + 0 unconfirmed + "
        "4 refused + 0 invalid + 0 duplicates + 0 unsent. This is a bug of airflow-provider-octopush: please report it "
        "with this message"
    )
    with pytest.raises(TooManyRejectedError) as rejected:
        CreateSummary(read=100, added=50, unconfirmed=50).check_rejected(0, removes_blacklisted=True)
    assert str(rejected.value) == (
        "50 of 100 rows were rejected; max_rejected allows 0: 50 × not in Octopush's answer, too many to be all "
        'blacklisted. If that many may be rejected, write max_rejected=50, or a share, such as "50%"'
    )


@pytest.mark.parametrize(
    "value", ["text", 7, {}, {"read": 1, "phone": "+33612345678"}, {"operation": "create", "phone": "+33612345678"}]
)
def test_something_else_than_a_summary_is_not_merged_and_not_quoted(value: Any) -> None:
    with pytest.raises(ValueError, match="expected a summary as an operator returns it") as caught:
        merge_summaries([value])
    assert "336" not in str(caught.value)
    assert f"but got {type(value).__name__}: hand over" in str(caught.value)


def test_a_summary_says_what_it_is_and_has_no_count_that_means_nothing_there() -> None:
    create, sync, delete = (kind().as_xcom() for kind in (CreateSummary, ListSummary, DeletionSummary))
    assert [summary["operation"] for summary in (create, sync, delete)] == ["create", "sync", "delete"]
    shared = {
        *("operation", "list_name", "read", "invalid", "duplicates", "requests", "retries", "duration_seconds"),
        *("dry_run", "rejects_path", "reasons"),
    }
    assert create.keys() & delete.keys() == shared
    assert create.keys() < sync.keys()
    assert delete.keys() - shared == {*DELETE_OUTCOMES, "numbers", "forgotten"} - shared
    for summary in (create, sync, delete):
        assert Summary.from_xcom(summary).as_xcom() == summary
    assert merge_summaries([delete, delete])["operation"] == "delete"
    assert "tag" not in DeletionSummary().table()
