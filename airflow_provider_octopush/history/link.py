"""The link from a task to its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from airflow.providers.common.compat.sdk import BaseOperatorLink
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator

#: The page's path, below Airflow's address.
MOUNT = "octopush"


class SyncHistoryLink(BaseOperatorLink):
    """The button "Sync history" on the page of a task instance."""

    name = "Sync history"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """
        Return the URL of the task's history.

        :return: a URL relative to Airflow's UI, so that it works with whatever address people use; a worker need not
            know that address. It leads to the page itself, because not everybody may see it within Airflow's; the page
            itself takes there whoever may.
        """
        del operator
        return f"{MOUNT}/?{urlencode({'dag_id': ti_key.dag_id, 'task_id': ti_key.task_id})}"


#: For an operator's ``operator_extra_links``: empty if Airflow cannot show the page.
SYNC_HISTORY: tuple[SyncHistoryLink, ...] = (SyncHistoryLink(),) if AIRFLOW_V_3_1_PLUS else ()
