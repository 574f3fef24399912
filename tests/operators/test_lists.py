from __future__ import annotations

import csv
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, AirflowSkipException, task

from airflow_provider_octopush.assets.lists import create_asset
from airflow_provider_octopush.exceptions import OctopushServerError
from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.operators.delete_contacts import DeleteContactsOperator
from airflow_provider_octopush.operators.sync_list import SyncListOperator
from airflow_provider_octopush.simulator import Behaviour, Fault
from airflow_provider_octopush.sync import create
from tests.airflow_runs import TaskInstance, run_dag
from tests.conftest import SetConnection
from tests.operators.nights import LIST, SECRET, Nights, Rows, check, number, people


def test_an_unchanged_table_costs_no_request(nights: Nights) -> None:
    check(nights.run(people(1, 2, 3)), added=3, first_run=True, snapshot_before=0, snapshot_after=3)
    before = nights.simulator.requests_total
    check(nights.run(people(3, 1, 2)), unchanged=3, requests=0, first_run=False, snapshot_before=3, snapshot_after=3)
    assert nights.simulator.requests_total == before


def test_only_what_changed_is_sent_and_who_left_is_removed(nights: Nights) -> None:
    nights.run(people(1, 2, 3, 4))
    summary = nights.run([*people(1, 2), *people(3, name="Ana"), *people(5)])
    check(summary, read=4, unchanged=2, updated=1, added=1, removed=1, requests=2, snapshot_after=4)
    assert nights.on_list == {number(n) for n in (1, 2, 3, 5)}
    assert nights.simulator.contacts[number(3)].fields["first_name"] == "Ana"
    assert nights.simulator.contacts[number(4)].lists == frozenset(), "removed from the list, not from the account"


def test_who_opted_out_is_never_sent_and_leaves(nights: Nights) -> None:
    nights.run(people(1, 2, 3))
    stops = [{"number": "06 12 34 00 02"}, {"number": number(9)}]
    summary = nights.run(people(1, 2, 3, 9), opted_out=stops, default_region="FR", max_removed=1)
    check(summary, read=4, opted_out=2, unchanged=2, removed=1, removed_opted_out=1, added=0)
    assert nights.on_list == {number(1), number(3)}
    assert all(number(9) not in request.contacts for request in nights.simulator.requests)


def test_opt_outs_are_removed_even_where_missing_contacts_stay(nights: Nights) -> None:
    nights.run(people(1, 2, 3))
    summary = nights.run(people(1), opted_out=[{"n": number(2)}], remove_missing=False)
    check(summary, removed=1, kept=0, snapshot_after=2)
    assert nights.on_list == {number(1), number(3)}


def test_nobody_is_removed_whom_this_task_did_not_put_there(nights: Nights) -> None:
    SyncListOperator(task_id="x", data=people(7), list_name=LIST, snapshot_path=f"{nights.snapshot_path}2").execute(
        {"ti": TaskInstance(), "run_id": "x"}  # type: ignore[typeddict-item]  # all that is asked of it
    )
    nights.run(people(1))
    nights.run(people(2))
    assert nights.on_list == {number(2), number(7)}


@pytest.mark.parametrize(
    ("max_removed", "missing", "holds"),
    [
        (None, 10, False),
        (None, 11, True),
        ("12", 12, False),
        ("12", 13, True),
        ("50%", 20, False),
        ("50%", 21, True),
        ("100%", 39, False),
        ("1", 2, True),
        (0, 1, True),
        ("None", 11, True),
    ],
)
def test_removals_are_limited(nights: Nights, max_removed: Any, missing: int, *, holds: bool) -> None:
    nights.run(people(*range(40)))
    rest = people(*range(missing, 40), name="Ana")
    if not holds:
        check(nights.run(rest, max_removed=max_removed), removed=missing, updated=40 - missing, kept=0)
        return
    with pytest.raises(AirflowFailException, match=rf"{missing} of 40 contacts.*max_removed={missing}"):
        nights.run(rest, max_removed=max_removed)
    check(nights.pushed, removed=0, kept=missing, unsent=40 - missing, updated=0, snapshot_after=40)
    assert len(nights.on_list) == 40
    check(nights.run(rest, max_removed=missing), removed=missing, updated=40 - missing)


def test_a_wrong_join_of_the_opt_outs_does_not_empty_the_list(nights: Nights) -> None:
    nights.run(people(*range(40)))
    with pytest.raises(AirflowFailException, match="have opted out"):
        nights.run(people(*range(40)), opted_out=people(*range(40)))
    assert len(nights.on_list) == 40
    summary = nights.run(people(*range(40)), opted_out=people(*range(40)), max_opted_out="100%", max_rejected="100%")
    check(summary, opted_out=40, removed=40, removed_opted_out=40)


def broken(rows: Rows) -> Any:
    yield pd.DataFrame(rows)
    raise RuntimeError("the source failed")


