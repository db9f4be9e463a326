"""The rows of what evaluators log: inspect, lm-eval, verifiers. Whatever is in them, it is data."""

from pathlib import Path
from typing import Any

from ramify.adapters.files import BROKEN, records_of, value_at
from ramify.errors import require


def inspect_rows(file: Path) -> list[dict[str, Any]]:
    """The samples of a log. A .eval file is compressed in a way that only inspect itself reads everywhere."""
    if file.suffix == ".eval":
        require("reading .eval logs", "inspect")
        from inspect_ai.log import read_eval_log

        log = read_eval_log(str(file)).model_dump(mode="json")
    else:
        (log,) = records_of(file)
    found = []
    for sample in _list(log, "samples"):
        kept = value_at(sample, "metadata")
        choice = value_at(sample, "output.choices.0")
        found.append(
            {
                **(kept if isinstance(kept, dict) else {}),
                "prompt": value_at(sample, "input"),
                "completion": value_at(choice, "message.content"),
                "finish_reason": value_at(choice, "stop_reason"),
                "step": value_at(log, "eval.metadata.step"),
            }
        )
    return found


def lm_eval_rows(file: Path) -> list[dict[str, Any]]:
    """A line is a document and a filter; the completions of a document are the same in all of its lines."""
    seen: dict[Any, dict[str, Any]] = {}
    for row in records_of(file):
        if BROKEN in row:
            seen[f"broken {len(seen)}"] = row
            continue
        texts = row.get("resps")
        flat = isinstance(texts, list) and len(texts) == 1 and isinstance(texts[0], list)
        seen.setdefault(str(row.get("doc_id", len(seen))), {**row, "resps": texts[0] if flat else texts})  # type: ignore[index]
    return list(seen.values())


def trace_rows(file: Path) -> list[dict[str, Any]]:
    """A line is an episode: its task, and the messages that were sampled, of which the last one answers."""
    found = []
    for episode in records_of(file):
        if BROKEN in episode:
            found.append(episode)
            continue
        trace = value_at(episode, "traces.0")
        sampled = [node for node in _list(trace, "nodes") if value_at(node, "sampled")]
        calls = _list(trace, "calls")
        names = ("numbers", "nums", "target", "pattern", "prompt", "set")
        found.append(
            {
                **{name: value_at(episode, f"task.data.{name}") for name in names},
                "completion": value_at(sampled[-1], "message.content") if sampled else None,
                "finish_reason": value_at(calls[-1], "finish_reason") if calls else None,
                "step": value_at(episode, "run.work.step"),
                "trains": value_at(episode, "run.type") == "train",
            }
        )
    return found


def _list(record: Any, name: str) -> list[Any]:
    found = value_at(record, name)
    return found if isinstance(found, list) else []
