"""The file of changes: each contact once, with what became of it, however the run ends."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import random
import sqlite3
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, ObjectStoragePath, task

from airflow_provider_octopush.contacts.csv_injection import unescape_formulas
from airflow_provider_octopush.exceptions import OctopushError, OctopushServerError
from airflow_provider_octopush.operators.sync_list import SyncListOperator
from airflow_provider_octopush.simulator import Behaviour, Fault
from airflow_provider_octopush.sync.merge import merge_summaries
from airflow_provider_octopush.sync.summary import ListSummary
from tests.airflow_runs import run_dag
from tests.conftest import SetConnection
from tests.documentation import PROJECT, blocks_of
from tests.operators.nights import LIST, SECRET, Nights, Rows, check, number, people, read_csv

#: Seeds that the property is tried with; raise it to try as many as one likes.
SEEDS = int(os.environ.get("CHANGES_SEEDS", "5"))

Found = dict[int, str]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where changes are written."""
    return tmp_path / "changes.csv"


def changes(path: Path) -> Found:
    """Return what became of each contact, such as ``{1: "added done"}``."""
    rows = read_csv(path)
    found = {unescape_formulas(row["phone_number"]): f"{row['change']} {row['state']}" for row in rows}
    assert len(found) == len(rows), "a contact is there twice"
    return {int(phone.removeprefix("+3361234")): what for phone, what in found.items()}


def counted(path: Path) -> Counter[str]:
    return Counter(changes(path).values())


def all_of(what: str, *numbers: int) -> Found:
    return dict.fromkeys(numbers, what)


def test_each_contact_that_changes_is_there_and_no_other(nights: Nights, path: Path) -> None:
    nights.run(people(1, 2, 3, 4, 5), changes_path=str(path))
    assert changes(path) == all_of("added done", 1, 2, 3, 4, 5)
    rows = [*people(1, 6), *people(2, name="Ana"), *people(6), {"phone_number": "x"}, *people(4, 7)]
    nights.run(rows, opted_out=people(4, 7), max_rejected=1, changes_path=str(path))
    assert changes(path) == {
        6: "added done", 2: "updated done", 4: "opted_out done", **all_of("removed done", 3, 5)
    }  # fmt: skip
    nights.run([*people(1, 6), *people(2, name="Ana")], opted_out=people(4, 7), changes_path=str(path))
    assert changes(path) == {}


