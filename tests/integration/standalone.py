"""A whole Airflow of its own: scheduler, Dag processor and API server, with a home in a temporary folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def free_port() -> int:
    """Return a port that nothing listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_for(question: Callable[[], T], seconds: float, what: str) -> T:
    """Ask until the answer is true; fails after some seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := question():
            return answer
        time.sleep(0.2)
    raise TimeoutError(f"{what} did not happen within {seconds:g} seconds")


@dataclass
class Standalone:
    """
    A running ``airflow standalone``.

    :param home: its ``AIRFLOW_HOME``.
    :param port: of API and UI, on 127.0.0.1.
    :param process: the process to which all others belong.
    """

    home: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Return the address of the UI."""
        return f"http://127.0.0.1:{self.port}"

    def is_open(self) -> bool:
        """Return whether the UI's port is open; "Airflow is ready", which is printed, does not mean that."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def query(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Ask Airflow's own database."""
        uri = f"file:{self.home}/airflow.db?mode=ro"
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=10)) as connection:
                return connection.execute(sql, parameters).fetchall()
        except sqlite3.OperationalError:
            return []

    def state(self, task_id: str) -> str | None:
        """Return the state of the newest try of a task."""
        rows = self.query("SELECT state FROM task_instance WHERE task_id = ?", task_id)
        return rows[0][0] if rows else None

    def result(self, task_id: str) -> Any:
        """Return a task's XCom ``return_value``."""
        ((value,),) = self.query("SELECT value FROM xcom WHERE task_id = ? AND key = 'return_value'", task_id)
        return json.loads(json.loads(value)) if isinstance(json.loads(value), str) else json.loads(value)

    def output(self) -> str:
        """Return what all its processes have printed."""
        return (self.home / "output.log").read_text(errors="replace")


@contextmanager
def standalone(home: Path, dags: Mapping[str, str], variables: Mapping[str, str]) -> Iterator[Standalone]:
    """
    Run ``airflow standalone``.

    :param home: an empty folder.
    :param dags: file name → source of a Dag; Dags run as soon as they are there.
    :param variables: further environment variables, such as connections.
    """
    (home / "dags").mkdir(parents=True)
    for name, source in dags.items():
        (home / "dags" / name).write_text(source)
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        **variables,
    }
    command = [sys.executable, "-m", "airflow", "standalone"]
    with (home / "output.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield Standalone(home, port, process)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
