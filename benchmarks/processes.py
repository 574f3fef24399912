"""Each measurement in a process of its own, against a server in another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

PROJECT = Path(__file__).resolve().parent.parent
#: What is kept from one run to the next: tables, and the environments of the peers. Git ignores it.
FOLDER = PROJECT / ".benchmarks"


@contextmanager
def server(latency: float) -> Iterator[str]:
    """
    Run the lean server.

    :param latency: seconds from a request to its answer.
    :return: its root, such as ``http://127.0.0.1:12345``.
    """
    command = [sys.executable, "-m", "benchmarks.server", "--latency", str(latency)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline() if process.stdout else '')}"
        finally:
            process.terminate()


def counts(root: str) -> dict[str, Any]:
    """Return the requests and contacts that came in since this was last asked; and when, in seconds since 1970."""
    with urlopen(f"{root}/counts", timeout=10) as answer:  # noqa: S310 - our own server
        came_in: dict[str, Any] = json.load(answer)
    return came_in


def run(command: Sequence[str], variables: Mapping[str, str] | None = None) -> Any:
    """
    Run a program, and return what its last line of output says in JSON.

    :raises RuntimeError: when it fails; tells the end of its output.
    """
    environment = {**os.environ, **(variables or {})}
    result = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{result.stdout[-2000:]}{result.stderr[-4000:]}")
    return json.loads(result.stdout.splitlines()[-1])
