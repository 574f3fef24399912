"""A whole Airflow of its own: scheduler, Dag processor and API server, with a home in a temporary folder."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.airflow_processes import Airflow, environment, free_port, nothing_left_of, running, write_dags


@dataclass
class Standalone(Airflow):
    """
    A running ``airflow standalone``.

    :param process: the process to which all others belong.
    """

    process: subprocess.Popen[bytes]


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
