"""Write puzzle sets and models as folders for the Hugging Face Hub, with a card, and upload them.

They are loaded by their names: `task.puzzles`, `model`. Written folders
need no network.
"""

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import polars as pl

from ramify.errors import RunError, reason, require
from ramify.models.checkpoints import BUNDLED, is_model
from ramify.run import Run
from ramify.settings import ExperimentConfig, settings_of
from ramify.storage import write_text
from ramify.tables import write_table

LICENSE = "apache-2.0"
"""The license of puzzles drawn by ramify and of models trained from its bundled ones."""
UNKNOWN = "unknown"
"""The license of other data, if none is given."""


def write_dataset(run: Run, folder: Path, license_id: str | None = None) -> Path:
    """Write the puzzle sets of a run as a dataset folder: data/<set>.parquet, certificate.json and a card.

    Raises:
        RunError: the run has no puzzles yet.
    """
    _check_license(license_id)
    names = [name for name in ("train", *run.evaluation_sets()) if run.puzzles_file(name).is_file()]
    frames = {name: frame for name in names if (frame := run.puzzles(name)).height}
    if not frames:
        raise RunError(f"{run.path}: there are no puzzles to export; make some with ramify generate")
    for name, frame in frames.items():
        write_table(frame, folder / "data" / f"{name}.parquet", run.task.puzzle_schema())
    if run.certificate_file.is_file():
        shutil.copy(run.certificate_file, folder / "certificate.json")
    ours = run.imported() is None and not run.task.puzzles
    write_text(_dataset_card(run, frames, license_id or (LICENSE if ours else UNKNOWN)), folder / "README.md")
    return folder


def write_model(run: Run, step: int, seed: int, folder: Path, license_id: str | None = None) -> Path:
    """Copy a checkpoint of a run as a model folder with a card, without the trainer state.

    Raises:
        RunError: there is no such checkpoint.
    """
    _check_license(license_id)
    checkpoints = run.checkpoints(seed)
    if step not in checkpoints:
        there = f"there are {', '.join(map(str, checkpoints))}" if checkpoints else "it has none of its own training"
        raise RunError(f"{run.path}: seed {seed} has no checkpoint of step {step}; {there}")
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(checkpoints[step].iterdir()):
        if file.suffix in (".safetensors", ".json", ".jinja") and file.name != "trainer_state.json":
            shutil.copy(file, folder / file.name)
    settings = settings_of(run)
    ours = isinstance(settings, ExperimentConfig) and settings.model in BUNDLED
    write_text(_model_card(run, step, seed, license_id or (LICENSE if ours else UNKNOWN)), folder / "README.md")
    return folder


def _check_license(license_id: str | None) -> None:
    """Validate a license id, which is inserted into the card's YAML."""
    if license_id is not None and not re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,60}", license_id, re.ASCII):
        raise RunError(f"--license {license_id}: not an identifier such as apache-2.0, mit or other")


def push(folder: Path, name: str, private: bool = True) -> str:
    """Upload a folder as a private dataset or, if it holds a model, as a private model; returns its address.

    Raises:
        RunError: the hub rejects the upload or is unreachable.
    """
    require("pushing to the hub", "train")
    from huggingface_hub import HfApi

    kind = "model" if is_model(folder) else "dataset"
    api = HfApi()
    try:
        api.create_repo(name, repo_type=kind, private=private, exist_ok=True)
        return str(api.upload_folder(repo_id=name, repo_type=kind, folder_path=str(folder)))
    except Exception as error:  # the hub client changes, and does not wrap the errors of its HTTP client
        raise RunError(f"{name}: the hub rejected the upload: {reason(error, name)}") from None


def _dataset_card(run: Run, frames: dict[str, pl.DataFrame], license_id: str) -> str:
    files = "".join(f"  - split: {name}\n    path: data/{name}.parquet\n" for name in frames)
    lines = [
        "| set | puzzles | n | patterns | uniquely solvable | solving patterns, mean |",
        "|---|---|---|---|---|---|",
    ]
    for name, frame in frames.items():
        sizes = ", ".join(map(str, sorted(frame["n"].unique())))
        cells = (name, f"{len(frame):,}", sizes, f"{frame['pattern'].drop_nulls().n_unique():,}")
        means = _percent(_mean(frame["forced"])), f"{_mean(frame['solving'].list.len()):.1f}"
        lines.append(f"| {' | '.join((*cells, *means))} |")
    certificate = run.certificate()
    verdict = "none: these sets were not certified"
    if certificate:
        verdict = "clean" if certificate["is_clean"] else "NOT clean"
        verdict += f": {certificate['shared']} puzzles of an evaluation set are training puzzles, "
        verdict += f"{certificate['repeated']} puzzles occur twice, {certificate['solved_by_held_out']} training "
        verdict += "puzzles are solved by a held-out pattern"
        if certificate["held_out"]:
            verdict += (
                f" ({', '.join(certificate['held_out'][:8])}{' and more' if len(certificate['held_out']) > 8 else ''})"
            )
    return f"""---
license: {license_id}
tags: [countdown, reasoning, ramify]
configs:
- config_name: default
  data_files:
{files}---

# Countdown puzzles: {run.config["name"]}

Use every number once, with + − × ÷, and reach the target. Each row is a puzzle with the pattern it was drawn from
(`pattern`, an expression tree without its numbers), all patterns that solve it (`solving`), whether its own pattern
(with its twins) is the only one (`forced`), and the number of its solutions (`multiplicity`).

{chr(10).join(lines)}

Split certificate: {verdict}. The full certificate is in `certificate.json`.

Made by ramify; settings digest `{run.digest}`.
"""


def _mean(values: pl.Series) -> float:
    known = values.cast(pl.Float64).drop_nulls()
    return sum(known) / len(known) if len(known) else math.nan


def _model_card(run: Run, step: int, seed: int, license_id: str) -> str:
    settings = settings_of(run)
    if not isinstance(settings, ExperimentConfig):  # its checkpoints are elsewhere
        raise RunError(f"{run.path}: an imported run has no checkpoints of its own")
    rows = ""
    if run.estimates_file.is_file():
        wanted = pl.col("metric").str.starts_with("mean@") & ~pl.col("metric").str.contains(" ") & (pl.col("by") == "n")
        wanted &= (pl.col("step") == step) & (pl.col("seed") == seed) & pl.col("value").is_not_null()
        mine = run.estimates().filter(wanted).sort("set", "group")
        cells = [_estimate_row(row) for row in mine.iter_rows(named=True)]
        rows = "\n".join(
            ["| set | n | metric | value | 95 % interval | puzzles |", "|---|---|---|---|---|---|", *cells]
        )
    return f"""---
license: {license_id}
library_name: transformers
pipeline_tag: text-generation
tags: [countdown, reinforcement-learning, ramify]
---

# {settings.name}, step {step}, seed {seed}

Base model: `{settings.model}`. Trained on Countdown puzzles with ramify;
settings digest `{run.digest}`.

{rows}

```json
{json.dumps(settings.train.model_dump(mode="json"), indent=2)}
```
"""


def _estimate_row(row: dict[str, Any]) -> str:
    low, high = _percent(row["low"]), _percent(row["high"])
    ends = f"{low} to {high}" if low and high else ""
    return f"| {row['set']} | {row['group']} | {row['metric']} | {_percent(row['value'])} | {ends} | {row['n']} |"


def _percent(value: float | None) -> str:
    """A share as a percentage; empty if missing."""
    return f"{value:.1%}" if value is not None and math.isfinite(value) else ""
