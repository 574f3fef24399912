"""The fixture ``octopush_simulator``, in projects of others: each test here runs a pytest of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_octopush.simulator import Simulator

USES_IT = """
import json, os
import urllib.request

def test_it_answers_what_the_list_holds(octopush_simulator):
    connection = json.loads(os.environ["AIRFLOW_CONN_OCTOPUSH_DEFAULT"])
    assert connection["host"] == octopush_simulator.url
    assert octopush_simulator.contacts_on("Customers") == {}
    contacts = [{"phone_number": "+33612345678", "first_name": "Zoé"}]
    request = urllib.request.Request(
        f"{connection['host']}/contact/create",
        json.dumps({"contacts": contacts, "list_name": "Customers"}).encode(),
        {"api-login": connection["login"], "api-key": connection["password"]},
    )
    urllib.request.urlopen(request)
    assert octopush_simulator.contacts_on("Customers") == {"+33612345678": {"first_name": "Zoé"}}

def test_each_test_has_a_new_one(octopush_simulator):
    assert octopush_simulator.contacts == {}

def test_without_it_there_is_no_connection():
    assert "AIRFLOW_CONN_OCTOPUSH_DEFAULT" not in os.environ
"""

COSTS_NOTHING = """
import sys

def test_nothing_of_it_is_imported():
    assert "airflow_provider_octopush.pytest_plugin" in sys.modules
    ours = {name for name in sys.modules if name.startswith("airflow_provider_octopush")}
    assert ours == {"airflow_provider_octopush", "airflow_provider_octopush.pytest_plugin"}
    assert not {"aiohttp", "airflow", "pandas", "requests"} & sys.modules.keys()
"""


def run_pytest(
    folder: Path, source: str, *, without: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    (folder / "test_theirs.py").write_text(source, encoding="utf-8")
    hide = f"sys.modules[{without!r}] = None; " if without else ""
    # Only ours of all the plugins that are installed here.
    program = f"import sys; {hide}import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", program, "-q", "-p", "no:cacheprovider", "-p", "octopush", "test_theirs.py"],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_test_asks_for_it_by_name(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, USES_IT)
    assert "3 passed" in run.stdout, run.stdout


def test_it_works_without_airflow(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, USES_IT, without="airflow")
    assert "3 passed" in run.stdout, run.stdout


def test_where_nobody_asks_for_it_it_costs_nothing(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, COSTS_NOTHING)
    assert "1 passed" in run.stdout, run.stdout


def test_without_the_extra_only_who_asks_for_it_is_told(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, USES_IT, without="aiohttp")
    assert "1 passed, 2 errors" in run.stdout, run.stdout
    assert "The simulator needs aiohttp: pip install 'airflow-provider-octopush[simulator]'" in run.stdout


LEADS_TO_IT = """
def test_it_leads_there(octopush_simulator):
    from airflow_provider_octopush.hooks.octopush import OctopushHook
    assert OctopushHook().test_connection() == (True, "connected, balance 12.54 euros")
"""


def test_where_a_secrets_backend_would_lead_to_a_real_account_no_test_begins(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.json"
    backend = {
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(secrets)}),
    }
    secrets.write_text('{"octopush_default": "octopush://me:key@api.octopush.com"}')
    run = run_pytest(tmp_path, LEADS_TO_IT, **backend)
    assert "1 error" in run.stdout, run.stdout
    assert "a secrets backend has a connection of that name, and is asked first. Unset [secrets] backend" in run.stdout
    secrets.write_text('{"another": "octopush://me:key@api.octopush.com"}')
    run = run_pytest(tmp_path, LEADS_TO_IT, **backend)
    assert "1 passed" in run.stdout, run.stdout


def test_where_only_tasks_ask_a_secrets_backend_no_test_begins(tmp_path: Path) -> None:
    backend = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
    run = run_pytest(tmp_path, LEADS_TO_IT, AIRFLOW__WORKERS__SECRETS_BACKEND=backend)
    assert "1 error" in run.stdout, run.stdout
    assert f"tasks may ask {backend} first" in run.stdout


def test_a_proxy_of_the_environment_is_not_asked(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, LEADS_TO_IT, HTTP_PROXY="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9")
    assert "1 passed" in run.stdout, run.stdout


def test_the_connection_leads_to_the_simulator(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_octopush.hooks.octopush import OctopushHook

    monkeypatch.setenv("AIRFLOW_CONN_SMS", simulator.connection)
    assert OctopushHook("sms").test_connection() == (True, "connected, balance 12.54 euros")
