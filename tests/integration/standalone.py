"""A whole Airflow of its own: scheduler, Dag processor and API server, with a home in a temporary folder."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.integration.airflow_processes import Airflow, environment, free_port, nothing_left_of, running, write_dags


@dataclass
class Standalone(Airflow):
    """
    A running ``airflow standalone``.

    :param process: the process to which all others belong.
    """

    process: subprocess.Popen[bytes]

    def api(self, method: str, path: str, **body: Any) -> Any:
        """Ask Airflow's API, which takes everybody for an admin; returns what it answers."""
        token = requests.get(f"{self.url}/auth/token", timeout=60).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.request(method, f"{self.url}/api/v2/{path}", headers=headers, json=body or None, timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    @contextmanager
    def guest(self, dags: Mapping[str, str], connections: Mapping[str, str] | None = None) -> Iterator[None]:
        """
        Add Dags for some time; they run as soon as they are found. No connection stays in Airflow's database after it.

        :param dags: file name → source.
        :param connections: id → connection as JSON, as in the environment.
        """
        for conn_id, connection in (connections or {}).items():
            fields = json.loads(connection)
            self.api(
                "POST", "connections", connection_id=conn_id, **{**fields, "extra": json.dumps(fields.get("extra", {}))}
            )
        files = [self.home / "dags" / name for name in dags]
        for file, source in zip(files, dags.values(), strict=True):
            file.write_text(source)
        try:
            yield
        finally:
            for file in files:
                file.unlink()
            # Those that were made in the UI too.
            for connection in self.api("GET", "connections")["connections"]:
                self.api("DELETE", f"connections/{connection['connection_id']}")


@contextmanager
def standalone(home: Path, dags: Mapping[str, str], variables: Mapping[str, str]) -> Iterator[Standalone]:
    """
    Run ``airflow standalone``.

    :param home: an empty folder.
    :param dags: file name → source of a Dag; Dags run as soon as they are there.
    :param variables: further environment variables, such as connections.
    """
    write_dags(home / "dags", dags)
    port = free_port()
    settings = environment(home, home / "dags", port, variables)
    with nothing_left_of(home), running(["standalone"], settings, home / "output.log") as process:
        yield Standalone(home, port, f"sqlite:///file:{home}/airflow.db?mode=ro&uri=true", process)


@contextmanager
def components(home: Path, dags: Mapping[str, str], variables: Mapping[str, str]) -> Iterator[Airflow]:
    """
    Run Airflow's components one by one, with any auth manager: ``airflow standalone`` insists on its own.

    :param home: a folder in which the database is ready.
    :param dags: file name → source of a Dag; Dags run as soon as they are there.
    :param variables: further environment variables, such as connections.
    """
    write_dags(home / "dags", dags)
    port = free_port()
    settings = environment(home, home / "dags", port, variables)
    with nothing_left_of(home), ExitStack() as stack:
        for component in ("api-server", "scheduler", "dag-processor"):
            stack.enter_context(running([component], settings, home / f"{component}.log"))
        yield Airflow(home, port, f"sqlite:///file:{home}/airflow.db?mode=ro&uri=true")