def test_its_form(nights: Nights, path: Path) -> None:
    nights.run(people(1), changes_path=str(path))
    (row,) = read_csv(path)
    assert list(row) == ["phone_number", "change", "state", "run", "time"]
    # As in the rejects file, a spreadsheet takes no number for a formula.
    assert (row["phone_number"], row["run"]) == (f"'{number(1)}", "night 1")
    written = dt.datetime.fromisoformat(row["time"])
    assert written.utcoffset() == dt.timedelta(0)
    assert abs(written - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert nights.pushed["changes_path"] == path.as_uri()


class TestWhatIsSent:
    @pytest.mark.parametrize(
        ("how", "state"),
        [
            ({}, "done"),
            ({"statuses": {number(n): "skipped" for n in (1, 5)}}, "done"),
            ({"refused": frozenset([number(1), number(5)])}, "refused"),
            ({"unmentioned": frozenset([number(1), number(5)])}, "unconfirmed"),
            ({"statuses": {number(n): "queued" for n in (1, 5)}}, "unconfirmed"),
        ],
    )
    @pytest.mark.parametrize("remove_missing", [False, True])
    def test_says_what_was_planned_and_how_far_it_came(
        self, nights: Nights, path: Path, how: dict[str, Any], state: str, *, remove_missing: bool
    ) -> None:
        nights.run(people(1, 2))
        nights.simulator.behaviour = Behaviour(**how)
        rows = [*people(1, name="Ana"), *people(2, 3, 4, 5, 6, 7, 8)]
        nights.run(rows, max_rejected=2, remove_missing=remove_missing, changes_path=str(path))
        assert changes(path) == {
            1: f"updated {state}", 5: f"added {state}", **all_of("added done", 3, 4, 6, 7, 8)
        }  # fmt: skip

    def test_refused_after_a_request_without_an_answer_is_not_known_to_be_refused(
        self, nights: Nights, path: Path
    ) -> None:
        nights.simulator.behaviour = Behaviour(refused=frozenset([number(1)]))
        nights.simulator.fail_next(None, Fault.dropped())
        nights.run(people(2, 1), max_rejected=1, chunk_size=1, changes_path=str(path))
        check(nights.pushed, refused=1, added=1)
        assert changes(path) == {2: "added done", 1: "added unconfirmed"}


class TestWhatIsRemoved:
    @pytest.mark.parametrize("opted_out", [False, True])
    def test_what_octopush_refuses_is_kept(self, nights: Nights, path: Path, *, opted_out: bool) -> None:
        nights.run(people(1, 2, 3))
        nights.simulator.behaviour = Behaviour(undeletable=frozenset([number(2)]), refusal_status=409)
        options: dict[str, Any] = {"opted_out": people(2, 3)} if opted_out else {}
        with pytest.raises(AirflowFailException, match="refused to remove 1"):
            nights.run(people(1), changes_path=str(path), **options)
        assert changes(path) == {2: "kept refused", 3: "opted_out done" if opted_out else "removed done"}

    def test_what_may_be_gone_is_unconfirmed(self, nights: Nights, path: Path) -> None:
        nights.run(people(1, 2, 3))
        nights.simulator.fail_next(*[Fault.answer_lost()] * 2)
        with pytest.raises(OctopushError):
            nights.run(people(1), changes_path=str(path))
        assert changes(path) == {}
        nights.run(people(1), dry_run=True, changes_path=str(path))
        assert changes(path) == all_of("removed planned", 2, 3)
        nights.simulator.behaviour = Behaviour(undeletable=frozenset([number(2), number(3)]), refusal_status=400)
        check(nights.run(people(1), opted_out=people(3), changes_path=str(path)), unsettled=2, removed=0, kept=0)
        assert changes(path) == {2: "removed unconfirmed", 3: "opted_out unconfirmed"}

    @pytest.mark.parametrize(
        ("rows", "options"),
        [
            (people(1, 2), {"default_region": "BE"}),
            ([], {"on_empty": "succeed"}),
            ([*people(1, 2), {"phone_number": "x"}], {}),
        ],
    )
    def test_what_nobody_asks_to_remove_is_kept(
        self, nights: Nights, path: Path, rows: Rows, options: dict[str, Any]
    ) -> None:
        nights.run(people(1, 2, 3, 4))
        with suppress(AirflowFailException):
            nights.run(rows, changes_path=str(path), **options)
        kept = 2 if rows else 4
        check(nights.pushed, kept=kept, removed=0)
        assert counted(path) == {"kept planned": kept}


class TestAPlan:
    def test_of_a_night(self, nights: Nights, path: Path) -> None:
        nights.run(people(1, 2, 3, 4))
        before = nights.simulator.requests_total
        rows = [*people(1, 6), *people(2, name="Ana")]
        check(
            nights.run(rows, opted_out=people(3), dry_run=True, changes_path=str(path)),
            added=1, updated=1, removed=2, removed_opted_out=1,
        )  # fmt: skip
        assert changes(path) == {
            6: "added planned", 2: "updated planned", 3: "opted_out planned", 4: "removed planned"
        }  # fmt: skip
        assert nights.simulator.requests_total == before

    def test_of_a_night_that_keeps(self, nights: Nights, path: Path) -> None:
        nights.run(people(1, 2, 3))
        check(nights.run(people(1), default_region="BE", dry_run=True, changes_path=str(path)), kept=2)
        assert changes(path) == all_of("kept planned", 2, 3)

    def test_with_everything_sent_again(self, nights: Nights, path: Path) -> None:
        nights.run(people(1, 2))
        nights.run(people(1, 2, 3), full_refresh=True, dry_run=True, changes_path=str(path))
        assert changes(path) == {3: "added planned", **all_of("updated planned", 1, 2)}

    @pytest.mark.parametrize("limit", ["max_removed", "max_added", "max_opted_out"])
    def test_is_what_a_run_leaves_that_a_limit_holds(self, nights: Nights, path: Path, limit: str) -> None:
        nights.run(people(*range(10)))
        rows = people(*range(2, 9), 20)
        options: dict[str, Any] = {limit: 0, "opted_out": people(2), "changes_path": str(path)}
        with pytest.raises(AirflowFailException, match=f"{limit}.*What it would do is in {path.as_uri()}|max_opted"):
            nights.run(rows, **options)
        if limit == "max_opted_out":
            # It holds before the rows are read.
            assert changes(path) == {2: "opted_out planned"}
            return
        assert changes(path) == {2: "opted_out done", 20: "added planned", **all_of("removed planned", 0, 1, 9)}
        assert nights.pushed["changes_path"] == path.as_uri()

    def test_a_contact_of_a_country_that_is_new_among_the_rows_is_held_too(self, nights: Nights, path: Path) -> None:
        nights.run([*people(1), {"phone_number": "+34612345678"}])
        # With no plus: of which country it is shows only when the rows are read.
        rows = [*people(1, 2), {"phone_number": "+34612345679"}]
        nights.run(rows, opted_out=[{"n": "612345678"}], dry_run=True, changes_path=str(path))
        found = {unescape_formulas(row["phone_number"]): (row["change"], row["state"]) for row in read_csv(path)}
        assert found["+34612345678"] == ("opted_out", "planned")


class TestARunThatBreaksOff:
    def test_while_it_sends(self, nights: Nights, path: Path) -> None:
        nights.run(people(1, 2))
        nights.simulator.fail_next(None, *[Fault.server_error()] * 2)
        with pytest.raises(OctopushServerError):
            nights.run([*people(1, 3), *people(2, name="Ana"), *people(4, 5)], chunk_size=1, changes_path=str(path))
        assert changes(path) == {3: "added done"}

    def test_while_it_removes(self, nights: Nights, path: Path) -> None:
        nights.run(people(*range(500)))
        nights.simulator.fail_next(None, *[Fault.server_error()] * 2)
        with pytest.raises(OctopushServerError):
            nights.run(people(0), max_removed="100%", changes_path=str(path))
        assert counted(path) == {"removed done": 200}
        gone = {n for n, what in changes(path).items() if what == "removed done"}
        assert nights.on_list == {number(n) for n in range(500)} - {number(n) for n in gone}

    @pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, LookupError])
    def test_while_it_reads_there_is_no_plan(self, nights: Nights, path: Path, error: type[BaseException]) -> None:
        nights.run(people(1, 2))

        def rows() -> Iterator[Rows]:
            yield people(1, 3)
            raise error

        with pytest.raises(error):
            nights.run(rows(), opted_out=people(2), changes_path=str(path))
        assert changes(path) == {2: "opted_out done"}

    def test_before_it_sends(self, nights: Nights, path: Path) -> None:
        nights.run(people(1, 2))
        with pytest.raises(AirflowFailException, match="More than half"):
            nights.run([*people(1, 3), *[{"phone_number": "x"}] * 3], changes_path=str(path))
        assert changes(path) == {3: "added planned", 2: "removed planned"}

    def test_what_was_done_by_then_is_in_the_file_of_the_retry(self, nights: Nights, path: Path) -> None:
        nights.run(people(1, 2))
        nights.simulator.fail_next(None, *[Fault.server_error()] * 2)
        rows = [*people(1, 3, 4), *people(2, name="Ana")]
        with pytest.raises(OctopushServerError):
            nights.run(rows, chunk_size=1, changes_path=str(path))
        check(nights.run(rows, chunk_size=1, night=nights.night, changes_path=str(path)), added=2, updated=1)
        assert changes(path) == {3: "added done", 4: "added done", 2: "updated done"}


