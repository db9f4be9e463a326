"""Load a causal language model and its tokenizer, from a folder or by a name on the hub.

The files are those of others: only safetensors are read, no code of theirs is run, and what is broken is one sentence.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from ramify.errors import ConfigError, RamifyError, RunError, reason, require
from ramify.models.bundled.tokenizer import TRACES

Attention = Literal["auto", "eager", "sdpa", "flash_attention_2"]
"""The kernel of attention. `auto` is the fastest that the device has: eager for small models on a CPU."""

SAFE = {"use_safetensors": True, "trust_remote_code": False}
"""Given to whatever loads weights: no pickle is read, no code of a model is run."""
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
LARGEST = {"num_hidden_layers": 1000, "hidden_size": 1 << 20, "vocab_size": 10**7}
"""What a configuration can ask for; more would take memory before anything else is looked at."""

Decoder = Literal["auto", "torch"]
"""What runs a small Llama on a CPU, sampling and training: compiled code where it knows the model, or always torch."""
MOST_NEW = 2048
"""Tokens of a completion where none are given and the context leaves more."""
LARGEST_DECODED = 512
"""Hidden size up to which a Llama on a CPU is decoded by us: in wider ones the products dominate, where torch is as
fast."""


def load_model(model: str | Path, attention: Attention = "auto", half: bool = False, decoder: Decoder = "auto") -> Any:
    """A model, on the CPU; a LoRA adapter is merged into its base.

    A Llama that was pre-trained here gets the tiny model's `generate`, and so does any that is small, without a GPU.

    Args:
        half: whether the weights are bfloat16, for sampling on a GPU; training keeps float32 and computes in bfloat16.

    Raises:
        RunError: it cannot be loaded.
        MissingExtraError: it is an adapter, and peft is not installed.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from ramify.models.compiled.tiny import TinyForCausalLM

    named = _base_of(model)
    if named is not None:
        require("a LoRA adapter", "lora")
        from peft import PeftModel

        base = load_model(named, attention, half, decoder)
        with as_one_sentence(model, "cannot be loaded as an adapter"):
            return PeftModel.from_pretrained(base, str(model)).merge_and_unload()
    with as_one_sentence(model, "cannot be loaded as a model"):
        config = _config(model)
        is_small = config.hidden_size <= LARGEST_DECODED and not torch.cuda.is_available()
        tiny = config.model_type == "llama" and (is_small or hasattr(config, TRACES))
        name, revision = hub_name(model)
        kind: Any = TinyForCausalLM if tiny else AutoModelForCausalLM
        loaded, found = kind.from_pretrained(
            name,
            revision=revision,
            attn_implementation=_attention(attention, tiny),
            dtype=torch.bfloat16 if half else torch.float32,
            output_loading_info=True,
            **SAFE,
        )
        missing = sorted(found["missing_keys"])
        if missing:  # they would be drawn at random
            raise ValueError(f"its files lack {len(missing)} weights, such as {missing[0]}")
        if tiny:
            loaded.decoder = decoder
        return loaded


def check_model(model: str | Path, chat: bool = False) -> None:
    """Whether a model and its tokenizer can be loaded, by all that can be told without reading the weights.

    Args:
        chat: whether it has to have a chat template.

    Raises:
        RunError: it cannot.
    """
    import torch
    from transformers import AutoModelForCausalLM

    named = _base_of(model)
    if named is not None:
        check_model(named)
    else:
        with as_one_sentence(model, "cannot be loaded as a model"):
            config = _config(model)
            with torch.device("meta"):
                wanted = AutoModelForCausalLM.from_config(config)
            shapes = {key: tuple(each.shape) for key, each in wanted.state_dict().items()}
            for key, shape in _shapes(Path(model)).items():
                if shapes.get(key, shape) != shape:
                    raise ValueError(f"{key} has shape {shape} in its file, {shapes[key]} by its config.json")
    tokenizer = load_tokenizer(model)
    if chat:
        prompt_ids(tokenizer, [{"role": "user", "content": "Hello"}])


def _shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """The weights in the safetensors files of a folder, by the files' headers."""
    from safetensors import safe_open

    found: dict[str, tuple[int, ...]] = {}
    for file in sorted(folder.glob("*.safetensors")) if folder.is_dir() else []:
        with safe_open(file, "pt") as opened:
            found |= {key: tuple(opened.get_slice(key).get_shape()) for key in opened.keys()}  # noqa: SIM118
    return found


