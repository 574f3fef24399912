from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from airflow_provider_octopush.simulator import Behaviour, Simulator
from tests.documentation import PROJECT
from tests.integration.airflow_processes import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("airflow_db")]

#: A Dag whose requests take longer than anybody would wait for them, after the first few.
PROGRAM = """
import datetime as dt
import sys
import time
import airflow_provider_octopush.operators.runs  # before the timeout's clock runs
from airflow.providers.common.compat.sdk import DAG
from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from tests.airflow_runs import run_dag

seconds = float(sys.argv[1])


class Watched(CreateContactsOperator):
    def execute(self, context):
        print("due", time.time() + seconds, flush=True)
        try:
            return super().execute(context)
        finally:
            print("ended", time.time(), flush=True)


with DAG("told_to_end", schedule=None, start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) as dag:
    Watched(
        task_id="sync",
        data=[{"phone_number": f"+3361234{n:04}"} for n in range(600)],
        list_name="Customers",
        chunk_size=10,
        concurrency=4,
        execution_timeout=dt.timedelta(seconds=seconds) if seconds else None,
    )
print("state", run_dag(dag).state)
"""


@pytest.mark.parametrize("how", ["signal", "timeout"])
def test_a_task_that_is_told_to_end_sends_nothing_more(how: str, octopush: Simulator, tmp_path: Path) -> None:
    octopush.reset(Behaviour(latency=0.1))
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, str(tmp_path / "program.py"), "8" if how == "timeout" else "0"]
    # A request waits a minute for its answer; nobody else does.
    connection = json.loads(environment["AIRFLOW_CONN_OCTOPUSH_DEFAULT"])
    environment["AIRFLOW_CONN_OCTOPUSH_DEFAULT"] = json.dumps({**connection, "extra": {"timeout": 60}})
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            wait_for(lambda: octopush.requests_total >= 8, "the middle of the run")
            octopush.behaviour = Behaviour(latency=30)
            wait_for(lambda: octopush.requests_total >= 12, "a request that hangs")
            time.sleep(0.5)  # so that all four do
            if how == "signal":
                process.send_signal(signal.SIGTERM)
            told, sent = time.time(), octopush.requests_total
            output, _ = process.communicate(timeout=90)
        finally:
            process.kill()
    said = dict(line.split() for line in output.decode().splitlines() if line.startswith(("due ", "ended ")))
    assert octopush.requests_total == sent
    assert b"state success" not in output
    seconds = float(said["ended"]) - (told if how == "signal" else float(said["due"]))
    # Two are promised, on a machine that is not busy with other tests.
    assert seconds < (2 if "CI" not in os.environ else 10), output[-3000:].decode()
