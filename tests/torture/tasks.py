"""
One try of a task that creates contacts, keeps a list in step or erases people, as plain data: what it is given, and how
it ended.

So the same try can be made in this process, or in one that is killed.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_provider_octopush.delivery import retry
from airflow_provider_octopush.exceptions import OctopushError
from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from airflow_provider_octopush.operators.delete_contacts import DeleteContactsOperator
from airflow_provider_octopush.operators.sync_list import SyncListOperator
from airflow_provider_octopush.simulator import Simulator
from airflow_provider_octopush.snapshot import opening, other_runs, snapshot
from airflow_provider_octopush.snapshot.path_store import LocalStore
from airflow_provider_octopush.sync import list_sync
from tests.airflow_runs import TaskInstance
from tests.interruptions import KilledError, SignalError
from tests.torture.runs import LIST
from tests.torture.stores import StoreError, TroubledStore, Troubles

Operator: TypeAlias = CreateContactsOperator | DeleteContactsOperator | SyncListOperator

#: What says that a snapshot does not open, whatever a retry does.
DOES_NOT_OPEN = ("SnapshotUnreadableError", "SnapshotFormatError", "SnapshotSecretError", "SnapshotMismatchError")


@dataclass(frozen=True)
class Try:
    """
    One try of a task.

    :param kind: what it does: ``sync``, ``erase`` or ``create``.
    :param rows: as they come from upstream.
    :param opted_out: numbers; None where nobody asks.
    :param options: of the operator.
    :param run: of the Dag.
    :param night: its date.
    :param map_index: of the instance.
    :param number: of the try.
    """

    run: str
    rows: list[dict[str, Any]]
    options: dict[str, Any] = field(default_factory=dict)
    opted_out: list[str] | None = None
    night: int = 1
    map_index: int = -1
    number: int = 1
    kind: str = "sync"

    def operator(self, snapshot_path: str, data: Any = None) -> Operator:
        """
        Make the task.

        :param data: rows in place of its own.
        """
        data = self.rows if data is None else data
        if self.kind == "create":
            return CreateContactsOperator(task_id="create", data=data, list_name=LIST, **self.options)
        options = {"list_name": LIST, "snapshot_path": snapshot_path, **self.options}
        if self.kind == "erase":
            return DeleteContactsOperator(task_id="erase", data=data, **options)
        opted_out = None if self.opted_out is None else [{"number": number} for number in self.opted_out]
        return SyncListOperator(task_id="torture", data=data, opted_out=opted_out, on_empty="fail", **options)

    def make(self, operator: Operator) -> Ended:
        """Let the task run, and tell how it ended."""
        ti = TaskInstance(self.number, max_tries=9, map_index=self.map_index)
        date = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=self.night)
        context: Any = {"ti": ti, "run_id": self.run, "logical_date": date}

        def ended(ending: str, error: BaseException) -> Ended:
            why = error.__cause__ if isinstance(error, AirflowFailException) and error.__cause__ else error
            return Ended(ending, ti.pushed.get("return_value"), type(why).__name__, str(error))

        try:
            return Ended("green", operator.execute(context))
        except (KilledError, SignalError, SystemExit) as error:
            return ended("killed", error)._replace(summary=None)
        except AirflowSkipException as error:
            return ended("skipped", error)
        except AirflowFailException as error:
            return ended("failed for good", error)
        except (OctopushError, StoreError, ValueError, RuntimeError) as error:
            return ended("red", error)
        finally:
            operator.on_kill()


class Ended(NamedTuple):
    """
    How a try ended.

    :param ending: ``green``, ``red``, ``failed for good``, ``skipped`` or ``killed``.
    :param summary: None where there is none.
    :param error: the name of the error's class.
    :param text: what it says.
    """

    ending: str
    summary: dict[str, Any] | None = None
    error: str = ""
    text: str = ""


@dataclass(frozen=True)
class Job:
    """
    A try that another process makes.

    :param one: the try.
    :param connection: to Octopush.
    :param snapshot_path: a local path.
    :param result: where it says how the try ended, if the process comes to that.
    :param longest: seconds that a call of the store takes at most.
    :param seed: of what is random.
    :param dies_at: after so many events that others can see the process kills itself; None for never.
    """

    one: Try
    connection: str
    snapshot_path: str
    result: str
    longest: float = 0.0
    seed: int = 0
    dies_at: int | None = None

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Job:
        """Make it of its fields."""
        return cls(**{**values, "one": Try(**values["one"])})

    def ended(self) -> Ended:
        """Tell how it ended; a process that was killed says nothing."""
        path = Path(self.result)
        return Ended(**json.loads(path.read_text())) if path.exists() else Ended("killed")

    def run(self, begin: Callable[[Job], None]) -> None:
        """
        Run it in this process, which runs nothing else.

        :param begin: called before the first line of the task.
        """
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("AIRFLOW_CONN_OCTOPUSH_DEFAULT", self.connection)
            without_waiting(patched)
            patched.setattr(opening, "WAITED_FOR", 0.0)
            record_often(patched)
            troubles = Troubles(self.seed, longest=self.longest)
            open_at(patched, lambda: TroubledStore(LocalStore(Path(self.snapshot_path)), troubles))
            operator = self.one.operator(self.snapshot_path)
            begin(self)
            ended = self.one.make(operator)
        beside = Path(f"{self.result}.new")
        beside.write_text(json.dumps(ended._asdict()))
        beside.replace(self.result)


def open_at(monkeypatch: pytest.MonkeyPatch, store: Callable[[], Any]) -> None:
    """Keep snapshots in a store, whatever the path."""
    monkeypatch.setattr("airflow_provider_octopush.operators.runs.open_store", lambda _: store())


def record_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs record what was confirmed all the time: what they do in hours, they do in a second."""
    monkeypatch.setattr(other_runs, "LOOKED_AFTER", 0.0)
    monkeypatch.setattr(snapshot, "GROWN_BY", 0.0)
    monkeypatch.setattr(list_sync, "LOOK", 0.001)


def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat requests at once."""
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.0)


def connection(simulator: Simulator, *secrets: str) -> str:
    """Return the connection to the simulator, for the environment."""
    return json.dumps(
        {
            "conn_type": "octopush",
            "host": simulator.url,
            "login": simulator.login,
            "password": simulator.key,
            "extra": {"timeout": 5, "request_retries": 1, "snapshot_secret": ", ".join(secrets)},
        }
    )
