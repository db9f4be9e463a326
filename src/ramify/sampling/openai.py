"""Sample completions from a server with OpenAI's API: vLLM, SGLang, llama.cpp, TGI, or a hosted model.

The OpenAI client retries connection errors, time-outs, 429 and 5xx. If a server returns fewer choices than requested,
each missing one is requested separately. Servers count tokens per request, not per choice, so token counts are known
only for requests with one choice.
"""

import asyncio
import json
import os
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from ramify.errors import RunError, reason, require
from ramify.randomness import seed_of
from ramify.records import Completion, Item
from ramify.sampling.batches import SamplerConfig
from ramify.tasks.base import Prompt

UNKNOWN_LIMIT = 1024
"""Token limit of a completion if none is given."""
PAUSES = (0.2, 1.0, 3.0)
"""Seconds before retries of a request whose response is not JSON, up to `retries`."""


class OpenAISamplerConfig(SamplerConfig):
    """Sampling from a server; the run's `model` is the server's model name.

    Prompts are texts, or messages with task.prompt.chat.
    """

    kind: Literal["openai"] = "openai"
    SERVED: ClassVar[bool] = True
    base_url: str = Field("http://127.0.0.1:8000/v1", pattern=r"^https?://\S+$")
    api_key_env: str = "OPENAI_API_KEY"
    """The environment variable with the API key; without it, the key is `none`."""
    concurrency: int = Field(32, ge=1, le=10_000)
    """Concurrent requests."""
    retries: int = Field(5, ge=0, le=100)
    """Retries of a failed request, with exponential backoff."""
    timeout: float = Field(600.0, ge=0.1, le=86_400)
    """Time limit of a request in seconds."""
    extra: dict[str, Any] = Field({})
    """Additional request parameters, such as { top_k = -1 } for vLLM."""

    def checked(self) -> None:
        """Raise MissingExtraError if the client is missing."""
        require("sampling from a server", "openai")

    def resolved(self, model: Any, prompts: Any) -> "OpenAISamplerConfig":
        """The settings with a token limit; the context of the server's model is unknown."""
        return self.model_copy(update={"max_new_tokens": self.max_new_tokens or UNKNOWN_LIMIT})

    def build(self, model: Any) -> "OpenAISampler":
        """Create a client, without a request."""
        return OpenAISampler(self, str(model))


class OpenAISampler:
    """A model on a server."""

    def __init__(self, config: OpenAISamplerConfig, model: str) -> None:
        config.checked()
        self.config, self.model = config, model

    def sample(self, puzzles: Sequence[Item], prompt: Prompt, greedy: bool, name: str) -> list[Completion]:
        """Sample a batch: the greedy completion, or `samples` completions, of each puzzle, in order.

        Seeds are derived from the name; reproducibility depends on the server.

        Raises:
            RunError: the server is unreachable, refuses the request, or returns no completions.
        """
        # The client does not wrap errors of its libraries about addresses, headers and bodies.
        try:
            return asyncio.run(self._batch(puzzles, prompt, greedy, name))
        except Exception as error:
            raise RunError(f"{self.config.base_url}: {_message(error)}") from None

    async def _batch(self, puzzles: Sequence[Item], prompt: Prompt, greedy: bool, name: str) -> list[Completion]:
        import openai

        config = self.config
        key = os.environ.get(config.api_key_env) or "none"
        gate = asyncio.Semaphore(config.concurrency)
        async with openai.AsyncOpenAI(
            base_url=config.base_url, api_key=key, max_retries=config.retries, timeout=config.timeout
        ) as client:

            async def ask(puzzle: Item, count: int, seed: int) -> list[tuple[str, int | None, bool]]:
                async with gate:
                    return await self._choices(client, prompt.to_model_input(puzzle), count, seed, greedy)

            async def answered(puzzle: Item) -> list[Completion]:
                wanted = 1 if greedy else config.samples
                found = (await ask(puzzle, wanted, seed_of(name, puzzle.id, 0)))[:wanted]
                missing = range(len(found), wanted)
                more = await asyncio.gather(*(ask(puzzle, 1, seed_of(name, puzzle.id, k)) for k in missing))
                found += [choice for choices in more for choice in choices[:1]]
                if len(found) < wanted:
                    raise RunError(f"{len(found)} of {wanted} choices returned for {puzzle.id}")
                return [Completion(puzzle.id, -1 if greedy else k, *choice) for k, choice in enumerate(found)]

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(answered(puzzle)) for puzzle in puzzles]
        return [completion for task in tasks for completion in task.result()]

    async def _choices(
        self, client: Any, prompt: Any, count: int, seed: int, greedy: bool
    ) -> list[tuple[str, int | None, bool]]:
        """The choices of one request: text, tokens if there is one choice, whether the limit ended it."""
        settings: dict[str, Any] = {
            "model": self.model,
            "max_tokens": self.config.max_new_tokens or UNKNOWN_LIMIT,
            "temperature": 0.0 if greedy else self.config.temperature,
            "top_p": 1.0,
            "seed": seed,
            "extra_body": self.config.extra or None,
        }
        if count > 1:
            settings["n"] = count
        chat = not isinstance(prompt, str)
        ask = client.chat.completions.create if chat else client.completions.create
        answer = None
        for pause in (*PAUSES[: self.config.retries], None):
            try:
                answer = await ask(**({"messages": prompt} if chat else {"prompt": prompt}), **settings)
                break
            except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:  # a truncated body
                if pause is None:
                    raise RunError(f"the response is not JSON: {reason(error)}") from None
                await asyncio.sleep(pause)
        try:
            choices = list(answer.choices)  # type: ignore[union-attr]
            texts = [choice.message.content if chat else choice.text for choice in choices]
            if not all(text is None or isinstance(text, str) for text in texts):
                raise TypeError
            tokens = _tokens(answer) if len(choices) == 1 else None
            return [(t or "", tokens, c.finish_reason == "length") for t, c in zip(texts, choices, strict=True)]
        except (AttributeError, TypeError):
            raise RunError("the response has no completion; does the address end in /v1?") from None


def _tokens(answer: Any) -> int | None:
    """The server's count of completion tokens; None if it is missing or impossible."""
    count = getattr(answer.usage, "completion_tokens", None)
    return count if type(count) is int and 0 <= count < 2**31 else None


def _message(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return reason(error)
