"""Running a Dag in real Airflow, and reading what became of it."""

from __future__ import annotations

import datetime as dt
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG
from airflow.utils.session import create_session


class TaskInstance:
    """The part of Airflow's task instance that the operator uses, where no Dag is run."""

    def __init__(self, try_number: int = 1, max_tries: int = 0, map_index: int = -1) -> None:
        self.try_number = try_number
        self.max_tries = max_tries
        self.map_index = map_index
        self.dag_id, self.task_id = "dag", "task"
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


@dataclass
class Run:
    """
    A finished run of a Dag; tasks go by their id, with ``[map index]`` where they are mapped.

    :param state: of the run.
    :param states: task → its state.
    :param results: task → its XCom ``return_value``, where it has one.
    :param rendered: task → the rendered fields that Airflow stored and its UI shows.
    """

    state: str
    states: dict[str, str] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    rendered: dict[str, Any] = field(default_factory=dict)


def run_dag(dag: DAG, logical_date: dt.datetime | None = None, conf: dict[str, Any] | None = None) -> Run:
    """
    Run a Dag with ``dag.test()``.

    :param logical_date: of the run; now when None.
    :param conf: what the run is triggered with, such as parameters of the Dag.
    """
    from airflow.models.renderedtifields import RenderedTaskInstanceFields  # noqa: TID251 - a model of the database

    test: Any = dag.test
    parameter = "logical_date" if "logical_date" in inspect.signature(test).parameters else "execution_date"
    with _outside_of(dag):
        _register(dag)
        dag_run = test(**{parameter: logical_date or dt.datetime.now(dt.UTC)}, run_conf=conf)
    with create_session() as session:
        run = Run(str(dag_run.state))
        for ti in dag_run.get_task_instances(session=session):
            name = ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"
            run.states[name] = str(ti.state)
            result = ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index, session=session)
            if result is not None:
                run.results[name] = result
        for stored in session.query(RenderedTaskInstanceFields).filter_by(dag_id=dag.dag_id, run_id=dag_run.run_id):
            name = stored.task_id if stored.map_index < 0 else f"{stored.task_id}[{stored.map_index}]"
            run.rendered[name] = stored.rendered_fields
    return run


def plain(output: str) -> str:
    """Bring output on one line, without colours: Airflow 3.0 paints a traceback, and breaks its lines."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", output).split())


@contextmanager
def _outside_of(dag: DAG) -> Iterator[None]:
    """Leave the ``with`` block of a Dag: Airflow 3.0 adds what it deserializes to the Dag whose block it is in."""
    try:
        context: Any = import_module("airflow.sdk.definitions._internal.contextmanager").DagContext
    except ImportError:  # Airflow 2
        yield
        return
    if context.get_current() is not dag:
        yield
        return
    context.pop()
    try:
        yield
    finally:
        context.push(dag)


def _register(dag: DAG) -> None:
    """Make a Dag that is in no file known to Airflow's database: 3 runs no other, 2 needs its assets."""
    try:
        from airflow.dag_processing.bundles.manager import DagBundlesManager
    except ImportError:
        of_airflow_2: Any = dag
        of_airflow_2.sync_to_db()
        return
    try:
        dagbag: Any = import_module("airflow.dag_processing.dagbag")
    except ImportError:
        dagbag = import_module("airflow.models.dagbag")  # its place before 3.2
    manager: Any = DagBundlesManager
    manager().sync_bundles_to_db()
    bag = dagbag.DagBag(dag_folder=os.devnull)
    bag.bag_dag(dag)
    if hasattr(bag, "sync_to_db"):  # Airflow 3.0, which asks a Dag where its file is
        vars(dag)["relative_fileloc"] = dag.fileloc
        bag.sync_to_db("dags-folder", None)
    else:
        dagbag.sync_bag_to_db(bag, "dags-folder", None)


def run_module(module: str, environment: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """
    Run a module that runs Dags, in an Airflow of its own: with a new database, which the environment names.

    :return: all that it printed, and the object of JSON that is a line of it.
    """
    migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(migrate, env=environment, check=True, capture_output=True)
    run = subprocess.run(
        [sys.executable, "-m", module],
        env=environment,
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-5000:]
    result: dict[str, Any] = json.loads(next(line for line in run.stdout.splitlines() if line.startswith('{"result"')))
    return run.stdout, result["result"]
