"""
An Airflow on several machines, as far as one machine can be several.

The CeleryExecutor with Redis and PostgreSQL, and workers that share nothing but these, the Dags and the network: each
has a home of its own.
"""

from __future__ import annotations

import datetime as dt
import json
import secrets
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import requests

from airflow_provider_octopush.simulator import Simulator
from tests import databases
from tests.integration.airflow_processes import (
    Airflow,
    ask_to_end,
    environment,
    free_port,
    nothing_left_of,
    processes_that_talk_to,
    running,
    wait_for,
    write_dags,
)

#: A task whose worker sends no heartbeat for so many seconds is given to another one; 300 by default.
HEARTBEAT_TIMEOUT = 15


@dataclass
class Worker:
    """
    A running ``airflow celery worker``.

    :param home: its ``AIRFLOW_HOME``.
    :param process: the process to which all others of it belong.
    """

    home: Path
    process: subprocess.Popen[bytes]

    def tasks_that_talk_to(self, port: int) -> int:
        """Count its tasks that hold a connection to the simulator."""
        return len(processes_that_talk_to(port, self.process.pid))

    def kill(self) -> None:
        """Kill the worker with its tasks, as if its machine lost power."""
        worker = psutil.Process(self.process.pid)
        for process in [worker, *worker.children(recursive=True)]:
            process.kill()

    def tries(self, task_id: str) -> set[tuple[int, int]]:
        """Return map index and number of all tries of a mapped task that ran here."""
        logs = self.home.glob(f"logs/**/task_id={task_id}/map_index=*/attempt=*.log")
        return {
            (int(path.parent.name.removeprefix("map_index=")), int(path.stem.removeprefix("attempt="))) for path in logs
        }


@dataclass
class CeleryAirflow(Airflow):
    """
    A running Airflow with Celery workers.

    :param workers: its workers.
    """

    workers: list[Worker]

    def trigger(self, dag_id: str) -> None:
        """Start a run of a Dag, as soon as Airflow knows it."""
        url = f"http://127.0.0.1:{self.port}"

        def triggered() -> bool:
            try:
                token = requests.get(f"{url}/auth/token", timeout=10).json()["access_token"]
                response = requests.post(
                    f"{url}/api/v2/dags/{dag_id}/dagRuns",
                    json={"logical_date": dt.datetime.now(dt.UTC).isoformat()},
                    headers={"Authorization": f"Bearer {token}"},
                    timeout=10,
                )
            except requests.ConnectionError:
                return False
            if response.status_code == requests.codes.not_found:
                return False
            response.raise_for_status()
            return True

        wait_for(triggered, f"the start of {dag_id}")

    def run_state(self, dag_id: str) -> str | None:
        """Return the state of a Dag's newest run."""
        rows = self.query("SELECT state FROM dag_run WHERE dag_id = :dag_id ORDER BY id DESC", dag_id=dag_id)
        return rows[0][0] if rows else None


@contextmanager
def postgres_database() -> Iterator[dict[str, Any]]:
    """Make a database, for as long as it is needed; gives the arguments of the driver's ``connect``."""
    name = f"octopush_{secrets.token_hex(6)}"
    with closing(databases.connect_postgres()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        try:
            yield {**databases.POSTGRES_ARGUMENTS, "dbname": name}
        finally:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def connections(database: Mapping[str, Any], simulator: Simulator) -> dict[str, str]:
    """
    Return the connections ``warehouse`` and ``octopush_default`` as environment variables.

    :param database: as arguments of the driver's ``connect``.
    """
    warehouse = {
        "conn_type": "postgres",
        "host": database["host"],
        "port": database["port"],
        "login": database["user"],
        "password": database["password"],
        "schema": database["dbname"],
    }
    octopush = {"conn_type": "octopush", "host": simulator.url, "login": simulator.login, "password": simulator.key}
    return {
        "AIRFLOW_CONN_WAREHOUSE": json.dumps(warehouse),
        "AIRFLOW_CONN_OCTOPUSH_DEFAULT": json.dumps(octopush),
    }


@contextmanager
def redis_prefix() -> Iterator[str]:
    """Give a prefix for keys in Redis; what has it is deleted in the end."""
    prefix = f"octopush_{secrets.token_hex(6)}_"
    try:
        yield prefix
    finally:
        with closing(databases.connect_redis()) as redis:
            for key in redis.scan_iter(f"{prefix}*"):
                redis.delete(key)


@contextmanager
def celery_airflow(
    home: Path,
    database: Mapping[str, Any],
    dags: Mapping[str, str],
    variables: Mapping[str, str],
    *,
    pools: Mapping[str, int],
    workers: int = 2,
    slots: int = 2,
) -> Iterator[CeleryAirflow]:
    """
    Run Airflow with Celery workers.

    :param home: an empty folder.
    :param database: an empty PostgreSQL database for Airflow's metadata, as arguments of the driver's ``connect``.
    :param dags: file name → source of a Dag.
    :param variables: further environment variables, such as connections.
    :param pools: name → slots.
    :param workers: how many workers.
    :param slots: tasks that a worker runs at a time.
    """
    write_dags(home / "dags", dags)
    port = free_port()
    login, password = quote(database["user"], safe=""), quote(database["password"], safe="")
    url = f"postgresql+psycopg2://{login}:{password}@{database['host']}:{database['port']}/{database['dbname']}"
    with nothing_left_of(home), ExitStack() as stack:
        shared = {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
            "AIRFLOW__CELERY__BROKER_URL": databases.REDIS_URL,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{url}",
            "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__GLOBAL_KEYPREFIX": stack.enter_context(redis_prefix()),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(HEARTBEAT_TIMEOUT),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
            # Each home would make secrets of its own, and refuse the others.
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
            "AIRFLOW__CORE__FERNET_KEY": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            **variables,
        }
        settings = environment(home, home / "dags", port, shared)
        _run(["db", "migrate"], settings, home / "db-migrate.log")
        processes = [
            stack.enter_context(running([component], settings, home / f"{component}.log"))
            for component in ("api-server", "scheduler", "dag-processor")
        ]
        started = []
        for number in range(workers):
            worker_home = home / f"worker-{number}"
            worker_home.mkdir()
            command = ["celery", "worker", "--celery-hostname", worker_home.name, "--concurrency", str(slots)]
            process = stack.enter_context(
                running(
                    [*command, "--skip-serve-logs", "--without-gossip", "--without-mingle"],
                    environment(worker_home, home / "dags", port, shared),
                    home / f"{worker_home.name}.log",
                )
            )
            started.append(Worker(worker_home, process))
        for name, size in pools.items():
            _run(["pools", "set", name, str(size), "for a test"], settings, home / f"pool-{name}.log")
        airflow = CeleryAirflow(home, port, url, started)
        try:
            yield airflow
        except Exception as error:
            error.add_note(airflow.output())
            raise
        finally:
            # All at once, as each takes its time.
            for process in (*processes, *(worker.process for worker in started)):
                ask_to_end(process)


def _run(arguments: list[str], settings: Mapping[str, str], log: Path) -> None:
    with running(arguments, settings, log) as process:
        if process.wait(120) != 0:
            raise RuntimeError(f"airflow {' '.join(arguments)} failed: {log.read_text(errors='replace')[-3000:]}")
