"""
What serves the page: files that are the same for everybody, and hold nothing of anybody's Dags.

Airflow lets everyone in to the routes of a plugin, with or without a login. So nothing may be served here that not
everyone may see; what a person may see, the person's browser asks Airflow itself for.
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
    # Asked for again each time, and answered with 304: never the page of one version with the script of another.
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
