"""Who is missing is really missing, who is erased is really gone, and two writers are found out."""

from __future__ import annotations

import datetime as dt
import errno
import io
import os
import random
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, AirflowSkipException

from airflow_provider_octopush.exceptions import OctopushError, OctopushServerError, SnapshotConflictError
from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.operators.sync_list import SyncListOperator
from airflow_provider_octopush.simulator import Behaviour, Fault
from airflow_provider_octopush.snapshot import other_runs
from airflow_provider_octopush.snapshot import path_store as stores
from airflow_provider_octopush.snapshot import snapshot as snapshot_module
from tests.conftest import SetConnection
from tests.operators.nights import LIST, SECRET, Nights, Rows, check, number, people

#: Values that no field of a contact takes.
BAD_FIELDS: list[Any] = [["gold"], {"tier": "gold"}, b"\xff\xfe", object(), float, complex(1, 2), "\ud800"]


class TestARowIsAboutItsNumber:
    @pytest.mark.parametrize("bad", BAD_FIELDS, ids=lambda bad: type(bad).__name__)
    def test_whatever_else_is_wrong_with_it(self, nights: Nights, bad: Any) -> None:
        columns = {"param1": "tier"}
        rows = [{"phone_number": number(n), "tier": "gold"} for n in range(40)]
        nights.run(rows, columns=columns)
        spoilt = [{**row, "tier": bad} if n % 4 == 0 else row for n, row in enumerate(rows)]
        summary = nights.run(spoilt, columns=columns, max_rejected="100%", max_removed="100%")
        check(summary, invalid=10, removed=0, unchanged=30, kept=0)
        assert len(nights.on_list) == 40

    @pytest.mark.parametrize(
        ("first", "row", "options"),
        [
            ({"n": "07400123456", "r": "GB"}, {"n": "07400123456", "r": "UK"}, {}),
            ({"n": "0612345678", "r": "FR"}, {"n": "0612345678", "r": "France"}, {}),
            ({"n": "0149706565", "r": "FR"}, {"n": "0149706565", "r": "FR"}, {"phone_check": "mobile"}),
            ({"n": "+33149706565", "r": None}, {"n": "+33 1 49 70 65 65", "r": None}, {"phone_check": "mobile"}),
            ({"n": "+33612345678", "r": None}, {"n": "33612345678", "r": None}, {}),
            ({"n": "+33612345678", "r": None}, {"n": "612345678", "r": "??"}, {}),
            ({"n": "+491711234567", "r": None}, {"n": "+(49)171/1234567 privat", "r": None}, {}),
            # As it is dialled in the US, in Australia, and in Russia.
            *(
                ({"n": "+33612345678", "r": None}, {"n": f"{prefix}33612345678", "r": None}, {})
                for prefix in ("011", "0011", "810")
            ),
        ],
    )
    def test_also_where_it_cannot_be_read(
        self, nights: Nights, first: dict[str, Any], row: dict[str, Any], options: dict[str, Any]
    ) -> None:
        columns = {"phone_number": "n", "region": "r"}
        rows = [{"n": number(n), "r": None} for n in range(5)]
        nights.run([first, *rows], columns=columns)
        # A night that reads numbers otherwise removes nobody: the one after it is looked at.
        nights.run([first, *rows], columns=columns, max_rejected="100%", **options)
        summary = nights.run([row, *rows], columns=columns, max_rejected="100%", max_removed="100%", **options)
        check(summary, removed=0)
        assert len(nights.on_list) == 6

    def test_a_row_that_is_about_nobody_protects_nobody(self, nights: Nights) -> None:
        nights.run(people(1, 2))
        check(nights.run([*people(1), {"phone_number": "n/a"}], max_rejected=1), removed=1, invalid=1)


