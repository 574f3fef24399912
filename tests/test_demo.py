"""``make demo``, as a newcomer runs it; ``make release-check`` runs it from sdist and wheel, on both Airflows."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import airflow
import pytest

from tests.documentation import PROJECT

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(airflow.__version__.startswith("2."), reason="it runs on the newest Airflow"),
]


def test_it_checks_what_it_shows_whatever_was_run_before(tmp_path: Path) -> None:
    """What the run before has left is no snapshot of its lists: the simulator is new each time."""
    for folder in ("demo", "dags_examples"):
        shutil.copytree(PROJECT / folder, tmp_path / folder)
    snapshot = tmp_path / ".demo" / "demo" / "snapshots" / "newsletter.snapshot"
    snapshot.parent.mkdir(parents=True)
    snapshot.write_text("no snapshot of this list")
    run = subprocess.run(
        [sys.executable, "demo/run.py"], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "All of this was checked" in run.stdout
    assert b"no snapshot" not in snapshot.read_bytes(), "it is kept somewhere else, so that this test says nothing"
