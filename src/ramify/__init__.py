"""Measure what RL post-training taught a language model: which skills, in which order, and where they fail to
compose."""

from ramify.algebra.expression import Expression
from ramify.algebra.parser import ParseError, parse
from ramify.algebra.pattern import Pattern
from ramify.algebra.structure import Structure, skills, structure
from ramify.analysis.metric_record import Metric, Ratio
from ramify.analysis.metrics import pass_at_k
from ramify.errors import ConfigError, MissingExtraError, RamifyError, RunError
from ramify.records import Attempt, Completion, Grade, Verdict
from ramify.run import Run
from ramify.settings import ExperimentConfig
from ramify.tasks.countdown.attempts import find_attempts
from ramify.tasks.countdown.catalog import patterns
from ramify.tasks.countdown.families import family, twins
from ramify.tasks.countdown.generation import count_puzzles
from ramify.tasks.countdown.grading import grade
from ramify.tasks.countdown.instances import InstanceCount, count_instances
from ramify.tasks.countdown.puzzle import Puzzle
from ramify.tasks.countdown.solver import solve
from ramify.tasks.countdown.task import CountdownConfig

__all__ = [
    "Attempt",
    "Completion",
    "ConfigError",
    "CountdownConfig",
    "ExperimentConfig",
    "Expression",
    "Grade",
    "InstanceCount",
    "Metric",
    "MissingExtraError",
    "ParseError",
    "Pattern",
    "Puzzle",
    "RamifyError",
    "Ratio",
    "Run",
    "RunError",
    "Structure",
    "Verdict",
    "count_instances",
    "count_puzzles",
    "family",
    "find_attempts",
    "grade",
    "parse",
    "pass_at_k",
    "patterns",
    "skills",
    "solve",
    "structure",
    "twins",
]


def __getattr__(name: str) -> str:
    """The installed version as `ramify.__version__`, read lazily because reading it is slow."""
    from ramify.manifest import version

    found = version(__name__) if name == "__version__" else None
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found
