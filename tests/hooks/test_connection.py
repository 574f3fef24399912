from __future__ import annotations

import json
import traceback
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Connection
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from airflow_provider_octopush.exceptions import OctopushConnectionConfigError
from airflow_provider_octopush.hooks.connection import Settings

API = "https://api.octopush.com/v1/public"


def settings(extra: Any = None, **fields: Any) -> Settings:
    fields = {"login": "me@example.com", "password": "s3cret-key", **fields}
    connection = Connection(conn_id="sms", conn_type="octopush", extra=extra, **fields)
    return Settings.from_connection(connection)


def test_a_login_and_a_key_are_enough() -> None:
    assert settings() == Settings(API, "me@example.com", "s3cret-key", timeout=30.0, request_retries=5)


@pytest.mark.parametrize(
    ("host", "port", "base_url"),
    [
        (None, None, API),
        ("", None, API),
        (None, 443, API),
        ("api.octopush.com", None, API),
        ("api.octopush.com/v1/public", None, API),
        (" https://api.octopush.com/v1/public/ ", None, API),
        ("http://localhost:8090", None, "http://localhost:8090/v1/public"),
        ("http://localhost", 8090, "http://localhost:8090/v1/public"),
        ("http://localhost:8090", 8090, "http://localhost:8090/v1/public"),
        ("localhost:8090/", None, "https://localhost:8090/v1/public"),
        ("http://[::1]:8090/api", None, "http://[::1]:8090/api"),
        ("http://[fe80::1%25eth0]/api", None, "http://[fe80::1%25eth0]/api"),
        ("octopush.élus.example.", None, "https://octopush.élus.example./v1/public"),
        ("https://gateway.example.com/sms/v1", 8443, "https://gateway.example.com:8443/sms/v1"),
    ],
)
def test_the_host_is_a_base_url_with_what_is_missing_filled_in(
    host: str | None, port: int | None, base_url: str
) -> None:
    assert settings(host=host, port=port).base_url == base_url


@pytest.mark.parametrize(
    ("host", "port", "problem"),
    [
        ("ftp://api.octopush.com", None, "'ftp'"),
        ("https://me:s3cret@api.octopush.com", None, "contains credentials"),
        ("https://api.octopush.com/?key=s3cret", None, "not a base URL"),
        ("https://api.octopush.com:port", None, "not a URL"),
        ("https://", None, "not a base URL"),
        ("https://exa mple.com", None, "not a base URL"),
        ("https://*", None, "not a base URL"),
        ("https://a..b", None, "not a base URL"),
        (f"https://{'a' * 64}.com", None, "not a base URL"),
        ("https://api.octopush.com\x00", None, "not a base URL"),
        ("localhost", -1, "not a number from 0"),
        ("localhost", 70_000, "not a number from 0"),
        ("http://localhost:8090", 443, "port 443 contradicts the port 8090 in host: write 8090 as the port"),
        (None, 8090, "host is missing"),
    ],
)
def test_a_wrong_host_is_named_without_being_quoted(host: str | None, port: int | None, problem: str) -> None:
    with pytest.raises(OctopushConnectionConfigError, match=problem) as caught:
        settings(host=host, port=port)
    assert "connection 'sms'" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "timeout", "retries"),
    [
        ({}, 30.0, 5),
        ({"timeout": None, "request_retries": None}, 30.0, 5),
        ({"timeout": "", "request_retries": " "}, 30.0, 5),
        ({"timeout": "2.5", "request_retries": "0"}, 2.5, 0),
        ({"timeout": 60, "request_retries": 3.0}, 60.0, 3),
        ({"headers": {"X": "y"}, "verify": False}, 30.0, 5),
    ],
)
def test_extras_are_read_through_a_list_of_two(extra: dict[str, Any], timeout: float, retries: int) -> None:
    read = settings(extra=json.dumps(extra))
    assert (read.timeout, read.request_retries) == (timeout, retries)


