from __future__ import annotations

import datetime as dt
import email.utils
import json
import math
import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit, urlunsplit

import msgspec
import requests
from airflow.providers.common.compat.sdk import BaseHook
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from airflow_provider_octopush import __version__
from airflow_provider_octopush.api import CONTACT_FIELDS, DEFAULT_BASE_URL, check_names
from airflow_provider_octopush.exceptions import (
    OctopushAnswerError,
    OctopushConnectionConfigError,
    OctopushCredentialsError,
    OctopushError,
    OctopushRateLimitError,
    OctopushRequestError,
    OctopushServerError,
)
from airflow_provider_octopush.payloads import ContactItem, ContactPayload

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow.providers.common.compat.sdk import Connection

DEFAULT_TIMEOUT = 30.0
DEFAULT_RETRIES = 5

#: A person waits before the Test button of the connection form, so it gives up sooner than a task.
TEST_CONNECTION_TIMEOUT = 10.0

_MESSAGE_MAX_LENGTH = 200
_MASK = "***"
_CREATE = "contact/create"


class _Body(msgspec.Struct):
    contacts: Annotated[list[ContactPayload], msgspec.Meta(min_length=1)]


class _Answer(msgspec.Struct):
    items: list[ContactItem]


def _as_builtin(value: object) -> object:
    if isinstance(value, str):  # numpy's, or an enumeration's
        return str.__str__(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


_encoder = msgspec.json.Encoder(enc_hook=_as_builtin)
_body_decoder = msgspec.json.Decoder(_Body)
_answer_decoder = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True)
class Settings:
    """
    What an Airflow connection of type ``octopush`` says, checked and with the defaults filled in.

    :param base_url: without a slash at the end.
    :param login: the header ``api-login``.
    :param key: the header ``api-key``.
    :param timeout: seconds, to connect and between two bytes of an answer.
    :param retries: how often a request that failed for a passing reason is worth sending again.
    """

    base_url: str
    login: str = field(repr=False)
    key: str = field(repr=False)
    timeout: float
    retries: int

    @classmethod
    def from_connection(cls, connection: Connection) -> Settings:
        """
        Read and check a connection.

        :raises OctopushConnectionConfigError: names the field and the connection.
        """
        reader = _ConnectionReader(connection)
        return cls(
            base_url=reader.base_url(),
            login=reader.credential("login"),
            key=reader.credential("password"),
            timeout=reader.timeout(),
            retries=reader.retries(),
        )


class _ConnectionReader:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _wrong(self, field: str, problem: str) -> OctopushConnectionConfigError:
        return OctopushConnectionConfigError(f"connection {self._connection.conn_id!r}: {field} {problem}")

    def credential(self, field: str) -> str:
        value = (getattr(self._connection, field) or "").strip()
        if not value:
            label = _connection_type()["ui-field-behaviour"]["relabeling"][field]
            raise self._wrong(field, f"is missing: fill in {label!r} of the connection form")
        # requests would quote the value in its own complaint.
        if not (value.isascii() and value.isprintable()):
            raise self._wrong(field, "has characters that no HTTP header can carry: copy it again")
        return value

    def base_url(self) -> str:
        host = (self._connection.host or "").strip()
        port = self._connection.port
        if not host and port in (None, 0, 443):
            return DEFAULT_BASE_URL
        if not host:
            raise self._wrong("host", f"is missing although the port {port} is set: write the base URL there")
        try:
            parts = urlsplit(host if "://" in host else f"https://{host}")
            host_port = parts.port
        except ValueError:
            raise self._wrong("host", "is no URL: write it like https://api.octopush.com/v1/public") from None
        if parts.scheme not in ("https", "http"):
            raise self._wrong("host", f"has the scheme {parts.scheme!r}: http and https are spoken")
        if "@" in parts.netloc:
            raise self._wrong("host", "holds credentials: put them into login and password")
        if not parts.hostname or parts.query or parts.fragment:
            raise self._wrong("host", "is no base URL: write it like https://api.octopush.com/v1/public")
        if port and host_port and port != host_port:
            raise self._wrong("port", f"{port} contradicts the port {host_port} in host: leave one of them out")
        netloc = f"{parts.netloc.rstrip(':')}:{port}" if port and not host_port else parts.netloc
        path = parts.path.rstrip("/") or urlsplit(DEFAULT_BASE_URL).path
        return urlunsplit((parts.scheme, netloc, path, "", ""))

    def _number(self, field: str, expected: str) -> float | None:
        value = self._connection.extra_dejson.get(field)
        if isinstance(value, str):
            value = value.strip() or None
        if value is None:
            return None
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise self._wrong(f"extra {field!r}", f"is {value!r}: write {expected}")
        return number

    def timeout(self) -> float:
        number = self._number("timeout", "seconds as a number above 0, such as 30")
        if number is None:
            return DEFAULT_TIMEOUT
        if number <= 0:
            raise self._wrong("extra 'timeout'", f"is {number:g}: write seconds as a number above 0, such as 30")
        return number

    def retries(self) -> int:
        number = self._number("retries", "a whole number, 0 or more, such as 5")
        if number is None:
            return DEFAULT_RETRIES
        if number < 0 or number != int(number):
            raise self._wrong("extra 'retries'", f"is {number:g}: write a whole number, 0 or more, such as 5")
        return int(number)


