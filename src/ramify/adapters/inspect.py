"""An inspect_ai task over a file of puzzles: `inspect eval ramify/countdown -T data=test.jsonl`.

The file comes from `ramify export inspect RUN`. Do not set a seed: inspect would send the same one in every epoch.
"""

from typing import Any

from inspect_ai import Epochs, Task, task
from inspect_ai.dataset import Sample, json_dataset
from inspect_ai.scorer import Score, Scorer, Target, accuracy, scorer, stderr
from inspect_ai.solver import TaskState, generate

from ramify.adapters.rows import grade_row
from ramify.records import Verdict


def _sample(row: dict[str, Any]) -> Sample:
    return Sample(id=row["id"], input=row["prompt"], target=str(row["target"]), metadata=row)


@scorer(metrics=[accuracy(), stderr()])
def correct() -> Scorer:
    """1 for a correct answer, with the verdict as explanation."""

    async def score(state: TaskState, target: Target) -> Score:
        text = state.output.completion
        verdict = grade_row(state.metadata, text, state.output.stop_reason == "max_tokens").verdict
        return Score(value=float(verdict is Verdict.CORRECT), answer=text, explanation=verdict.value)

    return score


@task
def countdown(data: str, k: int = 4) -> Task:
    """A task of k completions for every puzzle of a file.

    Args:
        data: JSON lines with id, numbers, target and prompt.
        k: completions per puzzle; means and pass@1, 2, 4 … are reported.
    """
    budgets = [2**power for power in range(k.bit_length()) if 2**power <= k]
    reducers = ["mean", *(f"pass_at_{budget}" for budget in budgets)]
    return Task(json_dataset(data, _sample), solver=generate(), scorer=correct(), epochs=Epochs(k, reducers))
