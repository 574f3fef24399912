from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.providers.common.compat.sdk import Connection
from airflow.providers_manager import ProvidersManager

from airflow_provider_octopush import __version__
from airflow_provider_octopush.api import DEFAULT_BASE_URL
from airflow_provider_octopush.get_provider_info import get_provider_info
from airflow_provider_octopush.hooks.connection import DEFAULT_RETRIES, DEFAULT_TIMEOUT
from airflow_provider_octopush.hooks.octopush import OctopushHook

CONNECTION_TYPE = get_provider_info()["connection-types"][0]


def airflow_says(*arguments: str) -> Any:
    command = [sys.executable, "-m", "airflow", *arguments, "--output", "json"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output[output.index("[{") :])


def test_the_provider_info_is_what_airflow_s_schema_asks_for() -> None:
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_the_connection_type_is_what_airflow_s_schema_of_forms_asks_for() -> None:
    # The schema above knows nothing of forms, and lets a misspelt key pass.
    schema = json.loads((Path(airflow.__file__).parent / "provider.yaml.schema.json").read_text())
    connection_types = schema["properties"]["connection-types"]
    if "conn-fields" not in connection_types["items"]["properties"]:
        pytest.skip("Airflow declares forms from 3.2 on")
    jsonschema.validate(get_provider_info()["connection-types"], connection_types)


def test_everything_that_the_provider_info_names_can_be_imported() -> None:
    info = get_provider_info()
    for kind in ("hooks", "operators"):
        for integration in info[kind]:
            assert integration["integration-name"] == info["integrations"][0]["integration-name"]
            for module in integration["python-modules"]:
                import_module(module)
    for decorator in info["task-decorators"]:
        module, _, name = decorator["class-name"].rpartition(".")
        assert callable(getattr(import_module(module), name))
    assert info["asset-uris"] == info["dataset-uris"]
    for uris in info["asset-uris"]:
        for path in (uris["handler"], uris["factory"], uris["to_openlineage_converter"]):
            module, _, name = path.rpartition(".")
            assert callable(getattr(import_module(module), name))
    module, _, name = CONNECTION_TYPE["hook-class-name"].rpartition(".")
    assert getattr(import_module(module), name) is OctopushHook
    assert CONNECTION_TYPE["connection-type"] == OctopushHook.conn_type
    assert CONNECTION_TYPE["hook-name"] == OctopushHook.hook_name


def test_the_package_goes_by_the_name_of_its_distribution() -> None:
    (entry_point,) = [
        point
        for point in metadata.entry_points(group="apache_airflow_provider")
        if point.value.startswith("airflow_provider_octopush")
    ]
    assert entry_point.load()()["package-name"] == "airflow-provider-octopush"
    assert entry_point.dist is not None
    assert entry_point.dist.name == "airflow-provider-octopush"


def test_discovery_imports_nothing_else() -> None:
    code = "import sys, airflow_provider_octopush.get_provider_info as p; p.get_provider_info(); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"airflow", "pandas", "requests", "phonenumbers"} & {module.split(".")[0] for module in modules}


def test_airflow_lists_the_provider_and_its_hook() -> None:
    providers = {provider["package_name"]: provider for provider in airflow_says("providers", "list")}
    assert providers["airflow-provider-octopush"]["version"] == __version__
    hooks = {hook["connection_type"]: hook for hook in airflow_says("providers", "hooks")}
    assert hooks["octopush"]["class"].endswith("OctopushHook")
    assert hooks["octopush"]["hook_name"] == "Octopush"


def test_a_connection_finds_its_hook() -> None:
    connection: Any = Connection(conn_id="sms", conn_type="octopush")
    hook = connection.get_hook()
    assert isinstance(hook, OctopushHook)
    assert hook.octopush_conn_id == "sms"


def test_the_form_names_the_defaults() -> None:
    assert CONNECTION_TYPE["ui-field-behaviour"]["placeholders"]["host"] == DEFAULT_BASE_URL
    fields = CONNECTION_TYPE["conn-fields"]
    assert f"{DEFAULT_TIMEOUT:g} if empty" in fields["timeout"]["description"]
    assert f"{DEFAULT_RETRIES} if empty" in fields["request_retries"]["description"]


def test_the_form_of_older_airflows_is_the_form_of_newer_ones() -> None:
    assert OctopushHook.get_ui_field_behaviour() == behaviour_in_python()


def test_airflow_makes_the_declared_form() -> None:
    """Airflow 2.11 to 3.1 from the hook's methods, 3.2 and newer from the provider info."""
    if tuple(map(int, airflow.__version__.split(".")[:2])) < (3, 2):
        pytest.importorskip("flask_appbuilder", reason="Airflow 3.0 and 3.1 make widgets only where it is installed")
    providers_manager: Any = ProvidersManager
    manager = providers_manager()
    assert manager.field_behaviours["octopush"] == behaviour_in_python()
    made = {
        name.removeprefix("extra__octopush__"): label_and_help(widget.field)
        for name, widget in manager.connection_form_widgets.items()
        if name.startswith("extra__octopush__")
    }
    assert made == {
        name: (definition["label"], definition["description"])
        for name, definition in CONNECTION_TYPE["conn-fields"].items()
    }


def behaviour_in_python() -> dict[str, Any]:
    declared = CONNECTION_TYPE["ui-field-behaviour"]
    return {
        "hidden_fields": declared["hidden-fields"],
        "relabeling": declared["relabeling"],
        "placeholders": declared["placeholders"],
    }


def label_and_help(field: Any) -> tuple[str, str]:
    """Read an extra field in Airflow's form: a dict from 3.2 on, a field of WTForms before."""
    if isinstance(field, dict):
        return field["schema"]["title"], field["description"]
    (label,) = field.args
    return str(label), field.kwargs["description"]


def test_extras_declare_no_default_because_airflow_would_store_it() -> None:
    assert all("default" not in definition["schema"] for definition in CONNECTION_TYPE["conn-fields"].values())
