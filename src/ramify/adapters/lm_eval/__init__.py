"""A task for lm-eval: `ramify export lm-eval RUN` copies `utils.py` and fills `task.yaml` with the puzzles of a run."""
