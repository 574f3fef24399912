"""What keeps the habits: the same linters by hand, before a commit, and on the forge."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parent.parent


def read(path: str) -> str:
    return (PROJECT / path).read_text(encoding="utf-8")


def test_a_commit_is_checked_by_the_linters_of_make_lint() -> None:
    recipe = re.search(r"^lint:.*\n((?:\t.+\n)+)", read("Makefile"), re.MULTILINE)
    assert recipe is not None
    by_hand = [line.strip() for line in recipe[1].splitlines()]
    hooks = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"][0]["hooks"]
    before_commit = [hook["entry"] for hook in hooks]
    # By hand, everything is looked at and nothing is changed; before a commit, the files that it is about.
    assert [re.sub(r" --check| \.$", "", command) for command in by_hand] == before_commit


def test_pre_commit_reads_its_configuration() -> None:
    pre_commit = Path(sys.executable).parent / "pre-commit"
    if not pre_commit.exists():
        pytest.skip("pre-commit is part of the newest environment only")
    subprocess.run([pre_commit, "validate-config", ".pre-commit-config.yaml"], cwd=PROJECT, check=True)


def test_a_night_tries_more_than_a_push() -> None:
    """Each number that a variable of the environment raises is raised by ``make torture``, which runs its tests."""
    recipe = re.search(r"^torture:.*\n((?:\t.+\n)+)", read("Makefile"), re.MULTILINE)
    assert recipe is not None
    by_night = dict(re.findall(r"(\w+)=\$\$\{\1-(\d+)\}", recipe[1]))
    on_a_push: dict[str, tuple[str, str]] = {}
    for path in (PROJECT / "tests").rglob("test_*.py"):
        found = re.findall(
            r'int\(os\.environ\.get\("(\w+_(?:SEEDS|YEARS|STEP|CASES))", "(\d+)"\)\)', path.read_text("utf-8")
        )
        on_a_push |= {name: (number, str(path.relative_to(PROJECT))) for name, number in found}
    assert len(on_a_push) > 5
    raised = re.findall(r"tests/[\w/.]+", recipe[1])
    for name, (number, where) in on_a_push.items():
        assert (int(by_night[name]) > int(number)) is (name != "KILLED_STEP"), name
        assert any(where.startswith(one) for one in raised), where


def test_the_forge_runs_what_everybody_runs() -> None:
    workflow = yaml.safe_load(read(".github/workflows/ci.yml"))
    # YAML takes the word "on" for true.
    events = workflow[True]
    assert "push" in events
    assert [entry.keys() for entry in events["schedule"]] == [{"cron"}]
    commands = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in workflow["jobs"].items()}
    assert commands["test"] == [".ci/run"]
    assert commands["matrix"][-1] == ".ci/run test-matrix"
    lines = [line.split() for line in read("airflow-versions.txt").splitlines() if line[:1].isdigit()]
    pythons = {python for _, _, _, pythons, *_ in lines for python in pythons.split(",")}
    assert workflow["jobs"]["matrix"]["container"].startswith("python:3.11-")
    assert all(python in commands["matrix"][0] for python in pythons - {"3.11"})
