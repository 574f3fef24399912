"""What the operator promises about lost, corrupted and falsely reported contacts."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, ObjectStoragePath

from airflow_provider_octopush.exceptions import OctopushAnswerError, OctopushServerError
from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from airflow_provider_octopush.outcomes import CREATE_OUTCOMES
from airflow_provider_octopush.phones.reasons import PhoneReason
from airflow_provider_octopush.simulator import Behaviour, Fault, Simulator
from tests.airflow_runs import TaskInstance, run_dag

GOOD = [{"phone_number": f"+3361234567{n}", "first_name": f"Name{n}"} for n in range(6)]
MIXED: list[dict[str, Any]] = [
    GOOD[0],
    {"phone_number": None, "first_name": "=1+1"},
    {"phone_number": "3.36E+10"},
    GOOD[1],
    {"phone_number": "+33 6 12 34 56 70"},
]


def execute(ti: TaskInstance | None = None, **kwargs: Any) -> dict[str, Any]:
    context: Any = {"ti": ti or TaskInstance()}
    summary = CreateContactsOperator(task_id="sync", **kwargs).execute(context)
    check_law(summary)
    return summary


def check_law(summary: dict[str, Any]) -> None:
    assert summary["read"] == sum(summary[name] for name in CREATE_OUTCOMES)


def rejects(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class TestNumbers:
    def test_a_column_that_happens_to_be_called_region_does_not_decide(self, octopush: Simulator) -> None:
        execute(data=[{"phone_number": "0612345678", "region": "Bretagne"}], default_region="FR")
        assert octopush.contacts.keys() == {"+33612345678"}

    def test_numbers_without_a_plus_are_of_a_region_unless_all_begin_with_their_country_code(
        self, octopush: Simulator
    ) -> None:
        rows = [{"phone_number": 33612345678}, {"phone_number": 34612345678}, {"phone_number": "0612345678"}]
        assert execute(data=rows, max_rejected=3)["reasons"] == {PhoneReason.NO_REGION.value: 3}
        assert "default_region" in PhoneReason.NO_REGION.value
        assert "number_format" in PhoneReason.NO_REGION.value
        execute(data=rows, default_region="FR", max_rejected=1)
        assert octopush.contacts.keys() == {"+33612345678"}
        summary = execute(data=rows, number_format="international", max_rejected=1)
        assert octopush.contacts.keys() == {"+33612345678", "+34612345678"}
        assert summary["reasons"] == {PhoneReason.NO_COUNTRY_CODE.value: 1}


class TestTruthOfTheState:
    @pytest.mark.parametrize("max_rejected", [0, "1", "39%"])
    def test_too_many_rejected_rows_fail_the_task_for_good_after_all_was_said(
        self, octopush: Simulator, tmp_path: Path, max_rejected: int | str
    ) -> None:
        ti = TaskInstance()
        path = tmp_path / "rejects.csv"
        with pytest.raises(AirflowFailException, match="2 of 5 rows were rejected") as caught:
            execute(ti, data=MIXED, max_rejected=max_rejected, rejects_path=str(path))
        assert "1 × phone number missing" in str(caught.value)
        assert path.as_uri() in str(caught.value)
        check_law(ti.pushed["return_value"])
        assert ti.pushed["return_value"]["invalid"] == 2
        assert octopush.contacts.keys() == {"+33612345670", "+33612345671"}
        assert [row["row"] for row in rejects(path)] == ["2", "3", "5"]

    @pytest.mark.parametrize("max_rejected", [2, "40%", "100%"])
    @pytest.mark.usefixtures("octopush")
    def test_as_many_as_allowed_do_not(self, max_rejected: int | str) -> None:
        assert execute(data=MIXED, max_rejected=max_rejected)["invalid"] == 2

    def test_a_contact_that_is_not_in_the_answer_fails_the_task(self, octopush: Simulator) -> None:
        octopush.reset(Behaviour(unmentioned=frozenset({"+33612345670"})))
        with pytest.raises(AirflowFailException, match="1 × not in Octopush's answer"):
            execute(data=GOOD)

    def test_a_blacklisted_number_that_was_to_be_removed_does_not(self, octopush: Simulator) -> None:
        octopush.reset(Behaviour(blacklisted=frozenset({"+33612345670"})))
        summary = execute(data=GOOD, auto_remove_blacklisted_numbers=True)
        assert (summary["added"], summary["unconfirmed"]) == (5, 1)

    @pytest.mark.parametrize("fault", [Fault(status=401), Fault(status=403), Fault(status=404, body="html")])
    def test_what_a_retry_would_meet_again_is_not_retried(self, octopush: Simulator, fault: Fault) -> None:
        octopush.fail_next(fault)
        with pytest.raises(AirflowFailException):
            execute(data=GOOD, chunk_size=2)
        assert len(octopush.requests) == 1

    @pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
    def test_what_may_pass_is_left_to_airflow_s_retries(self, octopush: Simulator, status: int) -> None:
        octopush.fail_next(*[Fault(status=status, retry_after="0")] * 2)
        with pytest.raises(Exception, match=f"HTTP {status}") as caught:
            execute(data=GOOD)
        assert not isinstance(caught.value, AirflowFailException)

    @pytest.mark.parametrize("fault", [Fault.not_json(), Fault.other_json()])
    def test_a_success_that_cannot_be_read_is_not_a_success(self, octopush: Simulator, fault: Fault) -> None:
        octopush.fail_next(fault)
        with pytest.raises(OctopushAnswerError):
            execute(data=GOOD)


class TestRejects:
    def test_every_rejected_row_is_there_with_all_that_is_known(self, octopush: Simulator, tmp_path: Path) -> None:
        octopush.reset(
            Behaviour(refused=frozenset({"+33612345670"}), unmentioned=frozenset({"+33612345671"}), refusal_code=7)
        )
        path = tmp_path / "{{ nothing }}" / "rejects.csv"
        summary = execute(data=MIXED, max_rejected="100%", rejects_path=path.as_uri())
        assert summary["rejects_path"] == path.as_uri()
        rows = {row["row"]: row for row in rejects(path)}
        assert {number: row["outcome"] for number, row in rows.items()} == {
            "1": "refused",
            "2": "invalid",
            "3": "invalid",
            "4": "unconfirmed",
            "5": "duplicates",
        }
        assert (rows["1"]["code"], rows["1"]["message"]) == ("7", "A contact is not valid.")
        assert rows["2"]["first_name"] == "'=1+1"
        assert rows["5"]["phone_number"] == "'+33 6 12 34 56 70"

    def test_rejected_rows_can_be_fed_back(self, octopush: Simulator, tmp_path: Path) -> None:
        path = tmp_path / "rejects.csv"
        octopush.reset(Behaviour(refused=frozenset({"+33612345670"})))
        execute(data=[*GOOD[:2], {"phone_number": None}], max_rejected=2, rejects_path=str(path))
        octopush.reset(Behaviour())
        summary = execute(data=rejects(path), max_rejected=1)
        assert (summary["read"], summary["added"], summary["invalid"]) == (2, 1, 1)
        assert octopush.contacts["+33612345670"].fields == {"first_name": "Name0"}

    def test_they_are_uploaded_to_an_object_store_also_when_the_run_fails(
        self, octopush: Simulator, object_store: Any
    ) -> None:
        octopush.fail_next(None, *[Fault(status=503)] * 2)
        with pytest.raises(OctopushServerError):
            execute(data=MIXED, chunk_size=1, rejects_path="memory://bucket/2026/rejects.csv")
        assert object_store.cat("/bucket/2026/rejects.csv").startswith(b"row,phone_number,")
        summary = execute(data=MIXED, max_rejected=2, rejects_path="memory://bucket/2026/rejects.csv")
        assert summary["rejects_path"] == "memory://bucket/2026/rejects.csv"
        lines = object_store.cat("/bucket/2026/rejects.csv").decode().splitlines()
        assert [line.split(",")[0] for line in lines] == ["row", "2", "3", "5"]

    def test_on_an_s3_they_are_written_and_read_back(self, octopush: Simulator, s3: str) -> None:
        octopush.fail_next(None, *[Fault(status=503)] * 2)
        path = f"{s3}/2026/rejects.csv"
        with pytest.raises(OctopushServerError):
            execute(data=MIXED, chunk_size=1, rejects_path=path)
        assert ObjectStoragePath(path).exists()
        assert execute(data=MIXED, max_rejected=2, rejects_path=path)["rejects_path"] == path
        summary = execute(data_path=path, max_rejected="100%", data=None)
        assert (summary["read"], summary["invalid"], summary["updated"]) == (3, 2, 1)

    def test_a_store_that_cannot_be_written_to_fails_the_task_before_anything_is_sent(
        self, octopush: Simulator, object_store: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: Any, **__: Any) -> None:
            raise PermissionError("no such bucket")

        monkeypatch.setattr(type(object_store), "_open", refuse)
        with pytest.raises(PermissionError, match="no such bucket"):
            execute(data=MIXED, rejects_path="memory://bucket/rejects.csv")
        assert octopush.requests == []

    @pytest.mark.usefixtures("octopush")
    def test_trying_a_store_leaves_nothing_in_it(self, object_store: Any) -> None:
        execute(data=GOOD, rejects_path="memory://bucket/rejects.csv")
        assert object_store.find("/bucket") == ["/bucket/rejects.csv"]

    @pytest.mark.usefixtures("octopush")
    @pytest.mark.parametrize(
        ("path", "of_instance"),
        [("day.1/r.csv", "day.1/r-3.csv"), ("r", "r-3"), (".r", ".r-3"), ("r.csv.gz", "r.csv-3.gz")],
    )
    def test_each_instance_of_a_mapped_task_has_a_file_of_its_own(
        self, tmp_path: Path, path: str, of_instance: str
    ) -> None:
        summary = execute(
            TaskInstance(map_index=3), data=MIXED, max_rejected="100%", rejects_path=f"file://{tmp_path}/{path}"
        )
        assert summary["rejects_path"] == (tmp_path / of_instance).as_uri()
        assert len(rejects(tmp_path / of_instance)) == 3


class TestValidateOnly:
    def test_nothing_is_sent_and_everything_is_said(self, octopush: Simulator, tmp_path: Path) -> None:
        path = tmp_path / "rejects.csv"
        summary = execute(data=MIXED, dry_run=True, max_rejected=2, rejects_path=str(path))
        assert octopush.requests == []
        assert (summary["dry_run"], summary["unsent"], summary["invalid"], summary["duplicates"]) == (
            True,
            2,
            2,
            1,
        )
        assert len(rejects(path)) == 3

    def test_it_needs_no_connection(self) -> None:
        assert execute(data=GOOD, dry_run=True, octopush_conn_id="nowhere")["unsent"] == 6

    @pytest.mark.usefixtures("octopush")
    def test_too_many_rejected_rows_fail_here_too(self) -> None:
        with pytest.raises(AirflowFailException):
            execute(data=MIXED, dry_run=True)


@pytest.mark.usefixtures("airflow_db")
class TestRetriesOfTheTask:
    def dag_with(self, name: str, **kwargs: Any) -> DAG:
        with DAG(name, schedule=None, start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) as dag:
            CreateContactsOperator(
                task_id="sync", data=GOOD, chunk_size=2, retries=1, retry_delay=dt.timedelta(0), **kwargs
            )
        return dag

    def interrupt(self, octopush: Simulator) -> None:
        """Let the first chunk pass, and the second one fail as often as it is tried."""
        octopush.fail_next(None, Fault(status=503, retry_after="0"), Fault(status=503, retry_after="0"))

    def test_a_retry_sends_everything_and_counts_it_once(self, octopush: Simulator, tmp_path: Path) -> None:
        self.interrupt(octopush)
        run = run_dag(self.dag_with("retried", rejects_path=str(tmp_path / "rejects.csv")))
        assert run.state == "success"
        summary = run.results["sync"]
        check_law(summary)
        assert (summary["added"], summary["updated"]) == (4, 2)
        assert len(octopush.contacts) == len(GOOD)
