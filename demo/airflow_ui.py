"""``make airflow``: Airflow's UI with simulator, connections and Dags in place, until Ctrl-C."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import time

import surroundings


def main() -> int:
    """Run until stopped; returns the exit code."""
    port = os.environ.get("PORT", "8080")
    database = surroundings.make_warehouse(dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1))
    with surroundings.simulator(port=8090) as url:
        environment = {
            **surroundings.environment(url, database),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": port,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        }
        print(f"Airflow will be at http://127.0.0.1:{port}")
        print(f"What the list holds will be at {url.removesuffix('/v1/public')}/simulator")
        print("Ctrl-C stops everything.", flush=True)
        # The pool that the examples with parts ask for; a task whose pool is not there would wait for ever.
        for arguments in (["db", "migrate"], ["pools", "set", "octopush", "4", "requests to Octopush at a time"]):
            subprocess.run(
                [sys.executable, "-m", "airflow", *arguments], env=environment, check=True, capture_output=True
            )
        command = [sys.executable, "-m", "airflow", "standalone"]
        with subprocess.Popen(command, env=environment, start_new_session=True) as process:
            try:
                return process.wait()
            except KeyboardInterrupt:
                return 0
            finally:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End Airflow with all its processes, which share its process group and outlive its first one."""
    print("Stopping Airflow …", flush=True)
    _signal_group(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        # Until it is waited for, a process that has ended counts as one of its group.
        process.poll()
        if not _signal_group(process.pid, 0):
            return
        time.sleep(0.1)
    _signal_group(process.pid, signal.SIGKILL)


def _signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group; returns whether there is one."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    surroundings.clean_up_when_stopped()
    sys.exit(main())
