"""The link from a task to its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from airflow.providers.common.compat.sdk import BaseOperatorLink
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator

#: Where the page is, below Airflow's address.
MOUNT = "octopush"


class SyncHistoryLink(BaseOperatorLink):
    """The button "Sync history" on the page of a task instance."""

    name = "Sync history"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """
        Return where the history of the task is.

        :return: a URL relative to Airflow's UI, so that it leads there whatever address people have for it; a worker
            need not know that address. It is the page itself, because not everybody may see it within Airflow's: for
            who may, the page goes there.
        """
        del operator
        return f"{MOUNT}/?{urlencode({'dag_id': ti_key.dag_id, 'task_id': ti_key.task_id})}"


#: For an operator's ``operator_extra_links``: none where Airflow shows no such page.
SYNC_HISTORY: tuple[SyncHistoryLink, ...] = (SyncHistoryLink(),) if AIRFLOW_V_3_1_PLUS else ()
