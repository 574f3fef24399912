"""
Screenshots for the docs, made by the tests that see that the UI works.

``make screenshots`` sets ``SCREENSHOTS`` to the folder they go to. Without it they go where pytest keeps a test's
files, so that a test run changes nothing in the checkout.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

#: ``shoot(page, name)``, of a part of the page, or with more that Playwright can be told.
Shoot = Callable[..., None]


def shooter(folder: Path) -> Shoot:
    """Return what takes screenshots: into this folder, unless ``SCREENSHOTS`` names another."""
    folder = Path(os.environ.get("SCREENSHOTS", folder))

    def shoot(what: Page | Locator, name: str, **options: Any) -> None:
        what.screenshot(path=folder / f"{name}.png", animations="disabled", **options)

    return shoot
