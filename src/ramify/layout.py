"""The file names in a run folder, which no other module knows.

config.json  manifest.json  limits.json  certificate.json  import.json  unread.jsonl (of an imported run)
puzzles/{train,test,length,held_out}.parquet
seed-1/checkpoints/checkpoint-15/      a model folder; the file `whole` marks it complete
       train.jsonl                     trainer log, one line per step
       rollouts/step-000001.parquet    every training completion
       telemetry/step-000001.parquet   telemetry of the step by pattern
       rejection/part-00001.parquet    samples for rejection fine-tuning
       tracker/                        TensorBoard files
       merged/checkpoint-50/           foreign checkpoints, merged from shards
       completions/test/step-000015.parquet, and step-000015.parts/ until it is complete
       grades/, attempts/              derived from completions; can be deleted
warm-up/                                      the run of the warm-up
initial/                                      the model after it, as a whole model
estimates.parquet  report.html  tracker/      derived
ramify.log                                    log of all stages, with errors
.lock  .scoring                               locks of the writing and the scoring process
"""

import re
from pathlib import Path

from ramify.storage import numbered

STEP_DIGITS = 6
WARM_UP = "warm-up"
"""The name of the run of the warm-up, in the folder of the run that it prepares."""
_NAMES = re.compile(
    r"""(config|manifest|certificate|import|limits)\.json|unread\.jsonl|estimates\.parquet|report\.html|ramify\.log|\.lock|\.scoring
    |puzzles/[^/]+\.parquet|tracker/.+
    |seed-\d+/(train\.jsonl|(rollouts|telemetry)/step-\d{6,}\.parquet|rejection/part-\d{5,}\.parquet|(tracker|merged)/.+
    |(completions|grades|attempts)/[^/]+/(step-\d{6,}\.parquet|step-\d{6,}\.parts/batch-\d{5,}\.parquet))""",
    re.VERBOSE | re.ASCII,
)
"""Patterns of the names of all files but those of checkpoints."""
DERIVED = ("grades", "attempts")
"""Tables derived from each file of completions."""