def test_nobody_is_removed_when_the_source_fails_or_is_empty_or_too_much_is_rejected(nights: Nights) -> None:
    nights.run(people(1, 2, 3))
    with pytest.raises(RuntimeError, match="the source failed"):
        nights.run(broken(people(1)))
    with pytest.raises(ValueError, match="no rows were read"):
        nights.run([])
    with pytest.raises(AirflowSkipException):
        nights.run([], on_empty="skip")
    with pytest.raises(AirflowFailException, match="an empty source does not empty a list"):
        nights.run([], on_empty="succeed")
    with pytest.raises(AirflowFailException, match="1 of 3 rows were rejected"):
        nights.run([*people(1, 4), {"phone_number": "n/a"}])
    check(nights.pushed, kept=2, removed=0, invalid=1, added=1, snapshot_after=4)
    assert nights.on_list == {number(n) for n in (1, 2, 3, 4)}
    check(nights.run(people(1)), removed=3)


def test_what_is_confirmed_before_a_failure_is_not_sent_again(nights: Nights) -> None:
    nights.simulator.fail_next(None, None, *[Fault.server_error()] * 2)
    with pytest.raises(OctopushServerError):
        nights.run(people(*range(40)), chunk_size=10)
    assert len(nights.on_list) == 20
    summary = nights.run(people(*range(40)), night=nights.night, chunk_size=10)
    check(summary, read=40, added=40, requests=2, first_run=True, snapshot_before=0, snapshot_after=40)
    assert len([n for request in nights.simulator.requests if request.stored for n in request.contacts]) == 40


def test_a_retry_tells_of_the_whole_run_removals_included(nights: Nights) -> None:
    nights.run(people(*range(300)))
    nights.simulator.fail_next(None, Fault.server_error(), Fault.server_error())
    with pytest.raises(OctopushServerError):
        nights.run(people(299), max_removed="100%")
    assert len(nights.on_list) == 100
    summary = nights.run(people(299), night=nights.night, max_removed="100%")
    check(summary, removed=299, unchanged=1, requests=1, retries=0, snapshot_before=300, snapshot_after=1)


def test_nobody_opted_out_any_more_is_a_failed_reload(nights: Nights) -> None:
    nights.run(people(1, 2), opted_out=[{"n": number(2)}])
    before = nights.simulator.requests_total
    with pytest.raises(AirflowFailException, match="looks like a failed reload, not consent"):
        nights.run(people(1, 2, 3), opted_out=[])
    assert nights.simulator.requests_total == before
    nights.run(people(1, 2))
    with pytest.raises(AirflowFailException, match="min_opted_out=0"):
        nights.run(people(1, 2, 3), opted_out=[])
    check(nights.run(people(1, 2), opted_out=[], min_opted_out="0"), unchanged=2)
    check(nights.run(people(1, 2), opted_out=[]), unchanged=2)


