"""
Whether everything that should have come from upstream did. Imported when a task runs.

Airflow hands over what is there. Of a mapped task it leaves out, without a word, each instance that failed, was skipped
or returned None. To a task that sends rows these are rows fewer. To one that takes a person who is not among the rows
for somebody who left, or who has not opted out, they are people.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import XComArg

from airflow_provider_octopush.sources.errors import InstancesMissingError, InstancesUnknownError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

#: States of an instance that ended without a value. What has another one, but for success, has not ended.
_FAILED = ("failed", "upstream_failed")
_ENDED = (*_FAILED, "skipped", "removed", "success")

#: The map index of a task that is not mapped, or not expanded.
_UNMAPPED = -1


@dataclass(frozen=True)
class Wholeness:
    """
    What is known of the upstream instances that feed a source.

    A source is whole if each of them succeeded and returned something other than None; ``[]`` is something. A source
    that refers to no task is whole.

    :param task_ids: tasks of which an instance gave nothing, in the order in which the source refers to them.
    :param instances: of these tasks, within the consumer's own scope: a task in a mapped task group is given what its
        own instance of the group returned.
    :param failed: instances that failed, or did not run because of others that did.
    :param unfinished: instances that have not ended.
    :param skipped: instances that were skipped. A task that is mapped over nothing is skipped, too, as one.
    :param gave_none: instances that succeeded, and returned None, or not the key that is asked for. If one that did not
        succeed has left a value nevertheless, this is one less.
    :param outdated: instances that the task no longer has, as it was cleared and mapped over less, and whose values
        Airflow hands over all the same.
    :param untold: tasks of which Airflow did not tell how their instances ended.
    :param reason: why it did not: the class of an error.
    :param is_zipped: what is there may be put together with what it does not belong to, as a missing instance moves all
        that come after it.
    """

    task_ids: tuple[str, ...] = ()
    instances: int = 0
    failed: int = 0
    unfinished: int = 0
    skipped: int = 0
    gave_none: int = 0
    outdated: int = 0
    untold: tuple[str, ...] = ()
    reason: str | None = None
    is_zipped: bool = False

    @property
    def is_known(self) -> bool:
        """Whether Airflow told how all instances ended."""
        return not self.untold

    @property
    def is_whole(self) -> bool:
        """Whether everything came; False if that is not known."""
        return self.is_known and not self.task_ids

    @property
    def has_failed(self) -> bool:
        """Whether an instance failed, or has not ended; not whether one chose to give nothing."""
        return bool(self.failed or self.unfinished)

    def __str__(self) -> str:
        """Return a sentence without its end, of counts and tasks."""
        said = []
        if self.task_ids:
            missing = self.failed + self.unfinished + self.skipped + self.gave_none
            what = []
            if missing:
                plural = "" if self.instances == 1 else "s"
                of = f"{self.instances} instance{plural} of {_list_of(self.task_ids)}"
                what.append(f"{missing} of {of} gave no rows ({self._counts()})")
            if self.outdated:
                where = "" if missing else f" of {_list_of(self.task_ids)}"
                what.append(
                    f"{self.outdated} instance{'' if self.outdated == 1 else 's'}{where} from before the task was "
                    "cleared left rows"
                )
            said.append(", and ".join(what))
        if self.untold:
            said.append(f"whether all instances of {_list_of(self.untold)} gave rows is not known ({self.reason})")
        return "; ".join(said) or "all instances gave rows"

    def check(self, consequence: str) -> None:
        """
        Check that everything came.

        :param consequence: what is not done because of it, such as "nobody is removed".
        :raises InstancesMissingError: when something did not.
        :raises InstancesUnknownError: when nothing is known to be missing, but not all is known.
        """
        if self.task_ids:
            raise InstancesMissingError(f"{self}: {consequence}. {self._advice()}")
        if self.untold:
            raise InstancesUnknownError(f"{self}: {consequence}. Run the task again")

    def check_failed(self, consequence: str) -> None:
        """
        Check that nothing failed; what was skipped or returned None chose to give nothing.

        :param consequence: what is done, or not done.
        :raises InstancesMissingError: when an instance failed, or has not ended.
        """
        if self.has_failed:
            self.check(consequence)

    def check_zipped(self, consequence: str) -> None:
        """
        Check that nothing is put together with what it does not belong to.

        :param consequence: what is not done because of it.
        :raises InstancesMissingError: when something did not come, and goes through ``.zip()``.
        :raises InstancesUnknownError: when that is not known.
        """
        if self.is_zipped:
            self.check(f".zip() would put together what does not belong together, so {consequence}")

    def _counts(self) -> str:
        counts = {
            "failed": self.failed,
            "not finished": self.unfinished,
            "skipped": self.skipped,
            "returned None": self.gave_none,
        }
        return ", ".join(f"{number} {what}" for what, number in counts.items() if number)

    def _advice(self) -> str:
        advice = []
        if self.has_failed:
            advice.append("clear them")
        if self.skipped or self.gave_none:
            advice.append("return [] for no rows")
        if self.outdated:
            advice.append("run the Dag anew, as old rows stay with this run")
        sentence = ", or ".join(advice)
        return sentence[0].upper() + sentence[1:]


def _list_of(names: Iterable[str]) -> str:
    *names, last = names
    return f"{', '.join(names)} and {last}" if names else last


def wholeness(data: Any, context: Context) -> Wholeness:
    """
    Tell whether everything that rows are to come from is there. Nothing of the rows is read, but where the consumer is
    in the same mapped task group on Airflow 3: there, only the value tells that there is one.

    :param data: rows, a reference to an upstream task's rows (also with ``.map()``, ``.zip()``, ``.concat()`` or a
        key), or a list or dict with such references anywhere inside. The argument of a mapped task group is a value
        that is there.
    :param context: of the task that is to read them.
    """
    tasks: dict[str, _Task] = {}
    for operator, key in _references(data):
        tasks.setdefault(operator.task_id, _Task(operator)).keys[key] = None
    missing: dict[str, _Counts] = {}
    untold: dict[str, str] = {}
    for task_id, task in tasks.items():
        try:
            counts = _counts_of(task, context)
        except Exception as error:  # noqa: BLE001 - whatever Airflow, its API or a backend for XComs may raise
            # Not its words: a backend may quote a value.
            untold[task_id] = type(error).__name__
            continue
        if not counts.are_whole:
            missing[task_id] = counts
    return Wholeness(
        task_ids=tuple(missing),
        instances=sum(counts.instances for counts in missing.values()),
        failed=sum(counts.failed for counts in missing.values()),
        unfinished=sum(counts.unfinished for counts in missing.values()),
        skipped=sum(counts.skipped for counts in missing.values()),
        gave_none=sum(counts.gave_none for counts in missing.values()),
        outdated=sum(counts.outdated for counts in missing.values()),
        untold=tuple(untold),
        reason=_list_of(dict.fromkeys(untold.values())) if untold else None,
        is_zipped=_is_zipped(data, {*missing, *untold}),
    )


@dataclass
class _Task:
    """An upstream task, and the keys that are asked of it."""

    operator: Any
    keys: dict[str, None] = field(default_factory=dict)


@dataclass
class _Counts:
    """Of one task; the names mean what they mean in :class:`Wholeness`."""

    instances: int
    failed: int
    unfinished: int
    skipped: int
    gave_none: int
    outdated: int

    @property
    def are_whole(self) -> bool:
        return not (self.failed or self.unfinished or self.skipped or self.gave_none or self.outdated)


class NoInstancesError(LookupError):
    """Airflow knows no instance of a task in this run."""


def _references(data: Any) -> Iterator[tuple[Any, str]]:
    if isinstance(data, XComArg):
        yield from data.iter_references()
    elif isinstance(data, Mapping):
        yield from _references(list(data.values()))
    elif isinstance(data, list | tuple | set | frozenset):
        for item in data:
            yield from _references(item)


def _is_zipped(data: Any, task_ids: set[str]) -> bool:
    """Whether what one of these tasks returns goes through ``.zip()``."""
    if isinstance(data, XComArg):
        part: Any = data
        if hasattr(part, "fillvalue"):  # only .zip() has one
            return any(operator.task_id in task_ids for operator, _ in _references(data))
        return _is_zipped(inner_references(data), task_ids)
    if isinstance(data, Mapping):
        return _is_zipped(list(data.values()), task_ids)
    return isinstance(data, list | tuple | set | frozenset) and any(_is_zipped(item, task_ids) for item in data)


def inner_references(reference: XComArg) -> list[XComArg]:
    """Return the references that ``.map()``, ``.zip()`` or ``.concat()`` was called on, or with; [] of a task's own."""
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


