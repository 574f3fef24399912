"""Progress of a task, kept by Airflow from one try to the next."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

log = logging.getLogger(__name__)

KEY = "octopush_checkpoint"


class TaskStateStore:
    """
    One JSON value in the state store of a task instance, which Airflow has from 3.3 on.

    A failure of the store costs a repetition after the next failure of the task, so it does not end this run.

    :param accessor: ``context["task_state_store"]``.
    """

    def __init__(self, accessor: Any) -> None:
        self._accessor = accessor
        self._failed = False

    @classmethod
    def of(cls, context: Context) -> TaskStateStore | None:
        """Return the store of this task; None on an Airflow that has none."""
        accessor: Any = context.get("task_state_store")
        return None if accessor is None else cls(accessor)

    def get(self) -> Any:
        """Return the value; None when there is none, or it cannot be had."""
        try:
            return self._accessor.get(KEY)
        except Exception as error:  # noqa: BLE001 - whatever it is, sending everything again is safe
            log.warning("the progress of an earlier try cannot be read: %s; sending everything", type(error).__name__)
            return None

    def set(self, value: Mapping[str, Any]) -> None:
        """Replace the value."""
        try:
            self._accessor.set(KEY, dict(value))
        except Exception as error:  # noqa: BLE001 - whatever it is, the contacts that were sent were sent
            if not self._failed:
                log.warning("progress is not kept, a retry would send contacts again: %s", type(error).__name__)
            self._failed = True

    def delete(self) -> None:
        """Forget the value."""
        try:
            self._accessor.delete(KEY)
        except Exception as error:  # noqa: BLE001 - as above
            log.warning("progress that is no longer needed was not forgotten: %s", type(error).__name__)
