"""Merges summaries: of the parts of a table, or of several lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import takewhile
from typing import Any

from airflow_provider_octopush.sync.summary import CreateSummary, ListSummary, Summary

#: Counts that are added up, besides the outcomes and those that only some operators have.
_ADDED_UP = ("read", "requests", "retries")


class MissingSummaryError(ValueError):
    """A part has no summary, so the outcome of its rows is not known: look at its task, and run it again."""


def merge_summaries(summaries: Iterable[Mapping[str, Any] | None], *, parts: int | None = None) -> dict[str, Any]:
    """
    Merge the summaries of several parts, such as the mapped tasks of one operator.

    The counts add up to those of one run over all rows, with one difference: a number in two parts is a duplicate in
    neither.

    .. code-block:: python

        @task(trigger_rule="all_done")
        def merge(summaries):
            return merge_summaries(summaries, parts=4)

    :param summaries: the parts' summaries in their XCom form, such as the output of a mapped task.
    :param parts: how many there must be. Set it wherever parts may fail: Airflow leaves out a mapped task that failed
        before it had a summary, so without this number the gap would not show.
    :return: a summary in its XCom form. Counts, requests, retries and reasons are added up. ``list_name`` and
        ``tag_name`` are those of all parts, or None where they differ. ``duration_seconds`` is that of the longest
        part. The whole took at least as long, and longer if parts waited for each other: the summaries do not say when
        parts began. ``rejects_path`` is the path of all parts, or the folder that holds them all, or None where there
        is neither.
    :raises MissingSummaryError: when a summary is None, when there are fewer or more than ``parts``, and when there are
        none although ``parts`` is not 0.
    :raises ValueError: when one is not a summary, when only some parts are dry runs, and when their operations differ.
    :raises RuntimeError: when the counts of a part do not add up.
    """
    merged: list[Summary] = []
    missing = 0
    for values in summaries:
        if values is None:
            missing += 1
        else:
            merged.append(Summary.from_xcom(values))
            merged[-1].check()
    expected = len(merged) + missing if parts is None else parts
    if len(merged) != expected or (not merged and parts is None):
        raise MissingSummaryError(
            f"{len(merged)} of {expected} parts have a summary: a part that fails early has none. The outcome of its "
            "rows is not known: look at its task's log, clear the task, then merge again"
        )
    if len({part.dry_run for part in merged}) > 1:
        raise ValueError(
            "only some parts were run with dry_run: these count what was not done, so they cannot be added to the "
            "others"
        )
    if len(operations := {part.operation for part in merged}) > 1:
        raise ValueError(
            f"the parts are of different operations, {' and '.join(sorted(operations))}: they do not have the same "
            "counts"
        )
    return _merged(merged).as_xcom()


def _merged(parts: Collection[Summary]) -> Summary:
    kind: type[Summary] = next((type(part) for part in parts), CreateSummary)
    whole = kind(
        list_name=_shared(part.list_name for part in parts),
        duration_seconds=max((part.duration_seconds for part in parts), default=0.0),
        dry_run=any(part.dry_run for part in parts),
        rejects_path=_shared_path({part.rejects_path for part in parts if part.rejects_path is not None}),
    )
    for name in dict.fromkeys((*_ADDED_UP, *kind.outcomes, *kind.more_counts)):
        setattr(whole, name, sum(getattr(part, name) for part in parts))
    if isinstance(whole, CreateSummary):
        whole.tag_name = _shared(part.tag_name for part in parts if isinstance(part, CreateSummary))
    reasons: Counter[str] = sum((part.reasons for part in parts), Counter())
    # The most frequent first, so that these keep their names if there are too many.
    for reason, number in reasons.most_common():
        whole.count_reason(reason, number)
    if isinstance(whole, ListSummary):
        lists = [part for part in parts if isinstance(part, ListSummary)]
        whole.exceeded = [one for part in lists for one in part.exceeded]
        whole.first_run = any(part.first_run for part in lists)
        whole.kept_reason = _shared(part.kept_reason for part in lists if part.kept)
        whole.changes_path = _shared_path({part.changes_path for part in lists if part.changes_path is not None})
    whole.check()
    return whole


def _shared(values: Iterable[str | None]) -> str | None:
    """Return the value that all have; None when they differ."""
    different = set(values)
    return different.pop() if len(different) == 1 else None


def _shared_path(paths: Collection[str]) -> str | None:
    """Return the path that all have, or the folder that all are in; None when there is none."""
    if len(paths) < 2:
        return next(iter(paths), None)
    names = zip(*(path.split("/") for path in paths), strict=False)
    shared = [same[0] for same in takewhile(lambda names: len(set(names)) == 1, names)]
    scheme_alone = not any(shared[1:])
    return None if scheme_alone else "/".join(shared)
