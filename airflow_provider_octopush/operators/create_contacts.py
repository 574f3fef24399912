from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_octopush.operators.base import RowsOperator
from airflow_provider_octopush.operators.parameters import check_number, check_option

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_octopush.operators.runs import CreateRun


class CreateContactsOperator(RowsOperator):
    """
    Bring rows to an Octopush list: create the contacts that are new, update those that are known.

    Rows come from an upstream task (``data``) or from a query (``sql``). The task returns a summary, in which each row
    read ends in exactly one count: ``read = added + updated + skipped + other + unconfirmed + refused + invalid +
    duplicates``. The summary holds no personal data, and the rows themselves never reach Airflow's rendered fields or
    logs.

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
    :param sql_hook_class: the hook, as a class or a dotted path, for when the connection's type leads to no database,
        or to another hook.
    :param columns: contact field → name of the column that feeds it, such as ``{"phone_number": "mobile"}``. A field
        that you do not name is fed by the column of the same name, in upper or lower case. ``region`` names a column of
        ISO country codes, which decides per row what ``default_region`` decides for all. (templated)
    :param default_region: country of the numbers that have no country written, such as ``"FR"``, or a list of
        countries: the first one where a number is valid wins. Without it, such numbers are invalid. (templated)
    :param phone_check: ``format`` (default): a number with a plus may be one that libphonenumber does not know.
        ``valid``: every number must be valid in its country. ``mobile``: it must also be of a type that can receive
        SMS.
    :param without_plus: what a number without a plus is. ``national`` (default): a number of ``default_region`` or of
        its row's ``region``. ``international``: a number that begins with its country code, as an MSISDN does.
    :param max_rejected: how many rows (an int), or which share of them (a float from 0 to 1), may be invalid, refused,
        unconfirmed or answered with an undocumented status. With more, the task fails without retries, after everything
        else was sent. With ``auto_remove_blacklisted_numbers``, unconfirmed contacts do not count while they are few.
    :param rejects_path: path or URI of a CSV for the rejected rows, on any path of Airflow's object storage. It holds
        personal data, and what Octopush said of the rows; what it said of a refusal that ended the run is in a file
        beside it, ``rejects-refusal.csv``. An instance of a mapped task adds its map index to the name:
        ``rejects-3.csv``. (templated)
    :param validate_only: True: do everything but send. What would have been sent counts as skipped.
    :param list_name: list to add the contacts to, at most 30 characters. (templated)
    :param tag_name: tag to attach to each contact, at most 20 characters. (templated)
    :param auto_remove_blacklisted_numbers: True: Octopush drops blacklisted numbers, which then count as unconfirmed.
    :param do_not_overwrite: True: a number that exists already keeps its old record and counts as skipped.
    :param chunk_size: contacts in a request.
    :param concurrency: requests under way at a time. A 429 slows all of them.
    :param on_empty: what the task does when there is no row at all: ``succeed``, ``skip`` or ``fail``.
    :param octopush_conn_id: connection of type ``octopush``. (templated)
    :raises ValueError: when the Dag is parsed, if parameters contradict each other; when the task runs, if a name is
        too long, or if there is no row and ``on_empty="fail"``.
    """

    template_fields: Sequence[str] = (*RowsOperator.template_fields, "tag_name")

    def __init__(
        self,
        *,
        tag_name: str | None = None,
        auto_remove_blacklisted_numbers: bool | None = None,
        do_not_overwrite: bool | None = None,
        chunk_size: int = 200,
        concurrency: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_number("chunk_size", chunk_size, usual=200)
        check_number("concurrency", concurrency, usual=4)
        check_option("auto_remove_blacklisted_numbers", auto_remove_blacklisted_numbers)
        check_option("do_not_overwrite", do_not_overwrite)
        self.tag_name = tag_name
        self._templates["tag_name"] = tag_name
        self.auto_remove_blacklisted_numbers = auto_remove_blacklisted_numbers
        self.do_not_overwrite = do_not_overwrite
        self.chunk_size = chunk_size
        self.concurrency = concurrency

    def _make_run(self, context: Context) -> CreateRun:
        from airflow_provider_octopush.operators.runs import CreateRun

        return CreateRun(self, context)
