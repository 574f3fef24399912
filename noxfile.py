"""The sessions behind ``make test-matrix`` and ``make release-check``."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from itertools import chain, cycle
from pathlib import Path

import nox

PROJECT = Path(__file__).parent
DISTRIBUTIONS = PROJECT / "dist"

nox.needs_version = ">=2026.2"
nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"

# pyenv hides all interpreters but its current one.
if "PYENV_ROOT" in os.environ:
    installed = sorted(path.name for path in Path(os.environ["PYENV_ROOT"], "versions").iterdir())
    os.environ.setdefault("PYENV_VERSION", ":".join(installed))


@dataclass(frozen=True)
class Airflow:
    """
    A line of ``airflow-versions.txt``.

    :param version: of Airflow.
    :param as_of: the day as of which everything beside it is resolved.
    :param pandas: major versions of pandas that it works with.
    :param pythons: minor versions of Python to test it on.
    :param beside: requirements that Airflow forgot.
    """

    version: str
    as_of: str
    pandas: tuple[str, ...]
    pythons: tuple[str, ...]
    beside: tuple[str, ...]

    @property
    def requirements(self) -> tuple[str, ...]:
        return f"apache-airflow=={self.version}", *self.beside

    @property
    def has_pages(self) -> bool:
        """Whether its UI shows pages of plugins."""
        return tuple(map(int, self.version.split(".")[:2])) >= (3, 1)

    def __str__(self) -> str:
        return self.version


def _airflows() -> list[Airflow]:
    lines = (PROJECT / "airflow-versions.txt").read_text(encoding="utf-8").splitlines()
    fields = [line.split() for line in lines if line and not line.startswith("#")]
    return [
        Airflow(version, as_of, tuple(pandas.split(",")), tuple(pythons.split(",")), tuple(beside))
        for version, as_of, pandas, pythons, *beside in fields
    ]


AIRFLOWS = _airflows()
OLDEST, NEWEST = AIRFLOWS[0], AIRFLOWS[-1]


@nox.session(tags=["matrix"])
@nox.parametrize(
    ("python", "airflow", "pandas"),
    [
        nox.param(python, airflow, pandas, id=f"airflow-{airflow}-python-{python}-pandas-{pandas}")
        for airflow in AIRFLOWS
        # Each Python once, with the versions of pandas in turn: a fault lies with one of them, not with a pair.
        for python, pandas in zip(airflow.pythons, cycle(airflow.pandas), strict=False)
    ],
)
def tests(session: nox.Session, airflow: Airflow, pandas: str) -> None:
    """Run the unit and Dag tests on an Airflow."""
    groups = ["--group", "test", "--group", "engines"]
    _install(session, airflow, "--editable", ".", *airflow.requirements, f"pandas=={pandas}.*", *groups)
    _install_mariadb(session, airflow)
    _run_tests(session)


@nox.session(tags=["matrix"])
@nox.parametrize(
    ("python", "airflow"),
    # The newest is what `make test` runs them on.
    [nox.param(airflow.pythons[0], airflow, id=f"airflow-{airflow}") for airflow in AIRFLOWS[:-1] if airflow.has_pages],
)
def history(session: nox.Session, airflow: Airflow) -> None:
    """Look at the history of a sync in an Airflow's own pages, with a browser."""
    pandas = f"pandas=={airflow.pandas[0]}.*"
    groups = ["--group", "test", "--group", "people"]
    _install(session, airflow, "--editable", ".", *airflow.requirements, pandas, *groups)
    session.run("pytest", "tests/history", "tests/integration/test_history.py", *session.posargs)


@nox.session(python=OLDEST.pythons[0], tags=["matrix"])
def lowest(session: nox.Session) -> None:
    """Run the same tests on the lowest version of everything that pyproject.toml allows."""
    # 2.11.0's ObjectStoragePath, like 3.0's, cannot be made with the universal-pathlib 0.3 that came after it.
    # moto brings joserfc, whose newer versions ask for more of cryptography than we do.
    requirements = [
        "--editable",
        ".[simulator,parquet]",
        "--group",
        "test",
        "--group",
        "engines",
        "universal-pathlib<0.3",
        "joserfc<1",
    ]
    resolution = ["--resolution", "lowest-direct"]
    _install(session, OLDEST, *resolution, *requirements)
    _install_mariadb(session, OLDEST, *resolution)
    project = nox.project.load_toml(PROJECT / "pyproject.toml")["project"]
    installed = _versions(session)
    extras = chain.from_iterable(project["optional-dependencies"].values())
    for requirement in (*project["dependencies"], *extras):
        name, floor = requirement.split(">=")
        if installed[name] != floor:
            session.error(f"{requirement} says pyproject.toml, but nothing below {installed[name]} can be installed")
    _run_tests(session)


