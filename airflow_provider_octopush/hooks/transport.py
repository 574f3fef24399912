"""One request within its bounds: a timeout, and no redirect."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from airflow_provider_octopush import __version__
from airflow_provider_octopush.exceptions import OctopushServerError
from airflow_provider_octopush.hooks.connection import Settings


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


class Transport:
    """
    Sends requests, each within its bounds. Several threads may send at a time, each through a session of its own.

    :param settings: of the connection.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._of_thread = threading.local()

    def session(self) -> requests.Session:
        """Return the session of this thread, because requests does not promise that one can be shared."""
        session: requests.Session | None = getattr(self._of_thread, "session", None)
        if session is None:
            session = requests.Session()
            session.auth = _OctopushAuth(self._settings.login, self._settings.key)
            session.headers["User-Agent"] = f"airflow-provider-octopush/{__version__}"
            session.headers["Accept"] = "application/json"
            for prefix in ("https://", "http://"):
                session.mount(prefix, _TimeoutAdapter(self._settings.timeout))
            self._of_thread.session = session
            self._of_thread.prepared = {}
        return session

    def send(
        self, method: str, endpoint: str, body: bytes | None = None, *, timeout: float | None = None
    ) -> requests.Response:
        """
        Send one request, and read its answer.

        :param method: of HTTP.
        :param endpoint: such as ``contact/create``.
        :param body: JSON in UTF-8; None sends none.
        :param timeout: seconds, instead of those of the connection.
        :return: the answer, whatever its status.
        :raises OctopushServerError: when there is none.
        """
        try:
            return self._send(method, f"{self._settings.base_url}/{endpoint}", body, timeout)
        except requests.exceptions.RequestException as error:
            # The cause is not chained: its text can quote bytes of a broken answer.
            raise OctopushServerError(
                f"{endpoint}: cannot reach {self._settings.host}: {_network_failure(error)}"
            ) from None

    def _send(self, method: str, url: str, body: bytes | None, timeout: float | None) -> requests.Response:
        session = self.session()
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
