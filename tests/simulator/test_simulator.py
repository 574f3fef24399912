from __future__ import annotations

import contextlib
import html
import json
import math
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import requests
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from airflow_provider_octopush.simulator import Behaviour, Fault, Simulator, request_log

ONE, TWO, THREE = "+33612345671", "+33612345672", "+33612345673"

ALL_SWITCHES = [field.name for field in fields(Behaviour)]
#: JSON of every kind, and what numbers and texts break programs.
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(max_value=0)
    | st.integers(min_value=90, max_value=700)
    | st.sampled_from([1, 0.001, -0.5, 1e308, 10**400, math.nan, math.inf, -math.inf])
    | st.text(max_size=5)
    | st.sampled_from(["1\r\nX: y", "\x00", "\ud800", "é", ONE, "html", "empty", "half", "text", "shuffled", "groups"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


class Client:
    """A plain HTTP client of the simulated API."""

    def __init__(self, simulator: Simulator) -> None:
        self.url = simulator.url
        self.session = requests.Session()
        self.session.headers.update({"api-login": simulator.login, "api-key": simulator.key})

    def post(self, *contacts: Any, **options: Any) -> requests.Response:
        body = {"contacts": [c if isinstance(c, dict) else {"phone_number": c} for c in contacts], **options}
        return self.session.post(f"{self.url}/contact/create", json=body, timeout=5)

    def delete(self, *numbers: Any, **options: Any) -> requests.Response:
        body = {"phone_numbers": numbers, **options}
        return self.session.delete(f"{self.url}/contact/delete", json=body, timeout=5)

    def delete_list(self, **body: Any) -> requests.Response:
        return self.session.delete(f"{self.url}/contact-list/delete", json=body, timeout=5)

    def statuses(self, *contacts: Any, **options: Any) -> list[tuple[str, str]]:
        return [(item["phone_number"], item["status"]) for item in self.post(*contacts, **options).json()["items"]]


LOST = Fault.answer_lost(), Fault.answer_cut()


@pytest.fixture
def client(simulator: Simulator) -> Client:
    return Client(simulator)


class TestWhatIsDocumented:
    def test_the_sample_numbers_are_stored_digit_for_digit(self, client: Client, simulator: Simulator) -> None:
        fields = {"first_name": "Robert", "last_name": "Smith", "param1": "VIP", "param5": None}
        numbers = ["+111222233334444", "+2222333334444555"]
        items = client.statuses(*({"phone_number": number, **fields} for number in numbers), list_name="L")
        assert items == [(number, "added") for number in numbers]
        assert {number: contact.fields for number, contact in simulator.contacts.items()} == dict.fromkeys(
            numbers, fields
        )
        assert simulator.lists == {"L": set(numbers)}

    def test_the_sample_answer_has_its_shape(self, client: Client, simulator: Simulator) -> None:
        added, updated, skipped = "+3735555555560", "+3735555555561", "+3735555555562"
        simulator.behaviour = Behaviour(statuses={skipped: "skipped"})
        client.post(updated, skipped)
        answer = client.post(added, updated, skipped)
        assert answer.status_code == 201
        assert answer.json() == {
            "items": [
                {"phone_number": added, "email": "", "status": "added"},
                {"phone_number": updated, "email": "", "status": "updated"},
                {"phone_number": skipped, "email": "", "status": "skipped"},
            ]
        }

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
        simulator.behaviour = Behaviour(
            blacklisted=frozenset({ONE}), removed_in_items=present, removed_status="blocked"
        )
        items = client.statuses(ONE, TWO, auto_remove_blacklisted_numbers=True)
        assert items == [*([(ONE, "blocked")] if present else []), (TWO, "added")]
        assert simulator.contacts.keys() == {TWO}
        assert client.statuses(ONE) == [(ONE, "added")]

    def test_status_of_a_success(self, client: Client, simulator: Simulator) -> None:
        simulator.behaviour = Behaviour(success_status=200)
        assert client.post(ONE).status_code == 200

    def test_unknown_statuses_and_unmentioned_numbers(self, client: Client, simulator: Simulator) -> None:
        simulator.behaviour = Behaviour(statuses={ONE: "blocked"}, unmentioned=frozenset({TWO}))
        assert client.statuses(ONE, TWO, THREE) == [(ONE, "blocked"), (THREE, "added")]
        assert simulator.contacts.keys() == {ONE, TWO, THREE}

    @pytest.mark.parametrize(
        ("form", "number"),
        [("sent", "33 612345671"), ("stored", ONE), ("digits", "33612345671"), ("groups", "+33 612 345 671")],
    )
    def test_form_of_the_numbers(self, client: Client, simulator: Simulator, form: Any, number: str) -> None:
        simulator.behaviour = Behaviour(number_format=form)
        assert client.statuses("33 612345671") == [(number, "added")]

    def test_a_contact_is_known_by_the_digits_of_its_number(self, client: Client, simulator: Simulator) -> None:
        client.post(ONE, list_name="L")
        assert client.statuses("33612345671", list_name="L") == [("33612345671", "updated")]
        assert simulator.lists == {"L": {ONE}}
        assert simulator.contacts.keys() == {ONE}

    @pytest.mark.parametrize("two", [True, False])
    def test_a_number_twice_in_a_request_has_two_items_or_one(
        self, client: Client, simulator: Simulator, two: bool
    ) -> None:
        simulator.behaviour = Behaviour(duplicates_in_items=two)
        items = client.statuses(ONE, {"phone_number": ONE, "first_name": "Last"}, TWO)
        assert items == [(ONE, "added"), *([(ONE, "updated")] if two else []), (TWO, "added")]
        assert simulator.contacts[ONE].fields == {"first_name": "Last"}

    def test_rejected_numbers_are_left_out_of_a_success(self, client: Client, simulator: Simulator) -> None:
        simulator.behaviour = Behaviour(rejected=frozenset({ONE, TWO}), unmentioned=frozenset({TWO}))
        assert client.statuses(ONE, TWO, THREE) == [(ONE, "rejected"), (THREE, "added")]
        assert simulator.contacts.keys() == {THREE}

    def test_a_share_of_the_numbers_has_an_unknown_status_each_time(self, client: Client, simulator: Simulator) -> None:
        simulator.behaviour = Behaviour(other_status_rate=0.5, other_status="queued", seed=3)
        numbers = [f"+336123456{end:02}" for end in range(40)]
        first, second = (dict(client.statuses(*numbers)) for _ in range(2))
        assert set(first.values()) == {"added", "queued"}
        assert set(second.values()) == {"updated", "queued"}
        assert [number for number in numbers if first[number] == "queued"] == [
            number for number in numbers if second[number] == "queued"
        ]

    @pytest.mark.parametrize(("join", "members"), [(True, {ONE, TWO}), (False, {TWO})])
    def test_a_skipped_contact_joins_the_list_or_not(
        self, client: Client, simulator: Simulator, join: bool, members: set[str]
    ) -> None:
        simulator.behaviour = Behaviour(skipped_join=join)
        client.post(ONE)
        client.post(ONE, TWO, list_name="L", do_not_overwrite=True)
        assert simulator.lists == {"L": members}

    @pytest.mark.parametrize(
        ("switch", "without", "asked"),
        [("keeps", "updated", "skipped"), ("overwrites", "skipped", "updated"), ("ignored", "updated", "updated")],
    )
    def test_do_not_overwrite_is_read_either_way(
        self, client: Client, simulator: Simulator, switch: Any, without: str, asked: str
    ) -> None:
        simulator.behaviour = Behaviour(do_not_overwrite=switch)
        assert client.statuses(ONE) == [(ONE, "added")]
        assert client.statuses(ONE) == [(ONE, without)]
        assert client.statuses(ONE, do_not_overwrite=True) == [(ONE, asked)]

    @pytest.mark.parametrize(("repair", "status"), [(True, 201), (False, 400)])
    def test_limits_of_fields_and_names(self, client: Client, simulator: Simulator, repair: bool, status: int) -> None:
        simulator.behaviour = Behaviour(repair=repair, max_field_length=2, forbidden_in_names="<")
        assert client.post({"phone_number": ONE, "param1": "abc"}).status_code == status
        assert client.post(TWO, list_name="a<b").status_code == status
        if repair:
            assert simulator.contacts[ONE].fields == {"param1": "ab"}
            assert simulator.lists.keys() == {"ab"}

    def test_size_of_a_request(self, client: Client, simulator: Simulator) -> None:
        simulator.behaviour = Behaviour(max_body_bytes=100)
        assert client.post(ONE).status_code == 201
        assert client.post(ONE, TWO, THREE).status_code == 413

    def test_requests_in_a_second(self, client: Client, simulator: Simulator) -> None:
        simulator.behaviour = Behaviour(requests_per_second=2, limit_retry_after="4")
        answers = [client.post(ONE) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [201, 201, 429]
        assert answers[2].headers["Retry-After"] == "4"

    def test_requests_at_once(self, simulator: Simulator) -> None:
        simulator.behaviour = Behaviour(max_parallel=2, latency=0.3, limit_retry_after=None)
        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(lambda number: Client(simulator).post(number), [ONE, TWO, THREE]))
        assert sorted(answer.status_code for answer in answers) == [201, 201, 429]
        assert "Retry-After" not in max(answers, key=lambda answer: answer.status_code).headers
        assert simulator.max_in_flight == 3

    @pytest.mark.parametrize(("body", "start"), [("json", '{"code"'), ("html", "<html>"), ("empty", "")])
    def test_credentials_that_hold_for_some_requests_only(
        self, client: Client, simulator: Simulator, body: Any, start: str
    ) -> None:
        simulator.behaviour = Behaviour(credentials_last=2, credentials_status=403, credentials_body=body)
        answers = [client.post(number) for number in (ONE, TWO, THREE)]
        assert [answer.status_code for answer in answers] == [201, 201, 403]
        assert answers[2].text[:7].startswith(start)
        assert bool(answers[2].content) is bool(start)
        assert simulator.contacts.keys() == {ONE, TWO}

    @pytest.mark.parametrize(
        "content", [b'{"contacts": [{"phone_number": "+33612345671", "param1": NaN}]}', b"{", b"\xff"]
    )
    def test_what_is_no_json_is_refused(self, client: Client, simulator: Simulator, content: bytes) -> None:
        assert client.session.post(f"{client.url}/contact/create", data=content, timeout=5).status_code == 400
        assert simulator.contacts == {}

    def test_bad_input_is_repaired_without_a_word(self, client: Client, simulator: Simulator) -> None:
        simulator.behaviour = Behaviour(number_format="stored")
        contact = {"phone_number": "+33 612/345.671", "first_name": 7, "firstname": "x"}
        assert client.statuses(contact, list_name="x" * 40, colour="red") == [(ONE, "added")]
        assert simulator.contacts[ONE].fields == {"first_name": "7"}
        assert simulator.lists.keys() == {"x" * 30}

    @pytest.mark.parametrize(
        ("contact", "options"),
        [
            ({"phone_number": "+33 612345671"}, {}),
            ({"phone_number": 33612345671}, {}),
            ({"phone_number": "33612345671"}, {}),
            ({"phone_number": "+٣٣612345671"}, {}),
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
            refused=frozenset({TWO}),
            refused_fields={"first_name": "Bad"},
            refusal_message="{phone_number} {last_name} is bad",
        )
        answer = client.post(ONE, {"phone_number": TWO, "last_name": "Roe"})
        assert (answer.status_code, answer.json()) == (400, {"code": 117, "message": f"{TWO} Roe is bad"})
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

    def test_a_success_can_be_a_login_page_of_something_in_between(self, client: Client, simulator: Simulator) -> None:
        simulator.fail_next(Fault.login_page())
        page = client.post(ONE)
        assert (page.status_code, page.text[:6]) == (200, "<html>")
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert simulator.contacts == {}

    def test_an_answer_cut_off_begins_like_the_right_one(self, client: Client, simulator: Simulator) -> None:
        simulator.fail_next(Fault.answer_cut())
        with client.session.post(
            f"{client.url}/contact/create", json={"contacts": [{"phone_number": ONE}]}, timeout=5, stream=True
        ) as answer:
            assert answer.status_code == 201
            with pytest.raises(requests.exceptions.ChunkedEncodingError):
                _ = answer.content

    def test_an_answer_later_than_the_clients_patience(self, client: Client, simulator: Simulator) -> None:
        simulator.fail_next(Fault.slow(5))
        with pytest.raises(requests.ReadTimeout):
            client.session.post(
                f"{client.url}/contact/create", json={"contacts": [{"phone_number": ONE}]}, timeout=(5, 0.2)
            )
        assert simulator.contacts.keys() == {ONE}

    @pytest.mark.parametrize("text", ['{"items": null}', '{"items": [', "[]", '"ok"'])
    def test_a_success_can_be_any_text(self, client: Client, simulator: Simulator, text: str) -> None:
        simulator.fail_next(Fault.other_json(text))
        answer = client.post(ONE)
        assert (answer.status_code, answer.text) == (200, text)
        assert answer.headers["Content-Type"] == "application/json"

    @pytest.mark.parametrize("status", [400, 401, 403, 408, 413, 422, 425, 429, 500, 502, 503, 504])
    @pytest.mark.parametrize("body", ["json", "html", "empty"])
    def test_any_status_with_any_body(self, client: Client, simulator: Simulator, status: int, body: Any) -> None:
        simulator.fail_next(Fault(status=status, body=body))
        answer = client.post(ONE)
        assert answer.status_code == status
        assert answer.text[:1] == {"json": "{", "html": "<", "empty": ""}[body]
        assert simulator.contacts == {}

    def test_retry_after_as_a_date_or_not_at_all(self, client: Client, simulator: Simulator) -> None:
        simulator.fail_next(Fault.rate_limited_until(100), Fault.rate_limited(None))
        dated, without = client.post(ONE), client.post(ONE)
        assert 97 <= parsedate_to_datetime(dated.headers["Retry-After"]).timestamp() - time.time() <= 101
        assert (without.status_code, "Retry-After" in without.headers) == (429, False)

    def test_an_error_after_the_contacts_were_stored(self, client: Client, simulator: Simulator) -> None:
        simulator.fail_next(Fault(status=500, stored=True), Fault(status=202, stored=True))
        assert client.post(ONE).status_code == 500
        assert simulator.contacts.keys() == {ONE}
        other_success = client.post(ONE)
        assert (other_success.status_code, other_success.json()["items"][0]["status"]) == (202, "updated")

    def test_a_share_of_the_requests_fails_the_same_for_the_same_seed(
        self, client: Client, simulator: Simulator
    ) -> None:
        runs = []
        for _ in range(2):
            simulator.reset(Behaviour(fault_rate=0.5, faults=(Fault(status=500),), seed=7))
            runs.append([client.post(ONE).status_code for _ in range(20)])
        assert runs[0] == runs[1]
        assert set(runs[0]) == {201, 500}


class TestLogOfRequests:
    def test_it_says_what_came_and_what_became_of_it(self, client: Client, simulator: Simulator) -> None:
        fault = Fault.answer_lost()
        simulator.fail_next(None, fault)
        before = time.monotonic()
        client.session.headers["User-Agent"] = "tester/1"
        client.post(ONE, TWO, list_name="L")
        with pytest.raises(requests.ConnectionError):
            client.post(THREE)
        first, second = simulator.requests
        assert (first.method, first.path, first.user_agent) == ("POST", "contact/create", "tester/1")
        assert first.body == {"contacts": [{"phone_number": ONE}, {"phone_number": TWO}], "list_name": "L"}
        assert (first.contact_count, first.contacts, first.options) == (2, [ONE, TWO], {"list_name": "L"})
        assert (first.status, first.stored, first.fault) == (201, True, None)
        assert (second.status, second.stored, second.fault) == (None, True, fault)
        assert first.ended is not None
        assert before <= first.arrived <= first.ended <= second.arrived
        assert simulator.requests_total == 2

    def test_it_keeps_the_newest(self, client: Client, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(request_log, "REQUESTS_KEPT", 2)
        for number in (ONE, TWO, THREE):
            client.post(number)
        assert [request.contacts for request in simulator.requests] == [[TWO], [THREE]]
        assert simulator.requests_total == 3
        monkeypatch.setattr(request_log, "BODY_BYTES_KEPT", 60)
        client.post(ONE)
        assert [request.contacts for request in simulator.requests] == [[ONE]]

    def test_connections_have_a_number_each(self, client: Client, simulator: Simulator) -> None:
        for _ in range(2):
            client.post(ONE)
        for _ in range(3):
            client.session.close()
            client.post(ONE)
        assert [request.connection for request in simulator.requests] == [1, 1, 2, 3, 4]

    def test_an_endpoint_that_does_not_exist(self, client: Client, simulator: Simulator) -> None:
        answer = client.session.get(f"{client.url}/contact/create", timeout=5)
        assert (answer.status_code, answer.json().keys()) == (404, {"code", "message"})
        assert simulator.requests[0].method == "GET"


class TestLife:
    def test_what_was_read_does_not_change_later(self, client: Client, simulator: Simulator) -> None:
        client.post({"phone_number": ONE, "param1": "old"}, list_name="L")
        contacts, lists, log = simulator.contacts, simulator.lists, simulator.requests
        client.post({"phone_number": ONE, "param1": "new"}, TWO, list_name="L", tag_name="T")
        assert contacts[ONE].fields == {"param1": "old"}
        assert contacts[ONE].tags == frozenset()
        assert (lists, len(log)) == ({"L": {ONE}}, 1)

    def test_a_reset_leaves_nothing_of_what_is_under_way(self, client: Client, simulator: Simulator) -> None:
        simulator.reset(Behaviour(latency=0.4))
        with ThreadPoolExecutor(1) as pool:
            under_way = pool.submit(client.post, ONE)
            deadline = time.monotonic() + 5
            while not simulator.requests and time.monotonic() < deadline:
                time.sleep(0.01)
            simulator.reset(Behaviour(success_status=200))
            assert under_way.result().status_code == 201
        assert (simulator.contacts, simulator.requests, simulator.max_in_flight) == ({}, [], 0)
        assert client.post(TWO).status_code == 200
        assert simulator.max_in_flight == 1

    def test_it_ends_at_once_and_leaves_no_thread_behind(self) -> None:
        threads = threading.active_count()
        with ThreadPoolExecutor(1) as pool:
            with Simulator(Behaviour(latency=30)) as simulator:
                stalled = pool.submit(Client(simulator).post, ONE)
                deadline = time.monotonic() + 5
                while not simulator.requests and time.monotonic() < deadline:
                    time.sleep(0.01)
                stopped = time.monotonic()
            assert time.monotonic() - stopped < 2
            assert isinstance(stalled.exception(), requests.ConnectionError)
        assert threading.active_count() == threads

    def test_it_leaves_no_resource_open(self) -> None:
        program = (
            "import gc, os, requests\n"
            "from airflow_provider_octopush.simulator import Simulator\n"
            "def run():\n"
            "    with Simulator() as simulator, requests.Session() as session:\n"
            "        session.get(simulator.url + '/wallet/check-balance', timeout=5)\n"
            "    Simulator()\n"
            "    gc.collect()\n"
            "    return len(os.listdir('/proc/self/fd'))\n"
            "run()\n"
            "assert run() == run()\n"
        )
        # Some versions of aiohttp warn of their own deprecations.
        warnings = ["-W", "ignore::DeprecationWarning", "-W", "error::ResourceWarning"]
        command = [sys.executable, "-X", "dev", *warnings, "-c", program]
        run = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert (run.returncode, run.stderr) == (0, "")

    def test_a_port_that_is_taken_is_an_error(self, simulator: Simulator) -> None:
        with pytest.raises(OSError, match="in use"), Simulator(port=simulator.port):
            pass


class TestJsonForm:
    def test_what_is_shown_can_be_set_again(self, simulator: Simulator) -> None:
        root = f"http://127.0.0.1:{simulator.port}/simulator"
        behaviour = Behaviour(
            latency=0.25, max_parallel=3, refused=frozenset({ONE}), statuses={TWO: "x"}, faults=(Fault.slow(1),)
        )
        simulator.behaviour = behaviour
        shown = requests.get(root, timeout=5).json()["behaviour"]
        simulator.reset(Behaviour())
        requests.post(f"{root}/reset", json=shown, timeout=5).raise_for_status()
        assert simulator.behaviour == behaviour
        assert simulator.behaviour != replace(behaviour, latency=0)

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ('{"latency": "x"}', "latency: Expected `float`, got `str`"),
            ('{"max_contacts": true}', "max_contacts: Expected `int`, got `bool`"),
            ('{"order": "up"}', "order: Invalid enum value 'up'"),
            ('{"refused": "+33"}', "refused: Expected `array`, got `str`"),
            ('{"statuses": {"+33": 1}}', "statuses: Expected `str`, got `int` - at `$[...]`"),
            ('{"faults": [{"drop": null}]}', "drop: Expected `bool`, got `null`"),
            ("[]", "expected a JSON object of Behaviour's fields, got list"),
            ('{"success_status": 99}', "success_status: Expected `int` >= 200"),
            ('{"latency": NaN}', "latency: Expected `float` >= 0.0"),
            ('{"max_parallel": -1}', "max_parallel: Expected `int` >= 1"),
            ('{"limit_retry_after": "\\r\\n"}', r"limit_retry_after: Expected `str` matching regex '\\A[ -~]*\\Z'"),
            ('{"faults": [{"status": 100}]}', "status: Expected `int` >= 200"),
        ],
    )
    def test_a_wrong_value_is_named(self, values: str, message: str) -> None:
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            Behaviour.from_json(json.loads(values))


class TestPage:
    BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

    def get(self, simulator: Simulator, accept: str = BROWSER, **query: str) -> requests.Response:
        url = f"http://127.0.0.1:{simulator.port}/simulator"
        return requests.get(url, headers={"Accept": accept}, params=query, timeout=5)

    @pytest.mark.parametrize(
        ("accept", "kind"),
        [
            (BROWSER, "text/html"),
            ("text/html", "text/html"),
            ("*/*", "application/json"),
            ("", "application/json"),
            ("application/json", "application/json"),
        ],
    )
    def test_a_browser_gets_a_page_and_a_program_gets_json(self, simulator: Simulator, accept: str, kind: str) -> None:
        answer = self.get(simulator, accept)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith(kind)
        assert answer.headers["Vary"] == "Accept"

    def test_it_shows_what_came_and_what_became_of_it(self, client: Client, simulator: Simulator) -> None:
        client.post({"phone_number": ONE, "first_name": "Zoé"}, TWO, list_name="Customers", tag_name="gold")
        client.post(THREE)
        simulator.behaviour = Behaviour(refused={ONE})
        client.post(ONE)
        text = shown_text(self.get(simulator).text)
        assert "Lists: 1" in text
        assert "Customers 2 all contacts 3" in text
        assert f"{ONE} Zoé Customers gold" in text
        assert "Requests: 3" in text
        assert "POST contact/create 2" in text
        assert "201, stored" in text
        assert "400, nothing stored" in text
        assert f"refused {ONE}" in text
        of_list = shown_text(self.get(simulator, list="Customers").text)
        assert "Contacts on the list Customers: 2" in of_list
        assert THREE not in of_list

    def test_what_came_is_text_and_never_markup(self, client: Client, simulator: Simulator) -> None:
        evil = "</td><script>alert(1)</script><img src=x onerror='x'>\"&\ud800"
        simulator.behaviour = Behaviour(
            refusal_message=evil, max_contacts=2, statuses={evil: evil}, faults=(Fault.other_json("<b>"),)
        )
        client.session.headers["User-Agent"] = "<script>"
        client.post({"phone_number": ONE, "param1": evil}, list_name=evil[:30], tag_name="<i>", **{evil: evil})
        client.session.get(f"{client.url}/%3Cscript%3E", timeout=5)
        answer = self.get(simulator)
        tags = re.findall(r"<\s*/?\s*([a-zA-Z]+)", answer.text)
        assert not {"script", "img", "b", "i"} & set(tags)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]

    def test_it_stays_small_whatever_the_account_holds(self, client: Client, simulator: Simulator) -> None:
        for start in range(0, 2000, 500):
            client.post(*(f"+336{number:08}" for number in range(start, start + 500)), list_name="L", x="y" * 100_000)
        answer = self.get(simulator)
        assert "and 1,950 more" in answer.text
        assert len(answer.text) < 100_000


def shown_text(page: str) -> str:
    """The text of a page, as a person reads it."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


class TestInspection:
    def test_another_process_can_look_and_steer(self, client: Client, simulator: Simulator) -> None:
        root = f"http://127.0.0.1:{simulator.port}/simulator"
        requests.put(f"{root}/behaviour", json={"success_status": 200, "refused": [TWO]}, timeout=5).raise_for_status()
        requests.post(f"{root}/faults", json=[{"status": 503}, None], timeout=5).raise_for_status()
        assert [client.post(ONE).status_code for _ in range(2)] == [503, 200]
        assert client.post(TWO).status_code == 400
        client.post({"phone_number": THREE, "param1": "p"}, list_name="L", tag_name="T")
        shown = requests.get(root, timeout=5).json()
        assert shown["lists"] == {"L": [THREE]}
        assert shown["contacts"][1] == {"phone_number": THREE, "param1": "p", "lists": ["L"], "tags": ["T"]}
        assert [request["status"] for request in shown["requests"]] == [503, 200, 400, 200]
        assert [request["contact_count"] for request in shown["requests"]] == [1, 1, 1, 1]
        assert shown["requests"][0]["fault"]["status"] == 503
        assert shown["requests"][3]["options"] == {"list_name": "L", "tag_name": "T"}
        assert (shown["requests_total"], shown["max_in_flight"]) == (4, 1)
        assert shown["behaviour"]["refused"] == [TWO]
        requests.post(f"{root}/reset", timeout=5).raise_for_status()
        assert requests.get(root, timeout=5).json()["contacts"] == []

    def test_a_switch_that_does_not_exist_is_named(self, simulator: Simulator) -> None:
        root = f"http://127.0.0.1:{simulator.port}/simulator"
        answer = requests.put(f"{root}/behaviour", json={"colour": 1}, timeout=5)
        assert answer.status_code == 400
        assert "no such field: colour" in answer.json()["message"]

    @pytest.mark.parametrize("faults", [{"status": 503}, [7], [{"colour": 1}]])
    def test_wrong_faults_are_refused(self, simulator: Simulator, faults: Any) -> None:
        answer = requests.post(f"http://127.0.0.1:{simulator.port}/simulator/faults", json=faults, timeout=5)
        assert answer.status_code == 400


def is_a_wait(seconds: Any) -> bool:
    """Whether a value is a time that is allowed, and longer than a test should take."""
    return isinstance(seconds, int | float) and 0.01 < seconds <= 86_400


class TestValues:
    """Whatever a switch is set to, it is refused with a sentence, or the simulator goes on answering."""

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(switches=st.dictionaries(st.sampled_from(sorted(ALL_SWITCHES)), VALUES, min_size=1, max_size=4))
    def test_no_switch_makes_it_hang_or_fall_over(self, simulator: Simulator, switches: dict[str, Any]) -> None:
        assume(not is_a_wait(switches.get("latency")))
        simulator.reset(Behaviour())
        root = f"http://127.0.0.1:{simulator.port}/simulator"
        self.check(simulator, root, requests.put(f"{root}/behaviour", data=json.dumps(switches), timeout=5))

    @pytest.mark.parametrize("kind", [Behaviour, Fault])
    def test_a_number_that_no_float_can_hold_is_refused(self, kind: Any) -> None:
        name = "latency" if kind is Behaviour else "delay"
        with pytest.raises(ValueError, match=f"{name}: "):
            kind.from_json({name: 10**400})

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(fault=st.dictionaries(st.sampled_from([field.name for field in fields(Fault)]), VALUES))
    def test_no_fault_makes_it_hang_or_fall_over(self, simulator: Simulator, fault: dict[str, Any]) -> None:
        assume(not is_a_wait(fault.get("delay")))
        simulator.reset(Behaviour())
        root = f"http://127.0.0.1:{simulator.port}/simulator"
        self.check(simulator, root, requests.post(f"{root}/faults", data=json.dumps([fault]), timeout=5))

    def check(self, simulator: Simulator, root: str, answer: requests.Response) -> None:
        assert answer.status_code in (200, 400), answer.text
        if answer.status_code == 400:
            assert re.fullmatch(r"[^{}\n]+", answer.json()["message"])
        with contextlib.suppress(requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            assert Client(simulator).post(ONE, list_name="L").status_code >= 200
        for accept in ("application/json", "text/html"):
            assert requests.get(root, headers={"Accept": accept}, timeout=5).status_code == 200

    @pytest.mark.parametrize(
        "make",
        [
            lambda: Behaviour(latency=math.nan),
            lambda: Behaviour(fault_rate=1.5),
            lambda: Fault.rate_limited("1\r\nSet-Cookie: x"),
            lambda: Fault.slow(-1),
            lambda: Behaviour(order="shufled"),  # type: ignore[arg-type]  # the types say so, too
            lambda: Behaviour(repair="no"),  # type: ignore[arg-type]  # the types say so, too
            lambda: Behaviour(max_contacts=True),
            lambda: Behaviour(max_contacts=10**5000),
            lambda: Behaviour(refused=ONE),  # type: ignore[arg-type]  # the types say so, too
            lambda: Behaviour(statuses={ONE: 1}),  # type: ignore[dict-item]  # the types say so, too
            lambda: Behaviour(faults=[Fault.dropped(), 1]),  # type: ignore[arg-type]  # the types say so, too
        ],
    )
    def test_python_is_told_at_once(self, make: Callable[[], object]) -> None:
        with pytest.raises(ValueError, match=r"^\w+: (Expected|Invalid) .+$"):
            make()

    def test_every_number_has_bounds(self) -> None:
        unbounded = {"seed", "refusal_code"}
        for kind in (Behaviour, Fault):
            hints = get_type_hints(kind)
            numbers = {name for name, hint in hints.items() if {int, float} & {hint, *get_args(hint)}}
            bounded = {name for name, hint in get_type_hints(kind, include_extras=True).items() if "Meta" in str(hint)}
            assert numbers - unbounded <= bounded

    def test_sets_may_be_written_as_sets(self) -> None:
        # mypy reads this file.
        assert Behaviour(refused={ONE}, unmentioned=frozenset({TWO}), blacklisted={THREE: 1}.keys()).refused == {ONE}


def test_what_it_shows_is_json_for_every_program(client: Client, simulator: Simulator) -> None:
    for number in ("1e400", "-1e400", "NaN"):
        body = f'{{"contacts": [{{"phone_number": "{ONE}", "param1": {number}}}]}}'
        client.session.post(f"{client.url}/contact/create", data=body, timeout=5)
    shown = requests.get(f"http://127.0.0.1:{simulator.port}/simulator", timeout=5).text

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert len(json.loads(shown, parse_constant=refuse)["requests"]) == 3


class TestDeepNesting:
    @pytest.mark.parametrize("depth", [33, 900, 100_000])
    @pytest.mark.parametrize("shape", ["[{}]", '{{"list_name": {}}}', '{{"contacts": [{{"phone_number": {}}}]}}'])
    def test_it_breaks_neither_the_api_nor_the_page(
        self, client: Client, simulator: Simulator, shape: str, depth: int
    ) -> None:
        root = f"http://127.0.0.1:{simulator.port}/simulator"
        body = shape.format("[" * depth + "]" * depth)
        assert client.session.post(f"{client.url}/contact/create", data=body, timeout=5).status_code == 400
        for method, path in (("PUT", "behaviour"), ("POST", "reset"), ("POST", "faults")):
            answer = requests.request(method, f"{root}/{path}", data=body, timeout=5)
            assert (answer.status_code, answer.json()["message"]) == (400, "the JSON is nested deeper than 32 levels")
        for accept in ("application/json", "text/html"):
            assert requests.get(root, headers={"Accept": accept}, timeout=5).status_code == 200


class TestCommand:
    COMMAND = (sys.executable, "-m", "airflow_provider_octopush.simulator")

    def test_its_options_are_switches(self) -> None:
        options = ["--latency", "0.01", "--max-contacts", "7", "--too-many-status", "413", "--success-status", "200"]
        options += ["--order", "reversed", "--number-format", "digits", "--unknown-lists", "refuse", "--no-repair"]
        options += ["--credentials-status", "403", "--blacklisted", ONE, TWO, "--refused", THREE]
        options += ["--fault-rate", "0.5", "--seed", "9", "--behaviour", '{"seed": 1, "null_clears": false}']
        command = [*self.COMMAND, "--port", "0", *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            root = process.stdout.readline().split()[2].removesuffix("/v1/public")
            shown = requests.get(f"{root}/simulator", timeout=5).json()["behaviour"]
            process.terminate()
        assert process.returncode == 0
        assert Behaviour.from_json(shown) == Behaviour(
            latency=0.01,
            max_contacts=7,
            too_many_status=413,
            success_status=200,
            order="reversed",
            number_format="digits",
            unknown_lists="refuse",
            repair=False,
            credentials_status=403,
            blacklisted=frozenset({ONE, TWO}),
            refused=frozenset({THREE}),
            fault_rate=0.5,
            seed=9,
            null_clears=False,
        )

    def test_it_plays_the_account_of_a_report(self, tmp_path: Path) -> None:
        report = tmp_path / "probe.json"
        report.write_text('{"order": "reversed", "success_status": 200, "max_contacts": null, "missing_status": 404}')
        command = [*self.COMMAND, "--port", "0", "--like", str(report)]
        # What is said beside it wins.
        command += ["--behaviour", '{"missing_status": 400}', "--success-status", "202"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            root = process.stdout.readline().split()[2].removesuffix("/v1/public")
            shown = requests.get(f"{root}/simulator", timeout=5).json()["behaviour"]
            process.terminate()
        expected = Behaviour(order="reversed", success_status=202, missing_status=400)
        assert Behaviour.from_json(shown) == expected

    @pytest.mark.parametrize("report", ["", "[]", '{"order": "sideways"}', '{"colour": 1}', None])
    def test_a_report_that_is_none_is_said(self, tmp_path: Path, report: str | None) -> None:
        path = tmp_path / "probe.json"
        if report is not None:
            path.write_text(report)
        command = [*self.COMMAND, "--like", str(path)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        assert run.returncode == 2
        assert "error: " in run.stderr
        assert "Traceback" not in run.stderr

    @pytest.mark.parametrize("report", [{"order": "+33612345671 Anna"}, {"+33612345671 Anna": 1}, "+33612345671 Anna"])
    def test_nothing_of_a_report_that_is_none_is_quoted(self, tmp_path: Path, report: Any) -> None:
        path = tmp_path / "Anna.json"
        path.write_text(json.dumps(report))
        for like in (path, tmp_path / "Anna"):
            command = [*self.COMMAND, "--like", str(like)]
            run = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
            assert (run.returncode, "--like" in run.stderr.splitlines()[-1]) == (2, True)
            assert not [word for word in ("336123", "Anna") if word in run.stderr]

    def test_without_aiohttp_it_says_what_to_install(self) -> None:
        program = (
            "import runpy, sys; sys.modules['aiohttp'] = None; sys.argv = ['simulator'];"
            "runpy.run_module('airflow_provider_octopush.simulator', run_name='__main__', alter_sys=True)"
        )
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=10, check=False)
        assert run.returncode == 1
        assert run.stderr == "The simulator needs aiohttp: pip install 'airflow-provider-octopush[simulator]'\n"

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

    @pytest.mark.parametrize("behaviour", ["[]", "{", '{"colour": 1}', "[" * 50_000])
    def test_a_wrong_behaviour_is_said(self, behaviour: str) -> None:
        command = [*self.COMMAND, "--behaviour", behaviour]
        run = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        assert run.returncode == 2
        assert "the switches: " in run.stderr


class TestDeleting:
    def test_numbers_leave_the_list_and_stay_in_the_account(self, client: Client, simulator: Simulator) -> None:
        client.post(ONE, TWO, list_name="L")
        client.post(ONE, list_name="M")
        answer = client.delete(ONE, list_name="L")
        assert (answer.status_code, answer.content) == (204, b"")
        assert simulator.lists == {"L": {TWO}, "M": {ONE}}
        assert simulator.contacts[ONE].lists == {"M"}
        assert (simulator.requests[-1].contacts, simulator.requests[-1].options) == ([ONE], {"list_name": "L"})

    def test_without_a_list_they_leave_the_account(self, client: Client, simulator: Simulator) -> None:
        client.post(ONE, TWO, list_name="L")
        client.post(ONE, list_name="M")
        assert client.delete(ONE).status_code == 204
        assert simulator.lists == {"L": {TWO}, "M": set()}
        assert simulator.contacts.keys() == {TWO}

    def test_more_than_200_numbers_are_refused(self, client: Client, simulator: Simulator) -> None:
        numbers = [f"+3361234{n:04}" for n in range(201)]
        client.post(*numbers, list_name="L")
        assert client.delete(*numbers, list_name="L").status_code == 400
        simulator.behaviour = Behaviour(too_many_numbers_status=413)
        assert client.delete(*numbers, list_name="L").status_code == 413
        assert client.delete(*numbers[:200], list_name="L").status_code == 204
        assert len(simulator.lists["L"]) == 1
        assert client.delete(list_name="L").status_code == 400

    @pytest.mark.parametrize("status", [204, 400, 404])
    def test_a_number_that_is_not_there(self, client: Client, simulator: Simulator, status: int) -> None:
        simulator.behaviour = Behaviour(missing_status=status)
        client.post(ONE, TWO, list_name="L")
        client.post(THREE, list_name="M")
        assert client.delete(THREE, list_name="L").status_code == status
        assert client.delete(ONE, THREE, list_name="L").status_code == status
        assert simulator.lists == {"L": {TWO} if status == 204 else {ONE, TWO}, "M": {THREE}}

    def test_a_number_that_is_not_there_among_others(self, client: Client, simulator: Simulator) -> None:
        client.post(ONE, TWO, list_name="L")
        simulator.behaviour = Behaviour(missing_status=404, missing_among_others=False)
        assert client.delete(ONE, THREE, list_name="L").status_code == 204
        assert client.delete(THREE, list_name="L").status_code == 404
        simulator.behaviour = Behaviour(missing_status=404, missing_removes_others=True)
        assert client.delete(TWO, THREE, list_name="L").status_code == 404
        assert simulator.lists == {"L": set()}

    @pytest.mark.parametrize("status", [204, 400, 404])
    def test_a_list_that_is_not_there(self, client: Client, simulator: Simulator, status: int) -> None:
        client.post(ONE)
        simulator.behaviour = Behaviour(missing_list_status=status)
        assert client.delete(ONE, list_name="L").status_code == status
        assert simulator.contacts.keys() == {ONE}
        assert simulator.lists == {}

    def test_a_list_goes_and_its_contacts_stay(self, client: Client, simulator: Simulator) -> None:
        client.post(ONE, TWO, list_name="L")
        client.post(ONE, list_name="M")
        answer = client.delete_list(list_name="L")
        assert (answer.status_code, answer.content) == (204, b"")
        assert simulator.lists == {"M": {ONE}}
        assert {number: contact.lists for number, contact in simulator.contacts.items()} == {ONE: {"M"}, TWO: set()}

    @pytest.mark.parametrize("body", [{}, {"list_name": ""}, {"list_name": None}, {"list_name": ["L"]}, ["L"]])
    def test_no_list_goes_without_its_name(self, client: Client, simulator: Simulator, body: Any) -> None:
        client.post(ONE, list_name="L")
        answer = client.session.delete(f"{client.url}/contact-list/delete", json=body, timeout=5)
        assert answer.status_code == 400
        assert simulator.lists == {"L": {ONE}}

    @pytest.mark.parametrize("status", [204, 400, 404])
    def test_a_list_that_is_not_there_cannot_go(self, client: Client, simulator: Simulator, status: int) -> None:
        client.post(ONE, list_name="M")
        simulator.behaviour = Behaviour(missing_list_status=status)
        assert client.delete_list(list_name="L").status_code == status
        assert simulator.lists == {"M": {ONE}}

    def test_a_number_that_cannot_be_deleted(self, client: Client, simulator: Simulator) -> None:
        client.post(ONE, TWO, list_name="L")
        simulator.behaviour = Behaviour(undeletable=frozenset({ONE}), refusal_status=422)
        assert client.delete(ONE, TWO, list_name="L").status_code == 422
        assert client.delete(TWO, list_name="L").status_code == 204
        assert simulator.lists == {"L": {ONE}}

    @pytest.mark.parametrize("fault", LOST)
    def test_a_deletion_whose_answer_is_lost_is_carried_out(
        self, client: Client, simulator: Simulator, fault: Fault
    ) -> None:
        client.post(ONE, list_name="L")
        simulator.fail_next(fault)
        with pytest.raises(requests.ConnectionError):
            client.delete(ONE, list_name="L")
        assert simulator.lists == {"L": set()}

    def test_one_that_fails_is_not(self, client: Client, simulator: Simulator) -> None:
        client.post(ONE, list_name="L")
        simulator.fail_next(Fault.server_error(503), Fault.rate_limited())
        assert [client.delete(ONE, list_name="L").status_code for _ in range(3)] == [503, 429, 204]
        assert simulator.lists == {"L": set()}
