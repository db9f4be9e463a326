"""Writes here.yaml for launch.sh: the folder, and what environment variables tell of the machine.

Also checks that the reward can be imported here and, with RAY_ADDRESS, on every node of that cluster.
"""

import json
import os
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MOST = 100_000


def machine(folder: str, given: Mapping[str, str]) -> dict[str, Any]:
    """The settings of the machine that environment variables set."""
    found: dict[str, Any] = {"folder": folder}
    if given.get("MODEL"):
        found["model"] = given["MODEL"]
    for name in ("GPUS", "NODES", "KEEP"):
        if given.get(name):
            if not (given[name].isascii() and given[name].isdigit() and 0 < int(given[name][:9]) < MOST):
                sys.exit(f"{name}={given[name]}: must be a number from 1 to {MOST}")
            found[name.lower()] = int(given[name])
    if given.get("LOGGER"):
        found["logger"] = given["LOGGER"].split(",")
    for name, value in found.items():
        if "${" in str(value):
            sys.exit(f"{name} = {value}: Hydra would replace ${...}; choose another name")
    return found


def reward_error(path: str) -> str | None:
    """Why the reward cannot be imported by this Python; None if it can."""
    try:
        runpy.run_path(path)["compute_score"]("", "", '{"numbers": [1, 2], "target": 3}')
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def check_nodes(path: str) -> None:
    """Exit if a node of the running Ray cluster cannot import the reward."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray.init(log_to_driver=False, logging_level="ERROR")
    ask = ray.remote(num_cpus=0)(reward_error)
    asked = {
        node["NodeManagerHostname"]: ask.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(path)
        for node in ray.nodes()
        if node["Alive"]
    }
    for name, answer in asked.items():
        if error := ray.get(answer):
            sys.exit(f"{path}: cannot be imported on the node {name}; install ramify there: {error}")
    ray.shutdown()


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    written = {"ramify": machine(str(here), os.environ)}
    if error := reward_error(str(here / "reward.py")):
        sys.exit(f"{here / 'reward.py'}: cannot be imported; install ramify for {sys.executable}: {error}")
    if os.environ.get("RAY_ADDRESS"):
        check_nodes(str(here / "reward.py"))
    (here / "here.yaml").write_text(json.dumps(written) + "\n", encoding="utf-8")  # JSON is YAML
