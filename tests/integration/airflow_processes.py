"""Airflow's own processes, in a home of their own: how they are started, asked and ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
import sqlalchemy

T = TypeVar("T")

#: Seconds after which a test gives up. How fast Airflow is on a busy machine is nothing that a test says.
PATIENCE = 300


def free_port() -> int:
    """Return a port that nothing listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_for(question: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """Ask until the answer is true; fails after some seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := question():
            return answer
        time.sleep(0.2)
    raise TimeoutError(f"{what} did not happen within {seconds:g} seconds")


@dataclass
class Airflow:
    """
    A running Airflow.

    :param home: its ``AIRFLOW_HOME``; what its processes print is in files ``*.log`` there.
    :param port: of API and UI, on 127.0.0.1.
    :param database: of its metadata, as SQLAlchemy's URL.
    """

    home: Path
    port: int
    database: str

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

    def query(self, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
        """Ask Airflow's own database; nothing comes back while it is being made."""
        engine = sqlalchemy.create_engine(self.database, poolclass=sqlalchemy.pool.NullPool)
        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.execute(sqlalchemy.text(sql), parameters)]
        except sqlalchemy.exc.OperationalError:
            return []

    def state(self, task_id: str) -> str | None:
        """Return the state of the newest try of a task."""
        rows = self.query("SELECT state FROM task_instance WHERE task_id = :task_id", task_id=task_id)
        return rows[0][0] if rows else None

    def result(self, task_id: str) -> Any:
        """Return a task's XCom ``return_value``."""
        ((value,),) = self.query(
            "SELECT value FROM xcom WHERE task_id = :task_id AND key = 'return_value'", task_id=task_id
        )
        # A database with a type for JSON has read it once already; Airflow may have written it as JSON in JSON, and
        # Airflow 2 writes bytes.
        while isinstance(value, str | bytes):
            value = json.loads(value)
        return value

    def output(self) -> str:
        """Return the end of what each of its processes has printed."""
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in sorted(self.home.glob("*.log")))


def environment(home: Path, dags: Path, port: int, variables: Mapping[str, str]) -> dict[str, str]:
    """
    Return the environment of Airflow's processes.

    :param home: ``AIRFLOW_HOME``.
    :param dags: folder of the Dags; they run as soon as they are there.
    :param port: of API and UI.
    :param variables: further environment variables, such as connections.
    """
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        # The scheduler may be at work long before the server is. Five tries a task has by default, and then it failed.
        "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": str(PATIENCE),
        "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "2",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        **variables,
    }


def write_dags(folder: Path, dags: Mapping[str, str]) -> None:
    """Write Dags, as file name → source, into a new folder."""
    folder.mkdir(parents=True)
    for name, source in dags.items():
        (folder / name).write_text(source)


@contextmanager
def running(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """
    Run an ``airflow`` command, and end it with all that it has started.

    :param arguments: after ``airflow``.
    :param log: file for what it prints.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", *arguments],
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process)


def ask_to_end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process with all of its group to end."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process with all of its session, kindly at first."""
    ask_to_end(process)
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    # Some leave the group, and Airflow 2's manager of Dag processors writes its title over its environment.
    for other in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getsid(other.pid) == process.pid:
                other.kill()
    process.wait()


@contextmanager
def nothing_left_of(home: Path) -> Iterator[None]:
    """
    End what is left of an Airflow: some of its processes leave the session of the one that started them.

    :param home: its ``AIRFLOW_HOME``, or the folder of all of its homes, which no other Airflow has.
    """
    try:
        yield
    finally:
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if Path(process.environ().get("AIRFLOW_HOME", "/")).is_relative_to(home):
                    process.kill()
                    process.wait(20)


def processes_that_talk_to(port: int, parent: int) -> list[psutil.Process]:
    """Find the processes of tasks: those below a process that hold a connection to the simulator."""
    found = []
    for process in psutil.Process(parent).children(recursive=True):
        try:
            connections = process.net_connections(kind="tcp")
        except psutil.Error:
            continue
        if any(c.raddr and c.raddr.port == port and c.status == psutil.CONN_ESTABLISHED for c in connections):
            found.append(process)
    return found
