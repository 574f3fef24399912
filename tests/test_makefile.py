"""What ``make`` does with an environment that was made before the library that MariaDB's driver needs was there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
NOTICE = "The MariaDB driver does not build here"

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """
    A checkout with both environments made, neither of which has the driver.

    Their Python has it once there is a file ``driver`` in them; ``uv`` makes that file once there is one ``library``.
    """
    for name in ("Makefile", "airflow-versions.txt", "pyproject.toml"):
        shutil.copy(PROJECT / name, tmp_path)
    write(tmp_path / "uv", 'echo "$@" >> calls; test -e library || exit 1; touch "$5/driver"')
    for name in (".venv", ".venv-oldest"):
        write(tmp_path / name / "bin" / "python", f"test -e {name}/driver")
        (tmp_path / name / ".complete").touch()
    return tmp_path


def write(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def make(checkout: Path) -> tuple[str, list[str]]:
    """Do what ``make test`` does about the driver; return what was said, and how uv was called."""
    calls = checkout / "calls"
    calls.write_text("")
    # Not what the make that runs these tests tells its children.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--silent", "mariadb", "UV=./uv"]
    run = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=True)
    return run.stdout + run.stderr, calls.read_text().splitlines()


def test_without_the_library_one_line_says_so_and_nothing_fails(checkout: Path) -> None:
    said, _ = make(checkout)
    assert said.startswith(NOTICE)
    assert said.count("\n") == 1


def test_the_driver_is_installed_once_the_library_is_there(checkout: Path) -> None:
    make(checkout)
    (checkout / "library").touch()
    said, calls = make(checkout)
    assert said == ""
    assert [call.split()[4] for call in calls] == [".venv", ".venv-oldest"]
    assert all("--group mariadb" in call for call in calls)
    assert make(checkout) == ("", []), "what is there is left alone"
