"""GRPO by TRL on chat messages with a second reward: trl_messages.py MODEL; afterwards: ramify report runs/my-chat."""

import sys

from trl import GRPOConfig, GRPOTrainer

from ramify.adapters.trl import Diagnosis
from ramify.sampling.hf import HFSamplerConfig
from ramify.tasks.countdown.task import CountdownConfig

model = sys.argv[1]  # such as Qwen/Qwen2.5-0.5B-Instruct; its chat template is applied to one user message
ask = "Use each of the numbers {numbers} once to make {target}. End with <answer>the expression</answer>."
prompt = {"template": ask, "chat": True}
task = CountdownConfig(train={3: 256}, test={3: 72}, length={4: 24}, held_out={}, hold_out=(), prompt=prompt)
diagnosis = Diagnosis("runs/my-chat", model, "my-chat", task, HFSamplerConfig(samples=4, max_new_tokens=128))


def brevity(completion_ids: list[list[int]], **_: object) -> list[float]:
    """A second reward; short completions have the higher one."""
    return [-len(ids) / 128 for ids in completion_ids]


settings = GRPOConfig("my-chat", max_steps=8, save_steps=4, num_generations=8, max_completion_length=128)
settings.reward_weights = [1.0, 0.1]
trainer = GRPOTrainer(model, [diagnosis.reward, brevity], settings, diagnosis.train_dataset)
trainer.add_callback(diagnosis.callback)
trainer.train()
