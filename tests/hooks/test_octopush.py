from __future__ import annotations

import socket
import threading
from contextlib import closing
from typing import Any

import pytest

from airflow_provider_octopush import __version__
from airflow_provider_octopush.exceptions import (
    OctopushAnswerError,
    OctopushConnectionConfigError,
    OctopushCredentialsError,
    OctopushError,
    OctopushRateLimitError,
    OctopushRequestError,
    OctopushServerError,
)
from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.payloads import ContactPayload
from airflow_provider_octopush.simulator import Behaviour, Fault, Simulator
from tests.conftest import SetConnection
from tests.hooks.conftest import Serve
from tests.hostile.server import say

CONTACT = {"phone_number": "+33612345678", "first_name": "Zoë", "last_name": "Dupont-Ray", "param1": "X"}


@pytest.fixture
def hook(octopush: Simulator) -> OctopushHook:  # noqa: ARG001 - the connection it reads
    return OctopushHook()


def test_both_samples_of_the_documentation_are_sent_as_they_are(hook: OctopushHook, octopush: Simulator) -> None:
    contacts: list[dict[str, str | None]] = [
        {"phone_number": "+111222233334444", "first_name": "Robert", "last_name": "Smith", "param1": "VIP"},
        {"phone_number": "+2222333334444555", "first_name": None},
    ]
    items = hook.create_contacts(contacts, list_name="My list", tag_name="Tag", do_not_overwrite=True)
    assert [(item["phone_number"], item["status"]) for item in items] == [
        ("+111222233334444", "added"),
        ("+2222333334444555", "added"),
    ]
    (request,) = octopush.requests
    assert request.options == {"list_name": "My list", "tag_name": "Tag", "do_not_overwrite": True}
    assert octopush.lists == {"My list": {"+111222233334444", "+2222333334444555"}}
    assert octopush.contacts["+111222233334444"].fields == {
        "first_name": "Robert",
        "last_name": "Smith",
        "param1": "VIP",
    }


def test_options_that_are_none_are_not_sent_and_false_is(hook: OctopushHook, octopush: Simulator) -> None:
    hook.create_contacts([CONTACT], auto_remove_blacklisted_numbers=False)
    assert octopush.requests[0].options == {"auto_remove_blacklisted_numbers": False}


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_2xx_is_a_success(hook: OctopushHook, octopush: Simulator, status: int) -> None:
    octopush.behaviour = Behaviour(success_status=status)
    assert hook.create_contacts([CONTACT])[0]["status"] == "added"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"list_name": "x" * 31}, "31 characters, Octopush allows 30"),
        ({"tag_name": "x" * 21}, "21 characters, Octopush allows 20"),
        ({"list_name": " "}, "list_name is blank"),
        # Octopush may delete what it does not allow in a name, and nobody knows what that is.
        *(
            ({"list_name": name}, "none of A-Z, a-z and 0-9")
            for name in ("\u200b", "\u3164\xad", "\x7f", "…", "客户", "é")
        ),
    ],
)
def test_a_wrong_name_is_refused_before_anything_is_sent(
    hook: OctopushHook, octopush: Simulator, names: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        hook.create_contacts([CONTACT], **names)  # type: ignore[arg-type]  # names only
    assert octopush.requests == []


def test_names_as_long_as_allowed_are_sent(hook: OctopushHook, octopush: Simulator) -> None:
    hook.create_contacts([CONTACT], list_name=f"{'é' * 29}1", tag_name="x" * 20)
    assert list(octopush.lists) == [f"{'é' * 29}1"]


@pytest.mark.parametrize(
    ("contact", "message"),
    [
        (
            {"phone_number": "+33612345678", "firstname": "Zoë"},
            r"an unknown field - at `\$\[1\]`: .* phone_number, first_name",
        ),
        ({"phone_number": "+33612345678", "Zoë` - at `$": "x"}, "contains an unknown field - at"),
        ({"first_name": "Zoë"}, "missing required field `phone_number`"),
        ({"phone_number": "+33612345678", 7: "x"}, "Expected `str` - at `key`"),
        (ContactPayload(""), r"length >= 1 - at `\$\[1\]\.phone_number`"),
    ],
)
def test_what_octopush_would_repair_without_a_word_is_refused(
    hook: OctopushHook, octopush: Simulator, contact: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        hook.create_contacts([CONTACT, contact])
    assert "Zoë" not in str(caught.value)
    assert "612345678" not in str(caught.value)
    assert octopush.requests == []


def test_requests_of_one_thread_share_a_connection_and_say_who_they_are(
    hook: OctopushHook, octopush: Simulator
) -> None:
    for _ in range(3):
        hook.create_contacts([CONTACT])
    assert {request.connection for request in octopush.requests} == {1}
    assert {request.user_agent for request in octopush.requests} == {f"airflow-provider-octopush/{__version__}"}


def test_threads_do_not_share_a_session(hook: OctopushHook) -> None:
    sessions: list[Any] = [hook.get_conn()]
    thread = threading.Thread(target=lambda: sessions.append(hook.get_conn()))
    thread.start()
    thread.join()
    assert sessions[0] is hook.get_conn()
    assert sessions[0] is not sessions[1]


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        (Fault(status=401), OctopushCredentialsError, 401),
        (Fault(status=403, body="html"), OctopushCredentialsError, 403),
        (Fault(status=400), OctopushRequestError, 400),
        (Fault(status=404, body="html"), OctopushRequestError, 404),
        (Fault(status=413, body="html"), OctopushRequestError, 413),
        (Fault(status=422), OctopushRequestError, 422),
        (Fault(status=302), OctopushRequestError, 302),
        (Fault(status=408), OctopushServerError, 408),
        (Fault(status=425), OctopushServerError, 425),
        (Fault(status=429), OctopushRateLimitError, 429),
        (Fault(status=500), OctopushServerError, 500),
        (Fault(status=502, body="html"), OctopushServerError, 502),
        (Fault(status=503, body="empty"), OctopushServerError, 503),
        (Fault.not_json(), OctopushAnswerError, 200),
    ],
)
def test_every_answer_has_its_class_of_error(
    hook: OctopushHook, octopush: Simulator, fault: Fault, error: type[OctopushError], status: int
) -> None:
    octopush.fail_next(fault)
    with pytest.raises(error) as caught:
        hook.create_contacts([CONTACT])
    assert type(caught.value) is error
    assert caught.value.status_code == status
    if fault.body == "json":
        assert (caught.value.code, caught.value.full_message()) == (1, "Something went wrong.")
    else:
        assert (caught.value.code, caught.value.full_message()) == (None, None)


