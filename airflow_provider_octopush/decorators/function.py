"""What the task decorators share: rows come from a function, called in the task's process."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DecoratedOperator, TaskDecorator, task_decorator_factory
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_provider_octopush.operators.base import RowsOperator

try:
    from airflow.providers.common.compat.sdk import determine_kwargs
except ImportError:  # common-compat before 1.14.1
    # mypy reads the newest Airflow, which only redirects the name.
    from airflow.utils.operator_helpers import determine_kwargs  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

#: The operators' parameters about the source of rows.
OTHER_SOURCES = (
    *("data", "data_columns", "data_path", "data_options"),
    *("sql", "sql_conn_id", "parameters", "sql_hook_params", "sql_hook_class"),
)


class RowsDecoratedOperator(DecoratedOperator, RowsOperator):
    """
    Base of the operators behind the decorators.

    :param python_callable: the function that gives the rows. It is called when the first row is needed.
    :param op_args: its positional arguments. (templated)
    :param op_kwargs: its keyword arguments. (templated)
    :raises TypeError: when the Dag is parsed, if a parameter names another source of rows.
    """

    #: The decorator, as it is written in Dags.
    custom_operator_name: str

    if AIRFLOW_V_3_0_PLUS:
        #: Airflow 3.0's DecoratedOperator reads this, and does nothing with it. On Airflow 2 it is a method.
        xcom_push: Any = None

    template_ext: Sequence[str] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # The operator comes next among the bases.
        operator: Any = super(DecoratedOperator, cls)
        fields = [name for name in operator.template_fields if name not in OTHER_SOURCES]
        renderers = {name: how for name, how in operator.template_fields_renderers.items() if name in fields}
        cls.template_fields = (*DecoratedOperator.template_fields, *fields)
        cls.template_fields_renderers = {**DecoratedOperator.template_fields_renderers, **renderers}

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
        # An empty source: the rows come from the function.
        super().__init__(python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, data=(), **kwargs)

    def own_rows(self, context: Context) -> tuple[Any, str]:
        """Call the function: what it returns or yields are the rows."""
        # An argument may have the name of a key of the context, so the context itself stays as it is.
        of_context = determine_kwargs(self.python_callable, self.op_args, context)
        rows = self.python_callable(*self.op_args, **{**of_context, **self.op_kwargs})
        return rows, f"{self.python_callable.__name__}()"


def decorator(
    operator: type[RowsDecoratedOperator], python_callable: Callable[..., Any] | None, **kwargs: Any
) -> TaskDecorator:
    """Make the decorator for an operator."""
    return task_decorator_factory(
        python_callable=python_callable,
        # Airflow would look at the function's return annotation, which is about rows. Given twice, it is a TypeError.
        multiple_outputs=False,
        decorated_operator_class=operator,
        **kwargs,
    )
