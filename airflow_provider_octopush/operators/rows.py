"""
What all operators that take rows to Octopush share: where rows come from, how they are read, what becomes of them.

Importing an operator must cost a Dag file next to nothing, so what only a running task needs is imported in methods.
"""

from __future__ import annotations

import _thread
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol

from airflow.providers.common.compat.sdk import AirflowSkipException, BaseOperator, XComArg

from airflow_provider_octopush.assets.events import describe_outlets
from airflow_provider_octopush.assets.lists import DEFAULT_CONNECTION
from airflow_provider_octopush.history.link import SYNC_HISTORY
from airflow_provider_octopush.operators.parameters import (
    OnEmpty,
    check_columns,
    check_data_columns,
    check_data_options,
    check_max_rejected,
    check_on_empty,
    check_one_source,
    check_path,
    check_phone_check,
    check_rendered,
    check_rendered_columns,
    check_source_options,
    check_sql,
    check_without_plus,
)

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_octopush.contacts.mapping import ContactMapper
    from airflow_provider_octopush.delivery.delivery import Delivery
    from airflow_provider_octopush.exceptions import OctopushError
    from airflow_provider_octopush.hooks.octopush import OctopushHook
    from airflow_provider_octopush.operators.upstream import Wholeness
    from airflow_provider_octopush.payloads import ContactItem
    from airflow_provider_octopush.phones.options import PhoneCheck, WithoutPlus
    from airflow_provider_octopush.phones.possible import PossibleNumbers
    from airflow_provider_octopush.phones.reader import PhoneReader
    from airflow_provider_octopush.sync.create import ContactSync, Frames
    from airflow_provider_octopush.sync.csv_path import File
    from airflow_provider_octopush.sync.rejects import RejectsFile
    from airflow_provider_octopush.sync.summary import Summary


class Killable(Protocol):
    """Something that can be told to end."""

    def kill(self) -> None:
        """End it, from another thread: nothing more is sent, and nobody waits for an answer."""


