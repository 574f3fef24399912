"""
A process that has all that a task needs in memory, and forks one that runs the task for each line that it is given.

So hundreds of tasks can be started, and killed, in a minute. A line is a job in JSON; the answers are the process's id,
and when it has ended its return code, negative where a signal ended it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import Any

from airflow_provider_octopush.simulator import Simulator
from tests.torture.tasks import Job, Try, connection


def die_in_time(job: Job) -> None:
    """
    Let this process kill itself at one of the moments when others see something of it: a file under the snapshot's
    folder opened, renamed or removed, or a request begun.
    """
    if job.dies_at is None:
        return
    folder = str(Path(job.snapshot_path).parent)
    left, lock = [job.dies_at], threading.Lock()

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("open", "os.rename", "os.remove", "os.mkdir", "os.listdir", "os.scandir", "http.client.send"):
            return
        if event != "http.client.send" and not str(arguments[0]).startswith(folder):
            return
        with lock:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def warm_up() -> None:
    """Let the first tasks import, in this process, whatever tasks import: who is killed is to be at work by then."""
    with tempfile.TemporaryDirectory() as folder, Simulator() as simulator:
        for kind in ("sync", "erase", "create"):
            one = Try("first", [{"phone_number": "+33612340001"}], kind=kind)
            job = Job(one, connection(simulator, "x" * 32), f"{folder}/snapshots/a.snapshot", f"{folder}/result")
            job.run(die_in_time)


def main() -> None:
    """Fork until there is no more input."""
    warm_up()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                Job.from_json(json.loads(line)).run(die_in_time)
                code = 0
            except BaseException:  # noqa: BLE001 - whatever it is, the other process has to be told
                traceback.print_exc()
            os._exit(code)
        say(pid)
        say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def say(number: int) -> None:
    """Write a line."""
    sys.stdout.write(f"answer {number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
