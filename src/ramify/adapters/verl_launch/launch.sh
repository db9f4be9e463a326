#!/usr/bin/env bash
# Trains the run in this folder by verl 0.9, on one node of 8 GPUs; verl overrides may follow. To see what it taught:
#   ramify import FOLDER
# Environment: MODEL, GPUS (of a node), NODES, LOGGER (such as console,wandb), KEEP (checkpoints), PYTHON.
set -euo pipefail
FOLDER="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
PYTHON="${PYTHON:-python3}"
"$PYTHON" "$FOLDER/machine.py"
exec "$PYTHON" -m verl.trainer.main_ppo --config-dir "$FOLDER" --config-name verl "$@"
