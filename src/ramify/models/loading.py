"""Load a causal language model and its tokenizer, from a folder or by a name on the hub."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from ramify.errors import RunError, require
from ramify.models.tokenizer import VOCABULARY

Attention = Literal["auto", "eager", "sdpa", "flash_attention_2"]
"""The kernel of attention. `auto` is the fastest that the device has: eager for small models on a CPU."""

Decoder = Literal["auto", "torch"]
"""What samples from a small Llama on a CPU: the compiled decoder where it knows the model, or always torch."""
LARGEST = 512
"""Hidden size up to which a Llama on a CPU is decoded by us: in wider ones the products dominate, where torch is as
fast."""


def load_model(model: str | Path, attention: Attention = "auto", half: bool = False, decoder: Decoder = "auto") -> Any:
    """A model, on the CPU; a LoRA adapter is merged into its base.

    A Llama with the tiny model's vocabulary gets the tiny model's `generate`, and so does any that is small, without a
    GPU.

    Args:
        half: whether the weights are bfloat16, for sampling on a GPU; training keeps float32 and computes in bfloat16.

    Raises:
        RunError: it cannot be loaded.
        MissingExtraError: it is an adapter, and peft is not installed.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils import logging

    from ramify.models.tiny import TinyForCausalLM

    logging.disable_progress_bar()
    adapter = Path(model) / "adapter_config.json"
    if adapter.is_file():
        require("a LoRA adapter", "lora")
        from peft import PeftModel

        try:
            named = json.loads(adapter.read_text())["base_model_name_or_path"]
            if (Path(named) / "adapter_config.json").is_file():
                raise ValueError(f"its base {named} is an adapter too")
            base = load_model(named, attention, half, decoder)
            return PeftModel.from_pretrained(base, str(model)).merge_and_unload()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{model}: cannot be loaded as an adapter: {str(error).strip().splitlines()[0]}") from None
    try:
        name, revision = hub_name(model)
        config = AutoConfig.from_pretrained(name, revision=revision)
        small = config.model_type == "llama" and config.hidden_size <= LARGEST and not torch.cuda.is_available()
        tiny = small or (config.model_type == "llama" and config.vocab_size == len(VOCABULARY))
        loaded = (TinyForCausalLM if tiny else AutoModelForCausalLM).from_pretrained(
            name,
            revision=revision,
            attn_implementation=_attention(attention, tiny),
            dtype=torch.bfloat16 if half else torch.float32,
        )
        if tiny:
            loaded.decoder = decoder
        return loaded
    except (OSError, ValueError, ImportError) as error:
        raise RunError(f"{model}: cannot be loaded as a model: {str(error).strip().splitlines()[0]}") from None


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

    try:
        name, revision = hub_name(model)
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, padding_side="left")
    except (OSError, ValueError) as error:
        raise RunError(f"{model}: has no tokenizer: {str(error).strip().splitlines()[0]}") from None
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def prompt_ids(tokenizer: Any, said: Any) -> list[int]:
    """The token ids of a prompt, which is a text, or messages that go through the chat template.

    Raises:
        RunError: the tokenizer has no chat template.

    >>> from ramify.models.tokenizer import build_tokenizer
    >>> len(prompt_ids(build_tokenizer(), "29:A3B8C7>"))
    9
    """
    if isinstance(said, str):
        return tokenizer(said)["input_ids"]
    if tokenizer.chat_template is None:
        raise RunError(f"{tokenizer.name_or_path}: its tokenizer has no chat template; set task.prompt.chat=false")
    text = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def _attention(wanted: Attention, tiny: bool) -> str:
    import torch

    if wanted != "auto":
        return wanted
    if not torch.cuda.is_available():
        return "eager" if tiny else "sdpa"
    return "flash_attention_2" if find_spec("flash_attn") and not tiny else "sdpa"
