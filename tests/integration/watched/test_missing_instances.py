"""A source of which an instance failed, with Airflow's own scheduler."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from airflow_provider_octopush.simulator import Simulator
from tests.integration.airflow_processes import wait_for
from tests.integration.standalone import Standalone

pytestmark = pytest.mark.integration

DAGS = """
import datetime as dt
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, task
from airflow_provider_octopush.operators.sync_list import SyncListOperator


@task
def extract(part, fails_on, ds=None):
    if part == 1 and ds >= fails_on:
        raise AirflowFailException("the source is down")
    return [{"phone_number": f"+3361234000{2 * part + n}"} for n in range(2)]


def sync(**options):
    SyncListOperator(
        task_id="sync",
        list_name="{{ dag.dag_id }}",
        snapshot_path="SNAPSHOTS/{{ dag.dag_id }}.snapshot",
        trigger_rule="all_done",
        retries=2,
        retry_delay=dt.timedelta(seconds=1),
        **options,
    )


days = {"start_date": dt.datetime(2026, 1, 1), "end_date": dt.datetime(2026, 1, 2)}
with DAG("nights", schedule="@daily", catchup=True, max_active_runs=1, **days):
    sync(data=extract.partial(fails_on="2026-01-02").expand(part=[0, 1]))

with DAG("stops", schedule="@once", catchup=False, start_date=days["start_date"]):
    everybody = [{"phone_number": f"+3361234000{n}"} for n in range(4)]
    sync(data=everybody, opted_out=extract.partial(fails_on="").expand(part=[0, 1]))
"""


def test_nobody_is_removed_or_sent_whose_row_is_missing(
    simulator: Simulator, airflow: Standalone, tmp_path: Path
) -> None:
    dags = {"missing.py": DAGS.replace("SNAPSHOTS", str(tmp_path / "snapshots"))}
    ended = (
        "SELECT dag_id, state, try_number FROM task_instance WHERE dag_id IN ('nights', 'stops') AND task_id = 'sync' "
        "AND state IN ('success', 'failed')"
    )

    def is_over(name: str, runs: int) -> bool:
        return [dag_id for dag_id, *_ in airflow.query(ended)].count(name) >= runs

    with airflow.guest(dags, {"octopush_default": simulator.connection}):
        for name, runs in (("stops", 1), ("nights", 1), ("nights", 2)):
            wait_for(partial(is_over, name, runs), f"the end of run {runs} of {name}")
        assert sorted(airflow.query(ended)) == [
            ("nights", "failed", 1),
            ("nights", "success", 1),
            ("stops", "failed", 1),
        ]
        said = "".join(path.read_text(errors="replace") for path in (airflow.home / "logs").rglob("*.log"))

    assert simulator.lists == {"nights": {f"+3361234000{n}" for n in range(4)}}
    assert (
        "1 of 2 instances of extract gave no rows (1 failed): the rows that came were sent, and no missing contact "
        "was removed" in said
    )
    assert "1 of 2 instances of extract gave no rows (1 failed): nothing is sent" in said
