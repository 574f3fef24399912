from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_octopush.api import check_names
from airflow_provider_octopush.operators.parameters import TemplateError, check_number, check_option, check_path
from airflow_provider_octopush.operators.rows import RowsOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_octopush.delivery.delivery import Delivery
    from airflow_provider_octopush.snapshot.snapshot import Snapshot
    from airflow_provider_octopush.sync.summary import Summary


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

    def _sync(self, context: Context) -> Summary:
        from airflow_provider_octopush.sync.create import ContactSync
        from airflow_provider_octopush.sync.summary import Summary

        check_names(list_name=self.list_name, tag_name=self.tag_name)
        upstream = self._wholeness(context)
        upstream.check_zipped("nothing is sent")
        if not upstream.is_whole:
            self.log.warning("%s: what is there is sent", upstream)
        mapper = self._mapper()
        with self._rejects(context, mapper.fields) as (rejects, rejects_path):
            sync = ContactSync(
                mapper,
                None if self.validate_only else self._delivery(),
                Summary(
                    list_name=self.list_name,
                    tag_name=self.tag_name,
                    validate_only=self.validate_only,
                    rejects_path=rejects_path,
                ),
                chunk_size=self.chunk_size,
                concurrency=self.concurrency,
                **self._ends(),
                rejects=rejects,
            )
            summary = self._run(sync, context)
        self._tell(summary, context)
        upstream.check_failed("what was there was sent")
        summary.check_rejected(self.max_rejected, removes_blacklisted=bool(self.auto_remove_blacklisted_numbers))
        return summary

    def _delivery(self) -> Delivery:
        return self._delivery_with(
            self.hook.post_contacts,
            list_name=self.list_name,
            tag_name=self.tag_name,
            auto_remove_blacklisted_numbers=self.auto_remove_blacklisted_numbers,
            do_not_overwrite=self.do_not_overwrite,
        )


