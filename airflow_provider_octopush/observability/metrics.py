"""The counts of a run as metrics, through Airflow's own ``Stats``: StatsD, OpenTelemetry or nothing, as configured."""

from __future__ import annotations

import datetime as dt

from airflow.providers.common.compat.sdk import Stats

from airflow_provider_octopush.sync.summary import Summary


def send_metrics(summary: Summary, *, dag_id: str, task_id: str) -> None:
    """
    Send the counts of a run, including zeros: a missing series would look like a task that did not run.

    Called once, when a run has finished: the summary of a sync also counts what its earlier tries did. With ``dry_run``
    nothing was sent, so nothing is counted.

    :param summary: the run's summary.
    :param dag_id: a tag, if tags are on.
    :param task_id: a tag, if tags are on.
    """
    if summary.dry_run:
        return
    tags = {"dag_id": dag_id, "task_id": task_id}
    for outcome in dict.fromkeys((*summary.outcomes, *summary.more_metrics)):
        Stats.incr(f"octopush.contacts.{outcome}", getattr(summary, outcome), tags=tags)
    Stats.incr("octopush.requests", summary.requests, tags=tags)
    Stats.incr("octopush.retries", summary.retries, tags=tags)
    Stats.timing("octopush.duration", dt.timedelta(seconds=summary.duration_seconds), tags=tags)
