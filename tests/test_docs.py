"""
Every code block of README.md, docs/*.md and the package's docstrings is run. Its info string says how:

- ``python``: executed. A Dag that it makes is run against the simulator, with the demo's table of customers behind the
  connection ``warehouse`` and an object store of the test behind ``s3://``; it must succeed.
- ``bash``: run, ``airflow`` with a home of its own. ``make`` is asked only whether it has the target, ``pip`` whether
  the packages are installed here, and have the extras. Connections that are exported must be ones that the hook reads.
- ``sql``: run on the table of customers.
- ``json``: a summary of the operator, the counts of which add up.
- ``text``: lines that the block before has printed, in this order. ``…`` stands for anything, and one blank for many.
  ``picture``: drawn with letters; nothing runs it.

Words after the language say more: ``continues`` (all languages: with what the block before has defined, exported and
started; a summary must then be the one of the Dag before), ``fails`` (it must), ``task`` (python: the lines of a task,
run within a Dag), ``saved`` (python: only put into the Dags folder, for ``airflow dags test`` in a block that continues
it, or a test that imports it by the name in its first line, ``# dags/name.py``), ``loads`` (python: its Dags are made,
but not run, because something else has to start them), ``test`` (python: run by a pytest of its own), ``airflow>=3.3``
(python: skipped on older ones), ``server`` (bash: runs until the example is over), and ``connection``, ``behaviour``,
``fault`` (json: one of these). The port 8090 stands for a free one, and ``/tmp`` for a folder of the test.

A block with any other language or word fails. Directives of the site are written with ``:::``, which is no code block.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.util
import inspect
import json
import logging
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import airflow
import phonenumbers
import pytest
import requests
from airflow.providers.common.compat.sdk import DAG, BaseHook, task
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from airflow_provider_octopush.hooks.connection import Settings
from airflow_provider_octopush.operators.base import RowsOperator
from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from airflow_provider_octopush.operators.delete_contacts import DeleteContactsOperator
from airflow_provider_octopush.operators.sync_list import SyncListOperator
from airflow_provider_octopush.outcomes import CREATE_OUTCOMES
from airflow_provider_octopush.phones.reader import PhoneReader
from airflow_provider_octopush.simulator import Behaviour, Fault, Simulator
from airflow_provider_octopush.sync.summary import CreateSummary
from tests.airflow_runs import Run, run_dag
from tests.conftest import AIRFLOW_HOME, SetConnection
from tests.dags_examples.test_dags_examples import load
from tests.documentation import PAGES, PROJECT, Block, blocks_of, examples
from tests.integration.airflow_processes import free_port
from tests.object_storage import make_bucket

DAY = dt.date(2026, 11, 20)
AIRFLOW = tuple(map(int, airflow.__version__.split(".")[:2]))

#: What a block need not import.
NAMES = {
    "Behaviour": Behaviour,
    "CreateContactsOperator": CreateContactsOperator,
    "DeleteContactsOperator": DeleteContactsOperator,
    "SyncListOperator": SyncListOperator,
    "Simulator": Simulator,
    "dt": dt,
    "requests": requests,
    "task": task,
}

PRELUDE = r"""
make() { command make --dry-run --directory "$PROJECT" "$@" > /dev/null; }
pip() { python -c '
import re
import sys
from importlib.metadata import metadata
from packaging.requirements import Requirement
_, action, *requirements = sys.argv
for named in requirements:
    # A dot is the clone of this project.
    wanted = Requirement(re.sub(r"^[.](?=$|\[)", "airflow-provider-octopush", named))
    if action != "install" or not wanted.extras <= set(metadata(wanted.name).get_all("Provides-Extra") or ()):
        sys.exit(f"{wanted} cannot be installed")' "$@"; }
"""


class Example:
    """
    Runs blocks that belong together, one after the other.

    :param folder: an empty folder, in which they run.
    :param request: gives the fixtures.
    """

    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        self.folder = folder
        self._monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
        self._caplog: pytest.LogCaptureFixture = request.getfixturevalue("caplog")
        self._capfd: pytest.CaptureFixture[str] = request.getfixturevalue("capfd")
        self._given = {
            name for name in os.environ if name.startswith("AIRFLOW_CONN_") or name == "AIRFLOW__CORE__UNIT_TEST_MODE"
        }
        self._names: dict[str, Any] = {}
        self._port = str(free_port())
        self._servers: list[subprocess.Popen[str]] = []
        self._run: Run | None = None
        self._printed = ""

    def run(self, block: Block) -> None:
        """Run the next block."""
        assert block.problem is None, block.problem
        if "continues" not in block.words:
            self._names = {}
        code = block.code.replace("8090", self._port)
        code = code.replace("/tmp/", f"{self.folder}/")  # noqa: S108 - it is what a page says, and not used
        getattr(self, f"_{block.language}")(block, code)

    @property
    def results(self) -> dict[str, Any]:
        """What the tasks of the last Dag have returned."""
        assert self._run is not None
        return self._run.results

    def stop(self) -> None:
        """End the servers that were started."""
        for server in self._servers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            server.communicate(timeout=20)

    def _python(self, block: Block, code: str) -> None:
        if "test" in block.words:
            self._test(code)
            return
        # In a file, as Airflow reads the source of decorated functions; at the same line, for the traceback.
        named = re.match(r"# dags/(\w+)\.py\n", code)
        path = self.folder / "dags" / f"{named[1] if named else f'{Path(block.page).stem}_{block.line}'}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n" * (block.line - 1) + code, encoding="utf-8")
        if "saved" in block.words:
            return
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        vars(module).update(NAMES | self._names)
        before = {id(value) for value in self._names.values()}
        self._monkeypatch.setitem(sys.modules, path.stem, module)
        with self._caplog.at_level(logging.INFO):
            if "task" in block.words:
                with DAG(path.stem, schedule=None, start_date=dt.datetime(2026, 11, 1, tzinfo=dt.UTC)) as dag:
                    spec.loader.exec_module(module)
                dags = [dag]
            else:
                spec.loader.exec_module(module)
                dags = [value for value in vars(module).values() if isinstance(value, DAG) and id(value) not in before]
            self._names = {name: value for name, value in vars(module).items() if not name.startswith("__")}
            for dag in [] if "loads" in block.words else dags:
                self._run = run_dag(dag)
                assert self._run.state == ("failed" if "fails" in block.words else "success")
        self._printed = self._capfd.readouterr().out + self._caplog.text

    def _test(self, code: str) -> None:
        (self.folder / "test_example.py").write_text(code, encoding="utf-8")
        environment = {**self._environment(), "PYTHONPATH": str(self.folder / "dags")}
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_example.py"]
        done = subprocess.run(
            command, env=environment, cwd=self.folder, capture_output=True, text=True, check=False, timeout=120
        )
        self._printed = done.stdout
        assert done.returncode == 0, done.stdout

    def _bash(self, block: Block, code: str) -> None:
        exported = self.folder / "exported"
        environment = self._environment()
        command = ["bash", "-euo", "pipefail", "-c", f"{PRELUDE}\n{code}\nenv -0 > {exported}"]
        if "server" in block.words:
            server = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
            )
            self._servers.append(server)
            assert server.stdout is not None
            self._printed = server.stdout.readline()
            assert self._printed, "the server did not start"
            return
        done = subprocess.run(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        self._printed = done.stdout
        assert (done.returncode != 0) == ("fails" in block.words), done.stdout
        if done.returncode == 0:
            self._take_over(environment, exported)

    def _environment(self) -> dict[str, str]:
        home = self.folder / "airflow"
        if not home.exists():
            home.mkdir()
            shutil.copy(AIRFLOW_HOME / "airflow.db", home)
        return {
            # A reader's shell has no connections but those that it was given, and is no test.
            **{name: value for name, value in os.environ.items() if name not in self._given},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.folder / "dags"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "PROJECT": str(PROJECT),
        }

    def _take_over(self, before: dict[str, str], exported: Path) -> None:
        for line in exported.read_text(encoding="utf-8").split("\0"):
            name, _, value = line.partition("=")
            if name.startswith("AIRFLOW") and before.get(name) != value:
                self._monkeypatch.setenv(name, value)
                self._given.discard(name)
                if name.startswith("AIRFLOW_CONN_"):
                    check_connection(name.removeprefix("AIRFLOW_CONN_").lower())

    def _sql(self, _: Block, code: str) -> None:
        with sqlite3.connect(self.folder / "warehouse.sqlite") as connection:
            connection.execute(code, {"start": "2026-11-20", "end": "2026-11-21", "tier": "gold"}).fetchall()
        connection.close()

    def _json(self, block: Block, code: str) -> None:
        value = json.loads(code)
        if "connection" in block.words:
            self._monkeypatch.setenv("AIRFLOW_CONN_SHOWN", code)
            check_connection("shown")
        elif "behaviour" in block.words:
            Behaviour.from_json(value)
        elif "fault" in block.words:
            Fault.from_json(value)
        else:
            check_summary(value, self._run if "continues" in block.words else None)

    def _text(self, block: Block, code: str) -> None:
        if "picture" in block.words:
            return
        printed = re.sub(" +", " ", self._printed)
        position = 0
        for line in re.sub(" +", " ", code).splitlines():
            match = re.compile(".*?".join(map(re.escape, line.strip().split("…")))).search(printed, position)
            assert match is not None, f"{line!r} was not printed, or not here:\n{self._printed}"
            position = match.end()


def check_connection(conn_id: str) -> None:
    connection: Any = BaseHook.get_connection(conn_id)
    if connection.conn_type == "octopush":
        Settings.from_connection(connection)


def check_summary(summary: dict[str, Any], run: Run | None) -> None:
    assert summary.keys() <= CreateSummary().as_xcom().keys()
    assert summary["read"] == sum(summary.get(name, 0) for name in CREATE_OUTCOMES)
    if run is not None:
        shown = [{name: result[name] for name in summary} for result in run.results.values() if "read" in result]
        assert summary in shown


@pytest.fixture
def example(
    tmp_path: Path,
    octopush: Simulator,
    airflow_db: None,
    set_connection: SetConnection,
    monkeypatch: pytest.MonkeyPatch,
    s3_endpoint: str,
    request: pytest.FixtureRequest,
) -> Iterator[Example]:
    """What a reader has: a simulator, a warehouse, an object store, and a folder."""
    del octopush, airflow_db
    load(PROJECT / "demo" / "warehouse.py").make(tmp_path / "warehouse.sqlite", 400, 1, DAY)
    set_connection("warehouse", conn_type="sqlite", host=str(tmp_path / "warehouse.sqlite"))
    monkeypatch.chdir(tmp_path)
    # A path without a connection is opened as the SDK of AWS finds its own settings.
    make_bucket(s3_endpoint, "rejects")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    example = Example(tmp_path, request)
    yield example
    example.stop()


@pytest.mark.parametrize("blocks", examples(), ids=lambda blocks: blocks[0].place)
def test_every_code_block_runs(blocks: list[Block], example: Example) -> None:
    assert "saved" not in blocks[-1].words, f"nothing runs what is saved at {blocks[-1].place}"
    for block in blocks:
        if "airflow>=3.3" in block.words and AIRFLOW < (3, 3):
            pytest.skip(f"{block.place} needs Airflow 3.3")
        try:
            example.run(block)
        except BaseException as error:
            error.add_note(f"in the block at {block.place}")
            raise


def recipe(words: str) -> list[Block]:
    """
    Find the blocks of a guide that belong together, by words that only they have.

    Their Dags get other names: a list that has been kept in step before has to have its snapshot.
    """
    (blocks,) = [blocks for blocks in examples() if any(words in block.code for block in blocks)]
    return [replace(block, code=block.code.replace('DAG("', 'DAG("once_more_')) for block in blocks]


def test_a_number_whose_stop_came_back_is_not_sent_and_of_what_it_said_the_latest_counts(
    example: Example, octopush: Simulator, tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "warehouse.sqlite") as connection:
        connection.execute("INSERT INTO customers (id, mobile, country) VALUES (0, '06 00 00 00 00', 'FR')")
    connection.close()
    said = [
        ("+33612345601", None, [("stop", 1), ("consent", 2)]),
        ("+33612345602", None, [("consent", 1), ("stop", 2)]),
        ("+33612345603", None, [("stop", 1), ("consent", 1)]),
        ("+33612345604", None, [("stop", 1), ("consent", 2), ("stop", 3), ("stop", 3)]),
        ("612345605", "FR", [("stop", 1), ("consent", 2)]),
        ("612345605", "ES", [("stop", 1)]),
    ]
    rows = [
        (number, region, state, f"2026-11-0{day}", "test") for number, region, words in said for state, day in words
    ]
    opted_out = {
        ("+33600000000", None),
        ("+33612345602", None),
        ("+33612345603", None),
        ("+33612345604", None),
        ("612345605", "ES"),
    }
    check = f"""
warehouse = BaseHook.get_connection("warehouse").get_hook()
warehouse.insert_rows("consents", {rows}, target_fields=COLUMNS)
found = [tuple(row) for row in warehouse.get_records(OPTED_OUT)]
assert len(found) == {len(opted_out)} and set(found) == {opted_out}, found
"""
    for block in [*recipe("OPTED_OUT"), Block("docs/recipes.md", 1, "python continues", check)]:
        example.run(block)
    assert len(octopush.lists["Customers"]) > 100
    assert "+33600000000" not in octopush.lists["Customers"]


def test_the_watch_speaks_up_when_a_list_was_not_synced_and_when_far_more_was_added_than_usual(
    example: Example,
) -> None:
    check = """
from airflow.providers.common.compat.sdk import BaseHook
from airflow.utils.session import create_session
from sqlalchemy import text
from tests.airflow_runs import run_dag

warehouse = BaseHook.get_connection("warehouse").get_hook()

def run(dag):
    return run_dag(dag).state

def add(numbers):
    rows = [(number, f"+3361234{number}", "FR") for number in numbers]
    warehouse.insert_rows("customers", rows, target_fields=["id", "mobile", "country"])
    assert run(dag) == "success"

with create_session() as session:
    session.execute(text("DELETE FROM EVENTS"))
assert run(watch) == "failed"
add([])
add([])
assert run(watch) == "success"
add(range(5000, 5050))
assert run(watch) == "success"
add(range(6000, 6051))
assert run(watch) == "failed"
add([])
assert run(watch) == "success"
with create_session() as session:
    session.execute(text("UPDATE EVENTS SET timestamp = '2026-11-20 05:00:00.000000'"))
assert run(watch) == "failed"
"""
    check = check.replace("EVENTS", "dataset_event" if AIRFLOW < (3,) else "asset_event")
    for block in [*recipe("inlet_events"), Block("docs/recipes.md", 1, "python continues", check)]:
        example.run(block)


def test_each_row_is_in_exactly_one_part_of_a_list_in_parts(
    example: Example, octopush: Simulator, tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "warehouse.sqlite") as connection:
        connection.execute("INSERT INTO customers (id, mobile, country) VALUES (0, '06 12 34 56 78 ', 'FR')")
        connection.execute("INSERT INTO customers (id, mobile, country) VALUES (-1, '+33612345678', NULL)")
        ((rows,),) = connection.execute("SELECT COUNT(*) FROM customers")
    connection.close()
    for block in recipe("LAST_DIGIT"):
        example.run(block)
    merged = example.results["merge"]
    assert merged["read"] == rows
    numbers = [number for contacts in octopush.lists.values() for number in contacts]
    assert len(octopush.lists) == 4
    assert len(numbers) == len(set(numbers)) == merged["added"]


def test_a_block_that_nobody_runs_is_found() -> None:
    for info in ("", "python skip", "ruby", "{code-block} python", "text"):
        assert Block("page.md", 1, info, "").problem is not None


def test_every_parameter_of_the_operator_is_explained() -> None:
    parameters = {
        name
        for kind in (CreateContactsOperator, RowsOperator)
        for name in inspect.signature(kind.__init__).parameters
        if name not in ("self", "kwargs")
    }
    page = (PROJECT / "docs" / "operator.md").read_text(encoding="utf-8")
    assert {name for name in parameters if f"`{name}`" not in page} == set()


def test_numbers_are_read_as_the_tables_say() -> None:
    page = (PROJECT / "docs" / "operator.md").read_text(encoding="utf-8")
    national = table(page, "| value | `default_region` | becomes |")
    assert len(national) > 30
    for value, regions, becomes in national:
        assert read(value, PhoneReader(list(filter(None, regions.split(", "))))) == becomes
    international = table(page, '| value | becomes, with `number_format="international"` |')
    assert len(international) > 4
    for value, becomes in international:
        assert read(value, PhoneReader(number_format="international")) == becomes


def read(value: str, reader: PhoneReader) -> str:
    number = reader.read(value)
    return number if isinstance(number, str) else number.value


def table(page: str, header: str) -> list[list[str]]:
    lines = page[page.index(header) :].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_the_lists_of_regions_cover_what_they_are_for() -> None:
    page = (PROJECT / "docs" / "operator.md").read_text(encoding="utf-8")
    lists = [re.findall(r'"([A-Z]{2})"', cell) for _, cell, _ in table(page, "| customers in | `default_region` |")]
    assert [regions[0] for regions in lists] == ["FR", "GB", "US", "NO", "FI", "IT"]
    for regions in lists:
        for region in regions:
            example = phonenumbers.example_number_for_type(region, PhoneNumberType.FIXED_LINE)
            assert example is not None
            text = phonenumbers.format_number(example, PhoneNumberFormat.NATIONAL)
            e164 = phonenumbers.format_number(example, PhoneNumberFormat.E164)
            assert PhoneReader(region).read(text) == e164
            assert (PhoneReader(regions[0]).read(text) == e164) is (region == regions[0])


def test_the_table_of_versions_is_what_is_tested() -> None:
    page = (PROJECT / "docs" / "upgrading.md").read_text(encoding="utf-8")
    lines = (PROJECT / "airflow-versions.txt").read_text(encoding="utf-8").splitlines()
    tested = []
    for line in lines:
        if line and not line.startswith("#"):
            version, _, pandas, pythons, *_ = line.split()
            tested.append([version.rpartition(".")[0], pythons, pandas])
    shown = table(page, "| Airflow | Python | pandas | until |")
    assert [[cell.replace(" ", "") for cell in cells[:3]] for cells in shown] == tested


def test_every_field_of_the_summary_is_explained() -> None:
    page = (PROJECT / "docs" / "operator.md").read_text(encoding="utf-8")
    assert {name for name in CreateSummary().as_xcom() if f"`{name}`" not in page} == set()


def test_the_readme_links_to_pages_that_are_there() -> None:
    (readme,) = [page for page in PAGES if page.name == "README.md"]
    links = re.findall(r"\]\((?!https?:)([^)#]+)", readme.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (PROJECT / link).exists()] == []


def test_the_floors_in_the_readme_are_those_that_are_enforced() -> None:
    configured = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    enforced = [set(re.findall(r"\w+", floor)) for floor in configured["contracts"][0]["layers"]]
    picture = next(b.code for b in blocks_of(PROJECT / "README.md") if "picture" in b.words)
    drawn = [set(re.findall(r"\w+", line)) for line in picture.splitlines() if "──" not in line]
    assert len(drawn) == len(enforced)
    # What Airflow discovers is no room that anyone would look for.
    assert all(floor - {"get_provider_info"} <= names for floor, names in zip(enforced, drawn, strict=True))
