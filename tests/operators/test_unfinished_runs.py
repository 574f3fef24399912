"""What runs that did not end had begun: it widens no limit, and no plan that was approved."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_octopush.exceptions import OctopushRateLimitError, OctopushServerError
from airflow_provider_octopush.simulator import Behaviour, Fault, Simulator
from airflow_provider_octopush.snapshot.__main__ import main
from tests.operators.nights import Nights, Rows, check, number, people

HELD = range(100)
MOST = 25


def fail(nights: Nights, rows: Rows, rng: random.Random, **options: Any) -> None:
    """Run until one of the first requests fails, with its repetition; what fails has no effect."""
    fault = rng.choice([Fault.server_error(), Fault.rate_limited()])
    nights.simulator.fail_next(*[None] * rng.randrange(2), *[fault] * 2)
    with pytest.raises((OctopushServerError, OctopushRateLimitError)):
        nights.run(rows, chunk_size=5, remove_missing=False, **options)


@pytest.mark.parametrize("seed", range(25))
def test_nights_that_fail_do_not_add_up_to_more_than_max_added_allows(nights: Nights, seed: int) -> None:
    rng = random.Random(seed)
    nights.run(people(*HELD))
    begun: list[int] = []
    for night in range(rng.randrange(1, 5)):
        # One that may add more was approved, and says nothing about the next.
        new = [*range(1000 * night, 1000 * night + rng.choice([MOST, 60]))] if night else [*range(200, 200 + MOST)]
        begun += new
        for _ in range(rng.randrange(1, 3)):
            fail(nights, people(*HELD, *new), rng, night=night + 2, max_added=len(new))
    nights.night = 10
    wanted = [*rng.sample(begun, rng.randrange(1, len(begun))), *range(9000, 9000 + rng.randrange(20))]
    rows = people(*HELD, *wanted)
    before = set(nights.on_list)
    number_of_new = len({row["phone_number"] for row in rows} - before)
    options: dict[str, Any] = {"remove_missing": False, "max_added": MOST}
    plan = nights.run(rows, dry_run=True, **options)
    check(plan, added=number_of_new, updated=0, removed=0)
    if number_of_new > MOST:
        what = f"{number_of_new} contacts would be added to a list of 100; max_added (25) allows 25"
        assert plan["exceeded"][0].startswith(what)
        with pytest.raises(AirflowFailException, match=re.escape(what)):
            nights.run(rows, **options)
        assert nights.on_list == before
    approved = {"max_added": number_of_new, "plan_generation": plan["generation"]}
    nights.run(rows, **{**options, **approved})
    assert nights.on_list == before | {row["phone_number"] for row in rows}


def test_all_tries_of_a_run_add_a_contact_once(nights: Nights) -> None:
    rng = random.Random(0)
    nights.run(people(*HELD))
    rows = people(*HELD, *range(1000, 1000 + MOST))
    for _ in range(3):
        fail(nights, rows, rng, night=2, max_added=MOST)
    with pytest.raises(AirflowFailException, match=f"{MOST + 1} contacts would be added"):
        nights.run([*rows, *people(3000)], night=2, max_added=MOST)
    check(nights.run(rows, night=2, max_added=MOST), snapshot_before=100, snapshot_after=100 + MOST)


def test_what_a_run_sent_and_nobody_confirmed_counts_in_its_own_limit_alone(nights: Nights) -> None:
    nights.run(people(*HELD))
    nights.simulator.behaviour = Behaviour(unmentioned=frozenset({number(1000), number(1001)}))
    nights.run(people(*HELD, 1000, 1001), max_added=2, max_rejected=2)
    plan = nights.run(people(*HELD, 1000, 1001), dry_run=True, max_added=0)
    check(plan, added=0, updated=2, exceeded=[])


@pytest.mark.parametrize("what", ["added", "removed", "opted out"])
def test_an_approved_run_does_no_more_than_was_approved_whatever_another_run_had_begun(
    nights: Nights, what: str
) -> None:
    nights.run(people(*HELD))
    few, many = {"added": (103, 140), "removed": (97, 60), "opted out": (100, 100)}[what]
    stops = (people(1, 2), people(*range(30))) if what == "opted out" else (None, None)
    plan = nights.run(people(*range(few)), opted_out=stops[0], dry_run=True)
    limits = {
        "max_added": plan["added"],
        "max_removed": plan["removed"] - plan["removed_opted_out"],
        "max_opted_out": plan["removed_opted_out"],
        "plan_generation": plan["generation"],
    }
    nights.simulator.fail_next(*[Fault.dropped()] * 2)
    with pytest.raises(OctopushServerError):
        nights.run(people(*range(many)), opted_out=stops[1], max_added=1000, max_removed="100%", max_opted_out="100%")
    before = set(nights.on_list)
    with pytest.raises(AirflowFailException, match=f"max_{what.replace(' ', '_')}"):
        nights.run(people(*range(many)), opted_out=stops[1], **limits)
    assert nights.on_list == before
    limits |= {"max_removed": 40, "min_opted_out": 0}
    check(nights.run(people(*range(few)), opted_out=stops[0], **limits), kept=0)


def test_what_recover_takes_over_counts_as_on_the_list(nights: Nights, simulator: Simulator) -> None:
    nights.run(people(*HELD))
    fail(nights, people(*HELD, *range(1000, 1000 + MOST)), random.Random(1), max_added=MOST)
    before = dict(simulator.contacts)
    assert main(["recover", "--path", str(nights.snapshot_path)]) == 0
    assert simulator.contacts == before
    plan = nights.run(people(*HELD, *range(1000, 1000 + MOST)), dry_run=True, max_added=0)
    check(plan, added=0, exceeded=[], snapshot_before=100 + MOST)


@pytest.mark.parametrize("lost", ["3.36E+10", "3,3612E+10"])
def test_a_number_that_lost_digits_stands_for_none(nights: Nights, lost: str) -> None:
    nights.run(people(1, 2))
    rows = [*people(1), {"phone_number": lost}]
    with pytest.raises(AirflowFailException, match="digits are lost"):
        nights.run(rows)
    assert len(nights.on_list) == 2
    check(nights.run(rows, max_rejected=1), invalid=1, removed=1)
