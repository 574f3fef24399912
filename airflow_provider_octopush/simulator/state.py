"""What the simulator holds from one reset to the next."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from weakref import WeakKeyDictionary

from airflow_provider_octopush.simulator.behaviour import Behaviour
from airflow_provider_octopush.simulator.faults import Fault
from airflow_provider_octopush.simulator.request_log import RequestLog
from airflow_provider_octopush.simulator.store import Store


class State:
    """
    The account, the log and the faults to come.

    A reset replaces the whole of it, so that a request which is still under way ends in what it began in.

    :param behaviour: the switches; may be replaced.
    """

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.store = Store(behaviour.seed)
        self.log = RequestLog()
        self.next_faults: deque[Fault | None] = deque()
        self.in_flight = 0
        self.max_in_flight = 0
        self._random = random.Random(behaviour.seed)  # noqa: S311 - a seeded simulation, no secret
        self._last_second: deque[float] = deque()
        self._connections: WeakKeyDictionary[asyncio.BaseTransport, int] = WeakKeyDictionary()
        self._connection_count = 0

    def begin(self) -> None:
        """A request arrived."""
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def end(self) -> None:
        """A request was answered, or given up."""
        self.in_flight -= 1

    def connection_number(self, transport: asyncio.BaseTransport | None) -> int:
        """A number for each connection, from 1; 0 for one that is closed already."""
        if transport is None:
            return 0
        number = self._connections.get(transport)
        if number is None:
            self._connection_count += 1
            number = self._connections[transport] = self._connection_count
        return number

    def next_fault(self) -> Fault | None:
        """What goes wrong with the request that just arrived."""
        if self.next_faults:
            return self.next_faults.popleft()
        behaviour = self.behaviour
        if behaviour.fault_rate and behaviour.faults and self._random.random() < behaviour.fault_rate:
            return self._random.choice(behaviour.faults)
        return None

    def is_over_limit(self) -> bool:
        """Whether the request that just arrived is one too many at once, or in a second."""
        behaviour = self.behaviour
        if behaviour.max_parallel is not None and self.in_flight > behaviour.max_parallel:
            return True
        if behaviour.requests_per_second is None:
            return False
        now = time.monotonic()
        while self._last_second and self._last_second[0] <= now - 1:
            self._last_second.popleft()
        if len(self._last_second) >= behaviour.requests_per_second:
            return True
        self._last_second.append(now)
        return False
