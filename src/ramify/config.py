"""Settings: TOML files and dotted overrides, validated into frozen models with a digest.

TOML, not YAML, which reads `1e-6` as text. Every settings class is defined next to the code that it configures and
derives from `Config`; unknown keys are errors. Every number has bounds, so that no setting causes unbounded work.
"""

import hashlib
import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ramify.errors import ConfigError

MAX_EXTENDS = 8
"""The longest chain of files that extend each other."""
MAX_BYTES = 1 << 18
"""The largest settings file, in bytes."""
MAX_DEPTH = 16
"""The deepest nesting of tables and lists."""
MOST = 1_000_000
"""The largest count of steps, sequences, tokens or puzzles without a tighter bound."""

Seed = Annotated[int, Field(ge=0, lt=2**31)]
"""A seed that numpy, torch and 32-bit columns accept."""
Temperature = Annotated[float, Field(ge=1e-3, le=100)]
"""A sampling temperature, which divides 32-bit logits."""
Rate = Annotated[float, Field(ge=1e-12, le=100)]
"""A learning rate."""
Name = Annotated[str, Field(pattern=r"^\w[\w.-]*$", max_length=60)]
"""A valid folder name."""


class Config(BaseModel):
    """The base class of settings: a frozen pydantic model.

    >>> class Training(Config):
    ...     steps: int = 10
    >>> Training.load(overrides=["steps=20"]).steps
    20
    >>> Training.load(overrides=["stepz=20"])
    Traceback (most recent call last):
    ramify.errors.ConfigError: stepz = 20: unknown setting; did you mean steps?
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    @classmethod
    def spelled_out(cls, name: str) -> dict[str, Any] | None:
        """The settings of a shorthand name; None if the class has no shorthands.

        Raises:
            ValueError: the class has shorthands, and this is none of them.
        """
        return None

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, settings: Any) -> Any:
        spelled = cls.spelled_out(settings) if isinstance(settings, str) else None
        return settings if spelled is None else spelled

    @classmethod
    def load(cls, source: str | Path | None = None, overrides: Iterable[str] = ()) -> Self:
        """Read a TOML file or preset, apply the overrides, and validate.

        Args:
            source: a path that ends in `.toml`, the name of a preset, or None for the defaults.
            overrides: texts like `train.steps=20`; the right side is parsed as TOML, else taken as plain text. An
                override of a kind, such as `train.kind=none`, drops settings that the new kind does not have.

        Raises:
            ConfigError: a setting is invalid; the message names it and its value.
        """
        settings = read_toml(source, cls=cls) if source is not None else {}
        for text in sorted(overrides, key=_names_kind, reverse=True):
            _override(cls, settings, text)
            if _names_kind(text):
                _drop_unknown(cls, settings, text.partition("=")[0].strip().split(".")[:-1])
        return cls.check(settings)

    @classmethod
    def check(cls, settings: Mapping[str, Any]) -> Self:
        """Validate a nested mapping; an error is one sentence."""
        _check_values(settings)
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            raise ConfigError(_sentence(cls, error)) from None

    @classmethod
    def of_saved(cls, settings: Mapping[str, Any]) -> Self:
        """Validate saved settings of another version; settings unknown to this version are dropped.

        >>> class Training(Config):
        ...     steps: int = 10
        >>> Training.of_saved({"steps": 20, "dropped": True})
        Training(steps=20)
        """
        _check_values(settings)
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            unknown = [each["loc"] for each in error.errors() if each["type"] == "extra_forbidden"]
        return cls.check(_without(settings, [tuple(_place(cls, location)[0]) for location in unknown]))

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that identify the settings."""
        return digest_of(self.model_dump(mode="json"))


