"""The simulated account: what can be seen of it, and what can be done to it, from outside the API."""

from __future__ import annotations

import threading

from airflow_provider_octopush.simulator.behaviour import Behaviour
from airflow_provider_octopush.simulator.faults import Fault
from airflow_provider_octopush.simulator.request_log import Request
from airflow_provider_octopush.simulator.state import State
from airflow_provider_octopush.simulator.store import StoredContact


class Account:
    """
    The account that the API serves; safe to use from any thread.

    :param behaviour: what the documentation of the API leaves open.
    """

    def __init__(self, behaviour: Behaviour) -> None:
        self._lock = threading.Lock()
        self._state = State(behaviour)

    @property
    def contacts(self) -> dict[str, StoredContact]:
        """The account's contacts by their number with plus."""
        with self._lock:
            return self._state.store.contacts()

    @property
    def lists(self) -> dict[str, set[str]]:
        """List → numbers, with plus, of its contacts."""
        with self._lock:
            return self._state.store.lists()

    def contacts_on(self, list_name: str) -> dict[str, dict[str, str | None]]:
        """
        Return what a list holds.

        :return: number, with plus → the contact's other fields by the API's names; empty when there is no such list.
        """
        with self._lock:
            numbers = self._state.store.lists().get(list_name, set())
            contacts = self._state.store.contacts()
        return {number: contacts[number].fields for number in sorted(numbers)}

    @property
    def requests(self) -> list[Request]:
        """The newest requests to the API, at most 10,000 and 128 MiB, in the order in which they arrived."""
        with self._lock:
            return self._state.log.snapshot()

    @property
    def requests_total(self) -> int:
        """All requests to the API, those no longer kept included."""
        return self._state.log.total

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        return self._state.in_flight

    @property
    def max_in_flight(self) -> int:
        """The most requests that were under way at one time."""
        return self._state.max_in_flight

    @property
    def behaviour(self) -> Behaviour:
        """The switches; assign others at any time, they hold for requests that arrive from then on."""
        return self._state.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        with self._lock:
            self._state.behaviour = behaviour

    def fail_next(self, *faults: Fault | None) -> None:
        """Let each of the next requests meet one of these; None lets one pass."""
        with self._lock:
            self._state.next_faults.extend(faults)

    def reset(self, behaviour: Behaviour | None = None) -> None:
        """
        Forget contacts, lists, requests and faults; what is still under way changes nothing afterwards.

        :param behaviour: the switches from here on; None leaves them as they are.
        """
        with self._lock:
            self._state = State(behaviour or self._state.behaviour)