def test_a_question_about_the_api_gets_the_answer_as_it_is(hook: OctopushHook, octopush: Simulator) -> None:
    octopush.behaviour = Behaviour(success_status=200)
    octopush.fail_next(None, Fault(status=429, retry_after="7"))
    accepted = hook.send("POST", "contact-list/create", b'{"list_name": "L"}')
    assert (accepted.status_code, accepted.content) == (200, b"{}")
    refused = hook.send("GET", "wallet/check-balance", within=5)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
    assert octopush.lists == {"L": set()}


@pytest.mark.parametrize("fault", [Fault.dropped(), Fault.answer_lost(), Fault.answer_cut()])
def test_a_broken_connection_is_a_server_error_without_a_status(
    hook: OctopushHook, octopush: Simulator, fault: Fault
) -> None:
    octopush.fail_next(fault)
    with pytest.raises(OctopushServerError, match=f"cannot reach 127.0.0.1:{octopush.port}") as caught:
        hook.create_contacts([CONTACT])
    assert caught.value.status_code is None


def test_refused_credentials_say_which_connection_to_correct(
    octopush: Simulator, set_connection: SetConnection
) -> None:
    set_connection("sms", conn_type="octopush", host=octopush.url, login=octopush.login, password="wrong")
    with pytest.raises(OctopushCredentialsError, match="correct the connection 'sms'"):
        OctopushHook("sms").check_balance()


def test_credentials_are_not_shown_to_where_a_redirect_points(serve: Serve, octopush: Simulator) -> None:
    serve(say(b"", "307 Moved", f"Location: {octopush.url}/contact/create"))
    with pytest.raises(OctopushRequestError, match="must be the API's base URL"):
        OctopushHook().create_contacts([CONTACT])
    assert octopush.requests == []


def test_a_list_is_created(hook: OctopushHook, octopush: Simulator) -> None:
    hook.create_contact_list("Customers")
    assert octopush.lists == {"Customers": set()}
    with pytest.raises(ValueError, match="31 characters"):
        hook.create_contact_list("x" * 31)


def test_the_balance_is_what_the_api_says(hook: OctopushHook) -> None:
    assert hook.check_balance() == {"amount": 12.54, "unit": "euros"}


def test_testing_the_connection_asks_for_the_balance(hook: OctopushHook, octopush: Simulator) -> None:
    assert hook.test_connection() == (True, "connected, balance 12.54 euros")
    assert [request.path for request in octopush.requests] == ["wallet/check-balance"]


def test_testing_a_connection_with_a_wrong_key_says_so(octopush: Simulator, set_connection: SetConnection) -> None:
    set_connection("octopush_default", conn_type="octopush", host=octopush.url, login="me", password="wrong")
    assert OctopushHook().test_connection() == (False, "login or key refused (HTTP 401)")


def test_testing_a_connection_to_nowhere_names_the_host(set_connection: SetConnection) -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        set_connection(
            "octopush_default", conn_type="octopush", host=f"http://127.0.0.1:{port}", login="l", password="k"
        )
        worked, message = OctopushHook().test_connection()
    assert not worked
    assert f"cannot reach 127.0.0.1:{port}: Connection refused" in message


def test_a_plain_port_behind_a_host_without_a_scheme_gets_a_hint(
    octopush: Simulator, set_connection: SetConnection
) -> None:
    host = f"localhost:{octopush.port}"
    set_connection("octopush_default", conn_type="octopush", host=host, login="l", password="k")
    worked, message = OctopushHook().test_connection()
    assert not worked
    assert f"cannot reach {host}: " in message
    assert message.endswith("If that port speaks plain HTTP, write http:// in front of the connection's host")


def test_extras_of_the_connection_never_become_headers(set_connection: SetConnection) -> None:
    extra = {"X-Token": "s3cret", "headers": {"X-Other": "s3cret"}, "timeout": 5}
    set_connection("octopush_default", conn_type="octopush", login="l", password="k", extra=extra)
    headers = OctopushHook().get_conn().headers
    assert set(headers) == {"User-Agent", "Accept", "Accept-Encoding", "Connection"}
    assert "s3cret" not in str(headers)


def test_testing_an_incomplete_connection_says_what_is_missing(set_connection: SetConnection) -> None:
    set_connection("octopush_default", conn_type="octopush", login="me@example.com")
    worked, message = OctopushHook().test_connection()
    assert (worked, message) == (False, "connection: password is missing: fill in 'API key' of the connection form")


def test_a_wrong_connection_is_an_error_before_anything_is_sent(set_connection: SetConnection) -> None:
    set_connection("octopush_default", conn_type="octopush", login="l", password="k", extra={"timeout": "soon"})
    with pytest.raises(OctopushConnectionConfigError, match="extra 'timeout'"):
        OctopushHook().get_conn()
