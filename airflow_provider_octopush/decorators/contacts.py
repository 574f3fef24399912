"""``@task.octopush_contacts``: the rows that a function returns or yields become contacts, in the same process."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DecoratedOperator, TaskDecorator, task_decorator_factory
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_provider_octopush.operators.contacts import CreateContactsOperator

try:
    from airflow.providers.common.compat.sdk import determine_kwargs
except ImportError:  # common-compat before 1.14.1
    # mypy reads the newest Airflow, which only redirects the name.
    from airflow.utils.operator_helpers import determine_kwargs  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_octopush.sync.sync import Frames

#: Parameters of the operator that say where rows come from, or something about it.
OTHER_SOURCES = (
    *("data", "data_columns", "data_path", "data_options"),
    *("sql", "sql_conn_id", "parameters", "sql_hook_params", "sql_hook_class"),
)


class ContactsDecoratedOperator(DecoratedOperator, CreateContactsOperator):
    """
    The operator behind ``@task.octopush_contacts``.

    :param python_callable: gives the rows. Called when the first row is wanted, and again when a retry finds that an
        earlier try sent other rows.
    :param op_args: its positional arguments. (templated)
    :param op_kwargs: its keyword arguments. (templated)
    :raises TypeError: when the Dag is parsed and a parameter says that rows come from elsewhere.
    """

    custom_operator_name = "@task.octopush_contacts"

    if AIRFLOW_V_3_0_PLUS:
        #: Airflow 3.0's DecoratedOperator looks at it, and does nothing with it. On Airflow 2 it is a method.
        xcom_push: Any = None

    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *(field for field in CreateContactsOperator.template_fields if field not in OTHER_SOURCES),
    )
    template_ext: Sequence[str] = ()
    template_fields_renderers = {  # noqa: RUF012 - Airflow declares it as an instance variable
        **DecoratedOperator.template_fields_renderers,
        "columns": CreateContactsOperator.template_fields_renderers["columns"],
    }

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        for name in OTHER_SOURCES:
            if name in kwargs:
                raise TypeError(
                    f"{self.custom_operator_name} takes no {name}: its rows are what the function returns or yields"
                )
        # No rows: they come from the function.
        super().__init__(python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, data=(), **kwargs)

    def _frames(self, context: Context) -> Frames:
        from airflow_provider_octopush.sources.upstream import read_upstream

        # The context stays as it is: an argument by the name of one of its keys is the function's affair.
        of_context = determine_kwargs(self.python_callable, self.op_args, context)
        rows = self.python_callable(*self.op_args, **{**of_context, **self.op_kwargs})
        return read_upstream(rows, origin=f"{self.python_callable.__name__}()")


def octopush_contacts_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """
    Bring the rows that a function returns or yields to an Octopush list; in Dags, ``@task.octopush_contacts``.

    The rows go to the API from the process of the task, so they are never kept in Airflow's database, as XComs are. A
    function that yields them is asked for 1,000 at a time, so they need not fit in memory.

    .. code-block:: python

        @task.octopush_contacts(list_name="Customers", columns={"phone_number": "mobile"})
        def customers(segment: str):
            for page in shop.customers(segment):
                yield page  # a dict, a list of dicts, or a DataFrame


        customers("gold")

    The function may be called more than once, when the task is retried and within one try: it has to read its rows
    again, not take them out of somewhere. Its arguments are ordinary ones, so what they hold is rendered, kept and
    shown by Airflow. The task returns the summary of
    :class:`~airflow_provider_octopush.operators.contacts.CreateContactsOperator`, in one XCom.

    :param python_callable: returns or yields rows: a DataFrame (or what speaks Arrow), a list of dicts (or of other
        rows with named fields), or rows, lists of rows and DataFrames one after the other.
    :param kwargs: parameters of the operator, all but those of other sources (``data…``, ``sql…`` and ``parameters``);
        and those of every task.
    :raises TypeError: when a parameter says that rows come from elsewhere, or with ``multiple_outputs``; when the task
        runs, if the function gives no rows (None is none, an empty list is).
    """
    if "multiple_outputs" in kwargs:
        raise TypeError("@task.octopush_contacts takes no multiple_outputs: it returns one summary")
    return task_decorator_factory(
        python_callable=python_callable,
        # Or Airflow would look at what the function is annotated to return, which is rows.
        multiple_outputs=False,
        decorated_operator_class=ContactsDecoratedOperator,
        **kwargs,
    )