class TestLimitsAreSharesOfWhatWasThereBefore:
    def test_in_all_tries_of_the_run(self, nights: Nights) -> None:
        nights.run(people(*range(100)))
        rest, others = people(*range(5, 100)), people(*range(1000, 1100))
        nights.simulator.fail_next(None, *[Fault.server_error()] * 2)
        with pytest.raises(OctopushServerError):
            nights.run([*rest, *others], chunk_size=50)
        # The retry reads another table: what the first try has added makes no limit larger.
        with pytest.raises(AirflowFailException, match=r"11 of 100 contacts.*max_removed.*allows 10"):
            nights.run([*people(*range(11, 100)), *others], night=nights.night)
        with pytest.raises(AirflowFailException, match="120 contacts would be added to a list of 100; max_added"):
            nights.run([*rest, *others, *people(*range(2000, 2020))], night=nights.night)
        assert {number(n) for n in range(100)} <= nights.on_list

    def test_a_night_that_was_held_loosens_nothing(self, nights: Nights) -> None:
        nights.run(people(*range(100)))
        others = people(*range(1000, 2500))
        for _ in range(3):
            with pytest.raises(AirflowFailException, match=r"100 of 100 contacts.*allows 10"):
                nights.run(others, max_added="2000%")
        check(nights.run(others, max_removed=100, max_added="2000%"), removed=100)
        check(nights.run(others[100:]), removed=100, kept=0)

    def test_nor_does_a_night_that_failed(self, nights: Nights) -> None:
        nights.run(people(*range(100)))
        others = people(*range(1000, 1100))
        nights.simulator.fail_next(None, *[Fault.server_error()] * 2)
        with pytest.raises(OctopushServerError):
            nights.run([*people(*range(100)), *others], chunk_size=50)
        with pytest.raises(AirflowFailException, match="100 of 100 contacts"):
            nights.run(others)


class TestHowManyMayBeAdded:
    @pytest.mark.parametrize(
        ("limit", "of", "allowed"),
        [(None, 40, 100), (None, 500, 125), (12, 40, 12), ("12", 40, 12), ("5%", 45, 2), ("200%", 40, 80), (0, 40, 0)],
    )
    def test_with_one_more_nothing_is_sent_or_removed(self, nights: Nights, limit: Any, of: int, allowed: int) -> None:
        nights.run(people(*range(of)))
        rows = people(*range(3, of + allowed + 1))
        before = nights.simulator.requests_total
        with pytest.raises(
            AirflowFailException, match=rf"{allowed + 1} contacts would be added.*max_added={allowed + 1}"
        ):
            nights.run(rows, max_added=limit)
        assert nights.simulator.requests_total == before
        check(nights.pushed, unsent=allowed + 1, added=0, removed=0, unchanged=of - 3, snapshot_after=of)
        check(nights.run(rows[:-1], max_added=limit), added=allowed, removed=3)

    def test_a_share_says_nothing_of_a_first_run_but_a_number_does(self, nights: Nights) -> None:
        with pytest.raises(AirflowFailException, match="500 contacts would be added to a list of 0; max_added"):
            nights.run(people(*range(500)), max_added=499)
        check(nights.run(people(*range(500)), max_added="1%"), added=500)

    def test_a_share_of_a_list_that_holds_nobody_any_more_is_as_good_as_none(self, nights: Nights) -> None:
        nights.run(people(1))
        nights.run(people(1), opted_out=people(1))
        with pytest.raises(AirflowFailException, match="101 contacts would be added to a list of 0"):
            nights.run(people(*range(2, 103)), max_added="1000%")
        check(nights.run(people(*range(2, 102)), max_added="1000%"), added=100)

    def test_what_is_sent_again_adds_nobody(self, nights: Nights) -> None:
        nights.run(people(*range(300)))
        check(nights.run(people(*range(300)), full_refresh=True, max_added=0), updated=300)
        nights.simulator.behaviour = Behaviour(unmentioned=frozenset([number(1)]))
        with pytest.raises(AirflowFailException, match="not in Octopush's answer"):
            nights.run(people(*range(300), name="Ana"), max_added=0)
        nights.simulator.behaviour = Behaviour()
        check(nights.run(people(*range(300), name="Ana"), max_added=0), updated=1, unchanged=299)


