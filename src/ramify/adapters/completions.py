"""Extract completions from texts, chat messages, and server responses.

In a chat, the last assistant message is the completion. Reasoning in a separate field is put before the text between
`<think>` and `</think>`, as the model wrote it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

LIMITS = frozenset(
    {"length", "max_tokens", "max_length", "max_new_tokens", "max_output_tokens", "model_length", "token_limit", "true"}
    | {"max_model_len", "max_completion_tokens", "truncated", "context_length"}
)
"""Finish reasons of servers, evaluators and tables, in lower case, for a completion that a limit ended."""
_ENDINGS = ("finish_reason", "stop_reason", "finishReason", "stopReason", "done_reason", "truncated", "is_truncated")
_REASONINGS = ("reasoning_content", "reasoning", "thinking", "reasoningContent")
_TEXTS = (
    "text",
    "content",
    "message",
    "generated_text",
    "full_model_response",
    "response",
    "output",
    "completion",
    "value",
)
_ASSISTANTS = frozenset({"assistant", "gpt", "model", "bot", "ai", "chatgpt", "chatbot"})
_DEEPEST = 6


class Completion(NamedTuple):
    """A text, and whether the length limit truncated it."""

    text: str
    truncated: bool


def completions_of(value: Any, ended: Sequence[Any] = (), reasoning: Any = None) -> list[Completion]:
    """The completions in a value.

    Args:
        value: a text, a list of texts, messages, choices or other server outputs, or lists of these.
        ended: columns with finish reasons, each one value for all completions or a list of values.
        reasoning: reasoning in a separate column.

    Raises:
        ValueError: the value has no completion.

    >>> completions_of([{"role": "user", "content": "?"}, {"role": "assistant", "content": "3+5"}])
    [Completion(text='3+5', truncated=False)]
    >>> completions_of({"choices": [{"message": {"content": "3+5"}, "finish_reason": "length"}, {"text": "8"}]})
    [Completion(text='3+5', truncated=True), Completion(text='8', truncated=False)]
    """
    if isinstance(value, str) and reasoning is None:
        return [Completion(value, any(is_cut(end) for end in ended))]
    found = _found(value, _DEEPEST)
    for column in ended:
        ends = _spread(column, len(found))
        found = [Completion(text, cut or is_cut(end)) for (text, cut), end in zip(found, ends, strict=True)]
    if reasoning is not None:
        thoughts = _spread(reasoning, len(found))
        found = [
            Completion(_joined(thought, text) if isinstance(thought, str) else text, cut)
            for (text, cut), thought in zip(found, thoughts, strict=True)
        ]
    return found


def last_reply(value: Any) -> str:
    """The text of the last completion in a value; empty if there is none. Never raises.

    >>> last_reply([{"role": "assistant", "content": None, "tool_calls": []}]), last_reply([])
    ('', '')
    """
    try:
        return completions_of(value)[-1].text
    except (ValueError, IndexError):
        return ""


def is_cut(end: Any) -> bool:
    """Whether a finish reason, or a column such as `truncated`, means that a limit ended a completion.

    >>> [is_cut(end) for end in ("length", "MAX_TOKENS", "stop", True, "False", None)]
    [True, True, False, True, False, False]
    """
    return end is True or (isinstance(end, str) and end.lower() in LIMITS)


def _spread(value: Any, count: int) -> list[Any]:
    return value if isinstance(value, list) and len(value) == count else [value] * count


def _joined(reasoning: str, text: str) -> str:
    """Reasoning and text as one text; reasoning without a following text is left open, since its end may be missing."""
    if not reasoning or reasoning in text:
        return text
    return f"<think>\n{reasoning}\n</think>\n{text}" if text else f"<think>\n{reasoning}"


def _found(value: Any, deeper: int) -> list[Completion]:
    if isinstance(value, str):
        return [Completion(value, False)]
    if deeper and isinstance(value, dict):
        return _of_object(value, deeper - 1)
    if deeper and isinstance(value, list) and value:
        if all(isinstance(part, dict) for part in value):
            return _of_objects(value, deeper - 1)
        if not any(part is None or isinstance(part, int | float) for part in value):
            return [one for part in value for one in _found(part, deeper - 1)]
    raise ValueError(f"{shortened(value)} is not a completion")


def _of_object(value: dict[str, Any], deeper: int) -> list[Completion]:
    """The completions of a message, a choice, or a server response."""
    for name in ("choices", "outputs", "candidates", "messages"):
        if isinstance(value.get(name), list):
            return _found(value[name], deeper)
    if isinstance(value.get("body"), dict):  # a batch of requests
        return _found(value["body"], deeper)
    if not value.keys().isdisjoint(("role", "from", "tool_calls")):
        found = [Completion(_content(value), False)]
    else:
        text = next((value[key] for key in _TEXTS if value.get(key) is not None), None)
        if text is None and value.keys().isdisjoint(("content", "text")):
            raise ValueError(f"{shortened(value)} is not a completion")
        plain = text is None or (isinstance(text, list) and _is_parts(text))
        found = [Completion(_content(value), False)] if plain else _found(text, deeper)
    thought = next((value[name] for name in _REASONINGS if isinstance(value.get(name), str)), "")
    cut = any(is_cut(value.get(name)) for name in _ENDINGS)
    return [Completion(_joined(thought, text), cut or before) for text, before in found]


def _of_objects(values: list[dict[str, Any]], deeper: int) -> list[Completion]:
    """The completions of a list: messages (the last assistant message), parts of one message, or several
    completions."""
    if any("role" in one or "from" in one for one in values):
        replies = [one for one in values if str(one.get("role", one.get("from"))).lower() in _ASSISTANTS]
        if not replies:
            raise ValueError("no assistant message in the chat")
        return _of_object(replies[-1], deeper)
    if _is_parts(values):
        return [Completion(_content({"content": values}), False)]
    if all(one.keys() <= {"content"} for one in values):
        return _of_object(values[-1], deeper)
    return [one for value in values for one in _of_object(value, deeper)]


def _is_parts(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(part, dict) and isinstance(part.get("type"), str) for part in values)


def _content(message: dict[str, Any]) -> str:
    """The text of a message: its text or concatenated text parts, after the reasoning."""
    content = next((message[name] for name in ("content", "text", "value") if message.get(name) is not None), "")
    if isinstance(content, str):
        return content
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    names = ("reasoning", "thinking", "text", "summary")
    thoughts = [
        str(next((part[name] for name in names if isinstance(part.get(name), str)), ""))
        for part in parts
        if part.get("type") in ("reasoning", "thinking")
    ]
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str) and part["text"] not in thoughts]
    return _joined("\n".join(thoughts), "".join(texts))


def shortened(value: Any, most: int = 60) -> str:
    """Any value as text of at most 60 characters.

    >>> shortened([1] * 10**6)
    '[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,...'
    """
    if isinstance(value, str | list):
        value = value[: most + 1]
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."
