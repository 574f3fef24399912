"""A plan, somebody who approves it, and the run that it binds."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_octopush.exceptions import OctopushServerError
from airflow_provider_octopush.operators.sync_list import SyncListOperator
from airflow_provider_octopush.simulator import Fault
from airflow_provider_octopush.snapshot.snapshot import Snapshot
from tests.operators.nights import LIST, Nights, check, number, people


def test_a_summary_says_which_generation_the_run_found(nights: Nights) -> None:
    check(nights.run(people(1), dry_run=True), generation=0, first_run=True)
    check(nights.run(people(1)), generation=0)
    check(nights.run(people(1, 2), dry_run=True), generation=1)
    check(nights.run(people(1, 2)), generation=1)
    check(nights.run(people(1, 2)), generation=2)
    check(nights.run(people(1, 2, 3)), generation=2, unchanged=2)


@pytest.mark.parametrize("written", [1, "1", " 1 "])
def test_a_run_goes_by_the_plan_that_was_made_of_the_list_as_it_is(nights: Nights, written: Any) -> None:
    nights.run(people(1))
    check(nights.run(people(1, 2), plan_generation=written), added=1)


def test_without_a_plan_any_generation_will_do(nights: Nights) -> None:
    nights.run(people(1))
    check(nights.run(people(1, 2), plan_generation=None), added=1)


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_plan_of_another_generation_is_stale(nights: Nights, *, dry_run: bool) -> None:
    generation = nights.run(people(1), dry_run=True)["generation"]
    nights.run(people(1))
    before = nights.simulator.requests_total
    message = "the plan was made from generation 0, but the snapshot is at 1: make and approve a new plan"
    with pytest.raises(AirflowFailException, match=message):
        nights.run(people(1, 2), plan_generation=generation, dry_run=dry_run, opted_out=people(1))
    assert nights.simulator.requests_total == before
    assert nights.pushed == {}
    check(nights.run(people(1, 2), plan_generation=1), added=1)


@pytest.mark.parametrize("written", ["", " ", "None", "x", "1.0", 1.0, -1, "-1", True, "²", "1" * 30, [1]])
def test_what_is_no_generation_is_refused_when_the_dag_is_parsed(nights: Nights, written: Any) -> None:
    with pytest.raises(ValueError, match=r"plan_generation is .*: write the generation"):
        nights.run(people(1), plan_generation=written)


def test_a_plan_counts_what_a_killed_run_had_begun_to_remove(nights: Nights) -> None:
    nights.run(people(*range(20)))
    nights.simulator.fail_next(*[Fault.dropped()] * 2)
    with pytest.raises(OctopushServerError):
        nights.run(people(*range(8, 20)))
    plan = nights.run(people(*range(8, 18)), dry_run=True)
    check(plan, removed=10, requests=0, snapshot_after=10, exceeded=[])
    run = nights.run(people(*range(8, 18)), max_removed=plan["removed"], plan_generation=plan["generation"])
    check(run, removed=10, snapshot_after=10)


def test_neither_a_held_run_nor_an_unchanged_night_makes_a_plan_stale(nights: Nights) -> None:
    nights.run(people(*range(40)))
    with pytest.raises(AirflowFailException, match="max_removed"):
        nights.run(people(1), opted_out=[])
    nights.run(people(*range(40)))
    check(nights.run(people(*range(39)), plan_generation=1), removed=1)


def test_a_retry_goes_on_with_the_plan_whatever_its_own_tries_have_done(nights: Nights) -> None:
    nights.run(people(1, 2))
    # The first step, and then nothing more.
    nights.simulator.fail_next(None, *[Fault.server_error()] * 2)
    with pytest.raises(OctopushServerError):
        nights.run(people(1, 3), opted_out=people(2), plan_generation=1)
    assert nights.on_list == {number(1)}
    check(nights.run(people(1, 3), opted_out=people(2), plan_generation=1, night=nights.night), generation=1, removed=1)
    # It had replaced the snapshot when its process was killed.
    again = nights.run(people(1, 3), opted_out=people(2), plan_generation=1, night=nights.night)
    check(again, generation=1, unchanged=2, added=0)
    with pytest.raises(AirflowFailException, match="generation 1, but the snapshot is at 2"):
        nights.run(people(1, 3), opted_out=people(2), plan_generation=1)


def test_a_run_that_dies_between_its_end_and_airflow_hearing_of_it_goes_on(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights.run(people(1))
    replace = Snapshot.replace

    def killed(snapshot: Snapshot, **options: Any) -> int:
        replace(snapshot, **options)
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(Snapshot, "replace", killed)
        with pytest.raises(SystemExit):
            nights.run(people(1, 2), plan_generation=1)
    check(nights.run(people(1, 2), plan_generation=1, night=nights.night), generation=1, unchanged=2)


def test_a_plan_is_green_and_lists_what_would_hold_a_run(nights: Nights) -> None:
    nights.run(people(*range(40)))
    plan = nights.run(people(*range(11, 20), *range(50, 300)), dry_run=True, opted_out=people(*range(20, 40)))
    assert [one.partition(";")[0] for one in plan["exceeded"]] == [
        "20 of 40 contacts (50.0%) have opted out",
        "11 of 40 contacts (27.5%) are missing from the rows",
        "250 contacts would be added to a list of 40",
    ]
    check(plan, added=250, removed=31, removed_opted_out=20)


def test_the_generation_is_a_template() -> None:
    assert "plan_generation" in SyncListOperator.template_fields
    operator = SyncListOperator(
        task_id="x", data=[], list_name=LIST, snapshot_path="/x", plan_generation="{{ params.generation }}"
    )
    context: Any = {"params": {"generation": 7}}
    operator.render_template_fields(context)
    assert operator.plan_generation == "7"
