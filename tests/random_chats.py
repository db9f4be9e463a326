"""Tiny Qwen- and GPT-2-like models with random weights, and a byte-level BPE tokenizer, as folders."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from ramify.tasks.countdown.prompts import WORDS

MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The chat template of Qwen, without tools and system prompt."""


def bpe_tokenizer(chat: bool) -> PreTrainedTokenizerFast:
    """A tokenizer whose merges come from the words of a prompt and an answer; with a chat template if `chat`."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=MARKS, initial_alphabet=alphabet, show_progress=False)
    inner.train_from_iterator([WORDS, "<think> 3*7 = 21, 21+8 = 29 </think> <answer>3*7+8</answer>"] * 4, trainer)
    end = MARKS[2] if chat else MARKS[0]
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token=end, pad_token=MARKS[0], chat_template=CHATML if chat else None
    )


def random_folder(folder: Path, kind: str) -> Path:
    """A saved model with its tokenizer: `qwen` has a chat template, `gpt2` has none and pads with its end of text."""
    torch.manual_seed(0)
    tokenizer = bpe_tokenizer(chat=kind == "qwen")
    ends: dict[str, Any] = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    vocabulary = len(tokenizer)
    if kind == "qwen":
        sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
        sizes |= {"num_key_value_heads": 2, "max_position_embeddings": 512}
        model: Any = Qwen2ForCausalLM(Qwen2Config(vocab_size=vocabulary, bos_token_id=None, **sizes, **ends))
    else:
        shape = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 256}
        model = GPT2LMHeadModel(GPT2Config(vocab_size=vocabulary, bos_token_id=None, **shape, **ends))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
