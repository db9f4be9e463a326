"""Small Llamas with random weights, norms too."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from ramify.models.compiled.tiny import TinyForCausalLM


def random_model(kind: type[LlamaForCausalLM] = TinyForCausalLM, **shape: object) -> LlamaForCausalLM:
    torch.manual_seed(0)
    theta = shape.pop("rope_theta", 10000.0)
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"vocab_size": 96, "tie_word_embeddings": True, "initializer_range": 0.1}
    rope = {"rope_parameters": {"rope_type": "default", "rope_theta": theta}}
    config = LlamaConfig(pad_token_id=0, eos_token_id=1, bos_token_id=None, **{**sizes, **rope, **shape})
    model = kind(config).eval()
    for name, weight in model.named_parameters():
        if "norm" in name:  # else a norm that is forgotten would not be seen
            torch.nn.init.uniform_(weight, 0.5, 1.5)
    return model
