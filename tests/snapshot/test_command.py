"""``python -m airflow_provider_octopush.snapshot``: what each command prints, leaves alone, and refuses."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_octopush.exceptions import SnapshotConflictError, SupersededError
from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.operators.snapshots import account_of
from airflow_provider_octopush.simulator import Simulator
from airflow_provider_octopush.snapshot.__main__ import main
from airflow_provider_octopush.snapshot.commands import look_into, recover
from airflow_provider_octopush.snapshot.path_store import open_store
from airflow_provider_octopush.snapshot.snapshot import Snapshot
from airflow_provider_octopush.snapshot.snapshot_file import FORMAT, Identity
from tests.conftest import SetConnection
from tests.operators.nights import LIST, SECRET, Nights, check, number, people
from tests.snapshot.snapshots import KEYS, READING, MemoryStore, forget, journal, kill, open_snapshot, record

TASK = ("--list-name", LIST, "--dag-id", "dag", "--task-id", "task")


class Done(NamedTuple):
    """What came of a command."""

    code: int
    output: str
    errors: str


class Command:
    """Runs commands on the snapshot of the nights, in this process."""

    def __init__(self, nights: Nights, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = nights.snapshot_path
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, name: str, *arguments: object, stdin: str = "") -> Done:
        self._capsys.readouterr()
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = main([name, "--path", str(self.path), *map(str, arguments)])
        return Done(code, *self._capsys.readouterr())

    def refused(self, name: str, *arguments: object, stdin: str = "") -> str:
        """Run a command that has to fail; return its sentence."""
        done = self(name, *arguments, stdin=stdin)
        assert (done.code, done.output, done.errors.count("\n")) == (2, "", 1), done
        assert "336" not in done.errors
        return done.errors

    def marks(self) -> dict[str, str]:
        """Return what ``export`` gives: number → mark."""
        done = self("export")
        assert (done.code, done.errors) == (0, "")
        header, *rows = done.output.splitlines()
        assert header == "phone_number,mark"
        return dict(row.split(",") for row in rows)


@pytest.fixture
def nights(simulator: Simulator, connect: SetConnection, tmp_path: Path) -> Nights:
    connect(timeout=5, request_retries=1, snapshot_secret=SECRET)
    return Nights(simulator, tmp_path)


@pytest.fixture
def command(nights: Nights, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(nights, monkeypatch, capsys)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write a file of people."""

    def write(text: str) -> Path:
        path = tmp_path / "people.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def digits(n: int) -> int:
    return int(number(n))


def leave_dead_run(command: Command, to_send: list[int], to_remove: list[int], *confirmed: int, **run: Any) -> None:
    """Leave what a process leaves that is killed while it sends."""
    identity = Identity(account_of(OctopushHook("octopush_default").settings), LIST, "dag.task")
    snapshot = open_snapshot(open_store(str(command.path)), "dead run", identity=identity, **{"reading": None, **run})
    journal(snapshot, map(digits, to_send), map(digits, to_remove))
    if confirmed:
        record(snapshot, {digits(n): "Zoé" for n in confirmed})
        snapshot.flush()
    kill(snapshot)


