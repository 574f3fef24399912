"""The retry policy of docs/observability.md, word for word, on real tasks."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

import airflow
import pytest
from airflow.providers.common.compat.sdk import DAG, task
from airflow.utils.session import create_session

from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from airflow_provider_octopush.simulator import Fault, Simulator
from tests.airflow_runs import run_dag
from tests.conftest import SetConnection

pytestmark = [
    pytest.mark.usefixtures("airflow_db"),
    pytest.mark.skipif(
        tuple(map(int, airflow.__version__.split(".")[:2])) < (3, 3), reason="Airflow has retry policies from 3.3 on"
    ),
]

DOCS = Path(__file__).parent.parent.parent / "docs" / "observability.md"
ROWS = [{"phone_number": "+33612345678"}]


class WaitsForARetryError(Exception):
    """``dag.test()`` has nothing to do until a task may be retried."""


@pytest.fixture
def policy() -> Any:
    (code,) = [
        block for block in re.findall(r"```python[^\n]*\n(.*?)```", DOCS.read_text(), re.DOTALL) if "RetryRule" in block
    ]
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - the documentation's own code is what is tested
    return names["OCTOPUSH_RETRIES"]


@pytest.fixture
def failed(dag: DAG, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the Dag to the end of its first try, and return the task instance as Airflow keeps it."""

    sleep = time.sleep

    def stop(seconds: float) -> None:
        if threading.current_thread() is threading.main_thread():
            give_up()
        sleep(seconds)

    def give_up() -> NoReturn:
        raise WaitsForARetryError

    def run() -> Any:
        from airflow.models.taskinstance import TaskInstance  # noqa: TID251 - a model of the database

        monkeypatch.setattr(time, "sleep", stop)
        try:
            run_dag(dag)
        except WaitsForARetryError:
            pass
        finally:
            monkeypatch.setattr(time, "sleep", sleep)
        with create_session() as session:
            return session.query(TaskInstance).filter_by(dag_id=dag.dag_id).one()

    return run


def sync(policy: Any, **kwargs: Any) -> None:
    parameters: dict[str, Any] = {"task_id": "sync", "data": ROWS, "retries": 1, "retry_policy": policy, **kwargs}
    CreateContactsOperator(**parameters)


def test_a_used_up_rate_is_given_time(failed: Any, policy: Any, simulator: Simulator, connect: SetConnection) -> None:
    connect(request_retries=0)
    simulator.fail_next(Fault.rate_limited())
    sync(policy)
    ti = failed()
    assert (ti.state, ti.retry_delay_override) == ("up_for_retry", 30 * 60)
    assert "rate is used up" in ti.retry_reason


def test_a_server_that_fails_is_tried_again_as_the_task_says(
    failed: Any, policy: Any, simulator: Simulator, connect: SetConnection
) -> None:
    connect(request_retries=0)
    simulator.fail_next(Fault.server_error())
    sync(policy)
    ti = failed()
    assert (ti.state, ti.retry_delay_override) == ("up_for_retry", None)


def test_an_answer_that_is_not_the_documented_one_is_not_retried(failed: Any, policy: Any, octopush: Simulator) -> None:
    octopush.fail_next(Fault.other_json())
    sync(policy)
    ti = failed()
    assert (ti.state, ti.try_number, len(octopush.requests)) == ("failed", 1, 1)


def test_a_wrong_parameter_is_not_retried(failed: Any, policy: Any, octopush: Simulator) -> None:
    sync(policy, list_name="{{ 'x' * 31 }}")
    ti = failed()
    assert (ti.state, ti.try_number, octopush.requests) == ("failed", 1, [])


@pytest.mark.usefixtures("octopush")
def test_a_function_that_gives_no_rows_is_not_retried(dag: DAG, failed: Any, policy: Any) -> None:
    @task.octopush_contacts(retries=1, retry_policy=policy)
    def forgetful() -> None:
        """Forget the return."""

    forgetful()
    ti = failed()
    assert (dag.task_ids, ti.state, ti.try_number) == (["forgetful"], "failed", 1)


def test_what_is_final_is_not_the_policy_s_to_decide(failed: Any, octopush: Simulator) -> None:
    from airflow.sdk import ExceptionRetryPolicy, RetryRule

    octopush.fail_next(Fault(status=401))
    sync(ExceptionRetryPolicy(rules=[RetryRule(exception="builtins.Exception")]))
    ti = failed()
    assert (ti.state, ti.try_number) == ("failed", 1)
