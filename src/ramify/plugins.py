"""Objects of other packages, found by the entry points of a group: tasks, samplers, formats."""

from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar, Union

from ramify.errors import ConfigError

T = TypeVar("T")


class Plugins(Generic[T]):
    """The objects of an entry point group beside those that come with ramify, by name.

    Nothing is loaded before it is asked for. An entry point that cannot be loaded is an error only where its name is
    used, so a broken package does not stop runs that do without it.

    Args:
        group: of the entry points, such as `ramify.tasks`.
        what: what they are, in a word.
        base: what each must be: a class to be a subclass of.
        built_in: the objects of ramify, whose names win; the first one is the default.
    """

    def __init__(self, group: str, what: str, base: type, built_in: Mapping[str, T]) -> None:
        self.group, self.what, self.base, self.built_in = group, what, base, built_in
        self.default = next(iter(built_in))

    @cached_property
    def _loaded(self) -> tuple[dict[str, T], dict[str, str]]:
        """The objects, and why the others are none."""
        found: dict[str, T] = {}
        broken: dict[str, str] = {}
        for point in sorted(entry_points(group=self.group), key=lambda point: (point.name, point.value)):
            try:
                loaded = point.load()
            except Exception as error:  # another package may raise anything
                broken[point.name] = f"{point.value} cannot be loaded: {type(error).__name__}: {error}"
                continue
            if self._fits(loaded):
                found[point.name] = loaded
            else:
                broken[point.name] = f"{point.value} is not a {self.base.__module__}.{self.base.__qualname__}"
        return found, broken

    def _fits(self, loaded: Any) -> bool:
        if isinstance(loaded, type):
            return issubclass(loaded, self.base)
        return isinstance(loaded, self.base)

    @cached_property
    def known(self) -> dict[str, T]:
        """The objects by name, those of ramify first."""
        return {**self.built_in, **{name: one for name, one in self._loaded[0].items() if name not in self.built_in}}

    def check(self, setting: str, name: object) -> None:
        """Raise an error if there is no object of a name.

        Raises:
            ConfigError: with the setting that gave the name, and the reason.
        """
        if name in self.known:
            return
        reason = self._loaded[1].get(name) if isinstance(name, str) else None
        missing = f"no such {self.what}; known: {', '.join(self.known)}"
        raise ConfigError(f"{setting} = {name}: {reason or missing}")

    def union(self) -> Any:
        """The type of a setting that holds an instance of any of the classes."""
        return Union[tuple(self.known.values())]  # noqa: UP007
