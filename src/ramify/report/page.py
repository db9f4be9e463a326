"""The report of a run: one self-contained HTML file, built from tables alone."""

import json
from base64 import b64encode
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ramify.algebra.drawing import SHAPE_STYLES
from ramify.errors import RunError
from ramify.report.abstract import details, further, headline
from ramify.report.examples import learned_puzzle, worst_patterns
from ramify.report.figures import intervals
from ramify.report.learned import learned_of
from ramify.report.links import in_view, inside
from ramify.report.story import story
from ramify.report.unbroken import unbroken
from ramify.report.view import UNSEEN, View, changes
from ramify.run import Run
from ramify.settings import ExperimentConfig, ImportedSettings, settings_of
from ramify.storage import write_text
from ramify.tasks.base import SHAPE_CLASSES
from ramify.train.existing import CheckpointsConfig

TEMPLATES = ("base.html.jinja", "page.html.jinja", "comparison.html.jinja", "figures.html.jinja")


def view_of(run: Run) -> View:
    """The estimates of a run as the report reads them."""
    view = View(run.config["name"], run.estimates(), _asked(run), run.task)
    if not view.steps:
        raise RunError(f"{run.path}: the seeds have no checkpoint in common, so there is nothing to report")
    return view


def _asked(run: Run) -> str:
    """The kind of puzzles of a run, in words."""
    imported, certificate = run.imported(), run.certificate()
    if imported is not None:
        return str(imported["asked"])
    settings = settings_of(run)
    elsewhere = isinstance(settings, ExperimentConfig) and isinstance(settings.train, CheckpointsConfig)
    untold = certificate is not None and not certificate["puzzles"].get("train")
    return "puzzles that training may have seen" if elsewhere and untold else UNSEEN


def write_report(run: Run, path: Path | None = None) -> Path:
    """Write the report of a run, to `report.html` in its folder if no path is given; returns its path."""
    path = path or run.report_file
    write_text(render(run), path)
    return path


def render(run: Run) -> str:
    """Render the report of a run."""
    view = view_of(run)
    certificate = run.certificate()
    manifest = run.manifest()
    order = [size for n in view.shaped_sizes if (size := learned_of(view, n)).total]
    return rendered(
        "page.html.jinja",
        view=view,
        introduction=run.task.INTRODUCTION,
        headline=headline(view),
        further=further(view),
        details=details(view),
        setting=setting(settings_of(run), run.imported()),
        sections=story(view, certificate),
        order=order,
        shapes=[(shape, SHAPE_STYLES[shape]) for shape in SHAPE_CLASSES if any(shape in size.shapes for size in order)],
        imported=run.imported(),
        changes=changes(view),
        intervals=intervals,
        worst=worst_patterns(run, view),
        example=learned_puzzle(run, view),
        certificate=certificate,
        promises=list(run.task.PROMISES.items()),
        manifest=manifest,
        config=json.dumps(run.config, indent=2),
        digest=run.digest,
        runs=[run.path.resolve().name],
    )


def setting(settings: ExperimentConfig | ImportedSettings, imported: dict[str, Any] | None = None) -> str:
    r"""A sentence that describes the model and its training.

    >>> print(setting(ExperimentConfig.load(overrides=["task.train={3=1440}"])).replace(": ", ":\n"))
    The model (bundled) was trained by GRPO:
    30 steps of 64 puzzles × 8 samples, 1,440 puzzles of n = 3, reward 1 if correct, else 0.
    >>> setting(ExperimentConfig.load(overrides=["train.kind=none"]))
    'The model (bundled) was not trained.'
    """
    if imported:
        return f"Read from {imported['format']}: {imported['asked']}."
    if isinstance(settings, ImportedSettings):
        return ""
    warm_up = settings.warm_up
    model = settings.model if warm_up is None else f"{settings.model} after {warm_up.length} of {warm_up.LABEL}"
    parts = [settings.train.describe(model)]
    if settings.train.TRAINS:
        asked = settings.task.asked().get("train", {})
        parts += [" and ".join(f"{count:,} puzzles of n = {n}" for n, count in asked.items())]
    if settings.train.WRITES_ROLLOUTS:
        parts += [f"reward {settings.task.reward.label}"]
    return f"{', '.join(part for part in parts if part)}."


def rendered(template: str, **values: object) -> str:
    """Render a template with the shared style and script; the page allows no other script.

    Of images it allows those that it carries itself: the script draws a figure's SVG to make its PNG.
    """
    folder = resources.files("ramify.report")
    files = {name: (folder / name).read_text() for name in TEMPLATES}
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.DictLoader(files),
    )
    environment.filters["unbroken"] = unbroken
    script = (folder / "page.js").read_text()
    allowed = b64encode(sha256(script.encode()).digest()).decode()
    return environment.get_template(template).render(
        script=Markup(script),
        allowed=f"sha256-{allowed}",
        style=Markup((folder / "page.css").read_text()),
        markup=Markup,
        in_view=in_view,
        inside=inside,
        **values,
    )
