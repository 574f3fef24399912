"""
Seeded runs of the operator against the simulator: dirty rows × behaviours × faults × kills, and what must hold after.

What a run should come to is known from how its rows were made, not from the code that is tried.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import phonenumbers
from airflow.providers.common.compat.sdk import AirflowFailException
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from airflow_provider_octopush.exceptions import OctopushError
from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from airflow_provider_octopush.outcomes import CREATE_OUTCOMES
from airflow_provider_octopush.payloads import ContactItem
from airflow_provider_octopush.simulator import Behaviour, Fault, Request, Simulator
from tests.airflow_runs import TaskInstance
from tests.interruptions import KilledError, MortalHook, Process

LIST = "Torture"
NONE_ACCEPTED = "requests in a row were refused and none was accepted"
REFUSED = (400, 409, 413, 422)
FIELDS = ("first_name", "last_name", "param1", "param5")
JUNK = (None, "", "  ", "n/a", "3.36E+10", "+33612345678 ext 5", "+999123456", "12", 3.5, b"\xff\xfe", True, "+")
NAMES = (
    "Zoé",
    "O'Brien",
    "{{ 7 * 6 }}",
    "=1+1",
    "'t Hart",
    "\u202eevil",
    "a,b;c",
    'say "hi"',
    "line\nbreak",
    "nan",
    "None",
)
FAULTS = (
    Fault.rate_limited("0"),
    Fault.server_error(500),
    Fault.server_error(502, "html"),
    Fault.server_error(503, "empty"),
    Fault(status=408),
    Fault(status=425),
    Fault.dropped(),
    Fault.answer_lost(),
    Fault.answer_cut(),
)
MOBILES = [
    example
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    if (example := phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)) is not None
    and phonenumbers.is_valid_number(example)
]


class ViolationError(AssertionError):
    """A run broke a promise."""


@dataclass
class Row:
    """A row, and what it should come to: a payload, or none when it is invalid."""

    values: dict[str, Any]
    payload: dict[str, str] | None


@dataclass
class Moods:
    """
    How a server changes from request to request.

    :param wordings: what it says of a contact that it refuses, in turn; ``{n}`` is the number of the request.
    :param limits: contacts that it takes in one request, each for ten requests.
    """

    simulator: Simulator
    wordings: list[str]
    limits: list[int]
    requests: int = 0

    def change(self) -> None:
        """Get ready for the next request."""
        self.requests += 1
        self.simulator.behaviour = replace(
            self.simulator.behaviour,
            refusal_message=self.wordings[self.requests % len(self.wordings)].replace("{n}", str(self.requests)),
            refusal_code=101 + self.requests % len(self.wordings),
            max_contacts=self.limits[self.requests // 10 % len(self.limits)],
        )


class MoodyHook(MortalHook):
    """Meets a server whose mood changes before each request."""

    def __init__(self, moods: Moods, lives: int | None, *, dies_after: bool) -> None:
        super().__init__(Process(), lives, dies_after=dies_after)
        self._moods = moods

    def post_contacts(self, body: bytes) -> list[ContactItem]:
        self._moods.change()
        return super().post_contacts(body)


def _written(number: phonenumbers.PhoneNumber, rng: random.Random) -> Any:
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    international = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
    return rng.choice(
        [
            e164,
            international,
            international.replace(" ", "\u00a0"),
            international.replace(" ", "."),
            phonenumbers.format_number(number, PhoneNumberFormat.RFC3966),
            f"00{e164[1:]}",
            f"'{e164}",
            int(e164[1:]),
            float(e164[1:]) if len(e164) < 16 else e164,
            f" {e164} ",
        ]
    )


def make_rows(rng: random.Random) -> list[Row]:
    """Invent rows: valid ones in any form, invalid ones, the same people twice."""
    people = rng.sample(MOBILES, rng.randrange(1, 60))
    rows = []
    for _ in range(rng.randrange(80)):
        values: dict[str, Any] = {}
        payload: dict[str, str] = {}
        for name in FIELDS:
            if rng.random() < 0.5:
                text = rng.choice(NAMES)
                values[name] = text
                payload[name] = text
            elif rng.random() < 0.3:
                values[name] = rng.choice([None, float("nan"), ""])
        if rng.random() < 0.1:
            values["phone_number"] = rng.choice(JUNK)
            rows.append(Row(values, None))
            continue
        person = rng.choice(people)
        values["phone_number"] = _written(person, rng)
        payload["phone_number"] = phonenumbers.format_number(person, PhoneNumberFormat.E164)
        if rng.random() < 0.03:
            values["param2"] = rng.choice([b"\xff", ["x"], float("inf")])
            rows.append(Row(values, None))
        else:
            rows.append(Row(values, payload))
    return rows


def make_behaviour(rng: random.Random, numbers: list[str], seed: int) -> Behaviour:
    """Choose how whatever is not documented turns out, and what goes wrong."""

    def some(share: float) -> frozenset[str]:
        return frozenset(number for number in numbers if rng.random() < share)

    return Behaviour(
        too_many_status=rng.choice([400, 413, 422]),
        order=rng.choice(["sent", "reversed", "shuffled"]),
        number_format=rng.choice(["sent", "digits", "groups"]),
        success_status=rng.choice([200, 201]),
        blacklisted=some(rng.choice([0, 0, 0.2])),
        removed_in_items=rng.random() < 0.5,
        unmentioned=some(rng.choice([0, 0, 0, 0.1, 0.1, 1.0])),
        statuses={number: rng.choice(["queued", "error", "OK", ""]) for number in some(rng.choice([0, 0, 0.1, 1.0]))},
        refused=some(rng.choice([0, 0, 0.03, 0.3, 0.8, 1.0])),
        refusal_status=rng.choice([400, 409, 422]),
        repair=rng.random() < 0.5,
        fault_rate=rng.choice([0.0, 0.0, 0.05, 0.2]),
        faults=FAULTS,
        seed=seed,
    )


def make_moods(rng: random.Random, simulator: Simulator) -> Moods:
    """Choose how a server changes its words, and the number of contacts that it takes."""
    return Moods(
        simulator,
        rng.choice(
            [["bad"], ["{phone_number} of {first_name} {last_name}"], ["bad, incident {n}"], ["bad", "not allowed"]]
        ),
        rng.choice([[1], [3], [7], [500], [500], [500, 3, 1, 20], [2, 500]]),
    )


def check(condition: bool, promise: str) -> None:
    """Fail with the promise that was broken."""
    if not condition:
        raise ViolationError(promise)


def torture(seed: int, simulator: Simulator, folder: Path) -> str:
    """
    Do one run, with as many tries as it takes, and check every promise.

    :param seed: makes the run.
    :param simulator: is reset.
    :param folder: where the rejects file may be written.
    :return: how the run ended: ``succeeded``, ``rejected``, ``refused`` or ``gave up``.
    :raises ViolationError: when a promise was broken.
    """
    rng = random.Random(seed)
    rows = make_rows(rng)
    numbers = sorted({row.payload["phone_number"] for row in rows if row.payload})
    behaviour = make_behaviour(rng, numbers, seed)
    simulator.reset(behaviour)
    moods = make_moods(rng, simulator)
    options: dict[str, Any] = {
        "chunk_size": rng.choice([1, 2, 7, 50, 200]),
        "concurrency": rng.choice([1, 1, 2, 3, 8]),
        "max_rejected": rng.choice([0, 3, "50%", "100%", "100%"]),
        "auto_remove_blacklisted_numbers": rng.choice([None, True, False]),
        "do_not_overwrite": rng.choice([None, True, False]),
        # Some rows hold numbers as integers, which have no plus.
        "number_format": "international",
        "rejects_path": str(folder / "rejects.csv"),
    }
    shuffles = rng.random() < 0.15
    ending = "gave up"
    summary: dict[str, Any] | None = None
    first_of_each: dict[str, dict[str, str]] = {}
    for try_number in range(1, 8):
        if shuffles:
            rng.shuffle(rows)
        first_of_each = {}
        for row in rows:
            if row.payload:
                first_of_each.setdefault(row.payload["phone_number"], row.payload)
        lives = rng.randrange(12) if rng.random() < 0.4 and try_number < 7 else None
        ti = TaskInstance(try_number, max_tries=9)
        operator = CreateContactsOperator(task_id="torture", data=_batches(rows, rng), list_name=LIST, **options)
        operator.__dict__["hook"] = MoodyHook(moods, lives, dies_after=rng.random() < 0.5)
        context: Any = {"ti": ti}
        requests_before = len(simulator.requests)
        try:
            summary = operator.execute(context)
            ending = "succeeded"
        except KilledError:
            continue
        except AirflowFailException as error:
            summary = ti.pushed.get("return_value")
            ending = "rejected" if summary is not None else "refused"
            check(ending == "rejected" or NONE_ACCEPTED in str(error), f"no reason to give up: {error}")
            if ending == "refused":
                _check_none_accepted(simulator.requests[requests_before:])
        except OctopushError:
            continue
        finally:
            check(simulator.max_in_flight <= options["concurrency"], "more requests under way than allowed")
            _check_refusals(simulator.requests[requests_before:], options["concurrency"])
        break
    _check_list(simulator, rows, first_of_each, shuffles=shuffles)
    if summary is not None:
        _check_summary(summary, rows, first_of_each, behaviour, options, simulator)
        _check_state(ending, summary, options)
        _check_rejects(folder / "rejects.csv", summary)
    return ending


def _batches(rows: list[Row], rng: random.Random) -> list[list[dict[str, Any]]]:
    size = rng.choice([1, 10, 100])
    return [[row.values for row in rows[start : start + size]] for start in range(0, len(rows), size)] or [
        [{"phone_number": None}][:0]
    ]


def _check_refusals(requests: Sequence[Request], concurrency: int) -> None:
    in_a_row = 0
    for request in requests:
        # What failed in passing says nothing; what was stored may have been accepted although its answer was lost.
        if request.stored or request.status in (200, 201):
            in_a_row = 0
        elif request.status in REFUSED:
            in_a_row += 1
        check(in_a_row <= 65 + 2 * concurrency, "a try went on although everything was refused")


def _check_none_accepted(requests: Sequence[Request]) -> None:
    # Who is refused here stays refused, so one that was accepted would have been accepted again.
    check(not any(request.status in (200, 201) for request in requests), "a try ended although a good contact is known")
    # A refusal that is cut behind its status is one, and was not sent whole.
    refused = sum(request.status in (*REFUSED, None) for request in requests)
    check(refused >= 60, "a try ended after fewer than 60 refusals")


def _check_list(
    simulator: Simulator,
    rows: list[Row],
    first_of_each: Mapping[str, dict[str, str]],
    *,
    shuffles: bool,
) -> None:
    for number, contact in simulator.contacts.items():
        held = {"phone_number": number, **{k: v for k, v in contact.fields.items() if v is not None}}
        if not shuffles:
            check(held == first_of_each.get(number), "the list holds another payload than that of the first row")
            continue
        # In another order another row of a number is the first one, and an update leaves the fields it does not name.
        payloads = [row.payload for row in rows if row.payload and row.payload["phone_number"] == number]
        check(
            all(any(payload.get(name) == value for payload in payloads) for name, value in held.items()),
            "the list holds what was not in the input",
        )


def _check_summary(
    summary: Mapping[str, Any],
    rows: list[Row],
    first_of_each: Mapping[str, dict[str, str]],
    behaviour: Behaviour,
    options: Mapping[str, Any],
    simulator: Simulator,
) -> None:
    valid = [row for row in rows if row.payload]
    check(summary["read"] == len(rows), "not every row was counted as read")
    check(summary["read"] == sum(summary[name] for name in CREATE_OUTCOMES), "the law of the counts")
    check(summary["invalid"] == len(rows) - len(valid), "invalid rows")
    check(summary["duplicates"] == len(valid) - len(first_of_each), "duplicates")
    distinct = set(first_of_each)
    removed = (behaviour.blacklisted if options["auto_remove_blacklisted_numbers"] else frozenset()) & distinct
    refused = behaviour.refused & distinct
    removed -= refused
    stored = distinct - refused - removed
    check(summary["refused"] == len(refused), "refused contacts")
    answered = (stored | removed if behaviour.removed_in_items else stored) - behaviour.unmentioned
    check(summary["unconfirmed"] == len((stored | removed) - answered), "unconfirmed contacts")
    queued = (behaviour.statuses.keys() | removed) & answered
    check(summary["other"] == len(queued), "other statuses")
    check(simulator.lists.get(LIST, set()) == stored, "a contact is neither on the list nor accounted for")
    texts = json.dumps(summary, ensure_ascii=False)
    check(not any(number[1:] in texts for number in distinct), "a phone number in the summary")
    check(not any(name in texts for name in ("Zoé", "O'Brien", "evil")), "a name in the summary")


def _check_state(ending: str, summary: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    rejected = summary["invalid"] + summary["refused"] + summary["other"]
    missing = summary["unconfirmed"]
    answered = sum(summary[name] for name in ("added", "updated", "skipped", "other"))
    is_few = 10 * missing <= answered + missing or (missing <= 5 and missing <= answered)
    if not (options["auto_remove_blacklisted_numbers"] and is_few):
        rejected += missing
    allowed = options["max_rejected"]
    is_share = isinstance(allowed, str)
    too_many = rejected > (int(allowed.removesuffix("%")) / 100 * summary["read"] if is_share else allowed)
    check((ending == "rejected") is too_many, "the state of the task does not agree with max_rejected")


def _check_rejects(path: Path, summary: Mapping[str, Any]) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        outcomes = [line["outcome"] for line in csv.DictReader(file)]
    for outcome in ("invalid", "duplicates", "refused", "unconfirmed", "other"):
        check(
            outcomes.count(outcome) == summary[outcome], f"the rejects file does not hold the rows that are {outcome}"
        )
