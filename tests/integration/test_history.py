"""
The history of a sync in Airflow's own pages, by the people who look: who may, who may not, and who is not logged in.

Airflow knows them by FAB, its auth manager that tells Dags apart. The pictures in the docs are made here as well.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import airflow
import pytest
import requests
from playwright.sync_api import FrameLocator, Locator, Page, expect

from airflow_provider_octopush.simulator import Simulator
from tests.integration.airflow_processes import Airflow, environment, wait_for
from tests.integration.browser import browser, chromium
from tests.integration.screenshots import Shoot
from tests.integration.standalone import components

VERSION = tuple(map(int, airflow.__version__.split(".")[:2]))

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(VERSION < (3, 1), reason="Airflow shows pages of plugins from 3.1 on"),
]

#: The people of each night, by the numbers that they begin and end with, and how many rows are no number.
NIGHTS = [
    {"from": 0, "to": 20, "unreadable": 3},
    {"from": 0, "to": 20, "unreadable": 3},
    {"from": 4, "to": 28},
    {"from": 20, "to": 40},
]
#: What the page says of them, the newest first: a limit held, some left and some are new, nothing changed, the first
#: night.
READ = [
    {"read": 20, "added": 0, "unchanged": 8, "removed": 0, "unsent": 12, "opted out": 0, "invalid": 0, "list": 24},
    {"read": 24, "added": 8, "unchanged": 16, "removed": 4, "unsent": 0, "opted out": 0, "invalid": 0, "list": 24},
    {"read": 23, "added": 0, "unchanged": 20, "removed": 0, "unsent": 0, "opted out": 0, "invalid": 3, "list": 20},
    {"read": 23, "added": 20, "unchanged": 0, "removed": 0, "unsent": 0, "opted out": 0, "invalid": 3, "list": 20},
]
#: What held the newest one, and would hold another like it.
LIMIT = (
    "16 of 24 contacts (66.7%) are missing from the rows; max_removed (a tenth, at least 10) allows 10. "
    "Check the query; if it is right, trigger a run with max_removed=16"
)

DAGS = """
import datetime as dt

from airflow.providers.common.compat.sdk import DAG, task
from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator

START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def customers(dag_run):
    numbers = [f"+336123{number:05}" for number in range(dag_run.conf["from"], dag_run.conf["to"])]
    return [{"phone_number": number} for number in [*numbers, *["n/a"] * dag_run.conf.get("unreadable", 0)]]


CUSTOMERS = {
    "list_name": "Customers", "snapshot_path": "{{ var.value.snapshots }}/customers", "max_rejected": "20%",
}

with DAG("customers", schedule=None, start_date=START, max_active_runs=1):

    @task.octopush_list(**CUSTOMERS)
    def sync(*, dag_run):
        return customers(dag_run)

    sync()

with DAG("preview", schedule=None, start_date=START):

    @task.octopush_list(**CUSTOMERS, dry_run=True)
    def plan(*, dag_run):
        return customers(dag_run)

    plan()

with DAG("newsletter", schedule=None, start_date=START, max_active_runs=1):

    @task.octopush_list(
        list_name="Newsletter",
        snapshot_path="{{ var.value.snapshots }}/newsletter",
        opted_out=[{"phone_number": f"+336456{number * 37:05}"} for number in range(30)],
        default_region="FR",
        max_rejected="20%",
    )
    def subscribers(*, dag_run):
        night, first, last = (dag_run.conf[name] for name in ("night", "from", "to"))
        for number in range(first, last):
            tier = "gold" if (number + night) % 40 == 0 else "silver"
            yield {"phone_number": f"+336456{number:05}", "param1": tier}
        for number in range(20 + 7 * night % 30):
            yield {"phone_number": ["n/a", "06 12", "+33 6 45 60 00 01 ext. 2"][number % 3]}

    subscribers()

with DAG("partners", schedule=None, start_date=START):
    CreateContactsOperator(task_id="upload", data=[{"phone_number": "+33612345678"}], list_name="Partners")

with DAG("housekeeping", schedule=None, start_date=START):

    @task
    def clean():
        pass

    clean()
"""

#: The admin sees everything, and so does the viewer, but for Airflow's pages about plugins; the outsider sees Airflow,
#: but of its Dags only "partners".
PEOPLE = """
import sys
from airflow.__main__ import main

sys.argv[1:] = ["db", "migrate"]
main()

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