def _config(model: str | Path) -> Any:
    """A model's configuration, of a size that can be, from a folder whose weights are no pickle.

    Raises:
        ValueError: it is not.
    """
    from transformers import AutoConfig

    if Path(model).is_dir() and not any(Path(model).glob("*.safetensors")):
        pickles = sorted(file.name for file in Path(model).iterdir() if file.suffix in PICKLES)
        held = f"{pickles[0]} is a pickle, which may run code" if pickles else "there are no weights"
        raise ValueError(f"{held}; only safetensors are loaded: save it with save_pretrained")
    name, revision = hub_name(model)
    config = AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False)
    for key, most in LARGEST.items():
        size = getattr(config, key, 1)
        if not isinstance(size, int) or not 1 <= size <= most:
            raise ValueError(f"{key} = {size} in its config.json: must be from 1 to {most}")
    return config


def _base_of(model: str | Path) -> str | None:
    """What a LoRA adapter is for; None of a whole model.

    Raises:
        RunError: it is an adapter that cannot be loaded.
    """
    folder = Path(model)
    if not (folder / "adapter_config.json").is_file():
        return None
    with as_one_sentence(model, "cannot be loaded as an adapter"):
        named = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
        if not isinstance(named, str) or not named:
            raise ValueError(f"base_model_name_or_path = {named!r} names no model")
        if (Path(named) / "adapter_config.json").is_file():
            raise ValueError(f"its base {named} is an adapter too")
        if not (folder / "adapter_model.safetensors").is_file():
            raise ValueError("it has no adapter_model.safetensors; a pickle is never loaded")
        _shapes(folder)
    return named


@contextmanager
def as_one_sentence(model: str | Path, what: str) -> Iterator[None]:
    """Turn whatever loading raises into one sentence: broken files of others raise anything in the libraries.

    Raises:
        RunError: in the place of all errors.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    except (RamifyError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of tokenizers or safetensors is no Exception
        raise RunError(f"{model}: {what}: {reason(error, model)}") from None


def hub_name(model: str | Path) -> tuple[str, str | None]:
    """A name on the hub and its revision, written name@revision; a folder has none.

    >>> hub_name("EleutherAI/pythia-70m@step3000")
    ('EleutherAI/pythia-70m', 'step3000')
    """
    name, at, revision = str(model).rpartition("@")
    return (name, revision) if at and not Path(model).exists() else (str(model), None)


def load_tokenizer(model: str | Path) -> Any:
    """The tokenizer of a model, padding on the left, with a token to pad with.

    Raises:
        RunError: it cannot be loaded.
    """
    from transformers import AutoTokenizer

    with as_one_sentence(model, "has no tokenizer"):
        name, revision = hub_name(model)
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, padding_side="left", trust_remote_code=False)
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        if tokenizer.pad_token_id is None:
            raise ValueError("it has neither a token to pad with nor one that ends a text")
        return tokenizer


def prompt_ids(tokenizer: Any, said: Any) -> list[int]:
    """The token ids of a prompt, which is a text, or messages that go through the chat template.

    Raises:
        RunError: the tokenizer has no chat template.

    >>> from ramify.models.bundled.tokenizer import build_tokenizer
    >>> len(prompt_ids(build_tokenizer(), "29:A3B8C7>"))
    9
    """
    if isinstance(said, str):
        return list(tokenizer(said)["input_ids"])
    if tokenizer.chat_template is None:
        raise RunError(f"{tokenizer.name_or_path}: its tokenizer has no chat template; set task.prompt.chat=false")
    with as_one_sentence(tokenizer.name_or_path, "its chat template fails"):
        text = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def new_tokens(model: str | Path, prompts: Iterable[Any], given: int | None, setting: str) -> int:
    """How many tokens a completion may have: those given, or what the context leaves after the longest prompt.

    Args:
        prompts: texts or messages, at least one.
        given: None for all that is left, at most `MOST_NEW`.
        setting: the name that an error says.

    Raises:
        ConfigError: the context leaves none, or fewer than are given.
        RunError: the model or its tokenizer cannot be loaded.
    """
    tokenizer = load_tokenizer(model)
    longest = max(len(prompt_ids(tokenizer, said)) for said in prompts)
    with as_one_sentence(model, "cannot be loaded as a model"):
        config = _config(_base_of(model) or model)
    context = getattr(config, "max_position_embeddings", None)
    if not isinstance(context, int):  # a model without positions of its own has no limit
        return given or MOST_NEW
    left = context - longest
    if left < 1:
        raise ConfigError(
            f"{model}: its context of {context} tokens leaves none after the longest prompt of {longest}; take a model "
            "with a longer context"
        )
    if given is not None and given > left:
        raise ConfigError(
            f"{setting} = {given}: the context of {model} has {context} tokens, which leave {left} after the longest "
            f"prompt of {longest}; give at most {left}, or leave it out"
        )
    return given or min(left, MOST_NEW)


def _attention(wanted: Attention, tiny: bool) -> str:
    import torch

    if wanted != "auto":
        return wanted
    if not torch.cuda.is_available():
        return "eager" if tiny else "sdpa"
    return "flash_attention_2" if find_spec("flash_attn") and not tiny else "sdpa"
