"""What the package says of where it comes from; ``make release-check`` looks at the rest, and runs the demo from it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_octopush import __version__

pytest.importorskip("hatchling", reason="what builds the package is installed beside the newest Airflow only")
pytest.importorskip("packaging.metadata")

from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from release.metadata import find_urls

PROJECT = Path(__file__).parent.parent
REPOSITORY = "https://forge.example/somebody/provider"


@pytest.fixture(autouse=True)
def nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REPOSITORY_URL", "DOCUMENTATION_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a wheel is made of, without git."""
    for name in ("airflow_provider_octopush", "release"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"):
        shutil.copy(PROJECT / name, tmp_path)
    return tmp_path


def release_check(checkout: Path) -> str:
    """Build a wheel, and let the release check look at its addresses; returns what it says."""
    for _ in WheelBuilder(str(checkout)).build(directory=str(checkout / "dist")):
        pass
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "release", "-k", "package_index_shows"]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == ("1 failed" in done.stdout), done.stdout
    return done.stdout


def test_a_wheel_without_addresses_does_not_pass_the_release_check(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "set REPOSITORY_URL" in release_check(checkout)
    monkeypatch.setenv("REPOSITORY_URL", REPOSITORY)
    assert "1 passed" in release_check(checkout)


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://forge.example/somebody/provider.git", REPOSITORY),
        ("git@forge.example:somebody/provider.git", REPOSITORY),
        ("ssh://git@forge.example/somebody/provider", REPOSITORY),
        ("../provider", None),
        ("", None),
    ],
)
def test_the_repository_s_address_is_that_of_its_remote(remote: str, address: str | None, tmp_path: Path) -> None:
    git = shutil.which("git")
    assert git is not None
    subprocess.run([git, "init", "--quiet", tmp_path], check=True)
    subprocess.run([git, "config", "remote.origin.url", remote], cwd=tmp_path, check=True)
    assert find_urls(tmp_path, "1.2.3").get("Source") == address


def test_the_documentation_is_that_of_the_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPOSITORY_URL", f"{REPOSITORY}.git")
    assert find_urls(tmp_path, "1.2.3")["Documentation"] == f"{REPOSITORY}/tree/v1.2.3/docs"
    monkeypatch.setenv("DOCUMENTATION_URL", "https://docs.example/en/")
    assert find_urls(tmp_path, "1.2.3")["Documentation"] == "https://docs.example/en/v1.2.3/"


def test_a_wheel_that_is_built_from_an_sdist_has_the_sdist_s_addresses(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as said:
        said.setenv("REPOSITORY_URL", REPOSITORY)
        said.setenv("DOCUMENTATION_URL", "https://docs.example/en")
        urls = find_urls(checkout, __version__)
        (sdist,) = SdistBuilder(str(checkout)).build(directory=str(checkout / "dist"))
    folder = tmp_path_factory.mktemp("unpacked")
    shutil.unpack_archive(sdist, folder, filter="data")
    (unpacked,) = folder.iterdir()
    assert find_urls(unpacked, __version__) == urls
    assert find_urls(folder, __version__) == {}
