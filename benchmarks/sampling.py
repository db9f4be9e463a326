"""Sampling the bundled model on a CPU: the compiled decoder beside torch, as `sample.decoder` chooses between them.

    python benchmarks/sampling.py [--rounds 5] [--cores 1,2] [--slots 24,96]

Both write after the same 512 prompts, 64 puzzles x 8, at temperature 1, through `generate`, and take turns in one
process, on one core and on two together. Two rates: tokens a core-second of wall clock (with two cores, half the tokens
of a second), and tokens a second of the CPU time that the process got, which remains comparable beside other processes.
Medians of the rounds; ratios are medians of those within a round. `--slots` adds other numbers of slots.
"""

import argparse
import subprocess
import sys
import time
from collections import defaultdict
from statistics import median

COMPILE = """
import time, torch
from ramify.models.compiled import decoder
from ramify.models.checkpoints import model_path
from ramify.models.loading import load_model
model = load_model(model_path("bundled"))
started, used = time.perf_counter(), time.process_time()
decoder.decode(model, [[5]], 1, 1.0, [1], 1)
print(f"{time.perf_counter() - started:.1f} s, {time.process_time() - used:.1f} s of CPU")
"""


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--cores", default="1,2")
    arguments.add_argument("--slots", default="")
    options = arguments.parse_args()
    for index in ("as it is found", "from the cache"):
        first = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, text=True, check=True)
        print(f"first call in a process, compiled code {index}: {first.stdout.strip()}")

    import torch

    from ramify.models.checkpoints import model_path
    from ramify.models.compiled import decoder
    from ramify.models.loading import load_model, load_tokenizer, prompt_ids
    from ramify.tasks.countdown.sets import make_puzzles
    from ramify.tasks.countdown.task import CountdownConfig

    sizes = {"length": {}, "held_out": {}, "skills": {}, "hold_out": (), "seed": 7}
    task = CountdownConfig(train={}, test={3: 36, 4: 96}, **sizes)
    puzzles = [tagged.puzzle for tagged in make_puzzles(task)[0]["test"]]
    puzzles = [puzzle for n in (3, 4) for puzzle in [one for one in puzzles if len(one.numbers) == n][:32]]
    tokenizer = load_tokenizer(model_path("bundled"))
    prompts = [prompt_ids(tokenizer, task.prompt.to_model_input(puzzle)) for puzzle in puzzles for _ in range(8)]
    inputs = tokenizer.pad({"input_ids": prompts}, return_tensors="pt")
    model = load_model(model_path("bundled")).eval()

    def rates(how: str, slots: int, seed: int) -> tuple[float, float, float]:
        model.decoder, decoder.SLOTS = how, slots
        torch.manual_seed(seed)
        wall, used = time.perf_counter(), time.process_time()
        output = model.generate(**inputs, max_new_tokens=224, do_sample=True, temperature=1.0)
        wall, used = time.perf_counter() - wall, time.process_time() - used
        written = output[:, inputs["input_ids"].shape[1] :]
        tokens = int(((written == 1).cumsum(1) - (written == 1).int() == 0).sum())
        return tokens / wall / torch.get_num_threads(), tokens / used, tokens / len(prompts)

    ways = [("torch", 0), ("auto", decoder.SLOTS), *(("auto", int(n)) for n in options.slots.split(",") if n)]
    for cores in map(int, options.cores.split(",")):
        torch.set_num_threads(cores)
        found = defaultdict(list)
        for seed in range(options.rounds + 1):
            for way in ways:
                measured = rates(*way, seed)
                if seed:  # the first round is to warm up
                    found[way].append(measured)
        for way, rounds in found.items():
            wall, used, length = (median(values) for values in zip(*rounds, strict=True))
            pairs = zip(rounds, found[ways[0]], strict=True)
            ratios = [[own[k] / theirs[k] for k in (0, 1)] for own, theirs in pairs]
            by_wall, by_cpu = (median(values) for values in zip(*ratios, strict=True))
            print(
                f"{cores} cores, {way[0]}, {way[1] or '-'} slots: {wall:,.0f} tokens a core-second ({by_wall:.2f} x), "
                f"{used:,.0f} a second of CPU ({by_cpu:.2f} x), {length:.0f} tokens a completion",
                flush=True,
            )


if __name__ == "__main__":
    main()