class TestWhere:
    def test_each_instance_of_a_mapped_task_has_its_own(self, nights: Nights, tmp_path: Path, path: Path) -> None:
        nights.run(people(1), map_index=3, changes_path=str(path))
        assert changes(tmp_path / "changes-3.csv") == {1: "added done"}
        assert nights.pushed["changes_path"] == (tmp_path / "changes-3.csv").as_uri()
        assert not path.exists()

    @pytest.mark.parametrize("breaks_off", [False, True])
    def test_on_an_object_store(self, nights: Nights, s3: str, path: Path, *, breaks_off: bool) -> None:
        uri = f"{s3}/2026/changes.csv"
        if breaks_off:
            nights.simulator.fail_next(*[Fault.server_error()] * 2)
        with suppress(OctopushServerError):
            nights.run(people(1), changes_path=uri)
            assert nights.pushed["changes_path"] == uri
        path.write_bytes(ObjectStoragePath(uri).read_bytes())
        assert changes(path) == ({} if breaks_off else {1: "added done"})

    def test_a_place_that_cannot_be_written_shows_before_anything_is_sent(self, nights: Nights, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="so the changes cannot be written to it: name another changes_path"):
            nights.run(people(1), changes_path=str(tmp_path))
        assert nights.simulator.requests_total == 0

    @pytest.mark.parametrize("given", ["", " ", 3, Path("x")])
    def test_what_is_no_path_shows_when_the_dag_is_parsed(self, given: Any) -> None:
        with pytest.raises(ValueError, match="changes_path"):
            SyncListOperator(task_id="sync", data=[], list_name=LIST, snapshot_path="/x", changes_path=given)

    @pytest.mark.usefixtures("airflow_db")
    def test_the_decorator_takes_it_and_templates_are_rendered(self, nights: Nights, dag: DAG, tmp_path: Path) -> None:
        decorated: Any = task.octopush_list

        @decorated(  # type: ignore[untyped-decorator]  # Airflow's
            list_name=LIST,
            snapshot_path=str(nights.snapshot_path),
            changes_path=f"{tmp_path}/{{{{ ti.task_id }}}}-{{{{ ti.try_number }}}}.csv",
        )
        def customers() -> Any:
            yield people(1, 2)

        customers()
        check(run_dag(dag).results["customers"], added=2)
        (file,) = tmp_path.glob("customers-*.csv")
        assert changes(file) == all_of("added done", 1, 2)

    def test_summaries_of_several_lists_name_the_folder_they_share(self) -> None:
        parts = [ListSummary(changes_path=f"s3://b/changes/{n}.csv").as_xcom() for n in range(3)]
        assert merge_summaries([*parts, ListSummary().as_xcom()])["changes_path"] == "s3://b/changes"
        assert "s3://b/changes/1.csv" in ListSummary(changes_path="s3://b/changes/1.csv").table()