def test_opt_outs_that_cannot_be_read_are_judged_on_their_own(nights: Nights, tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.csv"
    stops = [{"n": number(2)}, {"n": "secret"}, {"n": None}]
    nights.run(people(1, 2))
    before = nights.requests_of("contact/create")
    where = rf"1 of 3 opt-outs cannot be read.*they are in file://{tmp_path}/rejects-opted-out\.csv"
    with pytest.raises(AirflowFailException, match=where):
        nights.run(people(*range(100)), opted_out=stops, rejects_path=str(rejects))
    assert nights.requests_of("contact/create") == before
    assert nights.on_list == {number(1)}, "who can be read is removed all the same"
    with pytest.raises(AirflowFailException) as caught:
        nights.run(people(*range(100)), opted_out=stops, dry_run=True)
    assert "removed" not in str(caught.value)
    assert rejects.read_text().count("\n") == 1
    with rejects.with_name("rejects-opted-out.csv").open(newline="") as file:
        assert [(row["row"], row["phone_number"]) for row in csv.DictReader(file)] == [("2", "secret")]
    check(nights.run(people(1), opted_out=stops, max_rejected=1), opted_out_invalid=1, opted_out_blank=1, unchanged=1)


def test_a_held_run_tells_of_all_that_the_next_one_would_stumble_over(nights: Nights) -> None:
    nights.run(people(*range(40)))
    rows = [*people(0, 1), {"phone_number": "n/a"}]
    plan = nights.run(rows, dry_run=True)
    with pytest.raises(AirflowFailException) as caught:
        nights.run(rows)
    assert "max_removed=38" in str(caught.value)
    assert "1 of 3 rows were rejected" in str(caught.value)
    assert nights.pushed["exceeded"] == plan["exceeded"]
    check(nights.run(rows, max_removed=38, max_rejected=1), removed=38, kept=0)


def test_who_sends_everything_again_is_not_warned_that_everything_changed(
    nights: Nights, caplog: pytest.LogCaptureFixture
) -> None:
    nights.run(people(*range(40)))
    caplog.clear()
    check(nights.run(people(*range(40)), full_refresh=True), updated=40)
    assert "have changed since last time" not in caplog.text
    nights.run(people(*range(40), name="Zoë"))
    assert "have changed since last time" in caplog.text


def test_opt_outs_of_which_none_can_be_read_stop_everything(nights: Nights) -> None:
    nights.run(people(1, 2))
    with pytest.raises(AirflowFailException, match="none of 2 opt-outs can be read"):
        nights.run(people(1, 3), opted_out=[{"n": "secret"}, {"n": ""}, {"n": "x"}], max_rejected="100%")
    assert nights.on_list == {number(1), number(2)}


def test_opt_outs_with_several_columns_are_read_from_the_one_that_feeds_the_number(nights: Nights) -> None:
    stops = [{"id": 7, "mobile": number(1)}]
    rows = [{"mobile": number(n)} for n in (1, 2)]
    check(nights.run(rows, opted_out=stops, columns={"phone_number": "mobile"}), opted_out=1, added=1)
    with pytest.raises(AirflowFailException, match="opted_out gives 2 columns, but none of them is 'mobile'"):
        nights.run(rows, opted_out=[{"id": 7, "phone": number(1)}], columns={"phone_number": "mobile"})


def test_numbers_read_otherwise_remove_nobody_for_one_night(nights: Nights) -> None:
    nights.run(people(1, 2))
    check(nights.run(people(1), default_region="BE"), kept=1, removed=0, unchanged=1)
    assert "read differently" in nights.pushed["kept_reason"]
    check(nights.run(people(1), default_region="BE"), kept=0, removed=1)


def test_another_tag_is_another_payload_another_chunk_size_is_not(nights: Nights) -> None:
    nights.run(people(1, 2))
    check(nights.run(people(1, 2), chunk_size=1), unchanged=2)
    check(nights.run(people(1, 2), tag_name="VIP"), updated=2, unchanged=0)
    check(nights.run(people(1, 2), columns={"last_name": "first_name", "first_name": "first_name"}), updated=2)


def test_a_full_refresh_sends_everything_again(nights: Nights) -> None:
    nights.run(people(1, 2))
    check(nights.run(people(1, 2), full_refresh="True"), updated=2, unchanged=0)
    check(nights.run(people(1, 2), full_refresh="False"), unchanged=2)
    with pytest.raises(ValueError, match="full_refresh is 'maybe': write True or False"):
        nights.run(people(1, 2), full_refresh="maybe")


def test_what_is_not_confirmed_comes_again(nights: Nights) -> None:
    nights.simulator.behaviour = Behaviour(
        unmentioned=frozenset({number(1)}), statuses={number(2): "queued"}, refused=frozenset({number(3)})
    )
    summary = nights.run(people(1, 2, 3, 4), max_rejected="100%")
    check(summary, unconfirmed=1, other=1, refused=1, added=1, snapshot_after=3)
    nights.simulator.behaviour = Behaviour()
    check(nights.run(people(1, 2, 3, 4)), unchanged=1, updated=2, added=1, snapshot_after=4)


@pytest.mark.parametrize(
    "how",
    [
        {"unmentioned": frozenset({number(1)})},
        {"statuses": {number(1): "pending"}},
        {"fault_rate": 1.0, "faults": (Fault.answer_lost(),)},
    ],
)
def test_a_change_that_was_sent_but_not_confirmed_makes_nothing_unchanged(nights: Nights, how: dict[str, Any]) -> None:
    nights.run(people(1, 2))
    nights.simulator.behaviour = Behaviour(**how)
    with pytest.raises((AirflowFailException, OctopushServerError)):
        nights.run([*people(1, name="Ana"), *people(2)])
    assert nights.simulator.contacts[number(1)].fields["first_name"] == "Ana"
    nights.simulator.behaviour = Behaviour()
    check(nights.run(people(1, 2)), unchanged=1, updated=1, snapshot_after=2)
    assert nights.simulator.contacts[number(1)].fields["first_name"] == "Zoé"


def test_who_an_earlier_try_put_on_the_list_may_leave_again(nights: Nights) -> None:
    nights.run(people(1, 2, 3))
    nights.simulator.fail_next(None, *[Fault.server_error()] * 2)
    with pytest.raises(OctopushServerError):
        nights.run(people(*range(3, 30)), chunk_size=20, max_removed="100%")
    check(nights.run(people(*range(23, 30)), night=nights.night, max_removed="100%"), kept=0, snapshot_after=7)
    assert nights.on_list == {number(n) for n in range(23, 30)}


@pytest.mark.parametrize(("share", "of"), [(29, 100), (57, 100), (58, 50), (7, 300)])
def test_a_share_is_taken_as_it_is_written(nights: Nights, share: int, of: int) -> None:
    nights.run(people(*range(of)))
    removed = share * of // 100
    check(nights.run(people(*range(removed, of)), max_removed=f"{share}%"), removed=removed, kept=0)
    bad: Rows = [{"phone_number": None}] * removed
    summary = nights.run([*people(*range(of - len(bad))), *bad], max_rejected=f"{share}%", remove_missing=False)
    check(summary, invalid=len(bad))


def test_another_column_for_the_number_removes_nobody_for_one_night(nights: Nights) -> None:
    def rows(*numbers: int) -> Rows:
        return [{"mobile": number(n), "home": number(n + 100)} for n in numbers]

    nights.run(rows(1, 2, 3), columns={"phone_number": "mobile"})
    check(nights.run(rows(1, 2, 3), columns={"phone_number": "home"}), added=3, removed=0, kept=3)
    check(nights.run(rows(1, 2, 3), columns={"phone_number": "home"}), unchanged=3, removed=3)


def test_a_plan_of_no_rows_removes_nobody(nights: Nights) -> None:
    nights.run(people(1, 2))
    summary = nights.run([], dry_run=True, on_empty="succeed")
    check(summary, removed=0, kept=2)
    assert "does not empty a list" in summary["kept_reason"]


@pytest.mark.parametrize("path", [None, "", "  ", 5, False])
def test_what_is_no_path_shows_when_the_dag_is_parsed(path: Any) -> None:
    with pytest.raises(ValueError, match=r"snapshot_path is .*: write a local path"):
        SyncListOperator(task_id="x", data=[], list_name=LIST, snapshot_path=path)
    if path is not None:
        with pytest.raises(ValueError, match=r"snapshot_path is .*: write a local path"):
            DeleteContactsOperator(task_id="x", data=[], list_name=LIST, snapshot_path=path)


@pytest.mark.parametrize("rendered", ["None", "", None, 5])
def test_a_template_that_gives_no_path_writes_nowhere(nights: Nights, rendered: Any) -> None:
    operator = SyncListOperator(task_id="x", data=people(1), list_name=LIST, snapshot_path="{{ params.path }}")
    operator.snapshot_path = rendered
    with pytest.raises(AirflowFailException, match=r"snapshot_path='\{\{ params\.path \}\}' renders to"):
        operator.execute({"ti": TaskInstance(), "run_id": "x"})  # type: ignore[typeddict-item]  # all that is asked of it
    assert not nights.simulator.requests_total


def test_a_run_that_is_older_than_the_snapshot_is_skipped(nights: Nights) -> None:
    nights.run(people(1), date="2026-11-25")
    with pytest.raises(AirflowSkipException, match="2026-11-24"):
        nights.run(people(2), date="2026-11-24")
    assert nights.on_list == {number(1)}


def test_two_runs_at_a_time_are_found_out_before_anybody_is_removed(nights: Nights) -> None:
    nights.run(people(1, 2, 3))
    other = Nights(nights.simulator, nights.snapshot_path.parent.parent)
    other.night = 10

    def rows() -> Any:
        yield people(1)
        other.run(people(1, 2, 3, 4))

    with pytest.raises(AirflowFailException, match=r"a newer run of the task took over.*max_active_runs"):
        nights.run(rows())
    assert nights.on_list == {number(n) for n in (1, 2, 3, 4)}
    check(nights.run(people(1)), removed=3)


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        (None, "token_urlsafe"),
        ("", "token_urlsafe"),
        ("short", "fewer than 32 characters"),
        ("x" * 40, "that the connection does not have"),
    ],
)
def test_a_secret_that_is_missing_short_or_another_one(
    nights: Nights, connect: SetConnection, secret: str | None, message: str
) -> None:
    nights.run(people(1))
    before = nights.simulator.requests_total
    connect(snapshot_secret=secret)
    with pytest.raises(AirflowFailException, match=message) as raised:
        nights.run(people(1, 2))
    assert not secret or secret not in str(raised.value)
    assert nights.simulator.requests_total == before