def digest_of(settings: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits of settings as plain data, stable through JSON.

    >>> digest_of({"steps": 30, "seeds": (1, 2)}) == digest_of({"seeds": [1, 2], "steps": 30})
    True
    """
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def presets() -> dict[str, str]:
    """The bundled presets: name to TOML text."""
    files = resources.files("ramify.presets").iterdir()
    found = {file.name.removesuffix(".toml"): file.read_text() for file in files if file.name.endswith(".toml")}
    return dict(sorted(found.items()))


def read_toml(source: str | Path, depth: int = 0, cls: type[BaseModel] | None = None) -> dict[str, Any]:
    """Read a TOML file or preset as plain data.

    A file with `extends = "another"` only has the differences from another preset, or from a file in the same folder; a
    count of 0 removes a size from a puzzle set.

    Args:
        cls: the settings class; with it, a table is merged into the settings of a shorthand.

    Raises:
        ConfigError: the file or preset does not exist, is not TOML, or is too large or deep.
    """
    path = Path(source)
    if path.suffix == ".toml":
        if not path.is_file():
            raise ConfigError(f"{path}: {'not a regular file' if path.exists() else 'no such file'}")
        text = _text(path)
    else:
        known = presets()
        if str(source) not in known:
            raise ConfigError(f"{source}: no such preset; there are {', '.join(known)} (a file must end in .toml)")
        text = known[str(source)]
    try:
        found = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # including an integer with thousands of digits
        raise ConfigError(f"{source}: not valid TOML: {_one_line(error)}") from None
    _check_values(found, f"{source}: ")
    return _on_top_of_parent(found, str(source), path.parent, depth, cls)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        read = file.read(MAX_BYTES + 1)
    if len(read) > MAX_BYTES:
        raise ConfigError(f"{path}: a settings file has at most {MAX_BYTES // 1024} KiB")
    try:
        return read.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None


def _on_top_of_parent(
    settings: dict[str, Any], source: str, folder: Path, depth: int, cls: type[BaseModel] | None
) -> dict[str, Any]:
    """Settings merged into the preset or file that they extend."""
    parent = settings.pop("extends", None)
    if parent is None:
        return settings
    if not isinstance(parent, str) or not parent.strip():
        raise ConfigError(f"{source}: extends = {_shown(parent)}: must be a preset or a .toml file in the same folder")
    if depth > MAX_EXTENDS:
        raise ConfigError(f"{source}: extends = {parent}: files that extend each other")
    under = read_toml(folder / parent if parent.endswith(".toml") else parent, depth + 1, cls)
    return _merged(under, settings, [cls] if cls else [])


def _merged(under: dict[str, Any], over: dict[str, Any], options: list[type[BaseModel]]) -> dict[str, Any]:
    found = dict(under)
    for key, value in over.items():
        inner = _below(options, key)
        if isinstance(value, dict):
            found[key] = _spelled_out(inner, found.get(key))
        both = isinstance(value, dict) and isinstance(found.get(key), dict)
        # Settings of another kind replace the old ones entirely.
        both = both and value.get("kind", found[key].get("kind")) == found[key].get("kind")
        found[key] = _merged(found[key], value, inner) if both else value
    return found


def _override(cls: type[BaseModel], settings: dict[str, Any], text: str) -> None:
    dotted, equals, right = text.partition("=")
    *parents, last = dotted.strip().split(".")
    if not equals or not all([*parents, last]):
        raise ConfigError(f"{_shown(text)}: an override is written setting=value, for example train.steps=20")
    if len(parents) >= MAX_DEPTH:
        raise ConfigError(f"{_shown(dotted)}: settings are at most {MAX_DEPTH} tables deep")
    options = [cls]
    for parent in parents:
        options = _below(options, parent)
        settings[parent] = _spelled_out(options, settings.get(parent, {}))
        settings = settings[parent]
        if not isinstance(settings, dict):
            raise ConfigError(f"{dotted}: {parent} is a value, not a table of settings")
    try:
        settings[last] = tomllib.loads(f"value = {right}")["value"]
    except (ValueError, RecursionError):
        settings[last] = right.strip()


def _spelled_out(options: list[type[BaseModel]], value: Any) -> Any:
    """The table that a shorthand name stands for, so that a table can be merged into it."""
    for model in options if isinstance(value, str) else []:
        if issubclass(model, Config):
            try:
                spelled = model.spelled_out(value)
            except ValueError:
                continue  # pydantic reports the path
            if spelled is not None:
                return spelled
    return value


def _below(options: list[type[BaseModel]], key: str) -> list[type[BaseModel]]:
    """The settings classes that can appear under a key of these classes."""
    fields = [model.model_fields[key] for model in options if key in model.model_fields]
    return [model for field in fields for model in _models(field.annotation)]


def _check_values(settings: Any, where: str = "") -> None:
    """Reject invalid values before any code that recurses, computes or prints.

    Raises:
        ConfigError: the nesting is too deep, a number is not finite or exceeds 64 bits, or a text has an invalid
            character.
    """
    waiting: list[tuple[str, Any, int]] = [("", settings, 0)]
    while waiting:
        name, value, depth = waiting.pop()
        if isinstance(value, Mapping | list | tuple) and depth > MAX_DEPTH:
            raise ConfigError(f"{where}{_shown(name)}: settings are at most {MAX_DEPTH} tables deep")
        if isinstance(value, Mapping):
            for key, part in value.items():
                below = f"{name}.{key}" if name else str(key)
                waiting += [(below, part, depth + 1), (name or "settings", str(key), depth + 1)]
        elif isinstance(value, list | tuple):
            waiting += [(name, part, depth + 1) for part in value]
        elif isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{where}{name} = {value}: must be a finite number")
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ConfigError(f"{where}{name}: a number of {value.bit_length()} bits; settings have up to 63")
        elif isinstance(value, str) and ("\0" in value or _is_broken(value)):
            raise ConfigError(f"{where}{name} = {_shown(value)}: has an invalid character")


def _is_broken(text: str) -> bool:
    """Whether a text has an unpaired surrogate, as arguments that are not UTF-8 do."""
    return not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)


def _shown(value: Any) -> str:
    """A value as text of at most 80 characters."""
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _one_line(error: BaseException) -> str:
    return _shown((str(error).strip() or type(error).__name__).splitlines()[0])


def _names_kind(text: str) -> bool:
    return text.partition("=")[0].strip().endswith(".kind")


def _drop_unknown(cls: type[BaseModel], settings: dict[str, Any], parents: list[str]) -> None:
    """Where an override names another kind, drop the settings that the new kind does not have."""
    options: list[type[BaseModel]] = [cls]
    for parent in parents:
        settings = settings[parent]
        options = _below(options, parent)
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
        return f"{where} = {_shown(first['input'])}: unknown setting; {_nearest(parts[-1], options)}{more}"
    if first["type"] == "missing":
        return f"{where}: this setting is required{more}"
    if first["type"].startswith("union_tag"):
        kinds = ", ".join(sorted(_kind(model) for model in options))
        given = first["ctx"].get("tag", "missing")
        return f"{where}.kind = {given}: there are {kinds}{more}"
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error" and isinstance(first["input"], dict):
        return f"{reason}{more}"
    return f"{where} = {_shown(first['input'])}: {reason[:1].lower()}{reason[1:]}{more}"


def _place(cls: type[BaseModel], location: tuple[int | str, ...]) -> tuple[list[str], list[type[BaseModel]]]:
    """The path of a setting with an error, without the kinds inserted by pydantic, and the possible settings
    classes."""
    parts: list[str] = []
    options = [cls]
    for part in map(str, location):
        chosen = [model for model in options if _kind(model) == part]
        if chosen and len(options) > 1:
            options = chosen
            continue
        parts.append(part)
        options = _below(options, part) or options
    return parts, options


def _without(settings: Mapping[str, Any], places: list[tuple[str, ...]]) -> dict[str, Any]:
    """Settings without the ones at given paths."""
    kept = {}
    for key, value in settings.items():
        below = [place[1:] for place in places if place[0] == str(key)]
        if () not in below:
            kept[key] = _without(value, below) if below else value
    return kept


def _kind(model: type[BaseModel]) -> str:
    field = model.model_fields.get("kind")
    return str(field.default) if field is not None else ""


def _nearest(name: str, options: list[type[BaseModel]]) -> str:
    """The most similar known setting."""
    from difflib import get_close_matches

    names = list(dict.fromkeys(name for model in options for name in model.model_fields))
    close = get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]
