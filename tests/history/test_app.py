"""What is served to everybody, with or without a login."""

from __future__ import annotations

import airflow
import pytest

if tuple(map(int, airflow.__version__.split(".")[:2])) < (3, 1):
    pytest.skip("Airflow shows pages of plugins from 3.1 on", allow_module_level=True)

import json
from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient

from airflow_provider_octopush import history
from airflow_provider_octopush.history.app import create_app
from airflow_provider_octopush.sync.summary import CreateSummary, DeletionSummary, ListSummary

FILES = {path.name: path.read_bytes() for path in (Path(history.__file__).parent / "static").iterdir()}


@pytest.fixture
def client() -> TestClient:
    airflow = FastAPI()
    airflow.mount("/octopush", create_app())
    return TestClient(airflow, follow_redirects=False)


@pytest.mark.parametrize("name", ["", *FILES])
def test_each_file_is_served_as_it_is(client: TestClient, name: str) -> None:
    answer = client.get(f"/octopush/{name}")
    assert answer.status_code == 200
    assert answer.content == FILES[name or "index.html"]
    assert client.get(f"/octopush/{name}", headers={"Authorization": "Bearer x"}).content == answer.content


def test_what_a_row_may_end_in_is_known_in_one_place(client: TestClient) -> None:
    answer = client.get("/octopush/outcomes.js")
    assert answer.headers["Content-Type"].startswith("text/javascript")
    served = json.loads(answer.text.removeprefix("export const OUTCOMES = ").removesuffix(";\n"))
    assert [tuple(outcomes) for outcomes in served.values()] == [
        kind.outcomes for kind in (CreateSummary, ListSummary, DeletionSummary)
    ]
    assert client.head("/octopush/outcomes.js").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "customers",
        "static/index.html",
        "../app.py",
        "%2e%2e/app.py",
        "..%2fapp.py",
        "docs",
        "openapi.json",
        "api/v2/dags",
    ],
)
def test_there_is_nothing_else(client: TestClient, path: str) -> None:
    assert client.get(f"/octopush/{path}").status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(client: TestClient, method: str) -> None:
    assert client.request(method, "/octopush/").status_code == 405


@pytest.mark.parametrize("path", ["", "octopush.js", "nowhere"])
def test_every_answer_forbids_what_the_page_does_not_need(client: TestClient, path: str) -> None:
    headers = client.get(f"/octopush/{path}").headers
    policy = dict(entry.split(" ", 1) for entry in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert {policy[kind] for kind in ("script-src", "style-src", "img-src", "connect-src", "frame-ancestors")} == {
        "'self'"
    }
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_files_load_nothing_from_elsewhere_and_hold_no_code_in_markup() -> None:
    for name, content in FILES.items():
        text = content.decode().replace("http://www.w3.org/", "")
        assert "http://" not in text, name
        assert "https://" not in text, name
    page = FILES["index.html"].decode()
    assert "<style" not in page
    assert " style=" not in page
    assert " on" not in page.split("<body>")[0]
    script = "".join(content.decode() for name, content in FILES.items() if name.endswith(".js"))
    for unsafe in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert unsafe not in script


def test_a_browser_that_has_a_file_asks_whether_it_is_still_the_same(client: TestClient) -> None:
    first = client.get("/octopush/octopush.js")
    again = client.get("/octopush/octopush.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content, first.headers["Cache-Control"]) == (304, b"", "no-cache")
