from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import Any

import pytest
import requests

from airflow_provider_octopush.simulator import Behaviour, Fault, Simulator

ONE, TWO, THREE = "+33612345671", "+33612345672", "+33612345673"


class Client:
    """A plain HTTP client of the simulated API."""

    def __init__(self, simulator: Simulator) -> None:
        self.url = simulator.url
        self.session = requests.Session()
        self.session.headers.update({"api-login": simulator.login, "api-key": simulator.key})

    def post(self, *contacts: Any, **options: Any) -> requests.Response:
        body = {"contacts": [c if isinstance(c, dict) else {"phone_number": c} for c in contacts], **options}
        return self.session.post(f"{self.url}/contact/create", json=body, timeout=5)

    def statuses(self, *contacts: Any, **options: Any) -> list[tuple[str, str]]:
        return [(item["phone_number"], item["status"]) for item in self.post(*contacts, **options).json()["items"]]


@pytest.fixture
def client(simulator: Simulator) -> Client:
    return Client(simulator)


class TestWhatIsDocumented:
    def test_contacts_are_added_then_updated_or_skipped(self, client: Client, simulator: Simulator) -> None:
        assert client.post(ONE).status_code == 201
        assert client.statuses({"phone_number": ONE, "first_name": "New"}, TWO) == [(ONE, "updated"), (TWO, "added")]
        assert client.statuses({"phone_number": ONE, "first_name": "Newer"}, do_not_overwrite=True) == [
            (ONE, "skipped")
        ]
        assert simulator.contacts[ONE].fields == {"first_name": "New"}

    def test_list_and_tag_hold_for_all_contacts_of_a_request(self, client: Client, simulator: Simulator) -> None:
        client.post(ONE, TWO, list_name="L", tag_name="T")
        client.post(TWO, list_name="M")
        assert simulator.lists == {"L": {ONE, TWO}, "M": {TWO}}
        assert simulator.contacts[TWO].lists == {"L", "M"}
        assert simulator.contacts[TWO].tags == {"T"}

    def test_an_empty_list_is_created(self, client: Client, simulator: Simulator) -> None:
        answer = client.session.post(f"{client.url}/contact-list/create", json={"list_name": "Empty"}, timeout=5)
        assert answer.status_code == 201
        assert simulator.lists == {"Empty": set()}

    def test_the_balance(self, client: Client) -> None:
        answer = client.session.get(f"{client.url}/wallet/check-balance", timeout=5)
        assert (answer.status_code, answer.json()) == (200, {"amount": 12.54, "unit": "euros"})

    @pytest.mark.parametrize("status", [401, 403])
    def test_credentials_are_checked(self, client: Client, simulator: Simulator, status: int) -> None:
        simulator.behaviour = Behaviour(credentials_status=status)
        client.session.headers["api-key"] = "wrong"
        assert client.post(ONE).status_code == status
        assert simulator.contacts == {}

    def test_an_error_has_a_code_and_a_message(self, client: Client) -> None:
        answer = client.post()
        assert answer.status_code == 400
        assert answer.json().keys() == {"code", "message"}