def test_a_new_secret_sends_everything_once_more_and_nobody_is_new_or_missing(
    nights: Nights, connect: SetConnection
) -> None:
    nights.run(people(1, 2, 3))
    connect(snapshot_secret=f"{'n' * 40}, {SECRET}")
    check(nights.run(people(1, 2, 3), max_added=0, max_removed=0), updated=3, removed=0)
    check(nights.run(people(1, 2, 3)), unchanged=3, requests=0)
    connect(snapshot_secret="n" * 40)
    check(nights.run(people(1, 2)), unchanged=2, removed=1)


def test_a_plan_counts_and_does_nothing(nights: Nights) -> None:
    nights.run(people(*range(40)))
    content, total = nights.snapshot_path.read_bytes(), nights.simulator.requests_total
    rows = [*people(*range(20)), *people(*range(20, 25), name="Ana"), *people(41, 42)]
    options: dict[str, Any] = {"opted_out": people(0), "chunk_size": 3}
    plan = nights.run(rows, dry_run=True, **options)
    check(plan, added=2, updated=5, unchanged=19, opted_out=1, removed=16, removed_opted_out=1, requests=0, kept=0)
    check(plan, snapshot_before=40, snapshot_after=26)
    assert nights.snapshot_path.read_bytes() == content
    assert nights.simulator.requests_total == total
    assert list((nights.snapshot_path.parent / "customers.snapshot.journal").iterdir()) != []
    run = nights.run(rows, max_removed=plan["removed"] - plan["removed_opted_out"], **options)
    same = ("added", "updated", "unchanged", "opted_out", "removed", "removed_opted_out", "snapshot_after")
    assert {name: run[name] for name in same} == {name: plan[name] for name in same}


