"""The parameters that all operators share, and when they are checked."""

from __future__ import annotations

import _thread
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Unpack, get_args

from airflow.providers.common.compat.sdk import BaseOperator, XComArg

from airflow_provider_octopush.assets.lists import DEFAULT_CONNECTION
from airflow_provider_octopush.history.link import SYNC_HISTORY
from airflow_provider_octopush.operators.parameters import (
    OnEmpty,
    check_absolute,
    check_choice,
    check_columns,
    check_data_columns,
    check_data_options,
    check_default_region,
    check_different,
    check_limit,
    check_literal_names,
    check_number,
    check_one_source,
    check_path,
    check_rendered,
    check_rendered_columns,
    check_source_options,
    check_sql,
)
from airflow_provider_octopush.phones.options import NumberFormat, PhoneCheck
from airflow_provider_octopush.renamed import PARAMETERS, new_name

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_octopush.hooks.octopush import OctopushHook
    from airflow_provider_octopush.operators.keywords import BaseKeywords, RowsOperatorKeywords
    from airflow_provider_octopush.operators.runs import TaskRun


#: What a run writes; not each operator has them all.
WRITTEN_PATHS = ("rejects_path", "changes_path", "snapshot_path")


class RowsOperator(BaseOperator):
    """
    Base of the operators that read rows, turn them into contacts and end in a summary.

    :param task_id: name of the task, unique in its Dag.
    :param data: rows from upstream: what a task returned, a DataFrame (or anything that speaks Arrow, such as polars),
        a list of dicts or of other rows with named fields, or what a mapped task returned (lists of rows or
        DataFrames). Set exactly one of ``data``, ``data_path`` and ``sql``.
    :param data_columns: names for the values of rows in ``data`` that are tuples or lists, as ``get_records`` and
        ``SQLExecuteQueryOperator`` give them; or for the columns of CSV files without a row of names.
    :param data_path: a file, a folder or a glob, on any path of Airflow's object storage. The suffix says whether it is
        CSV, JSON lines or Parquet (``.csv``, ``.jsonl``, ``.ndjson``, ``.json``, ``.parquet``; all but the last also
        with ``.gz``). (templated)
    :param data_options: how the files at ``data_path`` are written. For CSV: ``delimiter``, ``quotechar``,
        ``escapechar``, ``skipinitialspace`` and ``quoting`` of Python's ``csv``, ``encoding``, and ``null``, the text
        that means NULL, such as ``{"delimiter": ";", "encoding": "cp1252"}``. For JSON lines, options of
        ``io.TextIOWrapper``; for Parquet, of ``ParquetFile.iter_batches``. (templated)
    :param sql: one query, or the path of a ``.sql`` file. (templated)
    :param sql_conn_id: connection to run the query on, with any hook of Airflow that speaks DB-API. (templated)
    :param parameters: the query's parameters, in the style of the database's driver. (templated)
    :param sql_hook_params: arguments for the hook behind ``sql_conn_id``. (templated)
    :param sql_hook_class: class of that hook, or its dotted path. Needed only if the connection's type leads to another
        hook, or to one without a database.
    :param columns: contact field → name of the column that feeds it, such as ``{"phone_number": "mobile"}``. A field
        that you do not name is fed by the column of the same name, in upper or lower case. ``region`` names a column of
        ISO country codes: each decides for its own row what ``default_region`` decides for all. (templated)
    :param default_region: country of numbers that are written without one, such as ``"FR"``, or a list of countries:
        the first one in which a number is valid wins. Without it, such numbers are invalid. (templated)
    :param number_format: how to read a number without a plus. ``national`` (default): as a number of ``default_region``
        or of its row's ``region``. ``international``: as one that begins with its country code, like an MSISDN.
    :param list_name: the list, at most 30 characters. (templated)
    :param on_empty: what the task does when there are no rows: ``succeed``, ``skip`` or ``fail``.
    :param max_rejected: how many rows may be rejected: a number, such as ``12``, or a share of the rows read, such as
        ``"5%"``. Rejected rows are those that are invalid, refused, unconfirmed or answered with an undocumented
        status. If there are more, the task fails without retries, after everything else is done. (templated)
    :param rejects_path: path or URI of a CSV for the rejected rows, on any path of Airflow's object storage. It holds
        personal data, and Octopush's own words about the rows. Its words about a refusal that ended the run are in a
        file beside it, ``rejects-refusal.csv``. An instance of a mapped task adds its map index to the name:
        ``rejects-3.csv``. (templated)
    :param dry_run: True: read and check all rows, but send, remove and remember nothing. The summary counts what would
        be done.
    :param octopush_conn_id: connection of type ``octopush``. (templated)
    :param kwargs: what every task of Airflow takes, such as ``retries`` and ``trigger_rule``.
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
        "max_rejected",
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
        task_id: str,
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
        number_format: NumberFormat = "national",
        list_name: str | None = None,
        on_empty: OnEmpty = "succeed",
        max_rejected: int | str = 0,
        rejects_path: str | None = None,
        dry_run: bool = False,
        octopush_conn_id: str = DEFAULT_CONNECTION,
        **kwargs: Unpack[BaseKeywords],
    ) -> None:
        if renamed := new_name(kwargs, PARAMETERS):
            raise TypeError(renamed)
        super().__init__(task_id=task_id, **kwargs)
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
        check_columns(columns)
        check_default_region(default_region)
        check_choice("number_format", number_format, *get_args(NumberFormat))
        check_literal_names(list_name=list_name)
        check_choice("on_empty", on_empty, *get_args(OnEmpty))
        check_limit("max_rejected", max_rejected)
        check_absolute("rejects_path", rejects_path)
        check_choice("dry_run", dry_run, True, False)
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
        self.number_format = number_format
        self.list_name = list_name
        self.on_empty = on_empty
        self.max_rejected = max_rejected
        self.rejects_path = rejects_path
        #: Not named like its parameter: Airflow has a method ``dry_run``.
        self.is_dry_run = dry_run
        self.octopush_conn_id = octopush_conn_id
        # Not a template field: its rows would be kept as rendered fields, shown in the UI, and evaluated as templates.
        self.data = data
        XComArg.apply_upstream_relationship(self, data)
        #: As the Dag writes them, so that an error can show the template that rendered wrongly.
        self._templates: dict[str, Any] = {
            "list_name": list_name,
            "rejects_path": rejects_path,
            "data_path": data_path,
            "sql": sql,
        }
        self._columns_template = columns
        self._run: TaskRun | None = None
        self._is_told_to_end = False

    @cached_property
    def hook(self) -> OctopushHook:
        """The hook that talks to Octopush."""
        from airflow_provider_octopush.hooks.octopush import OctopushHook

        return OctopushHook(self.octopush_conn_id)

    def execute(self, context: Context) -> dict[str, Any]:
        """
        Run the task: read the rows, then send or remove their contacts.

        :return: the summary.
        """
        self._run = run = self._make_run(context)
        if self._is_told_to_end:
            run.kill()
        return run.execute()

    def on_kill(self) -> None:
        """End the sending at once; called by Airflow in the signal handler of the task's process."""
        self._is_told_to_end = True
        if "hook" in vars(self):
            # This ends every request under way, whether it sends or removes.
            self.hook.abort()
        if self._run is not None:
            # In a thread: if the code that this handler interrupts holds a lock, the handler would wait for it forever.
            _thread.start_new_thread(self._run.kill, ())

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """
        Tell OpenLineage where the rows came from, where they went and how many there were; called by its provider.

        :param task_instance: the task instance that has ended, whether it succeeded or not.
        :return: None if the run did not finish.
        """
        return None if self._run is None else self._run.lineage(task_instance)

    def own_rows(self, context: Context) -> tuple[Any, str] | None:  # noqa: ARG002 - where a function makes them
        """Return the rows that the operator makes itself, and their origin for messages; None if it makes none."""
        return None

    def check_rendered(self) -> None:
        """
        Check what templates rendered to.

        :raises ParameterError: when a template rendered to an impossible value.
        """
        for name, template in self._templates.items():
            check_rendered(name, template, getattr(self, name))
        check_rendered_columns(self._columns_template, self.columns)
        written = {name: getattr(self, name, None) for name in WRITTEN_PATHS}
        for name, path in written.items():
            check_absolute(name, path)
        check_different(written)

    @abstractmethod
    def _make_run(self, context: Context) -> TaskRun:
        """Return the run of this task. Its class is imported here, so that a Dag file does not pay for it."""