def random_night(rng: random.Random) -> tuple[Rows, dict[str, Any], dict[str, Any]]:
    """Return rows, options, and how Octopush behaves."""
    rows = people(*rng.sample(range(60), rng.randrange(5, 50)), name=rng.choice(["Zoé", "Ana"]))
    rows += [{"phone_number": "x"}] * rng.choice([0, 0, 0, 2])
    options = {
        "opted_out": people(*rng.sample(range(60), 3)),
        "min_opted_out": 0,
        "max_opted_out": "100%",
        "max_rejected": rng.choice([0, "100%"]),
        "max_removed": rng.choice([0, 5, "100%", "100%"]),
        "max_added": rng.choice([3, 100, 100]),
        "remove_missing": rng.choice([True, True, False]),
        "chunk_size": rng.choice([1, 7, 200]),
        "concurrency": rng.choice([1, 3]),
        "full_refresh": rng.random() < 0.1,
        "dry_run": rng.random() < 0.2,
        "default_region": rng.choice(["FR", "FR", "FR", "BE"]),
    }
    some = [frozenset(map(number, rng.sample(range(60), rng.choice([0, 0, 4])))) for _ in range(4)]
    behaviour = {
        "refused": some[0],
        "unmentioned": some[1],
        "statuses": dict.fromkeys(some[2], rng.choice(["queued", "skipped"])),
        "undeletable": some[3],
        "refusal_status": rng.choice([400, 409]),
    }
    return rows, options, behaviour