class TestNobodyIsLostTrackOf:
    """Who may be on the list through this task is known to the next run, whatever became of this one."""

    @pytest.mark.parametrize("dies", [0, 1, 3])
    def test_a_first_run_that_is_killed_and_whose_rows_are_gone(
        self, nights: Nights, monkeypatch: pytest.MonkeyPatch, dies: int
    ) -> None:
        post, left = OctopushHook.post_contacts, [dies]

        def die(hook: OctopushHook, body: bytes) -> Any:
            answer = post(hook, body)
            left[0] -= 1
            if left[0] <= 0:
                raise SystemExit
            return answer

        with monkeypatch.context() as patched:
            patched.setattr(OctopushHook, "post_contacts", die)
            with pytest.raises(SystemExit):
                nights.run(people(*range(400)), chunk_size=100)
        assert nights.on_list
        summary = nights.run(people(999), max_removed="100%")
        nights.run(people(999), max_removed="100%")
        assert nights.on_list == {number(999)}
        check(summary, kept=0)

    @pytest.mark.parametrize("how", [{"unmentioned": frozenset([number(1)])}, {"statuses": {number(1): "queued"}}])
    def test_who_was_not_confirmed_is_removed_when_the_row_is_gone(self, nights: Nights, how: dict[str, Any]) -> None:
        nights.simulator.behaviour = Behaviour(**how)
        nights.run(people(1, 2), max_rejected=1)
        assert number(1) in nights.on_list
        nights.simulator.behaviour = Behaviour()
        check(nights.run(people(2)), removed=1, unchanged=1)
        assert nights.on_list == {number(2)}

    def test_who_was_refused_is_as_before(self, nights: Nights) -> None:
        nights.run(people(1, 2))
        nights.simulator.behaviour = Behaviour(refused=frozenset([number(1), number(3)]))
        summary = nights.run(people(1, 2, 3, name="Ana"), max_rejected=2)
        check(summary, refused=2, updated=1, snapshot_after=2)
        nights.simulator.behaviour = Behaviour()
        check(nights.run(people(1, 2)), unchanged=1, updated=1, removed=0)

    def test_more_than_half_of_the_rows_invalid_is_a_wrong_column(self, nights: Nights) -> None:
        nights.run(people(1, 2))
        before = nights.simulator.requests_total
        rows = [*people(1, 2, 3), *[{"phone_number": "x"}] * 4]
        with pytest.raises(AirflowFailException, match="More than half of the rows are invalid, so nothing was sent"):
            nights.run(rows)
        check(nights.pushed, read=7, invalid=4, unchanged=2, unsent=1, removed=0, snapshot_after=2)
        assert [one.endswith("so nothing was sent") for one in nights.pushed["exceeded"]] == [True]
        assert nights.simulator.requests_total == before
        with pytest.raises(AirflowFailException, match="rows were rejected"):
            nights.run(rows[:-1])
        assert number(3) in nights.on_list

    @pytest.mark.parametrize("invalid", [1, 4])
    def test_a_plan_is_green_and_lists_that_too_many_rows_are_invalid(self, nights: Nights, invalid: int) -> None:
        nights.run(people(1, 2))
        plan = nights.run([*people(1, 2, 3), *[{"phone_number": "x"}] * invalid], dry_run=True)
        check(plan, invalid=invalid, added=1, unchanged=2)
        assert [f"{invalid} of {invalid + 3} rows were rejected" in one for one in plan["exceeded"]] == [True]

    def test_an_unchanged_night_writes_the_head_alone(self, nights: Nights) -> None:
        nights.run(people(1, 2), date="2026-11-01")
        content = nights.snapshot_path.read_bytes()
        check(nights.run(people(1, 2), date="2026-11-03"), unchanged=2)
        assert nights.snapshot_path.read_bytes() == content
        with pytest.raises(AirflowSkipException):
            nights.run(people(1), date="2026-11-02")

    def test_a_held_run_does_not_move_the_date(self, nights: Nights) -> None:
        nights.run(people(1, 2), date="2026-11-01")
        with pytest.raises(AirflowFailException, match="max_removed"):
            nights.run(people(1), date="2026-11-03", max_removed=0)
        check(nights.run(people(1), date="2026-11-02"), removed=1)

    def test_not_even_if_it_has_removed_who_opted_out(self, nights: Nights) -> None:
        nights.run(people(1, 2, 3), date="2026-11-01")
        with pytest.raises(
            AirflowFailException, match=r"max_removed.*1 contacts that opted out had been removed before"
        ):
            nights.run(people(1), date="2026-11-03", max_removed=0, opted_out=[{"n": number(3)}])
        assert nights.on_list == {number(1), number(2)}
        check(nights.run(people(1), date="2026-11-02", opted_out=[{"n": number(3)}]), removed=1)

    def test_the_newer_run_wins(self, nights: Nights) -> None:
        def rows() -> Iterator[Rows]:
            yield people(1, 2, name="older")
            nights.run(people(1, 3, name="newer"))
            yield people(4)

        with pytest.raises(AirflowFailException, match="a newer run of the task took over"):
            nights.run(rows())
        assert nights.on_list == {number(1), number(3)}
        assert nights.simulator.contacts[number(1)].fields["first_name"] == "newer"
        check(nights.run(people(1, 3, name="newer")), unchanged=2)

    def test_also_while_it_sends(self, nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(other_runs, "LOOKED_AFTER", 0.0)
        monkeypatch.setattr("airflow_provider_octopush.sync.list_sync.LOOK", 0.05)
        nights.run(people(*range(10)))
        post, beside = OctopushHook.post_contacts, nights.snapshot_path.with_name("customers.snapshot.journal")

        def slowly(hook: OctopushHook, body: bytes) -> Any:
            # The sign of a run that has begun later; what it says does not matter.
            (beside / f"{time.time_ns() + 10**9:016x}00000000-000000").touch()
            time.sleep(0.3)
            return post(hook, body)

        monkeypatch.setattr(OctopushHook, "post_contacts", slowly)
        with pytest.raises(AirflowFailException, match="a newer run of the task took over"):
            nights.run(people(*range(100, 130)), chunk_size=1, max_removed="100%")


class TestErasing:
    def test_nothing_is_removed_where_nothing_tells_which_of_several_numbers_it_is(self, nights: Nights) -> None:
        rows = [{"phone_number": "612345678", "region": region} for region in ("ES", "FR")]
        columns = {"phone_number": "phone_number", "region": "region"}
        nights.run(rows, columns=columns)
        where = {"snapshot_path": None, "default_region": ["ES", "FR"]}
        with pytest.raises(AirflowFailException, match="may each stand for more than one contact"):
            nights.erase([{"phone_number": "612345678"}], **where)
        check(nights.pushed, read=1, ambiguous=1, removed=0, numbers=0)
        assert nights.on_list == {"+33612345678", "+34612345678"}
        check(nights.erase([{"phone_number": "612345678", "region": "ES"}], columns=columns, **where), removed=1)
        assert nights.on_list == {"+33612345678"}

    @pytest.mark.parametrize(
        ("written", "there"),
        [
            ("01 23 45 67 89 ext 5", "+33234567895"),
            ("+33 1 23 45 67 89 ext. 5", "+33234567895"),
            ("+33 6 12 34 56 78 ext. 5", "+33123456785"),
            ("+49 0049 15123456783", "+494915123456783"),
            ("+33612345678 / +33612345679", "+33612345679"),
            ("12 0612345679", "+33612345679"),
        ],
    )
    def test_no_number_within_other_text_is_removed(self, nights: Nights, written: str, there: str) -> None:
        """For an opt-out, each number that may be in a text is blocked; here, one too many would be somebody else's."""
        nights.run([{"phone_number": there}, *people(1)])
        with pytest.raises(AirflowFailException, match="1 of 1 rows were rejected"):
            nights.erase([{"phone_number": written}], default_region="FR")
        assert nights.on_list == {there, number(1)}

    @pytest.mark.parametrize("region", [None, "FR", ["FR", "ES"]])
    def test_no_country_is_guessed(self, nights: Nights, region: Any) -> None:
        """A Canadian number in national form may be read as a Malaysian one."""
        nights.run([{"phone_number": "+6045550123"}, {"phone_number": "+16045550123"}])
        row, where = [{"phone_number": "(604) 555-0123"}], {"snapshot_path": None, "default_region": region}
        with pytest.raises(AirflowFailException, match="1 of 1 rows were rejected"):
            nights.erase(row, **where)
        assert len(nights.on_list) == 2
        check(nights.erase(row, snapshot_path=None, default_region="CA"), removed=1)
        assert nights.on_list == {"+6045550123"}
        check(
            nights.erase([{"phone_number": "6045550123"}], snapshot_path=None, number_format="international"), removed=1
        )

    def test_the_one_that_the_snapshot_holds_is_removed(self, nights: Nights) -> None:
        """Added as a mobile of one country, and erased by settings that read a landline of another one."""
        row = [{"phone_number": "0471234567"}]
        nights.run([*row, *people(1)], default_region=["FR", "BE"], phone_check="mobile")
        held = nights.on_list - {number(1)}
        check(nights.erase(row, default_region=["FR", "BE"]), removed=1, numbers=1, forgotten=1)
        assert nights.on_list == {number(1)}
        assert not held & nights.on_list

    @pytest.mark.parametrize("number_format", ["national", "international"])
    def test_a_plus_tells_the_country_whatever_the_region(self, nights: Nights, number_format: Any) -> None:
        german, columns = "+4933612345678", {"phone_number": "phone_number", "region": "region"}
        nights.run([{"phone_number": german}, *people(1)])
        row = {"phone_number": "+33 6 12 34 56 78", "region": "DE"}
        nights.erase([row], columns=columns, number_format=number_format)
        assert nights.on_list == {german, number(1)}

    def test_where_it_holds_more_than_one_nobody_is_removed_and_the_task_says_what_to_write(
        self, nights: Nights
    ) -> None:
        columns = {"phone_number": "phone_number", "region": "region"}
        nights.run([{"phone_number": "612345678", "region": region} for region in ("ES", "FR")], columns=columns)
        with pytest.raises(
            AirflowFailException, match=r"1 of 2 rows may each stand for more than one.*write the region"
        ):
            nights.erase([{"phone_number": "612345678"}, *people(7)])
        check(nights.pushed, read=2, ambiguous=1, removed=1)
        assert len(nights.on_list) == 2
        check(nights.erase([{"phone_number": "612345678", "region": "ES"}], columns=columns), removed=1, forgotten=1)
        assert nights.on_list == {"+33612345678"}

    def test_both_forms_of_one_line_are_one_person(self, nights: Nights) -> None:
        forms = [{"phone_number": "+5491123456789"}, {"phone_number": "+541123456789"}]
        nights.run([*forms, *people(1)])
        check(nights.erase([{"phone_number": "+541123456789"}]), removed=1, ambiguous=0, numbers=2, forgotten=2)
        assert nights.on_list == {number(1)}

    @pytest.mark.parametrize("bad", BAD_FIELDS, ids=lambda bad: type(bad).__name__)
    def test_only_number_and_region_are_read(self, nights: Nights, bad: Any) -> None:
        nights.run(people(1, 2))
        check(nights.erase([{"phone_number": number(1), "first_name": bad}]), removed=1, invalid=0)

    def test_nobody_is_told_to_allow_that_some_are_not_erased(self, nights: Nights) -> None:
        nights.run(people(1))
        with pytest.raises(AirflowFailException) as caught:
            nights.erase([*people(1), {"phone_number": "n/a"}])
        assert "1 of 2 rows were rejected; max_rejected allows 0" in str(caught.value)
        assert str(caught.value).endswith("These were not removed: correct them, and run the task again")
        check(nights.pushed, removed=1, invalid=1, forgotten=1)

    def test_an_erasure_that_was_killed_before_it_forgot_is_done_by_its_retry(
        self, nights: Nights, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nights.run(people(1, 2, 3))
        nights.simulator.behaviour = Behaviour(missing_status=404)
        delete = OctopushHook.delete_contacts

        def die_after(hook: OctopushHook, numbers: Any, *, list_name: str) -> None:
            delete(hook, numbers, list_name=list_name)
            raise SystemExit

        with monkeypatch.context() as patched:
            patched.setattr(OctopushHook, "delete_contacts", die_after)
            with pytest.raises(SystemExit):
                nights.erase(people(1, 2))
        assert nights.on_list == {number(3)}
        check(nights.erase(people(1, 2)), absent=2, kept=0, forgotten=2)
        check(nights.run(people(3)), unchanged=1, removed=0, snapshot_before=1)

    def test_beside_a_run_that_is_under_way_it_fails_untouched(self, nights: Nights) -> None:
        nights.run(people(1, 2, 3))
        seen: list[BaseException] = []

        def rows() -> Iterator[Rows]:
            yield people(1, 2, 3, name="Ana")
            try:
                nights.erase(people(1))
            except SnapshotConflictError as error:
                seen.append(error)
            yield people(4)

        check(nights.run(rows(), chunk_size=1), updated=3, added=1)
        assert "under way or was killed" in str(seen[0])
        assert len(nights.on_list) == 4
        check(nights.erase(people(1)), removed=1, forgotten=1)

    @pytest.mark.parametrize("after", [0, 1, 2])
    def test_beside_what_a_killed_run_left_it_fails_untouched(
        self, nights: Nights, monkeypatch: pytest.MonkeyPatch, after: int
    ) -> None:
        if after:
            nights.run(people(1, 2, 3))
        monkeypatch.setattr(other_runs, "LOOKED_AFTER", 0)

        def rows() -> Iterator[Rows]:
            if after == 2:
                yield people(1, 2, 3, 4, name="Ana")
            raise SystemExit

        with monkeypatch.context() as patched:
            # A process that is killed takes nothing back.
            patched.setattr(stores.LocalStore, "remove_entries", lambda *_: None)
            with pytest.raises(SystemExit):
                nights.run(rows(), chunk_size=1)
        before = nights.on_list
        with pytest.raises(SnapshotConflictError, match="let it end, or run it again, first"):
            nights.erase(people(1))
        assert nights.on_list == before
        check(nights.run(people(1, 2, 3)), kept=0)
        check(nights.erase(people(1)), removed=1, forgotten=1)
        check(nights.run(people(2, 3)), unchanged=2, removed=0)

    def test_a_sign_that_was_put_late_is_found_out(self, nights: Nights) -> None:
        nights.run(people(1, 2))
        beside = nights.snapshot_path.with_name("customers.snapshot.journal")

        def rows() -> Iterator[Rows]:
            # Of a run that began before, and whose store took its time.
            (beside / f"{1:016x}00000000-000000").touch()
            yield people(1)

        with pytest.raises(SnapshotConflictError, match="has begun while contacts were erased"):
            nights.erase(rows())
        assert nights.on_list == {number(1), number(2)}

    def test_a_run_that_begins_meanwhile_is_found_out(self, nights: Nights) -> None:
        nights.run(people(1, 2, 3))

        def rows() -> Iterator[Rows]:
            yield people(1)
            with suppress(SnapshotConflictError):
                nights.run(people(1, 2, 3, name="Ana"))

        with pytest.raises(SnapshotConflictError):
            nights.erase(rows())
        check(nights.run(people(2, 3)), kept=0)
        check(nights.erase(people(1)), forgotten=0)
        assert nights.on_list == {number(2), number(3)}

    def test_a_run_that_adds_meanwhile_who_is_erased_is_found_out_before_anybody_is_removed(
        self, nights: Nights
    ) -> None:
        nights.run(people(2, 3))

        def rows() -> Iterator[Rows]:
            nights.run(people(1, 2, 3))
            yield people(1)

        with pytest.raises(SnapshotConflictError):
            nights.erase(rows())
        assert nights.on_list == {number(1), number(2), number(3)}
        check(nights.erase(people(1)), removed=1, forgotten=1)
        check(nights.run(people(1, 2, 3)), updated=1, unchanged=2)

    def test_and_so_is_one_that_adds_them_while_they_are_removed(
        self, nights: Nights, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nights.run(people(2, 3))
        delete = OctopushHook.delete_contacts

        def add_and_delete(hook: OctopushHook, numbers: Any, *, list_name: str) -> None:
            nights.run(people(1, 2, 3))
            delete(hook, numbers, list_name=list_name)

        with monkeypatch.context() as patched:
            patched.setattr(OctopushHook, "delete_contacts", add_and_delete)
            with pytest.raises(SnapshotConflictError, match="has begun while contacts were erased"):
                nights.erase(people(1))
        check(nights.erase(people(1)), removed=1, forgotten=1)
        check(nights.run(people(1, 2, 3)), updated=1, unchanged=2)


@pytest.mark.parametrize("owns", [True, False])
def test_the_snapshot_tells_of_a_number_that_libphonenumber_does_not_know(nights: Nights, *, owns: bool) -> None:
    """Without its plus, the digits are also a valid number of the same country."""
    sent = "+62937551989"
    nights.run([{"phone_number": sent}, *people(1)])
    row = {"phone_number": sent[1:], **({"region": "ID"} if owns else {})}
    check(nights.erase([row], default_region="ID"), removed=1, forgotten=1)
    assert nights.on_list == {number(1)}


class SlowStore(stores.LocalStore):
    """A local store of which each call may take long."""

    delay: Callable[[str], float] = staticmethod(lambda _: 0.0)

    def put(self, file: IO[bytes]) -> None:
        time.sleep(self.delay("put"))
        super().put(file)

    def put_entry(self, name: str, file: IO[bytes]) -> None:
        time.sleep(self.delay("put_entry"))
        super().put_entry(name, file)

    def entries(self) -> list[str]:
        time.sleep(self.delay("entries"))
        return super().entries()

    def remove_entries(self, names: Any) -> None:
        for name in names:
            time.sleep(self.delay("remove_entries"))
            super().remove_entries([name])


@contextmanager
def slow(monkeypatch: pytest.MonkeyPatch, seed: int, longest: float) -> Iterator[None]:
    rng = random.Random(seed)
    lock = threading.Lock()

    def delay(_: str) -> float:
        with lock:
            return rng.choice([0, 0, rng.random() * longest])

    with monkeypatch.context() as patched:
        patched.setattr(SlowStore, "delay", staticmethod(delay))
        patched.setattr(stores, "LocalStore", SlowStore)
        # As much as it can be: what is noted is put away all the time.
        patched.setattr(other_runs, "LOOKED_AFTER", 0.0)
        patched.setattr("airflow_provider_octopush.sync.list_sync.LOOK", 0.001)
        yield


@pytest.mark.parametrize("seed", range(int(os.environ.get("SLOW_STORES", "2"))))
def test_a_slow_store_costs_time_and_nothing_else(nights: Nights, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Without any fault, each night is green and the next one finds what this one left."""
    rng = random.Random(seed)
    on_list: set[int] = set()
    with slow(monkeypatch, seed, 0.15):
        for _ in range(4):
            wanted = {n for n in range(30) if rng.random() < 0.8}
            stops = [{"n": number(n)} for n in rng.sample(range(40, 50), 3)]
            summary = nights.run(
                people(*sorted(wanted)), chunk_size=rng.choice([3, 30]), max_removed="100%", opted_out=stops
            )
            check(summary, snapshot_before=len(on_list), snapshot_after=len(wanted), unchanged=len(wanted & on_list))
            on_list = wanted
            assert nights.on_list == {number(n) for n in wanted}
    left = {
        path.name.partition("-")[0] for path in nights.snapshot_path.with_name("customers.snapshot.journal").iterdir()
    }
    assert "head" in left
    assert len(left) <= 5, "more than the head and the journal of each run"


def test_hundreds_of_confirmations_are_opened_one_by_one(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_runs, "LOOKED_AFTER", 0.0)
    monkeypatch.setattr(snapshot_module, "GROWN_BY", 0.0)
    monkeypatch.setattr("airflow_provider_octopush.sync.list_sync.LOOK", 0.0001)
    beside = nights.snapshot_path.with_name("customers.snapshot.journal")
    post = OctopushHook.post_contacts

    seen = [0]

    def post_or_die(hook: OctopushHook, body: bytes) -> Any:
        # What was confirmed before is noted now, or soon.
        until = time.monotonic() + 2
        while (number := len(list(beside.iterdir()))) == seen[0] and time.monotonic() < until:
            time.sleep(0.0005)
        seen[0] = number
        if number > 300:
            raise SystemExit
        return post(hook, body)

    with monkeypatch.context() as patched:
        patched.setattr(OctopushHook, "post_contacts", post_or_die)
        with pytest.raises(SystemExit):
            nights.run(people(*range(400)), chunk_size=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 100, hard))
    try:
        summary = nights.run(people(*range(400)), night=nights.night, max_removed="100%")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    check(summary, snapshot_after=400, added=400, kept=0)


def test_a_disk_that_is_full_is_told_with_the_place_where_room_is_needed(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    nights.run(people(1))
    before = nights.simulator.requests_total
    full = SimpleNamespace(TemporaryFile=lambda **_: FullDisk(), gettempdir=tempfile.gettempdir)
    monkeypatch.setattr("airflow_provider_octopush.sync.contact_file.tempfile", full)
    with pytest.raises(OSError, match=r"No space left on device.*TMPDIR. Nothing was sent"):
        nights.run(people(1, 2))
    assert nights.simulator.requests_total == before


class TestWhoseSnapshotItIs:
    def test_a_list_keeps_its_snapshot_when_it_moves_to_another_map_index(self, nights: Nights) -> None:
        nights.run(people(1, 2), map_index=3)
        check(nights.run(people(1), map_index=4), unchanged=1, removed=1, first_run=False)

    def test_instances_of_one_run_do_not_remove_each_other_s_contacts(self, nights: Nights) -> None:
        nights.run(people(1, 2), map_index=0)
        with pytest.raises(
            AirflowFailException, match=r"by the instance with map index 0.*its own list and snapshot_path"
        ):
            nights.run(people(3, 4), map_index=1, night=nights.night)
        assert nights.on_list == {number(1), number(2)}
        check(nights.run(people(1, 2), map_index=0, night=nights.night), unchanged=2)

    def test_nor_when_they_run_side_by_side(self, nights: Nights) -> None:
        def rows() -> Iterator[Rows]:
            yield people(1)
            with pytest.raises(AirflowFailException, match="by the instance with map index 0"):
                nights.run(people(3, 4), map_index=1, night=nights.night)
            yield people(2)

        check(nights.run(rows(), map_index=0), added=2)

    @pytest.mark.parametrize("mapped", [False, True])
    def test_two_tasks_of_a_dag_that_keep_one_list_are_refused(self, *, mapped: bool) -> None:
        options: dict[str, Any] = {"list_name": LIST, "snapshot_path": "/tmp/a"}  # noqa: S108 - nothing is written
        with DAG("two", schedule=None, start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)):
            if mapped:
                SyncListOperator.partial(task_id="one", **options).expand(data=[[{}]])
            else:
                SyncListOperator(task_id="one", data=[], **options)
            SyncListOperator(task_id="plan", data=[], dry_run=True, **options)
            SyncListOperator(task_id="other_list", data=[], list_name="B", snapshot_path="/b")
            SyncListOperator(task_id="other_account", data=[], octopush_conn_id="x", **options)
            with pytest.raises(ValueError, match="the tasks one and two both keep the list 'Customers' in step"):
                SyncListOperator(task_id="two", data=[], list_name=LIST, snapshot_path="/b")


class TestWhatAKilledFirstRunLeaves:
    @pytest.mark.parametrize("after", [0, 5])
    def test_a_run_that_reads_numbers_otherwise_removes_nobody(
        self, nights: Nights, monkeypatch: pytest.MonkeyPatch, after: int
    ) -> None:
        monkeypatch.setattr(other_runs, "LOOKED_AFTER", 0.0)
        monkeypatch.setattr("airflow_provider_octopush.sync.list_sync.LOOK", 0.001)

        def rows() -> Iterator[Rows]:
            for n in range(after):
                yield people(n)
                time.sleep(0.02)
            raise SystemExit

        with pytest.raises(SystemExit):
            nights.run(rows(), chunk_size=1)
        count = len(nights.on_list)
        check(nights.run(people(100), default_region="BE", max_removed="100%"), removed=0, kept=min(count, after))
        check(nights.run(people(100), default_region="BE", max_removed="100%"), removed=min(count, after), kept=0)


def test_an_answer_that_the_api_cannot_give_removes_nobody(nights: Nights) -> None:
    nights.run(people(1, 2, 3))
    nights.simulator.fail_next(Fault.login_page())
    with pytest.raises(OctopushError):
        nights.run(people(1))
    assert len(nights.on_list) == 3
    check(nights.run(people(1)), removed=2, kept=0)
    assert nights.on_list == {number(1)}


class TestAfterTheLastStepsFailed:
    """What a run does counts once, also where it fails after it has replaced the snapshot."""

    @pytest.mark.parametrize("secrets", [SECRET, f"{'n' * 40},{SECRET}"], ids=["the-same-secret", "a-new-secret"])
    def test_the_limits_of_a_retry_count_what_was_done_before(
        self, nights: Nights, monkeypatch: pytest.MonkeyPatch, connect: SetConnection, secrets: str
    ) -> None:
        nights.run(people(*range(100)))
        put = stores.LocalStore.put_entry

        def lose_the_head(store: stores.LocalStore, name: str, file: IO[bytes]) -> None:
            if name == "head":
                raise OSError("the store is down")
            put(store, name, file)

        with monkeypatch.context() as patched:
            patched.setattr(stores.LocalStore, "put_entry", lose_the_head)
            with pytest.raises(OSError, match="the store is down"):
                nights.run(people(*range(10, 100)), max_removed=10)
        assert len(nights.on_list) == 90
        connect(timeout=5, request_retries=1, snapshot_secret=secrets)
        with pytest.raises(AirflowFailException, match=r"11 of 100 contacts.*allows 10"):
            nights.run(people(*range(11, 100)), night=nights.night, max_removed=10)
        summary = nights.run(people(*range(10, 100)), night=nights.night, max_removed=10)
        check(summary, removed=10, snapshot_before=100, snapshot_after=90)

    def test_an_erasure_leaves_nothing_beside_the_snapshot(
        self, nights: Nights, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nights.run(people(1, 2, 3))

        def fail(*_: Any) -> None:
            raise OSError("the store is down")

        with monkeypatch.context() as patched:
            patched.setattr(stores.LocalStore, "remove_entries", fail)
            with pytest.raises(OSError, match="the store is down"):
                nights.erase(people(1))
        nights.erase(people(1))
        left = nights.snapshot_path.with_name("customers.snapshot.journal").iterdir()
        assert [path.name for path in left] == ["head"]
        check(nights.run(people(2, 3)), unchanged=2, removed=0)


def test_a_new_secret_makes_nobody_doubtful(nights: Nights, connect: SetConnection) -> None:
    nights.run(people(1, 2, 3))
    nights.simulator.behaviour = Behaviour(undeletable=frozenset([number(2)]), refusal_status=404)
    new = "n" * 40
    for secrets in (SECRET, f"{new},{SECRET}", new, new):
        connect(timeout=5, request_retries=1, snapshot_secret=secrets)
        with pytest.raises(AirflowFailException, match="refused to remove 1"):
            nights.run(people(1, 3))
        check(nights.pushed, kept=1, unsettled=0)


def test_a_snapshot_from_before_a_loss_is_not_the_newest(nights: Nights) -> None:
    for n in range(3):
        nights.run(people(*range(5 + n)))
    old = nights.snapshot_path.read_bytes()
    for path in [nights.snapshot_path, *nights.snapshot_path.with_name("customers.snapshot.journal").iterdir()]:
        path.unlink()
    nights.run(people(*range(5)))
    nights.run(people(*range(4)))
    nights.snapshot_path.write_bytes(old)
    # Nobody knows what became of them since, also after a run that a limit has held.
    with pytest.raises(AirflowFailException, match="max_added"):
        nights.run(people(*range(7), 50), max_added=0)
    check(nights.run(people(*range(7))), unchanged=0)
    assert nights.on_list >= {number(n) for n in range(7)}
