"""What the tests ask of verl itself; run by a Python that has it: verl_side.py WHAT ARGUMENTS.

config FOLDER [WORD..] compose an exported folder with overrides, resolve and validate as verl's main does
nodes FOLDER           check the nodes of a Ray cluster, here one of this machine, as machine.py does
data FOLDER PARQUET    read a parquet by the dataset class that the config names; print its rows
reward FOLDER JSON     score texts by the reward manager that the config names; print what it makes of them
dump JSON FOLDER       write dumps by verl's own writer; with a third word, by that of its older and async trainers
checkpoint FOLDER      save a model as verl saves its FSDP shards (under torchrun)
"""

import asyncio
import json
import os
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def composed(exported: str, *words: str) -> Any:
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    folder = Path(find_spec("verl").submodule_search_locations[0]) / "trainer" / "config"  # without importing verl
    with initialize_config_dir(config_dir=exported, version_base=None):
        config = compose(config_name="verl", overrides=[f"hydra.searchpath=[file://{folder}]", *words])
    OmegaConf.resolve(config)
    return config


def config(exported: str, *words: str) -> None:
    found = composed(exported, *words)
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import validate_config

    validate_config(config=found, use_reference_policy=need_reference_policy(found), use_critic=need_critic(found))
    trainer, policy = found.trainer, found.actor_rollout_ref
    told = [trainer.n_gpus_per_node, trainer.nnodes, list(trainer.logger), trainer.max_actor_ckpt_to_keep]
    print(json.dumps([*told, policy.model.path, found.data.train_files, trainer.experiment_name]), flush=True)


def nodes(exported: str) -> None:
    runpy.run_path(f"{exported}/machine.py")["check_nodes"](f"{exported}/reward.py")
    print("all nodes")


def tokenizer_of(found: Any) -> Any:
    from verl.utils import hf_tokenizer

    tokenizer = hf_tokenizer(found.actor_rollout_ref.model.path)
    tokenizer.chat_template = found.actor_rollout_ref.model.custom_chat_template  # as HFModelConfig does
    return tokenizer


def data(exported: str, parquet: str) -> None:
    from verl.utils.dataset.rl_dataset import get_dataset_class

    found = composed(exported)
    found.data.filter_overlong_prompts = True  # which puts every prompt through the chat template
    tokenizer = tokenizer_of(found)
    rows = get_dataset_class(found.data)(data_files=parquet, tokenizer=tokenizer, config=found.data)
    for row in (rows[index] for index in range(len(rows))):
        said = tokenizer.apply_chat_template(row["raw_prompt"], add_generation_prompt=True, tokenize=False)
        print(json.dumps({"said": said, "source": row["data_source"], "truth": row["reward_model"]["ground_truth"]}))


def reward(exported: str, asked: str) -> None:
    import numpy as np
    import torch
    from verl import DataProto
    from verl.trainer.ppo.reward import load_reward_manager

    found = composed(exported)
    tokenizer = tokenizer_of(found)

    async def scored(manager: Any, truth: str, text: str) -> Any:
        ids = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        tensors = {"prompts": [[5, 6]], "responses": [ids], "attention_mask": [[1] * (2 + len(ids))]}
        rule = {"style": "rule", "ground_truth": truth}
        others = {"data_source": "countdown/test/n3", "reward_model": rule, "extra_info": {"index": 0}}
        batch = DataProto.from_dict(
            tensors={name: torch.tensor(value) for name, value in tensors.items()},
            non_tensors={name: np.array([value], dtype=object) for name, value in others.items()},
        )
        return await manager.run_single(batch)

    async def all_scored() -> list[Any]:
        manager = load_reward_manager(found, tokenizer)  # it keeps the loop
        return [await scored(manager, truth, text) for truth, text in json.loads(Path(asked).read_text())]

    print(json.dumps(asyncio.run(all_scored())))


def dump(rows: str, folder: str, older: str = "") -> None:
    if older:
        from verl.trainer.ppo.ray_trainer import RayPPOTrainer as PPOTrainer
    else:
        from verl.trainer.ppo.v1.trainer_base import PPOTrainer

    for step, columns in json.loads(Path(rows).read_text()).items():
        own = [columns.pop(name) for name in ("input", "output", "gts", "score")]
        PPOTrainer._write_generations(*own, columns, folder, int(step))


def checkpoint(folder: str) -> None:
    import torch
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from verl.utils.checkpoint.fsdp_checkpoint_manager import FSDPCheckpointManager
    from verl.utils.fsdp_utils import apply_fsdp2

    dist.init_process_group("gloo")
    base = os.environ["BASE"]
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    mesh = init_device_mesh("cpu", (dist.get_world_size(),), mesh_dim_names=["fsdp"])
    apply_fsdp2(model, {"mesh": mesh, "reshard_after_forward": True}, {})
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    parts = ["model", "optimizer", "extra"]
    manager = FSDPCheckpointManager(
        model=model,
        optimizer=optimizer,
        lr_scheduler=torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0),
        processing_class=AutoTokenizer.from_pretrained(base),
        checkpoint_config={"save_contents": parts, "load_contents": parts},
    )
    manager.save_checkpoint(str(Path(folder) / "actor"), None, 10)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
