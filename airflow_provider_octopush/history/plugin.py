"""What Airflow loads as a plugin: the page Octopush in its menu, and what serves that page."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import AirflowPlugin
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

from airflow_provider_octopush.history.link import URL_ROUTE

#: Below Airflow's address. Relative, because that may have a path.
_MOUNT = "octopush"


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
                "href": f"{_MOUNT}/",
                "destination": "nav",
                "category": "browse",
                "url_route": URL_ROUTE,
                "icon": f"{_MOUNT}/icon.svg",
            }
        ]

        # Airflow's is a list that is there from the start; it asks an instance of the plugin for it.
        @property
        def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
            from airflow_provider_octopush.history.app import create_app

            return [{"name": "octopush", "app": create_app(), "url_prefix": f"/{_MOUNT}"}]
