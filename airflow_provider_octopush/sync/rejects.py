"""Writes rejected rows: a CSV that a person can open, and that can be read again as rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from airflow_provider_octopush.contacts.csv_injection import escape_formulas
from airflow_provider_octopush.contacts.rejection import ABOUT_THE_ROW, Rejection
from airflow_provider_octopush.exceptions import OctopushError
from airflow_provider_octopush.sync.csv_file import CsvFile
from airflow_provider_octopush.text import to_text


class RejectsFile(CsvFile):
    """
    A CSV file of rejected rows.

    Columns: ``row`` (its number in the input, from 1), the contact's fields as they were read, ``outcome``, ``reason``,
    and the API's ``code`` and ``message``; a status that is not documented is put into ``message``. A value that has no
    text form is an empty cell.

    :param path: the file.
    :param fields: names of the values of each rejection.
    """

    holds = "rejected rows"
    parameter = "rejects_path"

    def __init__(self, path: Path, fields: Sequence[str]) -> None:
        super().__init__(path, (ABOUT_THE_ROW[0], *fields, *ABOUT_THE_ROW[1:]))

    def write(self, rejections: Sequence[Rejection]) -> None:
        """Append rejections, all of them or none."""
        self._append([_cells(rejection) for rejection in rejections])


class RefusalFile(CsvFile):
    """
    A CSV file of the refusal that ended a run: no row is to blame for it, so it is not among the rejected rows.

    Columns: ``error``, and the API's own ``message``, which may quote contacts.
    """

    holds = "refusal that ended the run"
    parameter = "rejects_path"

    def __init__(self, path: Path) -> None:
        super().__init__(path, ("error", "message"))

    def write(self, error: OctopushError) -> None:
        """Append a refusal."""
        self._append([[escape_formulas(str(error)), escape_formulas(error.full_message() or "")]])


def _cells(rejection: Rejection) -> list[str]:
    about = (
        rejection.outcome.value,
        rejection.reason,
        "" if rejection.code is None else str(rejection.code),
        rejection.message or "",
    )
    return [str(rejection.row), *map(_cell, rejection.values), *map(escape_formulas, about)]


def _cell(value: object) -> str:
    try:
        return escape_formulas(to_text(value) or "")
    except ValueError:
        # Text that cannot be sent is what a person has to correct.
        return escape_formulas(value) if isinstance(value, str) else ""
