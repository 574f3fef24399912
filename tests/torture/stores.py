"""
Places that keep a snapshot, and what a process may meet there: calls that take long, that fail, whose answer is lost,
and its own end.

Nothing here knows what a store is asked for, so it holds for whatever a store comes to offer.
"""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from airflow_provider_octopush.snapshot.path_store import LocalStore
from tests.interruptions import KilledError, Process

#: How the names begin of what changes a store.
_CHANGES = ("put", "remove", "delete", "write")


class StoreError(OSError):
    """The store is down, or what it answered is lost."""


class Folder:
    """
    Where a snapshot is kept, with all that stands beside it.

    :param path: of the snapshot, in a folder where nothing else is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def snapshot(self) -> bytes | None:
        """The snapshot itself."""
        return self.path.read_bytes() if self.path.exists() else None

    @snapshot.setter
    def snapshot(self, content: bytes | None) -> None:
        if content is None:
            self.path.unlink(missing_ok=True)
        else:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(content)

    def open(self) -> LocalStore:
        """Return a store without troubles."""
        return LocalStore(self.path)

    def clear(self) -> None:
        """Lose all of it."""
        shutil.rmtree(self.path.parent, ignore_errors=True)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is there."""
        return not any(path.is_file() for path in self.path.parent.rglob("*"))


class Troubles(Process):
    """
    What one process meets at a store.

    :param seed: of what is random.
    :param longest: seconds that a call takes at most; half of them take none.
    :param regime: what decides which calls are the slow ones.
    :param failing: share of calls that fail and change nothing.
    :param losing: share of changes that are made, and fail all the same.
    :param lives: calls, and names in a call, after which the process dies; None for never.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        longest: float = 0.0,
        regime: int = 0,
        failing: float = 0.0,
        losing: float = 0.0,
        lives: int | None = None,
    ) -> None:
        super().__init__()
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        self._longest = longest
        self._regime = regime
        self._changing = 0
        self._failing = failing
        self._losing = losing
        self._lives = lives
        #: Whether two threads ever changed something at a time.
        self.is_crowded = False

    def call(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function of a store, as it is for this process."""
        is_change = name.startswith(_CHANGES)
        with self._lock:
            self._changing += is_change
            self.is_crowded |= is_change and self._changing > 1
        try:
            return self._call(name, function, *args, is_change=is_change, **kwargs)
        finally:
            with self._lock:
                self._changing -= is_change

    def _call(self, name: str, function: Callable[..., Any], *args: Any, is_change: bool, **kwargs: Any) -> Any:
        before, after = self._delay(name), self._delay(name)
        time.sleep(before)
        if self._is_last() and is_change and self._draw() < 0.5:
            # What was sent arrives, though nobody waits for the answer any more.
            function(*args, **kwargs)
        self._end_if_dead()
        if self._draw() < self._failing:
            raise StoreError("down")
        result = function(*map(self._one_by_one, args), **kwargs)
        time.sleep(after)
        self._end_if_dead()
        if is_change and self._draw() < self._losing:
            raise StoreError("no answer")
        return result

    def _delay(self, name: str) -> float:
        share = random.Random(f"{self._regime} {name}").choice((0.0, 0.2, 1.0, 1.0))
        return share * self._longest / 2 * self._draw() if self._draw() < 0.5 else 0.0

    def _draw(self) -> float:
        with self._lock:
            return self._rng.random()

    def _is_last(self) -> bool:
        with self._lock:
            if self.is_dead or self._lives is None:
                return False
            self._lives -= 1
            self.is_dead = self._lives < 0
            return self.is_dead

    def _end_if_dead(self) -> None:
        if not self.is_dead:
            return
        if threading.current_thread() is threading.main_thread():
            raise KilledError
        # Who is told in another thread of a process that is gone can do nothing about it.
        raise StoreError("gone")

    def _one_by_one(self, argument: Any) -> Any:
        """Let a process die, or a server fail, between two of several names."""
        return self._names(argument) if isinstance(argument, list | tuple) else argument

    def _names(self, names: list[str] | tuple[str, ...]) -> Iterator[str]:
        for name in names:
            self._is_last()
            self._end_if_dead()
            if self._draw() < self._failing / 2:
                raise StoreError("down")
            yield name


class TroubledStore:
    """A store as a process with troubles finds it."""

    def __init__(self, store: Any, troubles: Troubles) -> None:
        self._store = store
        self._troubles = troubles

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._store, name)
        return partial(self._troubles.call, name, attribute) if callable(attribute) else attribute