class SendingOperator(RowsOperator):
    """
    Base of the operators that send contacts.

    :param phone_check: ``format`` (default): a number with a plus may be one that libphonenumber does not know.
        ``valid``: every number must be valid in its country. ``mobile``: it must also be of a type that can receive
        SMS.
    :param tag_name: tag to attach to each contact that is sent, at most 20 characters. (templated)
    :param auto_remove_blacklisted_numbers: True: Octopush drops blacklisted numbers. They count as unconfirmed, but not
        as rejected while they are few.
    :param chunk_size: contacts in a request.
    :param concurrency: requests under way at a time. A 429 slows all of them.
    """

    template_fields: Sequence[str] = (*RowsOperator.template_fields, "tag_name")

    def __init__(
        self,
        *,
        list_name: str | None = None,
        on_empty: OnEmpty = "succeed",
        phone_check: PhoneCheck = "format",
        tag_name: str | None = None,
        auto_remove_blacklisted_numbers: bool | None = None,
        chunk_size: int = 200,
        concurrency: int = 1,
        **kwargs: Unpack[RowsOperatorKeywords],
    ) -> None:
        super().__init__(list_name=list_name, on_empty=on_empty, **kwargs)
        check_choice("phone_check", phone_check, *get_args(PhoneCheck))
        check_literal_names(tag_name=tag_name)
        check_choice("auto_remove_blacklisted_numbers", auto_remove_blacklisted_numbers, True, False, None)
        check_number("chunk_size", chunk_size, usual=200)
        check_number("concurrency", concurrency, usual=4)
        self.phone_check = phone_check
        self.tag_name = tag_name
        self._templates["tag_name"] = tag_name
        self.auto_remove_blacklisted_numbers = auto_remove_blacklisted_numbers
        self.chunk_size = chunk_size
        self.concurrency = concurrency
