"""The tiny model: its tokenizer, its pre-training text, its generate, and the weights that come with the package."""

import json
from pathlib import Path
from random import Random

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from ramify import Puzzle, find_attempts, grade
from ramify.models.bundled.pretrain import IGNORED, PretrainConfig, TraceBatches
from ramify.models.bundled.tokenizer import TOKEN_IDS, VOCABULARY, build_tokenizer
from ramify.models.bundled.traces import TraceConfig, draw_trace, prompt_tokens
from ramify.models.checkpoints import model_path
from ramify.models.compiled.tiny import TinyForCausalLM
from ramify.models.loading import load_model
from ramify.tasks.countdown.prompts import PromptConfig
from ramify.tasks.countdown.splits import is_reserved


def test_tokenizer_and_prompt_agree() -> None:
    numbers, target = [12, 5, 99, 1], 47
    ids = build_tokenizer()(PromptConfig().text(Puzzle(tuple(numbers), target)))["input_ids"]
    assert ids == [TOKEN_IDS[token] for token in prompt_tokens(numbers, target)]


@pytest.mark.parametrize("text", ["(3*7=21)+8=29\n<answer>(3*7)+8</answer>", "99*99=9801", "1-100500=-100499"])
def test_text_survives_the_tokenizer(text: str) -> None:
    tokenizer = build_tokenizer()
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_traces_are_right_and_never_show_a_reserved_puzzle() -> None:
    """What the pre-training text says is true, in the eyes of the same grader and parser that judge the model."""
    random, tokenizer = Random("traces"), build_tokenizer()
    hits = 0
    for _ in range(400):
        trace = draw_trace(TraceConfig(), random)
        body = trace.prompt[trace.prompt.index(":") + 1 : -1]
        puzzle = Puzzle(tuple(int(token) for token in body if token.isdigit()), int(trace.prompt[0]))
        text = tokenizer.decode([TOKEN_IDS[token] for token in trace.search], skip_special_tokens=True)
        attempts = find_attempts(puzzle, text)
        assert len(attempts) == text.count("\n") + 1
        assert not any(attempt.miscalculated for attempt in attempts)
        assert attempts[-1].is_answer
        assert attempts[-1].expression == attempts[-2].expression
        assert not any(attempt.hits_target for attempt in attempts[:-2])  # a hit ends the search
        assert not is_reserved(puzzle.numbers, puzzle.target)
        for attempt in attempts:
            value = attempt.value
            if value is not None and value.denominator == 1 and 1 <= value <= 99:
                assert not is_reserved(puzzle.numbers, int(value))
        hits += grade(puzzle, text).verdict == "correct"
    assert 60 < hits < 240  # hindsight: about a third of the traces


def test_batches_follow_from_the_seed_and_the_index() -> None:
    config = PretrainConfig(steps=3, traces_per_step=8, micro_batches=2)
    first, second = TraceBatches(config), TraceBatches(config)
    assert torch.equal(first[5]["input_ids"], second[5]["input_ids"])
    assert not torch.equal(first[5]["input_ids"], first[3]["input_ids"])
    assert len(first) == 6
    item = first[0]
    assert ((item["labels"] == IGNORED) | (item["labels"] == item["input_ids"])).all()


@pytest.fixture(scope="module")
def random_model() -> TinyForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(VOCABULARY), pad_token_id=0, eos_token_id=1, bos_token_id=None, **sizes)
    return TinyForCausalLM(config).eval()


def prompts() -> dict:
    puzzles = [Puzzle((12, 5, 30), 47), Puzzle((1, 2), 3), Puzzle((9, 8, 7, 6, 5), 4)]
    return build_tokenizer()([PromptConfig().text(puzzle) for puzzle in puzzles], return_tensors="pt", padding=True)


def test_generate_is_that_of_transformers(random_model: TinyForCausalLM) -> None:
    ours = random_model.generate(**prompts(), max_new_tokens=40, do_sample=False)
    theirs = LlamaForCausalLM.generate(random_model, **prompts(), max_new_tokens=40, do_sample=False)
    width = min(ours.shape[1], theirs.shape[1])
    assert torch.equal(ours[:, :width], theirs[:, :width])


def test_generate_drops_finished_rows_without_changing_the_others() -> None:
    model = load_model(model_path("bundled")).eval()
    together = model.generate(**prompts(), max_new_tokens=80, do_sample=False)
    for row, puzzle in enumerate([Puzzle((12, 5, 30), 47), Puzzle((1, 2), 3), Puzzle((9, 8, 7, 6, 5), 4)]):
        alone = build_tokenizer()(PromptConfig().text(puzzle), return_tensors="pt")
        single = model.generate(**alone, max_new_tokens=80, do_sample=False)[0, alone["input_ids"].shape[1] :]
        batch = together[row, prompts()["input_ids"].shape[1] :]
        assert single.tolist() == batch[: len(single)].tolist()
        assert not batch[len(single) :].any()


def test_sampling_follows_the_seed(random_model: TinyForCausalLM) -> None:
    def sample(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return random_model.generate(**prompts(), max_new_tokens=30, do_sample=True, temperature=1.0)

    assert torch.equal(sample(1), sample(1))
    assert sample(1).shape != sample(2).shape or not torch.equal(sample(1), sample(2))


def test_what_goes_beyond_plain_sampling_is_left_to_transformers(random_model: TinyForCausalLM) -> None:
    found = random_model.generate(**prompts(), max_new_tokens=5, num_beams=2, do_sample=False)
    assert found.shape[0] == 3


def test_the_bundled_base_is_an_ordinary_model() -> None:
    folder = model_path("bundled")
    weights = sorted(folder.glob("*.safetensors"))  # type: ignore[union-attr]
    assert sum(file.stat().st_size for file in weights) <= 8_000_000
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert isinstance(model, LlamaForCausalLM)
    assert tokenizer.get_vocab() == build_tokenizer().get_vocab()
    assert isinstance(load_model(folder), TinyForCausalLM)


def test_the_bundled_base_knows_the_form() -> None:
    model, tokenizer = load_model(model_path("bundled")).eval(), build_tokenizer()
    puzzle = Puzzle((12, 5, 30), 47)
    inputs = tokenizer([PromptConfig().text(puzzle)] * 40, return_tensors="pt", padding=True)
    torch.manual_seed(0)
    written = model.generate(**inputs, max_new_tokens=200, do_sample=True, temperature=1.0)
    texts = tokenizer.batch_decode(written[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    found = [find_attempts(puzzle, text) for text in texts]
    assert sum(bool(attempts) for attempts in found) >= 38
    assert len({attempt.pattern for attempts in found for attempt in attempts}) >= 8


def test_a_saved_model_is_a_llama_to_others(tmp_path: Path) -> None:
    load_model(model_path("bundled")).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == ["LlamaForCausalLM"]
