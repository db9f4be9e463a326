"""Structure effects: a logistic model of success with a term for each feature of structure.

Right-heavy patterns subtract and divide, have few solutions, and pass through fractions and large values. The model has
a term for each of these confounders, so the coefficient of a shape is its effect with the others held equal. One fit,
by statsmodels, has every term at the first and the last checkpoint, over all seeds. Claims about shapes extend to other
patterns, so errors are clustered by pattern with a small-sample correction, see `clustered`.

The terms are the same at both checkpoints. A term that cannot be estimated has a row without a value and a status.
"""

import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from ramify.analysis.cells import SetCells
from ramify.analysis.clustered import Contrasts, contrasts
from ramify.analysis.derived_metrics import EFFECT, EFFECT_CHANGE, MODELS
from ramify.analysis.rows import rows
from ramify.tasks.base import Task

FEWEST_PUZZLES = 8
FEWEST_PATTERNS = 3
"""The least puzzles and patterns of an indicator on either side. With fewer, simulated intervals keep their level but
are wider than ± 1.5 log-odds."""
FEWEST_FREEDOM = 3.0
"""The least degrees of freedom of a term: about one less than the patterns that inform it."""
SEPARATED = "separated"
"""The status of a term with an infinite coefficient, or one that other separated terms determine."""
TOLERANCE = 1e-6
"""The threshold below which a number counts as 0, relative to 1."""


class Effect(NamedTuple):
    """A term's log-odds with 95 % interval and p, at a checkpoint or as a change; NaN where `status` gives the
    reason."""

    value: float = np.nan
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    status: str | None = None


class _Cases(NamedTuple):
    """Model data: terms, step code, right and wrong samples, and codes of pattern and puzzle of each row."""

    terms: np.ndarray
    step: np.ndarray
    success: np.ndarray
    pattern: np.ndarray
    puzzle: np.ndarray


def effects(sets: Sequence[SetCells], seeds: Sequence[int]) -> Iterator[pl.DataFrame]:
    """Estimate the effect of each term at the first and last checkpoint, and its change, over puzzles with a shape
    class.

    Args:
        sets: sets whose puzzles all have a source pattern.
        seeds: seeds whose samples are pooled. With several, the rows have no seed.

    Returns:
        Rows of `effect` and, if there are several checkpoints, of `effect change`, for every term of each model.
    """
    frames, steps = [], []
    for cells in sets:
        mine = [seed for seed in seeds if seed in cells.seeds]
        steps += [set(cells.steps(seed)) for seed in mine]
        asked = cells.puzzles.with_columns(puzzle=pl.int_range(pl.len(), dtype=pl.Int32))
        asked = asked.filter(~pl.col("shape_class").is_in(["mixed", "none"]))
        frames.append(cells.frame.filter(pl.col("seed").is_in(mine)).join(asked, on="puzzle"))
    shared = sorted(set.intersection(*steps)) if steps else []
    needed = {name for term in sets[0].task.TERMS.values() for name in term.meta.root_names()}
    ends = sorted({*shared[:1], *shared[-1:]})
    cases = pl.concat(frames).filter(pl.col("step").is_in(ends)).drop_nulls(needed)
    if cases["step"].n_unique() < max(len(ends), 1):
        return
    seed = seeds[0] if len(seeds) == 1 else None
    for by, left_out in MODELS.items():
        found = fit(sets[0].task, cases, left_out)
        parts = [(EFFECT, ends, found[: len(ends)]), (EFFECT_CHANGE, ends[1:], found[len(ends) :])]
        for metric, at, there in parts:
            if not at:
                continue
            table = np.array([[effect[:4] for effect in one.values()] for one in there]).transpose(2, 0, 1)
            status = np.array([[effect.status for effect in one.values()] for one in there], object)
            n, patterns = cases["puzzle_id"].n_unique(), np.array(cases["pattern"].n_unique())
            yield rows(
                metric.name,
                "all",
                seed,
                by,
                at,
                list(there[0]),
                list(table[:3]),
                n=n,
                p=table[3],
                status=status,
                patterns=patterns,
            )


