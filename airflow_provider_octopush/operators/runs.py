"""
One run of an operator: hands its rendered parameters to the parts that do the work.

Imported when a task runs: a Dag file must not pay for these parts.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_provider_octopush.assets.events import describe_outlets
from airflow_provider_octopush.contacts.fields import REGION
from airflow_provider_octopush.contacts.mapping import ContactMapper, RowReader
from airflow_provider_octopush.delivery.delivery import Delivery
from airflow_provider_octopush.delivery.retry import Backoff
from airflow_provider_octopush.exceptions import SET_REJECTS_PATH, FinalError, OctopushError
from airflow_provider_octopush.hooks.bounds import DEADLINE_IN_TIMEOUTS
from airflow_provider_octopush.limits import Limit
from airflow_provider_octopush.observability.hook_lineage import report_list, report_query
from airflow_provider_octopush.observability.metrics import send_metrics
from airflow_provider_octopush.observability.openlineage import add_list, lineage_of_hooks, lineage_of_query
from airflow_provider_octopush.operators.parameters import ParameterError, check_absolute, check_written_names
from airflow_provider_octopush.operators.snapshots import account_of, keys_of, map_index_of, run_of
from airflow_provider_octopush.operators.sql_hook import sql_hook
from airflow_provider_octopush.operators.upstream_rows import upstream_frames
from airflow_provider_octopush.operators.wholeness import Wholeness, wholeness
from airflow_provider_octopush.paths import uri_of
from airflow_provider_octopush.phones.erasable import ErasableNumbers
from airflow_provider_octopush.phones.possible import PossibleNumbers
from airflow_provider_octopush.phones.reader import PhoneReader
from airflow_provider_octopush.phones.regions import checked_regions
from airflow_provider_octopush.snapshot.journal import Run
from airflow_provider_octopush.snapshot.opening import open_snapshot
from airflow_provider_octopush.snapshot.path_store import open_store
from airflow_provider_octopush.snapshot.snapshot_file import Identity
from airflow_provider_octopush.sources.data_path import find_files
from airflow_provider_octopush.sources.files import read_files
from airflow_provider_octopush.sources.sql import read_sql
from airflow_provider_octopush.sources.upstream import read_upstream
from airflow_provider_octopush.sync.create import AnySummary, ContactSync
from airflow_provider_octopush.sync.csv_file import CsvFile
from airflow_provider_octopush.sync.csv_path import of_instance, of_refusal, open_csv
from airflow_provider_octopush.sync.delete import ContactDeletion
from airflow_provider_octopush.sync.rejects import RefusalFile, RejectsFile
from airflow_provider_octopush.sync.summary import CreateSummary, DeletionSummary, Summary

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_octopush.operators.base import RowsOperator, SendingOperator
    from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
    from airflow_provider_octopush.operators.delete_contacts import DeleteContactsOperator
    from airflow_provider_octopush.payloads import ContactItem
    from airflow_provider_octopush.snapshot.snapshot import Snapshot
    from airflow_provider_octopush.sync.create import Frames
    from airflow_provider_octopush.sync.diff import Diff

log = logging.getLogger(__name__)

Csv = TypeVar("Csv", bound=CsvFile)

#: A file that the run writes, and its URI; None where none is asked for.
Written: TypeAlias = tuple[Csv | None, str | None]


class Killable(Protocol):
    """Something that can be asked to stop."""

    def kill(self) -> None:
        """End it, from another thread: it sends nothing more and waits for no answer."""


class TaskRun(ABC):
    """
    What the runs of all operators share: the source of rows, the file of rejected ones, the report at the end.

    :param operator: the operator, with its templates rendered.
    :param context: the task's context.
    """

    def __init__(self, operator: RowsOperator, context: Context) -> None:
        self.operator = operator
        self.context = context
        self._summary: Summary | None = None
        self._sql_hook: Any = None
        self._part: Killable | None = None
        self._is_killed = False

    def execute(self) -> dict[str, Any]:
        """
        Read the rows, then send or remove their contacts.

        :return: the summary, in its XCom form.
        """
        operator = self.operator
        try:
            operator.check_rendered()
            with self._keeping_refusal():
                summary = self._bring()
        except FinalError as error:
            raise AirflowFailException(str(error)) from error
        if summary.read == 0 and operator.on_empty != "succeed":
            message = f"no rows were read, and on_empty={operator.on_empty!r}"
            raise AirflowSkipException(message) if operator.on_empty == "skip" else ValueError(message)
        if operator.outlets:
            describe_outlets(operator.outlets, self.context["outlet_events"], summary, operator.octopush_conn_id)
        return summary.as_xcom()

    def kill(self) -> None:
        """End the run, from another thread."""
        self._is_killed = True
        if self._part is not None:
            self._part.kill()

    def lineage(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """
        Return what OpenLineage is told: where the rows came from, where they went and how many there were.

        :return: None if the run did not finish.
        """
        operator = self.operator
        if self._summary is None:
            return None
        if operator.sql is not None:
            lineage = lineage_of_query(self._sql_hook, operator.sql, str(operator.sql_conn_id))
        else:
            lineage = lineage_of_hooks(operator.inlets, task_instance)
        add_list(lineage, self._summary, operator.octopush_conn_id)
        return lineage

    def frames(self) -> Frames:
        """Open the source of the rows. The caller may do so more than once."""
        operator = self.operator
        if operator.sql is not None:
            # A new hook for each reading: some keep their connection, which is closed after the rows are read.
            self._sql_hook = sql_hook(str(operator.sql_conn_id), operator.sql_hook_class, operator.sql_hook_params)
            return read_sql(self._sql_hook, operator.sql, operator.parameters)
        if operator.data_path is not None:
            return read_files(find_files(operator.data_path), operator.data_options, columns=operator.data_columns)
        if (own := operator.own_rows(self.context)) is not None:
            rows, origin = own
            return read_upstream(rows, origin=origin)
        return upstream_frames(operator.data, operator.data_columns, self.context)

    @abstractmethod
    def _bring(self) -> Summary:
        """Send or remove the rows' contacts and return the summary; raise if the outcome is not what was asked for."""

    def _start(self, part: Killable) -> None:
        """Begin the part of the run that reads and sends, which a signal ends."""
        self._part = part
        if self._is_killed:
            part.kill()

    def _wholeness(self) -> Wholeness:
        """Tell whether all upstream instances that feed the rows returned some."""
        return wholeness(self.operator.data, self.context)

    @property
    def _patience(self) -> float:
        """How many seconds a failing run waits for requests under way. A dry run has no requests, and no connection."""
        return 0.0 if self.operator.is_dry_run else DEADLINE_IN_TIMEOUTS * self.operator.hook.settings.timeout

    def _opened(self, snapshot_path: str | None, run: Run, writer: str | None) -> Snapshot:
        """Open a snapshot of the operator's list; only a run that does something writes."""
        operator = self.operator
        check_absolute("snapshot_path", snapshot_path)
        settings = operator.hook.settings
        identity = Identity(account_of(settings), operator.list_name, writer)
        keys = keys_of(settings, operator.octopush_conn_id)
        return open_snapshot(open_store(str(snapshot_path)), keys, identity, run, writes=not operator.is_dry_run)

    @property
    def _backoff(self) -> Backoff:
        return Backoff(self.operator.hook.settings.request_retries)

    @property
    def _max_rejected(self) -> Limit:
        return Limit.of("max_rejected", self.operator.max_rejected) or Limit(number=0)

    # Files beside the run.

    def _rejects(self, path: str | None, fields: Sequence[str]) -> AbstractContextManager[Written[RejectsFile]]:
        """Open a file for rejected rows, and give its URI too, for the summary."""
        return self._csv(path, partial(RejectsFile, fields=fields))

    @contextmanager
    def _csv(self, path: str | None, make: Callable[[Path], Csv]) -> Iterator[Written[Csv]]:
        if not path:
            yield None, None
            return
        path = of_instance(path, map_index_of(self.context))
        with open_csv(path, make) as file:
            yield file, uri_of(path)

    @contextmanager
    def _keeping_refusal(self) -> Iterator[None]:
        """Let the failure that ends a run say where Octopush's own words are: in a file beside the rejected rows."""
        try:
            yield
        except OctopushError as error:
            if error.full_message() is not None:
                path = self.operator.rejects_path
                error.add_to_text(self._keep_refusal(error, path) if path else SET_REJECTS_PATH)
            raise

    def _keep_refusal(self, error: OctopushError, rejects_path: str) -> str:
        try:
            with self._csv(of_refusal(rejects_path), RefusalFile) as (file, uri):
                if file is not None:
                    file.write(error)
        except Exception:
            # The failure that ended the run must stay the one that is raised.
            log.exception("what Octopush said could not be written beside rejects_path")
            return "Octopush's own words could not be written beside rejects_path: the log says why"
        return f"Octopush's own words may quote contacts, so they are in {uri}"

    # The end.

    def _tell(self, summary: Summary) -> None:
        """Show the summary everywhere, before the task may fail: a failed task shows it too."""
        operator = self.operator
        operator.log.info("summary\n%s", summary.table())
        if operator.do_xcom_push:
            self.context["ti"].xcom_push(key="return_value", value=summary.as_xcom())
        self._summary = summary
        if summary.read or operator.on_empty != "fail":
            # Without rows the task is retried, and would count everything again.
            send_metrics(summary, dag_id=operator.dag_id, task_id=operator.task_id)
        if operator.sql is not None:
            report_query(self._sql_hook, operator.sql, summary.read)
        if summary.list_name is not None and not summary.dry_run:
            report_list(operator.hook, summary.list_name, operator.octopush_conn_id)