with get_application_builder() as appbuilder:
    manager = appbuilder.sm
    manager.add_user("admin", "A", "A", "admin@example.com", manager.find_role("Admin"), password="admin")
    manager.add_user("viewer", "V", "V", "viewer@example.com", manager.find_role("Viewer"), password="viewer")
    role = manager.add_role("Outsider")
    for action, resource in [
        ("can_read", "Website"), ("menu_access", "Browse"), ("can_read", "Plugins"), ("menu_access", "Plugins"),
        ("can_read", "DAG:partners"), ("can_read", "DAG Runs"), ("can_read", "Task Instances"), ("can_read", "XComs"),
    ]:
        manager.add_permission_to_role(role, manager.create_permission(action, resource))
    manager.add_user("outsider", "O", "O", "outsider@example.com", role, password="outsider")
"""


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory, running_simulator: Simulator) -> Iterator[Airflow]:
    """Airflow with three people, in which the sync has run three times."""
    chromium()
    pytest.importorskip("airflow.providers.fab", reason="it is installed by make, and by the matrix's session history")
    running_simulator.reset()
    home = tmp_path_factory.mktemp("history") / "airflow"
    home.mkdir()
    variables = {
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW_CONN_OCTOPUSH_DEFAULT": running_simulator.connection,
        "AIRFLOW_VAR_SNAPSHOTS": str(home / "snapshots"),
        # One task at a time: kind to Airflow's SQLite.
        "AIRFLOW__CORE__PARALLELISM": "1",
    }
    settings = environment(home, home / "dags", 0, variables)
    subprocess.run([sys.executable, "-c", PEOPLE], env=settings, check=True, capture_output=True)
    with components(home, {"dags.py": DAGS}, variables) as running:
        wait_for(running.is_open, "Airflow's start")
        wait_for(lambda: len(running.query("SELECT dag_id FROM serialized_dag")) == 5, "the parsing of the Dags")
        admin = Api(running, "admin")
        for conf in NIGHTS:
            admin.ask("dags/customers/dagRuns", {"logical_date": None, "conf": conf})
        wait_for(lambda: sorted(states(running)) == ["failed", *["success"] * 3], "the end of the runs")
        admin.ask("dags/preview/dagRuns", {"logical_date": None, "conf": NIGHTS[-1]})
        wait_for(lambda: states(running, "preview") == ["success"], "the end of the plan")
        yield running
        sys.stdout.write(f"{states(running)}\n{running.output()[-5000:]}")


def states(running: Airflow, dag_id: str = "customers") -> list[str]:
    return [state for (state,) in running.query("SELECT state FROM dag_run WHERE dag_id = :dag_id", dag_id=dag_id)]


class Api:
    """Airflow's API, asked by a person, or by nobody in particular."""

    def __init__(self, running: Airflow, person: str | None) -> None:
        self._url = running.url
        self._headers = {}
        if person is not None:
            answer = requests.post(f"{self._url}/auth/token", json={"username": person, "password": person}, timeout=60)
            answer.raise_for_status()
            self._headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def ask(self, path: str, body: Any = None) -> Any:
        answer = requests.request(
            "GET" if body is None else "POST",
            f"{self._url}/api/v2/{path}",
            json=body,
            headers=self._headers,
            timeout=60,
        )
        answer.raise_for_status()
        return answer.json()


@pytest.fixture
def page(ui: Airflow, tmp_path: Path) -> Iterator[Page]:
    del ui
    with browser(tmp_path / "profile") as page:
        yield page


def log_in(page: Page, ui: Airflow, person: str) -> None:
    page.goto(f"{ui.url}/auth/login/")
    enter(page, person)


def enter(page: Page, person: str) -> None:
    """Fill in the form of the login, and wait for what comes after it."""
    page.locator("input[name=username]").fill(person)
    page.locator("input[name=password]").fill(person)
    page.locator("input[type=submit], button[type=submit]").first.click()
    page.wait_for_url(lambda url: "/auth/login" not in url)


def frame(page: Page) -> FrameLocator:
    return page.frame_locator("iframe[title=Octopush]")


def all_syncs(page: Page) -> Locator:
    """Wait until Airflow's menu is there and the newest run of each task is read; gives the tasks."""
    expect(page.get_by_role("button", name="Browse")).to_be_visible()
    shown = frame(page)
    expect(shown.get_by_text("These are all that you may see.")).to_be_visible()
    return shown.locator("table.syncs tbody tr")


