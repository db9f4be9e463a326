"""The stages of a run, each of which skips what exists: generate, train, sample, score."""
