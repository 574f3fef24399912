"""
The content of a task's OpenLineage event: where the rows came from, which list they went to, and how many there were.

OpenLineage may not be installed, so it is imported only in functions, which only its own provider calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import TaskInstanceState

from airflow_provider_octopush.assets.lists import convert_asset_to_openlineage, create_asset
from airflow_provider_octopush.sync.summary import Summary

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    Lineage = OperatorLineage[Any, Any]

#: The name of the run facet with the counts, and what it holds besides the outcomes.
FACET = "octopush_contacts"
_OF_EVERY_RUN = ("operation", "requests", "retries", "dry_run")


def lineage_of_query(sql_hook: Any, sql: str, sql_conn_id: str) -> Lineage:
    """
    Return the tables that a query reads, and the query itself.

    If a hook does not tell how OpenLineage names its database, only the query is returned. No database is asked.
    """
    from airflow.providers.common.compat.openlineage.facet import SQLJobFacet
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.providers.openlineage.sqlparser import SQLParser, get_openlineage_facets_with_sql

    lineage = get_openlineage_facets_with_sql(
        hook=sql_hook, sql=sql, conn_id=sql_conn_id, database=None, use_connection=False
    )
    return lineage or OperatorLineage(job_facets={"sql": SQLJobFacet(query=SQLParser.normalize_sql(sql))})


def lineage_of_hooks(inlets: list[Any], task_instance: Any) -> Lineage:
    """Return as input the task's inlets, and what the hooks used in this process have reported."""
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.providers.openlineage.extractors.manager import ExtractorManager

    make_manager: Callable[[], Any] = ExtractorManager
    manager = make_manager()
    reported = manager.get_hook_lineage(task_instance, TaskInstanceState.SUCCESS)
    inputs = list(reported.inputs) if reported else []
    inputs += [dataset for inlet in inlets if (dataset := manager.convert_to_ol_dataset(inlet))]
    return OperatorLineage(inputs=list({(data.namespace, data.name): data for data in inputs}.values()))


def add_list(lineage: Lineage, summary: Summary, octopush_conn_id: str) -> None:
    """Add the list as output, with the number of contacts written to it, and the run's counts."""
    from airflow.providers.common.compat.openlineage.facet import (
        OutputDataset,
        OutputStatisticsOutputDatasetFacet,
        RunFacet,
    )

    if summary.list_name is not None and not summary.dry_run:
        of_list = create_asset(list_name=summary.list_name, octopush_conn_id=octopush_conn_id)
        dataset = convert_asset_to_openlineage(of_list, None)
        written = OutputStatisticsOutputDatasetFacet(rowCount=summary.written)
        lineage.outputs.append(
            OutputDataset(namespace=dataset.namespace, name=dataset.name, outputFacets={"outputStatistics": written})
        )
    names = dict.fromkeys(("read", *summary.outcomes, *summary.more_counts, *_OF_EVERY_RUN))
    counts = {name: getattr(summary, name) for name in names}
    lineage.run_facets[FACET] = RunFacet().with_additional_properties(**counts)