def test_an_extra_of_an_old_name_is_refused_with_the_new_one() -> None:
    with pytest.raises(OctopushConnectionConfigError, match="retries has a new name: write request_retries"):
        settings(extra=json.dumps({"retries": 3}))
    # As the connection form stores a field that is left empty.
    assert settings(extra=json.dumps({"retries": None})).request_retries == 5


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timeout", "soon"),
        ("timeout", 3601),
        ("timeout", 1e10),
        ("timeout", 10**400),
        ("timeout", "1e400"),
        ("timeout", {"seconds": 30}),
        ("timeout", "9" * 10_000),
        ("timeout", 0),
        ("timeout", -1),
        ("timeout", "nan"),
        ("timeout", "inf"),
        ("timeout", True),
        ("timeout", [30]),
        ("request_retries", -1),
        ("request_retries", "2.5"),
        ("request_retries", "many"),
        ("request_retries", False),
    ],
)
def test_a_wrong_extra_is_an_error_that_names_field_and_connection(field: str, value: Any) -> None:
    with pytest.raises(OctopushConnectionConfigError, match=f"connection 'sms': extra '{field}' is"):
        settings(extra=json.dumps({field: value}))


@pytest.mark.parametrize(
    ("field", "where"), [("login", "'API login' of the connection form"), ("password", "'API key' of")]
)
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_credential_says_where_to_put_it(field: str, where: str, value: str | None) -> None:
    with pytest.raises(OctopushConnectionConfigError, match=f"connection 'sms': {field} is missing: .*{where}"):
        settings(**{field: value})


@pytest.mark.parametrize("value", ["s3cret\nkey", "s3cret\u2026", "clé"])
def test_a_credential_that_no_header_can_carry_is_not_quoted(value: str) -> None:
    with pytest.raises(OctopushConnectionConfigError, match="copy it again") as caught:
        settings(password=value)
    assert value not in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_blanks_around_a_credential_are_no_part_of_it() -> None:
    read = settings(login=" me@example.com ", password="s3cret-key\n")
    assert (read.login, read.key) == ("me@example.com", "s3cret-key")


def test_the_text_of_the_settings_shows_no_credentials() -> None:
    assert "s3cret" not in repr(settings())
    assert "me@example.com" not in repr(settings())


@pytest.mark.parametrize("extra", [[], [30], "timeout", 7, True])
def test_extras_that_are_no_object_are_an_error(extra: Any) -> None:
    with pytest.raises(OctopushConnectionConfigError, match="connection 'sms': extra is a"):
        settings(extra=json.dumps(extra))


class Backend:
    """A connection as a secrets backend may have made it, of whatever it holds."""

    conn_id = "sms"
    login = "me@example.com"
    password = "s3cret-key"
    host = None
    port = None
    extra_dejson: Any = {}  # noqa: RUF012 - as Airflow's

    def __init__(self, **fields: Any) -> None:
        vars(self).update(fields)


class BrokenExtra(Backend):
    @property
    def extra_dejson(self) -> Any:
        raise json.JSONDecodeError("bad", "s3cret-key", 0)


@pytest.mark.parametrize(
    "connection",
    [
        Backend(login=7),
        Backend(password=b"s3cret-key"),
        Backend(host=["s3cret-key"]),
        Backend(port="s3cret-key", host="localhost"),
        Backend(extra_dejson="s3cret-key"),
        BrokenExtra(),
    ],
)
def test_whatever_a_backend_has_made_of_it_the_error_is_ours_and_quotes_nothing(connection: Any) -> None:
    with pytest.raises(OctopushConnectionConfigError, match="connection 'sms'") as caught:
        Settings.from_connection(connection)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert caught.value.__context__ is None


@given(
    st.fixed_dictionaries(
        {name: st.none() | st.text() | st.integers() | st.binary() for name in ("login", "password", "host", "port")}
    ),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda values: st.lists(values) | st.dictionaries(st.sampled_from(["timeout", "request_retries"]), values),
    ),
)
@hypothesis_settings(deadline=None)
def test_any_connection_is_read_or_refused(fields: dict[str, Any], extra: Any) -> None:
    try:
        read = Settings.from_connection(Backend(**fields, extra_dejson=extra))  # type: ignore[arg-type] # what is tested
    except OctopushConnectionConfigError:
        return
    assert 0 < read.timeout <= 3600
    assert read.request_retries >= 0
    assert read.base_url.startswith(("http://", "https://"))