class _OctopushAuth(AuthBase):
    """Sets the two headers; as an ``auth`` it also keeps requests from looking for credentials in ``.netrc``."""

    def __init__(self, login: str, key: str) -> None:
        self._headers = {"api-login": login, "api-key": key}

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


class _TimeoutAdapter(HTTPAdapter):
    """An adapter that never sends without a timeout."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        super().__init__()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        return super().send(request, stream, self._timeout if timeout is None else timeout, verify, cert, proxies)


class OctopushHook(BaseHook):
    """
    Talk to the Octopush API, one request at a time.

    Failures are raised as the classes of :mod:`airflow_provider_octopush.exceptions`; nothing is repeated here, because
    only the caller knows what a repetition would mean.

    .. seealso::
        https://dev.octopush.com/en/sms-gateway-api-documentation/

    :param octopush_conn_id: connection of type ``octopush``: login is the ``api-login``, password the ``api-key``, host
        the base URL (default ``https://api.octopush.com/v1/public``). Extras: ``timeout`` in seconds (default 30) and
        ``retries`` (default 5).
    """

    conn_name_attr = "octopush_conn_id"
    default_conn_name = "octopush_default"
    conn_type = "octopush"
    hook_name = "Octopush"

    def __init__(self, octopush_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.octopush_conn_id = octopush_conn_id
        self._of_thread = threading.local()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Describe the connection form to Airflow 2.11 to 3.1; later ones read the provider info."""
        behaviour = _connection_type()["ui-field-behaviour"]
        return {key.replace("-", "_"): value for key, value in behaviour.items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Give the form's extra fields to Airflow 2.11 to 3.1; later ones read the provider info."""
        from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
        from flask_babel import lazy_gettext
        from wtforms import StringField
        from wtforms.validators import Optional

        return {
            name: StringField(
                lazy_gettext(definition["label"]),
                widget=BS3TextFieldWidget(),
                description=definition["description"],
                validators=[Optional()],
            )
            for name, definition in _connection_type()["conn-fields"].items()
        }

    @cached_property
    def settings(self) -> Settings:
        """
        What the connection says; looked up once, because on a worker a look-up is a request of its own.

        :raises OctopushConnectionConfigError: when a field is missing or wrong.
        """
        return Settings.from_connection(self.get_connection(self.octopush_conn_id))

    def get_conn(self) -> requests.Session:
        """
        Return the session of this thread: authenticated, with keep-alive, and a timeout on every request.

        Each thread gets its own, because requests does not promise that a session can be shared.

        :raises OctopushConnectionConfigError: when the connection is incomplete or wrong.
        """
        session: requests.Session | None = getattr(self._of_thread, "session", None)
        if session is None:
            session = requests.Session()
            session.auth = _OctopushAuth(self.settings.login, self.settings.key)
            session.headers["User-Agent"] = f"airflow-provider-octopush/{__version__}"
            session.headers["Accept"] = "application/json"
            for prefix in ("https://", "http://"):
                session.mount(prefix, _TimeoutAdapter(self.settings.timeout))
            self._of_thread.session = session
            self._of_thread.prepared = {}
        return session

    def create_contacts(
        self,
        contacts: Sequence[ContactPayload | Mapping[str, str | None]],
        *,
        list_name: str | None = None,
        tag_name: str | None = None,
        auto_remove_blacklisted_numbers: bool | None = None,
        do_not_overwrite: bool | None = None,
    ) -> list[dict[str, Any]]:
        """
        Create or update contacts, in one request to ``contact/create``.

        :param contacts: at least one; keys ``phone_number`` (required), ``first_name``, ``last_name``, ``param1`` to
            ``param5``; values are text or None.
        :param list_name: list to add the contacts to, at most 30 characters.
        :param tag_name: tag to attach to each contact, at most 20 characters.
        :param auto_remove_blacklisted_numbers: True: Octopush drops blacklisted numbers from the request.
        :param do_not_overwrite: True: a number that exists already keeps its old record.
        :return: the answer's ``items``, each with at least ``phone_number`` and ``status``; their order and number are
            the server's choice.
        :raises ValueError: before anything is sent, when a name is too long or a contact is not as described.
        :raises OctopushError: one of its subclasses, when Octopush did not accept the request.
        """
        body = self.encode_contacts(
            contacts,
            list_name=list_name,
            tag_name=tag_name,
            auto_remove_blacklisted_numbers=auto_remove_blacklisted_numbers,
            do_not_overwrite=do_not_overwrite,
        )
        answer = _read_json(_CREATE, self._call("POST", _CREATE, body))
        _read_items(answer)
        items: list[dict[str, Any]] = answer["items"]
        return items

    def encode_contacts(
        self,
        contacts: Sequence[ContactPayload | Mapping[str, str | None]],
        *,
        list_name: str | None = None,
        tag_name: str | None = None,
        auto_remove_blacklisted_numbers: bool | None = None,
        do_not_overwrite: bool | None = None,
    ) -> bytes:
        """
        Check and write the body of a request to ``contact/create``, for :meth:`post_contacts`; sends nothing.

        The parameters are those of :meth:`create_contacts`.

        :return: JSON in UTF-8.
        :raises ValueError: when a name is too long or a contact is not as described.
        """
        check_names(list_name=list_name, tag_name=tag_name)
        options = {
            "list_name": list_name,
            "tag_name": tag_name,
            "auto_remove_blacklisted_numbers": auto_remove_blacklisted_numbers,
            "do_not_overwrite": do_not_overwrite,
        }
        given = {name: value for name, value in options.items() if value is not None}
        # Octopush would cast, cut or ignore without a word what is not as documented.
        with suppress(msgspec.MsgspecError, TypeError, ValueError):
            body = _encoder.encode({"contacts": contacts, **given})
            # What is checked is what is sent.
            _body_decoder.decode(body)
            return body
        _check_contacts(contacts)
        raise ValueError("contacts or options cannot be written as JSON: hand over a list of dicts, and True or False")

    def post_contacts(self, body: bytes) -> list[ContactItem]:
        """
        Create or update contacts, in one request to ``contact/create``.

        :param body: what :meth:`encode_contacts` returned.
        :return: the answer's ``items``; their order and number are the server's choice.
        :raises OctopushError: one of its subclasses, when Octopush did not accept the request.
        """
        response = self._call("POST", _CREATE, body)
        with suppress(msgspec.DecodeError):
            return _answer_decoder.decode(response.content).items
        # Another shape, or something around the items that no JSON should hold: requests is more tolerant.
        return _read_items(_read_json(_CREATE, response))

    def create_contact_list(self, list_name: str) -> None:
        """
        Create an empty list, with ``contact-list/create``.

        :param list_name: at most 30 characters.
        :raises ValueError: before anything is sent, when the name is blank or too long.
        :raises OctopushError: one of its subclasses, when Octopush did not accept the request.
        """
        check_names(list_name=list_name)
        self._call("POST", "contact-list/create", _encoder.encode({"list_name": list_name}))

    def check_balance(self) -> dict[str, Any]:
        """
        Ask for the account's balance, with ``wallet/check-balance``.

        :return: ``{"amount": 12.54, "unit": "euros"}``
        :raises OctopushError: one of its subclasses, when Octopush did not answer.
        """
        return self._check_balance()

    def _check_balance(self, timeout: float | None = None) -> dict[str, Any]:
        endpoint = "wallet/check-balance"
        answer = _read_json(endpoint, self._call("GET", endpoint, timeout=timeout))
        if not isinstance(answer, dict) or not {"amount", "unit"} <= answer.keys():
            raise OctopushAnswerError(f"{endpoint} succeeded, but its answer has no amount and unit")
        return answer

    def test_connection(self) -> tuple[bool, str]:
        """
        Ask Octopush for the balance, within seconds, and say in words what came of it.

        :return: whether it worked, and a sentence for the person before the connection form.
        """
        try:
            balance = self._check_balance(min(self.settings.timeout, TEST_CONNECTION_TIMEOUT))
        except OctopushCredentialsError as error:
            return False, f"login or key refused (HTTP {error.status_code})"
        except OctopushError as error:
            # Airflow tests the connection under a made-up id, which says nothing to the person who reads this.
            return False, str(error).replace(f"connection {self.octopush_conn_id!r}", "connection")
        return True, f"connected, balance {balance['amount']} {balance['unit']}"

    def _call(
        self,
        method: str,
        endpoint: str,
        body: bytes | None = None,
        *,
        timeout: float | None = None,
    ) -> requests.Response:
        host = urlsplit(self.settings.base_url).netloc
        try:
            response = self._send(method, f"{self.settings.base_url}/{endpoint}", body, timeout)
        except requests.exceptions.RequestException as error:
            # The cause is not chained: its text can quote bytes of a broken answer.
            raise OctopushServerError(f"{endpoint}: cannot reach {host}: {_network_failure(error)}") from None
        if not 200 <= response.status_code < 300:
            raise self._refusal(endpoint, host, response, body)
        return response

    def _send(self, method: str, url: str, body: bytes | None, timeout: float | None) -> requests.Response:
        session = self.get_conn()
        prepared = self._of_thread.prepared
        if (method, url) not in prepared:
            # What is the same for every request (headers, proxies, certificates) is worked out once: requests takes
            # longer for it than for all the rest.
            headers = {} if body is None else {"Content-Type": "application/json"}
            template = session.prepare_request(requests.Request(method, url, headers))
            prepared[method, url] = template, session.merge_environment_settings(url, {}, None, None, None)
        template, settings = prepared[method, url]
        request = template.copy()
        request.prepare_body(body, None)
        request.prepare_cookies(session.cookies)
        # A redirected POST becomes a GET, and the key would be shown to whatever host it points to.
        response: requests.Response = session.send(request, timeout=timeout, allow_redirects=False, **settings)
        return response

    def _refusal(self, endpoint: str, host: str, response: requests.Response, body: bytes | None) -> OctopushError:
        status_code = response.status_code
        code, message = _code_and_message(response)
        if message is not None:
            message = _masked(message, (self.settings.login, self.settings.key, *_personal(body)))
        said = "".join([f", code {code}" if code is not None else "", f": {message}" if message is not None else ""])
        text = f"{endpoint}: {host} answered HTTP {status_code}{said}"
        error: type[OctopushError]
        if status_code in (401, 403):
            error = OctopushCredentialsError
            text += f"; login or key refused, correct the connection {self.octopush_conn_id!r}"
        elif status_code == 429:
            error = OctopushRateLimitError
        elif status_code in (408, 425) or status_code >= 500:
            error = OctopushServerError
        else:
            error = OctopushRequestError
            if response.is_redirect or status_code in (404, 405):
                text += f"; check the host of the connection {self.octopush_conn_id!r}, it must be the API's base URL"
        return error(text, status_code=status_code, code=code, message=message, retry_after=_retry_after(response))


def _connection_type() -> dict[str, Any]:
    from airflow_provider_octopush.get_provider_info import get_provider_info

    connection_type: dict[str, Any] = get_provider_info()["connection-types"][0]
    return connection_type


def _check_contacts(contacts: Sequence[ContactPayload | Mapping[str, str | None]]) -> None:
    """Say what is wrong with contacts that cannot be sent."""
    if not contacts:
        raise ValueError("contacts is empty: contact/create needs at least one")
    for position, contact in enumerate(contacts):
        fields = contact if isinstance(contact, Mapping) else msgspec.structs.asdict(contact)
        _check_contact(f"contacts[{position}]", fields)


def _check_contact(name: str, contact: Mapping[str, str | None]) -> None:
    unknown = ", ".join(sorted(map(repr, contact.keys() - set(CONTACT_FIELDS))))
    if unknown:
        raise ValueError(f"{name} has the field {unknown}, Octopush has {', '.join(CONTACT_FIELDS)}")
    if not contact.get("phone_number"):
        raise ValueError(f"{name} has no phone_number")
    for field_name, value in contact.items():
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{name}: {field_name} is of type {type(value).__name__}, Octopush takes text or None")
        if value is not None and value.encode(errors="replace") != value.encode(errors="surrogatepass"):
            raise ValueError(f"{name}: {field_name} is text that is not valid Unicode")


def _personal(body: bytes | None) -> list[str]:
    """Give all that a request says of people."""
    contacts = json.loads(body or b"{}").get("contacts", ())
    return [value for contact in contacts for value in contact.values() if value]


def _read_json(endpoint: str, response: requests.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        raise OctopushAnswerError(
            f"{endpoint}: {urlsplit(response.url).netloc} answered HTTP {response.status_code}, but not in JSON: "
            "check that the connection's host is the API's base URL",
            status_code=response.status_code,
        ) from None


def _read_items(answer: Any) -> list[ContactItem]:
    with suppress(msgspec.ValidationError):
        return msgspec.convert(answer, _Answer).items
    raise OctopushAnswerError(
        "contact/create succeeded, but its answer does not list items with phone_number and status: "
        "what became of the contacts is not known"
    )


def _code_and_message(response: requests.Response) -> tuple[int | None, str | None]:
    """Read ``{"code": …, "message": …}`` from an error; anything else, such as a gateway's page, says nothing."""
    try:
        body = response.json()
    except ValueError:
        return None, None
    if not isinstance(body, dict):
        return None, None
    code, message = body.get("code"), body.get("message")
    return (
        code if isinstance(code, int) and not isinstance(code, bool) else None,
        message if isinstance(message, str) and message.strip() else None,
    )


def _masked(message: str, secrets: Iterable[str]) -> str:
    """Take out of a server's message what it may quote of the request, and anything that looks like a number."""
    alternatives = sorted({re.escape(secret) for secret in secrets}, key=len, reverse=True)
    if alternatives:
        message = re.sub(rf"(?<!\w)(?:{'|'.join(alternatives)})(?!\w)", _MASK, message, flags=re.IGNORECASE)
    message = re.sub(r"\+?\d[\d\s().-]{4,}\d", _MASK, message)
    message = " ".join(message.split())
    return message if len(message) <= _MESSAGE_MAX_LENGTH else f"{message[:_MESSAGE_MAX_LENGTH]}…"


def _retry_after(response: requests.Response) -> float | None:
    """
    Read ``Retry-After``: seconds, or a date of HTTP.

    Source: RFC 9110, section 10.2.3.
    """
    value = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = email.utils.parsedate_to_datetime(value)
        except ValueError:
            return None
        if date.tzinfo is None:
            date = date.replace(tzinfo=dt.UTC)
        seconds = (date - dt.datetime.now(dt.UTC)).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _network_failure(error: BaseException) -> str:
    """Say what failed without quoting anything of the exchange: an operating system's own words, or the class."""
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, requests.RequestException):
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
