"""The column names of each role in the data of other tools, and the search of a row for a role.

Names are compared in snake case, so `globalStep`, `Global Step` and `global-step` are `global_step`. The search covers
the row itself, name by name, and then the objects that usually hold the puzzle (`extra_info`, `metadata`, ...),
including objects in JSON text.
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

ROLES: dict[str, tuple[str, ...]] = {
    "numbers": ("numbers", "nums", "input_numbers", "available_numbers", "given_numbers", "number_list", "num_list"),
    "target": ("target", "target_number", "target_value", "goal"),
    "pattern": ("pattern", "canonical_pattern", "source_pattern"),
    "text": (
        "completion",
        "completions",
        "outputs",
        "output",
        "response",
        "responses",
        "choices",
        "resps",
        "generated_text",
        "generated_texts",
        "generation",
        "generations",
        "generated",
        "model_output",
        "model_outputs",
        "model_response",
        "model_responses",
        "full_model_response",
        "llm_response",
        "llm_output",
        "reply",
        "prediction",
        "predictions",
        "rollout",
        "rollouts",
        "samples",
        "decoded",
        "solution_str",
        "sequences_str",
        "message",
        "text",
        "texts",
        "content",
        "messages",
        "conversation",
        "conversations",
    ),
    "prompt": (
        "prompt",
        "prompts",
        "question",
        "query",
        "input",
        "inputs",
        "problem",
        "instruction",
        "raw_prompt",
        "prompt_text",
        "input_text",
        "user_prompt",
        "formatted_prompt",
        "full_prompt",
        "arguments",
        "messages",
        "conversation",
        "conversations",
        "request",
        "body",
    ),
    "step": (
        "step",
        "global_step",
        "global_steps",
        "training_step",
        "train_step",
        "trainer_step",
        "iteration",
        "iter",
    ),
    "checkpoint": ("checkpoint", "ckpt", "checkpoint_name"),
    "reward": ("reward", "rewards", "score", "scores"),
    "set": ("set",),
    "verdict": ("verdict",),
    "reasoning": ("reasoning_content", "reasoning", "thinking", "thinking_content", "reasoning_text"),
    "truncated": (
        "truncated",
        "is_truncated",
        "was_truncated",
        "completion_truncated",
        "finish_reason",
        "finish_reasons",
        "stop_reason",
        "stop_reasons",
        "finished_reason",
        "stop_condition",
        "done_reason",
        "truncations",
    ),
    "truth": ("gts", "gt", "ground_truth", "ground_truths", "label"),
}
"""The names of each role, the most reliable first. `checkpoint` may name a step; `truth` is the target if it is a
number, else an object that holds it."""

HOLDERS = (
    *("puzzle", "task", "data", *ROLES["truth"], "reward_model", "extra_info", "extra", "metadata", "doc", "info"),
    "answer",
)
"""Names of objects in a row that hold the puzzle."""
HELD = frozenset({"numbers", "target", "pattern", "prompt", "step", "checkpoint", "set", "truth"})
"""Roles that are also searched in holders."""
MOST_JSON = 100_000
"""The largest text, in characters, that is parsed as JSON."""
_DEEPEST = 3
_REMEMBERED = 2000


class Plan(NamedTuple):
    """The roles and holders among the keys of an object."""

    roles: Mapping[str, tuple[str, ...]]
    holders: tuple[str, ...]


@lru_cache(maxsize=512)
def plan_of(keys: tuple[str, ...]) -> Plan:
    """The plan of an object with these keys.

    >>> plan_of(("targetNumber", "globalStep", "extra_info")).roles["step"]
    ('globalStep',)
    """
    own: dict[str, str] = {}
    for key in keys:
        if isinstance(key, str):
            own.setdefault(snake_case(key), key)
    roles = {
        role: found for role, names in ROLES.items() if (found := tuple(own[name] for name in names if name in own))
    }
    return Plan(roles, tuple(own[name] for name in HOLDERS if name in own))


def snake_case(name: str) -> str:
    """A name in snake case.

    >>> [snake_case(name) for name in ("finishReason", "Finish Reason", "stop-reason", "GTs")]
    ['finish_reason', 'finish_reason', 'stop_reason', 'gts']
    """
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", name[:100])
    return re.sub(r"[\s\-_]+", "_", parted.strip()).lower()


class Levels:
    """A row with its nested puzzle objects, to search for a role."""

    __slots__ = ("objects", "row")

    def __init__(self, row: dict[str, Any]) -> None:
        plan = plan_of(tuple(row))
        self.row = row
        self.objects = [(row, plan)]
        self._open(row, plan, _DEEPEST)

    def _open(self, row: dict[str, Any], plan: Plan, deeper: int) -> None:
        for key in plan.holders:
            inner = row[key]
            if isinstance(inner, str):
                inner = unpacked(inner)
            if isinstance(inner, dict):
                inner_plan = plan_of(tuple(inner))
                self.objects.append((inner, inner_plan))
                if deeper and inner_plan.holders:
                    self._open(inner, inner_plan, deeper - 1)

    def first(self, role: str) -> Any:
        """The first non-empty value of a role in the row; None if there is none."""
        for row, plan in self.objects if role in HELD else self.objects[:1]:
            for key in plan.roles.get(role, ()):
                value = row[key]
                if value is not None and value != "":
                    return value
        return None

    def is_empty(self, role: str) -> bool:
        """Whether the row itself has an empty text in a role."""
        row, plan = self.objects[0]
        return any(row[key] == "" for key in plan.roles.get(role, ()))

    def every(self, role: str) -> list[Any]:
        """All values of a role in the row, the most reliable first."""
        levels = self.objects if role in HELD else self.objects[:1]
        found = [row[key] for row, plan in levels for key in plan.roles.get(role, ())]
        return [value for value in found if value is not None and value != ""]


def value_at(record: Any, name: str) -> Any:
    """The value at a dotted name such as extra_info.numbers, also inside JSON text; None if there is none.

    >>> value_at({"gts": '{"target": 29}'}, "gts.target")
    29
    >>> value_at({"a.b": 1}, "a.b")
    1
    """
    if isinstance(record, dict) and name in record:
        return record[name]
    for part in name.split("."):
        if isinstance(record, str):
            record = unpacked(record)
        if isinstance(record, list) and part.isascii() and part.isdigit() and int(part[:9]) < len(record):
            record = record[int(part[:9])]
        else:
            record = record.get(part) if isinstance(record, dict) else None
    return record


def unpacked(text: str) -> Any:
    """The JSON object in a text, not to be modified; None if there is none."""
    if not text.startswith("{") or len(text) > MOST_JSON:
        return None
    return _remembered(text) if len(text) <= _REMEMBERED else _loaded(text)


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


_remembered = lru_cache(maxsize=20_000)(_loaded)
"""A cache: puzzles recur with every sample and step."""
