"""What the task of lm-eval does with the completions of a puzzle."""

from typing import Any

from ramify.adapters.rows import grade_row
from ramify.analysis.metrics import pass_at_k
from ramify.records import Verdict


def process_results(doc: dict[str, Any], results: list[Any]) -> dict[str, float]:
    """Mean success, and pass@k for powers of two, of all repeats of a puzzle."""
    texts = results[0] if results and isinstance(results[0], list) else results
    right = sum(grade_row(doc, text).verdict is Verdict.CORRECT for text in texts)
    n = len(texts)
    budgets = [2**power for power in range(1, n.bit_length()) if 2**power <= n]
    return {"mean": right / n} | {f"pass_at_{k}": pass_at_k(right, n, k) for k in budgets}
