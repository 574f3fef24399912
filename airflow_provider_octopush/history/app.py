"""
Serves the page: files that are the same for everybody, and hold nothing about any Dag.

Airflow lets everyone in to the routes of a plugin, with or without a login. So only what everyone may see is served
here. The browser asks Airflow itself for what its user may see.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI, Request, Response
from starlette.staticfiles import StaticFiles

from airflow_provider_octopush.outcomes import OUTCOMES

_FILES = Path(__file__).parent / "static"

_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'self'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Checked each time, with 304 as the answer, so that one version's page never gets another version's script.
    "Cache-Control": "no-cache",
}


def create_app() -> FastAPI:
    """Make the application; it answers GET and HEAD, for its files only."""
    app = FastAPI(title="Octopush", openapi_url=None)

    @app.middleware("http")
    async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers.update(_HEADERS)
        return response

    @app.api_route("/outcomes.js", methods=["GET", "HEAD"])
    def outcomes() -> Response:
        return Response(f"export const OUTCOMES = {json.dumps(OUTCOMES)};\n", media_type="text/javascript")

    app.mount("/", StaticFiles(directory=_FILES, html=True))
    return app
