"""Log estimates to a tracker: TensorBoard, W&B or trackio; with several seeds, only the pooled ones."""

from collections.abc import Iterable, Iterator, Sequence

from ramify.errors import RunError, require
from ramify.report.page import view_of
from ramify.run import Run

BY = ("all", "n", "n,shape_class", "pattern")


def track(run: Run, trackers: Sequence[str]) -> None:
    """Log the estimates of a run to trackers under the run's name, with the checkpoint as step.

    Logging again replaces the curves in TensorBoard and reuses the run id in W&B.

    Raises:
        MissingExtraError: a tracker is not installed.
    """
    points = list(_points(run))
    for tracker in trackers:
        if tracker not in _WRITERS:
            raise RunError(f"--track {tracker}: there are {', '.join(_WRITERS)}")
        require(f"track = {tracker}", tracker)
        _WRITERS[tracker](run, points)


Points = Iterable[tuple[int, dict[str, float]]]
"""For each checkpoint, the values by name."""


def _points(run: Run) -> Iterator[tuple[int, dict[str, float]]]:
    view = view_of(run)
    pooled = view.estimates["seed"].is_null() if len(view.seeds) > 1 else view.estimates["seed"].is_not_null()
    mine = view.estimates.filter(pooled).filter(view.estimates.filter(pooled)["by"].is_in(BY)).drop_nulls("value")
    for (step,), part in mine.sort("step").group_by("step", maintain_order=True):
        found = {}
        for row in part.iter_rows(named=True):
            group = "" if row["group"] == "all" else f"/{row['group']}"
            found[f"{row['set']}/{row['metric']}/{row['by']}{group}"] = row["value"]
        yield int(str(step)), found


def _tensorboard(run: Run, points: Points) -> None:
    import shutil

    from tensorboard.summary import Writer

    shutil.rmtree(run.estimates_tracker_folder, ignore_errors=True)
    writer = Writer(str(run.estimates_tracker_folder))
    for step, values in points:
        for name, value in values.items():
            writer.add_scalar(name, value, step)
    writer.close()


def _wandb(run: Run, points: Points) -> None:
    import wandb

    name = f"{run.path.name}-estimates"
    tracked = wandb.init(project="ramify", name=name, id=f"{name}-{run.digest}", dir=str(run.path), config=run.config)
    for step, values in points:
        tracked.log({**values, "checkpoint": step}, step=step)
    tracked.finish()


def _trackio(run: Run, points: Points) -> None:
    import trackio

    trackio.init(project="ramify", name=f"{run.path.name}-estimates", config=run.config)
    for step, values in points:
        trackio.log(values, step=step)
    trackio.finish()


_WRITERS = {"tensorboard": _tensorboard, "wandb": _wandb, "trackio": _trackio}
