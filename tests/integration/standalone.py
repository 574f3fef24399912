"""A whole Airflow of its own: scheduler, Dag processor and API server, with a home in a temporary folder."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.airflow_processes import Airflow, environment, free_port, running, write_dags


@dataclass
class Standalone(Airflow):
    """
    A running ``airflow standalone``.

    :param process: the process to which all others belong.
    """

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
    with running(["standalone"], settings, home / "output.log") as process:
        yield Standalone(home, port, f"sqlite:///file:{home}/airflow.db?mode=ro&uri=true", process)
