"""
What both demos stand on: a simulator, a warehouse, and an Airflow with a home of its own.

Each demo has a folder below ``.demo/``, so that neither finds what the other has left, and both can run at a time.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import warehouse

PROJECT = Path(__file__).resolve().parent.parent
CUSTOMERS = 3000
SEED = 1
#: What the simulator takes, if it is not told another.
API_LOGIN, API_KEY = "demo@example.com", "demo-key"
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def clean_up_when_stopped() -> None:
    """Make a KeyboardInterrupt of whatever stops this process, so that it ends what it has started."""
    for number in STOPPING:
        signal.signal(number, _stop)


def _stop(_signal: int, _frame: object) -> None:
    # A second Ctrl-C, or make passing on the first one, would break off the cleaning up.
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def simulator(port: int = 0) -> Iterator[str]:
    """Run the simulator as a process of its own; gives the API's base URL."""
    command = [sys.executable, "-m", "airflow_provider_octopush.simulator", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise RuntimeError("the simulator did not start")
            yield line.split()[2]
        finally:
            process.terminate()


def look_into(url: str) -> dict[str, Any]:
    """Return what the simulated account holds."""
    root = url.removesuffix("/v1/public")
    held: dict[str, Any] = requests.get(f"{root}/simulator", timeout=10).json()
    return held


def folder_of(demo: str) -> Path:
    """Return the folder of a demo."""
    folder = PROJECT / ".demo" / demo
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def make_warehouse(folder: Path, day: dt.date) -> Path:
    """Make the warehouse of a day."""
    path = folder / "warehouse.sqlite"
    warehouse.make(path, CUSTOMERS, SEED, day)
    return path


def forget_snapshots(folder: Path) -> None:
    """Forget what lists held, and that Dags have run: a new simulator holds nothing."""
    shutil.rmtree(folder / "snapshots", ignore_errors=True)
    (folder / "home" / "airflow.db").unlink(missing_ok=True)


def environment(folder: Path, url: str, database: Path) -> dict[str, str]:
    """Return the environment in which Airflow finds Dags, connections and a home in a demo's folder."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    octopush = {
        "conn_type": "octopush",
        "host": url,
        "login": API_LOGIN,
        "password": API_KEY,
        "extra": {"snapshot_secret": "a demo has no secrets but 32 characters"},
    }
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags_examples"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_OCTOPUSH_DEFAULT": json.dumps(octopush),
        "AIRFLOW_CONN_WAREHOUSE": json.dumps({"conn_type": "sqlite", "host": str(database)}),
        "AIRFLOW_VAR_OCTOPUSH_REJECTS": str(folder),
        "AIRFLOW_VAR_OCTOPUSH_SNAPSHOTS": str(folder / "snapshots"),
    }
