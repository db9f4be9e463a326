"""Records of the metrics that are not ratios of cell sums, for the modules that estimate them.

The estimating functions and docs/definitions.md define them.
"""

from dataclasses import replace

from ramify.analysis.metric_record import CHANGE, COARSE, FINE, POSITIVE, SHARE, UNBOUNDED, Metric

BY_SHAPE = ("n", "n,shape_class")
BY_PATTERN = ("n", "pattern", "n,shape_class")
OVERALL = ("all", *BY_SHAPE)
TIMED = ("n", "n,shape_class", "n,divisions")

# By attempted pattern (`uses`, `choice`).
COVERAGE = Metric(
    "coverage@{m}", "Coverage: share of the patterns that are tried", "share", SHARE, BY_SHAPE, pooling="seed means",
    shown=("figure",), full_scale=True,
)  # fmt: skip
HIT_RATE = Metric(
    "hit rate given solvable", "Hit rate given solvable: tries of a pattern that hit, where it can", "share", SHARE,
    BY_PATTERN, pooling="seed means", shown=("figure",),
)  # fmt: skip
ATTEMPT_RATE = Metric("attempt rate", "Attempt rate", "share", SHARE, ("pattern",), pooling="seed means")
CHOICE = Metric("choice", "Choice", "change", UNBOUNDED, ("n,shape_class", "pattern"), pooling="seed means")
ENTROPY = Metric("pattern entropy", "Pattern entropy", "bits", UNBOUNDED, ("n",), pooling="seed means")
MOST_USED = Metric("most used pattern", "Most used pattern", "share", SHARE, ("n",), pooling="seed means")

# Over training (`acquisition`, `timing`, `collapse`, `training_log`, `transfer`, `signal`).
ACQUISITION, ACQUISITION_AT_HALF = (
    Metric(name, "Acquisition step", "step", POSITIVE, (COARSE, *FINE), pooling="crossed only")
    for name in ("acquisition", "acquisition@0.5")
)
GAIN_FRACTION = Metric("gain fraction", "Gain fraction", "share", UNBOUNDED, TIMED, pooling="crossed only")
TIMING = Metric("timing", "Mean step of the gain", "step", UNBOUNDED, TIMED, pooling="crossed only")
TIMING_DIFFERENCE = Metric(
    "timing difference", "Difference of the mean step of the gain", "step", UNBOUNDED, TIMED[1:], pooling="crossed only"
)
COLLAPSE, COLLAPSE_BEST, COLLAPSE_LOWEST = (
    Metric(name, label, "step", POSITIVE, ("all", "n"), pooling="crossed only")
    for name, label in (
        ("collapse", "Step at which success falls"),
        ("collapse: best", "Checkpoint before the fall"),
        ("collapse: lowest", "Checkpoint after the fall"),
    )
)
CHANGE_POINTS = {
    name: Metric(f"{name} change point", f"Jump of {name}", "step", POSITIVE, ("all",), pooling="crossed only")
    for name in ("reward", "entropy", "length")
}
TRANSFER = Metric("transfer", "Transfer", "change", CHANGE, ("all", "n", "pattern"))
ZERO_ADVANTAGE, ZERO_ADVANTAGE_OVERALL = (
    Metric(name, "Groups without signal", "share", SHARE, ("all", *BY_PATTERN), pooling="seed means")
    for name in ("zero advantage", "zero advantage, whole run")
)
SIGNAL = Metric(
    "zero advantage against success", "Spearman's ρ", "correlation", UNBOUNDED, ("n",), pooling="seed means"
)

# First against last checkpoint (`support`).
SUPPORT_KINDS = ("base only", "both", "trained only", "neither")


def _shares(of: str) -> dict[str, Metric]:
    names = {kind: f"{of}: {kind}" for kind in SUPPORT_KINDS}
    return {kind: Metric(name, name, "share", SHARE, OVERALL, pooling="seed means") for kind, name in names.items()}


SUPPORT, PATTERN_SUPPORT = _shares("support"), _shares("pattern support")
UNLOCK = Metric("null-set unlock rate", "Null-set unlock rate", "share", SHARE, OVERALL, pooling="seed means")

CROSSING = Metric("pass@k crossing", "k at which the base overtakes", "mean", POSITIVE, OVERALL, pooling="crossed only")


# By structure (`shapes`, `composition`, `effects`).
def _gaps(suffix: str) -> dict[str, Metric]:
    names = {shape: f"{shape} gap{suffix}" for shape in ("right-heavy", "balanced")}
    shown = {shape: name.replace("forced", "uniquely solvable") for shape, name in names.items()}
    return {
        shape: Metric(name, shown[shape].capitalize(), "change", CHANGE, shown_as=shown[shape])
        for shape, name in names.items()
    }


SHAPE_GAPS, FORCED_GAPS = _gaps(""), _gaps(", forced")
MATCHED_GAPS = {
    shape: replace(gap, name=f"{gap.name}, matched base", gain=(COARSE,), shown_as=f"{gap.shown_as}, matched base")
    for shape, gap in FORCED_GAPS.items()
}
CHOICE_MODEL = "term without lookahead"
"""The grouping of choice effects."""
CHOICE_EFFECT = Metric(
    "choice effect", "Choice effect", "log-odds", UNBOUNDED, (CHOICE_MODEL,), pooling="seed means"
)  # fmt: skip
COMPOSITION_GAP = Metric("composition gap", "Composition gap", "change", CHANGE, BY_PATTERN, pooling="seed means")
MODELS = {"term": frozenset[str](), "term without lookahead": frozenset({"lookahead"})}
"""The groupings of effects, and the terms that each model omits. Right-heavy trees need more lookahead, so with
lookahead in the model the shape class captures only the rest."""
EFFECT, EFFECT_CHANGE = (
    Metric(name, "Structure effect", "log-odds", UNBOUNDED, tuple(MODELS), pooling="one model")
    for name in ("effect", "effect change")
)

DERIVED = (
    COVERAGE, HIT_RATE, ATTEMPT_RATE, CHOICE, CHOICE_EFFECT, ENTROPY, MOST_USED,
    ACQUISITION, ACQUISITION_AT_HALF, GAIN_FRACTION, TIMING, TIMING_DIFFERENCE,
    COLLAPSE, COLLAPSE_BEST, COLLAPSE_LOWEST, *CHANGE_POINTS.values(), TRANSFER,
    ZERO_ADVANTAGE, ZERO_ADVANTAGE_OVERALL, SIGNAL,
    *SUPPORT.values(), *PATTERN_SUPPORT.values(), UNLOCK, CROSSING,
    *SHAPE_GAPS.values(), *FORCED_GAPS.values(), *MATCHED_GAPS.values(), COMPOSITION_GAP, EFFECT, EFFECT_CHANGE,
)  # fmt: skip
"""All derived metrics, in the order of the report."""
