"""What a probe finds out of a simulator is how that is set."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import pytest

from airflow_provider_octopush.probe.questions import IMPOSSIBLE, QUESTIONS, SIZES_QUESTION
from airflow_provider_octopush.simulator import Behaviour, Fault, Simulator
from airflow_provider_octopush.simulator.parsing import parse
from tests.hostile.server import Received, Step, items
from tests.probe.conftest import CREATE, NUMBERS, Probe, Serve, say

MANY = [f"+3361235{n:04}" for n in range(500)]

Settings = dict[str, Any]

#: How a deletion has to be answered for what can only be told by one.
TELLS = {"missing_status": 404}

#: Settings of the simulator, and what more than those a probe has to find; ... stands for null.
SETTINGS: list[tuple[Settings, Settings]] = [
    *[({"success_status": status}, {}) for status in (200, 201, 202)],
    *[({"order": order}, {}) for order in ("sent", "reversed", "shuffled")],
    *[({"number_format": form}, {}) for form in ("sent", "stored", "digits", "groups")],
    *[({"number_format": form, "repair": False}, {}) for form in ("digits", "groups")],
    *[({"repair": repair}, {}) for repair in (True, False)],
    *[({"duplicates_in_items": twice}, {}) for twice in (True, False)],
    *[({"unknown_lists": lists}, {}) for lists in ("create", "refuse")],
    *[({"do_not_overwrite": way}, {}) for way in ("keeps", "overwrites", "ignored")],
    *[({"missing_status": status}, {}) for status in (204, 400, 404, 422)],
    *[({"missing_among_others": others, **TELLS}, {}) for others in (True, False)],
    *[({"missing_removes_others": removes, **TELLS}, {}) for removes in (True, False)],
    *[
        ({"skipped_join": join, "do_not_overwrite": way, **TELLS}, {})
        for join in (True, False)
        for way in ("keeps", "overwrites")
    ],
    *[({"refusal_status": status, "refusal_code": code}, {}) for status, code in ((400, 117), (422, 0), (404, 999))],
    *[({"max_field_length": length, "repair": False}, {}) for length in (1, 50, 160, 999)],
    ({"refused": [IMPOSSIBLE], "refusal_code": 150}, {}),
    ({"rejected": [IMPOSSIBLE], "rejected_status": "invalid"}, {"refused": [], "unmentioned": []}),
    ({"unmentioned": [IMPOSSIBLE]}, {"refused": [], "rejected": ...}),
    ({}, {"refused": [], "unmentioned": [], "rejected": [], "rejected_status": ...}),
    *[
        ({"other_status": status, "other_status_rate": 1.0}, {"other_status_rate": ..., "rejected": ...})
        for status in ("pending", "not_checked")
    ],
    *[({"latency": seconds}, {}) for seconds in (0.0, 0.05)],
    *[({"max_contacts": limit, "too_many_status": 413}, {}) for limit in (3, 199, 200, 201, 350, 499)],
    ({"max_contacts": 200, "too_many_status": 400}, {}),
    # What cannot be told.
    ({"max_contacts": 500}, {"max_contacts": ..., "too_many_status": ...}),
    ({"max_field_length": 50}, {"max_field_length": ...}),
    ({"missing_status": 204}, {"missing_among_others": ..., "missing_removes_others": ..., "skipped_join": ...}),
    ({"do_not_overwrite": "ignored", **TELLS}, {"skipped_join": ...}),
    ({"repair": False}, {"number_format": ...}),
    ({"null_clears": False}, {"null_clears": ...}),
    ({"other_status_rate": 0.0}, {"other_status": ..., "other_status_rate": ...}),
    ({"statuses": dict.fromkeys(NUMBERS, "pending +33612345671")}, {"other_status": ...}),
    ({"unmentioned": list(NUMBERS), **TELLS}, dict.fromkeys(("order", "unmentioned", "missing_status"), ...)),
    ({"refused": list(NUMBERS)}, dict.fromkeys(("success_status", "unknown_lists", "refused", "order"), ...)),
    # Of a number that itself cannot be deleted, a deletion tells nothing.
    *[
        ({"undeletable": [NUMBERS[1]], "missing_status": 400, switch: False}, {switch: ...})
        for switch in ("missing_among_others", "missing_removes_others")
    ],
    # One of the person's own numbers has the same status.
    ({"rejected": [NUMBERS[1]]}, {"rejected": ..., "rejected_status": ...}),
    ({"statuses": {NUMBERS[1]: "pending"}, "rejected": [IMPOSSIBLE]}, {"rejected": ..., "rejected_status": ...}),
    ({"other_status": "Anna Keller", "other_status_rate": 1.0}, {"other_status": ..., "other_status_rate": ...}),
    ({"max_contacts": 1}, dict.fromkeys(("refused", "duplicates_in_items", "order"), ...)),
]


def find(octopush: Simulator, probe: Probe, settings: Settings) -> Settings:
    """Let a probe look at a simulator, and return its report."""
    octopush.reset(Behaviour.from_json(settings))
    sizes = {"max_contacts"} & settings.keys()
    done = probe("--json", "--yes", *(["--sizes"] if sizes else []), numbers=MANY if sizes else NUMBERS)
    assert (done.code, octopush.lists) == (0, {}), done
    found: Settings = json.loads(done.output)
    return found


def close(found: Any, expected: Any) -> bool:
    """Whether a finding is right; a latency is what was set and something more."""
    return bool(found == expected or (isinstance(expected, float) and expected <= found < expected + 0.5))


@pytest.mark.parametrize(("settings", "more"), SETTINGS, ids=lambda value: json.dumps(value, default=repr)[:80])
def test_a_probe_finds_how_the_account_is_set(
    octopush: Simulator, probe: Probe, settings: Settings, more: Settings
) -> None:
    found = find(octopush, probe, settings)
    for switch, expected in {**settings, **more}.items():
        if switch in found and expected is not ...:
            assert close(found[switch], expected), (switch, found)
        assert expected is not ... or found[switch] is None, (switch, found)


def test_every_switch_in_a_report_is_one_of_the_simulator_that_was_tried_both_ways() -> None:
    tried: dict[str, set[str]] = {}
    for settings, more in SETTINGS:
        for switch, value in {**settings, **more}.items():
            tried.setdefault(switch, set()).add(repr(value))
    asked = {switch for question in (*QUESTIONS, SIZES_QUESTION) for switch in question.switches}
    assert asked <= asdict(Behaviour()).keys()
    assert {switch for switch in asked if len(tried[switch]) < 2} == set()


def mixed(seed: int) -> Settings:
    """Make settings that go together."""
    rng = random.Random(seed)
    repair = rng.random() < 0.5
    settings = {
        "success_status": rng.choice([200, 201]),
        "order": rng.choice(["sent", "reversed", "shuffled"]),
        "number_format": rng.choice(["sent", "stored", "digits", "groups"]),
        "repair": repair,
        "duplicates_in_items": rng.random() < 0.5,
        "unknown_lists": rng.choice(["create", "refuse"]),
        "do_not_overwrite": rng.choice(["keeps", "overwrites", "ignored"]),
        "skipped_join": rng.random() < 0.5,
        "missing_status": rng.choice([204, 400, 404]),
        "missing_among_others": rng.random() < 0.5,
        "missing_removes_others": rng.random() < 0.5,
        "refusal_status": rng.choice([400, 422]),
        "refusal_code": rng.choice([100, 117, 150]),
        "max_contacts": rng.choice([100, 200, 333, 500]),
        "too_many_status": rng.choice([400, 413]),
        rng.choice(["refused", "rejected", "unmentioned", "blacklisted"]): [IMPOSSIBLE],
        "rejected_status": rng.choice(["invalid", "refused"]),
        "seed": seed,
    }
    return settings if repair else {**settings, "max_field_length": rng.randint(5, 900)}


def tellable(settings: Settings) -> Settings:
    """Leave out of settings what no answer tells."""
    told = {**settings}

    def untold(*switches: str) -> None:
        for switch in switches:
            told.pop(switch, None)

    if settings["missing_status"] == 204:
        untold("missing_among_others", "missing_removes_others", "skipped_join")
    if not settings["missing_among_others"]:
        untold("missing_removes_others")
    if settings["do_not_overwrite"] == "ignored":
        untold("skipped_join")
    if not settings["repair"] and settings["number_format"] in ("sent", "stored"):
        untold("number_format")
    if "rejected" not in settings:
        untold("rejected_status")
    if settings["max_contacts"] == 500:
        untold("max_contacts", "too_many_status")
    untold("seed", "blacklisted")
    return told


@pytest.mark.parametrize("seed", range(10))
def test_the_report_of_each_of_ten_accounts_is_right_in_each_line_and_can_be_played(
    octopush: Simulator, probe: Probe, seed: int
) -> None:
    settings = mixed(seed)
    found = find(octopush, probe, settings)
    expected = tellable(settings)
    told = {switch: value for switch, value in found.items() if value not in (None, []) and switch != "latency"}
    assert told == expected

    played = {switch: value for switch, value in parse(json.dumps(found).encode()).items() if value is not None}
    again = find(octopush, probe, {"max_contacts": 500, **played})
    assert {**again, "latency": 0} == {**found, "latency": 0}


@pytest.mark.parametrize("fault", [Fault.server_error(500), Fault.login_page()])
def test_what_has_no_clear_answer_is_null_and_all_else_is_told(octopush: Simulator, probe: Probe, fault: Fault) -> None:
    whole = find(octopush, probe, TELLS)
    total = octopush.requests_total
    created = [request.path == "contact/create" for request in octopush.requests]
    for at in range(2, total - 2):  # the first two end it; the last two clean up
        octopush.reset(Behaviour.from_json(TELLS))
        octopush.fail_next(*[None] * at, fault)
        done = probe("--json", "--yes")
        assert octopush.lists == {}, done
        # Octopush may carry out what it seemed not to.
        assert ("perhaps left: airflow-probe-" in done.errors) == (done.code == 1) == (created[at]), done
        found = json.loads(done.output)
        assert found.keys() == whole.keys()
        lacking = {switch for switch, value in found.items() if value != whole[switch]} - {"latency"}
        assert all(found[switch] is None for switch in lacking), (at, found)
        assert len(lacking) < 7, (at, lacking)


def test_an_account_that_a_report_is_of_is_told_with_its_reasons(octopush: Simulator, probe: Probe) -> None:
    octopush.behaviour = Behaviour(max_field_length=50)
    done = probe("--yes")
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in done.output.splitlines() if line.strip()}
    assert lines["success_status"] == "201"
    assert lines["repair"] == "yes"
    assert lines["skipped_join"] == "not told: a deletion has the same answer whether the number is there or not"
    assert lines["max_field_length"].startswith("not told: 1,000 characters are accepted")
    assert lines["chunk_size"].startswith("200, the default")
    assert lines["concurrency"].startswith("1, because a request takes")
    assert lines["null_clears"].endswith("no endpoint reads a contact back")
    assert lines["missing_list_status"].endswith("it may reach the whole account")


def twisted(serve: Serve, probe: Probe, twist: Callable[[Received], Any], *arguments: str, **numbers: Any) -> Settings:
    """Return the report of an account that answers contact/create like this; None is the right answer."""

    def steps(_: int, request: Received) -> list[Step] | None:
        body = twist(request) if request.line == CREATE else None
        status = body.pop("HTTP") if body and "HTTP" in body else 201
        return None if body is None else say(status, body)

    serve(steps)
    done = probe("--json", "--yes", *arguments, **numbers)
    assert done.code == 0, done
    found: Settings = json.loads(done.output)
    return found


def has_blank(request: Received) -> bool:
    return any(" " in contact["phone_number"] for contact in request.contacts)


def test_a_number_that_comes_back_rejected_or_not_at_all_is_not_repaired(serve: Serve, probe: Probe) -> None:
    for changed in ([{"status": "rejected"}], []):

        def answered(request: Received, changed: list[dict[str, str]] = changed) -> Any:
            return (
                {"items": [items(request)["items"][0] | change for change in changed]} if has_blank(request) else None
            )

        found = twisted(serve, probe, answered)
        assert (found["repair"], found["number_format"]) == (None, None)


@pytest.mark.parametrize("numbers", [NUMBERS[:3], NUMBERS[2::-1], (NUMBERS[1], NUMBERS[0], NUMBERS[2]), NUMBERS[:2]])
def test_items_in_the_order_of_their_numbers_are_neither_sent_nor_reversed(
    serve: Serve, probe: Probe, numbers: Sequence[str]
) -> None:
    for is_reversed in (False, True):

        def by_number(request: Received, *, is_reversed: bool = is_reversed) -> Any:
            return {
                "items": sorted(items(request)["items"], key=lambda item: item["phone_number"], reverse=is_reversed)
            }

        assert twisted(serve, probe, by_number, numbers=numbers)["order"] is None


def test_of_two_numbers_no_order_is_told(octopush: Simulator, probe: Probe) -> None:
    del octopush
    assert json.loads(probe("--json", "--yes", numbers=NUMBERS[:2]).output)["order"] is None


@pytest.mark.parametrize(("code", "when"), [(117, range(5, 99)), (114, range(3, 4))])
def test_a_refusal_for_another_reason_is_no_limit_of_a_field(
    serve: Serve, probe: Probe, code: int, when: range
) -> None:
    asked = itertools.count()

    def blocked(request: Received) -> Any:
        if "param1" not in request.contacts[0]:
            return None
        # The longest is refused, and later something or everything else.
        refused = {0: 117}.get(at := next(asked), code if at in when else None)
        return refused and {"HTTP": 400, "code": refused}

    assert twisted(serve, probe, blocked)["max_field_length"] is None


@pytest.mark.parametrize(("code", "when"), [(305, range(4, 99)), (104, range(3, 4))])
def test_a_refusal_for_another_reason_is_no_limit_of_contacts(
    serve: Serve, probe: Probe, code: int, when: range
) -> None:
    asked = itertools.count()

    def blocked(request: Received) -> Any:
        if len(request.contacts) < 10:
            return None
        refused = {1: 305}.get(at := next(asked), code if at in when else None)
        return refused and {"HTTP": 400, "code": refused}

    assert twisted(serve, probe, blocked, "--sizes", numbers=MANY)["max_contacts"] is None