class DeleteContactsOperator(RowsOperator):
    """
    Remove contacts from an Octopush list, or from the whole account.

    Use it to erase people. Of the rows' columns, only the number and its region are read. It does not guess: it removes
    every number that a text may stand for, in each region of ``default_region`` and of the snapshot; or, where the
    snapshot holds one of them, that one. The task returns a summary, in which each row ends in exactly one count:
    ``read = removed + absent + kept + ambiguous + invalid + duplicates``.

    - ``removed``: Octopush accepted to remove the number.
    - ``absent``: Octopush refused the number alone while it removed others, or in the retry of a task that was killed
      after it had asked, so it is taken for not there.
    - ``kept``: Octopush refused the number without any such sign. If there is one of these, the task fails.
    - ``ambiguous``: the snapshot holds several contacts that the number may stand for. None of them is removed, and the
      task fails: write the region.

    .. code-block:: python

        DeleteContactsOperator(
            task_id="erase",
            sql="SELECT number FROM sms_stops",
            sql_conn_id="warehouse",
            columns={"phone_number": "number"},
            from_account=True,
            snapshot_path="s3://aws_default@crm/octopush/customers.snapshot",
        )

    .. seealso::
        https://dev.octopush.com/en/sms-gateway-api-documentation/, page "Delete contacts"

    :param data: rows from upstream, as for ``CreateContactsOperator``. Set exactly one of ``data``, ``data_path`` and
        ``sql``.
    :param data_columns: names for values that have none, as for ``CreateContactsOperator``.
    :param data_path: a file, a folder or a glob of CSV, JSON lines or Parquet, as for ``CreateContactsOperator``.
        (templated)
    :param data_options: how the files at ``data_path`` are written, as for ``CreateContactsOperator``. (templated)
    :param sql: one query, or the path of a ``.sql`` file. (templated)
    :param sql_conn_id: connection to run the query on. (templated)
    :param parameters: the query's parameters, in the style of the database's driver. (templated)
    :param sql_hook_params: arguments for the hook behind ``sql_conn_id``. (templated)
    :param sql_hook_class: the hook, for when the connection's type leads to another one, or to none.
    :param columns: contact field → name of the column that feeds it; ``phone_number`` and ``region`` count. (templated)
    :param default_region: country of the numbers in national form, or a list of countries. (templated)
    :param phone_check: has no effect here: a number is removed whatever its type.
    :param without_plus: has no effect here: a number without a plus is read in both ways.
    :param list_name: list to remove the contacts from; they stay in the account. Set exactly one of this and
        ``from_account``. (templated)
    :param from_account: True: remove the contacts from the account, with all of its lists.
    :param snapshot_path: the snapshot of a list that ``SyncListOperator`` keeps. People who are gone are forgotten
        there as well, and nothing sealed of them is left in it. While a run of ``SyncListOperator`` is under way, or
        was killed and has not run again, the task fails before anybody is removed. Needs the connection's extra
        ``snapshot_secret``. (templated)
    :param max_rejected: how many rows (an int), or which share of them (a float from 0 to 1), may be invalid. With
        more, the task fails without retries, after everything else was removed.
    :param rejects_path: path or URI of a CSV for the rejected rows. It holds personal data. What Octopush said of a
        refusal is in a file beside it, ``rejects-refusal.csv``. (templated)
    :param validate_only: True: do everything but remove. What would have been removed counts as removed.
    :param on_empty: what the task does when there is no row at all: ``succeed``, ``skip`` or ``fail``.
    :param octopush_conn_id: connection of type ``octopush``. (templated)
    :raises ValueError: when the Dag is parsed, if parameters contradict each other; when the task runs, if a name is
        too long, or if there is no row and ``on_empty="fail"``.
    :raises AirflowFailException: when ``data`` is not rows, and for whatever else no retry changes.
    """

    template_fields: Sequence[str] = (*RowsOperator.template_fields, "snapshot_path")

    def __init__(self, *, from_account: bool = False, snapshot_path: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if from_account not in (True, False):
            raise ValueError(f"from_account is {from_account!r}: write True or False")
        if from_account == (self.list_name is not None):
            raise ValueError("contacts are removed from one place: write either list_name=… or from_account=True")
        self.from_account = from_account
        self.snapshot_path = snapshot_path
        if snapshot_path is not None:
            check_path("snapshot_path", snapshot_path)
            self._templates["snapshot_path"] = snapshot_path

    def _sync(self, context: Context) -> Summary:
        from airflow_provider_octopush.contacts.fields import REGION
        from airflow_provider_octopush.contacts.mapping import RowReader
        from airflow_provider_octopush.delivery.retry import Backoff
        from airflow_provider_octopush.phones.possible import PossibleNumbers
        from airflow_provider_octopush.sync.delete import ContactDeletion
        from airflow_provider_octopush.sync.summary import DeletionSummary

        if not self.from_account and not str(self.list_name or "").strip():
            # To Octopush, no name means the whole account.
            raise TemplateError("list_name is empty: write the list that the contacts are to be removed from")
        check_names(list_name=self.list_name)
        self._wholeness(context).check("nobody is removed")
        self._phone_reader()
        fields = ("phone_number", REGION) if REGION in (self.columns or {}) else ("phone_number",)
        rows = RowReader(self.columns or {}, fields)
        # If something is wrong with the snapshot, it shows before anybody is removed.
        with self._snapshot(context) as snapshot, self._rejects(context, rows.fields) as (rejects, rejects_path):
            summary = DeletionSummary(
                list_name=self.list_name, validate_only=self.validate_only, rejects_path=rejects_path
            )
            countries = () if snapshot is None else snapshot.countries
            possible = PossibleNumbers(self.default_region or (), countries, self.without_plus)
            deletion = ContactDeletion(
                rows, possible, self._delete, Backoff(self.hook.settings.retries), summary, snapshot, rejects
            )
            self._make_killable(deletion)
            deletion.run(partial(self._frames, context))
        self._tell(summary, context)
        deletion.check(self.max_rejected)
        return summary

    def _delete(self, numbers: Sequence[str]) -> None:
        if self.from_account:
            self.hook.delete_contacts_from_account(numbers)
        else:
            self.hook.delete_contacts(numbers, list_name=str(self.list_name))

    @contextmanager
    def _snapshot(self, context: Context) -> Iterator[Snapshot | None]:
        if not self.snapshot_path:
            yield None
            return
        from airflow_provider_octopush.operators.snapshots import account_of, keys_of, run_of
        from airflow_provider_octopush.snapshot.journal import Run
        from airflow_provider_octopush.snapshot.opening import open_snapshot
        from airflow_provider_octopush.snapshot.path_store import open_store
        from airflow_provider_octopush.snapshot.snapshot_file import Identity

        settings = self.hook.settings
        # This is not the task that writes the snapshot: whoever has the secret may forget a person.
        identity = Identity(account_of(settings), self.list_name, None)
        run = Run(f"erase {run_of(context)}", erases=not self.validate_only)
        keys = keys_of(settings, self.octopush_conn_id)
        store = open_store(self.snapshot_path)
        with open_snapshot(store, keys, identity, run, writes=not self.validate_only) as snapshot:
            yield snapshot
