"""Write completions of a model with known parameters into a run, for tests and benchmarks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Any

from ramify.records import Completion
from ramify.run import Run
from ramify.schemas import completion_frame
from ramify.tables import write_table
from ramify.tasks.base import Task

Model = Callable[[Any, int, int, int], Iterable[Completion]]
"""A function from (puzzle, step, seed, samples) to completions."""


def play(model: Model, run: Run, steps: Sequence[int], seeds: Sequence[int], samples: int) -> None:
    """Write completions for all checkpoints and seeds, and every puzzle set but the training set."""
    for name in run.evaluation_sets():
        puzzles = run.task.puzzles_in(run.puzzles(name))
        for seed in seeds:
            for step in steps:
                found = [one for puzzle in puzzles for one in model(puzzle, step, seed, samples)]
                write_table(completion_frame(found), run.completions_file(seed, name, step))


def succeeding(task: Task, success: Callable[[Any, int, int], float]) -> Model:
    """A model that writes a solution with probability `success(puzzle, step, seed)`, and an error otherwise.

    The greedy completion, sample -1, is correct if that probability is at least one half.
    """

    def complete(puzzle: Any, step: int, seed: int, samples: int) -> Iterator[Completion]:
        random = Random(f"oracle/{seed}/{step}/{puzzle.id}")
        chance = success(puzzle, step, seed)
        for sample in range(-1, samples):
            right = chance >= 0.5 if sample < 0 else random.random() < chance
            text = task.demonstrate(puzzle) if right else task.mistake(puzzle, random)
            yield Completion(puzzle.id, sample, text, len(text) // 3, False)

    return complete
