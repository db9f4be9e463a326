"""The stages of a run: generate, train, sample, score. Each skips existing results."""
