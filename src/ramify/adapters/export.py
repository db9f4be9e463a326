"""Write a run's puzzles, or a checkpoint, for other tools: `ramify export KIND RUN`."""

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from shlex import quote

from ramify.adapters import hub, verl
from ramify.adapters.rows import write_rows
from ramify.errors import RunError
from ramify.run import Run
from ramify.sampling.hf import HFSamplerConfig
from ramify.settings import ExperimentConfig, settings_of
from ramify.storage import write_text
from ramify.tasks.registry import TASKS

TASKSET = """\"\"\"Puzzles for verifiers, which looks for tasksets by the names of modules.\"\"\"

from ramify.adapters.verifiers import CountdownTaskset

__all__ = ["CountdownTaskset"]
"""


def export(
    kind: str, run: Run, folder: Path, step: int | None = None, seed: int = 1, license_id: str | None = None
) -> str:
    """Write the files of an export kind; returns the command to run next.

    Raises:
        RunError: the kind is unknown or not for the run's task, or the run lacks the required files.
    """
    if kind == "model":
        chosen = step if step is not None else max(run.checkpoints(seed), default=0)
        hub.write_model(run, chosen, seed, folder, license_id)
        return f"ramify run PRESET {quote(f'model={folder}')}"
    if run.task.kind != TASKS.default and kind in {*KINDS, "dataset"}:
        raise RunError(f"export {kind}: only puzzles of {TASKS.default} are exported; this run has {run.task.kind}")
    if kind == "dataset":
        hub.write_dataset(run, folder, license_id)
        return f"ramify run PRESET {quote(f'task.puzzles={folder}')}"
    if kind not in KINDS:
        raise RunError(f"export {kind}: there are {', '.join([*KINDS, 'dataset', 'model'])}")
    return KINDS[kind](run, folder)


def _verl(run: Run, folder: Path) -> str:
    """Write data, reward and command for verl."""
    verl.export(run, folder)
    return f"MODEL=... {quote(f'{folder}/launch.sh')} && ramify import {quote(str(folder))}"


def _lm_eval(run: Run, folder: Path) -> str:
    """Write an lm-eval task for each set."""
    settings = settings_of(run)
    sample = settings.sample if isinstance(settings, ExperimentConfig) else HFSamplerConfig()
    samples = sample.samples
    budgets = [2**power for power in range(1, samples.bit_length()) if 2**power <= samples]
    metrics = "\n".join(
        f"  - {{metric: {name}, aggregation: mean, higher_is_better: true}}"
        for name in ["mean", *(f"pass_at_{k}" for k in budgets)]
    )
    source = resources.files("ramify.adapters.lm_eval")
    tasks = []
    for name, data in _rows(run, folder).items():
        tasks.append(f"ramify_{name}")
        filled = {
            "task": tasks[-1],
            "data": data,
            "samples": samples,
            "temperature": sample.temperature,
            "max_new_tokens": sample.max_new_tokens or max(run.limits().values(), default=1024),
            "metrics": metrics,
        }
        write_text(source.joinpath("task.yaml").read_text().format(**filled), folder / f"{tasks[-1]}.yaml")
    write_text(source.joinpath("countdown.py").read_text(), folder / "countdown.py")
    return (
        f"lm_eval run --model hf --model_args pretrained=MODEL --tasks {','.join(tasks)} "
        f"--include_path {quote(str(folder))} --log_samples --output_path OUT/checkpoint-50 && ramify import OUT"
    )


def _inspect(run: Run, folder: Path) -> str:
    """Write a file for each set, for the task in `adapters/inspect.py`."""
    return (
        f"inspect eval ramify/countdown -T {quote(f'data={_main(_rows(run, folder))}')} -T k=4 --model MODEL "
        "--temperature 1 --max-tokens 1024 --metadata step=50 --log-dir OUT && ramify import OUT"
    )


def _verifiers(run: Run, folder: Path) -> str:
    """Write a file for each set, and a module for the taskset in `adapters/verifiers.py`."""
    files = _rows(run, folder)
    write_text(TASKSET, folder / "ramify_countdown.py")
    return (
        f"PYTHONPATH={quote(str(folder))} vf-eval ramify_countdown --env.taskset.data {quote(str(_main(files)))} "
        "--env.agent.runtime.type subprocess --env.agent.harness.id null --model MODEL --client.base-url URL -r 4 "
        "--no-push --output-dir OUT --run.name checkpoint-50 && ramify import OUT"
    )


def _rows(run: Run, folder: Path) -> dict[str, Path]:
    """Write a JSON lines file for each evaluation set with puzzles."""
    names = [name for name in run.evaluation_sets() if run.puzzles(name).height]
    if not names:
        raise RunError(f"{run.path}: there are no evaluation puzzles; make some with ramify generate")
    for name in names:
        write_rows(run, name, folder / f"{name}.jsonl")
    return {name: (folder / f"{name}.jsonl").resolve() for name in names}


def _main(files: dict[str, Path]) -> Path:
    return files.get("test") or next(iter(files.values()))


KINDS: dict[str, Callable[[Run, Path], str]] = {
    "verl": _verl,
    "lm-eval": _lm_eval,
    "inspect": _inspect,
    "verifiers": _verifiers,
}
