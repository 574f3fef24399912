from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_octopush.operators.base import RowsOperator
from airflow_provider_octopush.operators.parameters import check_path

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_octopush.operators.runs import DeleteRun


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

    def _make_run(self, context: Context) -> DeleteRun:
        from airflow_provider_octopush.operators.runs import DeleteRun

        return DeleteRun(self, context)
