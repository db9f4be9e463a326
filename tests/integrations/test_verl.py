"""verl 0.9.1 itself reads what we export for it, and we read what it writes; all that can be tried without a GPU."""

import json
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from others import called, small_run, tool

from ramify import Puzzle, Run, grade
from ramify.adapters import verl
from ramify.adapters.foreign import import_run
from ramify.adapters.import_settings import ImportConfig
from ramify.models.checkpoints import model_path
from ramify.pipeline import run_all
from ramify.settings import ExperimentConfig
from ramify.tables import read_table

pytestmark = pytest.mark.slow
SIDE = Path(__file__).with_name("verl_side.py")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with the paper's training settings, exported, with its overrides in a file."""
    root = tmp_path_factory.mktemp("verl")
    train = {"kind": "grpo", "steps": 1600, "save_steps": 50, "prompts_per_step": 8, "samples_per_prompt": 4}
    train |= {"beta": 0.001, "loss_type": "dapo", "learning_rate": 1e-6, "max_new_tokens": 1024, "micro_batch": 8}
    folder = verl.export(small_run(root, train=train), root / "an $(export) 'folder'")
    launched(folder)
    return folder


def launched(folder: Path, *words: str, **machine: str) -> str:
    """What verl's command prints about its settings, without training."""
    variables = {"PYTHON": tool("verl", "python"), "MODEL": str(model_path("bundled")), **machine}
    return called(folder / "launch.sh", "--cfg", "job", "--resolve", *words, cwd=folder, **variables)


def side(folder: Path, *arguments: str | Path) -> str:
    return called(tool("verl", "python"), SIDE, *arguments, cwd=folder)


@pytest.mark.parametrize("gpus", [None, "1", "8"])
def test_the_command_composes_and_is_valid(exported: Path, gpus: str | None) -> None:
    machine = {} if gpus is None else {"GPUS": gpus, "NODES": "2", "LOGGER": "console,wandb", "KEEP": "3"}
    model = "a model's $(name)"
    said = launched(exported, "trainer.val_only=true", MODEL=model, **machine)
    assert "total_training_steps: 1600" in said
    assert "val_only: true" in said
    lines = side(exported, "config", exported).splitlines()
    assert any("checks passed" in line for line in lines)
    told = json.loads(next(line for line in lines if line.startswith("[") and line.endswith("]")))
    wanted = [8, 1, ["console"], None] if gpus is None else [int(gpus), 2, ["console", "wandb"], 3]
    assert told == [*wanted, model, f"{exported}/train.parquet", "small"]
    launched(exported)


def test_an_unknown_key_is_refused(exported: Path) -> None:
    with pytest.raises(AssertionError, match="no_such_key"):
        side(exported, "config", exported, "data.no_such_key=1")


def test_every_node_of_a_cluster_must_import_the_reward(exported: Path, tmp_path: Path) -> None:
    """On a Ray of one node: verl's rewards run where Ray was started, not where the launch is."""
    assert "all nodes" in side(exported, "nodes", exported)
    shutil.copytree(exported, tmp_path / "other")
    reward = "import ray\nif ray.is_initialized():\n    raise ImportError('it is not here')\n"
    (tmp_path / "other" / "reward.py").write_text(reward)
    with pytest.raises(AssertionError, match=r"cannot be imported on the node .* it is not here"):
        side(exported, "nodes", tmp_path / "other")


def test_the_dataset_class_reads_the_parquet(exported: Path) -> None:
    lines = side(exported, "data", exported, exported / "test.parquet").splitlines()
    rows = [json.loads(line) for line in lines if line.startswith('{"said"')]
    puzzles = [json.loads(row["truth"]) for row in rows]
    assert [row["said"] for row in rows] == [
        f"{p['target']}:" + "".join(f"{slot}{n}" for slot, n in zip("ABC", p["numbers"], strict=True)) + ">"
        for p in puzzles
    ]
    assert {row["source"] for row in rows} == {"countdown/test/n3"}
    assert len({p["id"] for p in puzzles}) == 4


def test_the_reward_manager_pays_what_our_grader_says(exported: Path) -> None:
    truth = json.dumps({"numbers": [3, 7, 8], "target": 29})
    texts = ["<answer>3*7+8</answer>", "<answer>3*7-8</answer>", "<answer>9**9**9</answer>", "29"]
    (exported / "asked.json").write_text(json.dumps([(truth, text) for text in texts]))
    said = side(exported, "reward", exported, exported / "asked.json").splitlines()
    scored = json.loads(next(line for line in said if line.startswith('[{"reward')))
    right = [float(grade(Puzzle((3, 7, 8), 29), text).verdict == "correct") for text in texts]
    assert [one["reward_score"] for one in scored] == right == [1.0, 0.0, 0.0, 0.0]
    assert [one["reward_extra_info"]["correct"] for one in scored] == right


