from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# Before anything imports Airflow: a home of its own, and nothing that slows it down or leaves this machine.
AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="octopush-tests-airflow-"))
os.environ.update(
    AIRFLOW_HOME=str(AIRFLOW_HOME),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="True",
    AIRFLOW__CORE__DAGS_FOLDER=str(AIRFLOW_HOME / "dags"),
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{AIRFLOW_HOME}/airflow.db",
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
)

from airflow.providers.common.compat.sdk import DAG  # noqa: E402 - after Airflow's settings

from airflow_provider_octopush.simulator import Behaviour, Simulator  # noqa: E402 - after Airflow's settings
from tests.object_storage import s3, s3_endpoint  # noqa: E402, F401 - fixtures

SetConnection = Callable[..., None]

INTEGRATION = "tests/integration"
#: Whole Dags in a process of their own, with no Airflow around them; and an Airflow that mostly waits for a server.
BESIDE_AIRFLOW = tuple(f"{INTEGRATION}/test_{name}.py" for name in ("killed_list", "privacy", "told_to_end"))
#: What takes longest.
LONGEST = (INTEGRATION, "tests/test_docs.py", "tests/test_demo.py", "tests/history", "tests/torture", "tests/operators")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no core is idle in the end."""
    items.sort(
        key=lambda item: next((n for n, path in enumerate(LONGEST) if item.nodeid.startswith(path)), len(LONGEST))
    )


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist, which is not there wherever tests run
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Spread the tests by file, but one whole Airflow at a time: on two cores, two are slow enough to fail."""
    from xdist.scheduler import LoadFileScheduling

    class OneAirflow(LoadFileScheduling):  # type: ignore[misc] # it has no types
        def _split_scope(self, nodeid: str) -> str:
            is_whole = nodeid.startswith(INTEGRATION) and not nodeid.startswith(BESIDE_AIRFLOW)
            return INTEGRATION if is_whole else super()._split_scope(nodeid)

    if config.getvalue("dist") != "loadfile":
        return None
    # In the order above, not by the number of tests: a whole Airflow is one.
    config.option.loadscopereorder = False
    return OneAirflow(config, log)


@pytest.fixture(autouse=True, scope="session")
def _no_run_waits_for_an_older_one() -> Iterator[None]:
    """An older run of a test is gone, or the test says when it goes on."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("airflow_provider_octopush.snapshot.opening.WAITED_FOR", 0.0)
        yield


@pytest.fixture(scope="session")
def running_simulator() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(running_simulator: Simulator) -> Simulator:
    """The simulator, as new."""
    running_simulator.reset(Behaviour())
    return running_simulator


@pytest.fixture
def set_connection(monkeypatch: pytest.MonkeyPatch) -> SetConnection:
    """Define an Airflow connection for the time of the test: ``set_connection("id", conn_type=…, …)``."""

    def set_connection(conn_id: str, **fields: Any) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))

    return set_connection


@pytest.fixture
def connect(simulator: Simulator, set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch) -> SetConnection:
    """
    Put the simulator behind ``octopush_default``: ``connect(timeout=…)``, with extras of the connection.

    A request that failed is repeated at once, unless the simulator asks for more time.
    """
    monkeypatch.setattr("airflow_provider_octopush.delivery.retry.FIRST_DELAY", 0.0)

    def connect(**extra: Any) -> None:
        set_connection(
            "octopush_default",
            conn_type="octopush",
            host=simulator.url,
            login=simulator.login,
            password=simulator.key,
            extra=extra,
        )

    return connect


@pytest.fixture
def octopush(simulator: Simulator, connect: SetConnection) -> Simulator:
    """The simulator behind ``octopush_default``, with one quick retry."""
    connect(timeout=5, request_retries=1, snapshot_secret="a secret of more than 32 characters")
    return simulator


@pytest.fixture(scope="session")
def airflow_db(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Airflow's metadata database, for all tests that run Dags; migrated once, for all processes of tests."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    migrated = folder / "migrated.db"
    with (folder / "migrated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not migrated.exists():
            command = [sys.executable, "-m", "airflow", "db", "migrate"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            shutil.copy(AIRFLOW_HOME / "airflow.db", migrated)
    shutil.copy(migrated, AIRFLOW_HOME / "airflow.db")


@pytest.fixture
def dag(request: pytest.FixtureRequest) -> Iterator[DAG]:
    """A Dag by the name of the test, to which the tasks that the test makes belong."""
    name = "".join(character if character.isalnum() else "_" for character in request.node.name)
    with DAG(name[:200], schedule=None, start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) as dag:
        yield dag