def check_regions(operator: RowsOperator) -> None:
    """
    Check that the regions of an operator have phone numbers.

    :raises ParameterError: when one has none.
    """
    try:
        checked_regions(operator.default_region or ())
    except ValueError as error:
        raise ParameterError(str(error)) from None


class SendingRun(TaskRun):
    """Shared by runs that send contacts."""

    operator: SendingOperator

    def _mapper(self, possible: PossibleNumbers | None = None) -> ContactMapper:
        operator = self.operator
        reader = PhoneReader(operator.default_region or (), operator.phone_check, operator.number_format)
        return ContactMapper(operator.columns or {}, reader, possible)

    def _contact_sync(
        self,
        mapper: ContactMapper,
        summary: AnySummary,
        rejects: RejectsFile | None,
        post: Callable[[bytes], Sequence[ContactItem]],
        diff: Diff | None = None,
        do_not_overwrite: bool | None = None,
    ) -> ContactSync[AnySummary]:
        """
        Return what reads and sends; in a dry run, it only reads.

        :param post: sends an encoded chunk.
        """
        operator = self.operator
        delivery = abort = None
        if not operator.is_dry_run:
            encode = partial(
                operator.hook.encode_contacts,
                list_name=operator.list_name,
                tag_name=operator.tag_name,
                auto_remove_blacklisted_numbers=operator.auto_remove_blacklisted_numbers,
                do_not_overwrite=do_not_overwrite,
            )
            delivery, abort = Delivery(encode, post, self._backoff), operator.hook.abort
        return ContactSync(
            mapper,
            delivery,
            summary,
            chunk_size=operator.chunk_size,
            concurrency=operator.concurrency,
            patience=self._patience,
            abort=abort,
            rejects=rejects,
            diff=diff,
        )


