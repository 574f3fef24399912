"""What all operators that take rows to Octopush share: their parameters, and when these are checked."""

from __future__ import annotations

import _thread
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator, XComArg

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
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_octopush.hooks.octopush import OctopushHook
    from airflow_provider_octopush.operators.runs import TaskRun
    from airflow_provider_octopush.phones.options import PhoneCheck, WithoutPlus


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
        self.data = data
        XComArg.apply_upstream_relationship(self, data)
        #: As they are written in the Dag, so that an error can name the one that renders to something wrong.
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
        Run the task: read the rows, and bring them where they belong.

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
            # Whatever is under way: contacts that are sent, or removed.
            self.hook.abort()
        if self._run is not None:
            # In a thread: if the code that this handler interrupts holds a lock, the handler would wait for it forever.
            _thread.start_new_thread(self._run.kill, ())

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """
        Tell OpenLineage where the rows came from, where they went to, and how many; called by its provider.

        :param task_instance: of the task that has ended, whether it succeeded or not.
        :return: None if the run did not come to its end, or if OpenLineage is not installed.
        """
        return None if self._run is None else self._run.lineage(task_instance)

    def own_rows(self, context: Context) -> tuple[Any, str] | None:  # noqa: ARG002 - where a function makes them
        """Return rows that the operator makes itself, and where they come from, for messages; None: it makes none."""
        return None

    def check_rendered(self) -> None:
        """
        Check what templates rendered to.

        :raises TemplateError: when one gave something that cannot be meant.
        """
        for name, template in self._templates.items():
            check_rendered(name, template, getattr(self, name))
        check_rendered_columns(self._columns_template, self.columns)

    @abstractmethod
    def _make_run(self, context: Context) -> TaskRun:
        """Return what runs the task; imported here, so that a Dag file does not pay for it."""
