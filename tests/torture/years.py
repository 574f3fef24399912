"""
Seeded years of nights of the operator that keeps a list in step, against the simulator and a store that fail, and what
must hold after each night.

What a night should come to is known from how the table was made and from what the server holds, not from the code that
is tried.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import urljoin

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException
from requests import post

from airflow_provider_octopush.exceptions import OctopushError, SnapshotError
from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.operators.lists import SyncListOperator
from airflow_provider_octopush.payloads import ContactItem
from airflow_provider_octopush.simulator import Behaviour, Simulator
from airflow_provider_octopush.snapshot.opening import Run
from airflow_provider_octopush.snapshot.sealing import Keys
from airflow_provider_octopush.snapshot.snapshot import Snapshot
from airflow_provider_octopush.snapshot.snapshot_file import Identity
from airflow_provider_octopush.sync.summary import ListSummary
from tests.airflow_runs import TaskInstance
from tests.snapshot.snapshots import MemoryStore, held
from tests.torture.runs import FAULTS, KilledError, check

LIST = "Torture"
NUMBERS = [f"+3361234{n:04}" for n in range(60)]
NAMES = ("Zoé", "O'Brien", "{{ 7 * 6 }}", "=1+1", "a,b;c", "line\nbreak")


class StoreError(OSError):
    """The store is down."""


class SignalError(BaseException):
    """What Airflow raises where it interrupts a task."""


class MortalStore(MemoryStore):
    """A store that fails when it is told to, and takes nothing more from a process that is dead."""

    def __init__(self) -> None:
        super().__init__()
        self.is_dead = False
        self.failing: Iterator[bool] = iter(())
        self.lives: int | None = None
        self.generations: list[tuple[bytes | None, dict[str, bytes]]] = []
        self.before = self._before

    def _before(self, _: str) -> None:
        if self.is_dead:
            raise KilledError
        if self.lives is not None:
            self.lives -= 1
            if self.lives < 0:
                self.is_dead = True
                raise KilledError
        if next(self.failing, False):
            raise StoreError("down")

    def put(self, file: IO[bytes]) -> None:
        super().put(file)
        self.generations.append((self.snapshot, dict(self.parts)))


class MortalHook(OctopushHook):
    """Talks as the hook does, until the process is killed: before a request was sent, or after it was answered."""

    def __init__(self, store: MortalStore, lives: int | None, *, dies_after: bool) -> None:
        super().__init__()
        self._store = store
        self._lives = lives
        self._dies_after = dies_after

    def post_contacts(self, body: bytes) -> list[ContactItem]:
        self._live(lambda: super(MortalHook, self).post_contacts(body))
        return super().post_contacts(body)

    def delete_contacts(self, numbers: Sequence[str], *, list_name: str) -> None:
        self._live(lambda: super(MortalHook, self).delete_contacts(numbers, list_name=list_name))
        super().delete_contacts(numbers, list_name=list_name)

    def _live(self, last: Any) -> None:
        if self._store.is_dead:
            raise KilledError
        if self._lives == 0:
            self._store.is_dead = True
            if self._dies_after:
                last()
            raise KilledError
        if self._lives is not None:
            self._lives -= 1


@dataclass
class Table:
    """What the warehouse has."""

    rows: dict[str, dict[str, str]] = field(default_factory=dict)
    unreadable: int = 0
    opted_out: set[str] = field(default_factory=set)

    def change(self, rng: random.Random) -> None:
        """Let a day pass."""
        for number in rng.sample(NUMBERS, rng.randrange(8)):
            self.rows[number] = _fields(rng)
        share = rng.choice([0, 0, 0.02, 0.05, 0.2])
        for number in [number for number in self.rows if rng.random() < share]:
            del self.rows[number]
        self.unreadable = rng.choice([0, 0, 0, 1, 3])
        if rng.random() < 0.3:
            self.opted_out.update(rng.sample(NUMBERS, rng.randrange(3)))
        if self.opted_out and rng.random() < 0.1:
            self.opted_out.discard(rng.choice(sorted(self.opted_out)))

    def data(self, rng: random.Random, columns: dict[str, str]) -> list[dict[str, Any]]:
        """Give its rows, in any order."""
        rows = [
            {columns.get("phone_number", "phone_number"): number, "first_name": fields["first_name"], "x": fields["x"]}
            for number, fields in self.rows.items()
        ]
        rows += [{columns.get("phone_number", "phone_number"): "n/a", "x": "?"}] * self.unreadable
        rng.shuffle(rows)
        return rows


def _fields(rng: random.Random) -> dict[str, str]:
    return {"first_name": rng.choice(NAMES), "x": rng.choice("abc")}


@dataclass
class Year:
    """A list, its table, its snapshot and the server over many nights."""

    seed: int
    simulator: Simulator
    monkeypatch: pytest.MonkeyPatch

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.store = MortalStore()
        self.table = Table({number: _fields(self.rng) for number in self.rng.sample(NUMBERS, 30)})
        self.secrets = ["first secret of more than 32 characters"]
        self.columns: dict[str, str] = {"param1": "x"}
        self.tag: str | None = None
        self.region: str | None = None
        self.chunk_size = 200
        self.night = 0
        #: People who are on the list without the snapshot having to know, and why that is nobody's fault.
        self.excused: dict[str, str] = {}
        #: People of whom a killed process had sent a row that it did not note: when the row goes back to what it was
        #: before, it looks unchanged.
        self.sent_unnoted: set[str] = set()
        self.endings: Counter[str] = Counter()
        self.simulator.reset(Behaviour())
        self.monkeypatch.setattr("airflow_provider_octopush.storage.snapshot_path.open_store", lambda _: self.store)
        self._connect()
        if self.rng.random() < 0.5:
            self.by_hand(self.rng.sample(NUMBERS, 3))

    def _connect(self) -> None:
        self.monkeypatch.setenv(
            "AIRFLOW_CONN_OCTOPUSH_DEFAULT",
            json.dumps(
                {
                    "conn_type": "octopush",
                    "host": self.simulator.url,
                    "login": self.simulator.login,
                    "password": self.simulator.key,
                    "extra": {"timeout": 5, "retries": 1, "snapshot_secret": ", ".join(self.secrets)},
                }
            ),
        )

    @property
    def on_list(self) -> set[str]:
        """Who is on the list."""
        return self.simulator.lists.get(LIST, set())

    @property
    def known(self) -> set[str]:
        """Whom the snapshot holds, with its additions."""
        account = f"{self.simulator.login} {self.simulator.url}"
        keys = [Keys(secret) for secret in self.secrets]
        with Snapshot(self.store, keys, Identity(account, LIST, None), Run("look"), writes=False) as snapshot:
            return {f"+{number}" for number in held(snapshot)}

    def by_hand(self, numbers: Iterable[str]) -> None:
        """Let somebody put people on the list in Octopush's own pages."""
        self.simulator.behaviour = Behaviour()
        contacts = [{"phone_number": number} for number in numbers]
        OctopushHook().create_contacts(contacts, list_name=LIST)
        for number in set(numbers) - self._known_or_nobody():
            self.excused[number] = "put there by hand"

    def _known_or_nobody(self) -> set[str]:
        return self.known if self.store.snapshot is not None or self.store.parts else set()

    def live(self, nights: int) -> Counter[str]:
        """
        Let nights pass.

        :return: how they ended.
        """
        for _ in range(nights):
            self._day()
            self._one_night(is_quiet=self.rng.random() < 0.3)
        # However it went: two good nights end in the model's state. The first may only add, when numbers are read
        # otherwise than the night before.
        for _ in range(2):
            ending = self._one_night(is_quiet=True, may_fail=False)
        check(ending == "green", f"a good night is {ending}")
        return self.endings

    def _day(self) -> None:
        rng = self.rng
        self.table.change(rng)
        if rng.random() < 0.05:
            # The old ones stay until a run has written the snapshot anew.
            self.secrets = [f"secret number {rng.random()} of many characters", *self.secrets]
            self._connect()
        if rng.random() < 0.1:
            self.columns = {"param1": "x"} if rng.random() < 0.5 else {"param2": "x"}
        if rng.random() < 0.05:
            self.tag = rng.choice([None, "T"])
        if rng.random() < 0.05:
            self.region = rng.choice([None, "FR"])
        self.chunk_size = rng.choice([1, 3, 10, 200])
        if rng.random() < 0.03 and self.store.generations:
            self._restore()
        if rng.random() < 0.02:
            self._lose()

    def _restore(self) -> None:
        """Put back the snapshot of an earlier night, at times with its additions."""
        snapshot, _ = self.rng.choice(self.store.generations[-3:])
        self.store.snapshot = snapshot
        with suppress(SnapshotError):
            known = self.known
            self.excused.update(dict.fromkeys(self.on_list - known, "a snapshot was restored"))
            return
        # It was written with a secret that is gone.
        self._lose()

    def _lose(self) -> None:
        self.store.snapshot = None
        self.store.parts.clear()
        self.excused.update(dict.fromkeys(self.on_list, "the snapshot was lost"))

    def _behaviour(self, *, is_quiet: bool) -> Behaviour:
        rng = self.rng
        missing: dict[str, Any] = {
            "missing_status": rng.choice([204, 400, 404]),
            "missing_among_others": rng.random() < 0.5,
            "missing_removes_others": rng.random() < 0.3,
            "order": rng.choice(["sent", "reversed", "shuffled"]),
            "number_format": rng.choice(["sent", "digits", "groups"]),
        }
        if is_quiet:
            return Behaviour(**missing | {"missing_status": 204}, seed=self.seed)

        def some(share: float) -> frozenset[str]:
            return frozenset(number for number in NUMBERS if rng.random() < share)

        return Behaviour(
            **missing,
            max_contacts=rng.choice([1, 7, 500, 500]),
            max_numbers=rng.choice([200, 200, 3]),
            unmentioned=some(rng.choice([0, 0, 0.05])),
            statuses=dict.fromkeys(some(rng.choice([0, 0, 0.05])), "queued"),
            refused=some(rng.choice([0, 0, 0, 0.05])),
            undeletable=some(rng.choice([0, 0, 0, 0.1])),
            fault_rate=rng.choice([0.0, 0.0, 0.1, 0.4]),
            faults=FAULTS,
            seed=rng.randrange(10**6),
        )

    def _one_night(self, *, is_quiet: bool, may_fail: bool = True) -> str:
        self.night += 1
        rng = self.rng
        options: dict[str, Any] = {
            "max_rejected": 1.0 if is_quiet else rng.choice([0, 2, 0.5, 1.0]),
            "max_removed": "100%" if is_quiet else rng.choice([None, 0, 3, "20%", "100%", "100"]),
            "max_added": "1000%" if is_quiet else rng.choice([None, 0, 5, "20%", "500%", "100"]),
            "leavers": "remove" if is_quiet or rng.random() < 0.8 else "keep",
            "resend": not is_quiet and rng.random() < 0.05,
            "concurrency": rng.choice([1, 1, 3]),
        }
        ending = "killed"
        for try_number in range(1, 4):
            ending = self._one_try(try_number, options, is_quiet=is_quiet)
            self.endings[ending] += 1
            if ending in ("green", "skipped", "failed for good"):
                break
            if rng.random() < 0.3 and may_fail:
                break
        self._mend(ending)
        return ending

    def _one_try(self, try_number: int, options: dict[str, Any], *, is_quiet: bool) -> str:
        rng, store = self.rng, self.store
        behaviour = self._behaviour(is_quiet=is_quiet)
        self.simulator.behaviour = behaviour
        store.is_dead, store.lives = False, None
        trouble = (
            None
            if is_quiet
            else rng.choice([None, None, None, "kill", "store kill", "store", "source", "signal", "tear", "two"])
        )
        before, knew, start = self.on_list, self._known_or_nobody(), self.simulator.requests_total
        lives = rng.randrange(6) if trouble == "kill" else None
        if trouble == "store kill":
            store.lives = rng.randrange(12)
        if trouble == "store":
            store.failing = iter([rng.random() < 0.3 for _ in range(20)])
        torn = store.snapshot
        if trouble == "tear" and torn is not None:
            store.snapshot = torn[: rng.randrange(len(torn))]
        operator = SyncListOperator(
            task_id="torture",
            data=self._rows(trouble, options),
            list_name=LIST,
            snapshot_path="memory",
            columns=self.columns,
            tag_name=self.tag,
            default_region=self.region,
            chunk_size=self.chunk_size,
            on_empty="fail",
            opted_out=[{"number": number} for number in sorted(self.table.opted_out)] or None,
            **options,
        )
        operator.__dict__["hook"] = MortalHook(store, lives, dies_after=rng.random() < 0.5)
        ti = TaskInstance(try_number, max_tries=9)
        summary: dict[str, Any] | None = None
        ending = "red"
        try:
            if trouble == "signal":
                _interrupt_after(rng.randrange(3000))
            summary = operator.execute(_context(ti, f"night {self.night}", self.night))
            ending = "green"
        except (KilledError, SignalError):
            ending = "killed"
        except AirflowSkipException:
            ending = "skipped"
        except AirflowFailException:
            ending = "failed for good"
        except (OctopushError, StoreError, ValueError, RuntimeError) as error:
            check(not isinstance(error, RuntimeError) or "source" in str(error), f"a bug shows itself: {error}")
        finally:
            sys.settrace(None)
            store.failing, store.lives, store.is_dead = iter(()), None, False
            operator.on_kill()
        self._let_the_server_end()
        if trouble == "tear" and torn is not None:
            check(ending == "failed for good", "a torn snapshot was taken for whole")
            check(self.simulator.requests_total == start, "something was sent on the strength of a torn snapshot")
            store.snapshot = torn
            return "red"
        if trouble == "two":
            # What the other run did is its own affair; nobody who should stay may be gone all the same.
            self._excuse_sent(start)
            self._excuse_refused(start, behaviour)
            check(before & self.table.rows.keys() - self.table.opted_out <= self.on_list, "somebody is gone")
            return ending
        self._check(ending, summary or ti.pushed.get("return_value"), before, knew, start, behaviour, options, trouble)
        return ending

    def _let_the_server_end(self) -> None:
        """Wait until nothing that a dead process sent is still being carried out, so that what the list holds stays."""
        while True:
            # What arrived before this has been begun when it is answered.
            post(urljoin(self.simulator.url, "/simulator/faults"), json=[], timeout=10)
            if not self.simulator.in_flight:
                return
            time.sleep(0.002)

    def _rows(self, trouble: str | None, options: dict[str, Any]) -> Any:
        rows = self.table.data(self.rng, self.columns)
        if trouble not in ("source", "two"):
            return rows
        middle = self.rng.randrange(len(rows) + 1)

        def with_trouble() -> Iterator[list[dict[str, Any]]]:
            if rows[:middle]:
                yield rows[:middle]
            if trouble == "source":
                raise RuntimeError("the source failed")
            self._other_run(options)
            yield rows[middle:]

        return with_trouble()

    def _other_run(self, options: dict[str, Any]) -> None:
        """Let another run of the same Dag begin and end while this one reads."""
        operator = SyncListOperator(
            task_id="torture",
            data=self.table.data(self.rng, self.columns),
            list_name=LIST,
            snapshot_path="memory",
            columns=self.columns,
            tag_name=self.tag,
            default_region=self.region,
            opted_out=[{"number": number} for number in sorted(self.table.opted_out)] or None,
            **options,
        )
        operator.__dict__["hook"] = OctopushHook()
        with suppress(AirflowFailException, AirflowSkipException, OctopushError, StoreError, ValueError):
            operator.execute(_context(TaskInstance(1, max_tries=9), f"other {self.night}", self.night))

    def _excuse_sent(self, start: int) -> None:
        requests = (
            self.simulator.requests[start - self.simulator.requests_total :]
            if self.simulator.requests_total > start
            else []
        )
        for request in requests:
            if request.path == "contact/create" and request.stored:
                self.excused.update(dict.fromkeys(request.contacts, "sent in a run that did not end well"))

    def _excuse_refused(self, start: int, behaviour: Behaviour) -> None:
        """Nothing tells a number that cannot be removed from one that is not there."""
        total = self.simulator.requests_total
        requests = self.simulator.requests[start - total :] if total > start else []
        alone = {
            request.contacts[0]
            for request in requests
            if request.path == "contact/delete" and len(request.contacts) == 1 and not request.stored
        }
        for number in alone & (behaviour.undeletable | behaviour.refused) & self.on_list:
            self.excused[number] = "refused while others were removed"

    def _mend(self, ending: str) -> None:
        """Forget the excuses that hold no more."""
        on_list, known = self.on_list, self._known_or_nobody()
        self.excused = {n: why for n, why in self.excused.items() if n in on_list and n not in known}
        del ending

    def _check(
        self,
        ending: str,
        summary: dict[str, Any] | None,
        before: set[str],
        knew: set[str],
        start: int,
        behaviour: Behaviour,
        options: dict[str, Any],
        trouble: str | None,
    ) -> None:
        table, now = self.table, self.on_list
        wanted = table.rows.keys() - table.opted_out
        total = self.simulator.requests_total
        requests = self.simulator.requests[start - total :] if total > start else []
        created = [request for request in requests if request.path == "contact/create"]
        deleted = [request for request in requests if request.path == "contact/delete"]
        sent = {number for request in created for number in request.contacts}
        check(not sent & table.opted_out, "somebody who opted out was sent")
        check(all(request.options.get("list_name") == LIST for request in deleted), "a deletion without a list")
        gone = before - now
        check(not gone & wanted, "somebody is gone who should be there")
        check(gone <= knew | sent, "somebody is gone whom this task did not put there")
        if trouble == "source":
            removed = {number for request in deleted for number in request.contacts}
            check(removed <= table.opted_out, "somebody was removed after an error who had not opted out")
        if summary and summary["removed"] == 0 and ending == "failed for good":
            refused = {number for request in deleted for number in request.contacts if not request.stored}
            # A server may remove all but the one for which it refuses.
            check(gone <= (refused if behaviour.missing_removes_others else set()), "somebody was removed, uncounted")
        if ending == "killed" or (ending == "red" and (behaviour.fault_rate or trouble == "store")):
            # What was under way is not noted, nor is a part of a chunk whose other part failed, nor anything in a store
            # that is down.
            self._excuse_sent(start)
        stored = {number for request in created if request.stored for number in request.contacts}
        if ending == "killed" or trouble == "store":
            self.sent_unnoted |= stored
        else:
            self.sent_unnoted -= stored
        odd = (behaviour.unmentioned | behaviour.statuses.keys()) & sent
        self.excused.update(dict.fromkeys(odd, "never confirmed"))
        self._excuse_refused(start, behaviour)
        known = self._known_or_nobody()
        if ending in ("red", "failed for good"):
            check(now & sent <= known | odd | before | self.excused.keys(), "somebody was sent, and is not noted")
        for number in now - known - before:
            check(number in self.excused or number in odd, f"on the list, and nobody knows it: {ending}")
        if summary is not None:
            self._check_counts(summary, sent, created, deleted, behaviour, ending)
        if ending != "green":
            return
        refused = behaviour.refused & table.rows.keys()
        missing = wanted - now - refused
        check(not missing, "a row is not on the list")
        self._check_fields(wanted - refused - self.sent_unnoted)
        # Who may be there although no row is about them.
        others = now - wanted
        held_back = known - wanted if options["leavers"] == "keep" or (summary and summary["kept"]) else set()
        stayed = others - self.excused.keys() - held_back
        check(not stayed, f"somebody stayed who left or opted out, and it is green: {sorted(stayed)}, {trouble}")
        unsettled = summary["unsettled"] if summary else 0
        check(len(known & table.opted_out) <= unsettled, "somebody who opted out is known to be there, and it is green")

    def _check_fields(self, numbers: set[str]) -> None:
        contacts = self.simulator.contacts
        field_name = next(iter(self.columns))
        for number in numbers:
            fields = contacts[number].fields
            row = self.table.rows[number]
            check(
                fields["first_name"] == row["first_name"] and fields[field_name] == row["x"],
                "an old row is on the list",
            )
            check(self.tag is None or self.tag in contacts[number].tags, "a contact lacks its tag")

    def _check_counts(
        self,
        summary: dict[str, Any],
        sent: set[str],
        created: list[Any],
        deleted: list[Any],
        behaviour: Behaviour,
        ending: str,
    ) -> None:
        table = self.table
        check(summary["read"] == sum(summary[name] for name in ListSummary.outcomes), "the law of the counts")
        check(summary["read"] == len(table.rows) + table.unreadable, "not every row was counted as read")
        check(summary["opted_out"] == len(table.rows.keys() & table.opted_out), "rows of people who opted out")
        check(summary["invalid"] == table.unreadable, "invalid rows")
        texts = json.dumps(summary)
        check(not any(number[1:] in texts for number in NUMBERS), "a phone number in the summary")
        if ending == "green" and not behaviour.fault_rate and behaviour.max_contacts == 500 and not behaviour.refused:
            check(len(created) <= -(-len(sent) // self.chunk_size), "more requests than it takes")
            if behaviour.missing_status == 204 and behaviour.max_numbers == 200 and not behaviour.undeletable:
                # Who opted out comes first; those that may not be there, or were refused, are asked about apart.
                check(len(deleted) <= 6, "more requests than it takes to remove them")


def _context(ti: TaskInstance, run: str, night: int) -> Any:
    import datetime as dt

    return {"ti": ti, "run_id": run, "logical_date": dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=night)}


def _interrupt_after(lines: int) -> None:
    """Raise in this thread after so many lines of what syncs."""
    left = [lines]

    def trace(frame: Any, event: str, _: Any) -> Any:
        if not frame.f_globals.get("__name__", "").startswith("airflow_provider_octopush.sync"):
            return None
        if event == "line":
            left[0] -= 1
            if left[0] < 0:
                sys.settrace(None)
                raise SignalError
        return trace

    sys.settrace(trace)
