"""The retry policy of docs/observability.md, word for word, asked about what tasks raise."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import airflow
import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from airflow_provider_octopush.simulator import Fault, Simulator
from tests.airflow_runs import TaskInstance, run_dag
from tests.conftest import SetConnection

pytestmark = pytest.mark.skipif(
    tuple(map(int, airflow.__version__.split(".")[:2])) < (3, 3), reason="Airflow has retry policies from 3.3 on"
)

DOCS = Path(__file__).parent.parent.parent / "docs" / "observability.md"
ROWS = [{"phone_number": "+33612345678"}]


def decided(operator: CreateContactsOperator) -> tuple[str, dt.timedelta | None]:
    """Run a task, which fails, and ask the policy what becomes of it."""
    (code,) = [
        block for block in re.findall(r"```python[^\n]*\n(.*?)```", DOCS.read_text(), re.DOTALL) if "RetryRule" in block
    ]
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - the documentation's own code is what is tested
    context: Any = {"ti": TaskInstance()}
    with pytest.raises(Exception) as raised:  # noqa: PT011 - the policy tells them apart
        operator.execute(context)
    decision = names["OCTOPUSH_RETRIES"].evaluate(raised.value, try_number=1, max_tries=1)
    return decision.action.value, decision.retry_delay


@pytest.mark.parametrize(
    ("fault", "decision"),
    [
        (Fault.rate_limited(), ("retry", dt.timedelta(minutes=30))),
        (Fault.server_error(), ("default", None)),
        (Fault.other_json(), ("fail", None)),
    ],
)
def test_what_the_api_answers(simulator: Simulator, connect: SetConnection, fault: Fault, decision: Any) -> None:
    connect(request_retries=0)
    simulator.fail_next(fault)
    assert decided(CreateContactsOperator(task_id="sync", data=ROWS)) == decision


@pytest.mark.usefixtures("octopush")
def test_no_rows_are_not_retried() -> None:
    assert decided(CreateContactsOperator(task_id="sync", data=[], on_empty="fail")) == ("fail", None)


@pytest.mark.usefixtures("airflow_db")
def test_what_is_final_is_not_the_policy_s_to_decide(dag: DAG, octopush: Simulator) -> None:
    from airflow.sdk import ExceptionRetryPolicy, RetryRule

    octopush.fail_next(Fault(status=401))
    policy: Any = {"retries": 1, "retry_policy": ExceptionRetryPolicy([RetryRule(exception="builtins.Exception")])}
    CreateContactsOperator(task_id="sync", data=ROWS, **policy)
    assert run_dag(dag).states == {"sync": "failed"}
    assert len(octopush.requests) == 1
