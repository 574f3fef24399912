"""
Seeded years of nights of the operator that keeps a list in step, and of erasures between and beside them, against the
simulator and a store that are slow, fail and lose answers, in processes that die; and what must hold after each night.

What a night should come to is known from how the table was made and from what the server holds, not from the code that
is tried. Where a store is slow or a process is killed, the same seed need not give the same year again: threads, and
the clock, have a say in it.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from requests import post

from airflow_provider_octopush.exceptions import SnapshotError
from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.simulator import Behaviour, Simulator
from airflow_provider_octopush.snapshot.journal import Run
from airflow_provider_octopush.snapshot.opening import open_snapshot
from airflow_provider_octopush.snapshot.sealing import Keys
from airflow_provider_octopush.snapshot.snapshot_file import Identity
from airflow_provider_octopush.sync.summary import ListSummary
from tests.interruptions import Interruption, MortalHook
from tests.snapshot.snapshots import held
from tests.torture.killed import Forker
from tests.torture.runs import FAULTS, LIST, check
from tests.torture.stores import Folder, TroubledStore, Troubles
from tests.torture.tasks import DOES_NOT_OPEN, Ended, Job, Try, connection, open_at, record_often

NUMBERS = [f"+3361234{n:04}" for n in range(60)]
#: People who opted out and were never customers.
STRANGERS = [f"+3361235{n:04}" for n in range(40)]
NAMES = ("Zoé", "O'Brien", "{{ 7 * 6 }}", "=1+1", "a,b;c", "line\nbreak")

#: What may befall a try, beside what the server does.
TROUBLES = (
    "kill",
    "store kill",
    "store",
    "lost",
    "source",
    "exit",
    "signal",
    "tear",
    "two",
    "instance",
    "erasure",
    "shrunk",
)

#: Troubles after which nobody can know what is noted.
OF_THE_STORE = ("store", "lost")


@dataclass
class Table:
    """What the warehouse has."""

    rows: dict[str, dict[str, str]] = field(default_factory=dict)
    unreadable: int = 0
    opted_out: set[str] = field(default_factory=set)
    #: The last rows of people who have left.
    left: dict[str, dict[str, str]] = field(default_factory=dict)

    def change(self, rng: random.Random) -> None:
        """Let a day pass."""
        for number in rng.sample(NUMBERS, rng.randrange(8)):
            self.rows[number] = _fields(rng)
        share = rng.choice([0, 0, 0.02, 0.05, 0.2])
        for number in [number for number in self.rows if rng.random() < share]:
            self.remove(number)
        # Some change their minds, and are as they were.
        for number in [number for number in self.left if rng.random() < 0.3]:
            self.rows[number] = self.left.pop(number)
        self.unreadable = rng.choice([0, 0, 0, 1, 3])
        if rng.random() < 0.3:
            self.opted_out.update(rng.sample(NUMBERS, rng.randrange(3)))
        if self.opted_out and rng.random() < 0.1:
            self.opted_out.discard(rng.choice(sorted(self.opted_out)))

    def remove(self, number: str) -> None:
        """Take somebody out, unless nobody would be left."""
        if number in self.rows and len(self.rows) > 1:
            self.left[number] = self.rows.pop(number)

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
    """
    A list, its table, its snapshot and the server over many nights.

    :param seed: of all that is drawn.
    :param simulator: is reset.
    :param monkeypatch: undone by the caller.
    :param folder: where tasks keep their snapshot.
    :param forker: starts tasks that are killed in earnest; None: none is.
    """

    seed: int
    simulator: Simulator
    monkeypatch: pytest.MonkeyPatch
    folder: Path
    forker: Forker | None = None

    def __post_init__(self) -> None:
        self.rng = rng = random.Random(self.seed)
        self.place = Folder(self.folder / "snapshots" / "a.snapshot")
        #: Seconds that a call of the store takes at most; where it takes any, runs note all the time.
        self.longest = rng.choice([0.0, 0.02, 0.08])
        self.process = Troubles()
        self.troubles = TROUBLES if self.forker is None else (*TROUBLES, *["SIGKILL"] * 6)
        self.table = Table({number: _fields(rng) for number in rng.sample(NUMBERS, 30)})
        self.strangers = set(rng.choice([[], STRANGERS]))
        self.secrets = ["first secret of more than 32 characters"]
        self.columns: dict[str, str] = {"param1": "x"}
        self.tag: str | None = None
        self.region: str | None = None
        self.map_index = -1
        self.chunk_size = 200
        self.night = 0
        #: People who are on the list without the snapshot having to know, and why that is nobody's fault.
        self.excused: dict[str, str] = {}
        self.endings: Counter[str] = Counter()
        #: Of tries in other processes: each has a file of its own to say how it ended.
        self._jobs = count()
        #: Snapshots of earlier nights.
        self.generations: list[bytes] = []
        #: Whether a run has ended well, and nothing has gone wrong since.
        self.is_clean = False
        #: How many had opted out in any run since the last one of which it is certain that it was noted.
        self.opted_out_counts: list[int] = []
        self.simulator.reset(Behaviour())
        open_at(self.monkeypatch, lambda: TroubledStore(self.place.open(), self.process))
        if self.longest:
            record_often(self.monkeypatch)
        self._connect()
        if rng.random() < 0.5:
            self.by_hand(rng.sample(NUMBERS, 3))

    def _connect(self) -> None:
        self.monkeypatch.setenv("AIRFLOW_CONN_OCTOPUSH_DEFAULT", connection(self.simulator, *self.secrets))

    @property
    def on_list(self) -> set[str]:
        """Who is on the list."""
        return self.simulator.lists.get(LIST, set())

    @property
    def known(self) -> set[str]:
        """Whom the snapshot holds, with all that stands beside it."""
        if self.place.is_empty:
            return set()
        account = f"{self.simulator.login} {self.simulator.url}"
        keys = [Keys(secret) for secret in self.secrets]
        with open_snapshot(
            self.place.open(), keys, Identity(account, LIST, None), Run("look"), writes=False
        ) as snapshot:
            return {f"+{number}" for number in held(snapshot)}

    @property
    def opted_out(self) -> set[str]:
        """Who has opted out, customers or not."""
        return self.table.opted_out | self.strangers

    def by_hand(self, numbers: Iterable[str]) -> None:
        """Let somebody put people on the list in Octopush's own pages."""
        self.simulator.behaviour = Behaviour()
        contacts = [{"phone_number": number} for number in numbers]
        OctopushHook().create_contacts(contacts, list_name=LIST)
        for number in set(numbers) - self.known:
            self.excused[number] = "put there by hand"

    def live(self, nights: int) -> Counter[str]:
        """
        Let nights pass.

        :return: how they ended, and what befell them.
        """
        for _ in range(nights):
            self._day()
            if self.rng.random() < 0.2:
                self._erasure()
            self._one_night(is_quiet=self.rng.random() < 0.3)
        # However it went: two good nights end in the model's state. The first may only add, when numbers are read
        # otherwise than the night before.
        for _ in range(2):
            self._one_night(is_quiet=True)
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
        if rng.random() < 0.2:
            self.map_index = rng.choice([-1, 0, 1, 7])
        self.chunk_size = rng.choice([1, 3, 10, 200])
        if rng.random() < 0.03 and self.generations:
            self._restore()
        if rng.random() < 0.02:
            self._lose()

    def _restore(self) -> None:
        """Put back the snapshot of an earlier night; what stands beside it stays."""
        self.place.snapshot = self.rng.choice(self.generations[-3:])
        self.is_clean = False
        self.opted_out_counts.clear()
        with suppress(SnapshotError):
            known = self.known
            self.excused.update(dict.fromkeys(self.on_list - known, "a snapshot was restored"))
            return
        # It was written with a secret that is gone.
        self._lose()

    def _lose(self) -> None:
        self.place.clear()
        self.is_clean = False
        self.opted_out_counts.clear()
        self.excused.update(dict.fromkeys(self.on_list, "the snapshot was lost"))

    def _behaviour(self, *, is_quiet: bool) -> Behaviour:
        rng = self.rng
        missing: dict[str, Any] = {
            "missing_status": rng.choice([204, 400, 404]),
            "missing_among_others": rng.random() < 0.5,
            "missing_removes_others": rng.random() < 0.3,
            "order": rng.choice(["sent", "reversed", "shuffled"]),
            "number_format": rng.choice(["sent", "digits", "groups"]),
            "latency": rng.choice([0.0, 0.004]) if self.longest else 0.0,
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

    # What befalls a process.

    def _troubles(self, trouble: str | None) -> Troubles:
        rng = self.rng
        return Troubles(
            rng.randrange(10**6),
            longest=self.longest,
            regime=self.seed,
            failing=0.3 if trouble == "store" else 0.0,
            losing=0.4 if trouble == "lost" else 0.0,
            lives=rng.randrange(20) if trouble == "store kill" else None,
        )

    @contextmanager
    def _in_process(self, troubles: Troubles) -> Iterator[None]:
        """Let all that is opened meanwhile be of one process, which is gone afterwards."""
        before, self.process = self.process, troubles
        try:
            yield
        finally:
            troubles.is_dead = True
            self.process = before

    def _make(self, one: Try, trouble: str | None, data: Any = None) -> Ended:
        """Let a try be made, with what befalls it."""
        ended = self._make_elsewhere(one) if trouble == "SIGKILL" else self._make_here(one, trouble, data)
        self._let_the_server_end()
        task = "erasure" if one.kind == "erase" else "night"
        self.endings[f"{task}: {ended.ending}"] += 1
        if trouble is not None:
            self.endings[f"{task}, {trouble}: {ended.ending}"] += 1
        return ended

    def _make_here(self, one: Try, trouble: str | None, data: Any) -> Ended:
        rng = self.rng
        with self._in_process(self._troubles(trouble)):
            process = self.process
            lives = rng.randrange(6) if trouble == "kill" else None
            operator = one.operator("/memory", data)
            operator.__dict__["hook"] = MortalHook(process, lives, dies_after=rng.random() < 0.5)
            lines = rng.randrange(3000) if trouble == "signal" else None
            with nullcontext() if lines is None else Interruption(lines, "airflow_provider_octopush.sync"):
                ended = one.make(operator)
            check(ended.ending != "green" or not process.is_crowded, "two threads have changed the store at a time")
            if process.is_dead:
                # It was done, and did not come to say so.
                return Ended("killed")
            return ended

    def _make_elsewhere(self, one: Try) -> Ended:
        rng, number = self.rng, next(self._jobs)
        assert self.forker is not None
        job = Job(
            one,
            connection(self.simulator, *self.secrets),
            str(self.place.path),
            str(self.folder / f"{number}.result"),
            longest=self.longest,
            seed=rng.randrange(10**6),
            dies_at=rng.randrange(60) if rng.random() < 0.5 else None,
        )
        ended = self.forker.run(
            job, killed_after=rng.random() * (0.15 + self.longest * 5) if job.dies_at is None else None
        )
        self._let_the_server_end()
        return ended

    def _let_the_server_end(self) -> None:
        """Wait until nothing that a dead process sent is still being carried out, so that what the list holds stays."""
        while True:
            # What arrived before this has been begun when it is answered.
            post(urljoin(self.simulator.url, "/simulator/faults"), json=[], timeout=10)
            if not self.simulator.in_flight:
                return
            time.sleep(0.002)

    def _look_at(self, ended: Ended, *, is_refused: bool = False) -> None:
        """
        Check what no try may end in, and keep what it left for later.

        :param is_refused: whether the snapshot is torn, or not for this try.
        """
        check(ended.error != "RuntimeError" or "the source failed" in ended.text, f"a bug shows itself: {ended.text}")
        check(is_refused or ended.error not in DOES_NOT_OPEN, f"the snapshot does not open: {ended.text}")
        snapshot = self.place.snapshot
        if snapshot is not None and not is_refused and self.generations[-1:] != [snapshot]:
            self.generations.append(snapshot)

    # A night.

    def _one_night(self, *, is_quiet: bool) -> None:
        self.night += 1
        rng = self.rng
        options: dict[str, Any] = {
            "max_rejected": "100%" if is_quiet else rng.choice([0, 2, "50%", "100%"]),
            "max_removed": "100%" if is_quiet else rng.choice([None, 0, 3, "20%", "100%", "100"]),
            "max_added": "1000%" if is_quiet else rng.choice([None, 0, 5, "20%", "500%", "100"]),
            "max_opted_out": "100%" if is_quiet else rng.choice([None, 0, "5%", "100%"]),
            "remove_missing": is_quiet or rng.random() < 0.8,
            "full_refresh": not is_quiet and rng.random() < 0.05,
            "concurrency": rng.choice([1, 1, 3]),
        }
        was_clean = self.is_clean
        for try_number in range(1, 4):
            ended = self._one_try(try_number, options, is_quiet=is_quiet)
            if is_quiet:
                before = "a good one" if was_clean else "what went wrong before"
                check(ended.ending == "green", f"a night without a fault, after {before}, is {ended}")
            if ended.ending in ("green", "skipped", "failed for good") or rng.random() < 0.3:
                break
        self._mend()

    def _one_try(self, try_number: int, options: dict[str, Any], *, is_quiet: bool) -> Ended:
        rng = self.rng
        behaviour = self._behaviour(is_quiet=is_quiet)
        self.simulator.behaviour = behaviour
        trouble = None if is_quiet else rng.choice([*[None] * 5, *self.troubles])
        one = Try(
            f"night {self.night}",
            self.table.data(rng, self.columns),
            {
                "columns": self.columns,
                "tag_name": self.tag,
                "default_region": self.region,
                "chunk_size": self.chunk_size,
                **options,
            },
            sorted(self.opted_out) or None,
            self.night,
            self.map_index,
            try_number,
        )
        if trouble == "shrunk":
            few = self._too_few()
            if few is None:
                trouble = None
            else:
                return self._shrunk(one, few)
        before, knew, start = self.on_list, self.known, self.simulator.requests_total
        torn = self.place.snapshot
        if trouble == "tear" and torn is not None:
            self.place.snapshot = torn[: rng.randrange(len(torn))]
        ended = self._make(one, trouble, self._rows(trouble, one))
        self._look_at(ended, is_refused=trouble == "tear")
        if trouble == "tear" and torn is not None:
            self.place.snapshot = torn
            check(ended.error in DOES_NOT_OPEN, f"a torn snapshot was taken for whole: {ended}")
            check(self.simulator.requests_total == start, "something was sent on the strength of a torn snapshot")
            self.is_clean = False
            return ended._replace(ending="red")
        if trouble == "two":
            # What the other run did is its own affair; nobody who should stay may be gone all the same.
            self._check_known(start, "two")
            self._excuse_refused(start, behaviour)
            check(before & self.table.rows.keys() - self.table.opted_out <= self.on_list, "somebody is gone")
            self.is_clean = False
            self.opted_out_counts.clear()
            return ended
        self._check(ended, before, knew, start, behaviour, options, trouble)
        self.is_clean = ended.ending == "green" and trouble not in OF_THE_STORE
        if self.is_clean:
            self.opted_out_counts = [len(self.opted_out)]
        elif self.opted_out_counts:
            self.opted_out_counts.append(len(self.opted_out))
        return ended

    def _rows(self, trouble: str | None, one: Try) -> Any:
        if trouble not in ("source", "exit", "two", "instance", "erasure"):
            return None
        rows = one.rows
        middle = self.rng.randrange(len(rows) + 1)

        def with_trouble() -> Iterator[list[dict[str, Any]]]:
            if rows[:middle]:
                yield rows[:middle]
            if trouble == "source":
                raise RuntimeError("the source failed")
            if trouble == "exit":
                # Told to end, with a little time left, or gone at once.
                self.process.is_dead = self.rng.random() < 0.7
                raise SystemExit
            if trouble == "two":
                self._beside(replace(one, run=f"other {self.night}", number=1))
            elif trouble == "instance":
                self._other_instance(one)
            else:
                self._erasure_beside()
            yield rows[middle:]

        return with_trouble()

    def _beside(self, one: Try) -> Ended:
        """Let another process make a try while this one waits."""
        with self._in_process(self._troubles(None)):
            operator = one.operator("/memory")
            operator.__dict__["hook"] = MortalHook(self.process)
            ended = one.make(operator)
        self._look_at(ended, is_refused=one.map_index != self.map_index)
        return ended

    def _other_instance(self, one: Try) -> None:
        """Let another instance of the same run begin."""
        total = self.simulator.requests_total
        ended = self._beside(replace(one, map_index=self.map_index + 1))
        check(ended.error == "SnapshotMismatchError", f"an instance beside another one was let in: {ended}")
        check(self.simulator.requests_total == total, "an instance that was refused has sent something")

    def _erasure_beside(self) -> None:
        """Let somebody begin to erase people while a run is under way."""
        total = self.simulator.requests_total
        people = [{"phone_number": number} for number in self.rng.sample(NUMBERS, 2)]
        ended = self._beside(Try(f"erasure beside {self.night}", people, map_index=self.map_index, kind="erase"))
        check(ended.error == "SnapshotConflictError", f"people were erased beside a run: {ended}")
        check(self.simulator.requests_total == total, "an erasure that was refused has sent something")

    # The table of opt-outs, half loaded.

    def _too_few(self) -> list[str] | None:
        """Return less of those who opted out than can be; None where nobody has to notice."""
        least = min(self.opted_out_counts, default=0)
        most = min(least * 9 // 10, least - 11)
        if not least or most < 0:
            return None
        return self.rng.sample(sorted(self.opted_out), self.rng.choice([0, self.rng.randrange(most + 1)]))

    def _shrunk(self, one: Try, few: list[str]) -> Ended:
        """Let a night find the table of opt-outs half loaded."""
        total = self.simulator.requests_total
        ended = self._make(replace(one, opted_out=few), None)
        self._look_at(ended)
        least = min(self.opted_out_counts)
        check(ended.error == "OptOutsMissingError", f"{len(few)} opt-outs, where {least} were, are enough: {ended}")
        check(self.simulator.requests_total == total, "something was sent though opt-outs are missing")
        self.is_clean = False
        return ended

    # Erasures.

    def _erasure(self) -> None:
        rng = self.rng
        people = rng.sample(NUMBERS, rng.randrange(1, 4))
        if rng.random() < 0.6:
            for number in people:
                self.table.remove(number)
        one = Try(
            f"erasure {self.night}", [{"phone_number": number} for number in people], night=self.night, kind="erase"
        )
        for try_number in range(1, 4):
            trouble = rng.choice([None, None, "kill", "store kill", "store", "lost", "signal", "exit", "run"])
            if self.forker is not None and rng.random() < 0.4:
                trouble = "SIGKILL"
            ended = self._erase(replace(one, number=try_number), set(people), trouble)
            if ended.ending in ("green", "failed for good") or rng.random() < 0.3:
                break
        self._mend()

    def _erase(self, one: Try, people: set[str], trouble: str | None) -> Ended:
        rng = self.rng
        self.simulator.behaviour = behaviour = replace(
            self._behaviour(is_quiet=True), fault_rate=rng.choice([0, 0.2]), faults=FAULTS
        )
        before, knew, start = self.on_list, self.known, self.simulator.requests_total
        ended = self._make(one, trouble, self._rows_to_erase(trouble, one))
        self._look_at(ended)
        now, known = self.on_list, self.known
        if trouble == "run":
            self._check_known(start, "a run beside an erasure")
            check(not (before - now) & (self.table.rows.keys() - self.table.opted_out) - people, "somebody is gone")
        else:
            check(before - now <= people, "somebody is gone who was not to be erased")
            check(now <= before, "an erasure has put somebody on the list")
            check(knew - known <= people, "somebody was forgotten who was not to be erased")
            check(now & knew <= known, "somebody was forgotten who is on the list")
            check(
                ended.error != "SnapshotConflictError" or (before == now and not self.is_clean),
                f"an erasure meets a run that is not there: {ended}",
            )
        if trouble is None and self.is_clean and not behaviour.fault_rate:
            check(ended.ending == "green", f"an erasure without a fault, after a good night, is {ended}")
        if ended.ending == "green":
            check(not people & now, "somebody is on the list who was erased")
            check(not people & known, "the snapshot still has somebody who was erased")
            check(ended.summary is not None and ended.summary["kept"] == 0, "somebody was kept, and it is green")
        self.is_clean = self.is_clean and ended.ending == "green" and trouble in (None, "SIGKILL")
        return ended

    def _rows_to_erase(self, trouble: str | None, one: Try) -> Any:
        if trouble not in ("exit", "run"):
            return None
        middle = self.rng.randrange(len(one.rows) + 1)

        def with_trouble() -> Iterator[list[dict[str, Any]]]:
            if one.rows[:middle]:
                yield one.rows[:middle]
            if trouble == "exit":
                self.process.is_dead = self.rng.random() < 0.7
                raise SystemExit
            rows = self.table.data(self.rng, self.columns)
            options = {"columns": self.columns, "tag_name": self.tag, "default_region": self.region}
            self.night += 1
            run = Try(f"beside an erasure {self.night}", rows, options, sorted(self.opted_out) or None, self.night)
            self._beside(replace(run, map_index=self.map_index))
            yield one.rows[middle:]

        return with_trouble()

    # What is nobody's fault.

    def _check_known(self, start: int, what: str) -> None:
        """The law: whoever the server holds through this task is known to the next run, however this one ended."""
        total = self.simulator.requests_total
        requests = self.simulator.requests[start - total :] if total > start else []
        sent = {number for one in requests if one.path == "contact/create" and one.stored for number in one.contacts}
        unknown = (self.on_list & sent) - self.known - self.excused.keys()
        check(not unknown, f"on the list through this task, and nobody knows it: {what}, {sorted(unknown)}")

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

    def _mend(self) -> None:
        """Forget the excuses that hold no more."""
        on_list, known = self.on_list, self.known
        self.excused = {n: why for n, why in self.excused.items() if n in on_list and n not in known}

    # What must hold after a try.

    def _check(
        self,
        ended: Ended,
        before: set[str],
        knew: set[str],
        start: int,
        behaviour: Behaviour,
        options: dict[str, Any],
        trouble: str | None,
    ) -> None:
        ending, summary = ended.ending, ended.summary
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
        if summary and summary["removed"] + summary["unsettled"] == 0 and ending == "failed for good":
            refused = {number for request in deleted for number in request.contacts if not request.stored}
            # A server may remove all but the one for which it refuses.
            check(gone <= (refused if behaviour.missing_removes_others else set()), "somebody was removed, uncounted")
        self._excuse_refused(start, behaviour)
        known = self.known
        self._check_known(start, f"{ending}, {trouble}")
        if summary is not None:
            self._check_counts(summary, sent, created, deleted, behaviour, ending)
        if ending != "green":
            return
        refused = behaviour.refused & table.rows.keys()
        missing = wanted - now - refused
        check(not missing, "a row is not on the list")
        self._check_fields(wanted - refused)
        # Who may be there although no row is about them.
        others = now - wanted
        held_back = known - wanted if not options["remove_missing"] or (summary and summary["kept"]) else set()
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
