"""Debian's Chromium, without a window, for a person's way through Airflow's UI."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Frame, Page, expect, sync_playwright

#: Chromium's sandbox does not work for root, which CI is; the rest keeps it from talking to anybody else.
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_PATIENCE = 30_000  # milliseconds: CI may be slow, and nothing waits longer than it must


def chromium() -> str:
    """Return the path of Chromium; skips the test where there is none, on CI, fails."""
    if path := shutil.which("chromium"):
        return path
    missing = "there is no chromium to try Airflow's UI with: install the system's package of that name"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


def violations(shown: Page | Frame) -> list[str]:
    """Return what axe-core finds that keeps people out, by all the rules that it has on by default."""
    return [
        f"{found['id']} ({found['impact']}): {node['html']}: {node['failureSummary']}"
        for found in Axe().run(shown).response["violations"]
        for node in found["nodes"]
    ]


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """
    Open a browser that has never been used before.

    :param profile: a folder that does not exist yet.
    :return: its page.
    """
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=chromium(),
            headless=True,
            args=_FLAGS,
            viewport={"width": 1280, "height": 800},
            locale="en-GB",
            timezone_id="UTC",
        )
        context.set_default_timeout(_PATIENCE)
        expect.set_options(_PATIENCE)
        try:
            yield context.pages[0]
        finally:
            context.close()