def _counts_of(task: _Task, context: Context) -> _Counts:
    """Count the instances of a task that feed the consumer, by what became of them."""
    instance: Any = context["ti"]
    own = _own_index(task.operator, context)
    states = _states(task.operator.task_id, context)
    if own is not None:
        states = {index: state for index, state in states.items() if index == own}
    removed = [index for index, state in states.items() if state == "removed"]
    succeeded = [index for index, state in states.items() if state == "success"]
    if len(states) == len(removed):
        raise NoInstancesError(task.operator.task_id)
    values = _Values2(instance) if _is_airflow_2(instance) else _Values3(instance)
    gave_none = outdated = 0
    for key in task.keys:
        old = values.count(task.operator, key, removed)
        if own is not None:
            present = values.count(task.operator, key, succeeded)
        else:
            present = values.count_all(task.operator, key) - old
        gave_none = max(gave_none, len(succeeded) - present)
        outdated = max(outdated, old)
    ended = list(states.values())
    return _Counts(
        instances=len(states) - len(removed),
        failed=sum(state in _FAILED for state in ended),
        unfinished=sum(state not in _ENDED for state in ended),
        skipped=ended.count("skipped"),
        gave_none=gave_none,
        outdated=outdated,
    )


def _own_index(operator: Any, context: Context) -> int | None:
    """Return which instance of a task the consumer is given the value of; None when it is given those of all."""
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
    # Of one task at a time: the name of another one may be that of this one with a number.
    of_runs = instance.get_task_states(dag_id=instance.dag_id, task_ids=[task_id], run_ids=[instance.run_id])
    states: dict[str, Any] = of_runs.get(instance.run_id, {})
    return {
        _UNMAPPED if name == task_id else int(name.removeprefix(f"{task_id}_")): None if state is None else str(state)
        for name, state in states.items()
    }


