"""A verifiers taskset (verifiers 0.4, `verifiers.v1`) over a file of puzzles, for evaluation and training.

The file comes from `ramify export verifiers RUN`, which also prints the evaluation command. Other versions of verifiers
have a different interface.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import verifiers.v1 as vf

from ramify.adapters.rows import grade_row
from ramify.records import Verdict
from ramify.tasks.answers import ANSWER_TAGS

__all__ = ["CountdownTaskset"]


class CountdownData(vf.TaskData):
    """A puzzle."""

    numbers: list[int]
    target: int
    set: str = "test"
    answer_tags: tuple[str, str] = ANSWER_TAGS


class CountdownTask(vf.Task[CountdownData]):
    """A puzzle as a task with prompt and reward."""

    @vf.reward(weight=1.0)
    async def correct(self, trace: vf.Trace) -> float:
        """1 for a correct answer."""
        verdict = grade_row(self.data.model_dump(), trace.last_reply, trace.is_truncated).verdict
        return float(verdict is Verdict.CORRECT)


class CountdownConfig(vf.TasksetConfig):
    """The path of the puzzles."""

    data: str = "test.jsonl"


class CountdownTaskset(vf.Taskset[CountdownTask, CountdownConfig]):
    """The puzzles of a file: JSON lines with id, numbers, target and prompt."""

    def load(self) -> Iterable[CountdownTask]:
        """Yield the puzzles in order."""
        for line in Path(self.config.data).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            known = {name: row[name] for name in ("numbers", "target", "set", "prompt", "answer_tags") if name in row}
            yield CountdownTask(CountdownData(id=str(row["id"]), **known), self.config.task)
