"""
What a person does in Airflow's UI: make a connection, test it, run a Dag, read what came of it.

The screenshots in the docs are made here, by ``make screenshots``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow import __version__ as version
from playwright.sync_api import FloatRect, Locator, Page, expect

from airflow_provider_octopush.get_provider_info import get_provider_info
from airflow_provider_octopush.outcomes import CREATE_OUTCOMES
from airflow_provider_octopush.simulator import Simulator
from tests.documentation import PROJECT
from tests.integration.airflow_processes import wait_for
from tests.integration.browser import browser, chromium
from tests.integration.screenshots import Shoot
from tests.integration.standalone import Standalone

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        tuple(map(int, version.split(".")[:2])) < (3, 3),
        reason="the pages of older Airflows are others; what they read of the form is tested in test_provider_info.py",
    ),
]

FORM = get_provider_info()["connection-types"][0]
LABELS = FORM["ui-field-behaviour"]["relabeling"]
PLACEHOLDERS = FORM["ui-field-behaviour"]["placeholders"]
EXTRAS = FORM["conn-fields"]
RUN_TIMEOUT = 120_000

#: Right of Airflow's menu.
CONTENT: FloatRect = {"x": 64, "y": 0, "width": 1216, "height": 440}


@pytest.fixture(scope="module")
def ui(airflow: Standalone, warehouse: Path) -> Iterator[Standalone]:
    """Airflow with an example Dag and the demo's warehouse, but no Octopush connection."""
    chromium()
    subprocess.run([sys.executable, PROJECT / "demo" / "warehouse.py", warehouse], check=True)
    source = (PROJECT / "dags_examples" / "mapped_lists.py").read_text()
    # One task at a time: the pictures have the same counts each time.
    dags = {"mapped_lists.py": source.replace("catchup=False", "catchup=False, max_active_tasks=1")}
    with airflow.guest(dags):
        wait_for(lambda: airflow.query("SELECT 1 FROM serialized_dag WHERE dag_id = 'mapped_lists'"), "the parsing")
        yield airflow
        # For whom the run failed: pytest shows it then.
        states = airflow.query("SELECT task_id, map_index, state, try_number FROM task_instance")
        sys.stdout.write(f"{states}\n{airflow.output()[-5000:]}")


@pytest.fixture
def page(ui: Standalone, tmp_path: Path) -> Iterator[Page]:
    with browser(tmp_path / "profile") as page:
        page.goto(ui.url)
        yield page


def open_form(page: Page, ui: Standalone) -> Locator:
    page.goto(f"{ui.url}/connections")
    page.get_by_role("button", name="Add Connection").click()
    form = page.get_by_role("dialog")
    form.get_by_role("combobox", name="Connection Type").fill(FORM["hook-name"])
    page.get_by_role("option", name=FORM["hook-name"], exact=True).click()
    return form


def field(form: Locator, name: str) -> Locator:
    return form.get_by_label(LABELS[name], exact=True)


def section(form: Locator, title: str) -> None:
    form.get_by_role("button", name=title, exact=True).click()


def save(form: Locator) -> None:
    form.get_by_role("button", name="Save").click()
    expect(form).to_be_hidden()


def add_connection(page: Page, ui: Standalone, conn_id: str, simulator: Simulator, key: str) -> None:
    form = open_form(page, ui)
    form.get_by_label("Connection ID").fill(conn_id)
    field(form, "host").fill(simulator.url)
    # Airflow 3.3.1 and 3.3.2 test no connection without a port: https://github.com/apache/airflow/pull/73298
    field(form, "port").fill(str(simulator.port))
    field(form, "login").fill(simulator.login)
    field(form, "password").fill(key)
    save(form)


def row(page: Page, conn_id: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("cell", name=conn_id, exact=True))


def press_test(page: Page, ui: Standalone, conn_id: str) -> Locator:
    """Press the Test button; returns what pops up. The page is opened anew, without what popped up before."""
    page.goto(f"{ui.url}/connections")
    row(page, conn_id).get_by_role("button", name="Test Connection").click()
    return page.get_by_role("status").filter(has_text="Test Connection")


def counts(pattern: str, shown: Locator) -> dict[str, int]:
    """Read the counts in the text that a person sees."""
    numbers = dict(re.findall(pattern, shown.inner_text()))
    return {name: int(numbers[name]) for name in ("read", *CREATE_OUTCOMES)}


def test_the_form_has_octopush_s_words_and_nothing_without_use(page: Page, ui: Standalone, shoot: Shoot) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    form = open_form(page, ui)
    form.get_by_label("Connection ID").fill("octopush_default")
    for name, placeholder in PLACEHOLDERS.items():
        expect(field(form, name)).to_have_attribute("placeholder", placeholder)
    expect(field(form, "password")).to_have_attribute("type", "password")
    expect(form.get_by_label("Schema", exact=True)).to_have_count(0)
    field(form, "login").fill("me@example.com")
    field(form, "password").fill("a key that nobody sees")
    field(form, "port").fill("443")
    field(form, "port").blur()
    shoot(form, "connection-form")

    section(form, "Extra Fields")
    for definition in EXTRAS.values():
        expect(form.get_by_text(definition["label"], exact=True)).to_be_visible()
        expect(form.get_by_text(definition["description"])).to_be_visible()
    # Airflow 3.3 ties the label of a secret to no field.
    secret = form.get_by_role("group").filter(has_text=EXTRAS["snapshot_secret"]["label"]).last
    expect(secret.locator("input")).to_have_attribute("type", "password")
    shoot(form, "connection-extras")


