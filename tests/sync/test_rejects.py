from __future__ import annotations

import csv
import errno
import io
import os
import re
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_octopush.contacts.csv_injection import escape_formulas, unescape_formulas
from airflow_provider_octopush.contacts.mapping import ContactMapper
from airflow_provider_octopush.contacts.rejection import Rejection
from airflow_provider_octopush.outcomes import Outcome
from airflow_provider_octopush.payloads import ContactPayload
from airflow_provider_octopush.phones.reader import PhoneReader
from airflow_provider_octopush.sync.rejects import RejectsFile

FIELDS = ("phone_number", "first_name")


def rejection(row: int, *values: Any) -> Rejection:
    return Rejection(row, Outcome.REFUSED, "refused by Octopush", values, 101, "bad number")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_rejected_row_can_be_found_again(tmp_path: Path) -> None:
    with RejectsFile(tmp_path / "new" / "rejects.csv", FIELDS) as rejects:
        rejects.write([rejection(7, "06 12", 'Zoë\n"quoted", so')])
    assert read(tmp_path / "new" / "rejects.csv") == [
        {
            "row": "7",
            "phone_number": "06 12",
            "first_name": 'Zoë\n"quoted", so',
            "outcome": "refused",
            "reason": "refused by Octopush",
            "code": "101",
            "message": "bad number",
        }
    ]


def test_the_file_is_there_when_all_is_written_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    path.write_text("an earlier run")
    with RejectsFile(path, FIELDS) as rejects:
        for row in range(1, 4):
            rejects.write([rejection(row, "x", None)])
        assert path.read_text() == "an earlier run"
    assert [line["row"] for line in read(path)] == ["1", "2", "3"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_that_fails_leaves_what_was_rejected_until_then(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"

    def run() -> None:
        with RejectsFile(path, FIELDS) as rejects:
            rejects.write([rejection(1, "x", None)])
            raise LookupError

    with pytest.raises(LookupError):
        run()
    assert [line["row"] for line in read(path)] == ["1"]


def test_runs_at_the_same_time_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    with ExitStack() as stack:
        files = [stack.enter_context(RejectsFile(path, FIELDS)) for _ in range(5)]
        for number in range(50):
            for run, rejects in enumerate(files):
                rejects.write([rejection(number, f"run {run}", None)])
    lines = read(path)
    assert [int(line["row"]) for line in lines] == list(range(50))
    assert len({line["phone_number"] for line in lines}) == 1


def test_a_link_stays_a_link_and_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "rejects.csv").symlink_to(tmp_path / "elsewhere" / "r.csv")
    with RejectsFile(tmp_path / "rejects.csv", FIELDS):
        pass
    assert (tmp_path / "rejects.csv").is_symlink()
    assert read(tmp_path / "elsewhere" / "r.csv") == []
    with pytest.raises(OSError, match="so the rejected rows cannot be written to it"):
        RejectsFile(tmp_path, FIELDS)
    with pytest.raises(OSError, match="so the rejected rows cannot be written to it"):
        RejectsFile(Path(os.devnull), FIELDS)


def test_only_its_owner_can_read_a_new_file_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    with RejectsFile(path, FIELDS):
        assert [stat.S_IMODE(part.stat().st_mode) for part in tmp_path.iterdir()] == [0o600]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    with RejectsFile(path, FIELDS):
        pass
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_what_was_there_before_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    path.write_text("an earlier run\n" * 1000)
    with RejectsFile(path, FIELDS):
        pass
    assert path.read_bytes() == b"row,phone_number,first_name,outcome,reason,code,message\r\n"


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rejects.csv"
    pwrite = os.pwrite

    def short_of_room(file: int, data: memoryview, position: int) -> int:
        if position + len(data) > 200:
            if position < 190:
                return pwrite(file, data[: 190 - position], position)
            raise OSError(errno.ENOSPC, "No space left on device")
        return pwrite(file, data, position)

    with RejectsFile(path, FIELDS) as rejects:
        rejects.write([rejection(1, "x", "y")])
        monkeypatch.setattr(os, "pwrite", short_of_room)
        with pytest.raises(OSError, match="No space left"):
            rejects.write([rejection(2, "x" * 200, "y")])
    assert [line["row"] for line in read(path)] == ["1"]


@pytest.mark.parametrize("text", ["=1+1", "+33612345678", "-2", "@SUM(A1)", "\tx", "\rx", "\uff1d1", "'=1", "''@x"])
def test_what_a_spreadsheet_would_run_is_defused_and_can_be_undone(text: str) -> None:
    assert escape_formulas(text) == f"'{text}"
    assert unescape_formulas(escape_formulas(text)) == text


@given(st.text(st.one_of(st.sampled_from("=+-@\t\r\n;,|'\" x1"), st.characters())))
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_defusing_loses_nothing_and_leaves_no_formula_however_lines_are_split(delimiter: str, text: str) -> None:
    assert unescape_formulas(escape_formulas(text)) == text
    line = io.StringIO()
    csv.writer(line).writerow(["before", escape_formulas(text), "after"])
    cells = [cell for row in csv.reader(io.StringIO(line.getvalue(), newline=""), delimiter=delimiter) for cell in row]
    assert [cell for cell in cells if re.match(r"[=+\-@\t\r]", cell)] == []


@given(st.lists(st.tuples(st.text(), st.one_of(st.text(), st.integers(), st.none(), st.binary()))))
def test_whatever_is_rejected_the_file_is_a_csv(
    tmp_path_factory: pytest.TempPathFactory, values: Sequence[Any]
) -> None:
    path = tmp_path_factory.mktemp("rejects") / "rejects.csv"
    with RejectsFile(path, FIELDS) as rejects:
        rejects.write([rejection(row, *pair) for row, pair in enumerate(values, 1)])
    assert [line["row"] for line in read(path)] == [str(row) for row in range(1, len(values) + 1)]


def replay(rows: Any) -> list[ContactPayload]:
    mapper = ContactMapper({}, PhoneReader("FR"))
    contacts, _ = mapper.map(pd.DataFrame(rows, dtype=object), 1)
    return [contact.payload for contact in contacts]


@pytest.mark.parametrize("number", ["+33 6 12 34 56 78", "+111222233334444", "33612345678", 33612345678, 33612345678.0])
@pytest.mark.parametrize("first_name", ["Zoë", "=HYPERLINK(1)", "'=x", "'t Hart", "@home", "-"])
def test_the_file_is_valid_input_again(tmp_path: Path, number: Any, first_name: str) -> None:
    frame = pd.DataFrame([[number, first_name]], columns=list(FIELDS), dtype=object)
    mapper = ContactMapper({}, PhoneReader("FR"))
    (contact,), _ = mapper.map(frame, 1)
    path = tmp_path / "rejects.csv"
    with RejectsFile(path, mapper.fields) as rejects:
        rejects.write([Rejection(1, Outcome.REFUSED, "no", contact.values)])
    assert replay(read(path)) == [contact.payload]
    assert replay(pd.read_csv(path)) == [contact.payload]


def test_text_that_may_not_be_sent_is_there_to_be_corrected(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    with RejectsFile(path, FIELDS) as rejects:
        rejects.write([rejection(1, "+33612345678", "=Zo\x92é")])
    assert [line["first_name"] for line in read(path)] == ["'=Zo\x92é"]
