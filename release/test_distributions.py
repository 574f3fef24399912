"""What is in the distributions in ``dist/``, and what they say about themselves: ``make release-check``."""

from __future__ import annotations

import configparser
import re
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata

from airflow_provider_octopush import __version__
from airflow_provider_octopush.get_provider_info import get_provider_info
from release.metadata import find_urls, with_absolute_links

PROJECT = Path(__file__).parent.parent
README = PROJECT / "README.md"
PACKAGE = "airflow_provider_octopush"
NAME = f"{PACKAGE}-{__version__}"


@pytest.fixture(scope="session")
def wheel() -> dict[str, bytes]:
    """The wheel's files: path → content."""
    with zipfile.ZipFile(PROJECT / "dist" / f"{NAME}-py3-none-any.whl") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="session")
def sdist() -> dict[str, bytes]:
    """The sdist's files: path below its only folder → content."""
    files = {}
    with tarfile.open(PROJECT / "dist" / f"{NAME}.tar.gz") as archive:
        for member in archive:
            folder, _, path = member.name.partition("/")
            assert folder == NAME
            content = archive.extractfile(member)
            if content is not None:
                files[path] = content.read()
    return files


def in_git(*paths: str) -> dict[str, bytes]:
    names = subprocess.run(["git", "ls-files", "-z", *paths], cwd=PROJECT, check=True, capture_output=True, text=True)
    return {name: (PROJECT / name).read_bytes() for name in names.stdout.split("\0") if name}


def test_the_distributions_are_one_sdist_and_one_wheel() -> None:
    built = {path.name for path in (PROJECT / "dist").iterdir() if not path.name.startswith(".")}
    assert built == {f"{NAME}.tar.gz", f"{NAME}-py3-none-any.whl"}


def test_the_wheel_holds_only_the_package(wheel: dict[str, bytes]) -> None:
    about_itself = {f"{NAME}.dist-info/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")}
    assert wheel.keys() == {*in_git(PACKAGE), *about_itself, f"{NAME}.dist-info/licenses/LICENSE"}
    assert {path: wheel[path] for path in in_git(PACKAGE)} == in_git(PACKAGE)
    assert f"{PACKAGE}/py.typed" in wheel


def test_the_sdist_holds_all_that_is_kept_in_git_but_the_setting_up_of_ci(sdist: dict[str, bytes]) -> None:
    kept = {path: content for path, content in in_git().items() if not path.startswith(".ci/")}
    assert sdist.keys() == {*kept, "PKG-INFO"}
    assert {path: sdist[path] for path in kept} == kept
    assert {"LICENSE", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md", "Makefile", "demo/run.py"} <= sdist.keys()
    assert {"tests", "docs", "dags_examples"} <= {path.partition("/")[0] for path in sdist}


def test_both_carry_the_licence(wheel: dict[str, bytes], sdist: dict[str, bytes]) -> None:
    licence = (PROJECT / "LICENSE").read_bytes()
    assert b"Apache License" in licence
    assert wheel[f"{NAME}.dist-info/licenses/LICENSE"] == sdist["LICENSE"] == licence


def test_both_say_the_same_about_themselves(wheel: dict[str, bytes], sdist: dict[str, bytes]) -> None:
    assert wheel[f"{NAME}.dist-info/METADATA"] == sdist["PKG-INFO"]


def test_the_metadata_is_what_the_package_says(wheel: dict[str, bytes]) -> None:
    metadata = Metadata.from_email(wheel[f"{NAME}.dist-info/METADATA"])
    assert metadata.name == get_provider_info()["package-name"]
    assert str(metadata.version) == __version__
    assert str(metadata.requires_python) == ">=3.11"
    assert metadata.license_expression == "Apache-2.0"
    assert set(metadata.provides_extra or ()) == {"simulator", "parquet"}


def test_the_package_index_shows_readme_and_addresses(wheel: dict[str, bytes]) -> None:
    metadata = Metadata.from_email(wheel[f"{NAME}.dist-info/METADATA"])
    assert metadata.project_urls, "no address of the repository: build from a clone of it, or set REPOSITORY_URL"
    assert metadata.project_urls == find_urls(PROJECT, __version__)
    readme = README.read_text(encoding="utf-8")
    assert metadata.description == with_absolute_links(readme, metadata.project_urls["Source"])


def test_a_tag_of_this_commit_is_that_of_the_version() -> None:
    tags = subprocess.run(["git", "tag", "--points-at"], cwd=PROJECT, check=True, capture_output=True, text=True)
    assert set(tags.stdout.split()) <= {f"v{__version__}"}


def test_where_the_repository_has_an_address_each_link_of_readme_leads_into_it() -> None:
    repository = "https://forge.example/somebody/airflow-provider-octopush"
    page = with_absolute_links(README.read_text(encoding="utf-8"), repository)
    targets = re.findall(r"\]\(([^)]+)\)", page)
    assert len(targets) > 20
    for target in targets:
        assert target.startswith("https://"), target
        if target.startswith(repository):
            kind, head, path = target.removeprefix(f"{repository}/").split("/", 2)
            assert (PROJECT / path.partition("#")[0]).exists(), target
            assert (kind, head) == ("raw" if path.endswith(".png") else "blob", "HEAD")


def test_airflow_finds_the_provider_info(wheel: dict[str, bytes]) -> None:
    entry_points = configparser.ConfigParser()
    entry_points.read_string(wheel[f"{NAME}.dist-info/entry_points.txt"].decode())
    assert dict(entry_points["apache_airflow_provider"]) == {
        "provider_info": f"{get_provider_info.__module__}:{get_provider_info.__name__}"
    }
    others = {section: dict(entry_points[section]) for section in entry_points.sections()}
    others.pop("apache_airflow_provider")
    assert others == {
        "airflow.plugins": {"octopush": f"{PACKAGE}.history.plugin:OctopushPlugin"},
        "pytest11": {"octopush": f"{PACKAGE}.pytest_plugin"},
    }


def test_the_version_stands_in_one_place() -> None:
    literal = re.compile(rf"(?<![\d.]){re.escape(__version__)}(?![\d.]*\d)".encode())
    code = {path: content for path, content in in_git().items() if path.endswith((".py", ".toml", "Makefile"))}
    assert [path for path, content in code.items() if literal.search(content)] == [f"{PACKAGE}/__init__.py"]


def test_the_changelog_says_what_is_new() -> None:
    changelog = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    entry = re.search(rf"^## {re.escape(__version__)} – [^\n]+\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    assert entry is not None
    assert "\n- " in entry[1]