def fit(task: Task, cases: pl.DataFrame, without: frozenset[str] = frozenset()) -> list[dict[str, Effect]]:
    """Fit the model to a table of cells.

    Args:
        cases: a row for each puzzle, step and seed, with step, puzzle_id, pattern, correct, k and the columns of
            `Task.TERMS`; of one or two steps.
        without: terms to omit.

    Returns:
        The effect of each term at each step in order; with two steps, its change too.
    """
    names = [name for name in task.TERMS if name not in without]
    columns = {name: task.TERMS[name].cast(pl.Float64) for name in names}
    # Terms do not depend on the seed, so samples are summed over seeds.
    keys = ["step", "puzzle_id", "pattern"]
    table = (
        cases.select(*keys, "correct", "k", **columns)
        .group_by(keys)
        .agg(pl.col("correct", "k").sum(), pl.col(names).first())
        .sort(keys)
    )
    data = _Cases(
        table.select(names).to_numpy(),
        table["step"].rank("dense").to_numpy().astype(int) - 1,
        table.select("correct", pl.col("k") - pl.col("correct")).to_numpy().astype(float),
        table["pattern"].rank("dense").to_numpy().astype(int) - 1,
        table["puzzle_id"].rank("dense").to_numpy().astype(int) - 1,
    )
    few, told = _few(data, names, task.INDICATORS), aliased(data.terms, data.step, names)
    chosen = [name for name in names if name not in told]  # terms of few puzzles too: they stay in the model
    found = _fitted(data._replace(terms=data.terms[:, [names.index(name) for name in chosen]]), chosen)
    statuses = {name: Effect(status=status) for name, status in {**told, **few}.items()}
    return [{name: statuses.get(name) or one[name] for name in names} for one in found]


def _few(data: _Cases, names: list[str], indicators: Sequence[str]) -> dict[str, str]:
    """Indicators with too few puzzles or patterns on one side at a step, with the reason."""
    statuses = {}
    for name in [name for name in indicators if name in names]:
        column = data.terms[:, names.index(name)]
        for value, which in ((0, f"puzzles not {name}"), (1, f"{name} puzzles")):
            for step in np.unique(data.step):
                mine = (column == value) & (data.step == step)
                puzzles, patterns = (len(np.unique(codes[mine])) for codes in (data.puzzle, data.pattern))
                if puzzles < FEWEST_PUZZLES:
                    statuses[name] = f"too few {which} ({puzzles})"
                elif patterns < FEWEST_PATTERNS:
                    statuses[name] = f"too few {which.replace('puzzles', 'patterns')} ({patterns})"
    return statuses


def aliased(
    terms: np.ndarray, steps: np.ndarray, names: list[str], constant: str = "the same in all puzzles"
) -> dict[str, str]:
    """Terms that are constant at a step or linear in the terms before them, with the reason.

    Args:
        terms: of shape (rows, terms).
        steps: the step of each row.
        constant: the reason for a constant term.
    """
    statuses: dict[str, str] = {}
    for step in np.unique(steps):
        here = terms[steps == step]
        scaled = here - here.mean(0)
        scaled /= np.where((size := np.sqrt(np.square(scaled).mean(0))) > 1e-9, size, np.inf)
        for index, name in enumerate(names):
            before = [other for other in range(index) if names[other] not in statuses]
            weights = np.linalg.lstsq(scaled[:, before], scaled[:, index], rcond=None)[0]
            rest = scaled[:, index] - scaled[:, before] @ weights
            if not scaled[:, index].any():
                statuses[name] = constant
            elif np.square(rest).mean() < 1e-6:
                these = [names[other] for other, weight in zip(before, weights, strict=True) if abs(weight) > 1e-3]
                statuses.setdefault(name, f"aliased with {' and '.join(these)}")
    return statuses