def is_sum(found: Counter[str], summary: dict[str, Any], *, is_retry: bool) -> bool:
    """Tell whether the counts of a run that came to its end are those of its file."""

    def of(states: str, *changes: str) -> int:
        return sum(found[f"{change} {state}"] for change in changes for state in states.split())

    every = "planned done refused unconfirmed"
    sent, removed = ("added", "updated"), ("removed", "opted_out")
    confirmed = summary["added"] + summary["updated"] + summary["skipped"]
    unknown = summary["unconfirmed"] + summary["other"] + summary["refused"]
    kept, is_held = of(every, "kept"), bool(summary["exceeded"]) and not summary["dry_run"]
    if summary["dry_run"]:
        return bool(
            of("planned done", "added") + of("planned done", "updated") == confirmed
            and of(every, *sent) == confirmed
            and of("planned", *removed) == summary["removed"]
            and of("planned", "opted_out") == summary["removed_opted_out"]
            and kept == summary["kept"]
        )
    return bool(
        of("done", *sent) == confirmed
        and of("refused unconfirmed", *sent) == unknown
        and of("refused", *sent) <= summary["refused"]
        and of("planned", *sent) == summary["unsent"]
        and (is_retry or of("done", *removed) == summary["removed"])
        and (is_retry or of("done", "opted_out") == summary["removed_opted_out"])
        and (is_held or kept == summary["kept"])
        and (is_held or of("unconfirmed", *removed) == summary["unsettled"])
        and (is_held or not of("planned", *removed))
        and (not is_held or kept + of("planned unconfirmed", "removed") >= summary["kept"])
    )


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_file_adds_up_to_the_summary_over_random_nights(
    nights: Nights, connect: SetConnection, path: Path, seed: int
) -> None:
    connect(timeout=5, request_retries=0, snapshot_secret=SECRET)
    rng = random.Random(seed)
    ended, is_retry = 0, False
    for _ in range(8):
        rows, options, behaviour = random_night(rng)
        nights.simulator.behaviour = Behaviour(**behaviour)
        nights.simulator.fail_next(
            *[None] * rng.randrange(6),
            *rng.choice([[], [], [Fault.server_error()], [Fault.answer_lost()], [Fault.rate_limited()]]),
        )
        held = nights.on_list
        with suppress(AirflowFailException, OctopushError):
            nights.run(rows, night=nights.night if is_retry else None, changes_path=str(path), **options)
        nights.simulator.fail_next()
        found = changes(path)
        sent = {row["phone_number"] for row in rows}
        for n, what in found.items():
            change, state = what.split()
            assert change in ("kept", "removed", "opted_out") or number(n) in sent
            if state == "done" and behaviour["refusal_status"] != 400:
                # A 400 to one number alone, while others are removed, says that it is not there.
                assert (number(n) in nights.on_list) == (change in ("added", "updated")), what
            elif state == "planned":
                assert (number(n) in nights.on_list) == (number(n) in held), what
        if nights.pushed:
            ended += 1
            assert is_sum(counted(path), nights.pushed, is_retry=is_retry), (counted(path), nights.pushed)
        else:
            assert counted(path).total() <= 60
        is_retry = not nights.pushed
    assert ended


def test_nothing_of_it_is_in_logs_xcoms_or_errors(nights: Nights, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shown: list[str] = []
    with caplog.at_level(logging.DEBUG):
        nights.run(people(1, 2, 3), changes_path=str(path))
        shown.append(json.dumps(nights.pushed))
        for faults in ([Fault.server_error()] * 2, []):
            nights.simulator.fail_next(*faults)
            with pytest.raises((AirflowFailException, OctopushError)) as caught:
                nights.run(people(2, 4), max_removed=len(faults), changes_path=str(path))
            shown += [str(caught.value), repr(caught.value), json.dumps(nights.pushed)]
    assert len(changes(path)) == 3
    text = "\n".join([caplog.text, *shown])
    assert [n for n in range(1, 5) if number(n)[1:] in text or number(n)[3:] in text] == []


def test_since_when_a_number_is_on_the_list() -> None:
    blocks = blocks_of(PROJECT / "docs" / "recipes.md")
    (query,) = [block.code for block in blocks if block.language == "sql" and "list_changes" in block.code]
    rows = [
        ("+1", "added", "done", "2026-01-01"), ("+1", "updated", "done", "2026-01-02"),
        ("+2", "added", "done", "2026-01-01"), ("+2", "removed", "done", "2026-01-02"),
        ("+3", "added", "done", "2026-01-01"), ("+3", "opted_out", "done", "2026-01-02"),
        ("+3", "kept", "planned", "2026-01-03"), ("+3", "added", "unconfirmed", "2026-01-03"),
        ("+3", "updated", "done", "2026-01-04"), ("+3", "removed", "planned", "2026-01-05"),
        ("+4", "added", "refused", "2026-01-01"),
    ]  # fmt: skip
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE list_changes (phone_number, change, state, run, time)")
        connection.executemany("INSERT INTO list_changes VALUES (?, ?, ?, 'r', ?)", rows)
        found = dict(connection.execute(query).fetchall())
    connection.close()
    assert found == {"+1": "2026-01-01", "+3": "2026-01-04"}
