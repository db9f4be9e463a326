"""The stage that grades completions, finds attempts, and computes the estimates."""

from collections.abc import Sequence

from ramify.analysis import annotate
from ramify.analysis.metrics import lacking
from ramify.errors import RunError
from ramify.layout import DERIVED
from ramify.progress import ProgressCallback
from ramify.run import Run
from ramify.schemas import COMPLETIONS, ESTIMATES
from ramify.tables import is_current, made_by, write_table


def score(run: Run, report: ProgressCallback, groupings: Sequence[str] = (), ray: str | None = None) -> None:
    """Grade completions, find attempts, and compute the estimates; outdated tables are rebuilt.

    Args:
        groupings: additional groupings, such as "n,split,forced".
        ray: address of a Ray cluster, or "local" for this machine; None to score without Ray.
    """
    work, jobs, known = _to_score(run)
    if not work:
        raise RunError(f"{run.path}: no completions to score; sample some with ramify sample")
    if jobs or known is None or not known.issuperset(groupings):
        with run.scoring(report):
            _score(run, report, groupings, ray)


def _to_score(run: Run) -> tuple[int, list[annotate.Job], set[str] | None]:
    """The number of tables of completions, the jobs to grade, and the groupings of the current estimates, or None.

    Damaged derived tables and those of another grader version are rebuilt, and so are estimates that lack the metrics
    of an installed package.
    """
    grader, analysis = made_by(run.task.GRADER_VERSION), made_by(run.task.GRADER_VERSION, estimates=True)
    work = [(seed, name, step) for seed in run.seeds for name, step in run.sampled(seed)]
    jobs = []
    for seed, name, step in work:
        grades, attempts = (run.derived_file(kind, seed, name, step) for kind in DERIVED)
        if not (is_current(grades, grader) and is_current(attempts, grader)):
            jobs.append((run.puzzles_file(name), run.completions_file(seed, name, step), grades, attempts))
    if not is_current(run.estimates_file, analysis):
        return len(work), jobs, None
    estimates = run.estimates()
    known = None if lacking(estimates["metric"].unique()) else set(estimates["by"])
    return len(work), jobs, known


def _score(run: Run, report: ProgressCallback, groupings: Sequence[str], ray: str | None) -> None:
    from ramify.analysis.estimate import estimate  # scipy is slow to import

    total, jobs, known = _to_score(run)  # another process may have finished it
    if not jobs and known is not None and known.issuperset(groupings):
        return
    for puzzles, completions, *_ in jobs:
        run.scan(puzzles, run.task.puzzle_schema())
        run.scan(completions, COMPLETIONS)
    if jobs:
        run.estimates_file.unlink(missing_ok=True)  # outdated from now on, even if scoring is interrupted
    done = total - len(jobs)
    report("scoring", done, total + 1)
    cluster = None if ray == "local" else ray
    of_jobs = annotate.annotate_on_ray(jobs, run.task, cluster) if ray else annotate.annotate_files(jobs, run.task)
    for count in of_jobs:
        report("scoring", done + count, total + 1)
    report("scoring", total, total + 1)
    versions = made_by(run.task.GRADER_VERSION, estimates=True)
    write_table(estimate(run, groupings), run.estimates_file, ESTIMATES, versions)
    report("scoring", total + 1, total + 1)
