"""The report: one HTML file that needs no network, made from tables alone."""

import json
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ramify.errors import RunError
from ramify.report.abstract import abstract, details
from ramify.report.examples import drawn, learned_puzzle, worst_patterns
from ramify.report.figures import SHAPE_STYLES, Point, interval, track
from ramify.report.story import story
from ramify.report.view import UNSEEN, Row, View, changes, learned, points_of
from ramify.run import Run
from ramify.storage import write_text
from ramify.tasks.base import Task

TEMPLATES = ("base.html.jinja", "page.html.jinja", "comparison.html.jinja", "figures.html.jinja")
LEARNED_IN = ("test", "held_out", "length")
MOST_PATTERNS = 96
"""Patterns of one n that are listed; of more, the first and the last."""


@dataclass(frozen=True, slots=True)
class Learned:
    """A pattern in the order of learning."""

    text: str
    shape: str
    held_out: bool
    tree: Markup
    track: Markup
    acquired: str
    change: str
    gain: str
    success: float
    rank: int


def view_of(run: Run) -> View:
    """The estimates of a run as the report reads them."""
    view = View(run.config["name"], run.estimates(), _asked(run), run.task)
    if not view.steps:
        raise RunError(f"{run.path}: the seeds have no checkpoint in common, so there is nothing to report on")
    return view


def _asked(run: Run) -> str:
    """What kind of puzzles a run asks."""
    imported, certificate = run.imported(), run.certificate()
    if imported is not None:
        return str(imported["asked"])
    elsewhere = run.config.get("train", {}).get("kind") == "checkpoints"
    untold = certificate is not None and not certificate["puzzles"].get("train")
    return "puzzles that training may have seen" if elsewhere and untold else UNSEEN


def write_report(run: Run, path: Path | None = None) -> Path:
    """Write the report of a run, to `report.html` in its folder if no path is given; returns its path."""
    path = path or run.report_file
    write_text(render(run), path)
    return path


def render(run: Run) -> str:
    """The report of one run."""
    view = view_of(run)
    certificate = run.certificate()
    manifest = run.manifest()
    order = {n: _learned(run.task, view, n) for n in view.shaped_sizes}
    found = {n: [row["status"] != "unknown" for row in learned(view, n, LEARNED_IN)] for n in order}
    totals = {n: sum(known) for n, known in found.items()}
    return rendered(
        "page.html.jinja",
        view=view,
        introduction=run.task.INTRODUCTION,
        abstract=abstract(view),
        details=details(view),
        setting=setting(run.config, run.imported()),
        sections=story(view, certificate),
        order={n: rows for n, rows in order.items() if rows},
        totals=totals,
        single={n: len(known) - sum(known) for n, known in found.items()},
        imported=run.imported(),
        changes=changes(view),
        interval=interval,
        worst=worst_patterns(run, view),
        example=learned_puzzle(run, view),
        certificate=certificate,
        promises=list(run.task.PROMISES.items()),
        manifest=manifest,
        config=json.dumps(run.config, indent=2),
        digest=run.digest,
    )


KINDS = {"sft": "supervised fine-tuning on one solution a puzzle", "rft": "fine-tuning on its own right completions"}


def setting(config: dict[str, Any], imported: dict[str, Any] | None = None) -> str:
    """What was trained and how, in a sentence, as far as the settings say it.

    >>> setting({"model": "bundled", "train": {"kind": "grpo", "steps": 30}, "task": {"train": {"3": 1440}}})
    'The model (bundled) was trained by GRPO: 30 steps, 1,440 puzzles of n = 3.'
    >>> setting({"model": "bundled", "train": {"kind": "none"}})
    'The model (bundled) was not trained.'
    """
    train, task = config.get("train", {}), config.get("task", {})
    if imported:
        return f"Read from {imported['format']}: {imported['asked']}."
    if "model" not in config or "kind" not in train:
        return ""
    if train["kind"] == "none":
        return f"The model ({config['model']}) was not trained."
    if train["kind"] == "checkpoints":
        return f"The checkpoints ({train.get('folder') or 'by their names'}) were trained elsewhere."
    parts = [f"{train['steps']} steps" if "steps" in train else ""]
    if "prompts_per_step" in train and "samples_per_prompt" in train:
        parts[0] += f" of {train['prompts_per_step']} puzzles × {train['samples_per_prompt']} samples"
    if "examples_per_step" in train:
        parts[0] += f" of {train['examples_per_step']} examples"
    puzzles = {n: count for n, count in task.get("train", {}).items() if count}
    each = " a pattern" if task.get("per_pattern") else ""
    parts.append(" and ".join(f"{count:,} puzzles{each} of n = {n}" for n, count in puzzles.items()))
    reward = task.get("reward", {})
    if reward and train["kind"] not in KINDS:
        paid = [f"{reward.get(name, 0):g} {words}" for name, words in (("correct", "if correct"), ("form", "for form"))]
        parts.append(f"reward {', '.join(paid)}, else {reward.get('wrong', 0):g}")
    said = ", ".join(part for part in parts if part)
    name = KINDS.get(train["kind"], train["kind"].upper())
    return f"The model ({config['model']}) was trained by {name}: {said}."


def _learned(task: Task, view: View, n: int) -> list[Learned]:
    """The patterns of an n in the order of learning, seen and held out; those of a single puzzle say nothing."""
    rows = [row for row in learned(view, n, LEARNED_IN) if row["status"] != "unknown"]
    found = []
    for rank, row in enumerate(rows):
        shape = task.structure(row["group"])["shape_class"]
        at = None if row["value"] is None else Point(0, row["value"], row["low"], row["high"])
        found.append(
            Learned(
                row["group"],
                shape,
                row["set"] == "held_out",
                drawn(task, row["group"]),
                Markup(track(row["status"], at, view.last, SHAPE_STYLES[shape])),
                _said(row, view.last),
                f"{row['before'].value:.0%} → {row['after'].value:.0%}",
                "" if row["gain"] is None or row["gain"]["value"] is None else points_of(row["gain"]),
                row["after"].value,
                rank,
            )
        )
    half = MOST_PATTERNS // 2
    return found if len(found) <= MOST_PATTERNS else found[:half] + found[-half:]


def _said(row: Row, last: int) -> str:
    if row["value"] is None:
        return str(row["status"])
    low = row["low"] if row["low"] is not None else row["value"]
    high = f"{row['high']:.0f}" if row["high"] is not None else f"after {last}"
    return f"step {row['value']:.0f} [{low:.0f}, {high}]"


def rendered(template: str, **values: object) -> str:
    """A template with the shared style and script; the script is the only one that the page allows to run."""
    folder = resources.files("ramify.report")
    files = {name: (folder / name).read_text() for name in TEMPLATES}
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.DictLoader(files),
    )
    script = (folder / "page.js").read_text()
    allowed = b64encode(sha256(script.encode()).digest()).decode()
    return environment.get_template(template).render(
        script=Markup(script),
        allowed=f"sha256-{allowed}",
        style=Markup((folder / "page.css").read_text()),
        markup=Markup,
        **values,
    )
