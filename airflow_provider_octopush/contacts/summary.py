"""The public address of summaries, for Dags; ``sync/summary.py`` is where they live."""

from __future__ import annotations

from airflow_provider_octopush.sync.summary import (
    DeletionSummary,
    ListSummary,
    MissingSummaryError,
    Summary,
    merge_summaries,
)

__all__ = ["DeletionSummary", "ListSummary", "MissingSummaryError", "Summary", "merge_summaries"]
