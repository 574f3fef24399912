from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_octopush.simulator import Simulator
from tests.torture.killed import Forker
from tests.torture.tasks import without_waiting
from tests.torture.years import Year

START = int(os.environ.get("TORTURE_START", "0"))
YEARS = int(os.environ.get("TORTURE_YEARS", "4"))
NIGHTS = int(os.environ.get("TORTURE_NIGHTS", "20"))


@pytest.mark.parametrize("seed", range(START, START + YEARS))
def test_a_year_of_nights_keeps_the_list_in_step(
    seed: int,
    simulator: Simulator,
    forker: Forker,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    without_waiting(monkeypatch)
    # In every fourth year, some processes are killed in earnest.
    year = Year(seed, simulator, monkeypatch, tmp_path, forker if seed % 4 == 3 else None)
    try:
        endings = year.live(NIGHTS)
    except BaseException as error:
        error.add_note(
            f"do this year again with: make torture TORTURE_START={seed} TORTURE_YEARS=1 TORTURE_SEEDS=0 "
            f"TORTURE_NIGHTS={NIGHTS}"
        )
        raise
    record_property("endings", dict(endings))
