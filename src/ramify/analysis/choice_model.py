"""Choice effects: a conditional logit of the attempted pattern within a puzzle (McFadden 1974).

An attempt of a solving pattern chooses among the patterns that solve the puzzle, with odds exp(terms · coefficients).
What all patterns of a puzzle share, such as its numbers or how often it is attempted, cancels. The likelihood is that
of statsmodels' ConditionalLogit with a group for each attempt, which takes minutes here; its ConditionalPoisson leaves
out puzzles whose patterns are attempted equally often. Counts of attempts give the same maximum by Newton's method.
Attempts at one puzzle are alike, so errors are clustered by puzzle with a small-sample correction, see `clustered`.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from ramify.analysis.clustered import Contrasts, contrasts
from ramify.analysis.derived_metrics import CHOICE_EFFECT, CHOICE_MODEL, MODELS
from ramify.analysis.effects import FEWEST_FREEDOM, FEWEST_PUZZLES, SEPARATED, TOLERANCE, Effect, aliased, null_space
from ramify.analysis.rows import rows
from ramify.tasks.base import Task

MOST_STEPS = 100
"""The most steps of Newton's method; a handful are enough, unless a choice is nearly certain."""


class Choices(NamedTuple):
    """The alternatives of all puzzles: terms, of shape (alternatives, terms), attempts, and a code for the puzzle."""

    terms: np.ndarray
    tries: np.ndarray
    puzzle: np.ndarray

    def of(self, kept: np.ndarray) -> "Choices":
        """Some of the alternatives, with codes of the puzzles that are left."""
        return Choices(self.terms[kept], self.tries[kept], np.unique(self.puzzle[kept], return_inverse=True)[1])

    def centred(self) -> np.ndarray:
        """The terms minus their mean in the puzzle."""
        count = np.bincount(self.puzzle)
        sums = np.array([np.bincount(self.puzzle, column) for column in self.terms.T]).reshape(-1, len(count))
        centred: np.ndarray = self.terms - (sums / count)[:, self.puzzle].T
        return centred


def choice_effects(
    task: Task, used: pl.DataFrame, solving: pl.DataFrame, where: tuple[str, int, int]
) -> Iterator[pl.DataFrame]:
    """The rows of `choice effect`: the log-odds that a term adds to the choice of a pattern.

    Terms are those of `Task.TERMS` that describe a pattern, without those that `CHOICE_MODEL` omits. A term that cannot
    be estimated has a status instead of a value.

    Args:
        used: puzzle_id, pattern, tries: attempts of solving patterns.
        solving: puzzle_id, pattern: the solving patterns of each puzzle.
        where: set, seed and step of the rows.
    """
    names, choices = alternatives(task, used, solving)
    if not len(choices.tries):
        return
    found = fit(choices, names)
    table = np.array([effect[:4] for effect in found.values()]).T[:, None]
    status = np.array([[effect.status for effect in found.values()]], object)
    name, seed, step = where
    yield rows(
        CHOICE_EFFECT.name, name, seed, CHOICE_MODEL, [step], names, list(table[:3]), n=int(choices.puzzle.max()) + 1,
        p=table[3], status=status,
    )  # fmt: skip


def alternatives(task: Task, used: pl.DataFrame, solving: pl.DataFrame) -> tuple[list[str], Choices]:
    """The terms, and the alternatives of the puzzles that several patterns solve and some attempt is made of."""
    texts = solving["pattern"].unique().sort().to_list()
    features = [dict(task.structure(text)) for text in texts]
    described = {key for key in task.TERMS if {*task.TERMS[key].meta.root_names()} <= {*(features or [{}])[0]} - {"n"}}
    names = [name for name in task.TERMS if name in described and name not in MODELS[CHOICE_MODEL]]
    columns = sorted({column for name in names for column in task.TERMS[name].meta.root_names()})
    terms = pl.DataFrame({column: [one[column] for one in features] for column in columns}).select(
        pattern=pl.Series(texts, dtype=pl.String), **{name: task.TERMS[name].cast(pl.Float64) for name in names}
    )
    table = (
        solving.select("puzzle_id", "pattern")
        .unique()
        .join(used.select("puzzle_id", "pattern", "tries"), on=["puzzle_id", "pattern"], how="left")
        .with_columns(pl.col("tries").fill_null(0))
        .filter((pl.len().over("puzzle_id") > 1) & (pl.col("tries").sum().over("puzzle_id") > 0))
        .join(terms, on="pattern")
        .sort("puzzle_id", "pattern")
    )
    codes = table["puzzle_id"].rank("dense").to_numpy().astype(int) - 1
    return names, Choices(table.select(names).to_numpy(), table["tries"].to_numpy().astype(float), codes)


