from __future__ import annotations

from typing import Any

_ASSET_URIS = [
    {
        "schemes": ["octopush"],
        "handler": "airflow_provider_octopush.assets.lists.sanitize_uri",
        "factory": "airflow_provider_octopush.assets.lists.create_asset",
        "to_openlineage_converter": "airflow_provider_octopush.assets.lists.convert_asset_to_openlineage",
    }
]


def get_provider_info() -> dict[str, Any]:
    """Tell Airflow what this package provides; the keys are those of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-provider-octopush",
        "name": "Octopush",
        "description": "`Octopush <https://www.octopush.com/>`__ SMS: lists in step with a warehouse.",
        "integrations": [
            {
                "integration-name": "Octopush",
                "external-doc-url": "https://dev.octopush.com/",
                "tags": ["service"],
            }
        ],
        "hooks": [
            {
                "integration-name": "Octopush",
                "python-modules": ["airflow_provider_octopush.hooks.octopush"],
            }
        ],
        "operators": [
            {
                "integration-name": "Octopush",
                "python-modules": [
                    "airflow_provider_octopush.operators.create_contacts",
                    "airflow_provider_octopush.operators.delete_contacts",
                    "airflow_provider_octopush.operators.sync_list",
                ],
            }
        ],
        "asset-uris": _ASSET_URIS,
        # What Airflow 2 reads.
        "dataset-uris": _ASSET_URIS,
        "task-decorators": [
            {
                "name": "octopush_contacts",
                "class-name": "airflow_provider_octopush.decorators.octopush_contacts.octopush_contacts_task",
            },
            {
                "name": "octopush_list",
                "class-name": "airflow_provider_octopush.decorators.octopush_list.octopush_list_task",
            },
        ],
        "connection-types": [
            {
                "connection-type": "octopush",
                "hook-class-name": "airflow_provider_octopush.hooks.octopush.OctopushHook",
                "hook-name": "Octopush",
                "ui-field-behaviour": {
                    # A port can be part of the base URL, but its field stays: if it is empty, the Test button of
                    # Airflow 3.3.1 and 3.3.2 fails (https://github.com/apache/airflow/pull/73298).
                    "hidden-fields": ["schema", "extra"],
                    "relabeling": {
                        "login": "API login",
                        "password": "API key",
                        "host": "Base URL",
                        # Airflow 3 shows no placeholder there.
                        "port": "Port (the URL's, or 443)",
                    },
                    "placeholders": {
                        "login": "the e-mail address of the Octopush account",
                        "password": "the API key of that account",
                        "host": "https://api.octopush.com/v1/public",
                    },
                },
                "conn-fields": {
                    "timeout": {
                        "label": "Timeout",
                        "description": "Seconds to wait for the API to connect and to answer; 30 if empty.",
                        "schema": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 3600},
                    },
                    "request_retries": {
                        "label": "Request retries",
                        "description": "How often a request that failed temporarily is repeated; 5 if empty.",
                        "schema": {"type": ["integer", "null"], "minimum": 0},
                    },
                    "snapshot_secret": {
                        "label": "Snapshot secret",
                        "description": "The secret that snapshots of lists are sealed with, at least 32 characters. "
                        "Separate several with commas: the first one writes.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                },
            }
        ],
    }
