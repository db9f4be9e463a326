"""The base of composed functions: its tokenizer, its pre-training text, and the weights that come with the package."""

import shutil
from pathlib import Path
from random import Random

import pytest
import torch

from ramify import ConfigError
from ramify.config import presets
from ramify.models.bundled.functions_tokenizer import TOKEN_IDS, build_tokenizer
from ramify.models.bundled.functions_traces import FunctionsTraceConfig
from ramify.models.bundled.pretrain import PretrainConfig, TraceBatches, pretrain
from ramify.models.bundled.tokenizer import TRACES
from ramify.models.bundled.traces import TraceConfig
from ramify.models.checkpoints import model_path
from ramify.models.loading import load_model, load_tokenizer
from ramify.records import Verdict
from ramify.settings import ExperimentConfig
from ramify.tasks.functions.attempts import find_attempts
from ramify.tasks.functions.language import Program
from ramify.tasks.functions.puzzle import ProgramPuzzle
from ramify.tasks.functions.task import FunctionsConfig
from ramify.tasks.reservation import is_reserved

SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def test_text_survives_the_tokenizer() -> None:
    tokenizer = build_tokenizer()
    task = FunctionsConfig(train={2: 40}, test={}, length={5: 40}, held_out={}, skills={})
    for some in task.draw(lambda *_: None).sets.values():
        for entry in some:
            text = task.prompt.text(entry.puzzle) + task.demonstrate(entry.puzzle)
            ids = tokenizer(text)["input_ids"]
            assert TOKEN_IDS["<unk>"] not in ids
            assert tokenizer.decode(ids) == text


def test_traces_state_no_wrong_value_and_no_reserved_program() -> None:
    random, config = Random("traces"), FunctionsTraceConfig()
    whole = {True: 0, False: 0}
    for _ in range(1500):
        trace = config.draw(random)
        program = Program.parse("".join(trace.prompt[:-1]))
        text = "".join(trace.search).removesuffix("<eos>")
        assert {*trace.prompt, *trace.search} <= {*TOKEN_IDS}
        found = find_attempts(ProgramPuzzle(program), text)
        assert found[-1].is_answer
        assert not any(attempt.miscalculated for attempt in found)
        assert not any(is_reserved(part.text) for part in program.subtrees())
        assert not any(is_reserved(line.partition("=")[0]) for line in text.splitlines()[:-1])
        if program.functions > 1:
            whole[found[-1].pattern == program.pattern] += 1
        else:
            assert found[-1].pattern == program.pattern
    assert 0.05 < whole[True] / sum(whole.values()) < 0.35  # the right way is there, and is not the usual one


def test_a_careful_trace_is_the_demonstration() -> None:
    config = FunctionsTraceConfig(in_order=1, passed_on=1)
    random = Random("careful")
    for _ in range(200):
        trace = config.draw(random)
        program = Program.parse("".join(trace.prompt[:-1]))
        text = "".join(trace.search).removesuffix("<eos>")
        assert text == FunctionsConfig().demonstrate(ProgramPuzzle(program))


def test_traces_are_chosen_by_their_kind() -> None:
    assert isinstance(PretrainConfig.load("functions-base").traces, FunctionsTraceConfig)
    assert isinstance(PretrainConfig.load("base").traces, TraceConfig)
    assert isinstance(PretrainConfig.load("base", ["traces.kind=functions"]).traces, FunctionsTraceConfig)
    with pytest.raises(ConfigError, match="there are countdown, functions"):
        PretrainConfig.load("base", ["traces.kind=chess"])
    with pytest.raises(ConfigError, match="one share must be above 0"):
        PretrainConfig.load("functions-base", ["traces.shares={2=0, 1=0, 3=0, 4=0, 5=0}"])


def test_batches_follow_from_the_seed_and_the_index() -> None:
    config = PretrainConfig.load("functions-base", ["steps=3", "traces_per_step=8", "micro_batches=2"])
    first, second = TraceBatches(config), TraceBatches(config)
    assert all(torch.equal(first[3][name], second[3][name]) for name in first[3])
    assert not torch.equal(first[0]["input_ids"], first[2]["input_ids"])


def test_it_goes_on_where_it_was_cut_off_and_says_what_it_read(tmp_path: Path) -> None:
    read = PretrainConfig.load("functions-base").model_dump()
    small = {"steps": 4, "save_steps": 2, "traces_per_step": 8, "micro_batches": 2, "architecture": SMALL}
    config = PretrainConfig.check(read | small)
    whole = pretrain(config, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole" / "checkpoint-2", tmp_path / "cut" / "checkpoint-2")
    again = pretrain(config, tmp_path / "cut")
    assert (again / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert getattr(load_model(whole).config, TRACES) == "functions"
    assert load_tokenizer(whole).get_vocab() == TOKEN_IDS


def test_the_bundled_base_knows_the_functions_and_hardly_composes_them() -> None:
    folder = model_path("bundled-functions")
    assert sum(file.stat().st_size for file in Path(folder).iterdir()) < 4_000_000
    model, tokenizer = load_model(folder).eval(), load_tokenizer(folder)
    assert tokenizer.get_vocab() == TOKEN_IDS
    task = FunctionsConfig(seed=5, train={}, test={1: 100, 2: 100}, length={}, held_out={}, skills={})
    right = {1: 0, 2: 0}
    torch.manual_seed(1)
    for entry in task.draw(lambda *_: None).sets["test"]:
        ids = tokenizer(task.prompt.text(entry.puzzle), return_tensors="pt")["input_ids"]
        written = model.generate(input_ids=ids, max_new_tokens=80, do_sample=True, temperature=1.0)
        text = tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True)
        right[entry.puzzle.size] += task.grade(entry.puzzle, text).verdict is Verdict.CORRECT
    assert right[1] >= 90
    assert 5 <= right[2] <= 35


def test_presets_ask_the_same_programs() -> None:
    both, atoms = (ExperimentConfig.load(name) for name in ("functions", "functions-atoms"))
    assert {"functions", "functions-atoms", "functions-base"} <= {*presets()}
    assert both.model == atoms.model == "bundled-functions"
    assert both.task.asked()["train"] == {1: 720, 2: 1440}
    assert atoms.task.asked()["train"] == {1: 2160}
    assert {name: counts for name, counts in both.task.asked().items() if name != "train"} == {
        name: counts for name, counts in atoms.task.asked().items() if name != "train"
    }
    assert both.train == atoms.train
