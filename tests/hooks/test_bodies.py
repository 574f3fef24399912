"""What is sent is exactly what is documented, and what cannot be sent so is refused here."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import uuid
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

from airflow_provider_octopush.exceptions import OctopushRequestError
from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.payloads import ContactPayload
from tests.hooks.conftest import Serve
from tests.hostile.server import KEEP_ALIVE, refuse

NUMBERS = ["+33612345678", "+33612345679"]
GONE = b"HTTP/1.1 204 No Content\r\n\r\n"


def test_contacts_are_written_as_they_are(serve: Serve, hook: OctopushHook) -> None:
    server = serve()
    hook.create_contacts(
        [
            OrderedDict(phone_number=np.str_("+33612345678"), first_name=None, last_name="Zoé \U0001f419"),
            ContactPayload("+111222233334444", "Zoé"),
        ],
        list_name="Élus",
        do_not_overwrite=False,
    )
    assert server.requests[0].line == "POST /v1/public/contact/create"
    assert "Content-Type: application/json\r\n" in server.requests[0].head
    assert server.requests[0].sent == {
        "contacts": [
            {"phone_number": "+33612345678", "first_name": None, "last_name": "Zoé \U0001f419"},
            {"phone_number": "+111222233334444", "first_name": "Zoé"},
        ],
        "list_name": "Élus",
        "do_not_overwrite": False,
    }


@pytest.mark.parametrize(
    "value",
    [
        *(7, 7.0, True, b"+33612345678", bytearray(b"x"), memoryview(b"x"), ["x"], {"a": "b"}, ("x",), {"x"}),
        *(decimal.Decimal(1), uuid.UUID(int=1), dt.date(2026, 1, 1), dt.timedelta(1), object(), np.int64(7)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_text_is_refused(hook: OctopushHook, value: Any) -> None:
    with pytest.raises(ValueError, match=r"Expected `str \| null`, got `\S+` - at `\$\[1\]\.param1`"):
        hook.encode_contacts([{"phone_number": "+33612345678"}, {"phone_number": "+33612345678", "param1": value}])


@pytest.mark.parametrize("contacts", [[], (), None])
def test_no_contacts_are_refused(hook: OctopushHook, contacts: Any) -> None:
    with pytest.raises(ValueError, match="at least one"):
        hook.encode_contacts(contacts)


@pytest.mark.parametrize("option", ["auto_remove_blacklisted_numbers", "do_not_overwrite"])
@pytest.mark.parametrize("value", [0, 1, 1.0, "false", "no", [1]], ids=repr)
def test_what_is_no_flag_is_not_sent(hook: OctopushHook, option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{option} is of type {type(value).__name__}: write True, False or None"):
        hook.encode_contacts([{"phone_number": "+33612345678"}], **{option: value})


def test_a_name_that_no_request_can_hold_is_refused(hook: OctopushHook) -> None:
    for names in ({"list_name": "a\ud800"}, {"tag_name": "a\udfff"}):
        with pytest.raises(ValueError, match="_name is text that is not valid Unicode"):
            hook.encode_contacts([{"phone_number": "+33612345678"}], **names)  # type: ignore[arg-type] # names only
    with pytest.raises(ValueError, match="not valid Unicode"):
        hook.create_contact_list("a\ud800")


def test_contacts_are_taken_off_a_list(serve: Serve, hook: OctopushHook) -> None:
    server = serve(lambda _: [GONE, KEEP_ALIVE])
    hook.delete_contacts(NUMBERS, list_name="Customers")
    hook.delete_contacts((np.str_(NUMBERS[0]),), list_name="Customers")
    assert [request.line for request in server.requests] == ["DELETE /v1/public/contact/delete"] * 2
    assert [request.sent for request in server.requests] == [
        {"phone_numbers": NUMBERS, "list_name": "Customers"},
        {"phone_numbers": NUMBERS[:1], "list_name": "Customers"},
    ]
    assert "Content-Type: application/json\r\n" in server.requests[0].head
    assert "api-key: " in server.requests[0].head


@pytest.mark.parametrize("list_name", [None, "", " ", "\u200b", "x" * 31, 7, "\ud800"])
def test_nothing_is_deleted_from_the_account_by_leaving_something_out(
    serve: Serve, hook: OctopushHook, list_name: Any
) -> None:
    server = serve(lambda _: [GONE, KEEP_ALIVE])
    with pytest.raises((ValueError, TypeError), match="list_name"):
        hook.delete_contacts(NUMBERS, list_name=list_name)
    with pytest.raises(TypeError, match="list_name"):
        hook.delete_contacts(NUMBERS)  # type: ignore[call-arg] # what is tested
    with pytest.raises(TypeError):
        hook.delete_contacts(NUMBERS, "Customers")  # type: ignore[call-arg] # what is tested
    assert server.requests == []


def test_contacts_are_deleted_from_the_account_by_a_method_of_its_own(serve: Serve, hook: OctopushHook) -> None:
    server = serve(lambda _: [GONE, KEEP_ALIVE])
    hook.delete_contacts_from_account(NUMBERS)
    assert server.requests[0].sent == {"phone_numbers": NUMBERS}


@pytest.mark.parametrize("count", [0, 201])
def test_as_many_numbers_as_the_api_takes_are_deleted_at_once(serve: Serve, hook: OctopushHook, count: int) -> None:
    server = serve(lambda _: [GONE, KEEP_ALIVE])
    with pytest.raises(ValueError, match=f"1 to 200 numbers, got {count}"):
        hook.delete_contacts(["+33612345678"] * count, list_name="Customers")
    for numbers in (NUMBERS[:1], [f"+336{i:08}" for i in range(200)]):
        hook.delete_contacts(numbers, list_name="Customers")
        assert server.requests[-1].sent["phone_numbers"] == numbers


def test_one_number_has_to_be_in_a_list(serve: Serve, hook: OctopushHook) -> None:
    server = serve(lambda _: [GONE, KEEP_ALIVE])
    with pytest.raises(ValueError, match="got one text"):
        hook.delete_contacts("+33612345678", list_name="Customers")
    assert server.requests == []


@pytest.mark.parametrize("answered", [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", GONE])
def test_204_and_200_are_a_deletion(serve: Serve, hook: OctopushHook, answered: bytes) -> None:
    serve(lambda _: [answered])
    hook.delete_contacts(NUMBERS, list_name="Customers")


def test_a_deletion_that_is_refused_is_an_error(serve: Serve, hook: OctopushHook) -> None:
    serve(refuse("The number +33612345678 is unknown", 404, "404 Not Found"))
    with pytest.raises(OctopushRequestError) as caught:
        hook.delete_contacts_from_account(NUMBERS)
    assert (caught.value.status_code, caught.value.message) == (404, None)
    assert caught.value.full_message() == "The number +33612345678 is unknown"


def test_the_body_of_a_deletion_is_json(hook: OctopushHook, serve: Serve) -> None:
    server = serve(lambda _: [GONE, KEEP_ALIVE])
    hook.delete_contacts(['"quoted"', "Zoé"], list_name='"1')
    assert json.loads(server.requests[0].body) == {"phone_numbers": ['"quoted"', "Zoé"], "list_name": '"1'}
