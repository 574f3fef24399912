"""
One run of ``SyncListOperator``: hands its rendered parameters to the parts that do the work.

Imported when a task runs: a Dag file must not pay for these parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import phonenumbers
from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_octopush.contacts.opt_out_reader import FIELDS, OptOutReader
from airflow_provider_octopush.exceptions import OlderRunError, SnapshotLostError, StalePlanError
from airflow_provider_octopush.limits import Limit
from airflow_provider_octopush.operators.earlier_runs import has_run_before
from airflow_provider_octopush.operators.parameters import as_generation, check_written_names, is_true
from airflow_provider_octopush.operators.runs import SendingRun, check_regions
from airflow_provider_octopush.operators.snapshots import (
    dag_run_of,
    date_of,
    map_index_of,
    run_of,
    task_of,
)
from airflow_provider_octopush.operators.sql_hook import sql_hook
from airflow_provider_octopush.operators.upstream_rows import upstream_frames
from airflow_provider_octopush.operators.wholeness import wholeness
from airflow_provider_octopush.phones.possible import PossibleNumbers
from airflow_provider_octopush.snapshot.journal import Run
from airflow_provider_octopush.snapshot.snapshot import Snapshot
from airflow_provider_octopush.snapshot.snapshot_store import FIRST_RUN
from airflow_provider_octopush.sources.sql import read_sql
from airflow_provider_octopush.sync.changes import Changes, ChangesFile
from airflow_provider_octopush.sync.csv_path import of_opt_outs
from airflow_provider_octopush.sync.diff import Diff
from airflow_provider_octopush.sync.list_sync import ListSync
from airflow_provider_octopush.sync.opt_outs import OptOuts
from airflow_provider_octopush.sync.plan import Limits, Rules
from airflow_provider_octopush.sync.summary import ListSummary

if TYPE_CHECKING:
    from airflow_provider_octopush.operators.sync_list import SyncListOperator
    from airflow_provider_octopush.payloads import ContactItem
    from airflow_provider_octopush.sync.create import Frames
    from airflow_provider_octopush.sync.summary import Summary


class SyncRun(SendingRun):
    """One run of ``SyncListOperator``."""

    operator: SyncListOperator

    def _bring(self) -> Summary:
        operator = self.operator
        check_written_names(list_name=operator.list_name, tag_name=operator.tag_name, needs_list=True)
        operator.check_no_other_sync()
        upstream = self._wholeness()
        upstream.check_zipped("nothing is sent")
        wholeness(operator.opted_out, self.context).check(
            "nothing is sent, because numbers that opted out may be missing"
        )
        # A contact that seems missing may be in the rows that did not come.
        rules = self._rules(None if upstream.is_whole else str(upstream))
        check_regions(operator)
        with self._snapshot() as snapshot:
            sync, summary = self._keep_in_step(snapshot, rules)
        self._tell(summary)
        upstream.check("the rows that came were sent, and no missing contact was removed")
        sync.check(summary)
        return summary

    def _keep_in_step(self, snapshot: Snapshot, rules: Rules) -> tuple[ListSync, ListSummary]:
        operator = self.operator
        possible = PossibleNumbers(operator.default_region or (), snapshot.countries, operator.number_format)
        mapper = self._mapper(possible)
        is_full_refresh = is_true("full_refresh", operator.full_refresh)
        with (
            self._rejects(operator.rejects_path, mapper.fields) as (rejects, rejects_path),
            self._opt_outs(possible) as opt_outs,
            self._csv(operator.changes_path, self._changes_file) as (changes_file, changes_path),
        ):
            changes = Changes(snapshot, changes_file)
            diff = Diff(snapshot, changes, possible.countries, mapper.countries, full_refresh=is_full_refresh)
            summary = ListSummary(
                list_name=operator.list_name,
                tag_name=operator.tag_name,
                dry_run=operator.is_dry_run,
                rejects_path=rejects_path,
                changes_path=changes_path,
            )
            sends = self._contact_sync(mapper, summary, rejects, partial(self._post, snapshot), diff)
            removes = partial(self._delete, snapshot)
            sync = ListSync(sends, removes, self._backoff, snapshot, diff, rules, changes)
            self._start(sync)
            self._check_not_lost(snapshot, begins_anew=is_full_refresh)
            self._check_planned(snapshot)
            return sync, sync.run(self.frames, opt_outs)

    # The snapshot.

    def _snapshot(self) -> Snapshot:
        operator = self.operator
        run = Run(
            tries=run_of(self.context),
            date=date_of(self.context),
            reading=reading_of(operator),
            # Not auto_remove_blacklisted_numbers: it decides which contacts get on the list, not what the list holds of
            # them.
            meaning=msgspec.json.encode({"tag_name": operator.tag_name}),
            dag_run=dag_run_of(self.context),
            map_index=map_index_of(self.context),
        )
        # A plan writes nothing, so it may look at what another task writes.
        writer = None if operator.is_dry_run else task_of(self.context)
        try:
            return self._opened(operator.snapshot_path, run, writer)
        except OlderRunError as error:
            raise AirflowSkipException(str(error)) from None

    def _check_planned(self, snapshot: Snapshot) -> None:
        """Check that the list has not changed since the approved plan was made."""
        operator = self.operator
        planned = as_generation("plan_generation", operator.plan_generation_template, operator.plan_generation)
        if planned is not None and planned != snapshot.generation_before:
            raise StalePlanError(
                f"the plan was made from generation {planned}, but the snapshot is at {snapshot.generation_before}: "
                f"make and approve a new plan. Nothing was sent or removed ({snapshot.name})"
            )

    def _check_not_lost(self, snapshot: Snapshot, *, begins_anew: bool) -> None:
        """Check that a task that has run before does not begin anew unless it is told to."""
        list_name = self.operator.list_name
        if begins_anew or not snapshot.is_blank or not has_run_before(self.context, list_name):
            return
        message = (
            f"the snapshot is lost: this task has brought {list_name!r} in step before, but there is neither "
            f"{snapshot.name} nor anything beside it. Put both back, or correct snapshot_path. If the list is to "
            f"begin anew, {FIRST_RUN}: contacts that are missing from the rows by now stay on the list"
        )
        if not self.operator.is_dry_run:
            raise SnapshotLostError(f"{message}. Nothing was sent or removed")
        self.operator.log.warning("a run would fail: %s", message)

    # What may be done, and what does it.

    def _rules(self, is_not_whole: str | None) -> Rules:
        operator = self.operator
        return Rules(
            remove_missing=operator.remove_missing,
            limits=Limits(
                max_removed=Limit.of("max_removed", operator.max_removed),
                max_opted_out=Limit.of("max_opted_out", operator.max_opted_out),
                max_added=Limit.of("max_added", operator.max_added, may_exceed_all=True),
            ),
            min_opted_out=Limit.of("min_opted_out", operator.min_opted_out),
            max_rejected=self._max_rejected,
            removes_blacklisted=bool(operator.auto_remove_blacklisted_numbers),
            is_dry_run=operator.is_dry_run,
            is_approved=operator.plan_generation is not None,
            is_not_whole=is_not_whole,
            may_be_empty=operator.on_empty != "succeed",
        )

    def _post(self, snapshot: Snapshot, body: bytes) -> Sequence[ContactItem]:
        snapshot.other_runs.check_none_newer_if_late()
        return self.operator.hook.post_contacts(body)

    def _delete(self, snapshot: Snapshot, numbers: Sequence[str]) -> None:
        snapshot.other_runs.check_none_newer_if_late()
        self.operator.hook.delete_contacts(numbers, list_name=str(self.operator.list_name))

    def _changes_file(self, path: Path) -> ChangesFile:
        return ChangesFile(path, run=str(self.context.get("run_id") or ""))

    # Who has opted out.

    @contextmanager
    def _opt_outs(self, possible: PossibleNumbers) -> Iterator[OptOuts | None]:
        operator = self.operator
        if operator.opted_out is None and operator.opted_out_sql is None:
            yield None
            return
        source = "opted_out" if operator.opted_out_sql is None else "opted_out_sql"
        reader = OptOutReader(operator.columns or {}, possible, source)
        path = of_opt_outs(operator.rejects_path) if operator.rejects_path else None
        with self._rejects(path, FIELDS) as (rejects, rejects_path):
            yield OptOuts(self._opted_out_frames, reader, rejects, rejects_path)

    def _opted_out_frames(self) -> Frames:
        operator = self.operator
        if operator.opted_out_sql is None:
            return upstream_frames(operator.opted_out, None, self.context, parameter="opted_out")
        conn_id = operator.opted_out_conn_id or operator.sql_conn_id
        # The hook's parameters are meant for every query on their connection.
        is_same = conn_id == operator.sql_conn_id
        hook_class, params = (operator.sql_hook_class, operator.sql_hook_params) if is_same else (None, None)
        hook = sql_hook(str(conn_id), hook_class, params)
        return read_sql(hook, operator.opted_out_sql, operator.opted_out_parameters, parameter="opted_out_sql")


def reading_of(operator: SyncListOperator) -> dict[str, Any]:
    """Return everything that decides how a number is read."""
    regions = operator.default_region or ()
    columns = operator.columns or {}
    return {
        "columns": {field: columns.get(field) for field in ("phone_number", "region")},
        "default_region": [regions] if isinstance(regions, str) else list(regions),
        "phone_check": operator.phone_check,
        "number_format": operator.number_format,
        "phonenumbers": phonenumbers.__version__,
    }
