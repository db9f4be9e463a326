"""GRPO by TRL, with a diagnosis of what it teaches. Then: ramify report runs/my-grpo

python examples/trl_grpo.py [MODEL], a folder or a hub name; without one, the small model that comes with ramify.
"""

import sys

from trl import GRPOConfig, GRPOTrainer

from ramify.adapters.trl import Diagnosis
from ramify.experiment import model_path
from ramify.sampling.hf import HFSamplerConfig
from ramify.tasks.countdown import CountdownConfig

model = str(model_path(sys.argv[1] if len(sys.argv) > 1 else "bundled"))
words = "slots" if len(sys.argv) == 1 else "tinyzero"  # how the puzzles are put to it
task = CountdownConfig(train={3: 256}, test={3: 72}, length={4: 24}, held_out={}, hold_out=(), prompt=words)
diagnosis = Diagnosis("runs/my-grpo", model, "my-grpo", task, HFSamplerConfig(samples=4))

settings = GRPOConfig(
    output_dir="my-grpo",
    max_steps=8,
    save_steps=4,
    learning_rate=2e-4 if words == "slots" else 1e-6,
    per_device_train_batch_size=64,
    num_generations=8,
    max_completion_length=128,
    bf16=words != "slots",
    gradient_checkpointing=words != "slots",
    report_to="none",
)
trainer = GRPOTrainer(
    model=model,
    args=settings,
    train_dataset=diagnosis.train_dataset,
    reward_funcs=diagnosis.reward,
    callbacks=[diagnosis.callback],
)
trainer.train()