def fill(nights: Nights, size: int) -> None:
    """Let people be on the list of whom the snapshot of the nights knows nothing."""
    nights.run(people(*range(size)), snapshot_path=str(nights.snapshot_path.with_name("elsewhere") / "list.snapshot"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_command_is_a_process(nights: Nights, write: Callable[[str], Path]) -> None:
    many = 20_000  # more than a pipe holds
    file = write("phone_number\n" + "".join(f"+33612{n:06}\n" for n in range(many)))

    # Airflow says at once that it is in its mode for tests.
    environment = {name: value for name, value in os.environ.items() if name != "AIRFLOW__CORE__UNIT_TEST_MODE"}

    def run(*arguments: object, stdin: str = "", pipe: str = "") -> Done:
        words = [sys.executable, "-m", "airflow_provider_octopush.snapshot", *map(str, arguments)]
        words += ["--path", str(nights.snapshot_path)]
        line = ["bash", "-o", "pipefail", "-c", f'"$@" {pipe}', "bash", *words]
        done = subprocess.run(
            line, input=stdin, capture_output=True, text=True, check=False, timeout=300, env=environment
        )
        return Done(done.returncode, done.stdout, done.stderr)

    # What stands among the errors of a command that went well is Airflow's.
    adopted = run("adopt", *TASK, file)
    assert (adopted.code, adopted.output) == (
        0,
        f"20,000 contacts may be on the list {LIST!r}: the next run updates or removes them\n",
    )
    found = run("find", stdin="+33612000001\n0612000001\n+33712000001\n")
    assert found.output == "+33612000001\tmay be there\n+33712000001\tnot there\n"
    assert found.code == 2
    assert "line 2 is not a number with a plus" in found.errors
    # Nobody reads to the end.
    exported = run("export", pipe="| head -1")
    assert (exported.code, exported.output) == (141, "phone_number,mark\n")
    assert "Traceback" not in exported.errors


def test_show_says_in_words_what_a_snapshot_says_of_itself(nights: Nights, command: Command) -> None:
    nights.run(people(*range(1, 31)), opted_out=people(99), default_region="FR", date="2026-11-19")
    nights.run(people(*range(1, 31)), opted_out=people(99), default_region="FR", date="2026-11-20")
    done = command("show")
    assert (done.code, done.errors) == (0, "")
    lines = done.output.splitlines()
    for line in (
        f"format: {FORMAT}",
        "generation: 1",
        "date of the run: 2026-11-20T00:00:00+00:00",
        f"list: {LIST}",
        "task: dag.task",
        "countries: +33",
        "opted out: 1",
        "contacts: 30",
        "  has: 30",
        "  may be there: 0",
        "  may be gone: 0",
        "runs: none is under way, and none was killed",
    ):
        assert line in lines, done.output
    assert '"default_region":["FR"],"phone_check":"format","number_format":"national"' in done.output
    assert nights.simulator.login not in done.output
    assert SECRET not in done.output
    assert number(1)[1:] not in done.output


def test_show_tells_of_a_run_that_was_killed(nights: Nights, command: Command) -> None:
    nights.run(people(*range(1, 31)))
    leave_dead_run(command, [1, 40, 41], [2], 40)
    before = contents(command.path.parent)
    output = command("show").output
    assert "contacts: 32\n  has: 29\n  may be there: 2\n  may be gone: 1\nruns: a run that began at 20" in output
    assert output.endswith("is under way, or was killed; it has recorded what it is doing\n")
    assert command.marks()[number(40)] == "has"
    command("find", stdin=number(1))
    assert contents(command.path.parent) == before, "who looks changes something"


def test_show_tells_of_a_first_run_that_was_killed_and_of_one_that_did_nothing_yet(command: Command) -> None:
    leave_dead_run(command, [], [])
    output = command("show").output
    assert "generation: 0 (no run has finished yet)\n" in output
    assert output.endswith("it has recorded nothing yet\n")
    leave_dead_run(command, [1], [])
    assert "contacts: 1\n" in command("show").output


@pytest.mark.parametrize(
    ("stdin", "output", "code"),
    [
        ("+33612340001\n+33612340040", "+33612340001\thas\n+33612340040\tmay be there\n", 0),
        ("+33612340002\n", "+33612340002\tmay be gone\n", 1),
        ("\n  +33 (0)6 12\t34 00 01 \n\n", "+33 (0)6 12 34 00 01\thas\n", 0),
        ("+33612349999\n+33612340001\n", "+33612349999\tnot there\n+33612340001\thas\n", 1),
    ],
)
def test_find_says_what_is_known_of_each_number(
    nights: Nights, command: Command, stdin: str, output: str, code: int
) -> None:
    nights.run(people(*range(1, 31)))
    leave_dead_run(command, [40], [2])
    assert command("find", stdin=stdin) == (code, output, "")


def test_find_knows_a_line_in_each_of_its_forms(nights: Nights, command: Command) -> None:
    nights.run([{"phone_number": "+5491123456789", "first_name": "Ana"}])
    assert command("find", stdin="+541123456789").code == 0


@pytest.mark.parametrize(
    "line",
    ["0612340001", "33612340001", "+", "+33", "+33612340001 +33612340002", "+336123400\ufffd", f"+{'3' * 1000}", "Zoé"],
)
def test_find_quotes_nothing_of_a_line_that_is_no_number_with_a_plus(
    nights: Nights, command: Command, line: str
) -> None:
    nights.run(people(1))
    done = command("find", stdin=f"{number(1)}\n{line}\n{number(2)}\n")
    assert (done.code, done.output) == (2, f"{number(1)}\thas\n{number(2)}\tnot there\n")
    assert done.errors == "line 2 is not a number with a plus: write one number a line, like +336…\n"


def test_find_without_a_number_is_not_all_is_well(nights: Nights, command: Command) -> None:
    nights.run(people(1))
    assert "no numbers on standard input" in command.refused("find", stdin="\n")


def test_find_takes_no_number_from_the_command_line(nights: Nights, command: Command) -> None:
    nights.run(people(1))
    assert "unrecognized" in command.refused("find", number(1))
    assert "unrecognized" in command.refused("find", "+33 6 12 34 00 01")
    assert "invalid choice" in command.refused(number(1))


def test_export_gives_the_whole_list_in_many_blocks(
    nights: Nights, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights.run(people(*range(200)))
    monkeypatch.setattr("airflow_provider_octopush.snapshot.records.BLOCK", 7)
    assert command.marks() == {number(n): "has" for n in range(200)}


def test_the_newest_secret_opens_what_an_older_one_sealed(
    nights: Nights, command: Command, connect: SetConnection
) -> None:
    nights.run(people(1, 2))
    connect(timeout=5, request_retries=1, snapshot_secret=f"{'n' * 32},{SECRET}")
    assert command.marks() == {number(1): "has", number(2): "has"}
    assert command("find", stdin=number(1)).code == 0


def test_who_was_adopted_is_updated_or_removed_by_the_next_run(
    nights: Nights, command: Command, write: Callable[[str], Path]
) -> None:
    fill(nights, 20)
    file = write("\ufeffname,phone_number\n" + "".join(f"Zoé,{number(n)}\n" for n in [*range(20), 3, 4]))
    assert command("adopt", *TASK, file).code == 0
    assert command.marks() == {number(n): "may be there" for n in range(20)}
    assert "numbers were read: not known\ncountries: +33\n" in command("show").output
    summary = nights.run(people(*range(2, 22)))
    check(summary, read=20, removed=2, snapshot_before=20, snapshot_after=20, kept=0, unchanged=0)
    assert not summary["first_run"]
    assert nights.on_list == {number(n) for n in range(2, 22)}
    assert set(command.marks().values()) == {"has"}
    # From here on it is like any other, whose reading is known.
    summary = nights.run(people(*range(3, 22)), phone_check="valid")
    check(summary, removed=0, kept=1, unchanged=19)
    check(nights.run(people(*range(3, 22)), phone_check="valid"), removed=1, kept=0)


def test_limits_hold_for_who_was_adopted(nights: Nights, command: Command, write: Callable[[str], Path]) -> None:
    fill(nights, 40)
    command("adopt", *TASK, write("phone_number\n" + "".join(f"{number(n)}\n" for n in range(40))))
    with pytest.raises(AirflowFailException, match="11 of 40 contacts"):
        nights.run(people(*range(11, 40)))
    assert len(nights.on_list) == 40
    assert set(command.marks().values()) == {"may be there"}
    check(nights.run(people(*range(11, 40)), max_removed=11), removed=11, kept=0)


def test_what_was_exported_can_be_adopted(nights: Nights, command: Command, write: Callable[[str], Path]) -> None:
    nights.run(people(*range(10)))
    file = write(command("export").output)
    command.path = command.path.with_name("other.snapshot")
    assert command("adopt", *TASK, file).code == 0
    assert set(command.marks()) == nights.on_list


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("phone_number\n+33612340001\n0612340002\n", "1 rows of … in line 3:"),
        ("phone_number\n+33612340001\n33612340002\n\n+\nZoé +33612340003\n", "3 rows of … in line 3:"),
        ("name,phone_number\nZoé\n", "1 rows of … in line 2:"),
        ("number\n+33612340001\n", "the first line of … does not name exactly one column phone_number"),
        ("phone_number;mark\n+33612340001;has\n", "the first line of … does not name exactly one column phone_number"),
        ("+33612340001\n", "the first line of … does not name exactly one column phone_number"),
        ('phone_number\n"+33612340001\n', "is not a CSV from line 2 on"),
        ("phone_number\n", "has no rows"),
        ("", "the first line of … does not name exactly one column phone_number"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_not_adopted(
    command: Command, write: Callable[[str], Path], text: str, said: str
) -> None:
    file = write(text)
    sentence = command.refused("adopt", *TASK, file)
    assert "61234" not in sentence
    position = 0
    for part in said.split("…"):
        assert part in sentence[position:], sentence
        position = sentence.index(part, position)
    assert not contents(command.path.parent), "something was written"


def test_bytes_that_are_not_utf_8_are_no_number_and_are_not_quoted(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "latin.csv"
    file.write_bytes(b"phone_number\n+33612340001\xe9\n")
    assert "1 rows" in command.refused("adopt", *TASK, file)
    assert "cannot be read" in command.refused("adopt", *TASK, tmp_path / "missing.csv")


def test_only_where_nothing_stands_is_anybody_adopted(
    nights: Nights, command: Command, write: Callable[[str], Path]
) -> None:
    file = write("phone_number\n+33612340001\n")
    leave_dead_run(command, [2], [])
    assert "already" in command.refused("adopt", *TASK, file)
    nights.run(people(2))
    before = contents(command.path.parent)
    assert "already" in command.refused("adopt", *TASK, file)
    assert contents(command.path.parent) == before
    command.path.unlink()
    assert "already" in command.refused("adopt", *TASK, file), "the folder beside it tells that there was one"


def test_names_of_a_list_that_octopush_would_cut_are_refused(command: Command, write: Callable[[str], Path]) -> None:
    file = write("phone_number\n+33612340001\n")
    said = command.refused("adopt", "--list-name", "x" * 31, "--dag-id", "d", "--task-id", "t", file)
    assert "31 characters" in said


def test_after_a_recovery_people_can_be_erased(nights: Nights, command: Command) -> None:
    nights.run(people(*range(1, 31)), date="2026-11-20")
    leave_dead_run(command, [1, 40], [2], date=None)
    with pytest.raises(SnapshotConflictError):
        nights.erase(people(1))
    before = command.marks()
    shown = command("show").output
    done = command("recover")
    assert done == (0, "the snapshot now has what was left beside it: 31 contacts\n", "")
    assert command.marks() == before
    assert (before[number(1)], before[number(2)], before[number(40)]) == ("may be there", "may be gone", "may be there")
    after = command("show").output
    assert "runs: none is under way, and none was killed\n" in after
    for line in ("date of the run:", "list:", "task:", "numbers were read:", "countries:"):
        assert next(one for one in shown.splitlines() if one.startswith(line)) in after
    check(nights.erase(people(1)), removed=1, forgotten=1)
    assert number(1) not in command.marks()
    # The next run finds its own snapshot. What the dead run was about to send may still arrive, for one run more.
    check(nights.run(people(*range(3, 31)), date="2026-11-21"), removed=1, unsettled=1, kept=0, unchanged=28)
    assert command.marks()[number(40)] == "may be there"
    check(nights.run(people(*range(3, 31)), date="2026-11-22"), removed=1, unsettled=0)
    assert nights.on_list == {number(n) for n in range(3, 31)}


def test_a_first_run_that_was_killed_can_be_recovered(nights: Nights, command: Command) -> None:
    leave_dead_run(command, [1, 2], [])
    assert command("recover").code == 0
    assert command.marks() == {number(1): "may be there", number(2): "may be there"}
    assert not nights.run(people(1, 2))["first_run"]


def test_a_run_that_was_killed_before_it_did_anything_leaves_a_sign_that_is_taken_away(
    nights: Nights, command: Command
) -> None:
    nights.run(people(1, 2))
    leave_dead_run(command, [], [])
    assert command("recover").code == 0
    check(nights.erase(people(1)), removed=1, forgotten=1)


def test_where_nothing_is_left_there_is_nothing_to_recover(nights: Nights, command: Command) -> None:
    nights.run(people(1))
    before = contents(command.path.parent)
    done = command("recover")
    assert (done.code, done.output) == (0, "no run has left anything beside the snapshot: there is nothing to do\n")
    assert contents(command.path.parent) == before


def leave_dead_run_in(store: MemoryStore, **options: Any) -> None:
    with open_snapshot(store) as snapshot:
        record(snapshot, {33612345678: "Zoé"})
        snapshot.replace()
    dead = open_snapshot(store, "run 2", **options)
    journal(dead, [33612345679])
    kill(dead)


def test_a_run_that_begins_meanwhile_recovers_what_was_left_itself() -> None:
    store = MemoryStore()
    leave_dead_run_in(store)
    before = store.snapshot, dict(store.parts)
    newer = f"{2**63:016x}{'0' * 8}-0"
    fetched = 0

    def begin_later(operation: str) -> None:
        nonlocal fetched
        fetched += operation == "fetch"
        if fetched == 1:
            store.parts[newer] = b"a sign"

    store.before = begin_later
    with pytest.raises(SupersededError, match="a newer run of the task took over"):
        recover(store, KEYS, "account")
    del store.parts[newer]
    assert (store.snapshot, store.parts) == before


def test_a_recovery_forgets_neither_that_numbers_were_read_differently_nor_how() -> None:
    store = MemoryStore()
    leave_dead_run_in(store)
    recover(store, KEYS, "account")
    with open_snapshot(store, "run 3") as snapshot:
        assert not snapshot.reads_differently
    store = MemoryStore()
    leave_dead_run_in(store, reading={"default_region": ["ES"]})
    assert recover(store, KEYS, "account") == 2
    for reading in (READING, {"default_region": ["ES"]}):
        with open_snapshot(store, "run 3", reading=reading) as snapshot:
            assert snapshot.reads_differently
    with open_snapshot(store, "run 3") as snapshot:
        snapshot.replace()
    with open_snapshot(store, "run 4") as snapshot:
        assert not snapshot.reads_differently


def test_a_reading_that_is_not_known_is_no_objection_and_is_known_after_the_next_run() -> None:
    store = MemoryStore()
    with open_snapshot(store, reading=None) as snapshot:
        record(snapshot, {33612345678: "Zoé", 33612345679: "Ana"})
        snapshot.replace()
    with open_snapshot(store, "run 2", reading=None) as snapshot:
        forget(snapshot, [33612345679])
        snapshot.replace(forgets=True)
    with open_snapshot(store, "run 3") as snapshot:
        assert not snapshot.reads_differently
        # Nothing has changed.
        snapshot.replace()
    with open_snapshot(store, "run 4", reading={"default_region": ["ES"]}) as snapshot:
        assert snapshot.reads_differently


def test_whoever_looks_while_a_run_ends_is_told_to_look_again() -> None:
    store = MemoryStore()
    leave_dead_run_in(store)
    ended = False

    def end(operation: str) -> None:
        nonlocal ended
        if operation == "fetch_entry" and not ended:
            ended = True
            recover(store, KEYS, "account")

    store.before = end
    with pytest.raises(SnapshotConflictError, match="has just ended"):
        look_into(store, KEYS, "account")
    with look_into(store, KEYS, "account") as snapshot:
        assert snapshot.size == 2


@pytest.mark.usefixtures("airflow_db")  # where a connection is looked for that is nowhere
@pytest.mark.parametrize("name", ["show", "find", "export", "recover"])
def test_what_is_wrong_is_said_in_a_sentence(
    nights: Nights, command: Command, connect: SetConnection, set_connection: SetConnection, name: str
) -> None:
    assert "there is no snapshot at" in command.refused(name)
    nights.run(people(1, 2))
    connect(snapshot_secret="another secret of more than 32 characters")
    assert "a snapshot_secret that the connection does not have" in command.refused(name)
    connect()
    assert "'snapshot_secret' is missing" in command.refused(name)
    set_connection(
        "octopush_default",
        conn_type="octopush",
        login="else@example.com",
        password="another-key",  # Airflow 3.0 warns of shorter ones
        extra={"snapshot_secret": SECRET},
    )
    assert "another Octopush account" in command.refused(name)
    assert "Airflow has no connection 'nobody'" in command.refused(name, "--conn-id", "nobody")
    connect(snapshot_secret=SECRET)
    command.path.write_bytes(command.path.read_bytes()[:-1])
    assert "is damaged" in command.refused(name)
    command.path.unlink()
    command.path.mkdir()
    assert "cannot be read or written (Is a directory)" in command.refused(name)


def test_a_path_that_leads_nowhere_and_an_error_that_nobody_thought_of_quote_nothing(
    nights: Nights, command: Command, monkeypatch: pytest.MonkeyPatch, write: Callable[[str], Path]
) -> None:
    file = write("phone_number\n+33612340001\n")

    def fail(*_: object) -> None:
        raise LookupError(number(1))

    monkeypatch.setattr(Snapshot, "record_sending", fail)
    assert "adopt failed with LookupError" in command.refused("adopt", *TASK, file)
    assert not contents(nights.snapshot_path), "a sign was left"
    monkeypatch.setattr(command, "path", "nothing://there")
    assert "nothing://there" in command.refused("show")


def test_a_command_line_is_refused_in_one_sentence(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    del command
    capsys.readouterr()
    assert main(["show"]) == 2
    output, errors = capsys.readouterr()
    assert (output, errors.count("\n")) == ("", 1)
    assert "--path" in errors
    for typed in (["anna@example.com"], ["show", "--path=p", "anna@example.com"], ["show", "--path=p", "--key=anna"]):
        assert main(typed) == 2
        assert "anna" not in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--help"])
    assert json.dumps(capsys.readouterr().out)
