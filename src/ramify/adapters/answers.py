"""Find answers that follow words instead of standing between tags, and put tags around them in the graded copy."""

from collections.abc import Sequence

import polars as pl

from ramify.errors import ConfigError

MOST_OF_A_PATTERN = 500


def check_pattern(pattern: str) -> str:
    """Validate an answer pattern and return it.

    Raises:
        ConfigError: it is not a regular expression with linear-time matching (no look-around, no back-references).
    """
    if len(pattern) > MOST_OF_A_PATTERN:
        raise ConfigError(f"answer_pattern has {len(pattern)} characters; the limit is {MOST_OF_A_PATTERN}")
    try:
        empty = pl.Series([""]).str.contains(pattern).item()
    except pl.exceptions.PolarsError as error:
        why = next((line for line in reversed(str(error).splitlines()) if "error:" in line), str(error).strip())
        raise ConfigError(
            f"answer_pattern = {pattern!r} is not a regular expression in Rust syntax: "
            f"{why.replace('error:', '').strip()[:200]}"
        ) from None
    if empty:
        raise ConfigError(f"answer_pattern = {pattern!r} matches an empty text; include the words before the answer")
    return pattern


def mark_answers(texts: Sequence[str], pattern: str, tags: tuple[str, str]) -> list[str]:
    """Put tags around the answer: the first group of the last match, or the whole match. Linear time.

    >>> mark_answers(["so Answer: 3*7+8\\n", "none"], "(?i)answer: *(.+)", ("<answer>", "</answer>"))
    ['so Answer: <answer>3*7+8</answer>\\n', 'none']
    """
    if not texts:
        return []
    found = pl.Series("text", texts, dtype=pl.String).str.extract_all(pattern).list.last()
    grouped = pl.Series([""]).str.extract_groups(pattern).struct.fields
    answers = found.str.extract(pattern, 1) if grouped else found
    marked = []
    for text, whole, answer in zip(texts, found, answers, strict=True):
        if not answer:
            marked.append(text)
            continue
        start = text.rfind(whole) + whole.rfind(answer)
        end = start + len(answer)
        marked.append(f"{text[:start]}{tags[0]}{text[start:end]}{tags[1]}{text[end:]}")
    return marked
