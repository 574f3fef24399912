"""An Airflow connection → the settings of a hook."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from airflow_provider_octopush.api import DEFAULT_BASE_URL
from airflow_provider_octopush.exceptions import OctopushConnectionConfigError
from airflow_provider_octopush.get_provider_info import get_provider_info
from airflow_provider_octopush.renamed import EXTRAS, new_name

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

DEFAULT_TIMEOUT = 30.0
DEFAULT_RETRIES = 5

#: How many characters a snapshot's secret has at least, and how to make one.
SECRET_MIN_LENGTH = 32
MAKE_SECRET = "python -c 'import secrets; print(secrets.token_urlsafe(32))'"  # noqa: S105 - it makes one

#: No answer is worth waiting for longer than an hour: a larger number must be meant in milliseconds.
MAX_TIMEOUT = 3600.0

# A name, or an IPv6 address between brackets, which urlsplit takes away.
_HOST = re.compile(r"(?=.{1,253}$)(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?|[0-9a-f.]*:[0-9a-f:.]*(?:%\w+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Settings:
    """
    The settings of an Airflow connection of type ``octopush``, checked and with the defaults filled in.

    :param base_url: the API's base URL, without a slash at the end.
    :param login: the value of the header ``api-login``.
    :param key: the value of the header ``api-key``.
    :param timeout: seconds between two signs of life of the other side; a request as a whole may take three times as
        long.
    :param request_retries: how often a request that failed temporarily is repeated.
    :param snapshot_secrets: the secrets that snapshots are sealed with; the first writes, all read. Empty if there are
        none.
    """

    base_url: str
    login: str = field(repr=False)
    key: str = field(repr=False)
    timeout: float
    request_retries: int
    snapshot_secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def from_connection(cls, connection: Connection) -> Settings:
        """
        Read and check a connection.

        :raises OctopushConnectionConfigError: names the field and the connection. No other exception.
        """
        reader = _ConnectionReader(connection)
        try:
            return cls(
                base_url=reader.base_url(),
                login=reader.credential("login"),
                key=reader.credential("password"),
                timeout=reader.timeout(),
                request_retries=reader.request_retries(),
                snapshot_secrets=reader.snapshot_secrets(),
            )
        except OctopushConnectionConfigError:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary: a backend may make a connection of anything
            kind = type(error).__name__
        # Raised out here, without a context, which may hold the connection's values.
        raise OctopushConnectionConfigError(
            f"connection {connection.conn_id!r} cannot be read ({kind}): write its fields as text, its port as a "
            "number, and its extras as a JSON object"
        )

    @property
    def host(self) -> str:
        """Host and port, as errors name them."""
        return urlsplit(self.base_url).netloc

    @property
    def has_own_port(self) -> bool:
        """Whether a port other than that of TLS is written."""
        return urlsplit(self.base_url).port not in (None, 443)


def connection_type() -> dict[str, Any]:
    """Return what the provider info says of the connection type ``octopush``."""
    definition: dict[str, Any] = get_provider_info()["connection-types"][0]
    return definition


class _ConnectionReader:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _wrong(self, field: str, problem: str) -> OctopushConnectionConfigError:
        return OctopushConnectionConfigError(f"connection {self._connection.conn_id!r}: {field} {problem}")

    def credential(self, field: str) -> str:
        value = (getattr(self._connection, field) or "").strip()
        if not value:
            label = connection_type()["ui-field-behaviour"]["relabeling"][field]
            raise self._wrong(field, f"is missing: fill in {label!r} of the connection form")
        # requests would quote the value in its own error.
        if not (value.isascii() and value.isprintable()):
            raise self._wrong(field, "has characters that no HTTP header can carry: copy it again")
        return value

    def base_url(self) -> str:
        host = (self._connection.host or "").strip()
        port = self._connection.port
        if port is not None and not (isinstance(port, int) and 0 <= port <= 65535):
            raise self._wrong("port", "is not a number from 0 to 65535")
        if not host and port in (None, 0, 443):
            return DEFAULT_BASE_URL
        if not host:
            raise self._wrong("host", f"is missing although the port {port} is set: write the base URL there")
        try:
            parts = urlsplit(host if "://" in host else f"https://{host}")
            host_port = parts.port
        except ValueError:
            raise self._wrong("host", "is not a URL: write it like https://api.octopush.com/v1/public") from None
        if parts.scheme not in ("https", "http"):
            raise self._wrong("host", f"has the scheme {parts.scheme!r}: write http or https")
        if "@" in parts.netloc:
            raise self._wrong("host", "contains credentials: put them into login and password")
        if not _HOST.fullmatch(parts.hostname or "") or parts.query or parts.fragment:
            raise self._wrong("host", "is not a base URL: write it like https://api.octopush.com/v1/public")
        if port and host_port and port != host_port:
            raise self._wrong("port", f"{port} contradicts the port {host_port} in host: write {host_port} as the port")
        netloc = f"{parts.netloc.rstrip(':')}:{port}" if port and not host_port else parts.netloc
        path = parts.path.rstrip("/") or urlsplit(DEFAULT_BASE_URL).path
        return urlunsplit((parts.scheme, netloc, path, "", ""))

    def _number(self, field: str, expected: str) -> float | None:
        extra: object = self._connection.extra_dejson
        if not isinstance(extra, Mapping):
            raise self._wrong("extra", f'is a {type(extra).__name__}: write a JSON object, such as {{"timeout": 30}}')
        value = extra.get(field)
        if isinstance(value, str):
            value = value.strip() or None
        if value is None:
            return None
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise self._wrong(f"extra {field!r}", f"is {str(value)[:30]!r}: write {expected}")
        return number

    def timeout(self) -> float:
        expected = f"seconds as a number above 0, at most {MAX_TIMEOUT:.0f}, such as 30"
        number = self._number("timeout", expected)
        if number is None:
            return DEFAULT_TIMEOUT
        if not 0 < number <= MAX_TIMEOUT:
            raise self._wrong("extra 'timeout'", f"is {number:g}: write {expected}")
        return number

    def request_retries(self) -> int:
        if self._connection.extra_dejson.get("retries") not in (None, ""):
            raise self._wrong("extra", str(new_name(["retries"], EXTRAS)))
        number = self._number("request_retries", "a whole number, 0 or more, such as 5")
        if number is None:
            return DEFAULT_RETRIES
        if number < 0 or number != int(number):
            raise self._wrong("extra 'request_retries'", f"is {number:g}: write a whole number, 0 or more, such as 5")
        return int(number)

    def snapshot_secrets(self) -> tuple[str, ...]:
        value = self._connection.extra_dejson.get("snapshot_secret")
        if value is None:
            return ()
        secrets = tuple(secret for part in str(value).split(",") if (secret := part.strip()))
        if any(len(secret) < SECRET_MIN_LENGTH for secret in secrets):
            raise self._wrong(
                "extra 'snapshot_secret'",
                f"has fewer than {SECRET_MIN_LENGTH} characters: make one with {MAKE_SECRET}",
            )
        return secrets
