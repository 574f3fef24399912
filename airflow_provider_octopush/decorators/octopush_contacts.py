"""``@task.octopush_contacts``: the rows that a function returns or yields become contacts, in the same process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_octopush.decorators.function import OTHER_SOURCES, RowsDecoratedOperator, decorator
from airflow_provider_octopush.operators.create_contacts import CreateContactsOperator
from airflow_provider_octopush.operators.inherited import with_parameters_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import TaskDecorator

    from airflow_provider_octopush.operators.keywords import ContactsTaskKeywords


class ContactsDecoratedOperator(RowsDecoratedOperator, CreateContactsOperator):
    """The operator behind ``@task.octopush_contacts``."""

    custom_operator_name = "@task.octopush_contacts"


@with_parameters_of(CreateContactsOperator, but=OTHER_SOURCES)
def octopush_contacts_task(
    python_callable: Callable[..., Any] | None = None, **kwargs: Unpack[ContactsTaskKeywords]
) -> TaskDecorator:
    """
    Send the rows that a function returns or yields to an Octopush list; in Dags, ``@task.octopush_contacts``.

    The rows go to the API from the task's own process. So Airflow never keeps them in its database, as it does with
    XComs. A function that yields its rows is asked for 1,000 at a time, so they need not fit in memory.

    .. code-block:: python

        @task.octopush_contacts(list_name="Customers", columns={"phone_number": "mobile"})
        def customers(segment: str):
            for page in shop.customers(segment):
                yield page  # a dict, a list of dicts, or a DataFrame


        customers("gold")

    The function may be called more than once: when the task is retried, and even within one try. So it must read its
    rows anew each time, not take them from a queue. Its arguments are ordinary ones: Airflow renders, stores and shows
    them. The task returns the summary of
    :class:`~airflow_provider_octopush.operators.create_contacts.CreateContactsOperator`, in one XCom.

    :param python_callable: returns or yields rows: a DataFrame (or anything that speaks Arrow), a list of dicts (or of
        other rows with named fields), or rows, lists of rows and DataFrames one after the other.
    :raises TypeError: when a parameter names another source of rows, or with ``multiple_outputs``; when the task runs,
        if the function gives anything but rows, such as None. (An empty list is fine: it has no rows.)
    """
    return decorator(ContactsDecoratedOperator, python_callable, **kwargs)
