"""``make airflow``: Airflow's UI with simulator, connections and Dags in place, until Ctrl-C."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import requests
import surroundings

FOLDER = surroundings.folder_of("airflow")
LOG = FOLDER / "airflow.log"
#: The last line says that it is all there.
WELCOME = f"""
Airflow                    {{airflow}} (no login)
the history of each sync   {{airflow}}/plugin/octopush
what the list holds        {{simulator}}/simulator (no login)
the simulated API          {{url}} (API login {surroundings.API_LOGIN}, API key {surroundings.API_KEY})

Trigger the Dag synced_list, then look at its history and at what the list holds.
Its connections, octopush_default and warehouse, are environment variables: Airflow's UI does not list them.
A Dag that you put into dags_examples/ is there within seconds.
Ctrl-C stops everything."""
#: A first start on a slow machine takes a minute.
PATIENCE = 300


def main() -> int:
    """Run until stopped; returns the exit code."""
    port = os.environ.get("PORT", "8080")
    airflow = f"http://127.0.0.1:{port}"
    with surroundings.simulator(int(os.environ.get("SIMULATOR_PORT", "8090"))) as url:
        # Only now is it sure that no other one is at work in this folder.
        surroundings.forget_snapshots(FOLDER)
        database = surroundings.make_warehouse(FOLDER, dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1))
        environment = {
            **surroundings.environment(FOLDER, url, database),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": port,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{airflow}/execution/",
            # Who tries a Dag of their own waits for it: by default, five minutes.
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        }
        print(
            f"Starting Airflow, which takes a moment; its log is {LOG.relative_to(surroundings.PROJECT)} …", flush=True
        )
        # The pool that the examples with parts ask for; a task whose pool is not there would wait for ever.
        for arguments in (["db", "migrate"], ["pools", "set", "octopush", "4", "requests to Octopush at a time"]):
            subprocess.run(
                [sys.executable, "-m", "airflow", *arguments], env=environment, check=True, capture_output=True
            )
        command = [sys.executable, "-m", "airflow", "standalone"]
        with (
            LOG.open("wb") as log,
            subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True) as process,
        ):
            try:
                if not _is_up(airflow, process):
                    print(f"Airflow did not start: see {LOG}", file=sys.stderr)
                    return 1
                print(WELCOME.format(airflow=airflow, url=url, simulator=url.removesuffix("/v1/public")), flush=True)
                return process.wait()
            except KeyboardInterrupt:
                return 0
            finally:
                _end(process)


def _is_up(airflow: str, process: subprocess.Popen[bytes]) -> bool:
    """Wait until Airflow answers, and all that it needs to run a Dag is at work; False when that does not come."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            health = requests.get(f"{airflow}/api/v2/monitor/health", timeout=5).json()
            if all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor")):
                return True
        except (requests.RequestException, ValueError, KeyError):
            pass
        time.sleep(0.5)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End Airflow with all its processes, which outlive its first one."""
    print("Stopping Airflow …", flush=True)
    started = []
    with suppress(psutil.NoSuchProcess):
        started = psutil.Process(process.pid).children(recursive=True)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    # Some leave the group of the one that started them.
    _, left = psutil.wait_procs(started, timeout=20)
    for one in left:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    surroundings.clean_up_when_stopped()
    sys.exit(main())
