"""``make airflow``: Airflow's UI with simulator, connections and Dags in place, until Ctrl-C."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import subprocess
import sys

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
        command = [sys.executable, "-m", "airflow", "standalone"]
        with subprocess.Popen(command, env=environment, start_new_session=True) as process:
            try:
                return process.wait()
            except KeyboardInterrupt:
                return 0
            finally:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End Airflow with all its processes, which share its process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _stop(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _stop)
    sys.exit(main())
