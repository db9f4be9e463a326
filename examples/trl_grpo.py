"""GRPO by TRL with a diagnosis of what it teaches; afterwards: ramify report runs/my-grpo."""

from trl import GRPOConfig, GRPOTrainer

from ramify.adapters.trl import Diagnosis
from ramify.models.checkpoints import model_path
from ramify.sampling.hf import HFSamplerConfig
from ramify.tasks.countdown.task import CountdownConfig

model = str(model_path("bundled"))  # or a folder, or a hub name, with prompt="tinyzero" below
task = CountdownConfig(train={3: 256}, test={3: 72}, length={4: 24}, held_out={}, hold_out=(), prompt="slots")
diagnosis = Diagnosis("runs/my-grpo", model, "my-grpo", task, HFSamplerConfig(samples=4))
settings = GRPOConfig(
    output_dir="my-grpo",
    max_steps=8,
    save_steps=4,
    learning_rate=2e-4,  # for the small bundled model; 1e-6 for larger ones
    per_device_train_batch_size=64,
    num_generations=8,
    max_completion_length=128,
    bf16=False,
)
trainer = GRPOTrainer(
    model=model,
    args=settings,
    train_dataset=diagnosis.train_dataset,
    reward_funcs=diagnosis.reward,
    callbacks=[diagnosis.callback],
)
trainer.train()
