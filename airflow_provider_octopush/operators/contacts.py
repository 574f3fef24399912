from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSkipException,
    BaseHook,
    BaseOperator,
    XComArg,
)

from airflow_provider_octopush.api import check_names
from airflow_provider_octopush.contacts.delivery import Delivery
from airflow_provider_octopush.contacts.mapping import ColumnError, ContactMapper, check_fields
from airflow_provider_octopush.contacts.phone import PhoneReader
from airflow_provider_octopush.contacts.retry import Backoff
from airflow_provider_octopush.contacts.sync import ContactSync
from airflow_provider_octopush.exceptions import (
    OctopushConnectionConfigError,
    OctopushCredentialsError,
    OctopushRequestError,
)
from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.sources.sql import read_sql
from airflow_provider_octopush.sources.upstream import read_upstream

if TYPE_CHECKING:
    import pandas as pd
    from airflow.providers.common.compat.sdk import Context

OnEmpty = Literal["succeed", "skip", "fail"]

#: What a retry of the task would meet again, unchanged.
FINAL_ERRORS = (
    OctopushConnectionConfigError,
    OctopushCredentialsError,
    OctopushRequestError,
    ColumnError,
)


class CreateContactsOperator(BaseOperator):
    """
    Bring rows to an Octopush list: create the contacts that are new, update those that are known.

    Rows come from an upstream task (``data``) or from a query (``sql``). Each row read ends in exactly one count of the
    summary, which is returned: ``read = added + updated + skipped + other + unconfirmed + refused + invalid +
    duplicates``. The summary holds no personal data; the rows themselves never reach Airflow's rendered fields or logs.

    .. code-block:: python

        CreateContactsOperator(
            task_id="sync_customers",
            sql="SELECT mobile, first_name, tier FROM customers",
            sql_conn_id="warehouse",
            columns={"phone_number": "mobile", "param1": "tier"},
            list_name="Customers",
        )

    .. seealso::
        https://dev.octopush.com/en/sms-gateway-api-documentation/, page "Add a contact"

    :param data: rows from upstream: what a task returned, a DataFrame, a list of dicts, or what a mapped task returned
        (lists of dicts or DataFrames). Exactly one of ``data`` and ``sql``.
    :param sql: one query, or the path of a ``.sql`` file. (templated)
    :param sql_conn_id: connection that the query runs on; any hook of Airflow that speaks DB-API. (templated)
    :param parameters: the query's parameters, in the style of the database's driver. (templated)
    :param sql_hook_params: arguments for the hook behind ``sql_conn_id``. (templated)
    :param columns: contact field → name of the column that feeds it, such as ``{"phone_number": "mobile"}``. Fields not
        named are fed by the column of the same name, in upper or lower case. (templated)
    :param list_name: list to add the contacts to, at most 30 characters. (templated)
    :param tag_name: tag to attach to each contact, at most 20 characters. (templated)
    :param auto_remove_blacklisted_numbers: True: Octopush drops blacklisted numbers, which then count as unconfirmed.
    :param do_not_overwrite: True: a number that exists already keeps its old record and counts as skipped.
    :param chunk_size: contacts in a request.
    :param on_empty: what becomes of the task when there is no row at all: ``succeed``, ``skip`` or ``fail``.
    :param octopush_conn_id: connection of type ``octopush``. (templated)
    :raises ValueError: when the Dag is parsed and parameters contradict each other; when the task runs and a name is
        too long, or there is no row and ``on_empty="fail"``.
    :raises TypeError: when ``data`` is not rows.
    """

    template_fields: Sequence[str] = (
        "sql",
        "sql_conn_id",
        "parameters",
        "sql_hook_params",
        "columns",
        "list_name",
        "tag_name",
        "octopush_conn_id",
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {  # noqa: RUF012 - Airflow declares it as an instance variable
        "sql": "sql",
        "parameters": "json",
        "sql_hook_params": "json",
        "columns": "json",
    }
    ui_color = "#e4dcf7"

    def __init__(
        self,
        *,
        data: Any = None,
        sql: str | None = None,
        sql_conn_id: str | None = None,
        parameters: Mapping[str, Any] | Sequence[Any] | None = None,
        sql_hook_params: Mapping[str, Any] | None = None,
        columns: Mapping[str, str] | None = None,
        list_name: str | None = None,
        tag_name: str | None = None,
        auto_remove_blacklisted_numbers: bool | None = None,
        do_not_overwrite: bool | None = None,
        chunk_size: int = 200,
        on_empty: OnEmpty = "succeed",
        octopush_conn_id: str = OctopushHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (data is None) == (sql is None):
            raise ValueError("rows come from exactly one place: write either data=… or sql=…")
        if sql is not None and sql_conn_id is None:
            raise ValueError("sql needs a connection to run on: write sql_conn_id=…")
        if not isinstance(chunk_size, int) or isinstance(chunk_size, bool) or chunk_size < 1:
            raise ValueError(f"chunk_size is {chunk_size!r}: write a whole number, 1 or more, such as 200")
        if on_empty not in get_args(OnEmpty):
            raise ValueError(f"on_empty is {on_empty!r}: write one of {', '.join(map(repr, get_args(OnEmpty)))}")
        for name, value in (
            ("auto_remove_blacklisted_numbers", auto_remove_blacklisted_numbers),
            ("do_not_overwrite", do_not_overwrite),
        ):
            if value not in (True, False, None):
                raise ValueError(f"{name} is {value!r}: write True, False or None")
        if isinstance(columns, Mapping):
            check_fields(columns)
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.parameters = parameters
        self.sql_hook_params = sql_hook_params
        self.columns = columns
        self.list_name = list_name
        self.tag_name = tag_name
        self.auto_remove_blacklisted_numbers = auto_remove_blacklisted_numbers
        self.do_not_overwrite = do_not_overwrite
        self.chunk_size = chunk_size
        self.on_empty = on_empty
        self.octopush_conn_id = octopush_conn_id
        # No template field: its rows would be kept as rendered fields, shown in the UI, and evaluated as templates.
        self._data = data
        XComArg.apply_upstream_relationship(self, data)

    @cached_property
    def hook(self) -> OctopushHook:
        """The hook that posts the contacts."""
        return OctopushHook(self.octopush_conn_id)

    def execute(self, context: Context) -> dict[str, Any]:
        """
        Sync the rows.

        :return: the summary.
        """
        check_names(list_name=self.list_name, tag_name=self.tag_name)
        try:
            sync = self._sync()
            sync.run(self._frames(context))
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error
        self.log.info("summary\n%s", sync.summary.table())
        summary = sync.summary.as_xcom()
        if sync.summary.read == 0 and self.on_empty != "succeed":
            context["ti"].xcom_push(key="return_value", value=summary)
            message = f"no row was read, and on_empty={self.on_empty!r}"
            raise AirflowSkipException(message) if self.on_empty == "skip" else ValueError(message)
        return summary

    def _sync(self) -> ContactSync:
        post = partial(
            self.hook.create_contacts,
            list_name=self.list_name,
            tag_name=self.tag_name,
            auto_remove_blacklisted_numbers=self.auto_remove_blacklisted_numbers,
            do_not_overwrite=self.do_not_overwrite,
        )
        return ContactSync(
            ContactMapper(self.columns or {}, PhoneReader()),
            Delivery(post, Backoff(self.hook.settings.retries)),
            chunk_size=self.chunk_size,
            list_name=self.list_name,
            tag_name=self.tag_name,
        )

    def _frames(self, context: Context) -> Iterator[pd.DataFrame]:
        if self.sql is None:
            data = self._data
            return read_upstream(data.resolve(context) if isinstance(data, XComArg) else data)
        connection: Any = BaseHook.get_connection(str(self.sql_conn_id))
        sql_hook = connection.get_hook(hook_params=self.sql_hook_params)
        return read_sql(sql_hook, self.sql, self.parameters)
