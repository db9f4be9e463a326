"""The questions that a design should answer, built from its puzzles and the base model's success."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from ramify.analysis.cells import grouping
from ramify.analysis.design import Question, Source, Variation
from ramify.analysis.linear import pattern_codes
from ramify.analysis.shapes import FEWEST_PATTERNS, FEWEST_PUZZLES
from ramify.analysis.transfer import HELD_OUT, SEEN
from ramify.tasks.base import Task

LONGER = "length"
CLASSES = ("left-heavy", "balanced", "right-heavy")
FEWEST_FREEDOM = 10
"""Degrees of freedom below which a size borrows the variance within patterns from all sizes."""
FEWEST_PROBED = 10
"""Puzzles below which a group takes the level of a wider group."""


def variation(puzzles: pl.DataFrame, by: Sequence[str]) -> Variation:
    """The variance of success over puzzles and over patterns within classes, by moments, net of sampling.

    Args:
        puzzles: of one size or several, with pattern, correct and k (k of 2 or more; others are left out) and `by`.
        by: columns that define the classes, besides set and n.
    """
    probed = puzzles.filter(pl.col("k") > 1)
    if probed.is_empty():
        return Variation(0.0, 0.0, 0)
    groups = grouping(probed, ",".join(dict.fromkeys(["set", "n", *by])))
    k = probed["k"].to_numpy().astype(float)
    share = probed["correct"].to_numpy() / k
    correct = groups.totals(probed["correct"].to_numpy()[None].astype(float))[0]
    level = (correct + 0.5) / (groups.totals(k[None])[0] + 1)
    scale = level * (1 - level)
    noise = groups.totals((share * (1 - share) / (k - 1))[None])[0] / groups.sizes
    keys = groups.codes * (len(probed) + 2) + np.unique(pattern_codes(probed), return_inverse=True)[1]
    _, first, cluster = np.unique(keys, return_index=True, return_inverse=True)
    owner, sizes = groups.codes[first], np.bincount(cluster)
    own = np.bincount(cluster, share) / sizes
    squares = float(((share - own[cluster]) ** 2).sum() - ((sizes - 1) * noise[owner]).sum())
    freedom = int((sizes - 1).sum())
    within = ((sizes - 1) * scale[owner]).sum()
    puzzle = float(np.clip(squares / within, 0.0, 1.0)) if freedom else 0.0
    members = np.bincount(owner, minlength=len(groups.names))
    centre = np.bincount(owner, own, len(members)) / members
    left = (1 - 1 / members)[owner]
    error = (puzzle * scale[owner] + noise[owner]) / sizes
    expected = float((left * scale[owner]).sum())
    away = float(((own - centre[owner]) ** 2).sum() - (left * error).sum())
    pattern = float(np.clip(away / expected, 0.0, 1 - puzzle)) if expected > 0 else 0.0
    if not freedom:  # no pattern has two puzzles, so the two variances cannot be separated
        puzzle, pattern = pattern, 0.0
    return Variation(puzzle, pattern, int((members - 1).sum()))


def questions(
    task: Task, puzzles: pl.DataFrame, counts: Mapping[Source, float], available: Mapping[Source, int]
) -> list[Question]:
    """The questions of a design: gains by size and shape class, right-heavy gaps, transfer.

    Args:
        puzzles: the columns of `frames.attributed`, with set, correct and k (null where the base was not sampled).
        counts: configured numbers of puzzles; `puzzles` may be a part of them.
        available: numbers of patterns that each set and size can be drawn from.
    """
    frame = Probed(puzzles, counts, available)
    found: list[Question] = []
    for name, size in counts:
        here = frame.puzzles_of((name, size))
        if name not in (SEEN, LONGER, HELD_OUT) or here.is_empty():
            continue
        found.append(_question(frame, "gain", [(1.0, here)]))
        if name == HELD_OUT:
            found += _contrast(frame, "transfer", here, frame.puzzles_of((SEEN, size)), task.MATCHED_BY)
            continue
        for shape in CLASSES:
            of = here.filter(pl.col("shape_class") == shape)
            if len(of):
                status = _too_few(of, shape)
                found.append(_question(frame, f"gain, {shape}", [(1.0, of)], ("shape_class",), status))
        strata = task.STRATA["right-heavy"]
        for suffix, some in (("", here), (", forced", here.filter("forced"))):
            heavy, left = (some.filter(pl.col("shape_class") == shape) for shape in ("right-heavy", "left-heavy"))
            found += _contrast(frame, f"right-heavy gap{suffix}", heavy, left, strata)
    return found


class Probed(NamedTuple):
    """The arguments of `questions`."""

    puzzles: pl.DataFrame
    counts: Mapping[Source, float]
    available: Mapping[Source, int]

    def puzzles_of(self, source: Source) -> pl.DataFrame:
        """The puzzles of a set and size."""
        return self.puzzles.filter((pl.col("set") == source[0]) & (pl.col("n") == source[1]))

    def level(self, of: pl.DataFrame) -> float:
        """The base's success in a group, or in a wider group with enough sampled puzzles; strictly between 0 and 1."""
        wider = self.puzzles_of((of["set"][0], of["n"][0]))
        alike = wider.filter(pl.col("shape_class").is_in(of["shape_class"].unique().implode()))
        for some in (of, alike, wider):
            asked = some.filter(pl.col("k") > 0)
            if len(asked) >= FEWEST_PROBED:
                break
        return (int(asked["correct"].sum()) + 0.5) / (int(asked["k"].sum()) + 1)