def numbers(table: FrameLocator | Page) -> list[dict[str, str]]:
    """Read the rows of numbers as a person does who cannot see the bars: by the names of the columns."""
    names = [name.strip() for name in table.locator("table.runs thead th").all_inner_texts()][1:]
    rows = [row.locator("td").all_inner_texts() for row in table.locator("tr.numbers").all()]
    return [dict(zip(names, row, strict=True)) for row in rows]


def counts(row: dict[str, Any]) -> dict[str, int]:
    return {name: int(row[name].replace(",", "")) for name in READ[0]}


def test_the_link_of_a_task_leads_to_its_history(page: Page, ui: Airflow) -> None:
    log_in(page, ui, "admin")
    ((run_id,),) = ui.query("SELECT run_id FROM dag_run WHERE dag_id = 'customers' ORDER BY run_after DESC LIMIT 1")
    page.goto(f"{ui.url}/dags/customers/runs/{run_id}/tasks/sync/details")
    button = page.get_by_role("link", name="Sync history")
    if VERSION < (3, 2):
        with page.expect_popup() as opened:
            button.click()
        page = opened.value
    else:
        button.click()
    shown = frame(page)
    expect(shown.get_by_role("heading", name="sync in customers")).to_be_visible()
    expect(shown.locator("tr.numbers")).to_have_count(len(NIGHTS))
    rows = numbers(shown)
    assert [counts(row) for row in rows] == READ
    assert [row["requests"] for row in rows] == ["0", "2", "0", "1"]
    expect(shown.locator(".segment")).to_have_count(2 + 3 + 2 + 2)
    held = shown.locator("tbody.run").first
    expect(held).to_contain_text("failed")
    assert held.locator(".warning").all_inner_texts() == [
        f"Held by a limit: {LIMIT}",
        "16 contacts should have been removed, and were not",
    ]
    expect(shown.locator(".warning")).to_have_count(2)
    expect(shown.get_by_text("first run")).to_have_count(1)
    expect(shown.get_by_role("img", name="20 after the oldest of these runs, 24 after the newest")).to_be_visible()
    expect(shown.get_by_text("List Customers")).to_be_visible()
    reason = shown.locator("#reasons tbody tr")
    assert reason.locator("td").all_inner_texts() == ["0", "6"]
    expect(reason.locator("th")).to_have_text("phone number missing")
    history = page.url
    shown.locator("tbody.run").nth(2).get_by_role("link").first.click()
    page.wait_for_url(re.compile(r"/dags/customers/runs/[^/]+$"))
    expect(page.get_by_text("sync").first).to_be_visible()

    page.goto(history)
    held.get_by_role("link", name="log", exact=True).click()
    page.wait_for_url(re.compile(r"/dags/customers/runs/[^/]+/tasks/sync$"))
    expect(page.get_by_text(LIMIT).first).to_be_visible()


def test_who_may_not_see_airflow_s_plugins_sees_the_same_numbers_without_its_menu(page: Page, ui: Airflow) -> None:
    log_in(page, ui, "viewer")
    page.goto(f"{ui.url}/octopush/?dag_id=customers&task_id=sync")
    expect(page.locator("tr.numbers")).to_have_count(len(NIGHTS))
    assert [counts(row) for row in numbers(page)] == READ


def test_airflow_s_menu_leads_to_all_syncs_that_a_person_may_see(page: Page, ui: Airflow) -> None:
    log_in(page, ui, "admin")
    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name="Octopush").click()
    tasks = all_syncs(page)
    assert [row.split("\t")[:2] for row in tasks.all_inner_texts()] == [
        ["customers", "sync"],
        ["newsletter", "subscribers"],
        ["partners", "upload"],
        ["preview", "plan"],
    ]
    expect(tasks.first).to_contain_text("unchanged 8, unsent 12")
    expect(tasks.first).to_contain_text(f"Held by a limit: {LIMIT}")
    expect(tasks.nth(2)).to_contain_text("has not run yet")
    expect(tasks.last).to_contain_text("dry run, nothing was sent added 12, unchanged 8, removed 16")
    expect(tasks.last).to_contain_text(f"A run would be held by a limit: {LIMIT}")
    page.set_viewport_size({"width": 390, "height": 800})
    for element in (frame(page).locator("html"), frame(page).locator("table.syncs")):
        assert element.evaluate("one => one.scrollWidth <= one.clientWidth")
    page.set_viewport_size({"width": 1280, "height": 800})
    frame(page).get_by_role("link", name="plan", exact=True).click()
    expect(frame(page).get_by_role("heading", name="plan in preview")).to_be_visible()
    expect(frame(page).locator("tbody.run")).to_contain_text(f"A run would be held by a limit: {LIMIT}")
    expect(frame(page).get_by_text("Size of the list")).to_have_count(0)


