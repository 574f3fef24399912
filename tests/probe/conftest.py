from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple

import pytest

from airflow_provider_octopush.probe.__main__ import main

NUMBERS = ("+33612345671", "+33612345672", "+33612345673", "+33612345674", "+33612345675")


class Done(NamedTuple):
    """What came of a probe."""

    code: int
    output: str
    errors: str

    @property
    def said(self) -> str:
        """All that it has said."""
        return self.output + self.errors


Probe = Callable[..., Done]


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Probe:
    """Run a probe in this process: ``probe("--json", "--yes", numbers=…)``, or what else is typed as ``stdin``."""

    def probe(*arguments: str, numbers: Iterable[str] = NUMBERS, stdin: str | None = None) -> Done:
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join([*numbers, ""]) if stdin is None else stdin))
        capsys.readouterr()
        return Done(main(arguments), *capsys.readouterr())

    return probe
