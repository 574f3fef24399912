"""
Work that is done in threads while the next is made ready.

What the work is, what it gives and what is counted, this module does not know. The hook starts threads of its own.
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
    A job that is done.

    :param job: what was to do.
    :param result: what came of it; None when it failed.
    :param error: why it failed; None when it did not.
    """

    job: Job
    result: Result | None
    error: BaseException | None = None


@contextmanager
def every(seconds: float, call: Callable[[], None]) -> Iterator[None]:
    """
    Call something again and again while a block goes on, however long the block waits for anything.

    :param seconds: between two calls.
    :param call: that raises nothing; it is not called any more once the block has ended.
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
    Call something, and wait for it no longer than that.

    :param call: that raises nothing; it goes on when its time is over, as long as the process does.
    """
    thread = threading.Thread(target=call, name="octopush-within", daemon=True)
    thread.start()
    thread.join(seconds)


class Pipeline(Generic[Job, Result]):
    """
    Works on several jobs at a time, and makes the next ones ready meanwhile.

    :param work: does a job; called in threads.
    :param concurrency: jobs under way at a time, and jobs that are ready ahead of them.
    :param patience: seconds that what is under way is waited for once something has failed.
    """

    def __init__(self, work: Callable[[Job], Result], concurrency: int, *, patience: float) -> None:
        self._work = work
        self._concurrency = concurrency
        self._patience = patience
        self._under_way = 0
        self._waiting: SimpleQueue[Job | None] = SimpleQueue()
        self._done: SimpleQueue[Done[Job, Result]] = SimpleQueue()

    def run(
        self, jobs: Iterator[Job], started: Callable[[Job], None]
    ) -> Generator[list[Done[Job, Result]], None, None]:
        """
        Do all jobs.

        When one fails, or the next one cannot be made, no other is started; what is under way is waited for, within
        the pipeline's patience, and given with what has failed. A caller that closes this generator, or is left by an
        exception of its own, waits for nothing.

        :param jobs: asked for the next one in the thread of the caller, as long as nothing else is to do.
        :param started: called with each job in their order, right before it is under way; never for more jobs at a
            time than may be under way, with what is done but was not given yet.
        :return: what is done, as soon as something is, in whatever order; a job is in it once, whether it failed or
            not.
        """
        # Each run has its own, because the threads of one that was left may still wait for theirs.
        self._waiting = waiting = SimpleQueue[Job | None]()
        # Daemons: a thread that still waits for an answer keeps no process alive.
        threads = [
            threading.Thread(target=self._work_until_told, args=(waiting,), name=f"octopush-{i}", daemon=True)
            for i in range(self._concurrency)
        ]
        try:
            for thread in threads:
                thread.start()
            yield from self._run(jobs, started)
        finally:
            waiting.put(None)

    def _run(self, jobs: Iterator[Job], started: Callable[[Job], None]) -> Iterator[list[Done[Job, Result]]]:
        ready: deque[Job] = deque()
        is_last = False
        while True:
            # Make jobs ready ahead, so that no thread waits for its next one when several are done at once.
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
                job = ready.popleft()
                started(job)
                self._under_way += 1
                self._waiting.put(job)

    def _done_by_now(self) -> Iterator[Done[Job, Result]]:
        while not self._done.empty():
            yield self._done.get()

    def _rest(self, done: list[Done[Job, Result]]) -> list[Done[Job, Result]]:
        """Add what is under way to what is done, as far as it ends in time."""
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
            except BaseException as error:  # noqa: BLE001 - the caller's thread looks at it
                done = Done(job, None, error)
            self._done.put(done)
        # One is enough, so that a signal finds all of them told or none.
        waiting.put(None)
