"""Rollouts of slime (--save-debug-rollout-data, *.pt) as JSON lines for ramify import: slime_rollouts.py FOLDER OUT.

Runs where slime does, since it needs torch. Only plain data and tensors are loaded, no code of a pickle.
"""

import json
import sys
from pathlib import Path

import torch

KEPT = ("prompt", "response", "label", "reward", "status", "metadata")


def convert(source: Path, folder: Path) -> None:
    """Write the samples of a file, at the step of its rollout."""
    data = torch.load(source, weights_only=True, map_location="cpu")
    evaluates = source.stem.startswith("eval_")
    more = {"step": data["rollout_id"], "evaluates": evaluates}
    rows = [{**{name: sample.get(name) for name in KEPT}, **more} for sample in data["samples"]]
    text = "".join(json.dumps(row, default=str) + "\n" for row in rows)
    target = folder / ("eval" if evaluates else "train") / f"{data['rollout_id']}.jsonl"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for file in sorted(Path(sys.argv[1]).glob("*.pt")):
        convert(file, Path(sys.argv[2]))
