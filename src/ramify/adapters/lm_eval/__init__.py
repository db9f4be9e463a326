"""A task for lm-eval: `ramify export lm-eval RUN` copies `countdown.py` and fills `task.yaml` with a run's puzzles."""
