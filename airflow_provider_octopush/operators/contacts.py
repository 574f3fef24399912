from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSkipException,
    BaseHook,
    BaseOperator,
    XComArg,
)

from airflow_provider_octopush.api import check_names
from airflow_provider_octopush.assets.events import describe_outlets
from airflow_provider_octopush.contacts.mapping import ColumnError, ContactMapper
from airflow_provider_octopush.delivery.delivery import Delivery
from airflow_provider_octopush.delivery.retry import Backoff
from airflow_provider_octopush.exceptions import (
    OctopushConnectionConfigError,
    OctopushCredentialsError,
    OctopushRequestError,
    TooManyRejectedError,
)
from airflow_provider_octopush.hooks.octopush import OctopushHook
from airflow_provider_octopush.observability.hook_lineage import report_list, report_query
from airflow_provider_octopush.observability.metrics import send_metrics
from airflow_provider_octopush.observability.openlineage import (
    add_list,
    is_installed,
    lineage_of_hooks,
    lineage_of_query,
)
from airflow_provider_octopush.operators.parameters import (
    OnEmpty,
    check_columns,
    check_max_rejected,
    check_number,
    check_on_empty,
    check_one_source,
    check_option,
    check_phone_check,
)
from airflow_provider_octopush.phones.options import PhoneCheck
from airflow_provider_octopush.phones.reader import PhoneReader
from airflow_provider_octopush.sources.errors import UnusableSourceError
from airflow_provider_octopush.sources.sql import read_sql
from airflow_provider_octopush.sources.upstream import read_upstream
from airflow_provider_octopush.storage.rejects_path import open_rejects, rejects_uri
from airflow_provider_octopush.storage.task_state import TaskStateStore
from airflow_provider_octopush.sync.checkpoint import Checkpoint
from airflow_provider_octopush.sync.summary import Summary
from airflow_provider_octopush.sync.sync import ContactSync, Frames

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