class TestDeletionsThatAreRefused:
    """What the API answers for a number that is not there is not documented."""

    @pytest.mark.parametrize("status", [204, 400, 404, 422])
    @pytest.mark.parametrize("others", [True, False])
    def test_who_is_gone_already_counts_as_gone_if_another_was_removed(
        self, nights: Nights, status: int, *, others: bool
    ) -> None:
        nights.run(people(*range(30)))
        gone = [number(n) for n in range(5)]
        nights.simulator.behaviour = Behaviour(missing_status=status, missing_among_others=others)
        OctopushHook().delete_contacts(gone, list_name=LIST)
        check(nights.run(people(*range(10, 30))), removed=10, kept=0, snapshot_after=20)
        assert nights.on_list == {number(n) for n in range(10, 30)}

    @pytest.mark.parametrize("status", [400, 404, 422])
    def test_alone_without_evidence_it_is_kept(self, nights: Nights, status: int) -> None:
        nights.run(people(1, 2))
        nights.simulator.behaviour = Behaviour(undeletable=frozenset({number(2)}), refusal_status=status)
        with pytest.raises(AirflowFailException, match="refused to remove 1"):
            nights.run(people(1))
        check(nights.pushed, kept=1, removed=0, snapshot_after=2)
        nights.simulator.behaviour = Behaviour()
        check(nights.run(people(1)), removed=1)

    @pytest.mark.parametrize("lost", [Fault.answer_lost(), Fault.answer_cut()])
    @pytest.mark.parametrize("missing", [2, 30, 31, 150])
    def test_a_removal_whose_answer_was_lost_is_no_failure_and_settled_as_soon_as_another_is_accepted(
        self, nights: Nights, lost: Fault, missing: int
    ) -> None:
        nights.run(people(*range(200)))
        nights.simulator.behaviour = Behaviour(missing_status=404)
        nights.simulator.fail_next(lost)
        rest = range(missing, 200)
        check(nights.run(people(*rest), max_removed="100%"), removed=0, kept=0, unsettled=missing, snapshot_after=200)
        assert nights.on_list == {number(n) for n in rest}
        check(nights.run(people(*rest), max_removed=0), removed=0, kept=0, unsettled=missing)
        check(nights.run(people(*rest[1:])), removed=missing + 1, kept=0, unsettled=0, snapshot_after=199 - missing)

    def test_so_it_is_after_a_try_that_ended_there(self, nights: Nights) -> None:
        nights.run(people(1, 2, 3, 4))
        nights.simulator.behaviour = Behaviour(missing_status=404)
        nights.simulator.fail_next(Fault.answer_lost(), Fault.server_error())
        with pytest.raises(OctopushServerError):
            nights.run(people(1, 4))
        check(nights.run(people(1, 4)), removed=0, kept=0, unsettled=2)
        check(nights.run(people(1)), removed=3, kept=0)

    def test_a_key_without_rights_forgets_nobody_whose_removal_had_no_answer(self, nights: Nights) -> None:
        nights.run(people(1, 2, 3))
        nights.simulator.fail_next(*[Fault.server_error()] * 2)
        with pytest.raises(OctopushServerError):
            nights.run(people(1))
        nights.simulator.behaviour = Behaviour(undeletable=frozenset(map(number, range(4))), refusal_status=400)
        check(nights.run(people(1)), removed=0, unsettled=2, snapshot_after=3)
        nights.simulator.behaviour = Behaviour()
        check(nights.run(people(1)), removed=2, unsettled=0)
        assert nights.on_list == {number(1)}

    def test_who_may_be_gone_and_has_a_row_again_is_sent(self, nights: Nights) -> None:
        nights.run(people(1, 2, 3))
        nights.simulator.fail_next(Fault.answer_lost(), Fault.server_error())
        with pytest.raises(OctopushServerError):
            nights.run(people(1))
        check(nights.run(people(1, 2)), added=0, updated=1, unchanged=1, removed=1)
        assert nights.on_list == {number(1), number(2)}

    def test_a_list_that_is_gone_costs_few_requests_and_forgets_nobody(self, nights: Nights) -> None:
        nights.run(people(*range(1000)))
        nights.simulator.reset(Behaviour(missing_list_status=404))
        with pytest.raises(AirflowFailException, match="under this name"):
            nights.run(people(1), max_removed="100%")
        assert nights.requests_of("contact/delete") <= 60
        check(nights.pushed, kept=999, removed=0, snapshot_after=1000)

    @pytest.mark.parametrize("others", [True, False])
    def test_somebody_who_is_not_there_does_not_hold_up_the_nights_that_follow(
        self, nights: Nights, *, others: bool
    ) -> None:
        nights.run(people(*range(30)))
        OctopushHook().delete_contacts([number(0)], list_name=LIST)
        nights.simulator.behaviour = Behaviour(missing_status=404, missing_removes_others=others)
        with suppress(AirflowFailException):
            nights.run(people(*range(2, 30)))
        for night in range(3, 6):
            summary = nights.run(people(*range(night, 30)))
        check(summary, kept=0, snapshot_after=25)
        assert nights.on_list == {number(n) for n in range(5, 30)}

    @pytest.mark.parametrize("status", [401, 403, 405, 503])
    def test_after_an_error_nobody_is_removed(self, nights: Nights, status: int) -> None:
        nights.run(people(*range(900)))
        nights.simulator.fail_next(*[Fault.server_error(status)] * 2)
        with pytest.raises((AirflowFailException, OctopushServerError)):
            nights.run(people(1), max_removed="100%")
        assert len(nights.on_list) == 900


