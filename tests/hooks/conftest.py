from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from airflow_provider_octopush.hooks.octopush import OctopushHook
from tests.conftest import SetConnection
from tests.hostile.quotes import PERSON
from tests.hostile.server import HostileServer, Script, behave

LOGIN, KEY = PERSON.login, PERSON.key

Serve = Callable[..., HostileServer]


@pytest.fixture
def serve(set_connection: SetConnection) -> Iterator[Serve]:
    """
    Put a hostile server behind ``octopush_default``: ``serve(script, timeout=0.3)``.

    ``timeout`` is an extra of the connection, and ``host`` is its host, in which ``{port}`` is the server's; all else
    goes to :class:`HostileServer`.
    """
    with ExitStack() as servers:

        def serve(
            script: Script = behave, *, timeout: Any = 5, host: str | None = None, **kwargs: Any
        ) -> HostileServer:
            server = servers.enter_context(HostileServer(script, **kwargs))
            set_connection(
                "octopush_default",
                conn_type="octopush",
                host=host.format(port=server.port) if host else server.url,
                login=LOGIN,
                password=KEY,
                extra={"timeout": timeout},
            )
            return server

        yield serve


@pytest.fixture
def hook() -> OctopushHook:
    """A hook of ``octopush_default``; its connection is looked up with the first request."""
    return OctopushHook()
