"""
Types of the keyword arguments that operators and decorators pass on, for editors and mypy. Never imported at run time.

The parameters that an operator adds itself are in the signature of its ``__init__``. A test compares these types with
the signatures.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Required, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from airflow.providers.common.compat.sdk import DAG, Context, TaskGroup
    from airflow.sdk import RetryPolicy
    from airflow.sdk.bases.operator import TaskPostExecuteHook, TaskPreExecuteHook
    from airflow.sdk.types import WeightRuleParam

    from airflow_provider_octopush.operators.parameters import OnEmpty
    from airflow_provider_octopush.phones.options import NumberFormat, PhoneCheck

    Callbacks = Callable[[Context], None] | list[Callable[[Context], None]] | None


class TaskKeywords(TypedDict, total=False):
    """What every task of Airflow takes besides its id. An older Airflow does not know all of these, and says so."""

    owner: str
    email: str | Sequence[str] | None
    email_on_retry: bool
    email_on_failure: bool
    retries: int | None
    retry_delay: timedelta | float
    retry_exponential_backoff: float
    max_retry_delay: timedelta | float | None
    retry_policy: RetryPolicy | None
    start_date: datetime | None
    end_date: datetime | None
    depends_on_past: bool
    ignore_first_depends_on_past: bool
    wait_for_past_depends_before_skipping: bool
    wait_for_downstream: bool
    dag: DAG | None
    params: MutableMapping[str, Any] | None
    default_args: dict[str, Any] | None
    priority_weight: int
    weight_rule: WeightRuleParam
    queue: str
    pool: str | None
    pool_slots: int
    sla: timedelta | None
    execution_timeout: timedelta | None
    on_execute_callback: Callbacks
    on_failure_callback: Callbacks
    on_success_callback: Callbacks
    on_retry_callback: Callbacks
    on_skipped_callback: Callbacks
    pre_execute: TaskPreExecuteHook | None
    post_execute: TaskPostExecuteHook | None
    trigger_rule: str
    resources: dict[str, Any] | None
    run_as_user: str | None
    map_index_template: str | None
    max_active_tis_per_dag: int | None
    max_active_tis_per_dagrun: int | None
    executor: str | None
    executor_config: dict[str, Any] | None
    do_xcom_push: bool
    inlets: Any
    outlets: Any
    task_group: TaskGroup | None
    doc: str | None
    doc_md: str | None
    doc_json: str | None
    doc_yaml: str | None
    doc_rst: str | None
    task_display_name: str | None
    logger_name: str | None
    allow_nested_operators: bool
    render_template_as_native_obj: bool | None


class BaseKeywords(TaskKeywords, total=False):
    """What every operator of Airflow takes besides its id; a decorator of ours has one output."""

    multiple_outputs: bool


class OperatorKeywords(BaseKeywords, total=False):
    """What every operator takes besides the keywords of the next class: where its rows come from."""

    task_id: Required[str]
    data: Any
    data_columns: Sequence[str] | None
    data_path: str | None
    data_options: Mapping[str, Any] | None
    sql: str | None
    sql_conn_id: str | None
    parameters: Mapping[str, Any] | Sequence[Any] | None
    sql_hook_params: Mapping[str, Any] | None
    sql_hook_class: type | str | None


class RowsKeywords(TypedDict, total=False):
    """What ``RowsOperator`` takes, except the source of the rows and the parameters that each operator names itself."""

    columns: Mapping[str, str] | None
    default_region: str | Sequence[str] | None
    number_format: NumberFormat
    max_rejected: int | str
    rejects_path: str | None
    dry_run: bool
    octopush_conn_id: str


class SendingKeywords(RowsKeywords, total=False):
    """What ``SendingOperator`` takes, except the source of the rows."""

    phone_check: PhoneCheck
    tag_name: str | None
    auto_remove_blacklisted_numbers: bool | None
    chunk_size: int
    concurrency: int


class RowsOperatorKeywords(OperatorKeywords, RowsKeywords, total=False):
    """What an operator passes on to ``RowsOperator``."""


class SendingOperatorKeywords(OperatorKeywords, SendingKeywords, total=False):
    """What an operator passes on to ``SendingOperator``."""


class ContactsTaskKeywords(TaskKeywords, SendingKeywords, total=False):
    """What ``@task.octopush_contacts`` takes: as ``CreateContactsOperator``, without other sources of rows."""

    task_id: str
    list_name: str | None
    on_empty: OnEmpty
    do_not_overwrite: bool | None


class ListTaskKeywords(TaskKeywords, SendingKeywords, total=False):
    """What ``@task.octopush_list`` takes: as ``SyncListOperator``, without other sources of rows."""

    task_id: str
    list_name: Required[str]
    snapshot_path: Required[str]
    on_empty: OnEmpty
    remove_missing: bool
    max_removed: int | str | None
    max_added: int | str | None
    opted_out_sql: str | None
    opted_out_conn_id: str | None
    opted_out_parameters: Mapping[str, Any] | Sequence[Any] | None
    opted_out: Any
    max_opted_out: int | str | None
    min_opted_out: int | str | None
    full_refresh: bool | str
    plan_generation: int | str | None
    changes_path: str | None
