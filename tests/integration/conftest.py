from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.screenshots import Shoot, shooter


@pytest.fixture
def shoot(tmp_path: Path) -> Shoot:
    """Take a screenshot: ``shoot(page, name)``, of a part of the page, or with more that Playwright can be told."""
    return shooter(tmp_path)
