"""Nights in which contacts are refused, the same ones again or all of them: who is delivered, and who is asked."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.payloads import ContactItem
from tests.delivery.apis import Payloads
from tests.delivery.runs import Server
from tests.operators.nights import Nights, Rows, check, number, people
from tests.pairs import pairs

#: What the documentation promises.
REFUSALS, PROBES = 60, 5


class Api(Server):
    """In place of HTTP, as some of these nights take thousands of requests."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: set[str] = set()

    def post_contacts(self, body: bytes) -> list[ContactItem]:
        """Answer a request as the hook does."""
        payloads: Payloads = msgspec.json.decode(body)["contacts"]
        self.sent.update(payload["phone_number"] for payload in payloads)
        return msgspec.convert(self(payloads), list[ContactItem])

    def delete_contacts(self, numbers: Sequence[str], *, list_name: str) -> None:  # noqa: ARG002 - there is one
        """Remove contacts."""
        self.stored.difference_update(numbers)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    one = Api()
    monkeypatch.setattr(OctopushHook, "post_contacts", lambda _, body: one.post_contacts(body))
    monkeypatch.setattr(
        OctopushHook, "delete_contacts", lambda _, *given, **named: one.delete_contacts(*given, **named)
    )
    return one


def run(nights: Nights, rows: Rows, **options: Any) -> dict[str, Any]:
    return nights.run(rows, max_rejected="100%", max_added=10_000, **options)


def phones(rows: Sequence[dict[str, Any]]) -> set[str]:
    return {row["phone_number"] for row in rows}


@pytest.mark.parametrize(("size", "place", "concurrency"), pairs([300, 1000, 4000], ["head", "middle"], [1, 4]))
def test_a_cluster_that_is_refused_each_night_costs_no_good_contact(
    nights: Nights, api: Api, size: int, place: str, concurrency: int
) -> None:
    good, bad, late = people(*range(10)), people(*range(1000, 1000 + size)), people(*range(500, 503))
    api.bad = frozenset(phones(bad))
    # More chunks than 60 requests reach.
    options = {"concurrency": concurrency, "chunk_size": size // 40}
    run(nights, good)
    for night, new in enumerate(late):
        before, after = ([], good) if place == "head" else (good[:5], good[5:])
        rows = [*before, *bad, *after, *late[: night + 1]]
        summary = run(nights, rows, **options)
        check(summary, read=len(rows), unchanged=10 + night, added=1, refused=size, kept=0, removed=0)
        assert new["phone_number"] in api.stored
    assert api.stored == phones(good) | phones(late)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_where_no_good_contact_is_known_the_night_fails_and_the_next_one_begins_as_it_did(
    nights: Nights, api: Api, concurrency: int
) -> None:
    good, bad = people(*range(10)), people(*range(1000, 3000))
    api.bad = frozenset(phones(bad))
    options = {"concurrency": concurrency, "chunk_size": 20}
    for _ in range(2):
        before = api.requests
        with pytest.raises(AirflowFailException, match="60 requests in a row were refused and none was accepted"):
            run(nights, [*bad, *good], **options)
        assert api.requests - before < REFUSALS + concurrency
    assert api.stored == set()
    summary = run(nights, [*good, *bad], **options)
    check(summary, added=10, refused=len(bad))


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_list_that_is_closed_ends_the_night_and_leaves_all_as_it_was(
    nights: Nights, api: Api, concurrency: int
) -> None:
    run(nights, people(*range(300)))
    before, api.is_closed = api.requests, True
    rows = [*people(*range(200), name="Ana"), *people(*range(200, 300)), *people(*range(400, 500))]
    with pytest.raises(AirflowFailException, match="requests in a row were refused and none was accepted"):
        run(nights, rows, concurrency=concurrency, chunk_size=3)
    assert api.requests - before < REFUSALS + PROBES + concurrency
    api.is_closed = False
    check(run(nights, rows), added=300, unchanged=100, kept=0, removed=0, snapshot_after=400)


@pytest.mark.parametrize("seed", range(25))
def test_nothing_is_sent_of_a_contact_that_opted_out_or_is_to_be_removed(nights: Nights, api: Api, seed: int) -> None:
    rng = random.Random(seed)
    held = rng.sample(range(30), 20)
    run(nights, people(*held))
    opted_out, there = rng.sample(held, rng.choice([1, 10, 19])), rng.sample(held, rng.choice([1, 10, 19]))
    bad = people(*range(1000, 1100))
    rows = [*people(*there), *bad]
    rng.shuffle(rows)
    api.bad = frozenset(phones(bad))
    api.sent.clear()
    known = set(there) - set(opted_out)
    options: dict[str, Any] = {
        "opted_out": [{"n": number(n)} for n in opted_out],
        "max_opted_out": "100%",
        "remove_missing": rng.choice([False, True]),
        "max_removed": "100%",
        "chunk_size": 1,
        "concurrency": rng.choice([1, 4]),
    }
    if known:
        check(run(nights, rows, **options), refused=100, unchanged=len(known))
    else:
        with pytest.raises(AirflowFailException, match="none was accepted"):
            run(nights, rows, **options)
    probes = api.sent - phones(bad)
    assert probes <= {number(n) for n in known}
    assert len(probes) == bool(known)
