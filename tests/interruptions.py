"""How a process comes to an end in tests: gone from one moment to the next, or told to end between two lines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.payloads import ContactItem


class KilledError(BaseException):
    """The task's process is gone."""


class SignalError(BaseException):
    """What a handler of a signal raises, wherever the main thread is: a timeout of the task, Ctrl-C."""


class Interruption:
    """
    Raises SignalError in this thread, between two lines, as long as its block goes on.

    :param after: lines that are run before; None only counts them.
    :param within: how the names of the modules begin whose lines count.
    """

    def __init__(self, after: int | None, *within: str) -> None:
        self._after = after
        self._within = within or ("airflow_provider_octopush.",)
        self.lines = 0

    def __enter__(self) -> Interruption:
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_globals.get("__name__", "").startswith(self._within):
            return None
        if event == "line":
            self.lines += 1
            if self.lines - 1 == self._after:
                raise SignalError
        return self._trace


@dataclass
class Process:
    """
    A process, as far as it can die.

    :param is_dead: whether it is gone: nothing comes from it any more.
    """

    is_dead: bool = False


class MortalHook(OctopushHook):
    """
    Talks as the hook does, until the process is killed.

    :param lives: requests before that; None for as long as the process lives.
    :param dies_after: whether the last request is answered, or never sent.
    """

    def __init__(self, process: Process, lives: int | None = None, *, dies_after: bool = False) -> None:
        super().__init__()
        self._process = process
        self._lives = lives
        self._dies_after = dies_after

    def post_contacts(self, body: bytes) -> list[ContactItem]:
        self._live(lambda: super(MortalHook, self).post_contacts(body))
        return super().post_contacts(body)

    def delete_contacts(self, numbers: Sequence[str], *, list_name: str) -> None:
        self._live(lambda: super(MortalHook, self).delete_contacts(numbers, list_name=list_name))
        super().delete_contacts(numbers, list_name=list_name)

    def _live(self, last: Callable[[], object]) -> None:
        if self._process.is_dead:
            raise KilledError
        if self._lives == 0:
            self._process.is_dead = True
            if self._dies_after:
                last()
            raise KilledError
        if self._lives is not None:
            self._lives -= 1