def test_a_person_without_access_to_the_dag_sees_no_count_of_it(page: Page, ui: Airflow) -> None:
    log_in(page, ui, "outsider")
    page.goto(f"{ui.url}/plugin/octopush?dag_id=customers&task_id=sync")
    shown = frame(page)
    expect(shown.get_by_role("alert")).to_contain_text("does not let you see")
    assert shown.locator("tr.numbers, .segment, td").count() == 0

    page.goto(f"{ui.url}/plugin/octopush")
    expect(shown.get_by_text("These are all that you may see.")).to_be_visible()
    assert "partners" in shown.locator("table.lines tbody").inner_text()
    assert "customers" not in shown.locator("body").inner_text()


def test_who_is_not_logged_in_finds_files_that_hold_nothing_of_anybody(page: Page, ui: Airflow) -> None:
    files = Path(__file__).parent.parent.parent / "airflow_provider_octopush" / "history" / "static"
    for path in ["", *(file.name for file in files.iterdir())]:
        answer = requests.get(f"{ui.url}/octopush/{path}", timeout=30)
        assert answer.status_code == 200
        # Word for word what is in the package: the same for everybody.
        assert answer.content == (files / (path or "index.html")).read_bytes()
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert requests.get(f"{ui.url}/octopush/customers", timeout=30).status_code == 404

    page.goto(f"{ui.url}/octopush/?dag_id=customers&task_id=sync")
    expect(page.get_by_role("alert")).to_contain_text("You are not logged in")
    assert page.locator("tr.numbers, .segment").count() == 0
    page.goto(f"{ui.url}/octopush/")
    expect(page.get_by_role("alert")).to_contain_text("You are not logged in")
    page.get_by_role("link", name="Log in").click()
    enter(page, "admin")
    expect(frame(page).get_by_text("These are all that you may see.")).to_be_visible()


def test_only_our_operators_have_the_link(ui: Airflow) -> None:
    admin = Api(ui, "admin")
    admin.ask("dags/housekeeping/dagRuns", {"logical_date": None})
    wait_for(lambda: ui.query("SELECT 1 FROM dag_run WHERE dag_id = 'housekeeping' AND state = 'success'"), "a run")
    links = {}
    for dag_id, task_id in (("customers", "sync"), ("housekeeping", "clean")):
        ((run_id,), *_) = ui.query("SELECT run_id FROM dag_run WHERE dag_id = :dag_id", dag_id=dag_id)
        path = f"dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances/{task_id}/links"
        links[task_id] = admin.ask(path)["extra_links"]
    assert links == {"sync": {"Sync history": "octopush/?dag_id=customers&task_id=sync"}, "clean": {}}


@pytest.mark.skipif("SCREENSHOTS" not in os.environ, reason="it makes the picture of some weeks for the docs")
def test_some_weeks_in_a_picture(page: Page, ui: Airflow, shoot: Shoot) -> None:
    # A list that grows, some people who leave each night, and one night with far too few rows: a limit.
    admin = Api(ui, "admin")
    for night in range(9):
        at = f"2026-11-{16 + night}T02:00:00Z"
        first, last = 12 * night, 900 + 70 * night
        conf = {"night": night, "from": first, "to": first + 150 if night == 6 else last}
        admin.ask("dags/newsletter/dagRuns", {"logical_date": at, "run_after": at, "conf": conf})
    wait_for(lambda: set(states(ui, "newsletter")) <= {"success", "failed"}, "the end of the runs", seconds=600)
    assert states(ui, "newsletter").count("failed") == 1
    log_in(page, ui, "admin")
    page.set_viewport_size({"width": 1280, "height": 1240})
    page.goto(f"{ui.url}/plugin/octopush?dag_id=newsletter&task_id=subscribers")
    expect(page.get_by_role("button", name="Browse")).to_be_visible()
    expect(frame(page).locator("tr.numbers")).to_have_count(9)
    expect(frame(page).get_by_text(re.compile("Held by a limit: .* are missing from the rows"))).to_be_visible()
    shoot(page, "history")
    page.set_viewport_size({"width": 1280, "height": 420})
    page.goto(f"{ui.url}/plugin/octopush")
    all_syncs(page)
    shoot(page, "syncs")
