"""``make airflow``, as a newcomer runs it: it says where to look once there is something to be seen."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import airflow
import pytest
import requests

from tests.integration.airflow_processes import free_port, wait_for

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        tuple(map(int, airflow.__version__.split(".")[:2])) < (3, 3), reason="it runs on the newest Airflow"
    ),
]

PROJECT = Path(__file__).parent.parent.parent


@contextmanager
def make_airflow() -> Iterator[list[str]]:
    """Run it; gives what it says until it is up."""
    environment = {**os.environ, "PORT": str(free_port()), "SIMULATOR_PORT": str(free_port())}
    with subprocess.Popen(
        [sys.executable, "demo/airflow_ui.py"], cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ctrl-C" in line:
                break
        try:
            yield said
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
    assert process.returncode == 0


def addresses(said: list[str]) -> list[str]:
    return [match[0] for line in said if (match := re.search(r"http://\S+", line))]


def check_there_is_something(said: list[str]) -> None:
    # All of them are still on the screen: nothing else was printed but what it waits for.
    assert len(said) == 5, said
    answers = [requests.get(address, headers={"Accept": "text/html"}, timeout=30) for address in addresses(said)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert all(answer.headers["Content-Type"].startswith("text/html") for answer in answers)


def test_it_says_three_addresses_and_the_synced_list_is_green_whatever_was_run_before() -> None:
    """The simulator is new each time, at another address: what an earlier one held is no snapshot of its lists."""
    for is_first in (True, False):
        if not is_first:
            subprocess.run([sys.executable, "demo/run.py"], cwd=PROJECT, capture_output=True, check=True)
        with make_airflow() as said:
            check_there_is_something(said)
            url, _, simulator = addresses(said)
            assert wait_for(run_of_synced_list(url), "the end of the run") == "success"
            held = requests.get(simulator, headers={"Accept": "application/json"}, timeout=30).json()
            assert len(held["lists"]["Newsletter"]) > 2000


def run_of_synced_list(url: str) -> Callable[[], str | None]:
    """Trigger a run; returns what asks for the state in which it has ended."""
    token = requests.get(f"{url}/auth/token", timeout=30).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}

    def api(method: str, path: str, **body: Any) -> Any:
        answer = requests.request(
            method, f"{url}/api/v2/dags/synced_list{path}", headers=headers, json=body or None, timeout=30
        )
        return answer.json() if answer.ok else None

    wait_for(lambda: api("PATCH", "", is_paused=False), "the Dag's discovery")
    run_id = api("POST", "/dagRuns", logical_date=None)["dag_run_id"]

    def state() -> str | None:
        found: str = api("GET", f"/dagRuns/{run_id}")["state"]
        return found if found in ("success", "failed") else None

    return state
