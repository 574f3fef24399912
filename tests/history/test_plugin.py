"""How Airflow gets to know of the page, on each of its versions."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import airflow
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_octopush.decorators.octopush_contacts import octopush_contacts_task
from airflow_provider_octopush.history.link import SyncHistoryLink
from airflow_provider_octopush.history.plugin import OctopushPlugin
from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator

HAS_PAGES = tuple(map(int, airflow.__version__.split(".")[:2])) >= (3, 1)


def test_airflow_finds_the_plugin() -> None:
    (entry_point,) = metadata.entry_points(group="airflow.plugins", name="octopush")
    assert entry_point.load() is OctopushPlugin


def test_there_is_a_page_in_the_menu_where_airflow_has_such_pages() -> None:
    plugin = OctopushPlugin()
    views = getattr(plugin, "external_views", [])
    assert [(view["name"], view["destination"], view["category"]) for view in views] == (
        [("Octopush", "nav", "browse")] if HAS_PAGES else []
    )
    apps = getattr(plugin, "fastapi_apps", [])
    assert [app["url_prefix"] for app in apps] == (["/octopush"] if HAS_PAGES else [])


def test_tasks_have_the_link_where_there_is_a_page(dag: DAG) -> None:
    operator = CreateContactsOperator(task_id="sync", data=[], dag=dag)
    mapped = CreateContactsOperator.partial(task_id="parts", dag=dag).expand(data=[[], []])
    rows: Any = octopush_contacts_task(list, task_id="rows")
    for task in (operator, mapped, rows().operator):
        names = [link.name for link in task.operator_extra_links]
        assert names == (["Sync history"] if HAS_PAGES else [])


def test_the_link_is_relative_and_quotes_what_is_in_it() -> None:
    key = SimpleNamespace(dag_id="a&b=c/../ü", task_id="group.sync#1")
    link = SyncHistoryLink().get_link(None, ti_key=key)  # type: ignore[arg-type]  # it does not look at the operator
    url = urlsplit(link)
    assert (url.scheme, url.netloc, url.path, url.fragment) == ("", "", "octopush/", "")
    assert parse_qs(url.query) == {"dag_id": [key.dag_id], "task_id": [key.task_id]}


def test_loading_the_plugin_imports_nothing_for_the_page() -> None:
    code = (
        "import sys\n"
        "from airflow.providers.common.compat.sdk import AirflowPlugin, BaseOperatorLink\n"
        "before = set(sys.modules)\n"
        "import airflow_provider_octopush.history.plugin\n"
        "print('added:', *sorted(set(sys.modules) - before))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (added,) = [line.split()[1:] for line in run.stdout.splitlines() if line.startswith("added:")]
    ours = {name for name in added if name.startswith("airflow_provider_octopush")}
    assert ours - {"airflow_provider_octopush"} == {
        "airflow_provider_octopush.history",
        "airflow_provider_octopush.history.link",
        "airflow_provider_octopush.history.plugin",
    }
    assert not {"fastapi", "starlette", "pandas", "numpy", "requests", "msgspec"} & {
        name.split(".")[0] for name in added
    }
