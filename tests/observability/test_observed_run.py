from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_provider_octopush.outcomes import CREATE_OUTCOMES
from airflow_provider_octopush.simulator import Simulator
from tests.airflow_runs import run_module
from tests.databases import POSTGRES, connect_postgres, require_postgres

pytestmark = pytest.mark.integration

CUSTOMERS = [("+33698765432", "Balthazar"), ("+33698765433", "Zenobia"), ("n/a", "Cornelius")]
PERSONAL = re.compile("|".join([r"98\D?76\D?54", *(name for _, name in CUSTOMERS)]))
EMITTED = {"query": "success", "too_many_rejected": "failed", "validated": "success", "function": "success"}


@dataclass
class Observed:
    """
    What was seen of a run from outside of Airflow.

    :param states: task → its state.
    :param output: what the process printed.
    :param hook_outputs: URIs of the assets that hooks reported as outputs.
    :param hook_extras: what else they reported.
    :param events: OpenLineage's, as they were written.
    :param packets: that came to the StatsD port.
    """

    states: dict[str, str]
    output: str
    hook_outputs: list[str]
    hook_extras: list[dict[str, Any]]
    events: list[dict[str, Any]]
    packets: list[str] = field(default_factory=list)

    def event(self, task_id: str) -> dict[str, Any]:
        """Return what was emitted when a task had ended."""
        (event,) = [
            event
            for event in self.events
            if event["job"]["name"] == f"observed.{task_id}" and event["eventType"] in ("COMPLETE", "FAIL")
        ]
        return event

    def metrics(self, name: str) -> list[str]:
        """Return the values and types that came by the name of a metric."""
        return [packet.partition(":")[2] for packet in self.packets if packet.partition(":")[0] == f"airflow.{name}"]


@pytest.fixture(scope="module")
def observed(running_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    require_postgres()
    running_simulator.reset()
    folder = tmp_path_factory.mktemp("observed")
    events = folder / "events.jsonl"
    with closing(connect_postgres()) as connection, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd:
        cursor = connection.cursor()
        cursor.execute("DROP SCHEMA IF EXISTS octopush_observed CASCADE")
        cursor.execute("CREATE SCHEMA octopush_observed")
        cursor.execute("CREATE TABLE octopush_observed.customers (mobile text, name text)")
        cursor.executemany("INSERT INTO octopush_observed.customers VALUES (%s, %s)", CUSTOMERS)
        statsd.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        statsd.bind(("127.0.0.1", 0))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "airflow" / "dags"),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(statsd.getsockname()[1]),
            "AIRFLOW__METRICS__METRICS_ALLOW_LIST": "octopush",
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
                {"type": "file", "log_file_path": str(events), "append": True}
            ),
            "AIRFLOW_CONN_WAREHOUSE": json.dumps(POSTGRES),
            "AIRFLOW_CONN_OCTOPUSH_DEFAULT": json.dumps(
                {
                    "conn_type": "octopush",
                    "host": running_simulator.url,
                    "login": running_simulator.login,
                    "password": running_simulator.key,
                }
            ),
        }
        output, said = run_module("tests.observability.lineage_dags", environment)
        seen = Observed(
            said["states"],
            output,
            said["outputs"],
            said["extras"],
            [json.loads(line) for line in events.read_text().splitlines()],
        )
        statsd.setblocking(False)
        try:
            while True:
                seen.packets += statsd.recv(65536).decode().splitlines()
        except BlockingIOError:
            pass
        yield seen
        cursor.execute("DROP SCHEMA octopush_observed CASCADE")


def test_what_is_observed_does_not_change_the_run(observed: Observed) -> None:
    assert observed.states == EMITTED, observed.output[-5000:]


