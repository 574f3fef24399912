"""
Tells whether all rows came from upstream. Imported when a task runs.

Airflow hands over what is there. It silently leaves out each instance of a mapped task that failed, was skipped or
returned None. A task that only sends rows then sends fewer. A sync would do harm: it would remove the contacts that
seem missing, and send to numbers whose opt-outs did not come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import XComArg

from airflow_provider_octopush.sources.errors import InstancesMissingError, InstancesUnknownError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

#: How an instance ended that gave nothing.
_FAILED, _UNFINISHED, _SKIPPED, _GAVE_NONE = "failed", "not finished", "skipped", "returned None"
_HOW = {"failed": _FAILED, "upstream_failed": _FAILED, "skipped": _SKIPPED}

#: The map index of a task that is not mapped or not expanded.
_UNMAPPED = -1


@dataclass(frozen=True)
class Missing:
    """
    The instances of a task that gave no rows.

    :param task_id: the task.
    :param instances: how many instances should give the consumer rows: to a task in a mapped task group, only those of
        its own instance of the group count.
    :param how: how the instances that gave nothing ended → how many. A task that is mapped over nothing counts as one
        skipped instance. An instance gave nothing if it returned None, or not the key that is asked for.
    :param is_outdated: whether there are rows of instances that the task no longer has, because it was cleared and
        mapped over less. Airflow hands them over all the same.
    """

    task_id: str
    instances: int
    how: Mapping[str, int]
    is_outdated: bool = False

    def __bool__(self) -> bool:
        return bool(self.how) or self.is_outdated

    def __str__(self) -> str:
        said = []
        if self.how:
            counts = ", ".join(f"{number} {what}" for what, number in self.how.items())
            of = f"{self.instances} instance{'' if self.instances == 1 else 's'} of {self.task_id}"
            said.append(f"{sum(self.how.values())} of {of} gave no rows ({counts})")
        if self.is_outdated:
            said.append(f"instances of {self.task_id} from before it was cleared left rows")
        return ", and ".join(said)


@dataclass(frozen=True)
class Wholeness:
    """
    What is known about the upstream instances that feed a source.

    A source is whole if each of them succeeded and returned something other than None; ``[]`` is something. A source
    that refers to no task is whole.

    :param missing: the tasks with an instance that gave nothing, in the order in which the source refers to them.
    :param untold: tasks whose instances' states Airflow did not tell → why: the class of an error.
    :param is_zipped: whether rows go through ``.zip()``, where a missing instance shifts all later ones.
    """

    missing: tuple[Missing, ...] = ()
    untold: Mapping[str, str] = field(default_factory=dict)
    is_zipped: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether everything came; False if that is not known."""
        return not (self.missing or self.untold)

    @property
    def how(self) -> set[str]:
        """How the instances that gave nothing ended."""
        return {what for task in self.missing for what in task.how}

    def __str__(self) -> str:
        """Return counts and tasks, as the beginning of a sentence."""
        said = [
            *map(str, self.missing),
            *(
                f"it is not known whether all instances of {task} gave rows ({why})"
                for task, why in self.untold.items()
            ),
        ]
        return "; ".join(said) or "all instances gave rows"

    def check(self, consequence: str) -> None:
        """
        Check that everything came.

        :param consequence: what is not done because of it, such as "nothing is removed".
        :raises InstancesMissingError: when something did not.
        :raises InstancesUnknownError: when nothing is known to be missing, but not all is known.
        """
        if self.missing:
            advice = ["Clear what failed, and return [] for no rows"]
            if any(task.is_outdated for task in self.missing):
                advice.append("Trigger a new run of the Dag, as this one keeps the old rows")
            raise InstancesMissingError(f"{self}: {consequence}. {'. '.join(advice)}")
        if self.untold:
            raise InstancesUnknownError(f"{self}: {consequence}. Run the task again")

    def check_failed(self, consequence: str) -> None:
        """
        Check that no instance failed; one that was skipped or returned None gave no rows on purpose.

        :param consequence: what is done, or not done.
        :raises InstancesMissingError: when an instance failed, or has not ended.
        """
        if self.how & {_FAILED, _UNFINISHED}:
            self.check(consequence)

    def check_zipped(self, consequence: str) -> None:
        """
        Check that no rows are paired with rows of another instance.

        :param consequence: what is not done because of it.
        :raises InstancesMissingError: when something did not come, and rows go through ``.zip()``.
        :raises InstancesUnknownError: when that is not known.
        """
        if self.is_zipped:
            self.check(f".zip() would pair rows that do not belong together, so {consequence}")

    @property
    def only_gave_none(self) -> bool:
        """Whether nothing is missing except where a function returned None."""
        return self.how == {_GAVE_NONE}


