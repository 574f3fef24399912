"""Tasks in processes of their own, which can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict

from tests.documentation import PROJECT
from tests.torture.tasks import Ended, Job


class Forker:
    """Starts tasks, each in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, job: Job, *, killed_after: float | None = None) -> Ended:
        """
        Run a try.

        :param killed_after: seconds; None: it may end, or kill itself.
        :return: how it ended.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(asdict(job))}\n")
        self._process.stdin.flush()
        pid = self._answer()
        if killed_after is not None:
            time.sleep(killed_after)
            # It may be done by then.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        code = self._answer()
        assert code in (0, -signal.SIGKILL), f"the process ended with {code}"
        return job.ended()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("answer "):
                return int(line.split()[1])
        raise AssertionError("the forker has ended")


@contextmanager
def forker() -> Iterator[Forker]:
    """Start what starts tasks."""
    command = [sys.executable, "-m", "tests.torture.forker"]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Forker(process)
        assert process.stdin is not None
        process.stdin.close()
