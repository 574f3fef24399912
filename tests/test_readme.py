from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_the_ten_lines_are_a_dag() -> None:
    (code,) = blocks("python")
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - it is our own
    dag = names["dag"]
    assert isinstance(dag, DAG)
    assert dag.task_ids == ["sync"]


def test_the_summary_that_is_shown_obeys_the_law_of_the_counts() -> None:
    (text,) = blocks("json")
    summary = json.loads(text)
    outcomes = ("added", "updated", "skipped", "other", "unconfirmed", "refused", "invalid", "duplicates")
    assert summary["read"] == sum(summary[name] for name in outcomes)


def test_every_parameter_of_the_operator_is_explained() -> None:
    import inspect

    from airflow_provider_octopush.operators.contacts import CreateContactsOperator

    parameters = set(inspect.signature(CreateContactsOperator.__init__).parameters) - {"self", "kwargs"}
    assert {name for name in parameters if f"`{name}`" not in README} == set()
    assert {name for name in parameters if f":param {name}:" not in (CreateContactsOperator.__doc__ or "")} == set()
