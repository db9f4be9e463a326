"""Load a causal language model and its tokenizer, from a folder or the hub.

Files are untrusted: only safetensors are read, no model code is run, and an error is one sentence.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from ramify.errors import ConfigError, RamifyError, RunError, reason, require
from ramify.models.bundled.tokenizer import TRACES

Attention = Literal["auto", "eager", "sdpa", "flash_attention_2"]
"""The attention kernel. `auto` is the fastest for the device: eager for small models on a CPU."""

SAFE = {"use_safetensors": True, "trust_remote_code": False}
"""Arguments for loading: no pickle, no model code."""
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
LARGEST = {"num_hidden_layers": 1000, "hidden_size": 1 << 20, "vocab_size": 10**7}
"""Upper bounds of a configuration, checked before memory is allocated."""

Precision = Literal["auto", "float32", "bfloat16"]
"""The floats of the computation. `auto` is bfloat16 where the hardware multiplies it: on GPUs, and on a CPU with AMX or
AVX-512 BF16 for models that the compiled decoder does not support. Elsewhere bfloat16 is many times slower."""
Decoder = Literal["auto", "torch"]
"""The implementation of a small Llama on a CPU: compiled code if it supports the model, or always torch."""
MOST_NEW = 2048
"""The default token limit if the context leaves more."""
LARGEST_DECODED = 512
"""The largest hidden size for the compiled decoder on a CPU; in wider models matrix products dominate, and torch is as
fast."""


def load_model(model: str | Path, attention: Attention = "auto", half: bool = False, decoder: Decoder = "auto") -> Any:
    """Load a model on the CPU; a LoRA adapter is merged into its base.

    A Llama that `ramify pretrain` made gets the tiny model's `generate`; without a GPU, so does any small Llama.

    Args:
        half: whether the weights are bfloat16, for sampling; training keeps float32 and computes in bfloat16.

    Raises:
        RunError: the model cannot be loaded.
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
        if missing:  # missing weights would be random
            raise ValueError(f"its files lack {len(missing)} weights, such as {missing[0]}")
        if tiny:
            loaded.decoder = decoder
        return loaded


def computes_in_half(model: str | Path, precision: Precision) -> bool:
    """Whether a model is sampled and trained in bfloat16.

    Raises:
        RunError: the configuration of the model cannot be loaded.
    """
    import torch

    if precision != "auto":
        return precision == "bfloat16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    able: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # missing in older versions of torch
    if not (able.get("amx_bf16") or able.get("avx512_bf16")):
        return False
    with as_one_sentence(model, "cannot be loaded as a model"):
        return bool(_config(_base_of(model) or model).hidden_size > LARGEST_DECODED)


def check_model(model: str | Path, chat: bool = False) -> None:
    """Check whether a model and its tokenizer can be loaded, without reading the weights.

    Args:
        chat: whether a chat template is required.

    Raises:
        RunError: it cannot be loaded.
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
    """The shapes of the weights in the safetensors files of a folder, from their headers."""
    from safetensors import safe_open

    found: dict[str, tuple[int, ...]] = {}
    for file in sorted(folder.glob("*.safetensors")) if folder.is_dir() else []:
        with safe_open(file, "pt") as opened:
            found |= {key: tuple(opened.get_slice(key).get_shape()) for key in opened.keys()}  # noqa: SIM118
    return found


def _config(model: str | Path) -> Any:
    """A model's configuration, after checks of its size and of the format of the weights.

    Raises:
        ValueError: a check failed.
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
    """The base model of a LoRA adapter; None for a full model.

    Raises:
        RunError: the adapter cannot be loaded.
    """
    folder = Path(model)
    if not (folder / "adapter_config.json").is_file():
        return None
    with as_one_sentence(model, "cannot be loaded as an adapter"):
        named = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
        if not isinstance(named, str) or not named:
            raise ValueError(f"base_model_name_or_path = {named!r} is not a model")
        if (Path(named) / "adapter_config.json").is_file():
            raise ValueError(f"its base {named} is also an adapter")
        if not (folder / "adapter_model.safetensors").is_file():
            raise ValueError("it has no adapter_model.safetensors; pickles are never loaded")
        _shapes(folder)
    return named


@contextmanager
def as_one_sentence(model: str | Path, what: str) -> Iterator[None]:
    """Convert any loading error to one sentence, since libraries raise arbitrary errors for damaged files.

    Raises:
        RunError: for any error.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    except (RamifyError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of tokenizers or safetensors is not an Exception
        raise RunError(f"{model}: {what}: {reason(error, model)}") from None


def hub_name(model: str | Path) -> tuple[str, str | None]:
    """The hub name and revision of name@revision; a folder has no revision.

    >>> hub_name("EleutherAI/pythia-70m@step3000")
    ('EleutherAI/pythia-70m', 'step3000')
    """
    name, at, revision = str(model).rpartition("@")
    return (name, revision) if at and not Path(model).exists() else (str(model), None)


def load_tokenizer(model: str | Path) -> Any:
    """The tokenizer of a model, with left padding and a padding token.

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
            raise ValueError("it has neither a padding token nor an end-of-text token")
        return tokenizer


def prompt_ids(tokenizer: Any, prompt: Any) -> list[int]:
    """The token ids of a prompt: a text, or messages for the chat template.

    Raises:
        RunError: the tokenizer has no chat template.

    >>> from ramify.models.bundled.tokenizer import build_tokenizer
    >>> len(prompt_ids(build_tokenizer(), "29:A3B8C7>"))
    9
    """
    if isinstance(prompt, str):
        return list(tokenizer(prompt)["input_ids"])
    if tokenizer.chat_template is None:
        raise RunError(f"{tokenizer.name_or_path}: its tokenizer has no chat template; set task.prompt.chat=false")
    with as_one_sentence(tokenizer.name_or_path, "its chat template fails"):
        text = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def new_tokens(model: str | Path, prompts: Iterable[Any], given: int | None, setting: str) -> int:
    """The token limit of a completion: the given one, or the context left after the longest prompt.

    Args:
        prompts: texts or messages, at least one.
        given: the configured limit; None for the context left, at most `MOST_NEW`.
        setting: name of the setting, for errors.

    Raises:
        ConfigError: the context leaves no token, or fewer than configured.
        RunError: the model or its tokenizer cannot be loaded.
    """
    tokenizer = load_tokenizer(model)
    longest = max(len(prompt_ids(tokenizer, prompt)) for prompt in prompts)
    with as_one_sentence(model, "cannot be loaded as a model"):
        config = _config(_base_of(model) or model)
    context = getattr(config, "max_position_embeddings", None)
    if not isinstance(context, int):  # a model without a position limit
        return given or MOST_NEW
    left = context - longest
    if left < 1:
        raise ConfigError(
            f"{model}: its context of {context} tokens leaves no token after the longest prompt of {longest}; "
            "use a model with a longer context"
        )
    if given is not None and given > left:
        raise ConfigError(
            f"{setting} = {given}: the context of {model} has {context} tokens, which leave {left} after the longest "
            f"prompt of {longest}; set at most {left}, or leave it unset"
        )
    return given or min(left, MOST_NEW)


def _attention(wanted: Attention, tiny: bool) -> str:
    import torch

    if wanted != "auto":
        return wanted
    if not torch.cuda.is_available():
        return "eager" if tiny else "sdpa"
    return "flash_attention_2" if find_spec("flash_attn") and not tiny else "sdpa"