class TestWhatIsNotDocumented:
    @pytest.mark.parametrize("status", [400, 413])
    def test_contacts_per_call(self, client: Client, simulator: Simulator, status: int) -> None:
        simulator.behaviour = Behaviour(max_contacts=1, too_many_status=status)
        assert client.post(ONE, TWO).status_code == status
        assert client.post(ONE).ok

    def test_order_of_items(self, client: Client, simulator: Simulator) -> None:
        simulator.behaviour = Behaviour(order="reversed")
        assert [number for number, _ in client.statuses(ONE, TWO, THREE)] == [THREE, TWO, ONE]
        simulator.behaviour = Behaviour(order="shuffled")
        orders = {tuple(number for number, _ in client.statuses(ONE, TWO, THREE)) for _ in range(20)}
        assert len(orders) > 1

    @pytest.mark.parametrize("present", [True, False])
    def test_removed_numbers_present_or_absent(self, client: Client, simulator: Simulator, present: bool) -> None:
        simulator.behaviour = Behaviour(blacklisted=frozenset({ONE}), removed_in_items=present)
        items = client.statuses(ONE, TWO, auto_remove_blacklisted_numbers=True)
        assert items == [*([(ONE, "removed")] if present else []), (TWO, "added")]
        assert simulator.contacts.keys() == {TWO}
        assert client.statuses(ONE) == [(ONE, "added")]

    def test_status_of_a_success(self, client: Client, simulator: Simulator) -> None:
        simulator.behaviour = Behaviour(success_status=200)
        assert client.post(ONE).status_code == 200

    def test_unknown_statuses_and_unmentioned_numbers(self, client: Client, simulator: Simulator) -> None:
        simulator.behaviour = Behaviour(statuses={ONE: "blocked"}, unmentioned=frozenset({TWO}))
        assert client.statuses(ONE, TWO, THREE) == [(ONE, "blocked"), (THREE, "added")]
        assert simulator.contacts.keys() == {ONE, TWO, THREE}

    @pytest.mark.parametrize(("form", "number"), [("digits", "33612345671"), ("groups", "+33 612 345 671")])
    def test_form_of_the_numbers(self, client: Client, simulator: Simulator, form: Any, number: str) -> None:
        simulator.behaviour = Behaviour(number_format=form)
        assert client.statuses(ONE) == [(number, "added")]

    def test_bad_input_is_repaired_without_a_word(self, client: Client, simulator: Simulator) -> None:
        contact = {"phone_number": "+33 612/345.671", "first_name": 7, "firstname": "x"}
        assert client.statuses(contact, list_name="x" * 40, colour="red") == [(ONE, "added")]
        assert simulator.contacts[ONE].fields == {"first_name": "7"}
        assert simulator.lists.keys() == {"x" * 30}

    @pytest.mark.parametrize(
        ("contact", "options"),
        [
            ({"phone_number": "+33 612345671"}, {}),
            ({"phone_number": 33612345671}, {}),
            ({"phone_number": ONE, "first_name": 7}, {}),
            ({"phone_number": ONE, "firstname": "x"}, {}),
            ({"phone_number": ONE}, {"list_name": "x" * 31}),
            ({"phone_number": ONE}, {"do_not_overwrite": "yes"}),
            ({"phone_number": ONE}, {"colour": "red"}),
        ],
    )
    def test_or_bad_input_is_refused(
        self, client: Client, simulator: Simulator, contact: dict[str, Any], options: dict[str, Any]
    ) -> None:
        simulator.behaviour = Behaviour(repair=False)
        assert client.post(contact, **options).status_code == 400
        assert simulator.contacts == {}

    def test_unknown_lists(self, client: Client, simulator: Simulator) -> None:
        simulator.behaviour = Behaviour(unknown_lists="refuse")
        assert client.post(ONE, list_name="L").status_code == 400

    @pytest.mark.parametrize(("clears", "left"), [(True, None), (False, "Zoë")])
    def test_null_in_an_update(self, client: Client, simulator: Simulator, clears: bool, left: str | None) -> None:
        simulator.behaviour = Behaviour(null_clears=clears)
        client.post({"phone_number": ONE, "first_name": "Zoë"})
        client.post({"phone_number": ONE, "first_name": None})
        assert simulator.contacts[ONE].fields == {"first_name": left}

    def test_latency(self, client: Client, simulator: Simulator) -> None:
        simulator.behaviour = Behaviour(latency=0.2)
        started = time.monotonic()
        client.post(ONE)
        assert time.monotonic() - started >= 0.2

    def test_one_bad_contact_makes_its_request_fail(self, client: Client, simulator: Simulator) -> None:
        simulator.behaviour = Behaviour(
            refused=frozenset({TWO}), refused_fields={"first_name": "Bad"}, refusal_message="{phone_number} is bad"
        )
        answer = client.post(ONE, TWO)
        assert (answer.status_code, answer.json()) == (400, {"code": 101, "message": f"{TWO} is bad"})
        assert client.post({"phone_number": THREE, "first_name": "Bad"}).status_code == 400
        assert simulator.contacts == {}


