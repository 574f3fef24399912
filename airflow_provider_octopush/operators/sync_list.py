from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from airflow.providers.common.compat.sdk import XComArg

from airflow_provider_octopush.assets.lists import DEFAULT_CONNECTION
from airflow_provider_octopush.operators.base import SendingOperator
from airflow_provider_octopush.operators.inherited import with_inherited_parameters
from airflow_provider_octopush.operators.parameters import (
    OnEmpty,
    as_generation,
    check_absolute,
    check_choice,
    check_limit,
    check_one_of_opt_outs,
    check_path,
    check_sql,
    comes_later,
    is_true,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_octopush.operators.keywords import SendingOperatorKeywords
    from airflow_provider_octopush.operators.sync_run import SyncRun


@with_inherited_parameters
class SyncListOperator(SendingOperator):
    """
    Keep an Octopush list in step with rows.

    It sends contacts that are new or changed, removes those that are missing from the rows, and never adds a number
    that opted out.

    The rows are the whole audience. You cannot ask Octopush what a list holds, so the task remembers it in a snapshot:
    every contact that the list may hold through this task. Contacts that got on the list some other way stay there.

    A run decides before it sends. Opt-outs are removed first. Then all rows are read and compared with the snapshot. If
    a limit is exceeded, nothing is sent. If not, everything that is to be sent or removed is recorded first, then done.

    The task returns a summary that counts each row read exactly once: ``read = added + updated + skipped + other +
    unconfirmed + refused + invalid + duplicates + unchanged + opted_out + unsent``. If contacts were kept that should
    have been removed, the task fails, after everything else is done and recorded. (If they stay one night longer only
    because numbers are now read differently, it is green.) A retry sends only what is not confirmed.

    .. code-block:: python

        SyncListOperator(
            task_id="sync",
            sql="SELECT mobile, country, first_name, loyalty_tier FROM customers ORDER BY id",
            sql_conn_id="warehouse",
            columns={"phone_number": "mobile", "region": "country", "param1": "loyalty_tier"},
            list_name="Customers",
            snapshot_path="s3://aws_default@crm/octopush/customers.snapshot",
            opted_out_sql="SELECT number FROM sms_stops",
            max_removed="5%",
            max_rejected="1%",
        )

    The connection needs the extra ``snapshot_secret``. Let only one run at a time write a snapshot:
    ``max_active_runs=1``. Of two rows with the same number the first one counts, so let the query ORDER BY something
    that does not change.

    If more rows are rejected than ``max_rejected`` allows, no missing contact is removed; if more than half of the rows
    are invalid then, nothing is sent. ``max_rejected`` also limits how many opt-outs, or what share of them, may be
    unreadable; if more are, nothing is sent. If there are no rows, no missing contact is removed, whatever ``on_empty``
    says; so with ``succeed`` the task fails if one is missing. ``dry_run`` makes a plan: the summary counts what would
    be added, updated and removed, and lists the limits that a run would exceed.

    .. seealso::
        https://dev.octopush.com/en/sms-gateway-api-documentation/, pages "Add a contact" and "Delete contacts"

    :param snapshot_path: where the task remembers what the list holds: an absolute local path, which becomes readable
        by its owner only, or any path of Airflow's object storage. Use one for each list and task, the same one each
        night. (templated)
    :param remove_missing: True (default): remove contacts that are missing from the rows. False: they stay on the list.
        Those that opted out are removed all the same.
    :param max_removed: how many contacts that are missing from the rows may be removed in one run: a number, such as
        12, or a share of what the list held before the run, such as ``"5%"``. If there are more, nothing is sent,
        nothing but opt-outs is removed, and the task fails without retries. None (default) is a tenth, at least 10.
        (templated)
    :param max_added: how many new contacts may be added in one run: a number, or a share of what the list held before
        the run, which may be more than ``"100%"``. If there are more, the same happens as with ``max_removed``. None
        (default) is a quarter, at least 100. A share does not limit the first run, a number does. (templated)
    :param opted_out_sql: a query for the numbers that must not be on the list. It has the same columns as the rows: the
        number is in the column that feeds ``phone_number``, or in the only column besides the region's; the region is
        in the column that ``columns`` names for it, or in one called ``region``. Rename a column in the query, as in
        ``SELECT number AS mobile``. A number without a plus and without a region stands for a number of each region in
        ``default_region``, and of each region that rows are read in. Opt-outs that cannot be read are in a file beside
        ``rejects_path``, ``rejects-opted-out.csv``. (templated)
    :param opted_out_conn_id: connection to run that query on; ``sql_conn_id`` by default. (templated)
    :param opted_out_parameters: that query's parameters. (templated)
    :param opted_out: the same numbers as rows from upstream, in place of ``opted_out_sql``.
    :param max_opted_out: how many contacts may be removed in one run because they opted out: a number, such as 12, or a
        share of what the list held before the run, such as ``"5%"``. If there are more, nothing is removed or sent, and
        the task fails without retries. None (default) is a tenth, at least 10. (templated)
    :param min_opted_out: how many readable opt-outs there must be: a number, or a share of how many there were last
        time, such as ``"90%"``. If there are fewer, nothing is removed or sent, and the task fails without retries.
        None (default) is nine tenths, or ten fewer if that is lower, and at least one. (templated)
    :param full_refresh: True: send everything again, for instance after the list was edited by hand. If the snapshot of
        a task that has run before is gone, True begins anew, and False fails. (templated)
    :param plan_generation: the ``generation`` in the summary of the approved plan. If the list was brought in step
        since then, the task fails without retries before anything is sent. None (default): any generation. (templated)
    :param changes_path: path or URI of a CSV with one row for each contact that the run adds, updates or removes, or
        should have removed but did not: ``phone_number``, ``change`` (``added``, ``updated``, ``removed``,
        ``opted_out``, ``kept``), ``state`` (``planned``, ``done``, ``refused``, ``unconfirmed``), ``run`` and ``time``.
        A plan writes it too, and so does a run that a limit holds. It holds personal data, and its name gets the map
        index, as with ``rejects_path``. (templated)
    :raises ValueError: when the Dag is parsed, if parameters contradict each other or have impossible values; when the
        task runs, if there are no rows and ``on_empty="fail"``.
    :raises AirflowFailException: when a template renders to an impossible value, when ``data`` or ``opted_out`` is not
        rows, and for every other failure that a retry would only repeat.
    """

    template_fields: Sequence[str] = (
        *SendingOperator.template_fields,
        "snapshot_path",
        "max_removed",
        "max_added",
        "max_opted_out",
        "min_opted_out",
        "opted_out_sql",
        "opted_out_conn_id",
        "opted_out_parameters",
        "full_refresh",
        "changes_path",
        "plan_generation",
    )
    template_fields_renderers = {  # noqa: RUF012 - Airflow declares it as an instance variable
        **SendingOperator.template_fields_renderers,
        "opted_out_sql": "sql",
        "opted_out_parameters": "json",
    }

    def __init__(
        self,
        *,
        list_name: str,
        snapshot_path: str,
        on_empty: OnEmpty = "fail",
        remove_missing: bool = True,
        max_removed: int | str | None = None,
        max_added: int | str | None = None,
        opted_out_sql: str | None = None,
        opted_out_conn_id: str | None = None,
        opted_out_parameters: Mapping[str, Any] | Sequence[Any] | None = None,
        opted_out: Any = None,
        max_opted_out: int | str | None = None,
        min_opted_out: int | str | None = None,
        full_refresh: bool | str = False,
        plan_generation: int | str | None = None,
        changes_path: str | None = None,
        **kwargs: Unpack[SendingOperatorKeywords],
    ) -> None:
        super().__init__(list_name=list_name, on_empty=on_empty, **kwargs)
        check_choice("remove_missing", remove_missing, True, False)
        check_limit("max_removed", max_removed)
        check_limit("max_added", max_added, may_exceed_all=True)
        check_limit("max_opted_out", max_opted_out)
        check_limit("min_opted_out", min_opted_out)
        check_one_of_opt_outs(opted_out, opted_out_sql, opted_out_conn_id or self.sql_conn_id)
        if opted_out_sql is not None:
            check_sql("opted_out_sql", opted_out_sql)
        if not comes_later(full_refresh):
            is_true("full_refresh", full_refresh)
        if not comes_later(plan_generation):
            as_generation("plan_generation", plan_generation, plan_generation)
        check_path("snapshot_path", snapshot_path)
        check_absolute("snapshot_path", snapshot_path)
        if changes_path is not None:
            check_path("changes_path", changes_path)
            check_absolute("changes_path", changes_path)
        #: As the Dag writes it.
        self._connection = self.octopush_conn_id
        self.snapshot_path = snapshot_path
        self._templates["snapshot_path"] = snapshot_path
        self.changes_path = changes_path
        self._templates["changes_path"] = changes_path
        self.remove_missing = remove_missing
        self.max_removed = max_removed
        self.max_added = max_added
        self.opted_out_sql = opted_out_sql
        self._templates["opted_out_sql"] = opted_out_sql
        self.opted_out_conn_id = opted_out_conn_id
        self.opted_out_parameters = opted_out_parameters
        self.max_opted_out = max_opted_out
        self.min_opted_out = min_opted_out
        self.full_refresh = full_refresh
        self.plan_generation = plan_generation
        #: As the Dag writes it.
        self.plan_generation_template = plan_generation
        has_dag: Any = self.has_dag
        # An instance of a mapped task is in no Dag, and Airflow 2 makes it by another name. The run checks it.
        if has_dag() and self.dag.task_dict.get(self.task_id) is self:
            self.check_no_other_sync()
        # Not a template field, for the same reason as `data`.
        self.opted_out = opted_out
        XComArg.apply_upstream_relationship(self, opted_out)

    def check_no_other_sync(self) -> None:
        """
        Check that no other task of the Dag keeps the same list in step: each would remove the contacts of the other.

        :raises ValueError: when one does.
        """
        has_dag: Any = self.has_dag
        if self.is_dry_run or not has_dag():
            return
        what = self._templates["list_name"], self._connection
        for task in self.dag.task_dict.values():
            other: Any = task
            if other.task_id == self.task_id:
                continue
            if isinstance(other, SyncListOperator):
                same = (other._templates["list_name"], other._connection) == what and not other.is_dry_run
            else:
                # A mapped operator is made only when it runs.
                given = getattr(other, "partial_kwargs", {})
                is_sync = issubclass(getattr(other, "operator_class", object), SyncListOperator)
                connection = given.get("octopush_conn_id", DEFAULT_CONNECTION)
                same = is_sync and (given.get("list_name"), connection) == what and not given.get("dry_run")
            if same:
                raise ValueError(
                    f"the tasks {other.task_id} and {self.task_id} both keep the list {what[0]!r} in step: each would "
                    "remove the contacts of the other. Give the list one task, whose query has all rows"
                )

    def _make_run(self, context: Context) -> SyncRun:
        from airflow_provider_octopush.operators.sync_run import SyncRun

        return SyncRun(self, context)