def _fitted(data: _Cases, names: list[str]) -> list[dict[str, Effect]]:
    """Fit independent terms: the effects at each step and, of two steps, the changes."""
    steps, width = int(data.step.max()) + 1, len(names) + 1
    design = np.zeros((len(data.step), steps * width))
    for step in range(steps):
        mine = data.step == step
        scaled = data.terms[mine] - data.terms[mine].mean(0)
        design[mine, step * width : (step + 1) * width] = np.column_stack([np.ones(mine.sum()), scaled])
    # Separated rows fit perfectly in the limit, so the other coefficients follow from the remaining rows.
    known = ~_decided(design, data.success)
    design, success, pattern = design[known], data.success[known], data.pattern[known]
    estimable = np.abs(null_space(design)).max(1, initial=0) < TOLERANCE
    places = np.arange(steps * width).reshape(steps, width)[:, 1:]  # of each term at each step
    of = np.eye(steps * width)[places]
    if steps > 1:
        of, estimable_of = (
            np.concatenate([of, of[1:] - of[:1]]),
            np.concatenate([estimable[places], estimable[places].all(0)[None]]),
        )
    else:
        estimable_of = estimable[places]
    found = _contrasts(of.reshape(-1, steps * width), design, success, pattern)
    effects_at: list[dict[str, Effect]] = []
    for row in range(len(of)):
        effects_at.append({})
        for index, name in enumerate(names):
            value, low, high, p, freedom = (part[row * len(names) + index] for part in found)
            if not estimable_of[row, index]:
                effects_at[-1][name] = Effect(status=SEPARATED)
            elif not freedom >= FEWEST_FREEDOM:
                effects_at[-1][name] = Effect(status="too few patterns differ in it")
            else:
                effects_at[-1][name] = Effect(value, low, high, p)
    return effects_at


def _contrasts(of: np.ndarray, design: np.ndarray, success: np.ndarray, clusters: np.ndarray) -> Contrasts:
    """Combinations of the coefficients of the maximum likelihood fit; NaN where the fit is not finite.

    Dependent columns are dropped, which does not change the estimable coefficients.
    """
    import statsmodels.api as sm
    from scipy.linalg import qr

    _, triangle, order = qr(design / np.maximum(np.linalg.norm(design, axis=0), 1e-12), mode="economic", pivoting=True)
    rank = int((np.abs(np.diag(triangle)) > TOLERANCE).sum())
    unknown = Contrasts(*np.full((5, len(of)), np.nan))
    if not rank:
        return unknown
    basis = np.sort(order[:rank])
    design = design[:, basis]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a perfect fit leaves no degrees of freedom
        fitted = sm.GLM(success, design, family=sm.families.Binomial()).fit()
    samples, chance = success.sum(1), fitted.fittedvalues
    scores = design * (success[:, 0] - samples * chance)[:, None]
    information = design * np.sqrt(samples * chance * (1 - chance))[:, None]
    try:
        return contrasts(of[:, basis], fitted.params, scores, information, clusters)
    except np.linalg.LinAlgError:  # success is nearly certain, so the information is numerically 0
        return unknown


def _decided(design: np.ndarray, success: np.ndarray) -> np.ndarray:
    """Rows that a combination of terms separates from the others, so that the likelihood has no maximum.

    A separating combination is 0 on rows with both right and wrong samples and never has the wrong sign on the others;
    a linear program finds it (Konis 2007).
    """
    from scipy.optimize import linprog

    decided = np.zeros(len(design), bool)
    one_sided = (success == 0).any(1)
    free = null_space(design[~one_sided])
    sides = np.where(success[:, :1] > 0, 1.0, -1.0) * design @ free
    while free.shape[1] and (rest := one_sided & ~decided).any():
        aims = sides[rest]
        found = linprog(-aims.sum(0), -aims, np.zeros(len(aims)), bounds=(-1, 1))
        if found.x is None or not (apart := aims @ found.x > TOLERANCE).any():
            break
        decided[np.flatnonzero(rest)[apart]] = True
    return decided


def null_space(design: np.ndarray) -> np.ndarray:
    """An orthonormal basis of the coefficients that are 0 on all rows, of shape (coefficients, dimensions)."""
    from scipy.linalg import null_space

    width = design.shape[1]
    triangle = np.linalg.qr(np.concatenate([np.zeros((width, width)), design]), mode="r")
    return np.asarray(null_space(triangle, rcond=TOLERANCE))
