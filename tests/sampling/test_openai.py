"""Sampling from a real server over the real client, and a run whose models are on a server."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramify import ConfigError, ExperimentConfig, Puzzle, RunError
from ramify.errors import RamifyError
from ramify.pipeline import run_all
from ramify.sampling.hf import HFSamplerConfig
from ramify.sampling.openai import OpenAISamplerConfig
from ramify.tasks.countdown.prompts import PromptConfig
from server import NAME, Server, serving

PUZZLES = [Puzzle((3, 7, 8), 29), Puzzle((12, 5, 30), 47), Puzzle((2, 9, 40), 58)]


@pytest.fixture(scope="module")
def server() -> Server:
    return Server()


@pytest.fixture(scope="module")
def url(server: Server) -> Iterator[str]:
    with serving(server) as found:
        yield found


@pytest.fixture(autouse=True)
def well_behaved(server: Server) -> None:
    server.asked.clear()
    server.ignores_n, server.failures, server.status, server.odd, server.cut_off = False, 0, 503, None, 0


def sampler(url: str, **settings: object) -> OpenAISamplerConfig:
    return OpenAISamplerConfig.check({"base_url": url, "samples": 3, "max_new_tokens": 64, **settings})


def test_the_records_are_those_of_transformers(url: str) -> None:
    served = sampler(url).build(NAME).sample(PUZZLES, PromptConfig(), True, "greedy")
    local = HFSamplerConfig(samples=3, max_new_tokens=64).build("src/ramify/models/bundled/base")
    assert served == local.sample(PUZZLES, PromptConfig(), True, "greedy")


def test_all_samples_come_in_order_and_again(url: str, server: Server) -> None:
    asked = sampler(url).build(NAME)
    found = asked.sample(PUZZLES, PromptConfig(), False, "1/test/0/1")
    assert [(one.puzzle_id, one.sample) for one in found] == [(p.id, k) for p in PUZZLES for k in range(3)]
    assert len({one.text for one in found}) > 5
    assert all(one.tokens is None for one in found)  # a request tells only the sum
    assert sorted(body["n"] for body in server.asked) == [3, 3, 3]
    assert found == asked.sample(PUZZLES, PromptConfig(), False, "1/test/0/1")
    assert found != asked.sample(PUZZLES, PromptConfig(), False, "2/test/0/1")


def test_a_server_that_ignores_n_is_asked_again(url: str, server: Server) -> None:
    server.ignores_n = True
    found = sampler(url).build(NAME).sample(PUZZLES, PromptConfig(), False, "x")
    assert [(one.puzzle_id, one.sample) for one in found] == [(p.id, k) for p in PUZZLES for k in range(3)]
    assert len(server.asked) == 9
    assert len({body["seed"] for body in server.asked}) == 9
    assert all(one.tokens for one in found)


def test_chats(url: str, server: Server) -> None:
    found = sampler(url).build(NAME).sample(PUZZLES[:1], PromptConfig(chat=True), False, "x")
    assert len(found) == 3
    assert server.asked[0]["messages"] == [{"role": "user", "content": "29:A3B7C8>"}]


def test_the_limit_marks_a_completion_as_truncated(url: str) -> None:
    found = sampler(url, max_new_tokens=3).build(NAME).sample(PUZZLES, PromptConfig(), True, "x")
    assert [(one.truncated, one.tokens) for one in found] == [(True, 3)] * 3


def test_failures_are_tried_again_and_told_in_the_end(url: str, server: Server) -> None:
    server.failures = 2
    assert len(sampler(url).build(NAME).sample(PUZZLES[:1], PromptConfig(), False, "x")) == 3
    server.failures, server.status = 100, 500
    with pytest.raises(RunError, match="planted"):
        sampler(url, retries=0).build(NAME).sample(PUZZLES[:1], PromptConfig(), False, "x")
    server.failures = 0
    with pytest.raises(RunError, match="no model other"):
        sampler(url).build("other").sample(PUZZLES[:1], PromptConfig(), False, "x")


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(RunError, match=r"127\.0\.0\.1.*Connection error"):
        sampler(nowhere, retries=0).build(NAME).sample(PUZZLES, PromptConfig(), False, "x")


def choice(said: object, **more: object) -> dict:
    return {"index": 0, "text": said, "message": {"content": said}, "finish_reason": "stop", **more}


ODD = [
    *("<html></html>", {"no": "choices"}, [1], {"choices": [1]}, 3, {"choices": 3}, {"choices": {"a": 1}}),
    *({"choices": [choice(said)] * 3} for said in (5, ["a"], {"text": "a"}, True)),
]


@pytest.mark.parametrize("answer", ODD, ids=str)
@pytest.mark.parametrize("chat", [False, True])
def test_what_is_no_completion(url: str, server: Server, answer: object, chat: bool) -> None:
    server.odd = answer
    with pytest.raises(RunError):
        sampler(url).build(NAME).sample(PUZZLES[:1], PromptConfig(chat=chat), False, "x")
    server.odd = {"choices": [{"index": 0, "text": None, "message": {"content": None}, "finish_reason": "stop"}] * 3}
    found = sampler(url).build(NAME).sample(PUZZLES[:1], PromptConfig(chat=chat), False, "x")
    assert [one.text for one in found] == ["", "", ""]


@pytest.mark.parametrize("told", [-4, 10**30, 2.5, "many", True, [3], {"a": 1}], ids=str)
def test_absurd_counts_of_tokens_are_not_known(url: str, server: Server, told: object) -> None:
    server.odd = {"choices": [choice("text")], "usage": {"completion_tokens": told}}
    found = sampler(url).build(NAME).sample(PUZZLES[:1], PromptConfig(), True, "x")
    assert [(one.text, one.tokens) for one in found] == [("text", None)]
    server.odd = {"choices": [choice("text")], "usage": told}
    assert sampler(url).build(NAME).sample(PUZZLES[:1], PromptConfig(), True, "x")[0].tokens is None


def test_an_answer_that_is_cut_off_is_asked_for_again(url: str, server: Server) -> None:
    server.cut_off = 1
    assert len(sampler(url).build(NAME).sample(PUZZLES[:1], PromptConfig(), False, "x")) == 3
    server.cut_off = 9
    with pytest.raises(RunError, match="the response is not JSON"):
        sampler(url, retries=1).build(NAME).sample(PUZZLES[:1], PromptConfig(), False, "x")
    assert server.cut_off == 7


@pytest.mark.parametrize("address", ["http://[::1", "http://a b/v1", "http://\u2603.invalid:99999/v1"])
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(RamifyError) as error:
        sampler(address, retries=0).build(NAME).sample(PUZZLES[:1], PromptConfig(), True, "x")
    assert "\n" not in str(error.value)


def test_at_most_so_many_requests_at_once(url: str, server: Server) -> None:
    import threading

    running, most, lock, answer = 0, 0, threading.Lock(), server._answer

    def counted(*args: object) -> dict:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            return answer(*args)  # type: ignore[arg-type]
        finally:
            with lock:
                running -= 1

    server._answer = counted  # type: ignore[method-assign]
    try:
        sampler(url, concurrency=2).build(NAME).sample(PUZZLES * 4, PromptConfig(), True, "x")
    finally:
        server._answer = answer  # type: ignore[method-assign]
    assert most == 2


def served_run(url: str) -> dict:
    task = {"train": {}, "test": {3: 12}, "length": {}, "held_out": {}, "skills": {}, "hold_out": []}
    sample = {"kind": "openai", "base_url": url, "samples": 2, "batch_size": 8, "max_new_tokens": 48}
    train = {"kind": "checkpoints", "names": {0: NAME, 50: NAME}}
    return {"name": "served", "model": NAME, "task": task, "train": train, "sample": sample}


def test_a_run_whose_models_are_served_goes_on_where_it_stopped(url: str, server: Server, tmp_path: Path) -> None:
    config = ExperimentConfig.check(served_run(url))
    broken = config.model_copy(update={"sample": config.sample.model_copy(update={"retries": 0})})

    def stop(stage: str, done: int, total: int) -> None:
        if stage.startswith("sampling step 50") and done == 1:
            server.failures = 1000

    with pytest.raises(RunError, match="planted"):
        run_all(broken, tmp_path, stop)
    server.failures = 0
    server.asked.clear()
    run = run_all(broken, tmp_path, lambda stage, done, total: None)
    assert len(server.asked) < 12 + 12  # step 0 and the first batch of step 50 were there
    means = run.estimates().filter(metric="mean@2", by="n", set="test").sort("step")
    assert means["step"].to_list() == [0, 50]
    assert run.report_file.is_file()


def test_a_server_has_no_checkpoints_of_our_training(url: str) -> None:
    settings = served_run(url) | {"train": {"kind": "grpo"}}
    settings["task"] = {**settings["task"], "train": {3: 10}}
    with pytest.raises(ConfigError, match=r"sample\.kind = openai"):
        ExperimentConfig.check(settings).checked()
