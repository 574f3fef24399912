"""What SECURITY.md says of the way to Octopush, on a real TLS server."""

from __future__ import annotations

import json
import os
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from airflow_provider_octopush.exceptions import OctopushConnectionConfigError
from airflow_provider_octopush.hooks.octopush import OctopushHook
from tests.conftest import SetConnection


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(autouse=True)
def _no_authorities_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def keys(authority: trustme.CA, set_connection: SetConnection) -> Iterator[list[str | None]]:
    """The keys that were shown to the server behind ``octopush_default``, which has a certificate of the authority."""
    shown: list[str | None] = []

    class Balance(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append(self.headers["api-key"])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"amount": 12.54, "unit": "euros"}')

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), Balance) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        set_connection(
            "octopush_default",
            conn_type="octopush",
            host=f"https://localhost:{server.server_port}/v1/public",
            login="demo@example.com",
            password="demo-key",
            extra={"timeout": 5, "verify": False},
        )
        yield shown
        server.shutdown()
        thread.join()


def test_no_key_goes_to_a_server_whose_certificate_nobody_vouches_for(keys: list[str | None]) -> None:
    with pytest.raises(OctopushConnectionConfigError, match=r"certificate of localhost.* is not trusted") as caught:
        OctopushHook().check_balance()
    assert keys == []
    assert "correct the connection 'octopush_default'" in str(caught.value)


def test_no_key_goes_to_a_server_with_somebody_else_s_certificate(
    keys: list[str | None], authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    connection = json.loads(os.environ["AIRFLOW_CONN_OCTOPUSH_DEFAULT"])
    connection["host"] = connection["host"].replace("localhost", "127.0.0.1")
    monkeypatch.setenv("AIRFLOW_CONN_OCTOPUSH_DEFAULT", json.dumps(connection))
    with pytest.raises(OctopushConnectionConfigError, match="certificate"):
        OctopushHook().check_balance()
    assert keys == []


def test_an_authority_of_one_s_own_is_trusted_where_the_environment_names_it(
    keys: list[str | None], authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    assert OctopushHook().check_balance() == {"amount": 12.54, "unit": "euros"}
    assert keys == ["demo-key"]
