"""``make airflow``, as a newcomer runs it: it says where to look once there is something to be seen."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import airflow
import pytest
import requests

from tests.integration.airflow_processes import PATIENCE, free_port, wait_for

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        tuple(map(int, airflow.__version__.split(".")[:2])) < (3, 3), reason="it runs on the newest Airflow"
    ),
]

PROJECT = Path(__file__).parent.parent.parent


NEW_DAG = """
from airflow.providers.common.compat.sdk import DAG

with DAG("of_my_own", schedule=None):
    pass
"""


@contextmanager
def make_airflow(project: Path) -> Iterator[list[str]]:
    """Run it; gives what it says until it is up."""
    environment = {**os.environ, "PORT": str(free_port()), "SIMULATOR_PORT": str(free_port())}
    with subprocess.Popen(
        [sys.executable, "demo/airflow_ui.py"], cwd=project, env=environment, stdout=subprocess.PIPE, text=True
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


def check_there_is_something(said: list[str]) -> list[str]:
    """Look at each address that is said; returns them."""
    # All of them are still on the screen.
    assert len(said) <= 12, said
    *pages, api = re.findall(r"http://\S+", "".join(said))
    answers = [requests.get(address, headers={"Accept": "text/html"}, timeout=PATIENCE) for address in pages]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert all(answer.headers["Content-Type"].startswith("text/html") for answer in answers)
    (credentials,) = re.findall(r"API login (\S+), API key ([\w-]+)", "".join(said))
    headers = dict(zip(("api-login", "api-key"), credentials, strict=True))
    assert requests.get(f"{api}/wallet/check-balance", headers=headers, timeout=PATIENCE).status_code == 200
    return pages


def test_what_it_says_is_there_and_the_dag_it_names_is_green_whatever_was_run_before(tmp_path: Path) -> None:
    """The simulator is new each time, at another address: what an earlier one held is no snapshot of its lists."""
    for folder in ("demo", "dags_examples"):
        shutil.copytree(PROJECT / folder, tmp_path / folder)
    snapshot = tmp_path / ".demo" / "airflow" / "snapshots" / "newsletter.snapshot"
    snapshot.parent.mkdir(parents=True)
    snapshot.write_text("no snapshot of this list")
    with make_airflow(tmp_path) as said:
        url, _, simulator = check_there_is_something(said)
        assert "Trigger the Dag synced_list" in "".join(said)
        assert wait_for(run_of_synced_list(url), "the end of the run") == "success"
        held = requests.get(simulator, headers={"Accept": "application/json"}, timeout=PATIENCE).json()
        assert len(held["lists"]["Newsletter"]) > 2000
        (tmp_path / "dags_examples" / "mine.py").write_text(NEW_DAG)
        # Seconds, and some for a machine that is busy: by default, Airflow looks every five minutes.
        wait_for(partial(api_of(url), "GET", "of_my_own"), "the new Dag", seconds=60)
    assert b"no snapshot" not in snapshot.read_bytes(), "it is kept somewhere else, so that this test says nothing"


def api_of(url: str) -> Callable[..., Any]:
    """Return what asks about Dags."""
    token = requests.get(f"{url}/auth/token", timeout=PATIENCE).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}

    def api(method: str, path: str, **body: Any) -> Any:
        answer = requests.request(
            method, f"{url}/api/v2/dags/{path}", headers=headers, json=body or None, timeout=PATIENCE
        )
        return answer.json() if answer.ok else None

    return api


def run_of_synced_list(url: str) -> Callable[[], str | None]:
    """Trigger a run; returns what asks for the state in which it has ended."""
    api = api_of(url)
    wait_for(lambda: api("PATCH", "synced_list", is_paused=False), "the Dag's discovery")
    run_id = api("POST", "synced_list/dagRuns", logical_date=None)["dag_run_id"]

    def state() -> str | None:
        found: str = api("GET", f"synced_list/dagRuns/{run_id}")["state"]
        return found if found in ("success", "failed") else None

    return state