def wholeness(data: Any, context: Context) -> Wholeness:
    """
    Tell whether all instances that feed rows gave some. No rows are read, except where the consumer is in the same
    mapped task group: there, only the value itself shows that there is one.

    :param data: rows, a reference to an upstream task's rows (also with ``.map()``, ``.zip()``, ``.concat()`` or a
        key), or a list or dict with such references anywhere inside. The argument of a mapped task group is a value
        that is there.
    :param context: the context of the task that is to read them.
    """
    tasks: dict[str, tuple[Any, dict[str, None]]] = {}
    for operator, key in _references(data):
        tasks.setdefault(operator.task_id, (operator, {}))[1][key] = None
    missing: list[Missing] = []
    untold: dict[str, str] = {}
    for task_id, (operator, keys) in tasks.items():
        try:
            found = _missing_of(operator, keys, context)
        except Exception as error:  # noqa: BLE001 - whatever Airflow, its API or a backend for XComs may raise
            # Only its class: a backend's words may quote a value.
            untold[task_id] = type(error).__name__
            continue
        if found:
            missing.append(found)
    is_zipped = any(hasattr(part, "fillvalue") for part in parts_of(data))  # only .zip() has one
    return Wholeness(tuple(missing), untold, is_zipped)


def _references(data: Any) -> Iterator[tuple[Any, str]]:
    for part in parts_of(data):
        if not inner_references(part):
            yield from part.iter_references()


def parts_of(data: Any) -> Iterator[XComArg]:
    """Give all references in rows, and those that ``.map()``, ``.zip()`` or ``.concat()`` made them of."""
    if isinstance(data, XComArg):
        yield data
        data = inner_references(data)
    if isinstance(data, Mapping):
        data = list(data.values())
    if isinstance(data, list | tuple | set | frozenset):
        for item in data:
            yield from parts_of(item)


def inner_references(reference: XComArg) -> list[XComArg]:
    """
    Return the references that ``.map()``, ``.zip()`` or ``.concat()`` was called on, or with; [] for a task's own
    reference.
    """
    part: Any = reference
    if hasattr(part, "args"):
        return list(part.args)
    return [part.arg] if hasattr(part, "arg") else []


def is_of_many(reference: Any) -> bool:
    """Whether it refers to a task that is mapped, by itself or with its group."""
    return any(
        hasattr(operator, "expand_input") or any(True for _ in operator.iter_mapped_task_groups())
        for operator, _ in _references(reference)
    )


def _missing_of(operator: Any, keys: Iterable[str], context: Context) -> Missing:
    """Tell which of the instances that feed the consumer gave no rows."""
    instance: Any = context["ti"]
    own = _own_index(operator, context)
    states = _states(operator.task_id, context)
    if own is not None:
        states = {index: state for index, state in states.items() if index == own}
    removed = [index for index, state in states.items() if state == "removed"]
    there = [state for state in states.values() if state != "removed"]
    if not there:
        raise LookupError(operator.task_id)
    how = Counter(_HOW.get(str(state), _UNFINISHED) for state in there if state != "success")
    gave_none, is_outdated = 0, False
    for key in keys:
        old = sum(_has_value(instance, operator, key, index) for index in removed)
        present = (
            _count(instance, operator, key) - old if own is None else int(_has_value(instance, operator, key, own))
        )
        gave_none = max(gave_none, there.count("success") - present)
        is_outdated = is_outdated or old > 0
    if gave_none:
        how[_GAVE_NONE] = gave_none
    return Missing(operator.task_id, len(there), how, is_outdated)


def _own_index(operator: Any, context: Context) -> int | None:
    """Return the instance of a task whose value the consumer gets; None when it gets those of all."""
    consumer: Any = context["task"]
    groups = {group.group_id for group in consumer.iter_mapped_task_groups()}
    if not any(group.group_id in groups for group in operator.iter_mapped_task_groups()):
        return None
    index = context["ti"].map_index
    return _UNMAPPED if index is None else index


def _is_airflow_2(instance: Any) -> bool:
    return not hasattr(instance, "get_task_states")


def _states(task_id: str, context: Context) -> dict[int, str | None]:
    """Ask Airflow for the states of a task's instances in this run, by their map index."""
    instance: Any = context["ti"]
    if _is_airflow_2(instance):
        run: Any = context["dag_run"]
        instances = [other for other in run.get_task_instances() if other.task_id == task_id]
        return {other.map_index: None if other.state is None else str(other.state) for other in instances}
    # One task at a time: another task may have this one's name with a number.
    of_runs = instance.get_task_states(dag_id=instance.dag_id, task_ids=[task_id], run_ids=[instance.run_id])
    states: dict[str, Any] = of_runs.get(instance.run_id, {})
    return {
        _UNMAPPED if name == task_id else int(name.removeprefix(f"{task_id}_")): None if state is None else str(state)
        for name, state in states.items()
    }


def _has_value(instance: Any, operator: Any, key: str, index: int) -> bool:
    """Tell whether an instance has returned a value: Airflow tells only by giving it."""
    return instance.xcom_pull(task_ids=operator.task_id, key=key, map_indexes=index) is not None


def _count(instance: Any, operator: Any, key: str) -> int:
    """Count the values of all instances, including those that are gone, without fetching them."""
    if _is_airflow_2(instance):
        return len(instance.xcom_pull(task_ids=[operator.task_id], key=key))
    from airflow.sdk.execution_time.lazy_sequence import LazyXComSequence

    reference: Any = XComArg(operator, key)
    return len(LazyXComSequence(xcom_arg=reference, ti=instance))
