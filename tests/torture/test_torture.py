from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from airflow_provider_octopush.simulator import Simulator
from tests.torture.runs import torture

START = int(os.environ.get("TORTURE_START", "0"))
SEEDS = int(os.environ.get("TORTURE_SEEDS", "100"))
BLOCK = 50


@pytest.mark.parametrize("first", range(START, START + SEEDS, BLOCK))
def test_no_promise_is_broken(first: int, octopush: Simulator, tmp_path: Path) -> None:
    endings: Counter[str] = Counter()
    for seed in range(first, min(first + BLOCK, START + SEEDS)):
        try:
            endings[torture(seed, octopush, tmp_path)] += 1
        except BaseException as error:
            error.add_note(f"do this run again with: make torture TORTURE_START={seed} TORTURE_SEEDS=1")
            raise
    assert endings["succeeded"] > 0 or SEEDS < BLOCK
