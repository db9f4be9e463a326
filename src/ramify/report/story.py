"""The sections of the report: headings, explanatory notes and figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ramify.report import sections
from ramify.report.abstract import EXECUTION
from ramify.report.figures import Figure
from ramify.report.view import UNSEEN, View


@dataclass(frozen=True, slots=True)
class Section:
    """Figures under a heading, with an explanatory note."""

    id: str
    heading: str
    note: str
    figures: Sequence[Figure]


SUCCESS = """{asked} mean@k: share of the samples that are correct. greedy: share of the
puzzles solved at temperature 0. pass@k: share of the puzzles that at least one of the k samples solves."""
LEARNED = """The size and the timing of a gain are measured separately. The mean step of the gain is the timing of a
class, relative to its own final gain: half of the last step for an even gain. A class with a small final gain is not
timed. A pattern stands for all equivalent expressions: 43-(14+98) is A-B-C. It is acquired at the first checkpoint
from which its success stays above half of its gain, if the interval of the gain excludes 0. Not acquired means not
detected: small gains are detected late or never, so acquisition steps do not give an order. Lines behind dots are 95%
intervals."""
SHAPES = """Puzzles are grouped by the shape of their source pattern. The curves average all patterns of a shape; the
gaps compare patterns of equal {alike} (balanced patterns: of equal {balanced}). A uniquely
solvable puzzle can be solved by its source pattern alone; other puzzles may be solved by substitution. Intervals are
for new patterns of these classes."""
SEEN = """{held} The curves compare all patterns; transfer compares held-out patterns with all seen ones of
equal {alike}. Below 0, held-out patterns gained less."""
BEYOND = """Attempts and the values stated in them. Success can rise because the model guesses, attempts more, or
attempts better patterns; and it may solve a puzzle by a pattern other than the source (substitution). Attempts and
{accuracy} leave the answer out; attempt rate, hit rate and coverage count it, unless it repeats an earlier
attempt."""
EFFECTS = """One logistic model of success over all puzzles, all seeds and both checkpoints: each coefficient with the
others held equal, in log-odds per unit (one more division, twice as many solutions, twice the largest intermediate
value; a shape class against left-heavy). Intervals are for other patterns (clustered by pattern). Lookahead is the
number of values to hold while writing left to right. Right-heavy trees need more of it, so with lookahead in the model
the shape class captures only the rest; a second model omits lookahead. The composition gap is success minus the product
of the successes of the two parts of a pattern, each measured on its own puzzles: below 0, solving the parts is not
enough. The gap also widens where the parts improve and the pattern does not."""
SIGNAL = """A training group whose samples all have the same reward has no gradient. Each point is a pattern."""


def story(view: View, certificate: dict[str, Any] | None) -> dict[str, Section]:
    """The sections by id; sections without figures are left out.

    Args:
        certificate: the certificate of the split, if there is one.
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
        Section("overview", "Overview", "", sections.overview(view)),
        Section("success", "Success over training", SUCCESS.format(asked=asked), sections.success(view)),
        Section("learned", "What was learned, and when", LEARNED, sections.learned_by_shape(view)),
        Section("shapes", "Right-heavy against left-heavy", shapes, sections.shapes(view)),
        Section("seen", "Seen against held out", seen, sections.seen(view)),
        Section("beyond", "Beyond pass@k", BEYOND.format(accuracy=view.words(EXECUTION)), sections.beyond(view)),
        Section(
            "effects",
            "Which structural features matter",
            EFFECTS,
            sections.effects(view) + sections.composition(view),
        ),
        Section("signal", "Training signal", SIGNAL, sections.signal(view)),
    ]
    return {section.id: section for section in found if section.figures}