def fit(choices: Choices, names: Sequence[str]) -> dict[str, Effect]:
    """Fit the model, and estimate the effect of each term.

    >>> terms, puzzles = np.tile([[1.0], [0.0]], (10, 1)), np.repeat(np.arange(10), 2)
    >>> found = fit(Choices(terms, np.tile([3.0, 1.0], 10), puzzles), ["right-heavy"])["right-heavy"]
    >>> round(float(np.exp(found.value)), 3)  # chosen three times as often
    3.0
    """
    few = {}
    for name, column in zip(names, choices.centred().T, strict=True):
        informing = len(np.unique(choices.puzzle[np.abs(column) > TOLERANCE]))
        if 0 < informing < FEWEST_PUZZLES:
            few[name] = f"too few puzzles with a choice ({informing})"
    told = aliased(
        choices.centred(), np.zeros(len(choices.tries)), list(names), "the same for all patterns of a puzzle"
    )
    chosen = [index for index, name in enumerate(names) if name not in told]
    if not chosen:  # the patterns of every puzzle are alike
        return {name: Effect(status=told[name]) for name in names}
    left = _without_decided(choices._replace(terms=choices.terms[:, chosen]))
    estimable = np.abs(null_space(left.centred())).max(1, initial=0) < TOLERANCE
    found = _contrasts(left)
    effects = {name: Effect(status=status) for name, status in {**told, **few}.items()}
    for place, index in enumerate(chosen):
        value, low, high, p, freedom = (part[place] for part in found)
        if names[index] in effects:
            continue
        if not estimable[place]:
            effects[names[index]] = Effect(status=SEPARATED)
        elif not freedom >= FEWEST_FREEDOM:
            effects[names[index]] = Effect(status="too few puzzles differ in it")
        else:
            effects[names[index]] = Effect(value, low, high, p)
    return {name: effects[name] for name in names}


def _without_decided(choices: Choices) -> Choices:
    """The choices without alternatives that some combination of terms always ranks below the chosen ones.

    The likelihood grows with such a combination without end, and these alternatives have probability 0 in the limit. A
    linear program finds it (Konis 2007).
    """
    from scipy.optimize import linprog

    while len(choices.tries):
        pairs = pl.DataFrame({"puzzle": choices.puzzle, "row": np.arange(len(choices.tries))}).lazy()
        tried = pairs.filter(pl.Series(choices.tries > 0))
        both = tried.join(pairs, on="puzzle", suffix="_other").select("row", "row_other").collect()
        above, below = (both[name].to_numpy() for name in ("row", "row_other"))
        aims = choices.terms[above] - choices.terms[below]
        each, of = np.unique(aims, axis=0, return_inverse=True)
        found = linprog(-each.sum(0), -each, np.zeros(len(each)), bounds=(-1, 1))
        apart = np.zeros(len(each), bool) if found.x is None else each @ found.x > TOLERANCE
        if not apart.any():
            break
        kept = np.ones(len(choices.tries), bool)
        kept[below[apart[of.ravel()]]] = False
        choices = choices.of(kept)
    return choices


def _contrasts(choices: Choices) -> Contrasts:
    """The coefficients with intervals; NaN where they cannot be estimated. Dependent columns are dropped."""
    from scipy.linalg import qr

    width = choices.terms.shape[1]
    unknown = Contrasts(*np.full((5, width), np.nan))
    if not len(choices.tries) or not width:
        return unknown
    _, triangle, order = qr(choices.centred(), mode="economic", pivoting=True)
    rank = int((np.abs(np.diag(triangle)) > TOLERANCE).sum())
    if not rank:
        return unknown
    basis = np.sort(order[:rank])
    some = choices._replace(terms=choices.terms[:, basis])
    coefficients = np.zeros(rank)
    try:
        for _ in range(MOST_STEPS):
            scores, information = _derivatives(some, coefficients)
            step = np.linalg.solve(information.T @ information, scores.sum(0))
            coefficients = coefficients + step / max(1.0, np.abs(step).max())  # at most 1 in a step, so none overshoots
            if np.abs(step).max() < TOLERANCE:
                return contrasts(np.eye(width)[:, basis], coefficients, scores, information, choices.puzzle)
    except np.linalg.LinAlgError:  # a choice is nearly certain, so the information is numerically 0
        pass
    return unknown


def _derivatives(choices: Choices, coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The score of each alternative, and the square root of its information: rows x whose x x' are summed."""
    score = choices.terms @ coefficients
    odds = np.exp(score - score.max())
    chance, means = odds / np.bincount(choices.puzzle, odds)[choices.puzzle], np.zeros_like(choices.terms)
    for index, column in enumerate(choices.terms.T):
        means[:, index] = np.bincount(choices.puzzle, chance * column)[choices.puzzle]
    total, away = np.bincount(choices.puzzle, choices.tries)[choices.puzzle], choices.terms - means
    return away * (choices.tries - total * chance)[:, None], away * np.sqrt(total * chance)[:, None]
