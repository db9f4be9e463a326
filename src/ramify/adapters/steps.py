"""Parse the training step of a row from a number, a name such as `step-50` or `final`, or the path of its file."""

import re
from pathlib import Path
from typing import Any

from ramify.adapters.completions import shortened
from ramify.models.checkpoints import step_of, without_step

LAST = 2**31 - 1
"""Placeholder for the step of `final`, until the other steps are known."""
_BASE = frozenset({"base", "baseline", "initial", "init", "pretrained", "untrained"})
_FINAL = frozenset({"final", "last", "latest", "trained"})


def step_in(value: Any) -> int:
    """The step in a value.

    Raises:
        ValueError: it has none.

    >>> [step_in(value) for value in (50, "50", 50.0, "step-0", "ckpt50", "runs/a/checkpoint-100", "base")]
    [50, 50, 50, 0, 50, 100, 0]
    """
    found = value
    if isinstance(value, str) and len(value) <= 1000:
        found = _named(value)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < 2**31 or found != int(found):
        raise ValueError(f"step = {shortened(value)} is not a step")
    return int(found)


def _named(text: str) -> int | float | None:
    if re.fullmatch(r"\d{1,9}(\.0+)?", text, re.ASCII):
        return int(float(text))
    path = Path(text.rstrip("/"))
    found = step_of(path)
    return _word(path.name) if found is None else found


def step_of_file(file: Path, folder: Path) -> int | None:
    """The step in the path of a file below a folder, including the folder's name; None if there is none.

    >>> step_of_file(Path("a/ckpt50/x.json"), Path("a")), step_of_file(Path("a/final.jsonl"), Path("a")) == LAST
    (50, True)
    """
    below = file.relative_to(folder.parent) if file != folder else Path(file.name)
    found = step_of(bare(below))
    if found is not None:
        return found if found < LAST else None
    inner = bare(file.relative_to(folder) if file != folder else Path(file.name))
    return next((step for part in reversed(inner.parts) if (step := _word(part)) is not None), None)


def without_steps(name: str) -> str:
    """A path component without its step.

    >>> without_steps("easy_step50"), without_steps("50"), without_steps("hard-final")
    ('easy_', '', 'hard')
    """
    kept = without_step(name)
    if _word(kept) is None:
        return kept
    return "".join(part for part in re.split(r"([-_.])", kept) if part.lower() not in _BASE | _FINAL).strip("-_.")


def bare(path: Path) -> Path:
    """A path without its suffixes: a for a.jsonl.gz."""
    name = re.sub(r"(\.(jsonl|ndjson|json|csv|tsv|table|gz|parquet|arrow|eval))+$", "", path.name)
    return path.with_name(name) if name else path


def _word(name: str) -> int | None:
    words = set(re.split(r"[-_.\s]", name.lower()))
    return 0 if words & _BASE else LAST if words & _FINAL else None
