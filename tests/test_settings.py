"""Every setting has bounds, and what no setting can be is one sentence before any work, with nothing left behind."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ramify import ConfigError, ExperimentConfig, RunError
from ramify.analysis.compare import side
from ramify.config import MAX_BYTES, Config, presets
from ramify.models.bundled.pretrain import PretrainConfig
from ramify.train.online import GRPOConfig

EXPERIMENTS = [name for name, text in presets().items() if "[traces]" not in text]  # the others pre-train


def classes(cls: type[Config] = Config) -> list[type[Config]]:
    """All settings classes of a run or a pre-training; what an import is told stands elsewhere."""
    found = [one for child in cls.__subclasses__() for one in (child, *classes(child))]
    return [
        one for one in dict.fromkeys(found) if one.__module__.startswith("ramify.") and "adapters" not in one.__module__
    ]


def numbers() -> list[tuple[type[Config], str]]:
    found = []
    for cls in classes():
        for name, field in cls.model_fields.items():
            if any(kind in str(field.annotation) for kind in ("int", "float")):
                found.append((cls, name))
    return found


def test_there_are_many_numbers() -> None:
    assert len(numbers()) > 60


@pytest.mark.parametrize(("cls", "name"), numbers(), ids=lambda part: getattr(part, "__name__", part))
@pytest.mark.parametrize("value", [10**18, -(10**18), float("inf"), float("nan")], ids=str)
def test_every_number_has_bounds(cls: type[Config], name: str, value: float) -> None:
    """Whatever shape the setting has: a number, a list, a table of them."""
    shapes: list[Any] = [value, [value, value], {"3": value}, {"3": {"3": value}}, [value]]
    for shape in shapes:
        with pytest.raises(ConfigError) as error:
            cls.check({name: shape})
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.steps=2000000000", "train.steps = 2000000000: input should be less than"),
        ("train.steps=0x" + "f" * 5000, "bits; settings have up to 63"),
        ("train.steps=" + "9" * 5000, "train.steps = 99999"),
        ("train.prompts_per_step=999999", "sequences; reduce either"),
        ("train.save_steps=9999999", "train.save_steps"),
        ("train.temperature=1e-200", "train.temperature = 1e-200"),
        ("sample.temperature=1e200", "sample.temperature = 1e+200"),
        ("sample.samples=7000000000", "sample.samples"),
        ("sample.temperature=nan", "sample.temperature = nan: must be a finite number"),
        ("task.reward.correct=inf", "task.reward.correct = inf: must be a finite number"),
        ("task.reward.form=1e200", "task.reward.form = 1e+200"),
        ("seeds=[-3]", "seeds"),
        ("seeds=[4294967296]", "seeds"),
        ("seeds=[2,7,2]", "a seed occurs twice"),
        ("seeds=[]", "seeds"),
        ("model=", "is not a model"),
        ("model='  '", "is not a model"),
        ('model="a\\u0000b"', "has an invalid character"),
        ("model=\udcff", "has an invalid character"),
        ("name=" + "n" * 300, "name = nnn"),
        ("task.hold_out=['bar']", "two letters without a sign between"),
        ("task.hold_out=['Q']", "one number alone"),
        ("task.hold_out=['AxB']", "two letters without a sign between"),
        ("task.hold_out_patterns=['" + "+".join("A" * 300) + "']", "at most 200 leaves"),
        ("task.train.4=5000000", "task.train.4 = 5000000: the maximum is 1,000,000"),
        ("task.numbers=[1,100000000]", "<= 10000"),
        (".".join("a" * 3000) + "=1", "tables deep"),
        ("sample.kind=openai.x", "sample.kind"),
        ("train=3", "train = 3"),
        ("..=1", "setting=value"),
        ("train.curriculum.shares={3=1e300}", "train.curriculum"),
        ("sample.extra=" + "[" * 5000, "sample.extra"),
    ],
    ids=lambda text: text[:40].encode("ascii", "backslashreplace").decode(),
)
def test_what_no_setting_can_be(override: str, words: str) -> None:
    started = time.monotonic()
    with pytest.raises(ConfigError) as error:
        ExperimentConfig.load("quickstart", [override])
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("model = 'Modèle'".encode("latin-1"), "not UTF-8 text (byte "),
        (b"a = " + b"[" * 3000 + b"]" * 3000, "not valid TOML"),
        (b"a = " + b"{ b = " * 40 + b"1" + b" }" * 40, "tables deep"),
        (b".".join([b"a"] * 500) + b" = 1", "tables deep"),
        (b"extends = 3", "extends = 3: must be a preset or a .toml file"),
        (b"extends = ''", "must be a preset or a .toml file"),
        (b"extends = ['quickstart']", "must be a preset or a .toml file"),
        (b"[train]\nsteps = " + b"9" * 5000, "not valid TOML"),
        (b"\x00\x01\x02", "not valid TOML"),
        (b"# " + b"x" * MAX_BYTES, "KiB"),
        (b"[sample]\ntemperature = nan", "sample.temperature = nan"),
    ],
)
def test_files_that_are_no_settings(content: bytes, words: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        ExperimentConfig.load(file)
    assert words in str(error.value)
    assert str(error.value).count(str(file)) <= 1


def test_a_byte_order_mark_and_dos_line_ends_are_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(b'\xef\xbb\xbfextends = "quickstart"\r\nname = "mine"\r\n')
    assert ExperimentConfig.load(file).name == "mine"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_table_is_merged_into_what_a_name_stands_for(name: str) -> None:
    parent = ExperimentConfig.load(name)
    config = ExperimentConfig.load(name, ["task.prompt.chat=true", "task.reward.form=0.25"])
    assert config.task.prompt == parent.task.prompt.model_copy(update={"chat": True})
    assert config.task.reward == parent.task.reward.model_copy(update={"form": 0.25})


def test_a_table_of_a_file_is_merged_too_and_a_name_replaces(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('extends = "paper"\n[task.prompt]\nchat = true\n[task.reward]\nwrong = -1\n')
    (tmp_path / "other.toml").write_text('extends = "mine.toml"\n[task]\nprompt = "slots"\nreward = "pure"\n')
    task = ExperimentConfig.load(tmp_path / "mine.toml").task
    assert (task.prompt.template, task.prompt.chat) == ("tinyzero", True)
    assert (task.reward.form, task.reward.wrong) == (0.1, -1)
    task = ExperimentConfig.load(tmp_path / "other.toml").task
    assert (task.prompt.chat, task.reward.form, task.reward.wrong) == (False, 0, 0)
    with pytest.raises(ConfigError, match=r"task\.reward"):
        ExperimentConfig.load("quickstart", ["task.reward=generous", "task.reward.form=0.1"])


def test_a_scale_is_bounded_and_what_it_makes_is_checked() -> None:
    config = ExperimentConfig.load("quickstart")
    for factor in (float("nan"), float("inf"), 1e300, -1.0, 1e-300):
        with pytest.raises(ConfigError, match="--scale"):
            config.scaled(factor)
    with pytest.raises(ConfigError, match=r"--scale 900: .*task\.train"):
        config.scaled(900)


def test_saved_steps_of_the_longest_training_take_no_time() -> None:
    config = GRPOConfig(steps=10**6, save_steps=3, prompts_per_step=4, samples_per_prompt=4)
    started = time.monotonic()
    assert config.saved_steps()[-2:] == [999_999, 10**6]
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("text", ["runs/mine@²", "runs/mine@٣", "runs/mine@-1", "runs/mine@", "runs/mine@9999999999"])
def test_a_step_is_written_in_ascii_digits(text: str) -> None:
    with pytest.raises(RunError, match="after @ comes a step"):
        side(text)


def test_a_base_model_that_could_try_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="one number alone"):
        PretrainConfig.check({"traces": {"never": ["A"]}})
    with pytest.raises(ConfigError, match="attention heads"):
        PretrainConfig.check({"architecture": {"hidden_size": 100, "num_attention_heads": 8}})


def ramify(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "ramify", *arguments], capture_output=True, text=True, cwd=cwd)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param("task.puzzles=./nowhere", "no such file or folder", marks=pytest.mark.slow),
        pytest.param("train.curriculum.shares={9=1}", "no training puzzle has n = 9", marks=pytest.mark.slow),
        ("task.hold_out=['A+B','A-B','A*B','A/B']", "no puzzles to train on"),
    ],
)
def test_a_corrected_command_is_not_refused(wrong: str, words: str, tmp_path: Path) -> None:
    few = ["task.train={3=18}", "task.test={3=4}", "task.length={}", "task.held_out={}", "task.skills={}"]
    done = ramify("generate", "quickstart", *few, wrong, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert not list(tmp_path.iterdir())
    done = ramify("generate", "quickstart", *few, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