def _contrast(
    frame: Probed, name: str, mine: pl.DataFrame, other: pl.DataFrame, strata: Sequence[str]
) -> Iterator[Question]:
    """The question "mine minus other" over the strata that have both; none if no stratum has."""
    ours, theirs = (side.partition_by(strata, as_dict=True) for side in (mine, other))
    both = [stratum for stratum in ours if stratum in theirs]
    if not both:
        return
    whole = sum(len(ours[stratum]) for stratum in both)
    groups = [(len(ours[stratum]) / whole, ours[stratum]) for stratum in both]
    groups += [(-len(ours[stratum]) / whole, theirs[stratum]) for stratum in both]
    if name == "transfer":
        yield _question(frame, name, groups, strata)
        return
    sides = pl.concat([of for _, of in groups[: len(both)]]), pl.concat([of for _, of in groups[len(both) :]])
    status = _too_few(sides[0], "right-heavy") or _too_few(sides[1], "left-heavy")
    yield _question(frame, name, groups, (*strata, "shape_class"), status)


def _question(
    frame: Probed,
    name: str,
    groups: Sequence[tuple[float, pl.DataFrame]],
    by: Sequence[str] = (),
    status: str | None = None,
) -> Question:
    """The question about a weighted sum of groups, the first of which is the main one.

    Args:
        by: columns that define a class of patterns; empty if the question is not about new patterns.
    """
    places = [(str(of["set"][0]), int(of["n"][0])) for _, of in groups]
    sources = tuple(dict.fromkeys(places))
    factors = [frame.counts[place] / len(frame.puzzles_of(place)) for place in places]
    sizes = np.array([len(of) * factor for (_, of), factor in zip(groups, factors, strict=True)])
    weights = np.array([weight for weight, _ in groups])
    of_size = frame.puzzles.filter((pl.col("n") == places[0][1]) & pl.col("set").is_in([place[0] for place in places]))
    return Question(
        name,
        sources,
        np.array([frame.counts[source] for source in sources], float),
        np.array([frame.available[source] for source in sources], float),
        weights,
        np.array([sources.index(place) for place in places]),
        np.array([frame.level(of) for _, of in groups]),
        sizes,
        np.array([_spread(of) for _, of in groups]),
        name.startswith("gain"),
        name.startswith("gain") or name == "transfer",
        bool(by),
        _leaning(of_size, frame.puzzles, by or ("shape_class",)),
        round(float(sizes[weights > 0].sum())),
        pl.concat([of for weight, of in groups if weight > 0])["pattern"].n_unique(),
        len(frame.counts),
        status,
    )


def _leaning(size: pl.DataFrame, every: pl.DataFrame, by: Sequence[str]) -> Variation:
    """The variation of a size; with few patterns of two puzzles, split like that of all sizes together."""
    own = variation(size, by)
    asked = size.filter(pl.col("k") > 1)
    if len(asked) - asked.select("set", "pattern").n_unique() >= FEWEST_FREEDOM:
        return own
    together = variation(every, by)
    total, both = own.puzzle + own.pattern, together.puzzle + together.pattern
    part = together.puzzle / both if both > 0 else 1.0
    return Variation(total * part, total * (1 - part), own.freedom)


def _spread(of: pl.DataFrame) -> float:
    sizes = of["pattern"].value_counts()["count"].to_numpy()
    return float((sizes**2).sum() / sizes.sum() ** 2)


def _too_few(of: pl.DataFrame, shape: str) -> str | None:
    if len(of) < FEWEST_PUZZLES:
        return f"too few {shape} puzzles ({len(of)})"
    if of["pattern"].n_unique() < FEWEST_PATTERNS:
        return f"too few {shape} patterns ({of['pattern'].n_unique()})"
    return None