class Layout:
    """The paths of a run folder.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def config_file(self) -> Path:
        """The settings."""
        return self.path / "config.json"

    @property
    def seeds(self) -> list[int]:
        """The seeds with a folder, sorted."""
        return list(numbered(self.path, "seed-"))

    @property
    def lock_file(self) -> Path:
        """The lock of the process that writes into the run."""
        return self.path / ".lock"

    @property
    def scoring_file(self) -> Path:
        """The lock of the process that writes derived tables."""
        return self.path / ".scoring"

    @property
    def log_file(self) -> Path:
        """The log of all stages."""
        return self.path / "ramify.log"

    @property
    def limits_file(self) -> Path:
        """Token limits of completions, by seed and step."""
        return self.path / "limits.json"

    @property
    def manifest_file(self) -> Path:
        """Versions, machine and times."""
        return self.path / "manifest.json"

    @property
    def certificate_file(self) -> Path:
        """The split certificate."""
        return self.path / "certificate.json"

    @property
    def import_file(self) -> Path:
        """The result of an import."""
        return self.path / "import.json"

    @property
    def unread_file(self) -> Path:
        """Unreadable rows of imported files as JSON lines, with reasons."""
        return self.path / "unread.jsonl"

    @property
    def estimates_file(self) -> Path:
        """The table of estimates."""
        return self.path / "estimates.parquet"

    @property
    def report_file(self) -> Path:
        """The HTML report."""
        return self.path / "report.html"

    @property
    def estimates_tracker_folder(self) -> Path:
        """TensorBoard files of the estimates."""
        return self.path / "tracker"

    @property
    def initial_folder(self) -> Path:
        """The model after the warm-up, from which every seed starts."""
        return self.path / "initial"

    @property
    def warm_up_folder(self) -> Path:
        """The run of the warm-up."""
        return self.path / WARM_UP

    def puzzles_file(self, name: str) -> Path:
        """The puzzles of a set."""
        return self.path / "puzzles" / f"{name}.parquet"

    def is_ours(self, file: Path) -> bool:
        """Whether a file has a name that ramify uses, such as seed-1/grades/test/step-000004.parquet."""
        return _NAMES.fullmatch(file.relative_to(self.path).as_posix()) is not None

    def is_checkpoint(self, folder: Path) -> bool:
        """Whether a folder has the name of a checkpoint."""
        return folder in numbered(folder.parent, "checkpoint-").values()

    def kind(self, file: Path) -> str:
        """The kind of a file of the run: puzzles, completions, grades, checkpoints, certificate, ...; "" for others."""
        first, *rest = file.relative_to(self.path).parts
        if not rest:
            return first.strip(".").partition(".")[0]
        return first if not first.startswith("seed-") else rest[0].partition(".")[0]

    def evaluation_sets(self) -> list[str]:
        """The puzzle sets except the training set."""
        return sorted(file.stem for file in (self.path / "puzzles").glob("*.parquet") if file.stem != "train")

    def seed_folder(self, seed: int) -> Path:
        """The folder of a training seed."""
        return self.path / f"seed-{seed}"

    def checkpoints_folder(self, seed: int) -> Path:
        """The folder of the checkpoints of a seed."""
        return self.seed_folder(seed) / "checkpoints"

    def checkpoints(self, seed: int) -> dict[int, Path]:
        """The complete checkpoints, by step."""
        folders = numbered(self.checkpoints_folder(seed), "checkpoint-")
        return {step: folder for step, folder in folders.items() if self.completion_marker(folder).is_file()}

    @staticmethod
    def completion_marker(checkpoint: Path) -> Path:
        """The file that marks a checkpoint as complete."""
        return checkpoint / "whole"

    def merged_folder(self, seed: int, step: int) -> Path:
        """A foreign checkpoint with merged shards."""
        return self.seed_folder(seed) / "merged" / f"checkpoint-{step}"

    def train_log(self, seed: int) -> Path:
        """The log of the trainer, one JSON line per step."""
        return self.seed_folder(seed) / "train.jsonl"

    def rollouts_file(self, seed: int, step: int) -> Path:
        """The training completions of a step."""
        return self.seed_folder(seed) / "rollouts" / f"step-{step:0{STEP_DIGITS}d}.parquet"

    def telemetry_file(self, seed: int, step: int) -> Path:
        """Telemetry of a step by pattern; columns as in `train.online.telemetry` or `train.offline.telemetry`."""
        return self.seed_folder(seed) / "telemetry" / f"step-{step:0{STEP_DIGITS}d}.parquet"

    def tracker_folder(self, seed: int) -> Path:
        """TensorBoard files of training."""
        return self.seed_folder(seed) / "tracker"

    def rejection_part(self, seed: int, part: int) -> Path:
        """Completions of training puzzles sampled for rejection fine-tuning."""
        return self.seed_folder(seed) / "rejection" / f"part-{part:05d}.parquet"

    def rollout_steps(self, seed: int) -> list[int]:
        """The steps with training completions on disk."""
        return list(numbered(self.seed_folder(seed) / "rollouts", "step-", ".parquet", STEP_DIGITS))

    def completions_file(self, seed: int, name: str, step: int) -> Path:
        """The evaluation completions of a set at a checkpoint."""
        return self.seed_folder(seed) / "completions" / name / f"step-{step:0{STEP_DIGITS}d}.parquet"

    def completions_part(self, seed: int, name: str, step: int, batch: int) -> Path:
        """A batch of evaluation completions of an incomplete set."""
        whole = self.completions_file(seed, name, step)
        return whole.with_suffix(".parts") / f"batch-{batch:05d}.parquet"

    def derived_file(self, kind: str, seed: int, name: str, step: int) -> Path:
        """The grades or attempts of a file of completions."""
        return self.seed_folder(seed) / kind / name / f"step-{step:0{STEP_DIGITS}d}.parquet"

    def sampled_sets(self) -> list[str]:
        """The sets sampled by any seed."""
        return sorted({name for seed in self.seeds for name, _ in self.sampled(seed)})

    def sampled(self, seed: int) -> list[tuple[str, int]]:
        """The (set, step) pairs with complete completions."""
        folder = self.seed_folder(seed) / "completions"
        names = sorted(one.name for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []
        return [(n, step) for n in names for step in numbered(folder / n, "step-", ".parquet", STEP_DIGITS)]

    def scored(self, seed: int) -> list[tuple[str, int]]:
        """The (set, step) pairs that are also graded; a run may be sampled while it is scored."""
        return [
            (name, step)
            for name, step in self.sampled(seed)
            if all(self.derived_file(kind, seed, name, step).is_file() for kind in DERIVED)
        ]
