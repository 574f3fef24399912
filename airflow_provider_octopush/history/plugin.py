"""What Airflow loads as a plugin: the page Octopush in its menu, and what serves that page."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import AirflowPlugin
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

from airflow_provider_octopush.history.link import MOUNT


class OctopushPlugin(AirflowPlugin):
    """
    Airflow's menu item *Octopush*.

    Airflow loads plugins in each of its processes, and on each of its versions; only an API server that can show the
    page asks for ``fastapi_apps``, so only there is anything imported for it.
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

        # Airflow's is a list that is there from the start; it asks an instance of the plugin for it.
        @property
        def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
            from airflow_provider_octopush.history.app import create_app

            return [{"name": "octopush", "app": create_app(), "url_prefix": f"/{MOUNT}"}]
