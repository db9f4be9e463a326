"""The registry of tasks: those of ramify, and those of other packages (entry points `ramify.tasks`)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ramify.plugins import Plugins
from ramify.tasks.base import Task
from ramify.tasks.countdown.task import CountdownConfig
from ramify.tasks.functions.task import FunctionsConfig
from ramify.tasks.strings.task import StringsConfig

TASKS: Plugins[type[Task]] = Plugins(
    "ramify.tasks", "task", Task, {"countdown": CountdownConfig, "functions": FunctionsConfig, "strings": StringsConfig}
)


def task_of(settings: Mapping[str, Any]) -> Task:
    """The task of the settings of a run, as plain data.

    >>> task_of({"task": {"seed": 7, "test": {"3": 10}}}).test
    {3: 10}
    """
    given = settings.get("task") or {}
    kind = given.get("kind", TASKS.default)
    TASKS.check("task.kind", kind)
    return TASKS.known[kind].of_saved(given)


def default_task() -> Task:
    """The task of settings without a kind."""
    return TASKS.known[TASKS.default].check({})


if TYPE_CHECKING:
    AnyTask = Task
elif len(TASKS.known) > 1:
    AnyTask = Annotated[TASKS.union(), Field(discriminator="kind")]
else:
    AnyTask = TASKS.union()