def test_the_requests_of_a_large_night_are_as_few_as_can_be(nights: Nights) -> None:
    nights.run(people(*range(5000)))
    rows = [*people(*range(400, 4000)), *people(*range(4000, 5000), name="Ana")]
    before = nights.simulator.requests_total
    check(nights.run(rows), updated=1000, removed=400, requests=5 + 2)
    assert nights.simulator.requests_total - before == 5 + 2


def test_a_run_tells_how_far_it_is_while_it_plans(
    nights: Nights, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(create, "PROGRESS_SECONDS", 0.0)
    with caplog.at_level("INFO"):
        nights.run(people(1, 2), dry_run=True)
    assert "2 rows read, 0 contacts confirmed" in caplog.text


def test_a_value_that_changes_by_itself_is_told_of(nights: Nights, caplog: pytest.LogCaptureFixture) -> None:
    nights.run(people(*range(30)))
    nights.run(people(*range(30), name="another"))
    assert "30 of 30 contacts have changed since last time" in caplog.text


@pytest.mark.usefixtures("airflow_db")
def test_in_airflow_with_rows_from_upstream_and_an_asset(nights: Nights, dag: DAG) -> None:
    @task
    def rows() -> Rows:
        return people(1, 2, 3)

    @task
    def stops() -> Rows:
        return [{"n": number(3)}]

    sync = SyncListOperator(
        task_id="sync",
        data=rows(),
        opted_out=stops(),
        list_name=LIST,
        snapshot_path=str(nights.snapshot_path),
        max_removed="{{ 1 + 1 }}",
        outlets=[create_asset(list_name=LIST)],
    )
    del sync
    run = run_dag(dag)
    check(run.results["sync"], read=3, added=2, opted_out=1)
    assert number(1)[1:] not in json.dumps(run.rendered["sync"])
    check(run_dag(dag).results["sync"], unchanged=2, opted_out=1)


@pytest.mark.usefixtures("airflow_db")
def test_the_decorator(nights: Nights, dag: DAG) -> None:
    decorated: Any = task.octopush_list

    @decorated(list_name=LIST, snapshot_path=str(nights.snapshot_path))  # type: ignore[untyped-decorator]  # Airflow's
    def customers(first: int) -> Any:
        yield people(first, 2)

    customers(1)
    check(run_dag(dag).results["customers"], added=2, first_run=True)
    check(run_dag(dag).results["customers"], unchanged=2)
    with pytest.raises(TypeError, match="takes no sql"):
        decorated(list_name=LIST, snapshot_path="/x", sql="SELECT 1")(list)()


@pytest.mark.parametrize("value", ["keep", "False", 0, 1])
def test_what_is_no_flag_removes_nobody(value: Any) -> None:
    with pytest.raises(ValueError, match=r"remove_missing is .*: write True or False"):
        SyncListOperator(task_id="x", data=[], list_name=LIST, snapshot_path="/x", remove_missing=value)


class TestDeleting:
    def run(self, rows: Rows, **options: Any) -> dict[str, Any]:
        context: Any = {"ti": TaskInstance(), "run_id": "erasure"}
        return DeleteContactsOperator(task_id="erase", data=rows, **options).execute(context)

    def test_numbers_leave_the_list(self, nights: Nights) -> None:
        nights.run(people(1, 2, 3))
        rows = [{"phone_number": "06 12 34 00 01"}, *people(1, 2), {"phone_number": "n/a"}]
        summary = self.run(rows, list_name=LIST, default_region="FR", max_rejected=1)
        check(summary, read=4, removed=2, duplicates=1, invalid=1, kept=0, requests=1)
        assert nights.on_list == {number(3)}
        assert number(1) in nights.simulator.contacts

    def test_from_the_account_and_forgotten(self, nights: Nights) -> None:
        nights.run(people(1, 2, 3))
        summary = self.run(people(1), from_account=True, snapshot_path=str(nights.snapshot_path))
        check(summary, removed=1, forgotten=1)
        assert nights.simulator.contacts.keys() == {number(2), number(3)}
        check(nights.run(people(2, 3)), unchanged=2, removed=0, snapshot_before=2)

    @pytest.mark.parametrize("columns", [None, {"region": "region"}, {"phone_number": "phone_number"}])
    def test_a_column_of_regions_is_read_whether_it_is_named_or_not(self, nights: Nights, columns: Any) -> None:
        nights.run([{"phone_number": "+33612345678"}, *people(9)])
        nights.run([{"phone_number": "+34612345678"}], list_name="Others", snapshot_path=f"{nights.snapshot_path}.2")
        options = {"from_account": True, "snapshot_path": str(nights.snapshot_path), "columns": columns}
        check(self.run([{"phone_number": "612345678", "Region": "ES"}], **options), removed=1, forgotten=0)
        assert nights.simulator.contacts.keys() == {"+33612345678", number(9)}
        with pytest.raises(AirflowFailException, match="region is not a country code"):
            self.run([{"phone_number": "612345678", "Region": "Andalucía"}], **options)
        assert nights.simulator.contacts.keys() == {"+33612345678", number(9)}

    @pytest.mark.parametrize("forms", [("+525512345678", "+5215512345678"), ("+541123456789", "+5491123456789")])
    @pytest.mark.parametrize("asked", [0, 1])
    def test_every_form_of_a_line_leaves_the_account_whichever_the_snapshot_holds(
        self, nights: Nights, forms: tuple[str, str], asked: int
    ) -> None:
        nights.run([{"phone_number": forms[0]}, *people(9)])
        nights.run([{"phone_number": forms[1]}], list_name="Others", snapshot_path=f"{nights.snapshot_path}.2")
        options: dict[str, Any] = {"from_account": True, "snapshot_path": str(nights.snapshot_path)}
        summary = self.run([{"phone_number": forms[asked]}], **options)
        check(summary, read=1, removed=1, absent=0, numbers=2, forgotten=1)
        assert nights.simulator.contacts.keys() == {number(9)}

    @pytest.mark.parametrize("status", [204, 400, 404])
    def test_the_form_that_the_snapshot_holds_is_not_taken_for_gone_because_the_other_one_was_accepted(
        self, nights: Nights, status: int
    ) -> None:
        forms = ("+541123456789", "+5491123456789")
        options: dict[str, Any] = {"from_account": True, "snapshot_path": str(nights.snapshot_path)}
        nights.simulator.behaviour = Behaviour(undeletable=frozenset({forms[1]}), missing_status=status)
        nights.run([{"phone_number": forms[1]}])
        with pytest.raises(AirflowFailException, match="Octopush refused to remove 1 of 1 contacts"):
            self.run([{"phone_number": forms[0]}], **options)
        assert nights.on_list == {forms[1]}
        nights.simulator.behaviour = Behaviour(missing_status=status)
        check(self.run([{"phone_number": forms[0]}], **options), removed=1, absent=0, forgotten=1)
        assert nights.simulator.contacts == {}

    def test_a_removal_is_no_evidence_for_the_other_form_of_its_line(self, nights: Nights) -> None:
        for form in ("+5215512345678", "+525512345678"):
            nights.simulator.reset(Behaviour(undeletable=frozenset({form})))
            OctopushHook().create_contacts([{"phone_number": form}])
            with pytest.raises(AirflowFailException, match="Octopush refused to remove 1 of 1 contacts"):
                self.run([{"phone_number": form}], from_account=True)
            OctopushHook().create_contacts(people(1))
            summary = self.run([{"phone_number": form}, *people(1)], from_account=True)
            check(summary, read=2, removed=1, absent=1, numbers=3)

    @pytest.mark.parametrize("status", [400, 404, 422])
    def test_who_was_refused_may_be_gone_so_a_row_that_comes_back_is_sent(self, nights: Nights, status: int) -> None:
        nights.run(people(*range(30)))
        OctopushHook().delete_contacts([number(29)], list_name=LIST)
        nights.simulator.behaviour = Behaviour(missing_status=status, missing_removes_others=True)
        with pytest.raises(AirflowFailException, match="Octopush refused to remove"):
            nights.run(people(*range(28)))
        nights.run(people(*range(1, 29)))
        assert nights.on_list == {number(n) for n in range(1, 29)}

    def test_a_template_that_gives_no_list_is_not_the_account(self, nights: Nights) -> None:
        nights.run(people(1))
        context: Any = {"ti": TaskInstance(), "run_id": "erasure"}
        for name in ("", " "):
            operator = DeleteContactsOperator(task_id="erase", data=people(1), list_name="{{ params.list }}")
            operator.list_name = name
            with pytest.raises(AirflowFailException, match=r"list_name.* renders to"):
                operator.execute(context)
        assert number(1) in nights.simulator.contacts

    @pytest.mark.parametrize("value", ["false", "False", "no", 1, 2, "{{ params.account }}"])
    def test_what_is_no_flag_is_not_the_account(self, value: Any) -> None:
        with pytest.raises(ValueError, match=r"from_account is .*: write True or False"):
            DeleteContactsOperator(task_id="x", data=[], list_name=LIST, from_account=value)

    def test_who_was_refused_one_by_one_is_not_counted_as_removed(self, nights: Nights) -> None:
        nights.run(people(*range(10)))
        nights.simulator.behaviour = Behaviour(undeletable=frozenset({number(5)}), refusal_status=404)
        summary = self.run(people(5, 9), from_account=True, snapshot_path=str(nights.snapshot_path))
        check(summary, read=2, removed=1, absent=1, kept=0, forgotten=2)

    def test_a_path_where_no_snapshot_is_shows_before_anybody_is_removed(self, nights: Nights) -> None:
        nights.run(people(1))
        for dry_run in (False, True):
            with pytest.raises(AirflowFailException, match=r"no snapshot at .*x to erase .*Nothing was removed"):
                self.run(people(1), list_name=LIST, snapshot_path=f"{nights.snapshot_path}x", dry_run=dry_run)
        assert nights.on_list == {number(1)}

    def test_a_retry_does_not_take_a_number_for_another_one_that_is_gone_already(self, nights: Nights) -> None:
        # In France and in Spain.
        text = number(1).removeprefix("+33")
        rows = [{"phone_number": text}, *people(*range(1000, 1200))]
        nights.run([*people(1), *rows[1:]])
        OctopushHook().create_contacts([{"phone_number": f"+34{text}"}], list_name="Spain")
        # The first request removes 200 contacts; the second fails, and its repetition.
        nights.simulator.fail_next(None, *[Fault(status=503, retry_after="0")] * 2)
        where = {"from_account": True, "snapshot_path": str(nights.snapshot_path), "default_region": ["FR", "ES"]}
        with pytest.raises(OctopushServerError):
            self.run(rows, **where)
        with pytest.raises(AirflowFailException, match="may each stand for more than one contact"):
            self.run(rows, **where)
        assert nights.simulator.contacts.keys() == {f"+34{text}"}

    def test_one_place_has_to_be_named(self) -> None:
        choices: list[dict[str, Any]] = [{}, {"list_name": LIST, "from_account": True}]
        for options in choices:
            with pytest.raises(ValueError, match="from one place"):
                DeleteContactsOperator(task_id="x", data=[], **options)

    def test_a_snapshot_that_cannot_be_opened_shows_before_anybody_is_removed(
        self, nights: Nights, connect: SetConnection
    ) -> None:
        nights.run(people(1))
        connect(snapshot_secret="o" * 40)
        with pytest.raises(AirflowFailException, match="a snapshot_secret that the connection does not have"):
            self.run(people(1), from_account=True, snapshot_path=str(nights.snapshot_path))
        assert nights.on_list == {number(1)}

    def test_with_dry_run_nothing_is_removed(self, nights: Nights) -> None:
        nights.run(people(1))
        check(self.run(people(1, 2), list_name=LIST, dry_run=True), removed=2, requests=0)
        assert nights.on_list == {number(1)}

    def test_who_is_refused_is_kept_and_the_task_fails(self, nights: Nights) -> None:
        nights.simulator.behaviour = Behaviour(missing_status=404)
        with pytest.raises(AirflowFailException, match="refused to remove 1 of 1"):
            self.run(people(1), from_account=True)

    def test_who_is_gone_is_forgotten_although_the_run_fails_later(self, nights: Nights) -> None:
        nights.run(people(*range(300)))
        nights.simulator.fail_next(None, Fault.server_error(), Fault.server_error())
        with pytest.raises(OctopushServerError):
            self.run(people(*range(300)), list_name=LIST, snapshot_path=str(nights.snapshot_path))
        # Of the last hundred nobody knows whether they are gone: they are sent.
        check(nights.run(people(*range(200, 300))), updated=100, removed=0)
