"""Sample a checkpoint on all evaluation sets, batch by batch; existing batches are not sampled again."""

import shutil
from collections.abc import Callable

import polars as pl

from ramify.progress import ProgressCallback, silent
from ramify.removal import drop_derived
from ramify.run import Run
from ramify.sampling.batches import Sampler, SamplerConfig
from ramify.schemas import COMPLETIONS, completion_frame
from ramify.tables import fault, read_table, write_table
from ramify.tasks.base import EVALUATION_SETS


def sample_checkpoint(
    run: Run,
    seed: int,
    step: int,
    config: SamplerConfig,
    build: Callable[[], Sampler],
    report: ProgressCallback = silent,
) -> None:
    """Write the completions of a checkpoint on all evaluation sets of a run.

    Args:
        build: loads the model; called only if completions are missing.
    """
    missing = [name for name in EVALUATION_SETS if not run.completions_file(seed, name, step).is_file()]
    sets = {name: some for name in missing if (some := list(config.batches(run.task.puzzles_in(run.puzzles(name)))))}
    if not sets:
        return
    sampler = build()
    total, done = sum(map(len, sets.values())), 0
    for name, batches in sets.items():
        parts = []
        for number, (greedy, puzzles) in enumerate(batches):
            report(f"sampling step {step}, seed {seed}", done, total)
            part = run.completions_part(seed, name, step, number)
            if fault(part) is not None:
                found = sampler.sample(puzzles, run.task.prompt, greedy, f"{seed}/{name}/{step}/{number}")
                write_table(completion_frame(found), part, COMPLETIONS)
            parts.append(part)
            done += 1
        drop_derived(run, seed, name, step)  # derived from earlier completions
        whole = pl.concat([read_table(part, COMPLETIONS) for part in parts])
        write_table(whole, run.completions_file(seed, name, step), COMPLETIONS)
        shutil.rmtree(parts[0].parent)  # including files that a kill left half written
    report(f"sampling step {step}, seed {seed}", total, total)
