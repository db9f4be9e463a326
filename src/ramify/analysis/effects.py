"""Structure effects: a logistic model of success that separates shape from what comes with it.

Right-heavy patterns subtract and divide, have few solutions, and lead over fractions and large values. The model has a
term for each of these, so that the effect of shape is what is left. Fitted by statsmodels, with standard errors
clustered by puzzle, one row a puzzle with its correct and wrong samples.
"""

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from ramify.analysis.cells import SetCells
from ramify.analysis.rows import rows

METRIC = "effect"
TERMS = {
    "n": pl.col("n"),
    "depth": pl.col("depth"),
    "lookahead": pl.col("lookahead"),
    "balanced": pl.col("shape_class") == "balanced",
    "right-heavy": pl.col("shape_class") == "right-heavy",
    "divisions": pl.col("divisions"),
    "log2 multiplicity": pl.col("multiplicity").log(2),
    "fractional": pl.col("fractional"),
    "log2 largest": pl.col("largest").clip(1).log(2),
}
"""Terms of the model, in log-odds for each unit: a step of depth, a doubling of the number of solutions or of the
largest intermediate value; for shape classes, against left-heavy at equal depth, lookahead and n."""
MODELS = {"term": frozenset[str](), "term without lookahead": frozenset({"lookahead"})}
"""The groupings of the rows, and the terms that their models do not have: right-heavy trees need more lookahead, so
beside it the shape class says only what lookahead does not."""
LARGEST_ERROR = 8.0
"""Log-odds, or errors of them, beyond which a term is taken to predict perfectly."""


def effects(sets: Sequence[SetCells], seed: int) -> Iterator[pl.DataFrame]:
    """The effect of each term at each checkpoint, over the puzzles of all sets of n >= 3.

    A term that does not vary, that follows from the terms before it, or that predicts failure (or success) perfectly
    is left out: it has no row. In the last case the puzzles that it decides say nothing of the others, and are left
    out too.
    """
    steps = sorted(set.intersection(*(set(cells.steps(seed)) for cells in sets)))
    frames = []
    for cells in sets:
        indexed = cells.puzzles.with_columns(puzzle=pl.int_range(pl.len(), dtype=pl.Int32)).filter(
            (pl.col("n") >= 3) & (pl.col("shape_class") != "mixed")
        )
        frames.append(cells.of_seed(seed).join(indexed, on="puzzle").drop("known"))
    cases = pl.concat(frames).drop_nulls(["fractional", "largest"])
    for step in steps:
        mine = cases.filter(pl.col("step") == step)
        for by, left_out in MODELS.items():
            fitted = fit(mine, left_out)
            if fitted:
                table = np.array(list(fitted.values())).T[:, None]
                yield rows(METRIC, "all", seed, by, [step], list(fitted), list(table[:3]), n=len(mine), p=table[3])


def fit(cases: pl.DataFrame, without: frozenset[str] = frozenset()) -> dict[str, tuple[float, float, float, float]]:
    """The model of some cells: for each term its log-odds, their interval and p.

    Args:
        cases: a row for each puzzle, with correct, k, puzzle_id and the columns of `TERMS`.
        without: terms that the model does not have.
    """
    for column in ("shape_class", "fractional"):
        cases = _undecided(cases.with_columns(wrong=pl.col("k") - pl.col("correct")), column)
    columns = {name: expression.cast(pl.Float64) for name, expression in TERMS.items()}
    terms = cases.select("puzzle_id", "correct", "wrong", **columns)
    left_out = set(without)
    while True:
        names = _independent(terms, [name for name in TERMS if name not in left_out]) if len(terms) else []
        found = _fitted(terms, names) if names else None
        if found is None:
            return {}
        endless = [name for name in names if found[name][2] == np.inf]
        if not endless:
            return found
        worst = max(endless, key=lambda name: abs(found[name][0]))
        left_out.add(worst)
        terms = _undecided(terms, worst)


def _undecided(cases: pl.DataFrame, column: str) -> pl.DataFrame:
    """Without the puzzles of those values of a column at which all samples succeed, or all fail."""
    sides = cases.group_by(column).agg(pl.col("correct", "wrong").sum())
    mixed = sides.filter((pl.col("correct") > 0) & (pl.col("wrong") > 0))[column]
    return cases.filter(pl.col(column).is_in(mixed.to_list()))


def _fitted(terms: pl.DataFrame, names: list[str]) -> dict[str, tuple[float, float, float, float]] | None:
    """The maximum likelihood fit; None where there is none, or where it would pass through every point."""
    import statsmodels.api as sm

    success = terms.select("correct", "wrong").to_numpy().astype(float)
    if len(terms) <= len(names) + 1 or not success.sum(0).all():  # no more puzzles than parameters
        return None
    columns = terms.select(pl.col(names) - pl.col(names).mean()).to_numpy()
    puzzles = terms["puzzle_id"].rank("dense").to_numpy().astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of perfect separation, which shows in the errors
        try:
            model = sm.GLM(success, sm.add_constant(columns, has_constant="add"), family=sm.families.Binomial())
            found = model.fit(cov_type="cluster", cov_kwds={"groups": puzzles})
        except (np.linalg.LinAlgError, ValueError):
            return None
    if not np.isfinite(found.params).all():
        return None
    rows_of = zip(found.params[1:], found.conf_int()[1:], found.pvalues[1:], strict=True)
    found_rows = {}
    for name, (value, (low, high), p) in zip(names, rows_of, strict=True):
        # Far out the likelihood is flat, and the sandwich takes the error for small.
        separated = abs(value) > LARGEST_ERROR or not np.isfinite(high - low)
        found_rows[name] = (float(value), -np.inf, np.inf, 1.0) if separated else (float(value), low, high, float(p))
    return found_rows


def _independent(terms: pl.DataFrame, names: list[str]) -> list[str]:
    """The terms that vary and do not follow from those before them."""
    chosen: list[str] = []
    kept = np.ones((len(terms), 1))
    for name in names:
        column = terms[name].to_numpy() - terms[name].to_numpy().mean()
        rest = column - kept @ np.linalg.lstsq(kept, column, rcond=None)[0]
        if np.square(rest).sum() > 1e-6 * max(np.square(column).sum(), 1e-12):
            chosen.append(name)
            kept = np.column_stack([kept, column])
    return chosen
