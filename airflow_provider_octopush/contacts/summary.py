"""The public address of summaries, for Dags; ``sync/summary.py`` is where they live."""

from __future__ import annotations

from airflow_provider_octopush.sync.summary import MissingSummaryError, Summary, merge_summaries

__all__ = ["MissingSummaryError", "Summary", "merge_summaries"]
