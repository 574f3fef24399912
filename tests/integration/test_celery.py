from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import airflow
import pytest

from airflow_provider_octopush.outcomes import CREATE_OUTCOMES
from airflow_provider_octopush.simulator import Behaviour, Simulator
from tests import databases
from tests.integration.airflow_processes import wait_for
from tests.integration.celery_workers import CeleryAirflow, Worker, celery_airflow, connections, postgres_database

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        tuple(map(int, airflow.__version__.split(".")[:2])) < (3, 3),
        reason="Airflow keeps progress between tries from 3.3 on",
    ),
]

PROJECT = Path(__file__).parent.parent.parent
CHUNK, CONCURRENCY, POOL = 200, 2, 4
CONTACTS, DUPLICATES, INVALID = 8000, 300, 60


@pytest.fixture
def database() -> Iterator[dict[str, Any]]:
    databases.require_postgres()
    databases.require_redis()
    with postgres_database() as database:
        yield database


def number(contact: int) -> str:
    return f"+3361{contact:07}"


def rows() -> Iterator[tuple[int, str, str]]:
    """Customers, some of them twice, the number in another form: id, number, country."""
    for contact in range(CONTACTS):
        yield contact, number(contact), "FR"
    for position in range(DUPLICATES):
        digits = number(position * 17)[3:]
        yield CONTACTS + position, f"0{digits[0]} {digits[1:3]} {digits[3:5]} {digits[5:7]} {digits[7:]}", "FR"
    for position in range(INVALID):
        yield CONTACTS + DUPLICATES + position, "n/a", "FR"


def make_warehouse(database: dict[str, Any]) -> None:
    import psycopg2

    with closing(psycopg2.connect(**database)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, mobile TEXT, country TEXT, loyalty_tier TEXT)")
        cursor.executemany("INSERT INTO customers (id, mobile, country) VALUES (%s, %s, %s)", list(rows()))


def impatient_example() -> str:
    """The example Dag, but that its retries do not wait for minutes."""
    source = (PROJECT / "dags_examples" / "key_ranges.py").read_text(encoding="utf-8")
    assert source.count("minutes=5") == 1
    return source.replace("minutes=5", "seconds=1")


def test_a_worker_that_dies_costs_the_list_nothing(
    simulator: Simulator, database: dict[str, Any], tmp_path: Path
) -> None:
    make_warehouse(database)
    numbers = {number(contact) for contact in range(CONTACTS)}
    simulator.reset(Behaviour(latency=1))
    variables = {**connections(database, simulator), "AIRFLOW_VAR_OCTOPUSH_REJECTS": str(tmp_path / "rejects")}
    dags = {"key_ranges.py": impatient_example()}
    with celery_airflow(tmp_path / "airflow", database, dags, variables, pools={"octopush": POOL}) as running:
        running.trigger("key_ranges")
        dead = kill_in_the_middle(simulator, running)
        wait_for(lambda: running.run_state("key_ranges") in ("success", "failed"), "the end of the run")
        assert running.run_state("key_ranges") == "success"
        merged = running.result("merge")
        tries = Counter(running.query("SELECT try_number FROM task_instance WHERE task_id = 'sync'"))
    (survivor,) = (worker for worker in running.workers if worker is not dead)

    # The list is complete, and the summary of all parts true.
    assert simulator.lists["Customers"] == numbers
    assert merged["read"] == CONTACTS + DUPLICATES + INVALID == sum(merged[name] for name in CREATE_OUTCOMES)
    assert (merged["duplicates"], merged["invalid"]) == (DUPLICATES, INVALID)
    assert merged["added"] + merged["updated"] == CONTACTS
    assert merged["rejects_path"] == (tmp_path / "rejects" / f"customers-{dt.datetime.now(dt.UTC):%Y-%m-%d}").as_uri()

    # What the dead worker had begun was ended by the other, and nothing else began again.
    began_again = tries[(2,)]
    assert 1 <= began_again <= POOL // CONCURRENCY
    assert tries[(1,)] == 4 - began_again
    assert len(dead.tries("sync")) >= began_again
    assert Counter(number for _, number in survivor.tries("sync"))[2] == began_again

    # Only the parts that died are sent again, and the pool holds the rate all the while.
    sent = Counter(number for request in simulator.requests for number in request.contacts)
    assert sent.keys() == numbers
    assert max(sent.values()) <= 2
    assert simulator.max_in_flight <= POOL


def kill_in_the_middle(simulator: Simulator, running: CeleryAirflow) -> Worker:
    """Kill the worker that does most, when all tasks that the pool allows are sending; returns it."""

    def all_that_may_are_sending() -> list[int] | None:
        tasks = [worker.tasks_that_talk_to(simulator.port) for worker in running.workers]
        begun = len(simulator.lists.get("Customers", ())) > 4 * CHUNK
        return tasks if begun and sum(tasks) == POOL // CONCURRENCY else None

    tasks = wait_for(all_that_may_are_sending, "the middle of the run") or []
    dead = running.workers[tasks.index(max(tasks))]
    dead.kill()
    assert len(simulator.lists["Customers"]) < CONTACTS
    return dead
