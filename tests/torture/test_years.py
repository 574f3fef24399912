from __future__ import annotations

import os
from functools import partial

import pytest

from airflow_provider_octopush.delivery import retry
from airflow_provider_octopush.simulator import Simulator
from tests.torture.years import Year

START = int(os.environ.get("TORTURE_START", "0"))
YEARS = int(os.environ.get("TORTURE_YEARS", "15"))
NIGHTS = 20


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "Backoff", partial(retry.Backoff, sleep=lambda _: None))


@pytest.mark.parametrize("seed", range(START, START + YEARS))
def test_a_year_of_nights_keeps_the_list_in_step(
    seed: int, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        Year(seed, simulator, monkeypatch).live(NIGHTS)
    except BaseException as error:
        error.add_note(f"do this year again with: make torture TORTURE_START={seed} TORTURE_YEARS=1 TORTURE_SEEDS=0")
        raise
