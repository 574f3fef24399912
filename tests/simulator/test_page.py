"""The simulator's page in a real browser, for who reads it without a mouse, without a light screen or without eyes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
import requests
from playwright.sync_api import Page, expect

from airflow_provider_octopush.simulator import Behaviour, Fault, Simulator
from tests.integration.browser import browser, violations

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("browser") / "profile") as page:
        yield page


@pytest.fixture
def url(simulator: Simulator) -> str:
    """The page of a simulator that has something in each of its tables, with the widest that they show."""
    simulator.reset(Behaviour(refused={"+33612345679"}))
    simulator.fail_next(Fault.server_error(503))
    headers = {"api-login": simulator.login, "api-key": simulator.key}
    contact = {f"param{number}": "wide " * 30 for number in range(1, 6)}
    for number in ("+33612345678", "+33612345678", "+33612345679"):
        body = {"contacts": [{"phone_number": number, **contact}], "list_name": "Customers"}
        requests.post(f"{simulator.url}/contact/create", json=body, headers=headers, timeout=5)
    return f"http://127.0.0.1:{simulator.port}/simulator"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_to_mend(page: Page, url: str, width: int, scheme: Literal["light", "dark"]) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    page.emulate_media(color_scheme=scheme)
    page.goto(url)
    page.get_by_text("switches at their defaults").first.click()
    expect(page.get_by_role("region")).to_have_count(5)
    assert violations(page) == []


def test_nothing_leaves_a_narrow_screen_and_a_wide_table_is_scrolled_by_keyboard(page: Page, url: str) -> None:
    page.set_viewport_size({"width": 390, "height": 700})
    page.goto(url)
    assert page.locator("html").evaluate("one => one.scrollWidth <= one.clientWidth")
    contacts = page.get_by_role("region", name="Contacts")
    contacts.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert contacts.evaluate("one => one.scrollLeft") > 0


def test_a_simulator_that_nobody_has_asked_anything_has_a_page_as_well(page: Page, simulator: Simulator) -> None:
    page.goto(f"http://127.0.0.1:{simulator.port}/simulator")
    expect(page.get_by_role("main")).to_contain_text("None yet")
    assert violations(page) == []
