"""For TRL scripts with GRPO, RLOO or Online DPO: a reward function, a data set, and a diagnosis during training.

AsyncGRPOTrainer calls its reward functions in another process, where only `countdown_reward` works.

`countdown_reward` only needs the columns numbers and target. `Diagnosis` supplies the puzzles, so training and
evaluation are certified to be disjoint; it records every training completion and telemetry by pattern, samples every
saved checkpoint, and writes a run for `ramify report`.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ramify.adapters.completions import last_reply
from ramify.adapters.puzzles import write_puzzles
from ramify.config import Config
from ramify.errors import RunError, require
from ramify.models.checkpoints import is_model
from ramify.processes import rank
from ramify.progress import silent
from ramify.run import Run
from ramify.sampling.hf import HFSamplerConfig
from ramify.sampling.sweep import sample_checkpoint
from ramify.storage import numbered
from ramify.tasks.answers import ANSWER_TAGS
from ramify.tasks.countdown.grading import grade
from ramify.tasks.countdown.puzzle import Puzzle
from ramify.tasks.countdown.task import CountdownConfig
from ramify.tasks.rewards import REWARDS, RewardConfig
from ramify.train.existing import CheckpointsConfig
from ramify.train.online import reward_of

if TYPE_CHECKING:
    from transformers import TrainerCallback


def countdown_reward(
    completions: Sequence[Any],
    numbers: Sequence[Sequence[int]],
    target: Sequence[int],
    log_extra: Callable[[str, list[Any]], None] | None = None,
    reward: RewardConfig = REWARDS["pure"],
    answer_tags: tuple[str, str] = ANSWER_TAGS,
    **_: Any,
) -> list[float | None]:
    """A reward function for TRL: 1 for a correct answer, else 0; `functools.partial` sets another `reward`.

    With `log_completions`, TRL also logs the puzzle of each completion, so that `ramify import` can read the folder.

    Args:
        completions: texts, or lists of messages whose last assistant message is the completion. Without text (a tool
            call, an empty list) there is no answer.
        numbers, target: columns of the data set. A row without a puzzle, as in a data set of several tasks, has the
            reward None, which TRL ignores.

    >>> countdown_reward(["<answer>3*7+8</answer>", "29"], numbers=[[3, 7, 8]] * 2, target=[29, 29])
    [1.0, 0.0]
    """
    puzzles = [_puzzle(each, goal) for each, goal in zip(numbers, target, strict=True)]
    if log_extra is not None:
        log_extra("puzzle_id", [puzzle and puzzle.id for puzzle in puzzles])
    asked = zip(puzzles, map(last_reply, completions), strict=True)
    return [None if one is None else reward.score(grade(one, text, tags=answer_tags)) for one, text in asked]


def _puzzle(numbers: Any, target: Any) -> Puzzle | None:
    """The puzzle of a row; None if it has none. Integers may be floats, as in columns with missing values."""
    try:
        values = [int(each) for each in (*numbers, target) if float(each).is_integer()]
        return Puzzle(tuple(values[:-1]), values[-1]) if len(values) == len(numbers) + 1 > 1 else None
    except (TypeError, ValueError, OverflowError):
        return None


class Diagnosis:
    """A ramify run that accompanies a TRL training.

    Args:
        folder: the run folder, created if missing; a resumed training continues in it.
        model: folder or hub name of the initial model.
        output_dir: the trainer's output folder with its checkpoints.
        task: settings of puzzles (drawn, or taken by `task.puzzles`), prompt and reward.
        sample: sampling settings; None to sample later with `ramify sample FOLDER`.
        seed: the training seed.

    Raises:
        RunError: the folder holds a run with other settings.

    Give the trainer `train_dataset`, `reward` (alone, or in a list of reward functions) and `callback`; a prompt with
    `chat` is a list of messages. examples/trl_grpo.py and examples/trl_messages.py are complete scripts.
    """

    def __init__(
        self,
        folder: str | Path,
        model: str | Path,
        output_dir: str | Path,
        task: CountdownConfig | None = None,
        sample: HFSamplerConfig | None = None,
        seed: int = 1,
    ) -> None:
        require("ramify.adapters.trl", "train")
        self.task, self.sample, self.seed, self.model = task or CountdownConfig(), sample, seed, model
        path = Path(folder)
        checkpoints = CheckpointsConfig(folder=str(Path(output_dir).resolve()), base=True)
        settings = {
            "name": path.name,
            "seeds": [seed],
            "model": str(model),
            "task": self.task.model_dump(mode="json"),
            "train": checkpoints.model_dump(mode="json"),
            "sample": (sample or HFSamplerConfig()).model_dump(mode="json"),
        }
        self.run = Run.open(path, settings, _complete)
        self._lock = ExitStack()  # until training or the process ends
        with self.run.writing():
            write_puzzles(self.task, self.run, silent)
        self._puzzles = self.task.puzzles_in(self.run.puzzles("train"))
        self._samples = 1

    @property
    def train_dataset(self) -> Any:
        """The training puzzles: columns prompt (a text, or messages) and puzzle (its row)."""
        import datasets

        prompts = map(self.task.prompt.to_model_input, self._puzzles)
        rows = [{"prompt": prompt, "puzzle": row} for row, prompt in enumerate(prompts)]
        return datasets.Dataset.from_list(rows)

    @property
    def reward(self) -> Callable[..., list[float]]:
        """The reward function, which also records completions and telemetry."""
        from ramify.models.loading import load_tokenizer

        tokenizer = load_tokenizer(self.model)
        return reward_of(self._puzzles, self.run, self.seed, self.task, tokenizer, lambda: self._samples)

    @property
    def callback(self) -> "TrainerCallback":
        """The callback that samples the base before training, and every saved checkpoint."""
        from transformers import TrainerCallback

        diagnosis = self

        class Sweep(TrainerCallback):
            def on_init_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                if type(args).__name__.startswith("Async"):
                    raise RunError(
                        f"{diagnosis.run.path}: {type(args).__name__} calls rewards in another process, where a "
                        "diagnosis cannot record; use countdown_reward, and then ramify sample --checkpoints"
                    )

            def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                diagnosis._lock.enter_context(diagnosis.run.writing())
                diagnosis._samples = getattr(args, "num_generations", 2)  # Online DPO samples pairs
                diagnosis._ask(0, diagnosis.model)
                for step, checkpoint in numbered(Path(args.output_dir), "checkpoint-").items():
                    diagnosis._ask(step, checkpoint)  # an earlier process may have been killed

            def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                diagnosis._lock.close()

            def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                diagnosis._ask(state.global_step, Path(args.output_dir) / f"checkpoint-{state.global_step}")

        return Sweep()

    def _ask(self, step: int, model: str | Path) -> None:
        if self.sample is None or rank() > 0 or (step > 0 and not is_model(Path(model))):
            return
        build = partial(self.sample.build, model)
        sample_checkpoint(self.run, self.seed, step, self.sample, build)


def _complete(saved: dict[str, Any]) -> dict[str, Any]:
    """The saved settings of a diagnosis with the defaults of this version."""
    kinds: dict[str, type[Config]] = {"task": CountdownConfig, "train": CheckpointsConfig, "sample": HFSamplerConfig}
    return {**saved, **{part: kind.check(saved[part]).model_dump(mode="json") for part, kind in kinds.items()}}