class CreateRun(SendingRun):
    """One run of ``CreateContactsOperator``."""

    operator: CreateContactsOperator

    def _bring(self) -> Summary:
        operator = self.operator
        check_written_names(list_name=operator.list_name, tag_name=operator.tag_name)
        upstream = self._wholeness()
        upstream.check_zipped("nothing is sent")
        if not upstream.is_whole:
            operator.log.warning("%s: the rows that came are sent", upstream)
        limit = self._max_rejected
        check_regions(operator)
        mapper = self._mapper()
        with self._rejects(operator.rejects_path, mapper.fields) as (rejects, rejects_path):
            summary = CreateSummary(
                list_name=operator.list_name,
                tag_name=operator.tag_name,
                dry_run=operator.is_dry_run,
                rejects_path=rejects_path,
            )
            sync = self._contact_sync(mapper, summary, rejects, self._post, do_not_overwrite=operator.do_not_overwrite)
            self._start(sync)
            summary = sync.run(self.frames)
        self._tell(summary)
        upstream.check_failed("the rows that came were sent")
        summary.check_rejected(limit, removes_blacklisted=bool(operator.auto_remove_blacklisted_numbers))
        return summary

    def _post(self, body: bytes) -> Sequence[ContactItem]:
        return self.operator.hook.post_contacts(body)


class DeleteRun(TaskRun):
    """One run of ``DeleteContactsOperator``."""

    operator: DeleteContactsOperator

    def _bring(self) -> Summary:
        operator = self.operator
        check_written_names(list_name=operator.list_name, needs_list=not operator.from_account)
        self._wholeness().check("nothing is removed")
        limit = self._max_rejected
        check_regions(operator)
        rows = RowReader(operator.columns or {}, ("phone_number", REGION))
        # A snapshot that cannot be used must show before anything is removed.
        with (
            self._snapshot() as snapshot,
            self._rejects(operator.rejects_path, rows.fields) as (rejects, rejects_path),
        ):
            summary = DeletionSummary(
                list_name=operator.list_name, dry_run=operator.is_dry_run, rejects_path=rejects_path
            )
            countries = () if snapshot is None else snapshot.countries
            possible = ErasableNumbers(operator.default_region or (), countries, operator.number_format)
            deletion = ContactDeletion(rows, possible, self._delete, self._backoff, summary, snapshot, rejects)
            self._start(deletion)
            deletion.run(self.frames)
        self._tell(summary)
        deletion.check(limit)
        return summary

    def _delete(self, numbers: Sequence[str]) -> None:
        operator = self.operator
        if operator.from_account:
            operator.hook.delete_contacts_from_account(numbers)
        else:
            operator.hook.delete_contacts(numbers, list_name=str(operator.list_name))

    @contextmanager
    def _snapshot(self) -> Iterator[Snapshot | None]:
        operator = self.operator
        if not operator.snapshot_path:
            yield None
            return
        # This is not the task that writes the snapshot, so no writer is compared: the secret is enough to erase a
        # person.
        run = Run(f"erase {run_of(self.context)}", erases=not operator.is_dry_run)
        with self._opened(operator.snapshot_path, run, None) as snapshot:
            yield snapshot
