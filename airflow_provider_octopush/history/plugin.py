"""The plugin that Airflow loads: the menu item Octopush, and the app that serves its page."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import AirflowPlugin
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

from airflow_provider_octopush.history.link import MOUNT


class OctopushPlugin(AirflowPlugin):
    """
    Airflow's menu item *Octopush*.

    Every process of every version of Airflow loads plugins. Only an API server that can show the page asks for
    ``fastapi_apps``, so only there is the app imported.
    """

    name = "octopush"

    if AIRFLOW_V_3_1_PLUS:
        external_views = [
            {
                "name": "Octopush",
                # Relative, because Airflow's address may have a path.
                "href": f"{MOUNT}/",
                "destination": "nav",
                "category": "browse",
                "url_route": MOUNT,
                "icon": f"{MOUNT}/icon.svg",
            }
        ]

        # In Airflow's class this is a list; Airflow reads it from an instance of the plugin.
        @property
        def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
            from airflow_provider_octopush.history.app import create_app

            return [{"name": "octopush", "app": create_app(), "url_prefix": f"/{MOUNT}"}]