def test_its_dumps_are_read_back(exported: Path, tmp_path: Path) -> None:
    texts = ["<answer>1+1</answer>", "so <answer>{solution}</answer>"]
    validation, rollouts = {}, {}
    rows = verl.dataset(Run(exported.parent / "small"), "test").to_dicts()
    trained = verl.dataset(Run(exported.parent / "small"), "train").to_dicts()
    for step, solves in ((0, False), (50, True)):
        validation[step] = dumped(rows, texts[1] if solves else texts[0], validates=True)
    for step in range(1, 51):
        rollouts[step] = dumped(trained[:4], texts[step % 2], validates=False)
    for name, columns in (("validation", validation), ("rollouts", rollouts)):
        (tmp_path / f"{name}.json").write_text(json.dumps(columns))
        side(tmp_path, "dump", tmp_path / f"{name}.json", tmp_path / "out" / name)
    found = import_run([tmp_path / "out"], "back", tmp_path, ImportConfig(), lambda stage, done, total: None)
    assert (found.format, found.completions, found.puzzles, found.steps) == ("verl", 16, 4, [0, 50])
    assert not found.unread
    kept = read_table(found.run.completions_file(1, "test", 50))
    assert kept.height == 8
    assert found.run.rollout_steps(1) == list(range(1, 51))
    assert read_table(found.run.rollouts_file(1, 3))["reward"].to_list() == [1.0] * 8
    alone = import_run([tmp_path / "out" / "rollouts"], "alone", tmp_path, ImportConfig(), lambda *_: None)
    assert (alone.window, alone.steps) == (5, list(range(5, 51, 5)))
    assert alone.completions == 50 * 8


def test_dumps_of_agent_loops_and_of_the_async_trainers_are_read(exported: Path, tmp_path: Path) -> None:
    """An agent loop writes uid PROMPT_ROLLOUT_OUTPUT; fully and one-step async training write as the older trainer."""
    rows = verl.dataset(Run(exported.parent / "small"), "test").to_dicts()
    columns = dumped(rows[:1], "so <answer>{solution}</answer>", validates=True)
    columns["uid"] = ["8f-2c_0_0", "8f-2c_0_1"]
    (tmp_path / "rows.json").write_text(json.dumps({5: columns}))
    side(tmp_path, "dump", tmp_path / "rows.json", tmp_path / "loop" / "validation")
    found = import_run([tmp_path / "loop"], "loops", tmp_path, ImportConfig(), lambda *_: None)
    assert (found.completions, found.unread.total()) == (1, 1)
    columns["uid"] = columns["request_id"] = ["a", "b"]
    (tmp_path / "rows.json").write_text(json.dumps({5: columns}))
    side(tmp_path, "dump", tmp_path / "rows.json", tmp_path / "async" / "validation", "older")
    found = import_run([tmp_path / "async"], "others", tmp_path, ImportConfig(), lambda *_: None)
    assert (found.format, found.completions, found.unread.total()) == ("verl", 2, 0)


def dumped(rows: list[dict], text: str, validates: bool) -> dict[str, list]:
    """The columns that verl hands to its writer for two samples of each row."""
    from ramify import solve

    columns: dict[str, list] = {name: [] for name in ("input", "output", "gts", "score", "uid")}
    extras: dict[str, list] = {name: [] for name in ("reward", "correct")}
    for index, row in enumerate(rows * 2):
        truth = row["reward_model"]["ground_truth"]
        puzzle = json.loads(truth)
        witness = next(iter(solve(puzzle["numbers"], puzzle["target"]).values())).text
        said = text.format(solution=witness)
        score = verl.compute_score(row["data_source"], said, truth)
        columns["input"].append(row["prompt"][0]["content"])
        columns["output"].append(said)
        columns["gts"].append(truth)
        columns["score"].append(score["score"])
        columns["uid"].append(f"uid-{index}")
        extras["reward"].append(score["score"])
        extras["correct"].append(score["correct"])
    return {**columns, **(extras if validates else {})}


@pytest.mark.parametrize("processes", [1, 2])
def test_its_shards_are_merged_and_sampled(tmp_path: Path, processes: int) -> None:
    called(
        *(tool("verl", "python"), "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"),
        *(SIDE, "checkpoint", tmp_path / "checkpoints" / "global_step_10"),
        cwd=tmp_path,
        BASE=str(model_path("bundled")),
    )
    task = {"train": {}, "test": {3: 8}, "length": {}, "held_out": {}, "skills": {}, "hold_out": []}
    train = {"kind": "checkpoints", "folder": str(tmp_path / "checkpoints"), "base": True}
    train |= {"verl_python": tool("verl", "python")}
    sample = {"samples": 1, "max_new_tokens": 64}
    config = ExperimentConfig.check({"name": "swept", "task": task, "train": train, "sample": sample})
    run = run_all(config, tmp_path, lambda stage, done, total: None)
    base, merged = (read_table(run.completions_file(1, "test", step)) for step in (0, 10))
    # verl merges into bfloat16, so not every text is the same.
    greedy = [frame.filter(frame["sample"] == -1)["text"].to_list() for frame in (base, merged)]
    assert sum(a == b for a, b in zip(*greedy, strict=True)) >= 4
    assert run.report_file.is_file()
