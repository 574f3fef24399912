"""Where Octopush's own words go when it refuses contacts: to files beside each other, and nowhere else."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_octopush.exceptions import SET_REJECTS_PATH
from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from airflow_provider_octopush.operators.delete_contacts import DeleteContactsOperator
from airflow_provider_octopush.simulator import Behaviour, Simulator
from tests.airflow_runs import TaskInstance
from tests.conftest import SetConnection
from tests.hostile.quotes import PERSON, QUOTES
from tests.hostile.search import everything, tells
from tests.hostile.server import KEEP_ALIVE, HostileServer, Received, Script, Steps, answer, items
from tests.operators.nights import Nights, people, read_csv

pytestmark = pytest.mark.usefixtures("airflow_db")

ROWS = [*[{"phone_number": f"+4479460000{n:02}"} for n in range(25)], PERSON.row]


def refuse(status: str, content: Any, *, all_others: bool = False) -> Script:
    """Refuse whoever is quoted, or everybody."""

    def play(request: Received) -> Steps:
        is_about_them = all_others or PERSON.number in request.body.decode()
        yield answer(content, status) if is_about_them else answer(items(request))
        yield KEEP_ALIVE

    return play


def give_a_status(quoted: str) -> Script:
    """Answer with a status that is not documented."""

    def play(request: Received) -> Steps:
        content = items(request)
        for item in content["items"]:
            if item["phone_number"] == PERSON.number:
                item["status"] = quoted
        yield answer(content)
        yield KEEP_ALIVE

    return play


#: How a server quotes somebody, each with whether it says so in words that are kept.
ANSWERS: dict[str, tuple[Callable[[str], Script], bool]] = {
    "a refused contact": (lambda text: refuse("400 Bad", {"code": 117, "message": text}), True),
    "its code": (lambda text: refuse("400 Bad", {"code": text, "message": "no"}), False),
    "a key of JSON": (lambda text: refuse("422 Bad", {text: {text: text}, "code": 1}), False),
    "a page": (lambda text: refuse("400 Bad", f"<html>{text}</html>"), False),
    "a status": (give_a_status, True),
    "everybody is refused": (lambda text: refuse("400 Bad", {"code": 303, "message": text}, all_others=True), True),
    "the key is refused": (lambda text: refuse("401 No", {"code": 101, "message": text}), True),
    "a rate": (lambda text: refuse("429 Slow", {"code": 1, "message": text}), True),
    "a failure": (lambda text: refuse("503 Later", {"code": 125, "message": text}), True),
    "another refusal": (lambda text: refuse("404 Nowhere", {"code": 303, "message": text}), True),
}


@pytest.fixture
def put(set_connection: SetConnection) -> Iterator[Callable[[Script], None]]:
    """Put a hostile server behind ``octopush_default``, without retries."""
    with ExitStack() as servers:

        def put(script: Script) -> None:
            server = servers.enter_context(HostileServer(script))
            extra = {"timeout": 5, "request_retries": 0}
            set_connection(
                "octopush_default",
                conn_type="octopush",
                host=server.url,
                login=PERSON.login,
                password=PERSON.key,
                extra=extra,
            )

        yield put


def execute(rows: Any = ROWS, *, ti: TaskInstance | None = None, **options: Any) -> dict[str, Any]:
    context: Any = {"ti": ti or TaskInstance()}
    options = {"chunk_size": 10, **options}
    return CreateContactsOperator(task_id="sync", data=rows, **options).execute(context)


@pytest.mark.parametrize(
    "way", ["as it is", "the last name", "the number", "the key", "hexadecimal bytes", "an address"]
)
@pytest.mark.parametrize("how", ANSWERS)
def test_whatever_a_server_quotes_is_in_these_files_and_nowhere_else(
    put: Callable[[Script], None],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    how: str,
    way: str,
) -> None:
    script, has_words = ANSWERS[how]
    quoted = QUOTES[way](PERSON)
    put(script(quoted))
    ti = TaskInstance()
    with caplog.at_level(logging.DEBUG), pytest.raises(Exception, match=r"Octopush|rows were rejected") as caught:
        execute(ti=ti, rejects_path=str(tmp_path / "rejects.csv"))
    # Airflow 2 logs through the standard library, Airflow 3 to a stream of its own.
    shown = [everything(caught.value), json.dumps(ti.pushed), caplog.text, *capfd.readouterr()]
    assert [tells(text) for text in shown] == [None] * 5
    assert not any(quoted in text for text in shown)
    kept = [line["message"].removeprefix("'") for path in tmp_path.iterdir() for line in read_csv(path)]
    assert (quoted in kept) == has_words


def test_the_refusal_that_ends_a_run_stands_beside_the_rejected_rows(
    put: Callable[[Script], None], tmp_path: Path
) -> None:
    put(refuse("400 Bad", {"code": 303, "message": "=1+1"}, all_others=True))
    refusal = tmp_path / "rejects-refusal.csv"
    rows = [{"phone_number": f"+3361234{number:04}"} for number in range(100)]
    with pytest.raises(AirflowFailException, match="60 requests in a row were refused") as caught:
        execute(rows, rejects_path=str(tmp_path / "rejects.csv"))
    error, where = str(caught.value).rsplit(". ", 1)
    assert "HTTP 400, code 303 (in Octopush's older API: the list does not exist; check list_name)" in error
    assert where == f"Octopush's own words may quote contacts, so they are in {refusal.as_uri()}"
    assert read_csv(refusal) == [{"error": error, "message": "'=1+1"}]
    assert stat.S_IMODE(refusal.stat().st_mode) == 0o600
    assert {line["outcome"] for line in read_csv(tmp_path / "rejects.csv")} <= {"refused"}


@pytest.mark.parametrize("map_index", [-1, 3])
def test_each_instance_of_a_mapped_task_has_a_file_of_its_own(
    put: Callable[[Script], None], tmp_path: Path, map_index: int
) -> None:
    put(refuse("404 Nowhere", {"message": "no"}))
    with pytest.raises(AirflowFailException, match="HTTP 404"):
        execute(ti=TaskInstance(map_index=map_index), rejects_path=str(tmp_path / "rejects.csv"))
    of_instance = "" if map_index < 0 else "-3"
    assert {path.name for path in tmp_path.iterdir()} == {
        f"rejects{of_instance}.csv",
        f"rejects-refusal{of_instance}.csv",
    }


@pytest.mark.parametrize("how", ["a refused contact", "a status", "everybody is refused", "the key is refused"])
def test_without_a_path_the_error_says_to_set_one(put: Callable[[Script], None], how: str) -> None:
    put(ANSWERS[how][0]("no"))
    with pytest.raises(AirflowFailException) as caught:
        execute()
    assert f". {SET_REJECTS_PATH}" in str(caught.value)


@pytest.mark.parametrize("how", ["its code", "a page"])
def test_where_a_server_says_nothing_nothing_is_written(
    put: Callable[[Script], None], tmp_path: Path, how: str
) -> None:
    put(ANSWERS[how][0]("no"))
    with pytest.raises(AirflowFailException):
        execute(rejects_path=str(tmp_path / "rejects.csv"))
    assert [path.name for path in tmp_path.iterdir()] == ["rejects.csv"]


def test_a_file_that_cannot_be_written_does_not_hide_the_refusal(put: Callable[[Script], None], tmp_path: Path) -> None:
    put(refuse("404 Nowhere", {"message": "no"}))
    (tmp_path / "rejects-refusal.csv").mkdir()
    with pytest.raises(AirflowFailException, match=r"HTTP 404.*could not be written beside rejects_path"):
        execute(rejects_path=str(tmp_path / "rejects.csv"))


def test_a_removal_that_is_refused_is_a_refusal_too(octopush: Simulator, tmp_path: Path) -> None:
    octopush.behaviour = Behaviour(undeletable={PERSON.number}, refusal_message="{phone_number} stays")
    operator = DeleteContactsOperator(
        task_id="erase", data=[PERSON.row], list_name="Customers", rejects_path=str(tmp_path / "rejects.csv")
    )
    context: Any = {"ti": TaskInstance()}
    with pytest.raises(AirflowFailException, match="refused to remove 1 of 1") as caught:
        operator.execute(context)
    assert not tells(everything(caught.value))
    (line,) = read_csv(tmp_path / "rejects-refusal.csv")
    assert line["message"] == f"'{PERSON.number} stays"


def test_so_is_one_of_a_list_that_is_kept_in_step(nights: Nights, tmp_path: Path) -> None:
    nights.run(people(*range(8)))
    nights.simulator.behaviour = Behaviour(
        undeletable=frozenset(nights.on_list), refusal_message="{phone_number} stays"
    )
    with pytest.raises(AirflowFailException, match="refused to remove 1") as caught:
        nights.run(people(*range(7)), rejects_path=str(tmp_path / "rejects.csv"))
    assert "stays" not in everything(caught.value) + json.dumps(nights.pushed)
    (line,) = read_csv(tmp_path / "rejects-refusal.csv")
    assert "stays" in line["message"]
