from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.torture import killed


@pytest.fixture(scope="session")
def forker() -> Iterator[killed.Forker]:
    """Start tasks in processes that can be killed."""
    with killed.forker() as forker:
        yield forker
