"""
Does jobs in threads while the next ones are prepared.

This module does not know what the jobs are. The hook starts threads of its own.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Done(Generic[Job, Result]):
    """
    A finished job.

    :param job: the job.
    :param result: its result; None if it failed.
    :param error: why it failed; None if it did not.
    """

    job: Job
    result: Result | None
    error: BaseException | None = None


@contextmanager
def every(seconds: float, call: Callable[[], None]) -> Iterator[None]:
    """
    Call a function repeatedly while a block runs, however long the block waits for anything.

    :param seconds: seconds between two calls.
    :param call: a function that raises nothing; it is not called after the block has ended.
    """
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(seconds):
            call()

    thread = threading.Thread(target=repeat, name="octopush-every", daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        ended.set()
        raise
    ended.set()
    thread.join()


def within(seconds: float, call: Callable[[], None]) -> None:
    """
    Call a function, and wait for it for a limited time.

    :param seconds: how long to wait.
    :param call: a function that raises nothing; after that time it goes on, as long as the process does.
    """
    thread = threading.Thread(target=call, name="octopush-within", daemon=True)
    thread.start()
    thread.join(seconds)


class Pipeline(Generic[Job, Result]):
    """
    Works on several jobs at a time, and prepares the next ones meanwhile.

    :param work: does a job; called in threads.
    :param concurrency: how many jobs are under way at a time, and how many are prepared ahead of them.
    :param patience: how many seconds to wait for jobs under way after something has failed.
    """

    def __init__(self, work: Callable[[Job], Result], concurrency: int, *, patience: float) -> None:
        self._work = work
        self._concurrency = concurrency
        self._patience = patience
        self._under_way = 0
        self._waiting: SimpleQueue[Job | None] = SimpleQueue()
        self._done: SimpleQueue[Done[Job, Result]] = SimpleQueue()

    def run(self, jobs: Iterator[Job]) -> Generator[list[Done[Job, Result]], None, None]:
        """
        Do all jobs.

        If one fails, or the next one cannot be made, no other is started. Jobs under way are waited for, within the
        pipeline's patience, and given with the failed one. A caller that closes this generator, or raises an exception
        of its own, waits for nothing.

        :param jobs: asked for the next one in the caller's thread, whenever there is nothing else to do. Jobs under
            way, and finished ones that were not given yet, are never more than ``concurrency``.
        :return: finished jobs, as soon as there are any, in any order; each job once, whether it failed or not.
        """
        # Each run has its own queue, because threads of an abandoned run may still wait for theirs.
        self._waiting = waiting = SimpleQueue[Job | None]()
        # Daemons: a thread that still waits for an answer must not keep the process alive.
        threads = [
            threading.Thread(target=self._work_until_told, args=(waiting,), name=f"octopush-{i}", daemon=True)
            for i in range(self._concurrency)
        ]
        try:
            for thread in threads:
                thread.start()
            yield from self._run(jobs)
        finally:
            waiting.put(None)

    def _run(self, jobs: Iterator[Job]) -> Iterator[list[Done[Job, Result]]]:
        ready: deque[Job] = deque()
        is_last = False
        while True:
            # Prepare jobs ahead, so that no thread waits for its next one if several finish at once.
            if not is_last and self._done.empty() and len(ready) < self._concurrency:
                try:
                    ready.append(next(jobs))
                except StopIteration:
                    is_last = True
                    continue
                except Exception:
                    yield self._rest([])
                    raise
            elif self._under_way:
                done = [self._done.get(), *self._done_by_now()]
                self._under_way -= len(done)
                if any(one.error is not None for one in done):
                    yield self._rest(done)
                    return
                yield done
            elif not ready:
                return
            while ready and self._under_way < self._concurrency:
                self._under_way += 1
                self._waiting.put(ready.popleft())

    def _done_by_now(self) -> Iterator[Done[Job, Result]]:
        while not self._done.empty():
            yield self._done.get()

    def _rest(self, done: list[Done[Job, Result]]) -> list[Done[Job, Result]]:
        """Add the jobs under way that finish in time to those that are done."""
        until = time.monotonic() + self._patience
        while self._under_way:
            try:
                done.append(self._done.get(timeout=max(0.0, until - time.monotonic())))
            except Empty:
                break
            self._under_way -= 1
        return done

    def _work_until_told(self, waiting: SimpleQueue[Job | None]) -> None:
        while (job := waiting.get()) is not None:
            done: Done[Job, Result]
            try:
                done = Done(job, self._work(job))
            except BaseException as error:  # noqa: BLE001 - the caller's thread handles it
                done = Done(job, None, error)
            self._done.put(done)
        # One message is enough, so that a signal finds either all threads told or none.
        waiting.put(None)
