"""Estimates in trackers."""

from pathlib import Path

import pytest

from ramify import ExperimentConfig, Run, RunError
from ramify.report.trackers import track


def curves(folder: Path) -> dict[str, dict[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    found = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    return {
        name: {event.step: float(tensor_util.make_ndarray(event.tensor_proto)) for event in found.Tensors(name)}
        for name in found.Tags()["tensors"]
    }


def test_tensorboard_reads_the_estimates(known_run: Run) -> None:
    for _ in range(2):  # written again, they are replaced
        track(known_run, ["tensorboard"])
        found = curves(known_run.estimates_tracker_folder)
        assert found["test/mean@4/n/3"] == {0: 0.0, 4: 0.5}
    assert found["test/mean@4/all"] == {0: 0.0, 4: 0.5}
    assert "test/coverage@64/n/3" in found or any(name.startswith("test/coverage@") for name in found)


def test_trackers_are_named(known_run: Run) -> None:
    with pytest.raises(RunError, match="--track paper: there are tensorboard, wandb, trackio"):
        track(known_run, ["paper"])
    assert ExperimentConfig.check({"track": ["tensorboard"]}).track == ("tensorboard",)
