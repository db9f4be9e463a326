"""`ramify plan`: the base is asked, or was asked in a run, and a design comes out."""

import json
from pathlib import Path

import pytest

from conftest import silent
from ramify import ConfigError, ExperimentConfig, Run, RunError
from ramify.plan import plan
from ramify.removal import drop_completions
from test_cli import ramify

TASK = ["task.train={3=34}", "task.test={3=51}", "task.length={4=20}", "task.held_out={3=4}", "task.skills={2=4}"]


def test_a_run_that_asked_its_base(known_run: Run) -> None:
    """At step 0 nobody solved anything, four samples and one greedy completion a puzzle."""
    found = plan(str(known_run.path), [], 0.1, None, silent)
    answers = {(one.question, one.set, one.n): one for one in found.answers}
    assert {("gain", "test", 3), ("gain", "length", 4), ("gain", "held_out", 3)} <= answers.keys()
    assert all(one.base < 0.04 for one in found.answers)
    assert answers["gain", "test", 3].puzzles == known_run.puzzles("test").height
    assert answers["gain, right-heavy", "length", 4].status.startswith("too few")
    assert found.probed == (sum(known_run.puzzles(name).height for name in known_run.evaluation_sets()), 4)
    # One seed of so few puzzles is less than any design that is recommended.
    assert found.allocation is None
    assert found.tokens == found.configured_tokens
    assert not (known_run.path / "seed-1" / "completions" / "plan").exists()


def test_more_tokens_detect_less(known_run: Run) -> None:
    few, many = (plan(str(known_run.path), [], 0.1, tokens, silent) for tokens in (10**6, 10**8))
    assert few.allocation is not None
    assert many.allocation is not None
    assert few.allocation.tokens <= few.tokens == 10**6
    gains = [next(one for one in found.answers if one.question == "gain") for found in (few, many)]
    assert gains[1].recommended < gains[0].recommended
    assert many.allocation.counts["test", 3] > few.allocation.counts["test", 3]
    # Rare patterns run out: A/(B-C) has some 300 instances, of which one in sixteen is reserved.
    assert 100 < many.supply["test", 3] < 10_000


def test_what_cannot_be_planned(known_run: Run, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--detect 4: a difference is a share"):
        plan("quickstart", [], 4, None, silent)
    with pytest.raises(ConfigError, match="--tokens 10: not enough"):
        plan(str(known_run.path), [], 0.04, 10, silent)
    with pytest.raises(ConfigError, match="the settings of a run cannot be changed"):
        plan(str(known_run.path), ["seeds=[1]"], 0.04, None, silent)
    for name, step in known_run.sampled(1):
        drop_completions(known_run, 1, name, step)
    with pytest.raises(RunError, match="no completions of the base"):
        plan(str(known_run.path), [], 0.04, None, silent)


@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    """Small enough to ask the bundled model; nothing is left behind."""
    pytest.importorskip("torch")
    done = ramify("plan", "quickstart", *TASK, "sample.max_new_tokens=48", "--tokens", "3000000", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "gain, left-heavy" in done.stdout
    settings = done.stdout[done.stdout.index("seeds = ") :]
    (tmp_path / "mine.toml").write_text('extends = "quickstart"\n' + settings)
    chosen = ExperimentConfig.load(tmp_path / "mine.toml")
    assert chosen.sample.samples == 4
    assert 3 <= len(chosen.seeds) <= 8
    assert chosen.task.test[3] >= 20
    (tmp_path / "mine.toml").unlink()
    assert not list(tmp_path.iterdir())


def test_the_command_prints_json(known_run: Run) -> None:
    chosen = json.loads(ramify("plan", str(known_run.path), "--tokens", "1000000", "--json").stdout)
    assert chosen["allocation"]["counts"]["test"]["3"] > 0
    assert "no recommendation" in ramify("plan", str(known_run.path)).stdout
    found = json.loads(ramify("plan", str(known_run.path), "--json").stdout)
    assert found["answers"][0].keys() >= {"question", "base", "detects", "needed", "recommended"}
    assert found["allocation"] is None