class TestFaults:
    def test_the_next_requests_meet_them_in_order(self, client: Client, simulator: Simulator) -> None:
        simulator.fail_next(Fault.rate_limited("7"), None, Fault.server_error(502, "html"))
        limited, fine, broken = client.post(ONE), client.post(ONE), client.post(TWO)
        assert (limited.status_code, limited.headers["Retry-After"]) == (429, "7")
        assert fine.json()["items"][0]["status"] == "added"
        assert (broken.status_code, broken.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
        assert [(r.status, r.stored) for r in simulator.requests] == [(429, False), (201, True), (502, False)]

    @pytest.mark.parametrize(
        ("fault", "stored"), [(Fault.dropped(), False), (Fault.answer_lost(), True), (Fault.answer_cut(), True)]
    )
    def test_connections_break(self, client: Client, simulator: Simulator, fault: Fault, stored: bool) -> None:
        simulator.fail_next(fault)
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            client.post(ONE)
        assert (ONE in simulator.contacts) is stored

    def test_a_success_can_be_a_page_or_other_json(self, client: Client, simulator: Simulator) -> None:
        simulator.fail_next(Fault.not_json(), Fault.other_json())
        page, other = client.post(ONE), client.post(ONE)
        assert (page.status_code, page.text[:6]) == (200, "<html>")
        assert (other.status_code, other.json()) == (200, {"result": "ok"})

    def test_a_share_of_the_requests_fails_the_same_for_the_same_seed(
        self, client: Client, simulator: Simulator
    ) -> None:
        runs = []
        for _ in range(2):
            simulator.reset(Behaviour(fault_rate=0.5, faults=(Fault(status=500),), seed=7))
            runs.append([client.post(ONE).status_code for _ in range(20)])
        assert runs[0] == runs[1]
        assert set(runs[0]) == {201, 500}


class TestInspection:
    def test_another_process_can_look_and_steer(self, client: Client, simulator: Simulator) -> None:
        root = f"http://127.0.0.1:{simulator.port}/simulator"
        requests.put(f"{root}/behaviour", json={"success_status": 200, "refused": [TWO]}, timeout=5).raise_for_status()
        requests.post(f"{root}/faults", json=[{"status": 503}], timeout=5).raise_for_status()
        assert [client.post(ONE).status_code for _ in range(2)] == [503, 200]
        assert client.post(TWO).status_code == 400
        client.post({"phone_number": THREE, "param1": "p"}, list_name="L", tag_name="T")
        shown = requests.get(root, timeout=5).json()
        assert shown["lists"] == {"L": [THREE]}
        assert shown["contacts"][1] == {"phone_number": THREE, "param1": "p", "lists": ["L"], "tags": ["T"]}
        assert [request["status"] for request in shown["requests"]] == [503, 200, 400, 200]
        assert shown["behaviour"]["refused"] == [TWO]
        requests.post(f"{root}/reset", timeout=5).raise_for_status()
        assert requests.get(root, timeout=5).json()["contacts"] == []

    def test_a_switch_that_does_not_exist_is_named(self, simulator: Simulator) -> None:
        root = f"http://127.0.0.1:{simulator.port}/simulator"
        answer = requests.put(f"{root}/behaviour", json={"colour": 1}, timeout=5)
        assert answer.status_code == 400
        assert "no such switch: colour" in answer.json()["message"]


class TestCommand:
    COMMAND = (sys.executable, "-m", "airflow_provider_octopush.simulator")

    @pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
    def test_it_serves_until_it_is_stopped(self, stop: signal.Signals) -> None:
        command = [*self.COMMAND, "--port", "0", "--behaviour", '{"success_status": 200}']
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            url = line.split()[2]
            answer = requests.post(
                f"{url}/contact/create",
                json={"contacts": [{"phone_number": ONE}]},
                headers={"api-login": "demo@example.com", "api-key": "demo-key"},
                timeout=5,
            )
            process.send_signal(stop)
            _, errors = process.communicate(timeout=10)
        assert answer.status_code == 200
        assert (process.returncode, errors) == (0, "")

    def test_a_port_that_is_taken_is_said(self, simulator: Simulator) -> None:
        command = [*self.COMMAND, "--port", str(simulator.port)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        assert run.returncode == 1
        assert run.stderr.startswith(f"cannot listen on port {simulator.port}")

    @pytest.mark.parametrize("behaviour", ["[]", "{", '{"colour": 1}'])
    def test_a_wrong_behaviour_is_said(self, behaviour: str) -> None:
        command = [*self.COMMAND, "--behaviour", behaviour]
        run = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        assert run.returncode == 2
        assert "--behaviour: " in run.stderr
