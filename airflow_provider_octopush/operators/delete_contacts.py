from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from airflow_provider_octopush.operators.base import RowsOperator
from airflow_provider_octopush.operators.inherited import with_inherited_parameters
from airflow_provider_octopush.operators.parameters import OnEmpty, check_absolute, check_choice, check_path

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_octopush.operators.keywords import RowsOperatorKeywords
    from airflow_provider_octopush.operators.runs import DeleteRun


@with_inherited_parameters
class DeleteContactsOperator(RowsOperator):
    """
    Remove contacts from an Octopush list, or from the whole account.

    Use it to erase people. Only the number and its region are read from each row. Nothing is guessed: if a text may
    stand for several numbers, in the regions of ``default_region`` and of the snapshot, none of them is removed, unless
    the snapshot holds just one. The task returns a summary that counts each row exactly once:
    ``read = removed + absent + kept + ambiguous + invalid + duplicates``.

    - ``removed``: Octopush accepted the removal.
    - ``absent``: taken for not there. Octopush refused the number alone while it removed others, or in the retry of a
      task that was killed while it removed.
    - ``kept``: Octopush refused the number without any such sign. If there is one of these, the task fails.
    - ``ambiguous``: the text may stand for several numbers, and no snapshot tells which. None of them is removed, and
      the task fails: write the region, or a plus.

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

    A number without a plus is read as one of the countries of ``default_region`` and of the snapshot, in national form
    or from the country code on. No other country is guessed. In a row with a region, it is a number of that region: the
    column called ``region`` is read whether ``columns`` names it or not.
    With ``number_format="international"``, it is also read from any country code on.

    :param from_account: True: remove the contacts from the account and all of its lists. Set exactly one of
        ``from_account`` and ``list_name``: contacts removed from a list stay in the account.
    :param snapshot_path: the snapshot of a list that ``SyncListOperator`` keeps in step, as an absolute path or a URI.
        Removed contacts are erased there as well, with everything sealed about them. While a run of
        ``SyncListOperator`` is under way, or was killed or failed and has not run again, the task fails before it
        removes anything. Needs the connection's extra ``snapshot_secret``. (templated)
    :raises ValueError: when the Dag is parsed, if parameters contradict each other or have impossible values; when the
        task runs, if there are no rows and ``on_empty="fail"``.
    :raises AirflowFailException: when a template renders to an impossible value, when ``data`` is not rows, and for
        every other failure that a retry would only repeat.
    """

    template_fields: Sequence[str] = (*RowsOperator.template_fields, "snapshot_path")

    def __init__(
        self,
        *,
        list_name: str | None = None,
        on_empty: OnEmpty = "succeed",
        from_account: bool = False,
        snapshot_path: str | None = None,
        **kwargs: Unpack[RowsOperatorKeywords],
    ) -> None:
        super().__init__(list_name=list_name, on_empty=on_empty, **kwargs)
        check_choice("from_account", from_account, True, False)
        if from_account == (list_name is not None):
            raise ValueError("contacts are removed from one place: write either list_name=… or from_account=True")
        self.from_account = from_account
        self.snapshot_path = snapshot_path
        if snapshot_path is not None:
            check_path("snapshot_path", snapshot_path)
            check_absolute("snapshot_path", snapshot_path)
            self._templates["snapshot_path"] = snapshot_path

    def _make_run(self, context: Context) -> DeleteRun:
        from airflow_provider_octopush.operators.runs import DeleteRun

        return DeleteRun(self, context)
