"""What is sent and removed when a limit is exceeded is what the table in docs/sync.md says."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from tests.documentation import PROJECT
from tests.operators.nights import Nights, Rows, number, people
from tests.test_docs import table

#: Of 100 contacts one has opted out, one is missing, and one is new.
OPTED_OUT, MISSING, NEW = 0, 99, 5000
ROWS = people(*range(MISSING), NEW)
STOPS = people(OPTED_OUT, *range(1000, 1019))
UNREADABLE: Rows = [{"phone_number": "unreadable"}]

#: What exceeds the default of each limit of the table by one: its name, what it counts → rows, and opt-outs.
EXCEEDED: dict[tuple[str, str], tuple[Rows, Rows]] = {
    ("max_removed", "contacts missing from the rows"): (people(*range(89), NEW), STOPS),
    ("max_added", "contacts new to the list"): ([*ROWS, *people(*range(2000, 2100))], STOPS),
    ("max_opted_out", "contacts on the list that opted out"): (ROWS, [*STOPS, *people(*range(1, 11))]),
    ("min_opted_out", "opt-outs that can be read"): (ROWS, STOPS[:9]),
    ("max_rejected", "rejected rows (`invalid`, `refused`, `unconfirmed`, `other`)"): ([*ROWS, *UNREADABLE], STOPS),
    ("max_rejected", "opt-outs that cannot be read"): (ROWS, [*STOPS, *UNREADABLE]),
}


def documented() -> dict[tuple[str, str], tuple[str, str]]:
    page = (PROJECT / "docs" / "sync.md").read_text(encoding="utf-8")
    rows = table(page, "| limit | counts | a share is of | default | sent | removed |")
    return {(limit, counts): (sent, removed) for limit, counts, _, _, sent, removed in rows}


def test_every_limit_is_looked_at() -> None:
    assert documented().keys() == EXCEEDED.keys()


@pytest.mark.parametrize("limit", EXCEEDED, ids=" ".join)
def test_what_is_sent_and_removed(nights: Nights, limit: Any) -> None:
    nights.run(people(*range(100)), opted_out=people(*range(1000, 1020)))
    rows, stops = EXCEEDED[limit]
    with pytest.raises(AirflowFailException, match=limit[0]):
        nights.run(rows, opted_out=stops)
    sent, removed = documented()[limit]
    assert (number(NEW) in nights.on_list) is (sent != "nothing")
    assert (number(OPTED_OUT) not in nights.on_list) is (removed != "nothing")
    assert number(MISSING) in nights.on_list
