"""An OpenAI-compatible server around the bundled model, on loopback: the real thing, for tests of what talks to one.

It supports n, seed, temperature and max_tokens, for texts and for chats. Told so, it ignores n as some servers do, or
fails its first requests.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ramify.models.checkpoints import model_path

NAME = "tiny"


class Server:
    """The application, with what it was asked and how it is to misbehave."""

    def __init__(self) -> None:
        from ramify.models.loading import load_model, load_tokenizer

        self.asked: list[dict[str, Any]] = []
        self.ignores_n = False
        self.failures = 0
        self.status = 503
        self.odd: Any = None  # is answered instead
        self.cut_off = 0  # so many answers are half a JSON text
        self._lock = threading.Lock()
        self._model = load_model(model_path("bundled")).eval()
        self._tokenizer = load_tokenizer(model_path("bundled"))

    def app(self) -> Any:
        from fastapi import FastAPI
        from fastapi.responses import JSONResponse

        app = FastAPI()

        @app.get("/v1/models")
        def models() -> dict:
            return {"object": "list", "data": [{"id": NAME, "object": "model", "created": 0, "owned_by": "ramify"}]}

        @app.post("/v1/completions")
        def completions(body: dict) -> Any:
            return self._refused(JSONResponse, body) or self._answer(body, body["prompt"], "text_completion")

        @app.post("/v1/chat/completions")
        def chat(body: dict) -> Any:
            said = body["messages"][-1]["content"]
            text = said if isinstance(said, str) else "".join(part.get("text", "") for part in said)
            return self._refused(JSONResponse, body) or self._answer(body, text, "chat.completion")

        return app

    def _refused(self, response: Any, body: dict) -> Any:
        self.asked.append(body)
        if body.get("model") != NAME:
            return response({"error": {"message": f"no model {body.get('model')}"}}, 404)
        if self.cut_off:
            from fastapi.responses import Response

            self.cut_off -= 1
            return Response(b'{"id": "x", "choices": [{"ind', media_type="application/json")
        if self.odd is not None:
            return response(self.odd)
        if self.failures:
            self.failures -= 1
            return response({"error": {"message": "planted"}}, self.status)
        return None

    def _answer(self, body: dict, prompt: str, kind: str) -> dict:
        import torch

        count = 1 if self.ignores_n else body.get("n") or 1
        ids = self._tokenizer([prompt] * count, return_tensors="pt")
        temperature = 1.0 if body.get("temperature") is None else body["temperature"]
        limit = body.get("max_tokens") or body.get("max_completion_tokens") or 16
        how: dict[str, Any] = {"do_sample": temperature > 0}
        if temperature > 0:
            how |= {"temperature": temperature, "top_k": 0, "top_p": 1.0}
        with self._lock, torch.no_grad():  # random numbers are torch's own
            if body.get("seed") is not None:
                torch.manual_seed(body["seed"])
            written = self._model.generate(**ids, max_new_tokens=limit, **how)
        end, choices, used = self._tokenizer.eos_token_id, [], 0
        for index, row in enumerate(written[:, ids["input_ids"].shape[1] :].tolist()):
            ended = end in row
            row = row[: row.index(end) + 1] if ended else row
            used += len(row)
            text = self._tokenizer.decode(row, skip_special_tokens=True)
            said = {"message": {"role": "assistant", "content": text}} if kind == "chat.completion" else {"text": text}
            choices.append({"index": index, "finish_reason": "stop" if ended else "length", "logprobs": None, **said})
        asked = ids["input_ids"].shape[1]
        usage = {"prompt_tokens": asked, "completion_tokens": used, "total_tokens": asked + used}
        return {"id": "x", "object": kind, "created": 0, "model": NAME, "choices": choices, "usage": usage}


@contextmanager
def serving(server: Server) -> Iterator[str]:
    """Serve on a free port of loopback; yields the base URL."""
    import uvicorn

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    runner = uvicorn.Server(uvicorn.Config(server.app(), host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=runner.run, daemon=True)
    thread.start()
    while not runner.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        runner.should_exit = True
        thread.join()