class TestOpenLineage:
    def test_a_query_s_tables_are_the_input_and_the_list_is_the_output(self, observed: Observed) -> None:
        event = observed.event("query")
        assert event["eventType"] == "COMPLETE"
        (source,) = event["inputs"]
        assert source["namespace"] == f"postgres://{POSTGRES['host']}:{POSTGRES['port']}"
        assert source["name"] == f"{POSTGRES['schema']}.octopush_observed.customers"
        (target,) = event["outputs"]
        assert (target["namespace"], target["name"]) == ("octopush://octopush_default", "Clients fidèles")
        assert target["outputFacets"]["outputStatistics"]["rowCount"] == 2
        assert event["job"]["facets"]["sql"]["query"].startswith("SELECT mobile AS phone_number")

    def test_the_counts_of_the_run_are_a_facet(self, observed: Observed) -> None:
        facet = observed.event("query")["run"]["facets"]["octopush_contacts"]
        assert (facet["read"], facet["added"] + facet["updated"], facet["invalid"], facet["requests"]) == (3, 2, 1, 1)
        assert facet["read"] == sum(facet[name] for name in CREATE_OUTCOMES)

    def test_a_task_that_fails_for_its_rejects_says_what_it_did(self, observed: Observed) -> None:
        event = observed.event("too_many_rejected")
        assert event["eventType"] == "FAIL"
        assert event["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == 2
        assert event["run"]["facets"]["octopush_contacts"]["invalid"] == 1

    def test_nothing_was_written_where_nothing_was_sent(self, observed: Observed) -> None:
        event = observed.event("validated")
        assert event["outputs"] == []
        assert len(event["inputs"]) == 1
        assert event["run"]["facets"]["octopush_contacts"]["dry_run"] is True

    def test_a_function_s_input_is_what_its_hooks_report_and_the_inlets(self, observed: Observed) -> None:
        event = observed.event("function")
        assert [(data["namespace"], data["name"]) for data in event["inputs"]] == [
            ("octopush://octopush_default", "Prospects")
        ]
        assert [data["name"] for data in event["outputs"]] == ["Winners"]
        queries = [
            event["job"]["facets"]["sql"]["query"]
            for event in observed.events
            if event["job"]["name"].startswith("observed.function.") and "sql" in event["job"]["facets"]
        ]
        # dag.test() runs all tasks in one process, so the others' queries may be there too.
        assert "SELECT name, mobile FROM octopush_observed.customers" in queries

    def test_nobody_is_in_the_events(self, observed: Observed) -> None:
        assert not PERSONAL.findall(json.dumps(observed.events, ensure_ascii=False))


class TestHookLineage:
    def test_the_lists_that_were_written_to_are_outputs(self, observed: Observed) -> None:
        assert observed.hook_outputs == [
            "octopush://octopush_default/Clients%20fid%C3%A8les",
            "octopush://octopush_default/Clients%20fid%C3%A8les",
            "octopush://octopush_default/Winners",
        ]

    def test_queries_are_reported_as_the_common_sql_provider_does(self, observed: Observed) -> None:
        ours = [extra for extra in observed.hook_extras if "AS phone_number" in extra["sql"]]
        assert len(ours) == 3
        assert {extra["row_count"] for extra in ours} == {3}
        assert "sql_parameters" not in ours[0]


class TestMetrics:
    def test_each_outcome_of_each_run_that_sent_something_is_counted(self, observed: Observed) -> None:
        assert sorted(observed.metrics("octopush.contacts.added")) == ["0|c", "0|c", "2|c"]
        assert sorted(observed.metrics("octopush.contacts.updated")) == ["0|c", "2|c", "2|c"]
        assert sorted(observed.metrics("octopush.contacts.invalid")) == ["1|c", "1|c", "1|c"]
        assert {name: len(observed.metrics(f"octopush.contacts.{name}")) for name in CREATE_OUTCOMES} == dict.fromkeys(
            CREATE_OUTCOMES, 3
        )

    def test_requests_retries_and_duration(self, observed: Observed) -> None:
        assert observed.metrics("octopush.requests") == ["1|c"] * 3
        assert observed.metrics("octopush.retries") == ["0|c"] * 3
        milliseconds = [float(value.removesuffix("|ms")) for value in observed.metrics("octopush.duration")]
        assert len(milliseconds) == 3
        assert all(0 < value < 60_000 for value in milliseconds)