class RowsOperator(BaseOperator):
    """
    Base of the operators that read rows, turn them into contacts and end in a summary.

    Its parameters are explained where people look: with the operators that have them.
    """

    template_fields: Sequence[str] = (
        "data_path",
        "data_options",
        "sql",
        "sql_conn_id",
        "parameters",
        "sql_hook_params",
        "columns",
        "default_region",
        "rejects_path",
        "list_name",
        "octopush_conn_id",
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {  # noqa: RUF012 - Airflow declares it as an instance variable
        "data_options": "json",
        "sql": "sql",
        "parameters": "json",
        "sql_hook_params": "json",
        "columns": "json",
    }
    operator_extra_links = SYNC_HISTORY
    ui_color = "#e4dcf7"

    def __init__(
        self,
        *,
        data: Any = None,
        data_columns: Sequence[str] | None = None,
        data_path: str | None = None,
        data_options: Mapping[str, Any] | None = None,
        sql: str | None = None,
        sql_conn_id: str | None = None,
        parameters: Mapping[str, Any] | Sequence[Any] | None = None,
        sql_hook_params: Mapping[str, Any] | None = None,
        sql_hook_class: type | str | None = None,
        columns: Mapping[str, str] | None = None,
        default_region: str | Sequence[str] | None = None,
        phone_check: PhoneCheck = "format",
        without_plus: WithoutPlus = "national",
        list_name: str | None = None,
        on_empty: OnEmpty = "succeed",
        max_rejected: float = 0,
        rejects_path: str | None = None,
        validate_only: bool = False,
        octopush_conn_id: str = DEFAULT_CONNECTION,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_one_source(data=data, data_path=data_path, sql=sql)
        if data_path is not None:
            check_path("data_path", data_path)
            check_data_options(data_path, data_options)
        else:
            check_source_options("data_path", {"data_options": data_options})
        if sql is not None:
            check_source_options("data=… or data_path", {"data_columns": data_columns})
            check_sql("sql", sql)
            if sql_conn_id is None:
                raise ValueError("sql needs a connection to run on: write sql_conn_id=…")
        check_data_columns(data_columns)
        check_on_empty(on_empty)
        check_phone_check(phone_check)
        check_without_plus(without_plus)
        check_max_rejected(max_rejected)
        check_columns(columns)
        self.data_columns = data_columns
        self.data_path = data_path
        self.data_options = data_options
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.parameters = parameters
        self.sql_hook_params = sql_hook_params
        self.sql_hook_class = sql_hook_class
        self.columns = columns
        self.default_region = default_region
        self.phone_check = phone_check
        self.without_plus = without_plus
        self.list_name = list_name
        self.on_empty = on_empty
        self.max_rejected = max_rejected
        self.rejects_path = rejects_path
        self.validate_only = validate_only
        self.octopush_conn_id = octopush_conn_id
        # No template field: its rows would be kept as rendered fields, shown in the UI, and evaluated as templates.
        self._data = data
        XComArg.apply_upstream_relationship(self, data)
        #: As they are written in the Dag, so that an error can name the one that renders to something wrong.
        self._templates: dict[str, Any] = {
            "list_name": list_name,
            "rejects_path": rejects_path,
            "data_path": data_path,
            "sql": sql,
        }
        self._columns_template = columns
        self._summary: Summary | None = None
        self._running: Killable | None = None
        self._is_told_to_end = False

    @cached_property
    def hook(self) -> OctopushHook:
        """The hook that talks to Octopush."""
        from airflow_provider_octopush.hooks.octopush import OctopushHook

        return OctopushHook(self.octopush_conn_id)

    @cached_property
    def _sql_hook(self) -> Any:
        from airflow_provider_octopush.operators.sources import sql_hook

        return sql_hook(str(self.sql_conn_id), self.sql_hook_class, self.sql_hook_params)

    def execute(self, context: Context) -> dict[str, Any]:
        """
        Run the task: read the rows, and bring them where they belong.

        :return: the summary.
        """
        from airflow_provider_octopush.operators.failures import no_retry_for_final_errors

        self._summary = None
        with no_retry_for_final_errors():
            for name, template in self._templates.items():
                check_rendered(name, template, getattr(self, name))
            check_rendered_columns(self._columns_template, self.columns)
            with self._keeping_refusal(context):
                summary = self._sync(context)
        if summary.read == 0 and self.on_empty != "succeed":
            message = f"no row was read, and on_empty={self.on_empty!r}"
            raise AirflowSkipException(message) if self.on_empty == "skip" else ValueError(message)
        if self.outlets:
            describe_outlets(self.outlets, context["outlet_events"], summary, self.octopush_conn_id)
        return summary.as_xcom()

    def on_kill(self) -> None:
        """End the sending at once; called by Airflow in the signal handler of the task's process."""
        self._is_told_to_end = True
        if "hook" in vars(self):
            # Whatever is under way: contacts that are sent, or removed.
            self.hook.abort()
        if self._running is not None:
            # In a thread: if the code that this handler interrupts holds a lock, the handler would wait for it forever.
            _thread.start_new_thread(self._running.kill, ())

    def _run(self, sync: ContactSync[Summary], context: Context) -> Summary:
        self._make_killable(sync)
        return sync.run(partial(self._frames, context))

    def _make_killable(self, running: Killable) -> None:
        self._running = running
        if self._is_told_to_end:
            running.kill()

    @abstractmethod
    def _sync(self, context: Context) -> Summary:
        """Bring the rows where they belong, and return what became of them; raise if that is not what was asked for."""

    def _wholeness(self, context: Context) -> Wholeness:
        """Tell whether all upstream instances that feed the rows gave some."""
        from airflow_provider_octopush.operators.upstream import wholeness

        return wholeness(self._data, context)

    def _frames(self, context: Context) -> Frames:
        if self.sql is not None:
            from airflow_provider_octopush.sources.sql import read_sql

            # A new hook for each reading: some keep their connection, which is closed when the rows are read.
            self.__dict__.pop("_sql_hook", None)
            return read_sql(self._sql_hook, self.sql, self.parameters)
        if self.data_path is not None:
            from airflow_provider_octopush.sources.data_path import find_files
            from airflow_provider_octopush.sources.files import read_files

            return read_files(find_files(self.data_path), self.data_options, columns=self.data_columns)
        from airflow_provider_octopush.operators.sources import upstream_frames

        return upstream_frames(self._data, self.data_columns, context)

    def _ends(self) -> dict[str, Any]:
        """Return how long a run waits for requests when it fails, and how it ends them when it must not wait."""
        if self.validate_only:
            return {}
        from airflow_provider_octopush.hooks.bounds import DEADLINE_IN_TIMEOUTS

        return {"patience": DEADLINE_IN_TIMEOUTS * self.hook.settings.timeout, "abort": self.hook.abort}

    def _delivery_with(self, post: Callable[[bytes], Sequence[ContactItem]], **options: Any) -> Delivery:
        """
        Return what delivers contacts.

        :param post: posts a body to ``contact/create``.
        :param options: of ``contact/create``.
        """
        from airflow_provider_octopush.delivery.delivery import Delivery
        from airflow_provider_octopush.delivery.retry import Backoff

        encode = partial(self.hook.encode_contacts, **options)
        return Delivery(encode, post, Backoff(self.hook.settings.retries))

    def _mapper(self, possible: PossibleNumbers | None = None) -> ContactMapper:
        from airflow_provider_octopush.contacts.mapping import ContactMapper

        return ContactMapper(self.columns or {}, self._phone_reader(), possible)

    def _phone_reader(self) -> PhoneReader:
        from airflow_provider_octopush.phones.reader import PhoneReader

        return PhoneReader(self.default_region or (), self.phone_check, self.without_plus)

    @contextmanager
    def _keeping_refusal(self, context: Context) -> Iterator[None]:
        """Let the failure that ends a run say where Octopush's own words are: in a file beside the rejected rows."""
        from airflow_provider_octopush.exceptions import SET_REJECTS_PATH, OctopushError

        try:
            yield
        except OctopushError as error:
            if error.full_message() is not None:
                error.add_to_text(
                    self._keep_refusal(error, self.rejects_path, context) if self.rejects_path else SET_REJECTS_PATH
                )
            raise

    def _keep_refusal(self, error: OctopushError, rejects_path: str, context: Context) -> str:
        from airflow_provider_octopush.sync.csv_path import of_refusal
        from airflow_provider_octopush.sync.rejects import RefusalFile

        try:
            with self._csv_at(of_refusal(rejects_path), context, RefusalFile) as (file, uri):
                if file is not None:
                    file.write(error)
        except Exception:
            # The failure that ended the run is the one to be seen.
            self.log.exception("what Octopush said could not be written beside rejects_path")
            return "Octopush's own words could not be written beside rejects_path: the log says why"
        return f"Octopush's own words may quote contacts, so they are in {uri}"

    def _rejects(
        self, context: Context, fields: Sequence[str]
    ) -> AbstractContextManager[tuple[RejectsFile | None, str | None]]:
        """Open the file for rejected rows, and give its URI too, for the summary."""
        return self._rejects_at(self.rejects_path, context, fields)

    def _rejects_at(
        self, path: str | None, context: Context, fields: Sequence[str]
    ) -> AbstractContextManager[tuple[RejectsFile | None, str | None]]:
        from airflow_provider_octopush.sync.rejects import RejectsFile

        return self._csv_at(path, context, partial(RejectsFile, fields=fields))

    @contextmanager
    def _csv_at(
        self, path: str | None, context: Context, make: Callable[[Path], File]
    ) -> Iterator[tuple[File | None, str | None]]:
        if not path:
            yield None, None
            return
        from airflow_provider_octopush.paths import uri_of
        from airflow_provider_octopush.sync.csv_path import of_instance, open_csv

        path = of_instance(path, -1 if (index := context["ti"].map_index) is None else index)
        with open_csv(path, make) as file:
            yield file, uri_of(path)

    def _tell(self, summary: Summary, context: Context) -> None:
        """Show the summary wherever people look for it, before the task may fail: a failed task shows it too."""
        from airflow_provider_octopush.observability.hook_lineage import report_list, report_query
        from airflow_provider_octopush.observability.metrics import send_metrics

        self.log.info("summary\n%s", summary.table())
        if self.do_xcom_push:
            context["ti"].xcom_push(key="return_value", value=summary.as_xcom())
        self._summary = summary
        if summary.read or self.on_empty != "fail":
            # Without a row the task is retried, and whatever was counted would be counted again.
            send_metrics(summary, dag_id=self.dag_id, task_id=self.task_id)
        if self.sql is not None:
            report_query(self._sql_hook, self.sql, summary.read)
        if summary.list_name is not None and not summary.validate_only:
            report_list(self.hook, summary.list_name, self.octopush_conn_id)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """
        Tell OpenLineage where the rows came from, where they went to, and how many; called by its provider.

        :param task_instance: of the task that has ended, whether it succeeded or not.
        :return: None if the run did not come to its end, or if OpenLineage is not installed.
        """
        from airflow_provider_octopush.observability.openlineage import (
            add_list,
            is_installed,
            lineage_of_hooks,
            lineage_of_query,
        )

        if self._summary is None or not is_installed():
            return None
        if self.sql is not None:
            lineage = lineage_of_query(self._sql_hook, self.sql, str(self.sql_conn_id))
        else:
            lineage = lineage_of_hooks(self.inlets, task_instance)
        add_list(lineage, self._summary, self.octopush_conn_id)
        return lineage
