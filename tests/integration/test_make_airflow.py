"""``make airflow``, as a newcomer runs it: it says where to look once there is something to be seen."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import airflow
import pytest
import requests

from tests.integration.airflow_processes import free_port

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        tuple(map(int, airflow.__version__.split(".")[:2])) < (3, 3), reason="it runs on the newest Airflow"
    ),
]

PROJECT = Path(__file__).parent.parent.parent


def test_it_says_three_addresses_at_which_there_is_something() -> None:
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
        # All of them are still on the screen: nothing else was printed but what it waits for.
        assert len(said) == 5, said
        addresses = [match[0] for line in said if (match := re.search(r"http://\S+", line))]
        try:
            answers = [requests.get(address, headers={"Accept": "text/html"}, timeout=30) for address in addresses]
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
    assert process.returncode == 0
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert all(answer.headers["Content-Type"].startswith("text/html") for answer in answers)
