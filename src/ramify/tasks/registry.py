"""The tasks that there are: those of ramify, and those of other packages by the entry point group `ramify.tasks`."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Field

from ramify.errors import ConfigError
from ramify.tasks.base import Task
from ramify.tasks.countdown.task import CountdownConfig
from ramify.tasks.functions.task import FunctionsConfig

GROUP = "ramify.tasks"
DEFAULT = "countdown"
"""The kind of settings that name none."""
BUILT_IN: dict[str, type[Task]] = {"countdown": CountdownConfig, "functions": FunctionsConfig}


@cache
def task_classes() -> dict[str, type[Task]]:
    """The classes of tasks by kind; those that cannot be loaded are left out, see `unavailable`."""
    found = {name: task for name, task in _loaded().items() if isinstance(task, type)}
    return {**BUILT_IN, **{name: task for name, task in found.items() if name not in BUILT_IN}}


@cache
def _loaded() -> dict[str, type[Task] | str]:
    """What the entry points of other packages give: a class, or why there is none."""
    found: dict[str, type[Task] | str] = {}
    for point in entry_points(group=GROUP):
        try:
            task = point.load()
        except Exception as error:  # whatever the code of others raises
            found[point.name] = f"{point.value} cannot be loaded: {type(error).__name__}: {error}"
            continue
        is_task = isinstance(task, type) and issubclass(task, Task)
        found[point.name] = task if is_task else f"{point.value} is not a subclass of ramify.tasks.base.Task"
    return found


def check_kind(kind: object) -> None:
    """Whether there is a task of this kind.

    Raises:
        ConfigError: there is none, or the package that has it cannot be loaded.
    """
    reason = _loaded().get(kind) if isinstance(kind, str) else None
    if isinstance(reason, str):
        raise ConfigError(f"task.kind = {kind}: {reason}")
    if kind not in task_classes():
        raise ConfigError(f"task.kind = {kind}: no such task; known: {', '.join(task_classes())}")


def task_of(settings: Mapping[str, Any]) -> Task:
    """The task of the settings of a run, as plain data.

    >>> task_of({"task": {"seed": 7, "test": {"3": 10}}}).test
    {3: 10}
    """
    given = settings.get("task") or {}
    kind = given.get("kind", DEFAULT)
    check_kind(kind)
    return task_classes()[kind].of_saved(given)


def default_task() -> Task:
    """The task of settings that name none."""
    return BUILT_IN[DEFAULT].check({})


if TYPE_CHECKING:
    AnyTask = Task
else:
    _all = tuple(task_classes().values())
    AnyTask = Annotated[Union[_all], Field(discriminator="kind")] if len(_all) > 1 else _all[0]  # noqa: UP007
