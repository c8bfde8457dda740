"""``/v1/embeddings`` and ``/v1/models``: the encoders of the page for programs that speak to OpenAI's embeddings API.

Requests and answers are those of https://platform.openai.com/docs/api-reference/embeddings. Models are named
"mini:simcse" (a stage or baseline), or "mini" for the default stage. What cannot be honoured is refused in that API's
form of an error, never ignored: token numbers as input belong to another tokenizer, and a model of another name would
give other vectors than its name says.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from llm2vec_core.arguments import short
from llm2vec_core.batching import clean_text
from llm2vec_core.config_numbers import no_json
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError, LLM2VecError
from llm2vec_core.ui.api import CALLS_AT_ONCE, Endpoints
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import encoder_options
from llm2vec_core.ui.handlers import notice_for

# More callers than this wait in vain: their own time limits pass first.
WAITING = 64
# A character is at most twelve bytes of JSON: two escapes of six.
BYTES_A_CHARACTER, OTHER_BYTES = 12, 65_536
FIELDS = ("input", "model", "encoding_format", "dimensions", "user")


class RequestError(InputError):
    """A request that is refused.

    Attributes:
        status: of the answer.
        param: the field that is wrong; None for the request as a whole.
        code: OpenAI's name for what is wrong; None if it has none.
    """

    def __init__(self, message: str, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.param, self.code = status, param, code


@dataclass(frozen=True)
class Order:
    """What a request asks for.

    Attributes:
        texts: one or more.
        model: as it was named.
        key: of the encoder.
        as_base64: whether an embedding is written as base64 of little-endian float32.
        dimensions: of an embedding, if fewer than all.
    """

    texts: list[str]
    model: str
    key: str
    as_base64: bool
    dimensions: int | None


class EmbeddingsAPI:
    """Answers requests with the encoders of one model.

    Args:
        context: of that model.
    """

    def __init__(self, context: AppContext) -> None:
        self._context = context
        self._endpoints = Endpoints(context)
        self._turn = asyncio.Semaphore(CALLS_AT_ONCE)
        self._asked = 0

    def models(self) -> dict[str, str]:
        """Keys of encoders by the name of each model, the default one first."""
        preset = self._context.preset
        keys = [option.key for option in encoder_options(preset, baselines=True)]
        return {preset.key: preset.default.key, **{f"{preset.key}:{key}": key for key in keys}}

    def read(self, body: Any) -> Order:
        """Check a request.

        Args:
            body: as JSON has it.

        Raises:
            RequestError: naming the field that is wrong and what would be right.
        """
        if not isinstance(body, dict):
            raise RequestError("The body is no JSON object; it needs input and model.")
        if unknown := sorted(body.keys() - set(FIELDS)):
            raise RequestError(
                f"unknown field {unknown[0]!r:.80}; known are {', '.join(FIELDS)}", param=clean_text(unknown[0][:80])
            )
        names = self.models()
        model = body.get("model")
        if not isinstance(model, str) or model not in names:
            raise RequestError(
                f"there is no model {short(model, 80)}; name one of {', '.join(names)}", 404, "model", "model_not_found"
            )
        kind = body.get("encoding_format", "float")
        if kind not in ("float", "base64"):
            raise RequestError(f"encoding_format is {short(kind, 80)}; give float or base64", param="encoding_format")
        dimensions = body.get("dimensions")
        if dimensions is not None and not (_is_number(dimensions) and dimensions >= 1):
            raise RequestError(f"dimensions is {short(dimensions, 80)}; give a whole number from 1", param="dimensions")
        return Order(self._texts(body.get("input")), model, names[model], kind == "base64", dimensions)

    def _texts(self, given: Any) -> list[str]:
        texts = [given] if isinstance(given, str) else given
        if isinstance(texts, list) and texts and all(_is_number(text) or _are_numbers(text) for text in texts):
            raise RequestError(
                "input is token numbers, which belong to another tokenizer; send texts (with LangChain: "
                "check_embedding_ctx_length=False)",
                param="input",
            )
        try:
            return self._endpoints.checked_texts(texts, "input")
        except InputError as error:
            raise RequestError(str(error), param="input") from error

    def embed(self, order: Order) -> dict[str, Any]:
        """Compute an answer.

        Args:
            order: from :meth:`read`.

        Returns:
            As OpenAI's API has it; every embedding has length 1, also where ``dimensions`` leaves some out.

        Raises:
            RequestError: for more dimensions than there are.
        """
        vectors = self._context.encoder(order.key).encode(order.texts)
        if order.dimensions and order.dimensions > (hidden := vectors.shape[1]):
            told = f"dimensions is {short(order.dimensions, 40)}; {order.model} has {hidden}"
            raise RequestError(told, param="dimensions")
        vectors = vectors[:, : order.dimensions]
        vectors = (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)).astype("<f4")
        causal = self._context.encoder(self._context.preset.stages[0].key)
        tokens = sum(len(row.input_ids) for row in causal.tokenize(order.texts)) if isinstance(causal, LLM2Vec) else 0
        return {
            "object": "list",
            "data": [
                {
                    "object": "embedding",
                    "index": i,
                    "embedding": base64.b64encode(row.tobytes()).decode() if order.as_base64 else row.tolist(),
                }
                for i, row in enumerate(vectors)
            ],
            "model": order.model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }

    async def post_embeddings(self, request: Request) -> Response:
        """Answer ``POST /v1/embeddings``: some at once, some more wait, and the rest are told to come again."""
        if self._asked >= CALLS_AT_ONCE + WAITING:
            raise RequestError("too many requests are waiting; try again", 429, code="rate_limit_exceeded")
        self._asked += 1
        try:
            body = await self._body(request)
            async with self._turn:
                return JSONResponse(await run_in_threadpool(lambda: self.embed(self.read(body))))
        finally:
            self._asked -= 1

    async def _body(self, request: Request) -> Any:
        most = self._context.limits.api_characters * BYTES_A_CHARACTER + OTHER_BYTES
        raw = b""
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > most:
                raise RequestError(f"the body has more than {most:,} bytes; send fewer texts a call", 413)
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise RequestError(f"The body {no_json(error)}.") from error

    async def get_models(self, request: Request) -> Response:
        """Answer ``GET /v1/models``."""
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "llm2vec-core"} for name in self.models()]
        return JSONResponse({"object": "list", "data": models})


def embedding_routes(context: AppContext) -> list[Route]:
    """The two addresses, for ``app_kwargs`` of ``launch()``.

    Args:
        context: of the model whose encoders are offered.
    """
    api = EmbeddingsAPI(context)
    return [
        Route("/v1/embeddings", _answered(api.post_embeddings), methods=["POST"]),
        Route("/v1/models", _answered(api.get_models), methods=["GET"]),
    ]


def _answered(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """The same handler, whose errors are answers as OpenAI's API has them."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except Exception as error:
            found = error if isinstance(error, RequestError) else None
            status = found.status if found else 400 if isinstance(error, LLM2VecError) else 500
            kind = "server_error" if status == 500 else "invalid_request_error"
            described = {
                "message": notice_for(error),
                "type": kind,
                "param": found.param if found else None,
                "code": found.code if found else None,
            }
            headers = {"Retry-After": "1"} if status == 429 else None
            return JSONResponse({"error": described}, status, headers)

    return answer


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_number, value))