def test_the_test_button_tells_a_wrong_key_from_the_right_one(
    page: Page, ui: Standalone, simulator: Simulator, shoot: Shoot
) -> None:
    add_connection(page, ui, "octopush_test", simulator, "wrong-key")
    page.set_viewport_size({"width": 1280, "height": int(CONTENT["height"])})
    answer = press_test(page, ui, "octopush_test")
    expect(answer).to_contain_text("Test Connection Failed")
    expect(answer).to_contain_text("login or key refused (HTTP 401)")
    shoot(page, "connection-test-wrong-key", clip=CONTENT)

    row(page, "octopush_test").get_by_role("button", name="Edit Connection").click()
    form = page.get_by_role("dialog")
    field(form, "password").fill(simulator.key)
    save(form)
    answer = press_test(page, ui, "octopush_test")
    expect(answer).to_contain_text("Test Connection Successful")
    expect(answer).to_contain_text("connected, balance 12.54 euros")
    shoot(page, "connection-test", clip=CONTENT)


def test_who_writes_a_host_without_its_scheme_is_told_what_to_write(
    page: Page, ui: Standalone, simulator: Simulator
) -> None:
    form = open_form(page, ui)
    form.get_by_label("Connection ID").fill("octopush_local")
    field(form, "host").fill(f"localhost:{simulator.port}")
    # What somebody writes who has read no more than the end of the field's name.
    field(form, "port").fill("443")
    field(form, "login").fill(simulator.login)
    field(form, "password").fill(simulator.key)
    save(form)
    steps = [
        (
            "port",
            str(simulator.port),
            f"port 443 contradicts the port {simulator.port} in host: write {simulator.port}",
        ),
        ("host", f"http://localhost:{simulator.port}", "If that port speaks plain HTTP, write http:// in front"),
    ]
    for name, value, told in steps:
        expect(press_test(page, ui, "octopush_local")).to_contain_text(told)
        row(page, "octopush_local").get_by_role("button", name="Edit Connection").click()
        form = page.get_by_role("dialog")
        field(form, name).fill(value)
        save(form)
    expect(press_test(page, ui, "octopush_local")).to_contain_text("connected, balance 12.54 euros")


def test_a_saved_key_is_never_shown_again(page: Page, ui: Standalone, simulator: Simulator) -> None:
    form = open_form(page, ui)
    form.get_by_label("Connection ID").fill("octopush_saved")
    field(form, "login").fill(simulator.login)
    field(form, "password").fill(simulator.key)
    section(form, "Extra Fields")
    form.get_by_label(EXTRAS["timeout"]["label"], exact=True).fill("12.5")
    save(form)

    with page.expect_response("**/api/v2/connections?**") as answer:
        page.goto(f"{ui.url}/connections")
    assert '"octopush_saved"' in answer.value.text()
    assert simulator.key not in answer.value.text()
    row(page, "octopush_saved").get_by_role("button", name="Edit Connection").click()
    form.get_by_role("button", name="Show value").click()
    expect(field(form, "login")).to_have_value(simulator.login)
    expect(field(form, "password")).to_have_value("***")
    assert simulator.key not in page.content()
    section(form, "Extra Fields")
    expect(form.get_by_label(EXTRAS["timeout"]["label"], exact=True)).to_have_value("12.5")
    expect(form.get_by_label(EXTRAS["request_retries"]["label"], exact=True)).to_have_value("")


def test_an_example_dag_runs_on_a_connection_made_in_the_form(
    page: Page, ui: Standalone, simulator: Simulator, shoot: Shoot
) -> None:
    add_connection(page, ui, "octopush_default", simulator, simulator.key)
    page.goto(f"{ui.url}/dags/mapped_lists")
    page.get_by_role("button", name="Trigger Dag").click()
    page.get_by_role("dialog").get_by_role("button", name="Trigger", exact=True).click()
    # Three task instances and the run.
    expect(page.get_by_text("Success", exact=True)).to_have_count(4, timeout=RUN_TIMEOUT)
    page.set_viewport_size({"width": 1600, "height": 600})
    # The grid beside the table learns of the end later.
    page.reload(wait_until="networkidle")
    expect(page.get_by_text("Success", exact=True)).to_have_count(4)
    expect(page.locator("[data-task-id=sync] [data-testid=task-state-badge] svg")).to_be_visible()
    shoot(page, "run")
    page.set_viewport_size({"width": 1280, "height": 800})

    page.get_by_role("link", name="0", exact=True).click()
    log = page.get_by_role("code").filter(has_text="Gold customers").first
    logged = counts(r"(\w+)\s+(\d+)", log)
    shoot(page, "summary")
    assert simulator.key not in page.content()

    page.get_by_role("link", name="Storage").click()
    page.get_by_role("link", name="XCom").click()
    page.get_by_role("button", name="Expand all extra JSON").click()
    value = page.get_by_role("row").filter(has_text="return_value").filter(has_text='"duplicates"')
    stored = counts(r'"(\w+)":\s+(\d+)', value)
    # The editor shows the text first, and its colours later.
    expect(value.locator("span[class^=mtk]:not(.mtk1)").first).to_be_visible()
    shoot(page, "xcom")

    assert stored["read"] == sum(stored[name] for name in CREATE_OUTCOMES) > 0
    assert stored["added"] + stored["updated"] == len(simulator.lists["Gold customers"]) > 0
    assert logged == stored