@nox.session(tags=["matrix"], requires=["build"])
@nox.parametrize(
    ("python", "airflow"),
    [nox.param(airflow.pythons[0], airflow, id=f"airflow-{airflow}") for airflow in AIRFLOWS],
)
def beside(session: nox.Session, airflow: Airflow) -> None:
    """Install the wheel next to an Airflow, and see that nothing that was there changes."""
    _install_beside(session, airflow, airflow.requirements, _distribution("*.whl"))


@nox.session(python=NEWEST.pythons[0])
def build(session: nox.Session) -> None:
    """Build sdist and wheel into ``dist/``."""
    shutil.rmtree(DISTRIBUTIONS, ignore_errors=True)
    session.run("uv", "build", "--quiet", "--exclude-newer", NEWEST.as_of, "--out-dir", str(DISTRIBUTIONS))


@nox.session(python=NEWEST.pythons[0], tags=["release"], requires=["build"])
def distributions(session: nox.Session) -> None:
    """Check what is in sdist and wheel, and what they say about themselves."""
    _install(session, NEWEST, "--group", "release")
    session.run("twine", "check", "--strict", *map(str, (_distribution("*.tar.gz"), _distribution("*.whl"))))
    # As a module, so that the checkout's version and provider info can be imported.
    session.run("python", "-m", "pytest", "release", *session.posargs)


@nox.session(tags=["release"], requires=["build"])
@nox.parametrize(
    ("python", "airflow", "kind"),
    [
        nox.param(airflow.pythons[0], airflow, kind, id=f"{name}-airflow-{airflow}")
        for airflow in (NEWEST, OLDEST)
        for name, kind in (("wheel", "*.whl"), ("sdist", "*.tar.gz"))
    ],
)
def demo(session: nox.Session, airflow: Airflow, kind: str) -> None:
    """Install a distribution in a clean environment, and run the demo Dag from it."""
    # The demo's warehouse is a SQLite file.
    requirements = (*airflow.requirements, "apache-airflow-providers-sqlite")
    _install_beside(session, airflow, requirements, _distribution(kind), extra="[simulator]")
    # Where the checkout's package cannot be imported in place of the one that was installed.
    folder = Path(session.create_tmp())
    for name in ("demo", "dags_examples"):
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(PROJECT / name, folder / name)
    with session.chdir(folder):
        session.run("python", "demo/run.py")


def _install(session: nox.Session, airflow: Airflow, *arguments: str) -> None:
    session.install("--quiet", "--exclude-newer", airflow.as_of, *arguments)


def _install_mariadb(session: nox.Session, airflow: Airflow, *resolution: str) -> None:
    # As in the Makefile: the driver needs a C compiler and libmariadb-dev; without it, its tests are skipped.
    group = ["--group", "mariadb"]
    session.install(
        "--quiet", "--exclude-newer", airflow.as_of, *resolution, *group, success_codes=range(256), silent=True
    )


def _run_tests(session: nox.Session) -> None:
    session.run("uv", "pip", "check", "--quiet")
    # As in the Makefile.
    side_by_side = ["--numprocesses", "4", "--dist", "loadfile"]
    unit_and_dag_tests = ["-m", "not integration"]
    session.run("pytest", *side_by_side, *unit_and_dag_tests, *session.posargs)


def _distribution(kind: str) -> Path:
    (path,) = DISTRIBUTIONS.glob(kind)
    return path


def _install_beside(
    session: nox.Session, airflow: Airflow, requirements: tuple[str, ...], distribution: Path, extra: str = ""
) -> None:
    """Install an Airflow, then a distribution next to it; an error unless all that was there stays as it was."""
    _install(session, airflow, *requirements)
    before = _versions(session)
    _install(session, airflow, f"airflow-provider-octopush{extra} @ {distribution.as_uri()}")
    after = _versions(session)
    session.run("uv", "pip", "check")
    changed = [
        f"{name} {version} became {after.get(name)}" for name, version in before.items() if version != after.get(name)
    ]
    if changed:
        session.error(f"installing {distribution.name} next to Airflow {airflow}: {', '.join(changed)}")
    added = ", ".join(f"{name} {version}" for name, version in after.items() if name not in before)
    session.log(f"next to Airflow {airflow}, {distribution.name} adds {added}, and changes nothing")


def _versions(session: nox.Session) -> dict[str, str]:
    listed = session.run("uv", "pip", "list", "--quiet", "--format", "json", silent=True, log=False)
    return {package["name"]: package["version"] for package in json.loads(str(listed))}
