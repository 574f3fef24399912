from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from airflow_provider_octopush.operators.base import SendingOperator
from airflow_provider_octopush.operators.inherited import with_inherited_parameters
from airflow_provider_octopush.operators.parameters import OnEmpty, check_choice

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_octopush.operators.keywords import SendingOperatorKeywords
    from airflow_provider_octopush.operators.runs import CreateRun


@with_inherited_parameters
class CreateContactsOperator(SendingOperator):
    """
    Send rows to an Octopush list: create new contacts, update known ones.

    Rows come from an upstream task (``data``), from files (``data_path``) or from a query (``sql``). The task returns a
    summary that counts each row read exactly once: ``read = added + updated + skipped + other + unconfirmed + refused +
    invalid + duplicates + unsent``. With ``dry_run``, rows that would be sent count as ``unsent``. The summary holds no
    personal data, and the rows themselves never reach Airflow's rendered fields or logs.

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

    :param do_not_overwrite: True: a number that exists already keeps its old record and counts as skipped.
    :raises ValueError: when the Dag is parsed, if parameters contradict each other or have impossible values; when the
        task runs, if there are no rows and ``on_empty="fail"``.
    :raises AirflowFailException: when a template renders to an impossible value, when ``data`` is not rows, and for
        every other failure that a retry would only repeat.
    """

    def __init__(
        self,
        *,
        list_name: str | None = None,
        on_empty: OnEmpty = "succeed",
        do_not_overwrite: bool | None = None,
        **kwargs: Unpack[SendingOperatorKeywords],
    ) -> None:
        super().__init__(list_name=list_name, on_empty=on_empty, **kwargs)
        check_choice("do_not_overwrite", do_not_overwrite, True, False, None)
        self.do_not_overwrite = do_not_overwrite

    def _make_run(self, context: Context) -> CreateRun:
        from airflow_provider_octopush.operators.runs import CreateRun

        return CreateRun(self, context)
