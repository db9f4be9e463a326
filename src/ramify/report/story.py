"""The story of the report, section by section: what a reader has to know, and the figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ramify.report import sections
from ramify.report.figures import Figure
from ramify.report.view import UNSEEN, View


@dataclass(frozen=True, slots=True)
class Section:
    """Figures under a heading, with what a reader has to know."""

    id: str
    heading: str
    note: str
    figures: Sequence[Figure]


SUCCESS = """{asked} mean@k: share of the samples that are correct. greedy: share of the
puzzles solved at temperature 0. pass@k: share of the puzzles that at least one of the k samples solves."""
LEARNED = """Size and timing are two things. The mean step of the gain says when a class gains, as a fraction of its
own final gain: half of the last step where it gains evenly. A class whose final gain is too small is not timed. A
pattern stands for all ways to write it: 43-(14+98) is A-B-C. It is acquired at the first checkpoint from which its
success stays above half of its gain, if the interval of the gain excludes 0; not acquired means not detected: a small
gain is found late or never, so acquisition steps do not give an order. Lines behind dots are 95 % intervals."""
SHAPES = """By the shape of the pattern that a puzzle was drawn from. The curves mix all patterns of a shape; the gaps
compare those of equal {alike} (balanced patterns: of equal {balanced}). A uniquely
solvable puzzle can be solved by its own pattern alone; elsewhere another pattern may stand in for it. Intervals are
for new patterns of these classes."""
SEEN = """{held} The curves compare all patterns; transfer compares held-out patterns with all seen ones of
equal {alike}. Below 0: what was not trained
gained less."""
BEYOND = """What is tried, and whether it is calculated right. Success can rise by guessing, by trying more, or by
trying better; and a model may solve by a substitute what it cannot solve by the pattern that was meant. Attempts and
arithmetic accuracy leave the answer out; attempt rate, hit rate and coverage count it, unless it repeats an earlier
attempt."""
EFFECTS = """One logistic model of success over all puzzles, all seeds and both checkpoints: each coefficient with the
others held equal, in log-odds for a unit (one division more, twice as many solutions, twice the largest intermediate
value; a shape class against left-heavy). Intervals are for other patterns (clustered by pattern). Lookahead is the
number of values to be held while writing left to right; right-heavy trees need more of it, so beside it the shape
class says only what is left, and the model is fitted without it too. The composition gap is success minus the product
of the successes of the two parts of a pattern, each measured on puzzles of its own: below 0, knowing the parts is not
enough. It also widens where the parts improve and the whole does not."""
SIGNAL = """A training group whose samples all got the same reward teaches nothing. Each point is a pattern."""


def story(view: View, certificate: dict[str, Any] | None) -> dict[str, Section]:
    """The sections by id, those without a figure left out.

    Args:
        certificate: that of the split, if there is one.
    """
    held = "Patterns that were held out of RL."
    if certificate and certificate.get("held_out"):
        named, solved = certificate["held_out"], certificate.get("solved_by_held_out")
        held = f"Held out of RL: {', '.join(named[:12])}{f' and {len(named) - 12} more' if len(named) > 12 else ''}."
        held += " No training puzzle can be solved by one of these." if solved == 0 else " NOT certified as clean."
    asked = "Puzzles that no training has seen." if view.asked == UNSEEN else f"Asked: {view.asked}."
    strata = {name: view.alike(columns) for name, columns in view.task.STRATA.items()}
    shapes = SHAPES.format(alike=strata["right-heavy"], balanced=strata["balanced"])
    seen = SEEN.format(held=held, alike=view.alike(view.task.MATCHED_BY))
    found = [
        Section("success", "Success over training", SUCCESS.format(asked=asked), sections.success(view)),
        Section("learned", "What was learned, and when", LEARNED, sections.learned_by_shape(view)),
        Section("shapes", "Right-heavy against left-heavy", shapes, sections.shapes(view)),
        Section("seen", "Seen against held out", seen, sections.seen(view)),
        Section("beyond", "Beyond pass@k", BEYOND, sections.beyond(view)),
        Section(
            "effects",
            "Which features of structure matter",
            EFFECTS,
            sections.effects(view) + sections.composition(view),
        ),
        Section("signal", "What training had to learn from", SIGNAL, sections.signal(view)),
    ]
    return {section.id: section for section in found if section.figures}
