"""
``@task.octopush_list``: keeps a list in step with the rows that a function returns or yields, in the same process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_octopush.decorators.function import OTHER_SOURCES, RowsDecoratedOperator, decorator
from airflow_provider_octopush.operators.inherited import with_parameters_of
from airflow_provider_octopush.operators.sync_list import SyncListOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import TaskDecorator

    from airflow_provider_octopush.operators.keywords import ListTaskKeywords


class ListDecoratedOperator(RowsDecoratedOperator, SyncListOperator):
    """The operator behind ``@task.octopush_list``."""

    custom_operator_name = "@task.octopush_list"


@with_parameters_of(SyncListOperator, but=OTHER_SOURCES)
def octopush_list_task(
    python_callable: Callable[..., Any] | None = None, **kwargs: Unpack[ListTaskKeywords]
) -> TaskDecorator:
    """
    Keep an Octopush list in step with the rows that a function returns or yields; in Dags, ``@task.octopush_list``.

    .. code-block:: python

        @task.octopush_list(list_name="Customers", snapshot_path="/srv/octopush/customers.snapshot")
        def customers():
            for page in shop.customers():
                yield page  # a dict, a list of dicts, or a DataFrame


        customers()

    The function has to return the whole audience, with rows of the same number in the same order each night. Opt-outs
    come from a query (``opted_out_sql`` with ``opted_out_conn_id``) or from upstream (``opted_out``). Everything else
    is as with :func:`~airflow_provider_octopush.decorators.octopush_contacts.octopush_contacts_task`. The task returns
    the summary of :class:`~airflow_provider_octopush.operators.sync_list.SyncListOperator`.

    :param python_callable: returns or yields rows: a DataFrame, a list of dicts, or dicts, lists of dicts and
        DataFrames one after the other.
    :raises TypeError: when a parameter names another source of rows, or with ``multiple_outputs``; when the task runs,
        if the function gives anything but rows, such as None. (An empty list is fine: it has no rows.)
    """
    return decorator(ListDecoratedOperator, python_callable, **kwargs)