class _Values2:
    """Counts the values that instances returned, in Airflow 2's database."""

    def __init__(self, instance: Any) -> None:
        self._instance = instance

    def count(self, operator: Any, key: str, indexes: Sequence[int]) -> int:
        """Count the values of some instances."""
        return len(self._instance.xcom_pull(task_ids=operator.task_id, key=key, map_indexes=indexes)) if indexes else 0

    def count_all(self, operator: Any, key: str) -> int:
        """Count the values of all instances, also of those that are gone."""
        return len(self._instance.xcom_pull(task_ids=[operator.task_id], key=key))


class _Values3:
    """Counts the values that instances returned, through Airflow 3's API."""

    def __init__(self, instance: Any) -> None:
        self._instance = instance

    def count(self, operator: Any, key: str, indexes: Sequence[int]) -> int:
        """Count the values of some instances: the API gives one at a time, and does not tell without giving it."""
        pull = self._instance.xcom_pull
        return sum(pull(task_ids=operator.task_id, key=key, map_indexes=index) is not None for index in indexes)

    def count_all(self, operator: Any, key: str) -> int:
        """Count the values of all instances, also of those that are gone."""
        from airflow.sdk.execution_time.lazy_sequence import LazyXComSequence

        reference: Any = XComArg(operator, key)
        return len(LazyXComSequence(xcom_arg=reference, ti=self._instance))
