"""Settings: TOML files and dotted overrides, checked into frozen records with a digest.

TOML and not YAML, which reads `1e-6` as a text. Every settings class stands beside the code that it configures and
derives from `Config`; unknown keys are errors.
"""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from ramify.errors import ConfigError

MAX_EXTENDS = 8
"""So many files may extend each other in a row."""


class Config(BaseModel):
    """A frozen record of settings.

    >>> class Training(Config):
    ...     steps: int = 10
    >>> Training.load(overrides=["steps=20"]).steps
    20
    >>> Training.load(overrides=["stepz=20"])
    Traceback (most recent call last):
    ramify.errors.ConfigError: stepz = 20: unknown setting; did you mean steps?
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @classmethod
    def load(cls, source: str | Path | None = None, overrides: Iterable[str] = ()) -> Self:
        """Read a TOML file (a path, or the name of a preset), put the overrides on top, and validate.

        Args:
            source: a path that ends in `.toml`, the name of a preset, or None for the defaults.
            overrides: texts like `train.steps=20`; the right side is read as TOML, and as plain text where that fails.
                One that names another kind, such as `train.kind=none`, takes away what that kind does not know.

        Raises:
            ConfigError: one sentence that names the setting and its value.
        """
        settings = read_toml(source) if source is not None else {}
        for text in sorted(overrides, key=_names_kind, reverse=True):
            _override(settings, text)
            if _names_kind(text):
                _drop_unknown(cls, settings, text.partition("=")[0].strip().split(".")[:-1])
        return cls.check(settings)

    @classmethod
    def check(cls, settings: Mapping[str, Any]) -> Self:
        """Validate a nested mapping; pydantic's complaint becomes one sentence."""
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            raise ConfigError(_sentence(cls, error)) from None

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that change when any setting changes."""
        return digest_of(self.model_dump(mode="json"))


def digest_of(settings: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits of settings as plain data, which stay when JSON has carried them.

    >>> digest_of({"steps": 30, "seeds": (1, 2)}) == digest_of({"seeds": [1, 2], "steps": 30})
    True
    """
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def presets() -> dict[str, str]:
    """The presets that come with the package: name to TOML text."""
    files = resources.files("ramify.presets").iterdir()
    found = {file.name.removesuffix(".toml"): file.read_text() for file in files if file.name.endswith(".toml")}
    return dict(sorted(found.items()))


def read_toml(source: str | Path, depth: int = 0) -> dict[str, Any]:
    """The settings in a TOML file or preset, as plain data.

    A file with `extends = "another"` holds only what differs from another preset, or from a file beside it; a count
    of 0 takes a size out of a set of puzzles.
    """
    path = Path(source)
    if path.suffix == ".toml":
        if not path.is_file():
            raise ConfigError(f"{path}: no such file")
        text = path.read_text()
    else:
        known = presets()
        if str(source) not in known:
            raise ConfigError(f"{source}: no such preset; there are {', '.join(known)} (a file must end in .toml)")
        text = known[str(source)]
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: not valid TOML: {error}") from None
    return _on_top_of_parent(found, str(source), path.parent, depth)


def _on_top_of_parent(settings: dict[str, Any], source: str, folder: Path, depth: int) -> dict[str, Any]:
    """Settings merged into those that they extend: a preset, or a file beside theirs."""
    parent = settings.pop("extends", None)
    if parent is None:
        return settings
    if depth > MAX_EXTENDS:
        raise ConfigError(f"{source}: extends = {parent}: files that extend each other")
    return _merged(read_toml(folder / parent if parent.endswith(".toml") else parent, depth + 1), settings)


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    found = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(found.get(key), dict)
        # Settings of another kind share nothing with those that they replace.
        both = both and value.get("kind", found[key].get("kind")) == found[key].get("kind")
        found[key] = _merged(found[key], value) if both else value
    return found


def _override(settings: dict[str, Any], text: str) -> None:
    dotted, equals, right = text.partition("=")
    if not equals or not dotted:
        raise ConfigError(f"{text}: an override is written setting=value, for example train.steps=20")
    *parents, last = dotted.strip().split(".")
    for parent in parents:
        settings = settings.setdefault(parent, {})
        if not isinstance(settings, dict):
            raise ConfigError(f"{dotted}: {parent} is a value, not a table of settings")
    try:
        settings[last] = tomllib.loads(f"value = {right}")["value"]
    except tomllib.TOMLDecodeError:
        settings[last] = right.strip()


def _names_kind(text: str) -> bool:
    return text.partition("=")[0].strip().endswith(".kind")


def _drop_unknown(cls: type[BaseModel], settings: dict[str, Any], parents: list[str]) -> None:
    """Where an override names another kind, drop what the file says and that kind does not know."""
    options = [cls]
    for parent in parents:
        settings = settings[parent]
        fields = [model.model_fields[parent] for model in options if parent in model.model_fields]
        options = [model for field in fields for model in _models(field.annotation)]
    for model in options:
        if _kind(model) == settings["kind"]:
            for name in settings.keys() - model.model_fields.keys():
                del settings[name]


def _sentence(cls: type[BaseModel], error: ValidationError) -> str:
    first = error.errors()[0]
    parts, options = _place(cls, first["loc"])
    where = ".".join(parts) or cls.__name__
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"{where} = {first['input']}: unknown setting; {_nearest(parts[-1], options)}{more}"
    if first["type"] == "missing":
        return f"{where}: this setting is required{more}"
    if first["type"].startswith("union_tag"):
        kinds = ", ".join(sorted(_kind(model) for model in options))
        given = first["ctx"].get("tag", "missing")
        return f"{where}.kind = {given}: there are {kinds}{more}"
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error" and isinstance(first["input"], dict):
        return f"{reason}{more}"
    return f"{where} = {first['input']}: {reason[:1].lower()}{reason[1:]}{more}"


def _place(cls: type[BaseModel], location: tuple[int | str, ...]) -> tuple[list[str], list[type[BaseModel]]]:
    """Where an error stands, without the kinds that pydantic puts in, and the settings classes that could be there."""
    parts: list[str] = []
    options = [cls]
    for part in map(str, location):
        chosen = [model for model in options if _kind(model) == part]
        if chosen and len(options) > 1:
            options = chosen
            continue
        parts.append(part)
        fields = [model.model_fields[part] for model in options if part in model.model_fields]
        options = [model for field in fields for model in _models(field.annotation)] or options
    return parts, options


def _kind(model: type[BaseModel]) -> str:
    field = model.model_fields.get("kind")
    return str(field.default) if field is not None else ""


def _nearest(name: str, options: list[type[BaseModel]]) -> str:
    """What could have been meant by an unknown setting."""
    from difflib import get_close_matches

    names = list(dict.fromkeys(name for model in options for name in model.model_fields))
    close = get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]