#: What a retry of the task would meet again, unchanged.
FINAL_ERRORS = (
    OctopushConnectionConfigError,
    OctopushCredentialsError,
    OctopushRequestError,
    TooManyRejectedError,
    ColumnError,
    UnusableSourceError,
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
        named are fed by the column of the same name, in upper or lower case. ``region`` names a column of ISO country
        codes that decides per row what ``default_region`` decides for all. (templated)
    :param default_region: country of the numbers in national form, such as ``"FR"``, or a list of countries: the first
        in which a number is valid wins. Without it such numbers are invalid. (templated)
    :param phone_check: ``format`` (default): numbers in international form need only parse. ``valid``: every number
        must be valid in its country. ``mobile``: and of a type that can receive SMS.
    :param max_rejected: how many rows (an int) or which share of them (a float from 0 to 1) may be invalid, refused or
        unconfirmed; with more the task fails, without retries, when everything else was sent. Unconfirmed contacts do
        not count with ``auto_remove_blacklisted_numbers``.
    :param rejects_path: path or URI of a CSV for the rejected rows; any path of Airflow's object storage. It holds
        personal data. (templated)
    :param validate_only: True: do everything but sending; what would have been sent counts as skipped.
    :param durable: True: a retry of the task sends only what an earlier try has not confirmed. Needs Airflow 3.3; on
        older ones a retry sends everything again.
    :param list_name: list to add the contacts to, at most 30 characters. (templated)
    :param tag_name: tag to attach to each contact, at most 20 characters. (templated)
    :param auto_remove_blacklisted_numbers: True: Octopush drops blacklisted numbers, which then count as unconfirmed.
    :param do_not_overwrite: True: a number that exists already keeps its old record and counts as skipped.
    :param chunk_size: contacts in a request.
    :param concurrency: requests under way at a time. A 429 slows all of them.
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
        "default_region",
        "rejects_path",
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
        default_region: str | Sequence[str] | None = None,
        phone_check: PhoneCheck = "format",
        list_name: str | None = None,
        tag_name: str | None = None,
        auto_remove_blacklisted_numbers: bool | None = None,
        do_not_overwrite: bool | None = None,
        chunk_size: int = 200,
        concurrency: int = 1,
        on_empty: OnEmpty = "succeed",
        max_rejected: float = 0,
        rejects_path: str | None = None,
        validate_only: bool = False,
        durable: bool = True,
        octopush_conn_id: str = OctopushHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_one_source(data, sql, sql_conn_id)
        check_number("chunk_size", chunk_size, usual=200)
        check_number("concurrency", concurrency, usual=4)
        check_on_empty(on_empty)
        check_phone_check(phone_check)
        check_max_rejected(max_rejected)
        check_option("auto_remove_blacklisted_numbers", auto_remove_blacklisted_numbers)
        check_option("do_not_overwrite", do_not_overwrite)
        check_columns(columns)
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.parameters = parameters
        self.sql_hook_params = sql_hook_params
        self.columns = columns
        self.default_region = default_region
        self.phone_check = phone_check
        self.list_name = list_name
        self.tag_name = tag_name
        self.auto_remove_blacklisted_numbers = auto_remove_blacklisted_numbers
        self.do_not_overwrite = do_not_overwrite
        self.chunk_size = chunk_size
        self.concurrency = concurrency
        self.on_empty = on_empty
        self.max_rejected = max_rejected
        self.rejects_path = rejects_path
        self.validate_only = validate_only
        self.durable = durable
        self.octopush_conn_id = octopush_conn_id
        # No template field: its rows would be kept as rendered fields, shown in the UI, and evaluated as templates.
        self._data = data
        XComArg.apply_upstream_relationship(self, data)
        self._summary: Summary | None = None

    @cached_property
    def hook(self) -> OctopushHook:
        """The hook that posts the contacts."""
        return OctopushHook(self.octopush_conn_id)

    @cached_property
    def _sql_hook(self) -> Any:
        connection: Any = BaseHook.get_connection(str(self.sql_conn_id))
        return connection.get_hook(hook_params=self.sql_hook_params)

    def execute(self, context: Context) -> dict[str, Any]:
        """
        Sync the rows.

        :return: the summary.
        """
        check_names(list_name=self.list_name, tag_name=self.tag_name)
        self._summary = None
        try:
            summary = self._sync(context)
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error
        if summary.read == 0 and self.on_empty != "succeed":
            message = f"no row was read, and on_empty={self.on_empty!r}"
            raise AirflowSkipException(message) if self.on_empty == "skip" else ValueError(message)
        if self.outlets:
            describe_outlets(self.outlets, context["outlet_events"], summary, self.octopush_conn_id)
        return summary.as_xcom()

    def _sync(self, context: Context) -> Summary:
        mapper = ContactMapper(self.columns or {}, PhoneReader(self.default_region or (), self.phone_check))
        with ExitStack() as stack:
            rejects = None
            if self.rejects_path:
                rejects = stack.enter_context(open_rejects(self.rejects_path, mapper.fields))
            sync = ContactSync(
                mapper,
                None if self.validate_only else self._delivery(),
                chunk_size=self.chunk_size,
                concurrency=self.concurrency,
                list_name=self.list_name,
                tag_name=self.tag_name,
                rejects=rejects,
                rejects_path=rejects_uri(self.rejects_path) if self.rejects_path else None,
                checkpoint=self._checkpoint(context),
            )
            summary = sync.run(partial(self._frames, context))
        self.log.info("summary\n%s", summary.table())
        # Pushed and told before the task may fail, so that a failed task shows it too.
        context["ti"].xcom_push(key="return_value", value=summary.as_xcom())
        self._tell(summary)
        summary.check_rejected(self.max_rejected, unconfirmed_is_rejected=not self.auto_remove_blacklisted_numbers)
        return summary

    def _tell(self, summary: Summary) -> None:
        self._summary = summary
        send_metrics(summary, dag_id=self.dag_id, task_id=self.task_id)
        if self.sql is not None:
            report_query(self._sql_hook, self.sql, summary.read)
        if summary.list_name is not None and not summary.validate_only:
            report_list(self.hook, summary.list_name, self.octopush_conn_id)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """
        Tell OpenLineage where the rows came from, where they went to, and how many; called by its provider.

        :param task_instance: of the task that has ended, well or not.
        :return: None when the run did not come to its end, or OpenLineage is not installed.
        """
        if self._summary is None or not is_installed():
            return None
        if self.sql is not None:
            lineage = lineage_of_query(self._sql_hook, self.sql, str(self.sql_conn_id))
        else:
            lineage = lineage_of_hooks(self.inlets, task_instance)
        add_list(lineage, self._summary, self.octopush_conn_id)
        return lineage

    def _delivery(self) -> Delivery:
        encode = partial(
            self.hook.encode_contacts,
            list_name=self.list_name,
            tag_name=self.tag_name,
            auto_remove_blacklisted_numbers=self.auto_remove_blacklisted_numbers,
            do_not_overwrite=self.do_not_overwrite,
        )
        return Delivery(encode, self.hook.post_contacts, Backoff(self.hook.settings.retries))

    def _checkpoint(self, context: Context) -> Checkpoint | None:
        # An iterator can be read only once, and whether the rows are still the same may show only at their end.
        if not self.durable or self.validate_only or isinstance(self._data, Iterator):
            return None
        store = TaskStateStore.of(context)
        if store is None:
            if context["ti"].try_number > 1:
                self.log.info("this Airflow keeps no progress between tries (3.3 does): sending everything again")
            return None
        run = {
            "sql": self.sql,
            "parameters": self.parameters,
            "columns": self.columns,
            "default_region": self.default_region,
            "phone_check": self.phone_check,
            "list_name": self.list_name,
            "tag_name": self.tag_name,
            "auto_remove_blacklisted_numbers": self.auto_remove_blacklisted_numbers,
            "do_not_overwrite": self.do_not_overwrite,
            "base_url": self.hook.settings.base_url,
            "login": self.hook.settings.login,
            # Clearing a task leaves its state as it is, but raises this: to the tries so far and the retries on top.
            "max_tries": context["ti"].max_tries,
        }
        return Checkpoint(store, run, self.hook.settings.key.encode())

    def _frames(self, context: Context) -> Frames:
        if self.sql is None:
            data = self._data
            return read_upstream(data.resolve(context) if isinstance(data, XComArg) else data)
        return read_sql(self._sql_hook, self.sql, self.parameters)
